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
"""What the commands print."""

from __future__ import annotations

import logging
import sys


def say(text: str = "") -> None:
    """Print a part of the answer."""
    print(text)  # noqa: T201


def remark(text: str) -> None:
    """Print what is not the answer to standard error."""
    print(text, file=sys.stderr)  # noqa: T201


def log_to_standard_error(level: int) -> None:
    """Keep what libraries log away from the answer."""
    logging.basicConfig(stream=sys.stderr, level=level, format="%(levelname)s %(name)s: %(message)s")
    # Airflow, once it is imported, logs at its own level: each request would be a line.
    logging.getLogger("httpx").setLevel(logging.WARNING)
