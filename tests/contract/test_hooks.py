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
"""Every hook, implemented by a plugin and seen from a client."""

from __future__ import annotations

from types import ModuleType
from typing import Annotated, Any

import anyio
from mcp.shared.exceptions import MCPError
from pydantic import BaseModel, Field

from airflow_provider_mcp.sdk import (
    Airflow,
    Caller,
    DynamicTools,
    Prompt,
    Resource,
    ToolCall,
    Toolset,
    hookimpl,
    hookspecs,
    path,
    tool,
)
from airflow_provider_mcp.testing import ToolTester, load_plugin


class State(BaseModel):
    state: str


@tool(access="read")
async def get_state(dag_id: Annotated[str, Field(description="Dag ID.")], airflow: Airflow) -> State:
    """Get a state."""
    return State(state=(await airflow.get(path("dags/{}", dag_id))).json()["state"])


def offer(**hooks: Any) -> ToolTester:
    """Return a client of a plugin that implements these hooks, with replies for the Dag ``a``."""
    plugin = ModuleType("acme")
    for name, function in hooks.items():
        function.__name__ = name
        setattr(plugin, name, hookimpl(function))
    loaded = load_plugin(plugin)
    loaded.recording.reply("GET dags/a", {"state": "calm"})
    return loaded


def toolsets() -> list[Toolset]:
    return [Toolset("mood", "How Dags are.", [get_state])]


def test_register_toolsets() -> None:
    loaded = offer(register_toolsets=toolsets)
    assert loaded.catalogue.toolsets["mood"] == "How Dags are."
    assert set(loaded.list_tools()) == {"get_state"}
    assert loaded.result("get_state", dag_id="a") == {"state": "calm"}


def test_register_dynamic_tools() -> None:
    async def dynamic(airflow: Airflow) -> DynamicTools:
        states = (await airflow.get("dags/a")).json()

        @tool(access="read", name=f"mood_{airflow.caller.name}", description="Get my mood.")
        async def mood() -> State:
            return State(state=states["state"])

        return DynamicTools("mood", [mood])

    def moods() -> list[Toolset]:
        return [Toolset("mood", "How Dags are.", [get_state], dynamic_prefix="mood_")]

    loaded = offer(register_toolsets=moods, register_dynamic_tools=dynamic)
    assert list(loaded.list_tools()) == ["get_state", "mood_ada"]
    assert loaded.result("mood_ada") == {"state": "calm"}
    assert list(loaded.for_caller(Caller("2", "bob")).list_tools()) == ["get_state", "mood_bob"]


def test_register_prompts() -> None:
    def prompts() -> list[Prompt]:
        return [Prompt("calm_down", "Calm a Dag.", lambda dag_id: f"Calm the Dag {dag_id}.")]

    async def get() -> Any:
        async with offer(register_prompts=prompts).connect() as client:
            listed = {prompt.name: prompt for prompt in (await client.list_prompts()).prompts}
            return listed["calm_down"], await client.get_prompt("calm_down", {"dag_id": "a"})

    listed, prompt = anyio.run(get)
    assert (listed.description, [a.name for a in listed.arguments]) == ("Calm a Dag.", ["dag_id"])
    assert prompt.messages[0].content.text == "Calm the Dag a."


def test_register_resources() -> None:
    async def read(airflow: Airflow, dag_id: str) -> dict[str, Any]:
        return {"mood": (await airflow.get(path("dags/{}", dag_id))).json()["state"]}

    def resources() -> list[Resource]:
        return [Resource("acme://moods/{dag_id}", "mood", "The mood of a Dag.", read)]

    async def get() -> Any:
        async with offer(register_resources=resources).connect() as client:
            templates = (await client.list_resource_templates()).resource_templates
            return [t.uri_template for t in templates], await client.read_resource("acme://moods/a")

    templates, answer = anyio.run(get)
    assert "acme://moods/{dag_id}" in templates
    assert answer.contents[0].text == '{"mood":"calm"}'


def test_tool_allowed() -> None:
    def veto(tool: Any, user: Any) -> bool:
        return bool(tool.name != "get_state" or user.name == "grace")

    loaded = offer(register_toolsets=toolsets, tool_allowed=veto)
    assert loaded.list_tools() == {}
    try:
        refused = loaded.error("get_state", dag_id="a")["code"]
    except MCPError:
        refused = "unknown tool"
    assert refused in {"permission_denied", "unknown tool"}
    assert loaded.recording.calls == []


def test_tool_called() -> None:
    told: list[ToolCall] = []

    def watch(call: ToolCall) -> None:
        told.append(call)

    loaded = offer(register_toolsets=toolsets, tool_called=watch)
    loaded.result("get_state", dag_id="a")
    loaded.recording.reply("GET dags/b", {"detail": "Forbidden"}, status=403)
    loaded.error("get_state", dag_id="b")
    assert [(call.tool, call.user, call.outcome) for call in told] == [
        ("get_state", "ada", "ok"),
        ("get_state", "ada", "permission_denied"),
    ]
    assert all(call.duration >= 0 for call in told)
    assert told[0].client


def test_every_hook_has_a_test() -> None:
    hooks = {name for name, value in vars(hookspecs).items() if hasattr(value, f"{hookspecs.PROJECT}_spec")}
    tested = {name.removeprefix("test_") for name in globals() if name.startswith("test_")}
    assert hooks == tested - {"every_hook_has_a_test"}
