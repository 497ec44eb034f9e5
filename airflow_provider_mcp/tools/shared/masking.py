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
"""Masking of values that may be large, off the event loop."""

from __future__ import annotations

import anyio.to_thread

from airflow_provider_mcp.sdk import JSON, Airflow

SMALL = 50_000
"""Characters of a text that are masked at once."""


async def redact_off_loop(airflow: Airflow, value: JSON, name: str | None = None) -> JSON:
    """Return data with its secrets masked; what may be large is masked in a thread."""
    if (
        value is None
        or isinstance(value, (bool, int, float))
        or (isinstance(value, str) and len(value) < SMALL)
    ):
        return airflow.redact(value, name)
    return await anyio.to_thread.run_sync(airflow.redact, value, name)
