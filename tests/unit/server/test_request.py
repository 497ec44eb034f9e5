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
"""What an authenticated request may see and do: policy, the scope of its token, and vetoes together."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import anyio
import pytest

from airflow_provider_mcp.sdk import hookimpl
from airflow_provider_mcp.sdk.airflow import Airflow
from airflow_provider_mcp.sdk.errors import PermissionDenied, RateLimited
from airflow_provider_mcp.sdk.prompts import Prompt
from airflow_provider_mcp.sdk.resources import Resource
from airflow_provider_mcp.sdk.tool import Tool
from airflow_provider_mcp.server.caller_tools import CallerTools
from airflow_provider_mcp.server.catalogue import Catalogue, DynamicToolset
from airflow_provider_mcp.server.claims import MemoryClaims
from airflow_provider_mcp.server.policy import Policy
from airflow_provider_mcp.server.request import Request
from tests.unit.server.confirming import BUILT_IN, make_request

READ, WRITE = frozenset({"airflow:read"}), frozenset({"airflow:read", "airflow:write"})

LIST_DAGS, PAUSE_DAG = BUILT_IN.tools["list_dags"], BUILT_IN.tools["pause_dag"]


async def answer() -> str:
    return "text"


def make_prompt(name: str, *tools: str) -> Prompt:
    return Prompt(name, "d", answer, tools=tools)


def make_resource(uri: str, *tools: str) -> Resource:
    return Resource(uri, uri, "d", answer, tools=tools)


class Vetoes:
    """Lets nobody have one tool."""

    def __init__(self, name: str) -> None:
        self._name = name

    @hookimpl
    def tool_allowed(self, tool: Any, user: Any) -> bool:
        return bool(tool.name != self._name)


class CallersTools:
    """Offers one tool to each caller, and notes how it is asked."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    async def ask(
        self, airflow: Airflow, toolsets: Collection[str], *, may_write: bool, name: str | None = None
    ) -> CallerTools:
        self.asked.append((airflow.caller.name, set(toolsets), may_write, name))
        tool = replace(LIST_DAGS, name="run_a", toolset="mine", access="write")
        return CallerTools({"run_a": tool})


def make(
    scopes: frozenset[str] | None = None, vetoed: str = "", dynamic: CallersTools | None = None, **policy: Any
) -> Request:
    catalogue = Catalogue(
        tools={"list_dags": LIST_DAGS, "pause_dag": PAUSE_DAG},
        dynamic={"mine": DynamicToolset("acme", "run_")} if dynamic else {},
        prompts={
            prompt.name: prompt
            for prompt in (
                make_prompt("free"),
                make_prompt("reads", "list_dags"),
                make_prompt("both", "list_dags", "pause_dag"),
                make_prompt("broken", "no_such_tool"),
            )
        },
        resources={
            one.uri: one
            for one in (
                make_resource("acme://free"),
                make_resource("acme://reads", "list_dags"),
                make_resource("acme://both", "list_dags", "pause_dag"),
            )
        },
        owners={
            ("prompt", "free"): "acme",
            ("resource", "acme://free"): "acme",
            ("toolset", "mine"): "acme",
            ("toolset", "dags"): "other",
            ("tool", "dags_of_acme"): "acme",
            ("prompt", "runs"): "acme",
        },
    )
    if vetoed:
        catalogue.plugins._add("vetoes", Vetoes(vetoed), lambda owner, message: pytest.fail(message))
    request = make_request(MemoryClaims())
    return replace(
        request,
        identity=replace(request.identity, scopes=scopes),
        policy=Policy(**policy),
        catalogue=catalogue,
        dynamic=dynamic,
    )


def names(parts: Collection[Any]) -> set[str]:
    return {part.uri if isinstance(part, Resource) else part.name for part in parts}


@pytest.mark.parametrize(
    ("scopes", "read_only", "may_write"),
    [
        (None, False, True),
        (None, True, False),
        (WRITE, False, True),
        (WRITE, True, False),
        (READ, False, False),
        (frozenset(), False, False),
    ],
)
def test_who_may_write(scopes: frozenset[str] | None, read_only: bool, may_write: bool) -> None:
    request = make(scopes, read_only=read_only)
    assert request.may_write == may_write
    offered = {"list_dags", "pause_dag"} if may_write else {"list_dags"}
    assert names(anyio.run(request.tools)) == names(anyio.run(request.fixed_tools)) == offered
    for name in ("list_dags", "pause_dag"):
        assert anyio.run(request.offers, name) == (name in offered)
        # Its preview may be shown.
        assert anyio.run(request.find, name) is not None
    assert may_send(request.airflow(PAUSE_DAG)) == may_write
    assert not may_send(request.airflow(LIST_DAGS))
    assert not may_send(request.reads())


def may_send(airflow: Airflow) -> bool:
    """Say whether a client sends what changes something."""

    async def send() -> str:
        try:
            await airflow.patch("dags/a", json={"is_paused": True})
        except Exception as failure:
            return str(getattr(failure, "code", failure))
        return "sent"

    return anyio.run(send) != "read_only"


def test_a_tool_that_is_switched_off_is_not_found() -> None:
    for policy in ({"disabled_tools": frozenset({"list_dags"})}, {"toolsets": frozenset({"runs"})}):
        request = make(**policy)
        assert anyio.run(request.find, "list_dags") is None
        assert not anyio.run(request.offers, "list_dags")
    assert anyio.run(make().find, "no_such_tool") is None
    assert not anyio.run(make().offers, "no_such_tool")


def test_a_veto_hides_a_tool_and_refuses_it() -> None:
    request = make(vetoed="list_dags")
    assert names(anyio.run(request.tools)) == {"pause_dag"}
    assert not anyio.run(request.offers, "list_dags")
    with pytest.raises(PermissionDenied, match="list_dags is not offered to ada"):
        anyio.run(request.check, LIST_DAGS)
    anyio.run(request.check, PAUSE_DAG)


def test_the_tools_of_a_caller() -> None:
    asks = CallersTools()
    request = make(dynamic=asks)
    assert names(anyio.run(request.tools)) == {"list_dags", "pause_dag", "run_a"}
    assert names(anyio.run(request.fixed_tools)) == {"list_dags", "pause_dag"}
    assert asks.asked == [("ada", {"mine"}, True, None)]
    found = anyio.run(request.find, "run_a")
    assert isinstance(found, Tool)
    assert anyio.run(request.find, "run_b") is None
    assert asks.asked[1:] == [("ada", {"mine"}, True, "run_a"), ("ada", {"mine"}, True, "run_b")]
    # A tool that all are offered is found without asking.
    assert anyio.run(request.find, "list_dags") is LIST_DAGS
    assert len(asks.asked) == 3


def test_the_tools_of_a_caller_who_may_only_read() -> None:
    asks = CallersTools()
    request = make(READ, dynamic=asks, toolsets=frozenset({"mine", "dags"}))
    assert names(anyio.run(request.tools)) == {"list_dags"}
    # One that writes is found, as others are: its preview may be shown.
    assert anyio.run(request.find, "run_a") is not None
    assert asks.asked == [
        ("ada", {"mine", "dags"}, False, None),
        ("ada", {"mine", "dags"}, True, "run_a"),
    ]
    off = make(dynamic=asks, toolsets=frozenset({"dags"}))
    assert anyio.run(off.find, "run_a") is None


def test_without_such_toolsets_nobody_is_asked() -> None:
    asks = CallersTools()
    request = make(dynamic=asks)
    assert anyio.run(replace(request, dynamic=None).caller_tools) == CallerTools()
    assert anyio.run(replace(request, catalogue=Catalogue()).caller_tools) == CallerTools()
    assert asks.asked == []


@pytest.mark.parametrize(
    ("options", "offered"),
    [
        ({}, {"free", "reads", "both"}),
        ({"scopes": READ}, {"free", "reads"}),
        ({"read_only": True}, {"free", "reads"}),
        ({"vetoed": "pause_dag"}, {"free", "reads"}),
        ({"disabled_tools": frozenset({"list_dags"})}, {"free"}),
        # Without tools of its own, it goes with the toolsets of its plugin.
        ({"toolsets": frozenset({"dags"})}, {"reads", "both"}),
        ({"toolsets": frozenset({"mine"})}, {"free"}),
        ({"toolsets": frozenset({"runs", "dags_of_acme"})}, set()),
    ],
)
def test_prompts_and_resources_go_with_their_tools(options: dict[str, Any], offered: set[str]) -> None:
    request = make(**options)
    assert names(anyio.run(request.prompts)) == offered
    assert names(anyio.run(request.resources)) == {f"acme://{name}" for name in offered}


def test_a_refusal_is_held_only_where_the_host_says_that_it_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    async def sleep(seconds: float) -> None:
        pytest.fail(f"held for {seconds} s")

    monkeypatch.setattr(anyio, "sleep", sleep)
    request = make(calls_per_minute=1)
    anyio.run(request.count, "read")
    with pytest.raises(RateLimited):
        anyio.run(request.count, "read")


def test_the_way_out_of_reading_only() -> None:
    by_policy = make(read_only=True).forbid_writing(PAUSE_DAG)
    assert by_policy.message == "pause_dag would change something, and this MCP server is read-only."
    assert by_policy.hint == "Nothing was changed; an administrator can lift [mcp] read_only."
    broken = replace(make(), policy=Policy().closed("it is malformed")).forbid_writing(PAUSE_DAG)
    assert broken.hint == "Nothing was changed; an administrator can mend it: it is malformed."
    by_token = make(READ).forbid_writing(PAUSE_DAG)
    assert by_token.message == "pause_dag would change something, and the access token is for reading only."
    assert by_token.hint == "Nothing was changed; a login with the scope airflow:write may write."


def test_a_handler_finds_its_request_and_is_never_called_without_one() -> None:
    request = make()
    assert Request.of(SimpleNamespace(request=request)) is request  # type: ignore[arg-type]
    with pytest.raises(AssertionError):
        Request.of(SimpleNamespace(request=None))  # type: ignore[arg-type]
