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
"""What Airflow 3's log has of a tool's call that failed."""

from __future__ import annotations

import logging
from typing import Any

import anyio
import httpx
import pytest

from airflow_provider_mcp.hosts.airflow3 import _log_free_of_arguments


def test_the_cause_of_a_failed_call_is_logged_without_its_arguments(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise ValueError("the cause")

    async def run() -> httpx.Response:
        transport = httpx.ASGITransport(_log_free_of_arguments(app), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as http:
            return await http.get("/api/v2/variables/of-ada?after=noon")

    with caplog.at_level(logging.ERROR, "airflow_provider_mcp"):
        assert anyio.run(run).status_code == 500
    (record,) = [record for record in caplog.records if record.name.startswith("airflow_provider_mcp")]
    assert record.exc_info is not None
    assert "the cause" in str(record.exc_info[1])
    assert "of-ada" not in record.getMessage()
    assert "noon" not in record.getMessage()
