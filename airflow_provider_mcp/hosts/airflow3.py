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
"""Airflow 3: the endpoint mounted in the api-server, and calls into the same app as the caller."""

from __future__ import annotations

import functools
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

import anyio

if TYPE_CHECKING:
    from airflow_provider_mcp.airflow_api import Airflow, Caller
    from airflow_provider_mcp.endpoint import Reply
    from airflow_provider_mcp.policy import PolicySource

log = logging.getLogger(__name__)

NESTED_CALLS = 10
"""Calls into Airflow at once in one process: each may hold one of the database pool's 15 connections."""
REQUEST_SECONDS = 54
REDACTED_DEPTH = 200
"""How deep secrets are looked for: Airflow's masker stops at 5 by itself."""


def fastapi_apps() -> list[dict[str, Any]]:
    """Return the plugin's ``fastapi_apps``: one ASGI app mounted at ``/mcp``."""
    return [{"app": Endpoint(), "url_prefix": "/mcp", "name": "mcp"}]


class Endpoint:
    """The ASGI app. What is heavy is imported and built by the first request, after any fork."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        # The mount leaves `app` as the app that holds the mount: Airflow's own.
        reply = await self._answer(scope, receive)
        headers = {"Content-Length": str(len(reply.body)), "Cache-Control": "no-store", **reply.headers}
        await send(
            {
                "type": "http.response.start",
                "status": reply.status,
                "headers": [(k.lower().encode("latin-1"), v.encode("latin-1")) for k, v in headers.items()],
            }
        )
        await send({"type": "http.response.body", "body": reply.body})

    @functools.cached_property
    def _served(self) -> _Served:
        return _Served()

    async def _answer(self, scope: Any, receive: Any) -> Reply:
        from airflow_provider_mcp import endpoint
        from airflow_provider_mcp.endpoint import Reply

        route = scope["path"].removeprefix(scope.get("root_path", ""))
        if route not in ("/v1", "/v1/"):
            return Reply(404, b'{"detail":"Not Found"}', {"Content-Type": "application/json"})
        served = self._served
        raw_headers = [(k.decode("latin-1").lower(), v.decode("latin-1")) for k, v in scope["headers"]]
        headers = dict(raw_headers)
        source = served.policy_source
        policy = await anyio.to_thread.run_sync(source.current) if source.stale else source.current()
        own = {served.own_origin, f"{scope['scheme']}://{headers.get('host', '')}"}
        refused = endpoint.refuse_at_the_door(scope["method"], headers, policy, own)
        if refused is not None:
            return refused
        authorization = headers.get("authorization", "")
        caller = await served.authenticate(authorization)
        if caller is None:
            return endpoint.unauthenticated()
        refused = endpoint.refuse_body(headers, policy)
        if refused is not None:
            return refused
        body = bytearray()
        while True:
            event = await receive()
            if event["type"] == "http.disconnect":
                return Reply(400)
            body += event.get("body", b"")
            if len(body) > policy.max_request_bytes:
                return endpoint.too_large(policy)
            if not event.get("more_body"):
                break
        page_root = served.base_url or f"{scope['scheme']}://{headers.get('host', '')}"
        visit = endpoint.Visit(
            caller=caller,
            policy=policy,
            open_airflow=lambda access: served.open_airflow(
                scope["app"], authorization, caller, access, page_root
            ),
        )
        with anyio.move_on_after(REQUEST_SECONDS):
            return await endpoint.exchange(served.server, raw_headers, bytes(body), visit)
        return Reply(504, b'{"detail":"Timed out"}', {"Content-Type": "application/json"})


class _Served:
    """What one process needs to serve: built once, by its first request."""

    def __init__(self) -> None:
        from airflow import __version__
        from airflow.configuration import conf

        from airflow_provider_mcp.endpoint import origin_of
        from airflow_provider_mcp.plugins import load_catalogue
        from airflow_provider_mcp.policy import Confirmations, PolicySource
        from airflow_provider_mcp.server import build_server

        self.version = __version__
        self.catalogue = load_catalogue(__version__)
        self.policy_source: PolicySource = PolicySource(read_extra)
        self.server = build_server(
            self.catalogue, Confirmations(conf.get_mandatory_value("api", "secret_key").encode())
        )
        self.base_url = conf.get("api", "base_url", fallback="").rstrip("/")
        self.own_origin = origin_of(self.base_url)
        self._nested: anyio.Semaphore | None = None

    async def authenticate(self, authorization: str) -> Caller | None:
        """Return whose Bearer token this is, by Airflow's auth manager; None if it is no valid one."""
        from airflow.api_fastapi.app import get_auth_manager
        from jwt import InvalidTokenError

        from airflow_provider_mcp.airflow_api import Caller

        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            return None
        try:
            user = await get_auth_manager().get_user_from_token(token.strip())
        except (InvalidTokenError, KeyError, ValueError):
            # KeyError and ValueError: a token that verifies but does not hold the manager's claims.
            return None
        if user is None:
            return None
        return Caller(str(user.get_id()), user.get_name())

    def open_airflow(
        self, app: Any, authorization: str, caller: Caller, access: Literal["read", "write"], page_root: str
    ) -> Airflow:
        """Return a client that calls ``app`` in this process with the caller's own credential."""
        from airflow_provider_mcp.airflow_api import INNER_HOST, Airflow, Site

        if self._nested is None:
            self._nested = anyio.Semaphore(NESTED_CALLS)
        root = getattr(app, "root_path", "").rstrip("/")
        return Airflow(
            transport=_inward(app, root, self._nested),
            base_url=f"http://{INNER_HOST}{root}/api/v2/",
            headers={"Authorization": authorization},
            site=Site(self.version, functools.partial(page_url, page_root), redact, hides_option),
            caller=caller,
            access=access,
        )


def _inward(app: Any, root: str, limit: anyio.Semaphore) -> Any:
    """Return a transport into ``app``."""
    import httpx

    class Inward(httpx.AsyncBaseTransport):
        def __init__(self) -> None:
            self._asgi = httpx.ASGITransport(_log_free_of_arguments(app), raise_app_exceptions=False)

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            if request.url.path == f"{root}/api/v2/openapi.json":
                # The one document outside the API's root that tools read.
                request.url = request.url.copy_with(path=f"{root}/openapi.json")
            async with limit:
                return await self._asgi.handle_async_request(request)

    return Inward()


def _log_free_of_arguments(app: Any) -> Any:
    """Return ``app`` so that its access log names the route of a call, not what the call asked for.

    Airflow's access log reads the scope when a call is over: from the start of the answer on, nothing else
    does.
    """

    async def call(scope: Any, receive: Any, send: Any) -> None:
        async def hide_then_send(message: Any) -> None:
            if message["type"] == "http.response.start":
                scope["query_string"] = b""
                scope["path"] = getattr(scope.get("route"), "path", "/api/v2")
            await send(message)

        try:
            await app(scope, receive, hide_then_send)
        except Exception:
            # The transport answers with 500 and would keep the cause to itself.
            route = getattr(scope.get("route"), "path", "/api/v2")
            log.exception("Airflow failed to answer %s %s for an MCP tool", scope["method"], route)
            raise

    return call


def page_url(
    root: str, dag_id: str, dag_run_id: str | None = None, task_id: str | None = None, map_index: int = -1
) -> str:
    """Return the address of Airflow 3's page about a Dag, a run or a task instance."""
    url = f"{root}/dags/{quote(dag_id, safe='')}"
    if dag_run_id is not None:
        url += f"/runs/{quote(dag_run_id, safe='')}"
        if task_id is not None:
            url += f"/tasks/{quote(task_id, safe='')}"
            if map_index >= 0:
                url += f"/mapped/{map_index}"
    return url


def redact(value: Any, name: str | None = None) -> Any:
    """Return JSON-ready data with its secrets masked by Airflow's own masker."""
    try:
        from airflow._shared.secrets_masker import redact as mask
    except ImportError:  # before Airflow 3.2
        from airflow.sdk.execution_time.secrets_masker import redact as mask

    return mask(value, name, max_depth=REDACTED_DEPTH)


def read_extra(conn_id: str) -> Mapping[str, Any] | None:
    """Return a connection's extra; None if there is no such connection.

    :raises ValueError: The extra is no JSON object.
    """
    import json

    from airflow.exceptions import AirflowNotFoundException
    from airflow.sdk import BaseHook

    try:
        connection = BaseHook.get_connection(conn_id)
    except AirflowNotFoundException:
        return None
    if not connection.extra:
        return {}
    extra = json.loads(connection.extra)
    if not isinstance(extra, dict):
        raise ValueError("the extra is not a JSON object")
    return extra


def hides_option(section: str, option: str) -> bool:
    """Say whether Airflow calls an option of its configuration sensitive."""
    from airflow.configuration import conf

    section, option = section.lower(), option.lower()
    # Options of a secrets backend may be set one by one, under names of their own.
    return (section, option) in conf.sensitive_config_values or "backend_kwarg__" in option
