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
"""The ``Airflow`` client a tool receives: Airflow's REST API as the caller, errors as ``ToolError``."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import unquote

import httpx

from airflow_provider_mcp.errors import ErrorCode, ToolError

INNER_HOST = "airflow.in-process"
"""The host name of calls that never leave the process."""

NATIVE = "airflow_provider_mcp.native"
"""The request extension that asks for this Airflow's own API: on Airflow 2, v1 without rewriting."""

_SAFE_METHODS = frozenset({"GET", "HEAD"})
# POST operations that read: batch listings and dry runs, by their path below the API's root.
_READING_POSTS = re.compile(r"dags/[^/]+/dagRuns(/[^/]+/taskInstances)?/list|.+/dry_run")
# Operations that are dry runs by a switch in their body.
_SWITCHED_DRY_RUNS = re.compile(
    r"dags/[^/]+/(clearTaskInstances|dagRuns/[^/]+/clear|updateTaskInstancesState)"
)

_CODES: Mapping[int, ErrorCode] = {
    400: "invalid_argument",
    401: "permission_denied",
    403: "permission_denied",
    404: "not_found",
    405: "unsupported",
    409: "conflict",
    413: "invalid_argument",
    422: "invalid_argument",
    429: "rate_limited",
    501: "unsupported",
    502: "unavailable",
    503: "unavailable",
    504: "unavailable",
}
_ACTIONS = {
    "GET": "read",
    "HEAD": "read",
    "POST": "create",
    "PUT": "edit",
    "PATCH": "edit",
    "DELETE": "delete",
}


@dataclass(frozen=True)
class Caller:
    """Who calls, as Airflow's auth manager knows them."""

    id: str
    name: str


@dataclass(frozen=True)
class Site:
    """What a tool may know about the Airflow it runs in.

    :param version: Airflow's version, for example ``3.3.2``.
    :param page_url: From ``(dag_id, dag_run_id, task_id, map_index)``, of which only the first is
        required, to the address of Airflow's page about it.
    :param redact: From ``(value, name)`` to the value with its secrets masked, by Airflow's own masker.
    :param hides_option: From ``(section, option)`` to whether Airflow calls the option sensitive.
    :param page_roots: The addresses that all pages are below, without a slash at their end: the one
        that is configured, and the one by which this caller reached Airflow.
    :param policy_conn_ids: The connections that narrow what tools may do, which no tool may change.
    """

    version: str
    page_url: Callable[..., str]
    redact: Callable[[Any, str | None], Any]
    hides_option: Callable[[str, str], bool] = lambda _section, _option: True
    page_roots: tuple[str, ...] = ()
    policy_conn_ids: frozenset[str] = frozenset()


class _OnSite:
    """What both clients say about the Airflow they reach."""

    site: Site

    def page_url(
        self, dag_id: str, dag_run_id: str | None = None, task_id: str | None = None, map_index: int = -1
    ) -> str:
        """Return the address of Airflow's page about a Dag, a run or a task instance."""
        return self.site.page_url(dag_id, dag_run_id, task_id, map_index)

    def redact(self, value: Any, name: str | None = None) -> Any:
        """Return JSON-ready data with its secrets masked as Airflow masks them; ``name`` is its key."""
        return self.site.redact(value, name)


class Airflow(_OnSite, httpx.AsyncClient):
    """Airflow's REST API in Airflow 3's terms, as the caller.

    Paths are relative to the API's root (``dags/{dag_id}``): build them with ``path()``. A 4xx or 5xx
    answer raises :class:`ToolError`. A client opened for reading refuses everything that writes. Each
    request goes as the caller, by itself: ``auth`` and ``follow_redirects`` have no effect, and no cookie
    is kept.
    """

    def __init__(
        self,
        *,
        transport: httpx.AsyncBaseTransport,
        base_url: httpx.URL | str,
        site: Site,
        caller: Caller,
        access: Literal["read", "write"],
        headers: Mapping[str, str] | None = None,
    ) -> None:
        calls = _OutsideTheCall(transport)
        super().__init__(
            transport=calls,
            base_url=base_url,
            headers={"Accept-Encoding": "identity", "Accept": "application/json", **(headers or {})},
            trust_env=False,
            timeout=50,
        )
        self.site = site
        self.caller = caller
        self.access = access
        self._calls = calls
        self._root = str(self.base_url)

    def for_thread(self) -> AirflowSync:
        """Return the same client for a function that runs in a worker thread."""
        return AirflowSync(self)

    def build_request(
        self, method: str, url: httpx.URL | str, *, params: Any = None, **options: Any
    ) -> httpx.Request:
        return super().build_request(method, address_below(self._root, url, params), **options)

    async def send(self, request: httpx.Request, *, stream: bool = False, **_: Any) -> httpx.Response:
        refuse_write(self.access, request, self.base_url.path)
        refuse_policy_change(self.site.policy_conn_ids, request, self.base_url.path)
        response = await self._calls.handle_async_request(request)
        response.request = request
        failed = response.status_code >= 300
        try:
            if failed or not stream:
                await response.aread()
        except BaseException:
            await response.aclose()
            raise
        if failed:
            raise error_of(response, self.base_url.path)
        return response

    async def call_native(self, method: str, url: str, **options: Any) -> httpx.Response:
        """Send a request in this Airflow's own terms: on Airflow 2 to its API v1, which is not rewritten."""
        return await self.request(method, url, extensions={NATIVE: True}, **options)


class AirflowSync(_OnSite, httpx.Client):
    """:class:`Airflow` for a plain ``def`` tool, which runs in a worker thread."""

    def __init__(self, airflow: Airflow) -> None:
        calls = _FromThread(airflow._calls)
        super().__init__(
            transport=calls,
            base_url=airflow.base_url,
            headers=airflow.headers,
            trust_env=False,
            timeout=airflow.timeout,
        )
        self.site = airflow.site
        self.caller = airflow.caller
        self.access = airflow.access
        self._calls = calls
        self._root = str(self.base_url)

    def build_request(
        self, method: str, url: httpx.URL | str, *, params: Any = None, **options: Any
    ) -> httpx.Request:
        return super().build_request(method, address_below(self._root, url, params), **options)

    def send(self, request: httpx.Request, **_: Any) -> httpx.Response:
        refuse_write(self.access, request, self.base_url.path)
        refuse_policy_change(self.site.policy_conn_ids, request, self.base_url.path)
        response = self._calls.handle_request(request)
        response.request = request
        if response.status_code >= 300:
            raise error_of(response, self.base_url.path)
        return response


_served: ContextVar[Airflow | None] = ContextVar("airflow_provider_mcp.served", default=None)


@contextmanager
def serving(airflow: Airflow) -> Iterator[None]:
    """Make ``airflow`` what :func:`served_airflow` returns, here and in worker threads started from here."""
    token = _served.set(airflow)
    try:
        yield
    finally:
        _served.reset(token)


def served_airflow() -> Airflow | None:
    """Return the client of the MCP call that is being served here; None where none is."""
    return _served.get()


class _OutsideTheCall(httpx.AsyncBaseTransport):
    """Send as if no MCP call were served.

    A call into Airflow runs in this process and inherits the context. Code of Airflow that asked for the
    client of the MCP call would wait for a connection of the pool while it holds one.
    """

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        token = _served.set(None)
        try:
            return await self._transport.handle_async_request(request)
        finally:
            _served.reset(token)

    async def aclose(self) -> None:
        await self._transport.aclose()


class _FromThread(httpx.BaseTransport):
    """Send from a worker thread by the transport that lives on the event loop."""

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        import anyio.from_thread

        status, headers, body = anyio.from_thread.run(self._exchange, request)
        return httpx.Response(status, headers=headers, content=body)

    async def _exchange(self, request: httpx.Request) -> tuple[int, httpx.Headers, bytes]:
        response = await self._transport.handle_async_request(request)
        return response.status_code, response.headers, await response.aread()


def address_below(root: str, url: httpx.URL | str, params: Any = None) -> httpx.URL:
    """Return the address of ``url`` below the REST API's root.

    :param params: A query as httpx takes it, in place of one that ``url`` has.
    :raises ToolError: ``invalid_argument`` for another host or for a path with ``..``.
    """
    text = str(url)
    segments = unquote(text.split("?", 1)[0]).replace("\\", "/").split("/")
    if ".." in segments or "." in segments or "://" in text.split("?", 1)[0] or text.startswith("//"):
        raise ToolError(
            "invalid_argument",
            "The path leaves Airflow's REST API.",
            hint="Give a path below the API's root, built of identifiers exactly as Airflow lists them.",
        )
    whole = root + text.lstrip("/")
    return httpx.URL(whole) if params is None else httpx.URL(whole, params=params)


def refuse_write(access: str, request: httpx.Request, root: str) -> None:
    """Refuse a request that changes something on a client that may only read.

    :raises ToolError: ``read_only``.
    """
    if access != "read" or request.method in _SAFE_METHODS:
        return
    route = request.url.path.removeprefix(root).lstrip("/")
    if request.method in {"POST", "PATCH"} and _READING_POSTS.fullmatch(route):
        return
    if request.method == "POST" and _SWITCHED_DRY_RUNS.fullmatch(route):
        try:
            switched = json.loads(request.content)["dry_run"] is True
        except (ValueError, KeyError, TypeError):
            switched = False
        if switched:
            return
    raise ToolError(
        "read_only",
        f"{request.method} {route} would change something, and this client may only read.",
        hint="Use a tool that is allowed to write.",
    )


def refuse_policy_change(conn_ids: frozenset[str], request: httpx.Request, root: str) -> None:
    """Refuse to change a connection that says what tools may do: they could lift their own limits.

    :raises ToolError: ``permission_denied``.
    """
    route = unquote(request.url.path.removeprefix(root)).strip("/")
    if not conn_ids or request.method in _SAFE_METHODS or not route.startswith("connections"):
        return
    if route == "connections/test":
        return
    # A body may name several connections (Airflow 3's bulk operation); JSON may escape the letters.
    try:
        named = json.dumps(json.loads(request.content)) if request.content else ""
    except ValueError:
        named = json.dumps(sorted(conn_ids))
    for conn_id in conn_ids:
        if route != f"connections/{conn_id}" and json.dumps(conn_id) not in named:
            continue
        raise ToolError(
            "permission_denied",
            f"The connection {conn_id} limits what this MCP server may do: no tool may change it.",
            hint="An administrator changes it in Airflow's own pages.",
            conn_id=conn_id,
        )


def error_of(response: httpx.Response, root: str) -> ToolError:
    """Return the tool error that an answer of 300 or above stands for."""
    status = response.status_code
    route = response.request.url.path.removeprefix(root).lstrip("/")
    code = _CODES.get(status, "internal" if status >= 500 or status < 400 else "invalid_argument")
    said = _detail(response)
    identifiers: dict[str, Any] = {"status": status}
    hint = ""
    if code == "permission_denied":
        resource = _resource(route)
        action = _ACTIONS.get(response.request.method, "edit")
        identifiers |= {"resource": resource, "action": action}
        said = f"You may not {action} {resource} ({said or 'Forbidden'})."
        hint = f"Ask an Airflow administrator for permission to {action} {resource}."
    elif code == "internal":
        said = f"Airflow failed to answer {response.request.method} {route} (HTTP {status})."
        hint = "The web server's log has the cause."
    elif code in {"rate_limited", "unavailable"}:
        said = said or f"Airflow cannot answer now (HTTP {status})."
        hint = "Try again in a few seconds."
    elif unknown := _UNKNOWN_PARAMETERS.fullmatch(said):
        code = "unsupported"
        said = f"This Airflow cannot filter {route} by {unknown[1]}."
        hint = "Leave the filter out and choose from the whole list."
    elif code == "not_found":
        said = said or f"{route} was not found."
        hint = "Check the identifiers with a list tool."
    else:
        said = said or f"Airflow refused {response.request.method} {route} (HTTP {status})."
    return ToolError(code, said, hint=hint, retryable=code in {"rate_limited", "unavailable"}, **identifiers)


def _detail(response: httpx.Response) -> str:
    """Return what a REST answer says went wrong, in one line of at most 2,000 characters."""
    try:
        answer = response.json()
    except ValueError:
        # Airflow 2 says some of its refusals in plain text; a page for people is not for a model.
        answer = {} if "<" in response.text else {"detail": response.text}
    if not isinstance(answer, dict):
        return ""
    detail = answer.get("detail") or answer.get("title") or ""
    if isinstance(detail, dict):
        detail = (
            detail.get("message") or detail.get("reason") or detail.get("statement") or json.dumps(detail)
        )
    if isinstance(detail, list):
        detail = "; ".join(
            f"{'.'.join(str(p) for p in item.get('loc', []))}: {item.get('msg', '')}"
            if isinstance(item, dict)
            else str(item)
            for item in detail
        )
    return " ".join(str(detail).split())[:2000]


# How older minors of Airflow 2 refuse a filter that came later.
_UNKNOWN_PARAMETERS = re.compile(r"Extra query parameter\(s\) (.+) not in spec")

_RESOURCES = (
    (r"dags/[^/]+/dagRuns/[^/]+/taskInstances/[^/]+/.*logs", "task logs"),
    (r"dags/[^/]+/dagRuns/[^/]+/taskInstances/[^/]+/xcomEntries", "XComs"),
    (r"dags/[^/]+/dagRuns/[^/]+/taskInstances", "task instances"),
    (r"dags/[^/]+/(clearTaskInstances|updateTaskInstancesState)", "task instances"),
    (r"dags/[^/]+/dagRuns", "Dag runs"),
    (r"dagSources|dags/[^/]+/dagVersions", "Dag code"),
    (r"dags", "Dags"),
    (r"(?P<name>[^/]+)", ""),
)


def _resource(route: str) -> str:
    for pattern, name in _RESOURCES:
        found = re.match(pattern, route)
        if found:
            return name or re.sub(r"(?<=[a-z])(?=[A-Z])", " ", found["name"]).lower()
    return "this"
