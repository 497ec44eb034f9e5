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
"""Airflow 3: where the endpoint is mounted, as an app of the api-server."""

from __future__ import annotations

import logging
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import anyio
import fastapi

from airflow_provider_mcp.endpoint import asgi

if TYPE_CHECKING:
    from airflow_provider_mcp.endpoint.door import Reply
from airflow_provider_mcp.hosts.airflow3.serving import _Served

log = logging.getLogger(__name__)


def fastapi_apps() -> list[dict[str, Any]]:
    """Return the plugin's ``fastapi_apps``: one ASGI app mounted at ``/mcp``."""
    return [{"app": Endpoint(), "url_prefix": "/mcp", "name": "mcp"}]


@asynccontextmanager
async def _built_early(endpoint: Endpoint) -> AsyncIterator[None]:
    """Build what serves when a web process starts, after any fork, and let the process start meanwhile."""
    threading.Thread(target=endpoint.build_early, name="mcp-build", daemon=True).start()
    yield


class Endpoint(fastapi.FastAPI):  # type: ignore[misc]
    """The ASGI app. It is a FastAPI because Airflow tells only those of its mounted apps that it starts."""

    def __init__(self) -> None:
        super().__init__(lifespan=_built_early, openapi_url=None)
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

    def build_early(self) -> None:
        """Build what serves before anyone asks for it."""
        try:
            self._build()
        except Exception:
            # Airflow must serve all the same. A request tries again, and fails by what is still wrong.
            log.exception("The MCP server could not be built")

    def _build(self) -> None:
        with self._building:
            if self._served is None:
                self._served = _Served()

    async def _answer(self, scope: Any, receive: Any, send: Any) -> Reply | None:
        """Answer a request; return what is left to send."""
        from airflow_provider_mcp.endpoint import door
        from airflow_provider_mcp.endpoint.door import Reply
        from airflow_provider_mcp.server.request import Identity

        served = self._served
        assert served is not None, "it was built before"  # noqa: S101
        raw_headers = asgi.headers_of(scope)
        headers = dict(raw_headers)
        source = served.policy_source
        policy = await anyio.to_thread.run_sync(source.current) if source.stale else source.current()
        own = door.own_origins(served.base_url, scope["scheme"], headers.get("host", ""))
        refused = door.refuse_at_the_door(scope["method"], headers, policy, own)
        if refused is not None:
            return refused
        authorization = headers.get("authorization", "")
        known = await served.authenticate(authorization)
        if known is None:
            return door.unauthenticated()
        caller, user = known
        refused = door.refuse_body(headers, policy)
        if refused is not None:
            return refused
        body = await asgi.read_body(receive, policy.max_request_bytes)
        if body is None:
            return Reply(400)
        if len(body) > policy.max_request_bytes:
            return door.too_large(policy)
        reached = f"{scope['scheme']}://{headers.get('host', '')}{urlsplit(served.base_url).path}"
        page_roots = (served.base_url or reached, reached)
        identity = Identity(
            caller,
            # The mount leaves `app` as the app that holds the mount: Airflow's own.
            lambda access: served.open_airflow(scope["app"], authorization, user, caller, access, page_roots),
        )
        return await asgi.exchange(served.server, raw_headers, body, identity, policy, receive, send)
