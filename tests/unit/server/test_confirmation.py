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
"""Policy and confirmation of calls, through the server as a client reaches it."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import anyio
import pytest

from airflow_provider_mcp.server.approval import Approvals, name_approval
from airflow_provider_mcp.server.catalogue import Catalogue
from airflow_provider_mcp.server.claims import MOST_OUTCOME_CHARS
from tests.unit.server.confirming import (
    ADA,
    BOB,
    CALL,
    INSTANCE,
    RUN,
    World,
    httpx_json,
    load_test_catalogue,
)


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_test_catalogue()


# ---- in two steps ------------------------------------------------------------------------------------


def test_nothing_happens_before_the_second_step(catalogue: Catalogue) -> None:
    world = World(catalogue)
    shown = world.result("set_dag_run_state", {**CALL, "state": "success"})
    preview = shown["structuredContent"]["preview"]
    assert preview["sets"] == "success"
    assert preview["now"] == {"task_counts": {"failed": 1}, "reaches": {"dags_fed": []}}
    assert json.dumps(preview, separators=(",", ":")) in shown["content"][0]["text"]
    assert world.airflow.changes() == []
    token = shown["structuredContent"]["confirmation_token"]
    done = world.result(
        "set_dag_run_state", {**CALL, "state": "success", "confirmation_token": token}, replica=1
    )
    assert not done.get("isError"), done
    assert world.airflow.changes() == [("PATCH", "dags/a/dagRuns/r")]


def test_a_token_is_for_its_user_tool_and_arguments(catalogue: Catalogue) -> None:
    world = World(catalogue)
    call = {**CALL, "state": "success"}
    token = world.token("set_dag_run_state", call)
    for name, arguments, caller in (
        ("set_dag_run_state", {**CALL, "state": "queued"}, ADA),
        ("set_dag_run_state", call, BOB),
        ("delete_dag_run", CALL, ADA),
        ("set_dag_run_state", {**call, "confirmation_token": "x"}, ADA),
    ):
        error = world.refusal(name, {"confirmation_token": token, **arguments}, caller=caller)
        assert error["code"] == "confirmation_required"
        assert "not for this call" in error["message"]
        assert "new preview" in error["hint"]
    assert world.airflow.changes() == []


def test_progress_under_now_does_not_spoil_a_token(catalogue: Catalogue) -> None:
    world = World(catalogue)
    call = {**CALL, "state": "success"}
    token = world.token("set_dag_run_state", call)
    world.airflow.on(**{"GET dags/a/dagRuns/r/taskInstances": {"task_instances": [], "total_entries": 0}})
    assert not world.result("set_dag_run_state", {**call, "confirmation_token": token}).get("isError")


def test_the_same_token_acts_once_on_any_replica(catalogue: Catalogue) -> None:
    world = World(catalogue)
    call = {"dag_id": "a", "dag_run_id": "r"}
    token = world.token("clear_dag_run", call)
    confirmed = {**call, "confirmation_token": token}
    first = world.result("clear_dag_run", confirmed)
    assert not first.get("isError")
    # The run has failed again meanwhile, by another try.
    world.instance |= {"try_number": 2, "start_date": "later"}
    for replica in (0, 1):
        again = world.result("clear_dag_run", confirmed, replica=replica)
        assert again["structuredContent"] == first["structuredContent"]
        assert "used before" in again["content"][0]["text"]
        assert again["content"][1:] == first["content"]
        assert "org.apache.airflow/repeated" in again["_meta"]
    real = [call.body for call in world.airflow.calls if call.route.endswith("/clear")]
    assert [body["dry_run"] for body in real].count(False) == 1


def test_a_token_of_a_tool_without_a_preview_acts_once(catalogue: Catalogue) -> None:
    world = World(catalogue, confirm="write")
    call = {"password": "hunter22"}
    confirmed = {**call, "confirmation_token": world.token("set_secret", call)}
    results = [world.result("set_secret", confirmed, replica=replica) for replica in (0, 1, 0)]
    assert [result["structuredContent"] for result in results] == [{"done": True}] * 3
    assert world.airflow.changes() == [("PATCH", "dags/a")]
    # What the first one did is for its user and its arguments alone.
    for arguments, caller in (({**confirmed, "number": 2}, ADA), (confirmed, BOB)):
        error = world.refusal("set_secret", arguments, caller=caller)
        assert error["code"] == "confirmation_required"
    assert world.airflow.changes() == [("PATCH", "dags/a")]


def test_two_at_the_same_instant_act_once(catalogue: Catalogue) -> None:
    world = World(catalogue, confirm="write")
    call = {"password": "hunter22"}
    confirmed = {**call, "confirmation_token": world.token("set_secret", call)}
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda number: world.result("set_secret", confirmed, replica=number % 2), range(16))
        )
    assert world.airflow.changes() == [("PATCH", "dags/a")]
    codes = {answer["structuredContent"].get("error", {}).get("code") for answer in answers}
    # Who comes while the first one acts is told that it has not ended.
    assert codes <= {None, "conflict", "confirmation_required"}
    assert None in codes


def test_a_failure_is_told_again_and_not_tried_again(catalogue: Catalogue) -> None:
    world = World(catalogue, confirm="write")
    call = {"password": "hunter22"}
    confirmed = {**call, "confirmation_token": world.token("set_secret", call)}
    world.airflow.on(**{"PATCH dags/a": 409})
    first = world.refusal("set_secret", confirmed)
    assert first["code"] == "conflict"
    world.airflow.on(**{"PATCH dags/a": {}})
    again = world.result("set_secret", confirmed, replica=1)
    assert again["structuredContent"]["error"] == first
    assert "used before" in again["content"][0]["text"]
    assert len(world.airflow.changes()) == 1


def test_what_is_too_long_is_not_told_again(catalogue: Catalogue) -> None:
    world = World(catalogue, max_result_chars=2 * MOST_OUTCOME_CHARS)
    confirmed = {"confirmation_token": world.token("delete_much", {})}
    first = world.result("delete_much", confirmed)
    assert len(json.dumps(first)) > MOST_OUTCOME_CHARS
    error = world.refusal("delete_much", confirmed, replica=1)
    assert error["code"] == "conflict"
    assert "that call succeeded" in error["message"]


def test_what_is_cut_from_a_preview_is_bound_too(catalogue: Catalogue) -> None:
    world = World(catalogue, max_result_chars=2000)
    many = [{**INSTANCE, "task_id": f"task_{number:04}"} for number in range(1000)]
    world.airflow.on(**{"POST dags/a/dagRuns/r/clear": lambda _: httpx_json({"task_instances": many})})
    shown = world.result("clear_dag_run", CALL)["structuredContent"]
    assert shown["preview"]["clears"] == 1000
    assert len(json.dumps(shown["preview"])) < 1500
    many[999] = {**INSTANCE, "task_id": "task_other"}
    error = world.refusal("clear_dag_run", {**CALL, "confirmation_token": shown["confirmation_token"]})
    assert "no longer the same" in error["message"]


# ---- by asking the user ------------------------------------------------------------------------------


def asked(world: World, call: dict[str, Any], **more: Any) -> dict[str, Any]:
    return world.result("set_dag_run_state", call, elicits=True, **more)


def test_a_client_that_elicits_is_given_a_form(catalogue: Catalogue) -> None:
    world = World(catalogue)
    call = {**CALL, "state": "success"}
    question = asked(world, call)
    assert question["resultType"] == "input_required"
    form = question["inputRequests"]["confirm"]["params"]
    assert '"sets": "success"' in form["message"]
    assert form["requestedSchema"]["properties"]["confirm"]["type"] == "boolean"
    assert world.airflow.changes() == []
    agreed = {"confirm": {"action": "accept", "content": {"confirm": True}}}
    state = question["requestState"]
    for answer in (
        {"confirm": {"action": "decline"}},
        {"confirm": {"action": "cancel"}},
        {"confirm": {"action": "accept", "content": {"confirm": False}}},
    ):
        refused = asked(world, call, inputResponses=answer, requestState=state)
        assert refused["structuredContent"]["error"]["code"] == "confirmation_required"
    for wrong, caller in (({**CALL, "state": "queued"}, ADA), (call, BOB)):
        answered = {"inputResponses": agreed, "requestState": state}
        refused = world.call("set_dag_run_state", wrong, caller=caller, elicits=True, **answered)
        # The SDK seals the state to caller and call, and refuses it before the tool is looked at.
        assert refused["error"]["code"] == -32602
        assert "requestState" in refused["error"]["message"]
    assert world.airflow.changes() == []
    done = asked(world, call, replica=1, inputResponses=agreed, requestState=state)
    assert done["structuredContent"]["dag_run_id"] == "r"
    assert world.airflow.changes() == [("PATCH", "dags/a/dagRuns/r")]
    for replica in (0, 1):
        again = asked(world, call, replica=replica, inputResponses=agreed, requestState=state)
        assert again["structuredContent"] == done["structuredContent"]
        assert "nothing was done again" in again["content"][0]["text"]
    assert world.airflow.changes() == [("PATCH", "dags/a/dagRuns/r")]


def test_an_answer_without_a_question_asks(catalogue: Catalogue) -> None:
    world = World(catalogue)
    agreed = {"confirm": {"action": "accept", "content": {"confirm": True}}}
    question = asked(world, {**CALL, "state": "success"}, inputResponses=agreed)
    assert question["resultType"] == "input_required"
    assert world.airflow.changes() == []


def test_the_form_shows_the_preview_as_it_is_and_agrees_to_nothing_by_itself(catalogue: Catalogue) -> None:
    world = World(catalogue, confirm="write")
    question = world.result("set_secret", {"password": "hunter22", "note": "für Łódź"}, elicits=True)
    form = question["inputRequests"]["confirm"]["params"]
    assert form["message"] == (
        'Set secret: {\n "tool": "set_secret",\n "arguments": {\n  "password": "***",\n  "number": 1,\n'
        '  "note": "für Łódź"\n }\n}'
    )
    assert form["requestedSchema"] == {
        "type": "object",
        "properties": {"confirm": {"type": "boolean", "title": "Do it", "default": False}},
        "required": ["confirm"],
    }


def test_a_preview_has_half_of_what_a_result_may_have(catalogue: Catalogue) -> None:
    world = World(catalogue, confirm="write", max_result_chars=2000)
    previews = [
        world.result("set_secret", {"password": "x", "note": "n" * length})["structuredContent"]["preview"]
        for length in (800, 1600)
    ]
    assert previews[0]["arguments"]["note"] == "n" * 800
    assert len(json.dumps(previews[1])) <= 1000


@pytest.mark.parametrize(
    "answer",
    [
        {"action": "accept"},
        {"action": "accept", "content": {"other": True}},
        {"action": "accept", "content": {"confirm": "true"}},
        {"roots": []},
    ],
)
def test_any_other_answer_is_no_consent(catalogue: Catalogue, answer: dict[str, Any]) -> None:
    world = World(catalogue)
    call = {**CALL, "state": "success"}
    state = asked(world, call)["requestState"]
    refused = asked(world, call, inputResponses={"confirm": answer}, requestState=state)
    assert refused["structuredContent"]["error"]["message"] == (
        "The user did not agree to set_dag_run_state; nothing was changed."
    )
    assert world.airflow.changes() == []


def test_a_question_without_an_answer_is_asked_again(catalogue: Catalogue) -> None:
    world = World(catalogue)
    call = {**CALL, "state": "success"}
    state = asked(world, call)["requestState"]
    declined = {"confirm": {"action": "decline"}}
    for more in ({"requestState": state}, {"inputResponses": declined}, {"inputResponses": {}}):
        assert asked(world, call, **more)["resultType"] == "input_required"
    assert world.airflow.changes() == []


# ---- policy ------------------------------------------------------------------------------------------


def listed(world: World) -> set[str]:
    answer = world.ask("tools/list", {}, ADA, False, 0)
    return {tool["name"] for tool in answer["result"]["tools"]}


def test_a_read_tool_that_tries_to_write_is_stopped(catalogue: Catalogue) -> None:
    world = World(catalogue)
    assert world.refusal("get_slyly", {})["code"] == "read_only"
    assert world.airflow.calls == []


def test_read_only_lists_reading_tools_and_previews_the_others(catalogue: Catalogue) -> None:
    world = World(catalogue, read_only=True)
    names = listed(world)
    assert "get_dag_run" in names
    assert not names & {"set_dag_run_state", "trigger_dag", "set_secret"}
    shown = world.result("clear_dag_run", CALL)["structuredContent"]
    assert shown["error"]["code"] == "read_only"
    assert shown["preview"]["task_instances"] == {"failed": ["t"]}
    assert "confirmation_token" not in shown
    assert world.refusal("set_secret", {"password": "x"})["code"] == "read_only"
    assert [call.body for call in world.airflow.calls if call.body] == [
        {"dry_run": True, "only_failed": False}
    ]


def test_what_is_switched_off_is_neither_listed_nor_callable(catalogue: Catalogue) -> None:
    off = {"toolsets": frozenset({"dags", "runs"}), "disabled_tools": frozenset({"clear_dag_run"})}
    for policy in (off, {**off, "read_only": True}):
        world = World(catalogue, **policy)
        assert not listed(world) & {"clear_dag_run", "get_task_logs", "get_slyly"}
        for name in ("clear_dag_run", "clear_task_instances", "get_slyly"):
            answer = world.call(name, {"dag_id": "a", "dag_run_id": "r"})
            assert answer["error"]["code"] == -32602
        assert world.airflow.calls == []


@pytest.mark.parametrize(
    ("confirm", "write", "destructive"),
    [("none", False, False), ("destructive", False, True), ("write", True, True)],
)
def test_which_levels_ask(catalogue: Catalogue, confirm: str, write: bool, destructive: bool) -> None:
    world = World(catalogue, confirm=confirm)
    tools = world.ask("tools/list", {}, ADA, False, 0)["result"]["tools"]
    takes = {tool["name"]: "confirmation_token" in tool["inputSchema"]["properties"] for tool in tools}
    assert takes["set_dag_run_note"] == write
    assert takes["set_dag_run_state"] == destructive
    assert not takes["get_dag_run"]
    shown = world.result("set_secret", {"password": "hunter22"})
    assert bool(shown.get("isError")) == write
    if write:
        # The preview of a call without one is its arguments, and masks what is secret.
        preview = shown["structuredContent"]["preview"]
        assert preview == {"tool": "set_secret", "arguments": {"password": "***", "number": 1}}
        token = shown["structuredContent"]["confirmation_token"]
        other = {"password": "hunter23", "confirmation_token": token}
        assert world.refusal("set_secret", other)["code"] == "confirmation_required"
        assert not world.result("set_secret", {**other, "password": "hunter22"}).get("isError")


def test_a_token_says_nothing_where_none_is_asked_for(catalogue: Catalogue) -> None:
    world = World(catalogue, confirm="none")
    world.policy = replace(world.policy, confirm="none")
    call = {**CALL, "state": "success", "confirmation_token": "whatever"}
    assert not world.result("set_dag_run_state", call).get("isError")


@pytest.mark.parametrize(
    ("policy", "resources", "prompts"),
    [
        ({}, 5, 4),
        ({"toolsets": frozenset({"dags", "runs"})}, 3, 2),
        ({"toolsets": frozenset({"diagnostics"})}, 0, 2),
        ({"disabled_tools": frozenset({"get_dag"})}, 3, 2),
        ({"disabled_tools": frozenset({"get_config", "find_failures"})}, 4, 3),
    ],
)
def test_resources_and_prompts_are_what_their_tools_are(
    catalogue: Catalogue, policy: dict[str, Any], resources: int, prompts: int
) -> None:
    world = World(catalogue, **policy)
    listed_uris = {r["uri"] for r in world.ask("resources/list", {}, ADA, False, 0)["result"]["resources"]}
    templates = world.ask("resources/templates/list", {}, ADA, False, 0)["result"]["resourceTemplates"]
    assert len(listed_uris) + len(templates) == resources
    offered = {prompt["name"] for prompt in world.ask("prompts/list", {}, ADA, False, 0)["result"]["prompts"]}
    assert len(offered) == prompts
    for uri in {"airflow://config", "airflow://version"} - listed_uris:
        refused = world.ask("resources/read", {"uri": uri}, ADA, False, 0)
        assert refused["error"]["message"] == f"Unknown resource: {uri}"
    if "daily_health_check" not in offered:
        refused = world.ask("prompts/get", {"name": "daily_health_check"}, ADA, False, 0)
        assert refused["error"]["message"] == "Unknown prompt: daily_health_check"
    assert world.airflow.calls == []


def complete(world: World, name: str, dag_id: str = "a") -> list[str]:
    asked = {
        "ref": {"type": "ref/resource", "uri": "airflow://dags/{dag_id}/runs/{dag_run_id}"},
        "argument": {"name": name, "value": ""},
        "context": {"arguments": {"dag_id": dag_id}},
    }
    answer = world.ask("completion/complete", asked, ADA, False, 0)
    values: list[str] = answer["result"]["completion"]["values"]
    return values


def test_completions_are_what_their_tools_are(catalogue: Catalogue) -> None:
    replies = {
        "GET dags": {"dags": [{"dag_id": "a"}]},
        "GET dags/a/dagRuns": {"dag_runs": [{"dag_run_id": "r"}]},
        "GET dags/a/tasks": {"tasks": [{"task_id": "t"}]},
    }
    world = World(catalogue)
    world.airflow.on(**replies)
    assert [complete(world, name) for name in ("dag_id", "dag_run_id", "task_id")] == [["a"], ["r"], ["t"]]
    world = World(catalogue, disabled_tools=frozenset({"list_dags", "list_dag_runs", "get_dag"}))
    world.airflow.on(**replies)
    assert [complete(world, name) for name in ("dag_id", "dag_run_id", "task_id")] == [[], [], []]
    assert world.airflow.calls == []


@pytest.mark.parametrize("dag_id", ["../connections", "a/b", ".."])
def test_what_cannot_be_a_dags_name_has_nothing_to_complete(catalogue: Catalogue, dag_id: str) -> None:
    world = World(catalogue)
    assert [complete(world, name, dag_id) for name in ("dag_run_id", "task_id")] == [[], []]
    assert world.airflow.calls == []


# ---- tasks -------------------------------------------------------------------------------------------

TASKS = {"extensions": {"io.modelcontextprotocol/tasks": {}}}


def start_task(world: World) -> str:
    world.airflow.on(
        **{
            "GET dags/a/details": {"dag_id": "a", "params": {}, "is_paused": False},
            "POST dags/a/dagRuns": {**RUN, "state": "running"},
        }
    )
    started = world.result("trigger_dag", {"dag_id": "a"}, capabilities=TASKS)
    return str(started["taskId"])


def cancel_task(world: World, task_id: str, token: str | None = None) -> dict[str, Any]:
    meta = {} if token is None else {"org.apache.airflow/confirmation_token": token}
    answer: dict[str, Any] = world.ask(
        "tasks/cancel", {"taskId": task_id, "_meta": meta}, ADA, False, 0, capabilities=TASKS
    )
    return answer


def test_cancelling_a_run_asks_for_the_confirmation_that_setting_its_state_asks_for(
    catalogue: Catalogue,
) -> None:
    world = World(catalogue)
    world.run["state"] = "queued"
    task_id = start_task(world)
    before = world.airflow.changes()
    asked_first = cancel_task(world, task_id)["error"]
    assert asked_first["data"]["code"] == "confirmation_required"
    assert asked_first["data"]["preview"]["sets"] == "failed"
    assert world.airflow.changes() == before
    token = asked_first["data"]["confirmation_token"]
    for wrong in ("x", token + "x"):
        assert cancel_task(world, task_id, wrong)["error"]["data"]["code"] == "confirmation_required"
    assert world.airflow.changes() == before
    # The scheduler has started it meanwhile: it is the same run, and cancelling it means the same.
    world.run |= {"state": "running", "start_date": "2026-01-01T00:00:05Z"}
    assert cancel_task(world, task_id, token)["result"]["resultType"] == "complete"
    assert world.airflow.changes() == [*before, ("PATCH", "dags/a/dagRuns/r")]


def test_cancelling_a_run_waits_for_a_person_where_persons_confirm(catalogue: Catalogue) -> None:
    world = World(catalogue, confirm_by="person")
    world.run["state"] = "running"
    task_id = start_task(world)
    asked_first = cancel_task(world, task_id)["error"]["data"]
    assert asked_first["approve_url"].startswith("https://airflow.example.com/mcp/confirm/")
    token = asked_first["confirmation_token"]
    again = cancel_task(world, task_id, token)["error"]["data"]
    assert (again["code"], again["approve_url"]) == ("confirmation_required", asked_first["approve_url"])
    approvals, name = Approvals(world.replicas[1].claims), name_approval(token)

    async def approve() -> None:
        waiting = await approvals.find(name)
        assert waiting is not None
        assert (waiting.user, waiting.tool) == ("1", "tasks/cancel")
        await approvals.decide(name, waiting, "approved")

    anyio.run(approve)
    assert cancel_task(world, task_id, token)["result"]["resultType"] == "complete"


def test_cancelling_what_is_over_or_needs_none_asks_for_nothing(catalogue: Catalogue) -> None:
    world = World(catalogue)
    task_id = start_task(world)
    assert cancel_task(world, task_id)["result"]["resultType"] == "complete"
    world = World(catalogue, confirm="none")
    world.run["state"] = "running"
    assert cancel_task(world, start_task(world))["result"]["resultType"] == "complete"
    assert world.airflow.changes()[-1] == ("PATCH", "dags/a/dagRuns/r")
