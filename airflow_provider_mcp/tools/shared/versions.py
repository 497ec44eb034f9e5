# Licensed to the Apache Software Foundation (ASF) under one
# or more contributor license agreements.  See the NOTICE file
# distributed with this work for additional information
# regarding copyright ownership.  The ASF licenses this file
# to you under the Apache License, Version 2.0 (the
# "License"); you may not use this file except in compliance
# with the License.  You may obtain a copy of the License at
#
#   http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing,
# software distributed under the License is distributed on an
# "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY
# KIND, either express or implied.  See the License for the
# specific language governing permissions and limitations
# under the License.
"""What depends on the version of Airflow."""

from __future__ import annotations

import re

from airflow_provider_mcp.sdk import Airflow


def read_release(airflow: Airflow) -> tuple[int, ...]:
    """Return the version of the Airflow that answers, as ``(3, 3, 2)``."""
    return tuple(int(number) for number in re.findall(r"\d+", airflow.site.version)[:3])


def is_airflow_2(airflow: Airflow) -> bool:
    return read_release(airflow)[:1] == (2,)
