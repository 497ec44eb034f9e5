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
"""Calls into Airflow 3's own app: as whom they go, by which middlewares, and what their failure tells."""

from __future__ import annotations

import logging
from typing import Any

import anyio
import httpx
import pytest
from sqlalchemy.exc import DataError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as NoFreeConnection

from airflow_provider_mcp.hosts.airflow3 import calls

fastapi = pytest.importorskip("fastapi")
starlette = pytest.importorskip("starlette.applications", reason="Airflow 2 has no Starlette")
security = pytest.importorskip("airflow.api_fastapi.core_api.security", reason="of Airflow 3")


class Remember:
    """A middleware that Airflow does not bring."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        scope.setdefault("state", {})["remembered"] = True
        await self.app(scope, receive, send)


async def who(request: Any) -> Any:
    from starlette.responses import JSONResponse

    return JSONResponse(
        {
            "authorization": request.headers.get("authorization"),
            "user": getattr(request.state, "user", None),
            "trusted": getattr(request.state, "user_authenticated_via", None)
            is security.USER_INJECTED_BY_TRUSTED_MIDDLEWARE,
            "remembered": getattr(request.state, "remembered", False),
        }
    )


async def fail(request: Any) -> Any:
    raise ValueError("the cause")


def app_with(*middleware: Any) -> Any:
    from starlette.middleware import Middleware
    from starlette.routing import Route

    return starlette.Starlette(
        routes=[Route("/api/v2/who", who), Route("/api/v2/variables/{key}", fail)],
        middleware=[Middleware(each) for each in middleware],
    )


def get(app: Any, route: str) -> httpx.Response:
    async def run() -> httpx.Response:
        transport = calls.InnerApp(app).open_transport("ada", lambda: "Bearer hers")
        async with httpx.AsyncClient(transport=transport, base_url="http://in/api/v2/") as http:
            return await http.get(route)

    return anyio.run(run)


def known() -> list[Any]:
    from airflow.api_fastapi.auth.middlewares.refresh_token import JWTRefreshMiddleware
    from airflow.api_fastapi.common.http_access_log import HttpAccessLogMiddleware
    from starlette.middleware.gzip import GZipMiddleware

    return [HttpAccessLogMiddleware, GZipMiddleware, JWTRefreshMiddleware]


def test_a_user_who_is_known_is_not_looked_up_again() -> None:
    assert get(app_with(*known()), "who").json() == {
        "authorization": None,
        "user": "ada",
        "trusted": True,
        "remembered": False,
    }


def test_a_middleware_that_is_not_known_stays_and_gets_the_credential() -> None:
    assert get(app_with(*known(), Remember), "who").json() == {
        "authorization": "Bearer hers",
        "user": None,
        "trusted": False,
        "remembered": True,
    }


def test_the_middlewares_left_out_are_all_that_this_airflow_brings() -> None:
    from airflow.api_fastapi.app import create_app

    app = create_app(apps="core")
    names = {calls._name(each) for each in app.user_middleware}
    assert names == calls.DONE_OUTSIDE
    before = list(app.user_middleware)
    anyio.run(lambda: _build(app))
    assert app.user_middleware == before


async def _build(app: Any) -> None:
    assert calls.InnerApp(app).app.user_middleware == []


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (OperationalError("SELECT 1", {}, Exception("database is locked")), 503),
        (NoFreeConnection("QueuePool limit of size 5 overflow 10 reached"), 503),
        (ValueError("a fault of Airflow's"), 500),
    ],
)
def test_a_database_that_is_gone_is_told_from_a_fault(fault: Exception, status: int) -> None:
    from starlette.routing import Route

    async def read(_: Any) -> Any:
        try:
            raise fault
        except Exception as cause:
            raise RuntimeError("could not read") from cause

    answer = get(starlette.Starlette(routes=[Route("/api/v2/dags", read)]), "dags")
    assert answer.status_code == status
    assert "SELECT" not in answer.text
    assert ("database does not answer" in answer.text) == (status == 503)


@pytest.mark.parametrize(
    ("fault", "status", "told"),
    [
        (OperationalError("SELECT 1", {}, Exception("database is locked")), 503, "database does not answer"),
        (NoFreeConnection("QueuePool limit of size 5 overflow 10 reached"), 503, "database does not answer"),
        (ProgrammingError("SELECT 1", {}, Exception("no such table")), 500, "Database error"),
        (DataError("SELECT 1", {}, Exception("value too long")), 422, "Value rejected"),
    ],
)
def test_airflows_handlers_hide_no_database_that_is_gone(fault: Exception, status: int, told: str) -> None:
    exceptions = pytest.importorskip("airflow.api_fastapi.common.exceptions")
    if not hasattr(exceptions, "SQLAlchemyErrorHandler"):
        pytest.skip("an Airflow that has none")

    app = fastapi.FastAPI()
    exceptions.init_error_handlers(app)

    @app.get("/api/v2/dags")
    def read() -> None:
        raise fault

    answer = get(app, "dags")
    assert answer.status_code == status
    assert told in answer.text
    assert "SELECT" not in answer.text


def test_the_access_log_has_no_line_of_a_call(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        assert get(app_with(*known()), "who").status_code == 200
    assert "request finished" not in caplog.text


def test_the_cause_of_a_failed_call_is_logged_without_its_arguments(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "airflow_provider_mcp"):
        assert get(app_with(), "variables/of-ada?after=noon").status_code == 500
    (record,) = [record for record in caplog.records if record.name.startswith("airflow_provider_mcp")]
    assert record.exc_info is not None
    assert "the cause" in str(record.exc_info[1])
    assert "of-ada" not in record.getMessage()
    assert "noon" not in record.getMessage()
