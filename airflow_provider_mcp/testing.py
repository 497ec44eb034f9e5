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
"""Tests of tools without a running Airflow: recorded REST replies, an MCP client, a check of definitions.

A test suite takes the fixtures by ``pytest_plugins = ["airflow_provider_mcp.testing"]`` in its
``conftest.py``.
"""

from __future__ import annotations

import copy
import json
import math
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal, TypeVar, cast
from urllib.parse import quote, unquote, urlsplit

import anyio
import httpx
import httpx2
import mcp_types as types
import pytest
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client

from airflow_provider_mcp.endpoint.exchange import exchange
from airflow_provider_mcp.sdk.airflow import INNER_HOST, Airflow, Caller, Site, current_airflow
from airflow_provider_mcp.sdk.binding import bind_tool
from airflow_provider_mcp.sdk.hookspecs import PROJECT, hookimpl
from airflow_provider_mcp.sdk.injection import run_function
from airflow_provider_mcp.sdk.json_types import JSON, JSONObject
from airflow_provider_mcp.sdk.masking import mask_by_name
from airflow_provider_mcp.sdk.tool import Toolset
from airflow_provider_mcp.server.build import build_server
from airflow_provider_mcp.server.calls import LEFT_OUT_KEY, describe_tool
from airflow_provider_mcp.server.catalogue import load_catalogue
from airflow_provider_mcp.server.policy import Policy
from airflow_provider_mcp.server.request import Identity
from airflow_provider_mcp.server.signing import Confirmations

__all__ = [
    "Call",
    "Recording",
    "ToolTester",
    "UnexpectedCall",
    "airflow_recording",
    "assert_definition",
    "call_tool",
    "estimate_tokens",
    "load_plugin",
    "open_airflow",
    "tool_tester",
]

AIRFLOW_VERSION = "3.3.2"
"""The Airflow that a test stands in for unless it names another."""
ROOT = "/api/v2/"
PAGES = "http://airflow.example.com"
MAX_TOKENS = 300
"""What one definition may cost by :func:`estimate_tokens`: a model pays for it with every request."""

_BY_SERVER = "airflow_provider_mcp.by_server"
"""The request extension of what the server asks by itself."""

_LOOK_UPS = re.compile(r"dags|dags/[^/]+(/tasks|/dagRuns(/[^/]+)?)?")

Answer = Callable[[httpx.Request], httpx.Response]
Returned = TypeVar("Returned")


class UnexpectedCall(AssertionError):  # noqa: N818 - it is a test that failed
    """A tool made a REST call for which there is no reply."""


@dataclass(frozen=True)
class Call:
    """A REST call that a tool made."""

    method: str
    route: str
    """Below the API's root, for example ``dags/my_dag/dagRuns``."""
    params: Mapping[str, str]
    body: JSON


class Recording:
    """REST replies in Airflow 3's terms, by request, and the calls that asked for them.

    A request is written ``GET dags/my_dag/dagRuns?state=failed``. A query may be left out or name only
    some parameters; the reply whose query names the most of a call's parameters answers it.

    :param replies: Replies as for :meth:`reply`, by request.
    """

    def __init__(self, replies: Mapping[str, JSON] | None = None) -> None:
        self.calls: list[Call] = []
        self.unexpected: list[UnexpectedCall] = []
        self._replies: list[tuple[str, str, Mapping[str, str], int, Any]] = []
        for request, answer in (replies or {}).items():
            self.reply(request, answer)

    def reply(self, request: str, answer: JSON = None, *, status: int = 200) -> None:
        """Answer a request from now on.

        :param answer: JSON-ready data, a text, an ``httpx.Response``, or a function from the
            ``httpx.Request`` to one of them, for replies that change.
        """
        method, _, address = request.partition(" ")
        if not method.isupper() or not address:
            raise ValueError(f"{request!r} is not written like 'GET dags/my_dag'")
        parts = urlsplit(address)
        query = dict(httpx.QueryParams(parts.query).multi_items())
        self._replies.append((method, unquote(parts.path), query, status, answer))

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer a request; a transport calls this.

        :raises UnexpectedCall: There is no reply for it.
        """
        route = unquote(request.url.raw_path.decode().split("?", 1)[0]).removeprefix(ROOT)
        query_sent = request.url.params
        fitting = [
            (len(query), status, answer)
            for method, path, query, status, answer in reversed(self._replies)
            if method == request.method
            and path == route
            and all(value in query_sent.get_list(name) for name, value in query.items())
        ]
        if not fitting:
            replies = ", ".join(sorted(f"{reply[0]} {reply[1]}" for reply in self._replies)) or "nothing"
            missing = UnexpectedCall(
                f"{request.method} {route}?{query_sent} has no reply; there are: {replies}"
            )
            self.unexpected.append(missing)
            raise missing
        self.calls.append(Call(request.method, route, dict(query_sent), _body(request)))
        _, status, answer = max(fitting, key=lambda reply: reply[0])
        return _response(status, answer(request) if callable(answer) else answer)

    def for_server(self, request: httpx.Request) -> httpx.Response:
        """Answer what the server asks by itself: it looks for the names that an unknown one may mean.

        A test need not know of that: without a reply for it, the server may not look.
        """
        try:
            return self(request)
        except UnexpectedCall as missing:
            route = request.url.path.removeprefix(ROOT)
            if request.method != "GET" or not _LOOK_UPS.fullmatch(route):
                raise
            self.unexpected.remove(missing)
            return httpx.Response(403, json={"detail": "not recorded"})


def _body(request: httpx.Request) -> JSON:
    if not request.content:
        return None
    try:
        return json.loads(request.content)
    except ValueError:
        return request.content


def _response(status: int, answer: JSON) -> httpx.Response:
    if isinstance(answer, httpx.Response):
        return answer
    if isinstance(answer, str):
        return httpx.Response(status, text=answer)
    return httpx.Response(status) if answer is None else httpx.Response(status, json=answer)


def open_airflow(
    answer: Answer,
    access: Literal["read", "write"] = "read",
    *,
    version: str = AIRFLOW_VERSION,
    caller: Caller | None = None,
    triggerable: Collection[str] = (),
) -> Airflow:
    """Return an ``Airflow`` client whose calls a recording, or a function of your own, answers.

    It refuses what the real one refuses, and raises ``ToolError`` as the real one does.

    :param access: A ``read`` client refuses to write, as the one that a tool with access ``read`` gets.
    :param triggerable: The Dags of which the caller may start a run.
    """
    return _open(Airflow, answer, access, version, caller or Caller("1", "ada"), triggerable)


def _open(
    kind: type[Airflow],
    answer: Answer,
    access: Literal["read", "write"],
    version: str,
    caller: Caller,
    triggerable: Collection[str],
) -> Airflow:
    async def find_triggerable(dag_ids: Sequence[str]) -> frozenset[str]:
        return frozenset(dag_ids) & frozenset(triggerable)

    return kind(
        transport=httpx.MockTransport(answer),
        base_url=f"http://{INNER_HOST}{ROOT}",
        site=Site(
            version=version,
            page_roots=(PAGES,),
            page_url=_page_url,
            redact=mask_by_name,
            find_triggerable=find_triggerable,
        ),
        caller=caller,
        access=access,
    )


def _page_url(
    dag_id: str, dag_run_id: str | None = None, task_id: str | None = None, map_index: int = -1
) -> str:
    parts = [
        "dags",
        dag_id,
        *(["runs", dag_run_id] if dag_run_id else []),
        *(["tasks", task_id] if task_id else []),
    ]
    parts += ["mapped", str(map_index)] if task_id and map_index >= 0 else []
    return f"{PAGES}/" + "/".join(quote(part, safe="") for part in parts)


def call_tool(function: Callable[..., Any], airflow: Airflow, **arguments: JSON) -> Any:
    """Call a tool's function, be it ``async def`` or ``def``, with a client; return what it returns."""

    async def call() -> Any:
        return await run_function(function, arguments, airflow)

    return anyio.run(call)


class _Module:
    """A plugin that offers some functions as one toolset."""

    def __init__(self, functions: Sequence[Callable[..., Any]]) -> None:
        self._functions = functions

    @hookimpl
    def register_toolsets(self) -> list[Toolset]:
        """Offer the functions."""
        return [Toolset("under_test", "Under test.", self._functions)]


@dataclass(frozen=True)
class _Loaded:
    """An entry point whose plugin is at hand."""

    name: str
    plugin: object

    def load(self) -> object:
        return self.plugin


def _find(plugin: object) -> EntryPoint | _Loaded:
    if isinstance(plugin, str):
        installed = entry_points(group=PROJECT)
        for entry in installed:
            if entry.name == plugin:
                return entry
        names = ", ".join(sorted(entry.name for entry in installed)) or "none"
        raise AssertionError(
            f"no entry point {plugin!r} of the group {PROJECT} is installed; there are: {names}"
        )
    if isinstance(plugin, (list, tuple)):
        return _Loaded("under_test", _Module(plugin))
    return _Loaded(getattr(plugin, "__name__", "under_test"), plugin)


class _AskingAirflow(Airflow):
    """A client that tells what the server asks by itself from what a tool asks."""

    async def send(self, request: httpx.Request, *, stream: bool = False, **options: Any) -> httpx.Response:
        if current_airflow() is None:
            request.extensions = {**request.extensions, _BY_SERVER: True}
        return await super().send(request, stream=stream, **options)


@dataclass
class ToolTester:
    """Calls tools as a client does: by MCP, through the real server, with recorded replies behind it.

    :param plugin: A module with hooks, a list of functions marked with ``@tool``, or the name of an
        installed entry point.
    :param recording: What Airflow answers.
    :param triggerable: The Dags of which the caller may start a run.
    """

    plugin: object
    recording: Recording = field(default_factory=Recording)
    policy: Policy = field(default_factory=Policy)
    airflow_version: str = AIRFLOW_VERSION
    caller: Caller = field(default_factory=lambda: Caller("1", "ada"))
    triggerable: Collection[str] = ()

    def __post_init__(self) -> None:
        entry = _find(self.plugin)
        self.catalogue = load_catalogue(self.airflow_version, found=cast("Sequence[EntryPoint]", [entry]))
        problems = [problem.message for problem in self.catalogue.problems]
        assert not problems, f"the plugin {entry.name} is not taken as it is: {'; '.join(problems)}"
        self.own = {name for name, tool in self.catalogue.tools.items() if tool.owner == entry.name}
        self._prefixes = tuple(
            toolset.prefix for toolset in self.catalogue.dynamic.values() if toolset.owner == entry.name
        )
        self._server = build_server(self.catalogue, Confirmations(b"airflow_provider_mcp.testing"))

    def list_tools(self) -> dict[str, types.Tool]:
        """Return the plugin's own tools as a client sees them, by name: those of the caller, too."""
        return {
            tool.name: tool
            for tool in self._list().tools
            if tool.name in self.own or tool.name.startswith(self._prefixes)
        }

    def left_out(self) -> list[str]:
        """Return what could not be offered to the caller, and why: a sentence each."""
        return list((self._list().meta or {}).get(LEFT_OUT_KEY, []))

    def for_caller(
        self, caller: Caller, *, policy: Policy | None = None, triggerable: Collection[str] | None = None
    ) -> ToolTester:
        """Return a tester that asks the same server as somebody else, or under another policy."""
        other = copy.copy(self)
        other.caller = caller
        other.policy = self.policy if policy is None else policy
        other.triggerable = self.triggerable if triggerable is None else triggerable
        return other

    def _list(self) -> types.ListToolsResult:
        async def listed(client: Client) -> types.ListToolsResult:
            return await client.list_tools()

        return self._with_client(listed)

    def call(self, tool: str, /, **arguments: JSON) -> types.CallToolResult:
        """Call a tool and return the result that a client gets, be it an error."""

        async def called(client: Client) -> types.CallToolResult:
            return await client.call_tool(tool, arguments)

        return self._with_client(called)

    def result(self, tool: str, /, **arguments: JSON) -> JSONObject:
        """Call a tool, expect that it succeeds, and return the structured content."""
        answer = self.call(tool, **arguments)
        assert not answer.is_error, f"{tool} failed: {_text(answer)}"
        return dict(answer.structured_content or {})

    def error(self, tool: str, /, **arguments: JSON) -> JSONObject:
        """Call a tool, expect a tool error, and return ``{code, message, hint, retryable, ...}``.

        The preview and the token of a confirmation are in it too.
        """
        answer = self.call(tool, **arguments)
        assert answer.is_error, f"{tool} did not fail: {_text(answer)}"
        content = dict(answer.structured_content or {})
        return {**content.pop("error"), **content}

    @asynccontextmanager
    async def connect(self, mode: Literal["auto", "legacy"] = "auto") -> AsyncIterator[Client]:
        """Open a client of the MCP SDK: ``auto`` speaks 2026-07-28, ``legacy`` 2025-11-25."""

        def answer_rest(request: httpx.Request) -> httpx.Response:
            by_server = _BY_SERVER in request.extensions
            return self.recording.for_server(request) if by_server else self.recording(request)

        identity = Identity(
            self.caller,
            lambda access: _open(
                _AskingAirflow, answer_rest, access, self.airflow_version, self.caller, self.triggerable
            ),
        )

        async def answer(request: httpx2.Request) -> httpx2.Response:
            if request.method != "POST":
                return httpx2.Response(405, headers={"Allow": "POST"})
            headers, body = request.headers.multi_items(), await request.aread()
            reply = await exchange(self._server, headers, body, identity, self.policy)
            assert reply is not None, "without a way to stream, the answer comes as a whole"
            return httpx2.Response(reply.status, headers=dict(reply.headers), content=reply.body)

        url = f"http://{INNER_HOST}/mcp/v1"
        async with (
            httpx2.AsyncClient(transport=httpx2.MockTransport(answer), trust_env=False) as http,
            Client(streamable_http_client(url, http_client=http), mode=mode) as client,
        ):
            yield client

    def _with_client(self, act: Callable[[Client], Awaitable[Returned]]) -> Returned:
        async def run() -> Returned:
            async with self.connect() as client:
                return await act(client)

        before = len(self.recording.unexpected)
        returned = anyio.run(run)
        self.catalogue.watchers.settle()
        # The server hides a tool's exceptions from clients: a test must see this one.
        for unexpected in self.recording.unexpected[before:]:
            raise unexpected
        return returned


def _text(answer: types.CallToolResult) -> str:
    return " ".join(block.text for block in answer.content if isinstance(block, types.TextContent))


def load_plugin(plugin: object, recording: Recording | None = None, **options: Any) -> ToolTester:
    """Return a :class:`ToolTester` of a plugin."""
    return ToolTester(plugin, recording or Recording(), **options)


def estimate_tokens(definition: JSON) -> int:
    """Estimate what a tool's definition costs a model, in tokens of o200k, without a tokenizer.

    :param definition: JSON-ready data, as ``tools/list`` shows it.
    """
    text = json.dumps(definition, ensure_ascii=False, separators=(",", ":"))
    pieces = re.findall(r"[A-Za-z]+|[0-9]{1,3}|[^\sA-Za-z0-9]+", text)
    return sum(
        math.ceil(len(piece) / 9) if piece[0].isalnum() else math.ceil(len(piece) / 4) for piece in pieces
    )


def assert_definition(function: Callable[..., Any], *, max_tokens: int = MAX_TOKENS) -> types.Tool:
    """Expect that a tool is defined as a model needs it; return the definition that a client sees.

    Every argument is described and has one type; the description begins with one line that ends in a full
    stop; the annotations follow from the access level and ``replaces``; the result has a schema that names
    its fields; and the whole is not larger than ``max_tokens``, as estimated by :func:`estimate_tokens`.
    """
    tool = bind_tool(function, toolset="under_test", owner="under_test")
    definition = describe_tool(tool)
    faults = [
        f"the argument {name} has no description: use Annotated[..., Field(description=...)]"
        for name, schema in tool.input_schema.get("properties", {}).items()
        if not schema.get("description")
    ]
    if not tool.description.splitlines()[0].endswith("."):
        faults.append("the docstring's first line is no sentence that ends with a full stop")
    faults += tool.warnings
    if tool.output_schema is not None and not tool.output_schema.get("properties"):
        faults.append("the result's schema names no field: return a pydantic model")
    hints = definition.annotations
    if hints is None or (hints.read_only_hint, hints.destructive_hint or False) != (
        tool.access == "read",
        tool.replaces,
    ):
        faults.append(f"the annotations {hints} do not say that its access is {tool.access}")
    cost = estimate_tokens(definition.model_dump(mode="json", by_alias=True, exclude_none=True))
    if cost > max_tokens:
        faults.append(f"it costs about {cost} tokens in every request, more than {max_tokens}")
    assert not faults, f"the tool {tool.name}: {'; '.join(faults)}"
    return definition


@pytest.fixture
def airflow_recording() -> Iterator[Recording]:
    """What Airflow answers in this test; the test fails if a tool asks for anything else."""
    recording = Recording()
    yield recording
    assert not recording.unexpected, f"unexpected REST calls: {'; '.join(map(str, recording.unexpected))}"


@pytest.fixture
def tool_tester(airflow_recording: Recording) -> Callable[..., ToolTester]:
    """Call it with a plugin; it returns the :class:`ToolTester` whose Airflow is ``airflow_recording``."""

    def load(plugin: object, **options: Any) -> ToolTester:
        return load_plugin(plugin, airflow_recording, **options)

    return load
