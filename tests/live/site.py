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
"""A running Airflow as the live tests ask it."""

from __future__ import annotations

import json
from typing import Any

import httpx

from devtools.airflow_process import AirflowSite
from devtools.sessions import LINE, TLS

__all__ = ["LINE", "TLS", "WORKERS", "Site"]

WORKERS = 1 if LINE == 3 else 4


class Site(AirflowSite):
    """A running Airflow of the installed line."""

    def __post_init__(self) -> None:
        super().__post_init__()
        # The tests send more as one user than one may; tests/unit/server/test_rates.py has the rates.
        rates = {"AIRFLOW__MCP__CALLS_PER_MINUTE": "0", "AIRFLOW__MCP__WRITES_PER_MINUTE": "0"}
        self.env = rates | self.env

    def post(self, message: Any, user: str | None = "admin", **headers: str) -> httpx.Response:
        """POST a message (or raw bytes) to the endpoint."""
        content = message if isinstance(message, bytes) else json.dumps(message).encode()
        sent = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
        if user is not None:
            sent["Authorization"] = self.authorization(user)
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        return httpx.post(self.url, content=content, headers=sent, timeout=60, verify=TLS)
