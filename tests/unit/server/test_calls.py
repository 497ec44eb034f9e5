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
"""How tools are listed, and the order of what happens to one call."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import anyio
import pytest
from pydantic import BaseModel

from airflow_provider_mcp.sdk import Client, Form, Job, JobStarted, NotFound, hookimpl, tool
from airflow_provider_mcp.sdk.binding import bind_tool
from airflow_provider_mcp.sdk.tool import Tool, ToolCall
from airflow_provider_mcp.server import calls
from airflow_provider_mcp.server.caller_tools import CallerTools
from airflow_provider_mcp.server.calls import describe_tool, list_tools
from airflow_provider_mcp.server.catalogue import Catalogue, DynamicToolset, Problem
from airflow_provider_mcp.server.claims import MemoryClaims
from tests.unit.server.confirming import ADA, World, make_request


class Answer(BaseModel):
    dag_id: str


@tool(access="read")
async def get_thing(dag_id: str, fault: str | None = None) -> Answer:
    """Get a thing."""
    if fault == "not_found":
        raise NotFound(f"There is no Dag {dag_id}.", dag_id=dag_id)
    if fault is not None:
        raise RuntimeError(fault)
    return Answer(dag_id=f"the real {dag_id}")


@tool(access="write")
async def put_thing(dag_id: str, note: str | None = None) -> Answer:
    """Put a thing."""
    return Answer(dag_id=dag_id + (note or ""))


GET = bind_tool(get_thing, toolset="t", owner="o")
PUT = bind_tool(put_thing, toolset="t", owner="o")


# ---- the list ----------------------------------------------------------------------------------------


def test_a_tool_is_listed_with_its_arguments_and_no_more() -> None:
    listed = describe_tool(GET)
    assert (listed.name, listed.title, listed.description) == ("get_thing", "Get thing", "Get a thing.")
    assert "additionalProperties" in GET.input_schema
    assert listed.input_schema == {k: v for k, v in GET.input_schema.items() if k != "additionalProperties"}
    assert set(listed.input_schema["properties"]) == {"dag_id", "fault"}
    assert listed.meta is None
    assert listed.output_schema is not None


def test_a_tool_that_asks_takes_the_token_too() -> None:
    token = {"confirmation_token": {"type": "string", "description": "From the preview."}}
    listed = describe_tool(PUT, confirms=True)
    assert listed.input_schema["properties"] == {**PUT.input_schema["properties"], **token}
    bare = describe_tool(replace(PUT, input_schema={"type": "object"}), confirms=True)
    assert bare.input_schema == {"type": "object", "properties": token}
    assert "confirmation_token" not in PUT.input_schema["properties"]


@pytest.mark.parametrize(
    ("changes", "hints"),
    [
        ({}, (True, False, None, False)),
        ({"idempotent": True}, (True, False, None, False)),
        ({"access": "write"}, (False, False, None, False)),
        ({"access": "write", "idempotent": True}, (False, False, True, False)),
        ({"access": "destructive", "replaces": True, "open_world": True}, (False, True, None, True)),
    ],
)
def test_the_hints_of_a_tool(changes: dict[str, Any], hints: tuple[Any, ...]) -> None:
    told = describe_tool(replace(GET, **{"idempotent": False, **changes})).annotations
    assert told is not None
    assert (told.read_only_hint, told.destructive_hint, told.idempotent_hint, told.open_world_hint) == hints


@pytest.mark.parametrize(
    ("changes", "chars", "meta"),
    [
        ({}, 500, None),
        ({"open_world": True}, 500, {"anthropic/maxResultSizeChars": 500}),
        ({"open_world": True}, 0, None),
        ({"keywords": ("a", "b")}, 0, {"anthropic/searchHint": "Get thing: a, b"}),
        ({"search_hint": "c"}, 0, {"anthropic/searchHint": "c"}),
        ({"keywords": ("a",), "search_hint": "c"}, 0, {"anthropic/searchHint": "Get thing: a. c"}),
    ],
)
def test_what_a_client_reads_beside_the_description(
    changes: dict[str, Any], chars: int, meta: dict[str, Any] | None
) -> None:
    assert describe_tool(replace(GET, **changes), max_result_chars=chars).meta == meta
    if not chars:
        assert describe_tool(replace(GET, **changes)).meta == meta


def list_for(*problems: Problem, **policy: Any) -> Any:
    """Return the answer to ``tools/list`` with one tool for all and one of the caller's."""
    mine = replace(PUT, name="run_a", dynamic=True, description="Text of others.")

    class Asks:
        async def ask(self, *_: Any, **__: Any) -> CallerTools:
            return CallerTools({"run_a": mine}, problems)

    request = replace(
        make_request(MemoryClaims(), **policy),
        catalogue=Catalogue(
            tools={"get_thing": replace(GET, open_world=True)}, dynamic={"t": DynamicToolset("o", "run_")}
        ),
        dynamic=Asks(),
    )
    return anyio.run(list_tools, SimpleNamespace(request=request), None)


@pytest.mark.parametrize("confirm", ["none", "destructive", "write"])
def test_the_list_is_that_of_the_policy(confirm: str) -> None:
    answer = list_for(confirm=confirm, max_result_chars=777)
    fixed, mine = answer.tools
    assert (fixed.name, mine.name) == ("get_thing", "run_a")
    assert "confirmation_token" not in fixed.input_schema["properties"]
    assert ("confirmation_token" in mine.input_schema["properties"]) == (confirm == "write")
    assert fixed.meta == {"anthropic/maxResultSizeChars": 777}
    assert mine.description == "Text of others."
    assert answer.meta is None


def test_under_lockdown_the_texts_of_others_are_withheld() -> None:
    fixed, mine = list_for(untrusted_text="lockdown").tools
    assert fixed.description == "Get a thing."
    assert "Text of others." not in mine.description


def test_what_was_left_out_of_the_list_is_told() -> None:
    answer = list_for(Problem("acme", "run_b and run-b are one"))
    assert answer.meta == {"org.apache.airflow/leftOut": ["acme: run_b and run-b are one"]}


@tool(access="read")
async def ask_name(client: Client) -> Answer:
    """Ask for a name."""
    return Answer(dag_id=str(client.ask(name=Form("Which?", {"type": "object", "properties": {}}))))


async def never(*_: Any) -> Any:
    raise AssertionError("not called")


# ---- one call ----------------------------------------------------------------------------------------


def make_world(*tools: Tool, **policy: Any) -> tuple[World, list[ToolCall]]:
    """Return an Airflow with these tools, and the list of what its watchers are told."""
    catalogue = Catalogue(tools={each.name: each for each in (GET, PUT, *tools)})
    heard: list[ToolCall] = []
    catalogue.watchers.tell = heard.append  # type: ignore[method-assign]
    return World(catalogue, **policy), heard


def test_the_watchers_are_told_how_each_call_ended_and_what_it_was_about() -> None:
    world, heard = make_world(confirm="write")
    world.airflow.on(**{"GET dags/b": 404, "GET dags": {"dags": [], "total_entries": 0}})
    world.result("get_thing", {"dag_id": "a"})
    world.refusal("get_thing", {"dag_id": "b", "fault": "not_found"})
    world.refusal("get_thing", {"dag_id": "c", "fault": "boom"})
    world.refusal("get_thing", {})
    world.refusal("put_thing", {"dag_id": "d"})
    assert [(call.outcome, call.dag_id) for call in heard] == [
        ("ok", "the real a"),
        ("not_found", "b"),
        ("internal", "c"),
        ("invalid_argument", None),
        ("confirmation_required", "d"),
    ]
    assert {(call.user, call.client) for call in heard} == {("ada", "test")}


def test_a_tool_that_is_not_there_is_a_protocol_error() -> None:
    world, heard = make_world()
    refused = world.call("no_such_tool" + "x" * 5000, {})["error"]
    assert refused["code"] == -32602
    assert refused["message"].startswith("Unknown tool: no_such_tool")
    assert len(refused["message"]) < 1000
    assert heard == []


def test_a_question_that_the_client_cannot_take_is_a_protocol_error_that_watchers_hear_of() -> None:
    world, heard = make_world(bind_tool(ask_name, toolset="t", owner="o"))
    # The call comes without arguments.
    refused = world.ask("tools/call", {"name": "ask_name"}, ADA, False, 0)["error"]
    assert refused["code"] == -32021
    assert [call.outcome for call in heard] == ["-32021"]
    asked = world.ask("tools/call", {"name": "ask_name"}, ADA, True, 0)["result"]
    assert asked["resultType"] == "input_required"
    assert heard[1].outcome == "ok"


TASKS = {"extensions": {"io.modelcontextprotocol/tasks": {}}}


@pytest.mark.parametrize(
    ("required", "takes", "served"), [(True, False, False), (True, True, True), (False, False, True)]
)
def test_a_tool_that_answers_with_a_task_needs_a_client_that_takes_it(
    required: bool, takes: bool, served: bool
) -> None:
    starts = replace(GET, name="start", job=Job(get=never, cancel=never, required=required))
    world, _ = make_world(starts)
    answer = world.call("start", {"dag_id": "a"}, capabilities=TASKS if takes else {})
    assert ("result" in answer) == served
    if not served:
        assert "start answers with a task" in answer["error"]["message"]


def test_a_job_that_was_started_is_what_watchers_hear_of() -> None:
    @tool(access="read", job=Job(get=never, cancel=never))
    async def start_thing(client: Client) -> Answer | JobStarted:
        """Start a thing."""
        return JobStarted({"dag_id": "started"})

    world, heard = make_world(bind_tool(start_thing, toolset="t", owner="o"))
    assert "taskId" in world.call("start_thing", {}, capabilities=TASKS)["result"]
    assert heard[0].dag_id == "started"


def test_a_tool_that_is_vetoed_is_refused_when_it_is_called() -> None:
    world, heard = make_world()

    class Vetoes:
        @hookimpl
        def tool_allowed(self, tool: Any, user: Any) -> bool:
            return False

    world.catalogue.plugins._add("vetoes", Vetoes(), lambda owner, message: pytest.fail(message))
    assert world.refusal("get_thing", {"dag_id": "a"})["code"] == "permission_denied"
    assert heard[0].outcome == "permission_denied"


def test_close_matches_are_looked_for_what_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked: list[Any] = []

    async def look(_airflow: Any, error: Any, arguments: Any) -> Any:
        looked.append(arguments)
        return NotFound("There is no Dag b; did you mean bb?")

    monkeypatch.setattr(calls, "suggest_close_matches", look)
    world, _ = make_world()
    assert world.refusal("get_thing", {"dag_id": "b", "fault": "not_found"})["message"].endswith("mean bb?")
    world.refusal("get_thing", {"dag_id": "b", "fault": "boom"})
    assert looked == [{"dag_id": "b", "fault": "not_found"}]


def test_the_look_for_close_matches_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    assert calls.SUGGESTION_SECONDS <= 2
    monkeypatch.setattr(calls, "SUGGESTION_SECONDS", 0.05)

    async def hang(*_: Any) -> Any:
        await anyio.sleep(30)

    monkeypatch.setattr(calls, "suggest_close_matches", hang)
    world, _ = make_world()
    error = world.refusal("get_thing", {"dag_id": "b", "fault": "not_found"})
    assert error["message"] == "There is no Dag b."


@pytest.mark.parametrize("token", ["", None])
def test_an_empty_token_is_none(token: str | None) -> None:
    world, _ = make_world(confirm="write")
    error = world.refusal("put_thing", {"dag_id": "a", "confirmation_token": token})
    assert error["code"] == "confirmation_required"
    assert "waits for a confirmation" in error["message"]


def test_a_token_that_is_no_text_confirms_nothing() -> None:
    world, _ = make_world(confirm="write")
    for token in (7, True, ["x"], {"a": 1}):
        error = world.refusal("put_thing", {"dag_id": "a", "confirmation_token": token})
        assert error["code"] == "confirmation_required"


def test_a_call_counts_whether_its_arguments_are_right_or_not() -> None:
    world, _ = make_world(calls_per_minute=2)
    assert world.refusal("get_thing", {})["code"] == "invalid_argument"
    assert world.refusal("get_thing", {"x": 1})["code"] == "invalid_argument"
    assert world.refusal("get_thing", {"dag_id": "a"})["code"] == "rate_limited"
    assert world.refusal("put_thing", {"dag_id": "a"})["code"] == "rate_limited"


def test_writing_has_a_limit_of_its_own_and_wrong_arguments_are_told_before_a_question() -> None:
    world, _ = make_world(writes_per_minute=1, confirm="write")
    assert world.refusal("put_thing", {"dagid": "a"})["code"] == "invalid_argument"
    assert world.refusal("put_thing", {"dag_id": "a"})["code"] == "rate_limited"
    assert not world.result("get_thing", {"dag_id": "a"}).get("isError")


def test_where_only_reading_is_allowed_a_write_shows_its_preview_and_asks_for_nothing() -> None:
    world, _ = make_world(read_only=True, confirm="none")
    shown = world.result("put_thing", {"dag_id": "a"})["structuredContent"]
    assert shown["error"]["code"] == "read_only"
    assert shown["preview"] == {"tool": "put_thing", "arguments": {"dag_id": "a"}}
    assert not world.result("get_thing", {"dag_id": "a"}).get("isError")


def test_the_answers_of_another_call_confirm_nothing() -> None:
    world, _ = make_world(confirm="write")
    agreed = {"confirm": {"action": "accept", "content": {"confirm": True}}}
    question = world.result("put_thing", {"dag_id": "a"}, elicits=True)
    assert question["resultType"] == "input_required"
    done = world.result(
        "put_thing",
        {"dag_id": "a"},
        elicits=True,
        requestState=question["requestState"],
        inputResponses=agreed,
        caller=ADA,
    )
    assert done["structuredContent"] == {"dag_id": "a"}
    other = world.call(
        "put_thing",
        {"dag_id": "b"},
        elicits=True,
        requestState=question["requestState"],
        inputResponses=agreed,
    )
    assert other["error"]["code"] == -32602
