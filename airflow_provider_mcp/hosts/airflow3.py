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
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

import anyio
import fastapi

from airflow_provider_mcp.hosts import asgi

if TYPE_CHECKING:
    from airflow_provider_mcp.airflow_api import Airflow, Caller
    from airflow_provider_mcp.endpoint import Reply
    from airflow_provider_mcp.hosts.airflow3_calls import InnerApp
    from airflow_provider_mcp.policy import PolicySource

log = logging.getLogger(__name__)

REDACTED_DEPTH = 200
"""How deep secrets are looked for: Airflow's masker stops at 5 by itself."""


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
        identity = await served.authenticate(authorization)
        if identity is None:
            return endpoint.unauthenticated()
        caller, user = identity
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
                scope["app"], authorization, user, caller, access, page_roots
            ),
        )
        return await asgi.exchange(served.server, raw_headers, body, visit, receive, send)


class _Served:
    """What one process needs to serve: built once, when it starts."""

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
        self._inner: InnerApp | None = None

    async def authenticate(self, authorization: str) -> tuple[Caller, Any] | None:
        """Return whose Bearer token this is, and the auth manager's user; None if it is no valid one."""
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
        return Caller(str(user.get_id()), user.get_name()), user

    def open_airflow(
        self,
        app: Any,
        authorization: str,
        user: Any,
        caller: Caller,
        access: Literal["read", "write"],
        page_roots: tuple[str, str],
    ) -> Airflow:
        """Return a client that calls ``app`` in this process as the caller.

        :param user: Whom the auth manager found ``authorization`` to belong to.
        """
        from airflow_provider_mcp.airflow_api import Airflow, Site
        from airflow_provider_mcp.hosts.airflow3_calls import InnerApp, page_url

        if self._inner is None:
            self._inner = InnerApp(app)
        return Airflow(
            transport=self._inner.open_transport(user, authorization),
            base_url=self._inner.base_url,
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
