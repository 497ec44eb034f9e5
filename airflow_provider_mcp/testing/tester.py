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
"""An MCP client of a plugin under test, with recorded replies of Airflow behind it."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal, TypeVar, cast

import anyio
import httpx
import httpx2
import mcp_types as types
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client

from airflow_provider_mcp.endpoint.exchange import exchange
from airflow_provider_mcp.sdk.airflow import INNER_HOST, Airflow, Caller, current_airflow
from airflow_provider_mcp.sdk.hookspecs import PROJECT, hookimpl
from airflow_provider_mcp.sdk.json_types import JSON, JSONObject
from airflow_provider_mcp.sdk.tool import Toolset
from airflow_provider_mcp.server.build import build_server
from airflow_provider_mcp.server.calls import LEFT_OUT_KEY
from airflow_provider_mcp.server.catalogue import load_catalogue
from airflow_provider_mcp.server.policy import Policy
from airflow_provider_mcp.server.request import Identity
from airflow_provider_mcp.server.signing import Confirmations
from airflow_provider_mcp.testing.recording import AIRFLOW_VERSION, Recording, open_client

_BY_SERVER = "airflow_provider_mcp.by_server"
"""The request extension of what the server asks by itself."""

Returned = TypeVar("Returned")


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
            lambda access: open_client(
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
