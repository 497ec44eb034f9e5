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
"""Calls into Airflow 2's own app."""

from __future__ import annotations

from typing import Any

import anyio
import httpx
import pytest
from sqlalchemy.exc import OperationalError

flask = pytest.importorskip("flask")

from airflow_provider_mcp.hosts.airflow2 import calls  # noqa: E402


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (OperationalError("SELECT 1", {}, Exception("database is locked")), 503),
        (ValueError("a fault of Airflow's"), 500),
    ],
)
def test_a_database_that_is_gone_is_told_from_a_fault(fault: Exception, status: int) -> None:
    app = flask.Flask("airflow")

    @app.route("/api/v1/version")
    def version() -> Any:
        raise fault

    async def get() -> httpx.Response:
        transport = calls.InnerApp(app).open_transport(lambda: "ada", "")
        async with httpx.AsyncClient(transport=transport, base_url=calls.InnerApp.base_url) as client:
            return await client.get("version")

    answer = anyio.run(get)
    assert answer.status_code == status
    assert ("database does not answer" in answer.text) == (status == 503)
    assert "SELECT" not in answer.text
