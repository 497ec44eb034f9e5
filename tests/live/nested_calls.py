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
"""Calls into Airflow 2 from inside one of its requests; prints what became of that request as JSON."""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import flask
from airflow import settings
from airflow.models import Variable
from airflow.www.app import create_app
from airflow.www.extensions.init_auth_manager import get_auth_manager
from sqlalchemy import event

from airflow_provider_mcp.endpoint.door import HTTPRequest
from airflow_provider_mcp.endpoint.wsgi import list_headers
from airflow_provider_mcp.hosts.airflow2.rest import routes
from airflow_provider_mcp.hosts.airflow2.serving import Host
from airflow_provider_mcp.sdk.airflow import Airflow
from airflow_provider_mcp.sdk.errors import ToolError


def outer_request(app: Any, user: str) -> Any:
    """Return a context in which ``user`` has sent a request to the endpoint."""
    credential = base64.b64encode(f"{user}:{user}".encode()).decode()
    return app.test_request_context(
        "/mcp/v1", method="POST", headers={"Authorization": f"Basic {credential}"}
    )


def open_airflow(app: Any) -> Airflow:
    """Authenticate the current request, which commits its session, and return its caller's client."""
    serving = app.extensions["airflow_provider_mcp"].get()
    environ = flask.request.environ
    request = HTTPRequest("POST", list_headers(environ), read_body=no_body)
    identity = asyncio.run(Host(serving, environ).authenticate(request))
    return identity.open_airflow("write")


async def no_body(_most: int, _seconds: float) -> bytes:
    return b""


def call_inward(airflow: Airflow, *calls: tuple[str, str, Any]) -> list[str]:
    """Make calls as the caller of the current request; return ``ok`` or the error's code for each."""

    async def run() -> list[str]:
        outcomes = []
        for method, route, body in calls:
            try:
                await airflow.request(method, route, json=body)
            except ToolError as failure:
                outcomes.append(str(failure.code))
            else:
                outcomes.append("ok")
        return outcomes

    return asyncio.run(run())


def committed(key: str) -> bool:
    """Say whether another session sees the variable."""
    session = settings.Session.session_factory()
    try:
        return session.query(Variable).filter_by(key=key).count() == 1
    finally:
        session.close()


def one_outer_request(app: Any) -> dict[str, Any]:
    """Leave a row pending, call inward (also in vain) and look at what the outer request still has."""
    with outer_request(app, "viewer"):
        airflow = open_airflow(app)
        # What only the viewer may be refused shows whose login the inner calls had.
        session = settings.Session()
        context, request = flask.globals.app_ctx._get_current_object(), flask.request._get_current_object()
        flask.g.of_the_outer_request = "kept"
        pending = Variable(key="pending", val="1")
        session.add(pending)
        outcomes = call_inward(
            airflow,
            ("GET", "variables", None),
            ("POST", "variables", {"key": "by_viewer", "value": "1"}),
            ("GET", "dags/no_such_dag", None),
            ("GET", "test/raises", None),
        )
        facts: dict[str, Any] = {
            "viewer": outcomes,
            "user": get_auth_manager().get_user_name(),
            "same_session": settings.Session() is session,
            "still_pending": pending in session.new,
            "same_contexts": flask.globals.app_ctx._get_current_object() is context
            and flask.request._get_current_object() is request,
            "kept": flask.g.of_the_outer_request,
            "pending_was_committed": committed("pending"),
        }
        session.commit()
        facts["outer_can_commit"] = committed("pending")
    with outer_request(app, "admin"):
        airflow = open_airflow(app)
        session = settings.Session()
        doomed = Variable(key="doomed", val="1")
        session.add(doomed)
        facts["admin"] = call_inward(airflow, ("POST", "variables", {"key": "by_admin", "value": "1"}))
        session.rollback()
        facts["inner_write_stands"] = committed("by_admin")
        facts["rolled_back_was_committed"] = committed("doomed")
    return facts


def eight_at_once(app: Any) -> list[list[str]]:
    """Let admins and viewers write at once, each four times."""

    def visit(number: int) -> list[str]:
        user = "viewer" if number % 2 else "admin"
        with outer_request(app, user):
            calls = [("PATCH", "variables/by_admin", {"key": "by_admin", "value": str(number)})] * 4
            outcomes = call_inward(open_airflow(app), *calls)
            return [*outcomes, get_auth_manager().get_user_name()]

    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(visit, range(8)))


def count_open_connections() -> list[Any]:
    """Return the database connections in use, kept up to date."""
    in_use: list[Any] = []
    event.listen(
        settings.engine.pool, "checkout", lambda connection, _record, _proxy: in_use.append(connection)
    )
    event.listen(settings.engine.pool, "checkin", lambda connection, _record: in_use.remove(connection))
    return in_use


def count_permission_queries() -> list[str]:
    """Return the queries, kept up to date, by which inner calls ask what their caller may do."""
    asked: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        inner = flask.has_request_context() and flask.request.path.startswith("/api/v1/")
        if inner and "ab_permission_view" in statement:
            asked.append(statement)

    event.listen(settings.engine, "before_cursor_execute", note)
    return asked


def main() -> None:
    app = create_app()
    in_use = count_open_connections()

    seen: list[bool] = []
    read_permissions = count_permission_queries()

    def raises() -> None:
        seen.append(hasattr(flask.g, "of_the_outer_request"))
        raise RuntimeError("an inner call fails")

    app.add_url_rule("/api/v1/test/raises", view_func=raises)
    # The table passes on what it knows; the failing route is put in its place.

    routes.ROUTES = (("GET", "test/raises", routes.pass_on), *routes.ROUTES)
    facts: dict[str, Any] = {"one": one_outer_request(app), "eight": eight_at_once(app)}
    facts["inner_saw_outer_g"] = seen
    facts["permission_queries_of_inner_calls"] = read_permissions
    json.dump({**facts, "connections_in_use": len(in_use)}, sys.stdout)


if __name__ == "__main__":
    main()
