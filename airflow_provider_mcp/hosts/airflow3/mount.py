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

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypedDict
from urllib.parse import urlsplit

import anyio
import fastapi
from airflow.configuration import conf

from airflow_provider_mcp.endpoint.elsewhere import (
    HEADERS,
    answer_elsewhere,
    find_metadata,
    find_resumption,
    is_page,
)
from airflow_provider_mcp.hosts.once import Once
from airflow_provider_mcp.hosts.options import read_options

if TYPE_CHECKING:
    from airflow_provider_mcp.endpoint.asgi import App, Receive, Scope, Send
    from airflow_provider_mcp.hosts.airflow3.serving import Serving

ROUTES = ("/v1", "/v1/")
"""Below the mount."""

LOGIN_ROUTE = "/oauth/"
"""Below this are the routes of the login by OAuth."""


class MountedApp(TypedDict):
    """An element of a plugin's ``fastapi_apps``."""

    app: fastapi.FastAPI
    url_prefix: str
    name: str


class Middleware(TypedDict):
    """An element of a plugin's ``fastapi_root_middlewares``."""

    middleware: type
    args: list[object]
    kwargs: dict[str, object]
    name: str


def fastapi_apps() -> list[MountedApp]:
    """Return the plugin's ``fastapi_apps``: one ASGI app mounted at ``/mcp``."""
    return [{"app": Endpoint(), "url_prefix": "/mcp", "name": "mcp"}]


@asynccontextmanager
async def _built_early(endpoint: Endpoint) -> AsyncIterator[None]:
    """Build what serves when a web process starts, after any fork, and let the process start meanwhile."""
    threading.Thread(target=endpoint.serving.build_early, name="mcp-build", daemon=True).start()
    yield


def fastapi_root_middlewares() -> list[Middleware]:
    """Return the plugin's ``fastapi_root_middlewares``: answers to what is asked for beside the endpoint."""
    login = read_options().oauth_enabled
    return [{"middleware": Elsewhere, "args": [], "kwargs": {"login": login}, "name": "mcp"}]


def external_views() -> list[dict[str, str]]:
    """Return the plugin's ``external_views`` (Airflow 3.1 and later): links to our pages."""
    pages = urlsplit(conf.get("api", "base_url", fallback="")).path.rstrip("/") + "/mcp/"
    run = "dag_id={DAG_ID}&dag_run_id={RUN_ID}"
    return [
        {"name": "MCP", "href": pages, "destination": "nav", "category": "browse"},
        {
            "name": "Diagnose",
            "href": f"{pages}diagnose?{run}",
            "destination": "dag_run",
            "url_route": "mcp-diagnose",
        },
    ]


class Elsewhere:
    """Answers what is asked for beside the endpoint, also above the prefix that Airflow is served below.

    :param login: Whether there may be a login by OAuth, whose metadata clients look for there.
    """

    def __init__(self, app: App, login: bool = False) -> None:
        self._app = app
        self._login = login

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        prefix = scope.get("root_path", "")
        route = find_metadata(scope["path"], prefix) if self._login else None
        resumption = _find_resumption(scope, prefix) if self._login else None
        body = None
        if route is not None:
            path = prefix + route
            scope = {**scope, "path": path, "raw_path": path.encode("latin-1", "replace")}
        else:
            body = answer_elsewhere(scope["path"], prefix)
        answer = self._app if body is None else fastapi.Response(body, 404, HEADERS)
        if resumption is not None:
            address, cookie = resumption
            headers = {"Location": address, "Set-Cookie": cookie, "Cache-Control": "no-store"}
            answer = fastapi.Response(None, 302, headers)
        await answer(scope, receive, send)


def _find_resumption(scope: Scope, prefix: str) -> tuple[str, str] | None:
    if scope["method"] != "GET" or scope["path"].rstrip("/") != prefix.rstrip("/"):
        return None
    cookies = [value.decode("latin-1") for name, value in scope["headers"] if name == b"cookie"]
    return find_resumption(scope["path"], prefix, ";".join(cookies))


class Endpoint(fastapi.FastAPI):  # type: ignore[misc]
    """The ASGI app. It is a FastAPI because Airflow tells only those of its mounted apps that it starts."""

    def __init__(self) -> None:
        super().__init__(lifespan=_built_early, openapi_url=None)
        self.serving = Once(_build_serving)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        route = scope["path"].removeprefix(scope.get("root_path", ""))
        login = route.removeprefix(LOGIN_ROUTE) if route.startswith(LOGIN_ROUTE) else None
        if route not in ROUTES and login is None and not is_page(route):
            # The middleware answers what is beside the endpoint, but for a path that it does not know.
            await fastapi.Response(b'{"detail":"Not Found"}', 404, HEADERS)(scope, receive, send)
            return
        serving = self.serving.built
        if serving is None:
            # Some seconds of imports, during which the event loop has others to serve.
            serving = await anyio.to_thread.run_sync(self.serving.get)
        if login is not None:
            await serving.answer_login(login, scope, receive, send)
            return
        answer = serving.answer if route in ROUTES else serving.answer_page
        await answer(scope, receive, send)


def _build_serving() -> Serving:
    # It imports much, which only a web process needs.
    from airflow_provider_mcp.hosts.airflow3.serving import Serving

    return Serving()
