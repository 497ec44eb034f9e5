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
"""Dags as tools, as a client sees and calls them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import anyio
import httpx
import pytest

from airflow_provider_mcp.sdk import Airflow, Client, JobStarted, ToolError, Unavailable
from airflow_provider_mcp.sdk.binding import bind_tool
from airflow_provider_mcp.sdk.injection import run_function
from airflow_provider_mcp.server.calls import describe_tool
from airflow_provider_mcp.testing import Recording, estimate_tokens, open_airflow
from airflow_provider_mcp.tools.dag_tools import listing, register_dynamic_tools
from airflow_provider_mcp.tools.runs import reading

REGION = {"value": "eu", "description": "Which region.", "schema": {"type": "string", "enum": ["eu", "us"]}}
DAYS = {"value": None, "description": "Days back.", "schema": {"type": "integer", "minimum": 1}}
TAGS = [{"name": "mcp"}]


def dag(dag_id: str = "report", **more: Any) -> dict[str, Any]:
    params = {"region": REGION, "days": DAYS}
    row = {"dag_id": dag_id, "dag_display_name": dag_id, "is_paused": False, "tags": TAGS, "params": params}
    return {**row, "description": "Send the report.", **more}


def run(state: str = "success", **more: Any) -> dict[str, Any]:
    return {"dag_id": "report", "dag_run_id": "r", "state": state, "conf": {"days": 2}, **more}


class Dags(Recording):
    """An Airflow with some Dags that have the tag ``mcp``."""

    def __init__(self, *rows: dict[str, Any]) -> None:
        super().__init__()
        self.rows = rows or (dag(),)
        listed = [{"dag_id": row["dag_id"]} for row in self.rows]
        self.reply("GET dags?tags=mcp", {"dags": listed, "total_entries": len(listed)})
        for row in self.rows:
            self.reply(f"GET dags/{row['dag_id']}/details", row)

    def airflow(self, access: Any = "read", triggerable: Any = None, **site: Any) -> Airflow:
        may = [row["dag_id"] for row in self.rows] if triggerable is None else triggerable
        airflow = open_airflow(self, access, triggerable=may)
        airflow.site = replace(airflow.site, **{"dag_tool_tag": "mcp", **site})
        return airflow

    def offer(self, name: str | None = None, may_write: bool = True, **options: Any) -> tuple[Any, list[str]]:
        """Return the tools by name, and what was left out."""

        async def ask() -> Any:
            return await register_dynamic_tools(self.airflow(**options), name, may_write)

        offered = anyio.run(ask)
        if offered is None:
            return {}, []
        bound = [bind_tool(one, toolset="dag_tools", owner="dag_tools") for one in offered.tools]
        return {one.name: one for one in bound}, list(offered.left_out)

    def call(self, client: Client | None = None, /, **arguments: Any) -> Any:
        """Call the tool of the first Dag, as the server does."""
        tool = next(iter(self.offer()[0].values()))
        checked = tool.check(arguments)
        del self.calls[:]

        async def act() -> Any:
            return tool.check_result(
                await run_function(tool.function, checked, self.airflow("write"), client or Client())
            )

        result = anyio.run(act)
        return result if isinstance(result, JobStarted) else result.model_dump(exclude_none=True)

    def sent(self, method: str = "POST") -> list[Any]:
        return [call.body for call in self.calls if call.method == method]


def ending(state: str, tasks: dict[str, str], **more: Any) -> Dags:
    """Return an Airflow whose run of ``report`` has ended, with tasks in these states."""
    dags = Dags(dag(**more))
    dags.reply("POST dags/report/dagRuns", lambda request: {**run(state), **json.loads(request.content)})
    rows = [
        {"dag_id": "report", "dag_run_id": "r", "task_id": name, "state": one, "map_index": -1}
        for name, one in tasks.items()
    ]
    instances = "dags/report/dagRuns/r/taskInstances"
    dags.reply("POST dags/report/dagRuns", run(state))
    dags.reply(f"GET {instances}", {"task_instances": rows, "total_entries": len(rows)})
    names = list(tasks)
    chain = [
        {"task_id": name, "downstream_task_ids": names[number + 1 : number + 2]}
        for number, name in enumerate(names)
    ]
    dags.reply("GET dags/report/tasks", {"tasks": chain})
    for name in names:
        dags.reply(f"GET {instances}/{name}/xcomEntries", {"xcom_entries": [{"key": "return_value"}]})
        dags.reply(f"GET {instances}/{name}/xcomEntries/return_value", {"key": "return_value", "value": name})
    return dags


def refuse(dags: Dags, **arguments: Any) -> ToolError:
    with pytest.raises(ToolError) as refused:
        dags.call(**arguments)
    assert dags.sent() == []
    return refused.value


# ---- the list


def test_a_tagged_dag_is_a_tool() -> None:
    tools, left_out = Dags(dag(doc_md="# Report\n\nSend the\nsales report.\n\nMore.")).offer()
    assert left_out == []
    tool = tools["run_report"]
    assert (tool.access, tool.title, tool.description) == ("write", "report", "Send the sales report.")
    assert tool.input_schema["required"] == ["days"]
    assert tool.input_schema["properties"]["region"] == {
        "type": "string",
        "enum": ["eu", "us"],
        "description": "Which region.",
        "default": "eu",
    }


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"doc_md": "# Only a title", "description": "It."}, "It."),
        ({"doc_md": None, "description": None}, "Run the Dag report."),
        ({"doc_md": "x" * 1000}, "x" * 299 + "…"),
    ],
)
def test_its_description_is_what_the_dag_says(more: Any, text: str) -> None:
    assert Dags(dag(**more)).offer()[0]["run_report"].description == text


def test_a_secret_in_its_words_is_masked() -> None:
    token = "ghp_" + "a1B2" * 9
    tool = Dags(dag(doc_md=f"Send it with {token}.")).offer()[0]["run_report"]
    assert token not in tool.description
    assert tool.description.startswith("Send it with ")


def test_only_what_the_caller_may_start_is_offered() -> None:
    dags = Dags(dag("a"), dag("b"))
    assert list(dags.offer(triggerable=["b"])[0]) == ["run_b"]
    del dags.calls[:]
    assert dags.offer(triggerable=[]) == ({}, [])
    assert [call.route for call in dags.calls] == ["dags"]


def test_who_may_see_no_dags_is_offered_none() -> None:
    dags = Dags()
    dags.reply("GET dags?tags=mcp", {"detail": "Forbidden"}, status=403)
    assert dags.offer() == ({}, [])


def test_nothing_is_asked_where_nothing_could_be_offered() -> None:
    dags = Dags()
    assert dags.offer(may_write=False) == ({}, [])
    assert dags.offer(dag_tool_tag="") == ({}, [])
    assert dags.calls == []


def test_a_second_tag_raises_the_access() -> None:
    tool = Dags(dag(tags=[*TAGS, {"name": "mcp:destructive"}])).offer()[0]["run_report"]
    assert (tool.access, tool.replaces) == ("destructive", True)


def test_what_cannot_be_offered_is_told() -> None:
    bad = {"wait_seconds": REGION}
    dags = Dags(dag("a.b"), dag("a_b"), dag("bad", params=bad), dag("c"), dag("gone"), dag("z"))
    dags.reply("GET dags/gone/details", {"detail": "not found"}, status=404)
    tools, left_out = dags.offer(max_dag_tools=3)
    assert list(tools) == ["run_c"]
    assert left_out[0] == "the Dags a.b and a_b are left out: each would be the tool run_a_b; rename one"
    assert left_out[1] == "1 more Dags have the tag mcp: [mcp] max_dag_tools is 3"
    assert left_out[2].startswith("the Dag bad is left out: its param wait_seconds has the name")
    assert left_out[3].startswith("the Dag gone is left out: its details could not be read")


@pytest.mark.parametrize(
    ("dag_id", "name"),
    [("a", "run_a"), ("a.b-C_1", "run_a_b-C_1"), ("täglich", "run_t_glich"), ("x" * 100, "run_" + "x" * 60)],
)
def test_the_name_is_one_that_clients_take(dag_id: str, name: str) -> None:
    assert listing.name_tool(dag_id) == name


def test_a_call_reads_one_dag_and_a_list_each_once() -> None:
    dags = Dags(*(dag(f"d{n:02}") for n in range(50)))
    assert len(dags.offer()[0]) == 50
    assert len(dags.calls) == 51
    del dags.calls[:]
    assert list(dags.offer("run_d07")[0]) == ["run_d07"]
    assert [call.route for call in dags.calls] == ["dags", "dags/d07/details"]


def test_fifty_cost_at_most_6000_tokens() -> None:
    doc = "Load the orders of one region into the warehouse and return how many rows were written."
    tools, _ = Dags(*(dag(f"load_orders_{n:02}", doc_md=doc) for n in range(50))).offer()
    handed_on = [
        {"name": shown.name, "description": shown.description, "input_schema": shown.input_schema}
        for shown in map(describe_tool, tools.values())
    ]
    assert sum(map(estimate_tokens, handed_on)) <= 6000


# ---- the call


def test_a_run_that_succeeds_gives_the_result_of_its_last_task() -> None:
    dags = ending("success", {"extract": "success", "load": "success"})
    result = dags.call(days="2", region="US")
    assert result == {
        "dag_id": "report",
        "dag_run_id": "r",
        "state": "success",
        "result": "load",
        "ui_url": "http://airflow.example.com/dags/report/runs/r",
        "task_counts": {"success": 2},
    }
    (sent,) = dags.sent()
    assert (sent["conf"], sent["logical_date"]) == ({"days": 2, "region": "us"}, None)
    assert sent["dag_run_id"].startswith("mcp__20")


def test_the_dag_names_the_task_of_the_result() -> None:
    params = {"days": {**DAYS, "schema": {**DAYS["schema"], "mcp_result_task": "extract"}}}
    dags = ending("success", {"extract": "success", "load": "success"}, params=params)
    assert dags.call(days=2)["result"] == "extract"


def test_a_run_that_fails_says_why() -> None:
    dags = ending("failed", {"extract": "failed"})
    for unread in ("dags/report", "dagSources/report", "eventLogs", "assets", "dags/report/dagRuns"):
        dags.reply(f"GET {unread}", {"detail": "Forbidden"}, status=403)
    for unread in ("extract/logs/1", "extract/tries", "extract/-1/tries", "extract"):
        dags.reply(f"GET dags/report/dagRuns/r/taskInstances/{unread}", {"detail": "no"}, status=404)
    dags.reply("GET dags/report/dagRuns/r", run("failed"))
    result = dags.call(days=2)
    assert (result["state"], result["failed_tasks"]) == ("failed", ["extract"])
    assert "extract" in result["diagnosis"][0]
    assert 1 <= len(result["diagnosis"]) <= 3
    assert result["diagnosis"][-1].startswith("Next: ")
    assert "result" not in result


def test_a_run_that_goes_on_says_how_to_go_on() -> None:
    dags = ending("running", {})
    result = dags.call(days=2, wait_seconds=0)
    assert result["state"] == "running"
    waiting = ending("running", {})
    waiting.reply("GET dags/report/dagRuns/r", run("running"))
    assert "wait_for_dag_run" in waiting.call(days=2, wait_seconds=1)["hint"]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({}, "days: is required"),
        ({"days": 0}, "days: 0 is less than the minimum of 1"),
        ({"days": 1, "region": "mars"}, "region: 'mars' is not one of ['eu', 'us']"),
        ({"days": 1, "regoin": "eu"}, "regoin: is not an argument of this tool; did you mean region?"),
        ({"days": 1, "wait_seconds": 60}, "wait_seconds: 60 is greater than the maximum of 45"),
        ({"days": "many"}, "days: 'many' is not of type 'integer'"),
    ],
)
def test_a_wrong_argument_is_refused_before_anything_starts(arguments: Any, why: str) -> None:
    error = refuse(ending("success", {}), **arguments)
    assert error.code == "invalid_argument"
    assert why in error.message


def test_the_params_own_schema_has_the_last_word() -> None:
    """What the plain form cannot say is checked all the same: a format, a choice of several types."""
    params = {"day": {"value": None, "schema": {"type": ["null", "string"], "format": "date"}}}
    error = refuse(ending("success", {}, params=params), day="yesterday")
    assert "day: 'yesterday' is not a 'date'" in error.message
    params = {"n": {"value": 1, "schema": {"type": ["integer", "string"], "enum": [1, "all"]}}}
    assert "is not one of" in refuse(ending("success", {}, params=params), n="some").message


def test_a_mask_is_no_value() -> None:
    params = {"who": {"value": "me", "schema": {"type": "string"}}}
    assert refuse(ending("success", {}, params=params), who="***").code == "invalid_argument"


@pytest.mark.parametrize(
    ("now", "code"),
    [
        ({"is_paused": True}, "conflict"),
        ({"tags": []}, "not_found"),
        ({"tags": [*TAGS, {"name": "mcp:destructive"}]}, "conflict"),
    ],
)
def test_a_dag_that_has_changed_since_is_not_started(now: Any, code: str) -> None:
    dags = ending("success", {})
    tool = dags.offer()[0]["run_report"]
    dags.reply("GET dags/report/details", dag(**now))

    async def act() -> Any:
        return await run_function(tool.function, {"arguments": {"days": 2}}, dags.airflow("write"))

    with pytest.raises(ToolError) as refused:
        anyio.run(act)
    assert refused.value.code == code
    assert dags.sent() == []


def test_a_repeated_key_starts_no_second_run() -> None:
    dags = ending("success", {"load": "success"})
    first = dags.call(days=2, idempotency_key="order 7")
    (sent,) = dags.sent()
    dags.reply("POST dags/report/dagRuns", {"detail": "exists"}, status=409)
    dags.reply(f"GET dags/report/dagRuns/{sent['dag_run_id']}", run())
    assert dags.call(days=2, idempotency_key="order 7") == first
    assert dags.sent()[0]["dag_run_id"] == sent["dag_run_id"]
    with pytest.raises(ToolError, match="other arguments"):
        dags.call(days=3, idempotency_key="order 7")


def test_keys_of_two_people_are_two() -> None:
    from airflow_provider_mcp.sdk import Caller
    from airflow_provider_mcp.tools.dag_tools.running import _name_run

    ada, bob = (open_airflow(Recording(), caller=Caller(str(n), "x")) for n in (1, 2))
    assert _name_run(ada, "a", "k") == _name_run(ada, "a", "k") != _name_run(bob, "a", "k")
    assert _name_run(ada, "a", None) != _name_run(ada, "a", None)


def test_a_client_that_takes_tasks_gets_one() -> None:
    dags = ending("running", {})
    started = dags.call(Client(takes_jobs=True), days=2)
    assert started.reference == {"dag_id": "report", "dag_run_id": "r", "result_task": None}
    tool = dags.offer()[0]["run_report"]

    def look(state: str) -> Any:
        dags.reply("GET dags/report/dagRuns/r", run(state))
        return anyio.run(run_function, tool.job.get, started.reference, dags.airflow())

    assert look("running").status == "working"
    dags = ending("success", {"load": "success"})
    over = look("success")
    assert (over.status, over.failed, over.result.result) == ("completed", False, "load")


def test_progress_counts_the_tasks_that_are_over(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []

    async def notify(method: str, params: Any) -> None:
        told.append((params["progress"], params["total"]))

    async def no_time(_: float) -> None:
        return None

    monkeypatch.setattr(reading.anyio, "sleep", no_time)
    dags = ending("running", {})
    looks = iter(["running", "running", "success", "success"])
    over = iter([0, 1, 1, 2, 2])

    def instances(_: httpx.Request) -> Any:
        count = next(over, 2)
        rows = [{"task_id": str(n), "state": "success" if n < count else "running"} for n in range(2)]
        return {"task_instances": rows, "total_entries": 2}

    dags.reply("GET dags/report/dagRuns/r", lambda _: run(next(looks, "success")))
    dags.reply("GET dags/report/dagRuns/r/taskInstances", instances)
    dags.reply("GET dags/report/tasks", {"tasks": []})
    dags.call(Client(progress_token=1, notify=notify), days=2)
    assert told == [(0, 2), (1, 2)]


def test_a_preview_says_what_it_starts_and_refuses_what_the_call_would() -> None:
    dags = ending("success", {})
    tool = dags.offer()[0]["run_report"]

    def preview(**arguments: Any) -> Any:
        return anyio.run(run_function, tool.preview, {"arguments": arguments}, dags.airflow())

    assert preview(days=2, idempotency_key="k") == {
        "starts": "a run of the Dag report",
        "conf": {"days": 2},
    }
    with pytest.raises(ToolError, match="No run was started"):
        preview(days=0)


def test_a_diagnosis_that_cannot_be_read_hides_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow_provider_mcp.tools.dag_tools import results

    async def fail(*_: Any) -> Any:
        raise Unavailable("The log server is away.")

    monkeypatch.setattr(results, "diagnose_dag_run", fail)
    result = ending("failed", {"load": "failed"}).call(days=2)
    assert result["state"] == "failed"
    assert "log server" in result["missing"]["diagnosis"]
