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
pytest.importorskip("airflow.www.extensions.init_auth_manager", reason="Airflow 2's")

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
        transport = calls.InnerApp(app).open_transport(calls.Principal(lambda: "ada"), "")
        async with httpx.AsyncClient(transport=transport, base_url=calls.InnerApp.base_url) as client:
            return await client.get("version")

    answer = anyio.run(get)
    assert answer.status_code == status
    assert ("database does not answer" in answer.text) == (status == 503)
    assert "SELECT" not in answer.text


def test_a_page_for_faults_that_fails_as_well_hides_no_database_that_is_gone() -> None:
    app = flask.Flask("airflow")

    @app.route("/api/v1/version")
    def version() -> Any:
        raise OperationalError("SELECT 1", {}, Exception("database is locked"))

    @app.errorhandler(500)
    def show(_: Exception) -> Any:
        raise RuntimeError("the user's row is not bound to a session")

    async def get() -> httpx.Response:
        transport = calls.InnerApp(app).open_transport(calls.Principal(lambda: "ada"), "")
        async with httpx.AsyncClient(transport=transport, base_url=calls.InnerApp.base_url) as client:
            return await client.get("version")

    answer = anyio.run(get)
    assert answer.status_code == 503
    assert "database does not answer" in answer.text


@pytest.mark.parametrize(
    ("method", "path", "body", "passes"),
    [
        ("GET", "dags", None, True),
        ("POST", "dags/~/dagRuns/list", {}, True),
        ("POST", "dags/d/clearTaskInstances", {"dry_run": True}, True),
        ("POST", "dags/d/clearTaskInstances", {"dry_run": False}, False),
        ("POST", "dags/d/clearTaskInstances", {}, False),
        ("POST", "variables", {"key": "a"}, False),
        ("POST", "connections/test", {}, False),
        ("PATCH", "dags/d", {"is_paused": True}, False),
        ("DELETE", "dags/d", None, False),
        ("PUT", "x", {}, False),
    ],
)
def test_a_token_for_reading_is_refused_at_the_api_too(
    method: str, path: str, body: Any, passes: bool
) -> None:
    app = flask.Flask("airflow")

    def answer() -> Any:
        return flask.Response("ok", 200)

    def ask(may_write: bool) -> int:
        principal = calls.Principal(lambda: "ada", may_write)
        environ = {"airflow_provider_mcp.caller": principal}
        url = f"/api/v1/{path}"
        with app.test_request_context(url, method=method, json=body, environ_overrides=environ):
            try:
                status: int = calls.InwardAuthentication.requires_authentication(answer)().status_code
            except Exception as refused:
                return int(refused.status)  # type: ignore[attr-defined]
            return status

    assert ask(may_write=True) == 200
    assert ask(may_write=False) == (200 if passes else 403)


@pytest.mark.parametrize("foreign", [None, "ada", lambda: "ada", {"load_user": "ada"}])
def test_only_a_principal_of_ours_is_let_in(foreign: Any) -> None:
    app = flask.Flask("airflow")
    environ = {} if foreign is None else {"airflow_provider_mcp.caller": foreign}
    with app.test_request_context("/api/v1/dags", environ_overrides=environ):
        decorated = calls.InwardAuthentication.requires_authentication(lambda: flask.Response("ok", 200))
        assert decorated().status_code == 401
