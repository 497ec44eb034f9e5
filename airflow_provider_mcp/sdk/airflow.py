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

from collections.abc import Awaitable, Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Literal

import httpx

from airflow_provider_mcp.sdk.guards import build_url, refuse_policy_change, refuse_unsendable, refuse_write
from airflow_provider_mcp.sdk.json_types import JSON
from airflow_provider_mcp.sdk.masking import is_sensitive_option, mask_secrets
from airflow_provider_mcp.sdk.rest_errors import build_error

INNER_HOST = "airflow.in-process"
"""The host name of calls that never leave the process."""

NATIVE = "airflow_provider_mcp.native"
"""The request extension that asks for this Airflow's own API: on Airflow 2, v1 without rewriting."""


@dataclass(frozen=True)
class Caller:
    """Who calls, as Airflow's auth manager knows them."""

    id: str
    name: str


async def _find_none(_: Sequence[str]) -> frozenset[str]:
    """Find no Dag, where nobody knows."""
    return frozenset()


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
    :param place_to_wait: Holds a place for a call that waits, and gives False if there is none left.
    :param find_triggerable: From IDs of Dags to those of which the caller may start a run.
    :param dag_tool_tag: The tag of Dags that are offered as tools, empty for none; ``max_dag_tools`` is how
        many are offered at most.
    """

    version: str
    page_url: Callable[..., str]
    redact: Callable[[JSON, str | None], JSON]
    hides_option: Callable[[str, str], bool] = is_sensitive_option
    page_roots: tuple[str, ...] = ()
    policy_conn_ids: frozenset[str] = frozenset()
    place_to_wait: Callable[[], AbstractContextManager[bool]] = lambda: nullcontext(True)
    find_triggerable: Callable[[Sequence[str]], Awaitable[frozenset[str]]] = _find_none
    dag_tool_tag: str = ""
    max_dag_tools: int = 50


Exchange = Generator[httpx.Request, httpx.Response, httpx.Response]


class _RestClient:
    """What both clients do beside sending."""

    site: Site
    caller: Caller
    access: Literal["read", "write"]
    _root: str
    _root_path: str
    """The address of the REST API's root."""

    def page_url(
        self, dag_id: str, dag_run_id: str | None = None, task_id: str | None = None, map_index: int = -1
    ) -> str:
        """Return the address of Airflow's page about a Dag, a run or a task instance."""
        return self.site.page_url(dag_id, dag_run_id, task_id, map_index)

    def place_to_wait(self) -> AbstractContextManager[bool]:
        """Hold one of the places for calls that wait for something in Airflow; False if none is left.

        Where a worker serves one request at a time, a call that waits takes it from everyone else. A tool
        without a place answers at once, and says how to go on.
        """
        return self.site.place_to_wait()

    def redact(self, value: JSON, name: str | None = None) -> JSON:
        """Return JSON-ready data with its secrets masked: by Airflow's masker, and by their well-known forms.

        :param name: The key that the value belongs to.
        """
        return mask_secrets(self.site.redact, value, name)

    def _build_url(self, url: httpx.URL | str, params: Any) -> httpx.URL:
        return build_url(self._root, url, params)

    def _exchange(self, request: httpx.Request) -> Exchange:
        """Yield a request that may be sent, take the response, and return it if it is no refusal.

        It is a generator, as httpx's ``auth_flow``, so that both clients differ in sending alone. A
        response above 300 is handed in read.

        :raises ToolError: The request may not be sent, or Airflow refused it.
        """
        root = self._root_path
        refuse_write(self.access, request, root)
        refuse_policy_change(self.site.policy_conn_ids, request, root)
        response = yield request
        response.request = request
        if response.status_code >= 300:
            raise build_error(response, root)
        return response


class Airflow(_RestClient, httpx.AsyncClient):
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
        self._root_path = self.base_url.path

    def through(self, wrap: Callable[[httpx.AsyncBaseTransport], httpx.AsyncBaseTransport]) -> Airflow:
        """Return the same client with its calls sent by another transport, which is made from its own."""
        return type(self)(
            transport=wrap(self._calls),
            base_url=self.base_url,
            site=self.site,
            caller=self.caller,
            access=self.access,
            headers=self.headers,
        )

    async def find_triggerable(self, dag_ids: Sequence[str]) -> frozenset[str]:
        """Return those of some Dags of which the caller may start a run, as Airflow's auth manager says.

        For a list alone: Airflow still decides about each run that is started. ``airflow-mcp serve`` cannot
        know, and finds none.
        """
        return await self.site.find_triggerable(dag_ids)

    def for_thread(self) -> AirflowSync:
        """Return the same client for a function that runs in a worker thread."""
        return AirflowSync(self, self._calls)

    def build_request(
        self, method: str, url: httpx.URL | str, *, params: Any = None, **options: Any
    ) -> httpx.Request:
        with refuse_unsendable():
            return super().build_request(method, self._build_url(url, params), **options)

    async def send(self, request: httpx.Request, *, stream: bool = False, **_: Any) -> httpx.Response:
        exchange = self._exchange(request)
        response = await self._calls.handle_async_request(next(exchange))
        try:
            if response.status_code >= 300 or not stream:
                await response.aread()
        except BaseException:
            await response.aclose()
            raise
        return _finish(exchange, response)

    async def call_native(self, method: str, url: str, **options: Any) -> httpx.Response:
        """Send a request in this Airflow's own terms: on Airflow 2 to its API v1, which is not rewritten."""
        return await self.request(method, url, extensions={NATIVE: True}, **options)


class AirflowSync(_RestClient, httpx.Client):
    """:class:`Airflow` for a plain ``def`` tool, which runs in a worker thread."""

    def __init__(self, airflow: Airflow, calls: httpx.AsyncBaseTransport) -> None:
        sending = _FromThread(calls)
        super().__init__(
            transport=sending,
            base_url=airflow.base_url,
            headers=airflow.headers,
            trust_env=False,
            timeout=airflow.timeout,
        )
        self.site = airflow.site
        self.caller = airflow.caller
        self.access = airflow.access
        self._calls = sending
        self._root = str(self.base_url)
        self._root_path = self.base_url.path

    def build_request(
        self, method: str, url: httpx.URL | str, *, params: Any = None, **options: Any
    ) -> httpx.Request:
        with refuse_unsendable():
            return super().build_request(method, self._build_url(url, params), **options)

    def send(self, request: httpx.Request, **_: Any) -> httpx.Response:
        exchange = self._exchange(request)
        return _finish(exchange, self._calls.handle_request(next(exchange)))


def _finish(exchange: Exchange, response: httpx.Response) -> httpx.Response:
    """Hand the response to an exchange that waits for it; return what the exchange makes of it."""
    try:
        exchange.send(response)
    except StopIteration as finished:
        returned: httpx.Response = finished.value
        return returned
    raise AssertionError("an exchange has one request")


_current: ContextVar[Airflow | None] = ContextVar("airflow_provider_mcp.served", default=None)


@contextmanager
def serving(airflow: Airflow) -> Iterator[None]:
    """Make ``airflow`` what :func:`current_airflow` returns, here and in worker threads started from here."""
    token = _current.set(airflow)
    try:
        yield
    finally:
        _current.reset(token)


def current_airflow() -> Airflow | None:
    """Return the client of the MCP call that is being served here; None where none is."""
    return _current.get()


class _OutsideTheCall(httpx.AsyncBaseTransport):
    """Send as if no MCP call were served.

    A call into Airflow runs in this process and inherits the context. Code of Airflow that asked for the
    client of the MCP call would wait for a connection of the pool while it holds one.
    """

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        token = _current.set(None)
        try:
            return await self._transport.handle_async_request(request)
        finally:
            _current.reset(token)

    async def aclose(self) -> None:
        await self._transport.aclose()


class _FromThread(httpx.BaseTransport):
    """Send from a worker thread by the transport that lives on the event loop."""

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        import anyio.from_thread

        status, headers, body = anyio.from_thread.run(self._call, request)
        return httpx.Response(status, headers=headers, content=body)

    async def _call(self, request: httpx.Request) -> tuple[int, httpx.Headers, bytes]:
        response = await self._transport.handle_async_request(request)
        return response.status_code, response.headers, await response.aread()
