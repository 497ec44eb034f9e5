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
"""Tools that depend on who calls: kept for a while, for their caller alone, and no plugin breaks another."""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib.metadata import EntryPoint
from types import ModuleType
from typing import Any

import anyio
import pytest
from mcp.shared.exceptions import MCPError
from pydantic import BaseModel

from airflow_provider_mcp.sdk import Airflow, Caller, DynamicTools, Toolset, hookimpl, tool
from airflow_provider_mcp.server import caller_tools
from airflow_provider_mcp.server.catalogue import load_catalogue
from airflow_provider_mcp.server.policy import Policy
from airflow_provider_mcp.testing import ToolTester, load_plugin

BOB = Caller("2", "bob")


class Word(BaseModel):
    word: str


def make(name: str, access: Any = "read", **options: Any) -> Callable[..., Any]:
    @tool(access=access, name=name, **{"description": f"Say {name}.", **options})
    async def say() -> Word:
        return Word(word=name)

    return say


def plugin(hook: Any, *fixed: Any, prefix: str | None = "say_") -> Any:
    made = ModuleType("acme")

    def register_toolsets() -> list[Toolset]:
        return [Toolset("words", "Words.", fixed, dynamic_prefix=prefix)]

    hook.__name__ = "register_dynamic_tools"
    vars(made).update(register_toolsets=hookimpl(register_toolsets), register_dynamic_tools=hookimpl(hook))
    return made


def offer(*functions: Any, toolset: str = "words", **options: Any) -> ToolTester:
    async def hook(airflow: Airflow) -> DynamicTools:
        await airflow.get("words")
        return DynamicTools(toolset, functions)

    tester = load_plugin(plugin(hook), **options)
    tester.recording.reply("GET words", {})
    return tester


def refusal(tester: ToolTester, name: str) -> str | None:
    """Return the protocol's error for a call of a tool that there is not."""

    async def call() -> str | None:
        async with tester.connect() as client:
            try:
                await client.call_tool(name, {})
            except MCPError as refused:
                return refused.error.message
        return None

    return anyio.run(call)


def test_what_a_plugin_says_is_kept_for_its_caller_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    tester = offer(make("say_a"))
    calls = tester.recording.calls
    assert list(tester.list_tools()) == ["say_a"]
    assert tester.result("say_a") == {"word": "say_a"}
    assert list(tester.list_tools()) == ["say_a"]
    assert len(calls) == 1
    tester.for_caller(BOB).list_tools()
    assert len(calls) == 2
    tester.list_tools()
    assert len(calls) == 2
    later = time.monotonic() + caller_tools.KEPT_SECONDS
    monkeypatch.setattr(time, "monotonic", lambda: later)
    tester.list_tools()
    assert len(calls) == 3


def test_so_many_callers_are_kept_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caller_tools, "MOST_KEPT", 1)
    tester = offer(make("say_a"))
    bob = tester.for_caller(BOB)
    for one in (tester, bob, tester):
        one.list_tools()
    assert len(tester.recording.calls) == 3


def test_a_call_tells_the_plugin_which_tool_is_looked_for() -> None:
    names: list[str | None] = []

    async def hook(name: str | None) -> DynamicTools:
        names.append(name)
        return DynamicTools("words", [make("say_a")])

    tester = load_plugin(plugin(hook))
    assert tester.result("say_a") == {"word": "say_a"}
    assert refusal(tester, "of_no_prefix") == "Unknown tool: of_no_prefix"
    assert refusal(tester, "say_b") == "Unknown tool: say_b"
    # After its first call, the client lists all tools. What is not among them may be newer than they are.
    assert (names[:2], set(names[2:])) == (["say_a", None], {"say_b"})


def test_a_tool_that_came_after_the_list_is_found() -> None:
    offered = [make("say_a")]

    async def hook() -> DynamicTools:
        return DynamicTools("words", list(offered))

    tester = load_plugin(plugin(hook))
    assert list(tester.list_tools()) == ["say_a"]
    offered.append(make("say_b"))
    assert tester.result("say_b") == {"word": "say_b"}


def test_the_name_of_a_tool_for_all_is_never_taken() -> None:
    async def hook() -> DynamicTools:
        return DynamicTools("words", [make("say_a", description="Another.")])

    tester = load_plugin(plugin(hook, make("say_a")))
    assert tester.list_tools()["say_a"].description == "Say say_a."
    assert tester.left_out() == ["acme: the tool say_a is left out: acme has a tool of that name"]


@pytest.mark.parametrize(
    ("tester", "why"),
    [
        (lambda: offer(make("tell_a")), "its name must begin say_"),
        (lambda: offer(make("say_a"), toolset="dags"), "it has not registered with a dynamic_prefix"),
        (lambda: offer(make("say_a"), make("say_a")), "acme has a tool of that name"),
        (lambda: offer(make("say_a", description="Ignore\u200b it.")), "1 hidden characters"),
        (lambda: offer(lambda: None), "is not marked with @tool"),
        (lambda: offer(make("say_a", title="")), ""),
    ],
)
def test_what_cannot_be_taken_is_told(tester: Callable[[], ToolTester], why: str) -> None:
    told = tester().left_out()
    assert (why in told[0]) if why else (told == [])


def test_a_plugin_that_raises_hurts_nobody_else_and_keeps_its_words_to_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def hook() -> DynamicTools:
        raise RuntimeError("password: hunter2")

    tester = load_plugin(plugin(hook, make("fixed")))
    assert list(tester.list_tools()) == ["fixed"]
    assert tester.left_out() == ["acme: register_dynamic_tools failed with RuntimeError"]
    assert "hunter2" in caplog.text


def test_a_plugin_that_blocks_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caller_tools, "HOOK_SECONDS", 0.2)

    async def hook() -> DynamicTools:
        time.sleep(4)  # noqa: ASYNC251
        return DynamicTools("words", [])

    tester = load_plugin(plugin(hook, make("fixed")))
    assert list(tester.list_tools()) == ["fixed"]
    assert tester.left_out() == ["acme: register_dynamic_tools took longer than 0.2 seconds"]


def test_policy_and_scope_hide_them() -> None:
    tester = offer(make("say_a"), make("say_b", "write"))
    assert list(tester.list_tools()) == ["say_a", "say_b"]
    shown = {
        policy: list(tester.for_caller(BOB, policy=policy).list_tools())
        for policy in (
            Policy(read_only=True),
            Policy(disabled_tools=frozenset({"say_a"})),
            Policy(toolsets=frozenset({"dags"})),
        )
    }
    assert list(shown.values()) == [["say_a"], ["say_b"], []]
    switched_off = tester.for_caller(BOB, policy=Policy(toolsets=frozenset({"dags"})))
    assert refusal(switched_off, "say_a") == "Unknown tool: say_a"
    # The plugin of a toolset that is switched off was not even asked.
    assert len(tester.recording.calls) == 3


def test_one_that_writes_is_refused_as_others_are_where_only_reading_is_allowed() -> None:
    asked: list[tuple[str | None, bool]] = []

    async def hook(name: str | None, may_write: bool) -> DynamicTools:
        asked.append((name, may_write))
        return DynamicTools("words", [make("say_b", "write")])

    tester = load_plugin(plugin(hook), policy=Policy(read_only=True))
    assert tester.error("say_b")["code"] == "read_only"
    assert tester.list_tools() == {}
    assert (asked[0], asked[-1]) == (("say_b", True), (None, False))


def test_an_option_may_name_a_tool_that_depends_on_the_caller() -> None:
    policy = Policy(disabled_tools=frozenset({"say_anything", "sya_b"}))
    told = offer().catalogue.describe_unknown(policy)
    assert [sentence.split(",")[0] for sentence in told] == ["disabled_tools names sya_b"]


def test_lockdown_leaves_nothing_of_their_texts() -> None:
    schema = {
        "type": "object",
        "properties": {"title": {"type": "string", "description": "Obey me.", "default": "Obey!"}},
    }

    @tool(access="read", name="say_a", title="Obey", description="Obey.", input_schema=schema)
    async def say(arguments: dict[str, Any]) -> Word:
        return Word(word="a")

    shown = offer(say, policy=Policy(untrusted_text="lockdown")).list_tools()["say_a"]
    assert "bey" not in shown.model_dump_json()
    assert shown.input_schema["properties"] == {"title": {"type": "string"}}


def load(module: Any, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setitem(__import__("sys").modules, "acme", module)
    catalogue = load_catalogue("3.3.2", found=[EntryPoint("acme", "acme", "airflow_provider_mcp")])
    return [problem.message for problem in catalogue.problems if problem.owner == "acme"]


def test_what_can_never_be_asked_is_told_when_it_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hook() -> DynamicTools:
        return DynamicTools("words", [])

    def plain() -> DynamicTools:
        return DynamicTools("words", [])

    assert load(plugin(hook), monkeypatch) == []
    assert "write it as async def" in load(plugin(plain), monkeypatch)[0]
    assert "give one of its toolsets a dynamic_prefix" in load(plugin(hook, prefix=None), monkeypatch)[0]
    alone = plugin(hook)
    del alone.register_dynamic_tools
    assert "has no register_dynamic_tools" in load(alone, monkeypatch)[0]


@pytest.mark.parametrize("prefix", ["", "a", "say ", "x" * 33])
def test_a_prefix_is_a_part_of_a_name(prefix: str) -> None:
    with pytest.raises(ValueError, match="dynamic_prefix"):
        Toolset("words", "Words.", [], dynamic_prefix=prefix)
