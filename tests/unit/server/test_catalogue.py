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
"""Plugins: found by entry points, and one that is broken breaks nothing else."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from types import ModuleType
from typing import Any

import pytest
from pydantic import BaseModel

from airflow_provider_mcp.sdk import hookspecs
from airflow_provider_mcp.sdk.prompts import Prompt
from airflow_provider_mcp.sdk.resources import Resource
from airflow_provider_mcp.sdk.tool import ToolCall, Toolset, tool
from airflow_provider_mcp.server.catalogue import load_catalogue, release

GROUP = hookspecs.PROJECT


class Answer(BaseModel):
    ok: bool


def make_tool(name: str, **options: Any) -> Any:
    async def function() -> Answer:
        """Answer."""
        return Answer(ok=True)

    function.__name__ = name
    return tool(access="read", **options)(function)


def module(monkeypatch: pytest.MonkeyPatch, name: str, **hooks: Any) -> EntryPoint:
    made = ModuleType(f"plugin_{name}")
    for hook, function in hooks.items():
        function.__name__ = hook
        setattr(made, hook, hookspecs.hookimpl(function))
    monkeypatch.setitem(sys.modules, made.__name__, made)
    return EntryPoint(name, made.__name__, GROUP)


def toolset(*functions: Any, name: str = "extra") -> Any:
    def register_toolsets() -> list[Toolset]:
        return [Toolset(name, "Extra.", functions)]

    return register_toolsets


def test_broken_plugins_are_left_out_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> None:
        raise RuntimeError("boom")

    def nothing() -> list[Toolset]:
        return []

    found = [
        EntryPoint("absent", "no_such_module", GROUP),
        module(monkeypatch, "raising", register_toolsets=fails),
        module(monkeypatch, "misspelled", register_toolset=nothing),
        module(monkeypatch, "wrong", register_toolsets=lambda: ["no toolset"]),
        module(monkeypatch, "clash", register_toolsets=toolset(make_tool("list_dags"), name="clashing")),
        module(monkeypatch, "good", register_toolsets=toolset(make_tool("say_ok"))),
    ]
    catalogue = load_catalogue("3.3.2", found=found)
    assert catalogue.tools["list_dags"].owner == "dags"
    assert catalogue.tools["say_ok"].owner == "good"
    by_owner = {problem.owner: problem.message for problem in catalogue.problems}
    assert set(by_owner) == {"absent", "raising", "misspelled", "wrong", "clash"}
    assert "dags" in by_owner["clash"]
    assert "boom" in by_owner["raising"]


@pytest.mark.parametrize(
    ("function", "marked", "cure"),
    [
        ("register_toolsets", False, "put @hookimpl above it"),
        ("tool_allowed", False, "put @hookimpl above it"),
        ("register_toolset", False, "call it register_toolsets"),
        ("register_toolset", True, "did you mean register_toolsets?"),
        ("watch", True, "the hooks are register_toolsets"),
        ("something", False, "offers nothing"),
    ],
)
def test_what_is_meant_to_be_a_hook_is_told(
    monkeypatch: pytest.MonkeyPatch, function: str, marked: bool, cure: str
) -> None:
    def hook() -> list[Toolset]:
        return []

    found = module(monkeypatch, "meant", **({function: hook} if marked else {}))
    if not marked:
        monkeypatch.setattr(sys.modules["plugin_meant"], function, hook, raising=False)
    (problem,) = load_catalogue("3.3.2", found=[found]).problems
    assert problem.owner == "meant"
    assert cure in problem.message
    if function != "something":
        assert function in problem.message


def test_a_helper_beside_a_hook_is_no_slip(monkeypatch: pytest.MonkeyPatch) -> None:
    found = module(monkeypatch, "helped", register_toolsets=toolset(make_tool("say_ok")))
    helper = make_tool("register_toolset")
    monkeypatch.setattr(sys.modules["plugin_helped"], "register_toolset", helper, raising=False)
    assert load_catalogue("3.3.2", found=[found]).problems == []


def test_every_watcher_is_told_though_one_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[ToolCall] = []

    def fails(call: ToolCall) -> None:
        raise RuntimeError(str(call))

    def watch(call: ToolCall) -> None:
        told.append(call)

    found = [module(monkeypatch, "bad", tool_called=fails), module(monkeypatch, "watch", tool_called=watch)]
    catalogue = load_catalogue("3.3.2", found=found)
    call = ToolCall("list_dags", "read", "ada", None, None, None, "ok", 0.1)
    catalogue.watchers.tell(call)
    assert catalogue.watchers.settle()
    assert told == [call]


def test_a_toolset_is_its_first_owners(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [
        module(monkeypatch, "intruder", register_toolsets=toolset(make_tool("get_more"), name="dags")),
        module(monkeypatch, "first", register_toolsets=toolset(make_tool("get_one"))),
        module(monkeypatch, "second", register_toolsets=toolset(make_tool("get_two"))),
    ]
    catalogue = load_catalogue("3.3.2", found=found)
    assert {problem.owner: problem.message for problem in catalogue.problems} == {
        "intruder": "the toolset dags of intruder is left out: the built-in dags has a toolset of that name",
        "second": "the toolset extra of second is left out: first has a toolset of that name",
    }
    assert "get_one" in catalogue.tools
    assert not {"get_more", "get_two"} & set(catalogue.tools)


@pytest.mark.parametrize("kind", ["tool", "prompt", "resource"])
def test_a_name_is_its_first_owners(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    async def read(airflow: Any) -> str:
        return str(airflow)

    def register_prompts() -> list[Prompt]:
        return [Prompt("daily_health_check", "Mine.", str)]

    def register_resources() -> list[Resource]:
        return [Resource("airflow://version", "version", "Mine.", read)]

    hooks: dict[str, Any] = {
        "tool": {"register_toolsets": toolset(make_tool("list_dags"))},
        "prompt": {"register_prompts": register_prompts},
        "resource": {"register_resources": register_resources},
    }
    catalogue = load_catalogue("3.3.2", found=[module(monkeypatch, "acme", **hooks[kind])])
    (problem,) = catalogue.problems
    assert f"the {kind} " in problem.message
    assert "of acme is left out: the built-in " in problem.message
    assert catalogue.tools["list_dags"].owner == "dags"
    assert catalogue.prompts["daily_health_check"].description != "Mine."
    assert catalogue.resources["airflow://version"].description != "Mine."


def test_a_forgotten_hookimpl_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    made = ModuleType("plugin_forgetful")
    made.register_toolsets = toolset(make_tool("get_it"))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, made.__name__, made)
    catalogue = load_catalogue("3.3.2", found=[EntryPoint("forgetful", made.__name__, GROUP)])
    (problem,) = catalogue.problems
    assert problem.owner == "forgetful"
    assert problem.message.startswith("register_toolsets has no @hookimpl")
    assert "get_it" not in catalogue.tools


def test_a_plugin_that_ends_the_process_at_import_does_not(tmp_path: Any, monkeypatch: Any) -> None:
    (tmp_path / "plugin_that_exits.py").write_text("raise SystemExit(3)")
    monkeypatch.syspath_prepend(tmp_path)
    catalogue = load_catalogue("3.3.2", found=[EntryPoint("exits", "plugin_that_exits", GROUP)])
    assert [problem.owner for problem in catalogue.problems] == ["exits"]
    assert "SystemExit(3)" in catalogue.problems[0].message
    assert "list_dags" in catalogue.tools


def test_a_tool_is_offered_where_airflow_serves_it(monkeypatch: pytest.MonkeyPatch) -> None:
    tools = [make_tool("new_thing", since="3.1"), make_tool("old_thing", until="3.0")]
    found = [module(monkeypatch, "versions", register_toolsets=toolset(*tools))]
    assert "new_thing" in load_catalogue("3.1.0rc1", found=found).tools
    assert "new_thing" not in load_catalogue("3.0.6", found=found).tools
    assert "old_thing" in load_catalogue("2.11.2", found=found).tools
    assert "old_thing" not in load_catalogue("3.0.0", found=found).tools
    assert release("2.11.2+local") == (2, 11, 2)


@pytest.mark.parametrize("icon", ["https://example.com/i.svg", "data:text/html,x", "data:image/png", ""])
def test_an_icon_is_an_image_in_itself(monkeypatch: pytest.MonkeyPatch, icon: str) -> None:
    def register() -> list[Toolset]:
        return [Toolset("extra", "Extra.", [make_tool("get_it")], icon=icon)]

    loaded = load_catalogue("3.3.2", found=[module(monkeypatch, "fetched", register_toolsets=register)])
    assert "get_it" not in loaded.tools
    assert "the icon of the toolset 'extra' must be a data:image/... URI" in loaded.problems[0].message


def test_an_icon_of_a_stranger(monkeypatch: pytest.MonkeyPatch) -> None:
    def register() -> list[Toolset]:
        icons = ["data:image/png;base64,iVBORw0KGgo=", "data:image/svg+xml;charset=UTF-8,%3Csvg/%3E"]
        return [Toolset(f"extra{i}", "Extra.", [], icon=icon) for i, icon in enumerate(icons)]

    loaded = load_catalogue("3.3.2", found=[module(monkeypatch, "drawn", register_toolsets=register)])
    assert loaded.problems == []
    assert loaded.toolset_icons["extra0"].startswith("data:image/png")
