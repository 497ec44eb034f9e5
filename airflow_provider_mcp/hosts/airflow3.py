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
import threading
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote, urlsplit

import anyio

from airflow_provider_mcp.hosts import asgi

if TYPE_CHECKING:
    from airflow_provider_mcp.airflow_api import Airflow, Caller
    from airflow_provider_mcp.endpoint import Reply
    from airflow_provider_mcp.policy import PolicySource

log = logging.getLogger(__name__)

NESTED_CALLS = 10
"""Calls into Airflow at once in one process: each may hold one of the database pool's 15 connections."""
STREAMED = "application/x-ndjson"
"""What a caller accepts to read an answer line by line; in Airflow's API, logs are sent so."""
REDACTED_DEPTH = 200
"""How deep secrets are looked for: Airflow's masker stops at 5 by itself."""


def fastapi_apps() -> list[dict[str, Any]]:
    """Return the plugin's ``fastapi_apps``: one ASGI app mounted at ``/mcp``."""
    return [{"app": Endpoint(), "url_prefix": "/mcp", "name": "mcp"}]


class Endpoint:
    """The ASGI app. What is heavy is imported and built by the first request, after any fork."""

    def __init__(self) -> None:
        self._served: _Served | None = None
        self._building = threading.Lock()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        if scope["path"].removeprefix(scope.get("root_path", "")) not in ("/v1", "/v1/"):
            await asgi.start(send, 404, {"Content-Type": "application/json"})
            await send({"type": "http.response.body", "body": b'{"detail":"Not Found"}'})
            return
        if self._served is None:
            # Some seconds of imports, during which the event loop has others to serve.
            await anyio.to_thread.run_sync(self._build)
        reply = await self._answer(scope, receive, send)
        if reply is not None:
            await asgi.send_reply(send, reply)

    def _build(self) -> None:
        with self._building:
            if self._served is None:
                self._served = _Served()

    async def _answer(self, scope: Any, receive: Any, send: Any) -> Reply | None:
        """Answer a request; return what is left to send."""
        from airflow_provider_mcp import endpoint
        from airflow_provider_mcp.endpoint import Reply

        served = self._served
        assert served is not None, "it was built before"  # noqa: S101
        raw_headers = asgi.headers_of(scope)
        headers = dict(raw_headers)
        source = served.policy_source
        policy = await anyio.to_thread.run_sync(source.current) if source.stale else source.current()
        own = endpoint.own_origins(served.base_url, scope["scheme"], headers.get("host", ""))
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
        body = await asgi.read_body(receive, policy.max_request_bytes)
        if body is None:
            return Reply(400)
        if len(body) > policy.max_request_bytes:
            return endpoint.too_large(policy)
        reached = f"{scope['scheme']}://{headers.get('host', '')}{urlsplit(served.base_url).path}"
        page_roots = (served.base_url or reached, reached)
        visit = endpoint.Visit(
            caller=caller,
            policy=policy,
            # The mount leaves `app` as the app that holds the mount: Airflow's own.
            open_airflow=lambda access: served.open_airflow(
                scope["app"], authorization, caller, access, page_roots
            ),
        )
        return await asgi.exchange(served.server, raw_headers, body, visit, receive, send)


class _Served:
    """What one process needs to serve: built once, by its first request."""

    def __init__(self) -> None:
        from airflow import __version__
        from airflow.configuration import conf

        import airflow_provider_mcp.endpoint  # noqa: F401 - here, not first on the event loop
        from airflow_provider_mcp.hosts.connections import read_extra
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
        self,
        app: Any,
        authorization: str,
        caller: Caller,
        access: Literal["read", "write"],
        page_roots: tuple[str, str],
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
            site=Site(
                version=self.version,
                page_roots=page_roots,
                page_url=functools.partial(page_url, page_roots[0]),
                redact=redact,
                hides_option=hides_option,
                policy_conn_ids=frozenset({self.policy_source.conn_id}),
            ),
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
            if request.headers.get("accept") == STREAMED:
                streamed: httpx.Response = await _open_stream(_log_free_of_arguments(app), request, limit)
                return streamed
            async with limit:
                return await self._asgi.handle_async_request(request)

    return Inward()


async def _open_stream(app: Any, request: Any, limit: anyio.Semaphore) -> Any:
    """Send a request whose answer is read while the app still makes it, and is never held as a whole.

    The app waits until what it has sent is taken, so that a long log needs no more memory than a short one.
    """
    import asyncio

    import httpx

    loop = asyncio.get_running_loop()
    started: asyncio.Future[tuple[int, list[tuple[bytes, bytes]]]] = loop.create_future()
    give, take = anyio.create_memory_object_stream[bytes](0)

    async def hand_over(scope: Any, receive: Any, send: Any) -> None:
        async def tell(message: Any) -> None:
            if message["type"] == "http.response.start":
                started.set_result((message["status"], message["headers"]))
            elif message["type"] == "http.response.body":
                if message.get("body"):
                    await give.send(message["body"])
                message = {**message, "body": b""}
            await send(message)

        await app(scope, receive, tell)

    async def run() -> None:
        async with limit, give:
            await httpx.ASGITransport(hand_over).handle_async_request(request)

    class Body(httpx.AsyncByteStream):
        async def __aiter__(self) -> Any:
            async for chunk in take:
                yield chunk
            try:
                await running
            except Exception as failure:
                raise httpx.ReadError("Airflow broke off its answer.", request=request) from failure

        async def aclose(self) -> None:
            take.close()
            running.cancel()
            await asyncio.wait([running])
            # An app that breaks off once nobody reads has told so to its log.
            _ = running.cancelled() or running.exception()

    running: asyncio.Future[None] = asyncio.ensure_future(run())
    either: list[asyncio.Future[Any]] = [started, running]
    try:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    except asyncio.CancelledError:
        running.cancel()
        raise
    if not started.done():
        take.close()
        raise httpx.ReadError("Airflow gave no answer.", request=request) from running.exception()
    status, headers = started.result()
    return httpx.Response(status, headers=headers, stream=Body())


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


def hides_option(section: str, option: str) -> bool:
    """Say whether Airflow calls an option of its configuration sensitive."""
    from airflow.configuration import conf

    section, option = section.lower(), option.lower()
    # Options of a secrets backend may be set one by one, under names of their own.
    return (section, option) in conf.sensitive_config_values or "backend_kwarg__" in option
