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
"""What a change reaches: said by every preview of a destructive tool, in a bounded number of calls."""

from __future__ import annotations

from typing import Any

import anyio
import httpx
import pytest

from airflow_provider_mcp.sdk.injection import run_function
from airflow_provider_mcp.server.catalogue import load_catalogue
from airflow_provider_mcp.testing import Recording, call_tool, open_airflow
from airflow_provider_mcp.tools import dags
from airflow_provider_mcp.tools.shared import reach
from airflow_provider_mcp.tools.shared.reach import read_reach

LINES = ("2.11.2", "3.3.2")

TASKS = [
    {"task_id": "extract", "template_fields": [], "downstream_task_ids": ["load", "go"]},
    {"task_id": "load", "template_fields": [], "downstream_task_ids": ["check"]},
    {"task_id": "go", "template_fields": ["trigger_dag_id"], "downstream_task_ids": []},
    {"task_id": "check", "template_fields": [], "downstream_task_ids": []},
]

PRICES = {
    "id": 1,
    "name": "prices",
    "producing_tasks": [{"dag_id": "a", "task_id": "load"}],
    "scheduled_dags": [{"dag_id": "report"}],
}

NEXT = "2026-11-28T06:00:00Z"

WAITING = {
    "dag_id": "waiter",
    "dag_run_id": "w",
    "task_id": "wait",
    "map_index": -1,
    "state": "up_for_reschedule",
    "rendered_fields": {"external_dag_id": "a", "external_task_id": "check", "external_task_ids": ["check"]},
}

STARTING = {"dag_id": "parent", "task_id": "start", "rendered_fields": {"trigger_dag_id": "a"}}


def rows(key: str, *found: Any, total: int | None = None) -> dict[str, Any]:
    return {key: list(found), "total_entries": len(found) if total is None else total}


SOURCE = """
with DAG("a"):
    T(task_id="go", trigger_dag_id="child")
"""


def record() -> Recording:
    recording = Recording()
    recording.reply("GET assets", rows("assets", PRICES))
    recording.reply("GET dags/a/tasks", {"tasks": TASKS})
    recording.reply("GET dags/a/dagRuns", rows("dag_runs"))
    recording.reply("GET dags/a/dagRuns?state=queued", rows("dag_runs", total=3))
    recording.reply("GET dagSources/a", {"content": SOURCE})
    recording.reply("GET dags/~/dagRuns/~/taskInstances", rows("task_instances", WAITING, STARTING))
    for dag_id in ("a", "report", "child", "waiter"):
        row = {"dag_id": dag_id, "is_paused": dag_id == "child", "next_dagrun_run_after": NEXT}
        recording.reply(f"GET dags/{dag_id}", row)
    return recording


def read(recording: Recording, version: str = "3.3.2", **arguments: Any) -> dict[str, Any]:
    shown: dict[str, Any] = call_tool(read_reach, open_airflow(recording, version=version), **arguments)
    return shown


@pytest.mark.parametrize("version", LINES)
def test_dags_runs_and_next_runs_are_named(version: str) -> None:
    recording = record()
    shown = read(recording, version, dag_id="a", starters=True)
    assert shown["dags_fed"] == [
        {"dag_id": "report", "how": "scheduled_on", "asset": "prices", "task_id": "load", "next_run": NEXT},
        {"dag_id": "child", "how": "started", "task_id": "go", "is_paused": True, "next_run": NEXT},
        {"dag_id": "waiter", "how": "awaits", "sensor": "wait", "next_run": NEXT},
    ]
    assert shown["runs_waiting"] == [
        {"dag_id": "waiter", "dag_run_id": "w", "task_id": "wait", "state": "up_for_reschedule"}
    ]
    assert (shown["queued_runs"], shown["next_run"]) == (3, NEXT)
    assert shown["started_by"] == ["parent.start"]
    assert "missing" not in shown
    assert len(recording.calls) <= reach.MOST_CALLS


def test_a_task_reaches_what_comes_after_it_and_what_it_feeds_itself() -> None:
    shown = read(record(), dag_id="a", task_ids={"check"})
    assert [fed["dag_id"] for fed in shown["dags_fed"]] == ["waiter"]
    assert "tasks_after" in shown
    assert shown["tasks_after"]["total"] == 0
    shown = read(record(), dag_id="a", task_ids={"load"})
    assert [fed["dag_id"] for fed in shown["dags_fed"]] == ["report"]
    assert shown["tasks_after"] == {"total": 1, "task_ids": ["check"]}
    # The sensor waits for another task.
    assert "runs_waiting" not in shown


def test_that_nothing_is_fed_is_said() -> None:
    recording = record()
    recording.reply("GET assets", rows("assets"))
    recording.reply("GET dags/a/tasks", {"tasks": TASKS[3:]})
    recording.reply("GET dags/~/dagRuns/~/taskInstances", rows("task_instances"))
    assert read(recording, dag_id="a")["dags_fed"] == []


def test_what_cannot_be_read_is_named() -> None:
    recording = record()
    recording.reply("GET assets", {"detail": "Forbidden"}, status=403)
    recording.reply("GET dags/~/dagRuns/~/taskInstances", {"detail": "Forbidden"}, status=403)
    recording.reply("GET dagSources/a", {"detail": "Forbidden"}, status=403)
    shown = read(recording, dag_id="a")
    assert set(shown["missing"]) == {"assets", "other Dags' tasks", "runs_waiting"}
    assert [row["task_id"] for row in shown["unknown"]] == ["go"]


@pytest.mark.parametrize("version", LINES)
def test_many_dags_cost_no_more_calls(version: str) -> None:
    recording = record()
    fed = [{"dag_id": f"d{number}"} for number in range(2000)]
    recording.reply("GET assets", rows("assets", *[{**PRICES, "scheduled_dags": fed}] * 100, total=5000))
    many = [{**TASKS[2], "task_id": f"t{number}"} for number in range(300)]
    recording.reply("GET dags/a/tasks", {"tasks": many})
    for number in range(10):
        recording.reply(f"GET dags/d{number}", {"dag_id": f"d{number}"})
    run = {"dag_run_id": "r", "run_type": "manual", "logical_date": NEXT, "end_date": NEXT}
    recording.reply("GET dags/a/dagRuns", rows("dag_runs", run, run, run))
    recording.reply("GET dags/a/dagRuns/r/taskInstances", rows("task_instances", WAITING, total=9999))
    shown = read(recording, version, dag_id="a")
    assert len(recording.calls) <= reach.MOST_CALLS
    assert len(shown["dags_fed"]) == reach.MOST_SHOWN
    # The one that waits too.
    assert shown["dags_fed_total"] == 2001
    assert "of 5000" in shown["missing"]["assets"]


def test_it_does_not_wait_for_a_slow_airflow(monkeypatch: pytest.MonkeyPatch) -> None:
    recording = record()

    async def answer(request: httpx.Request) -> httpx.Response:
        if "dagRuns" in request.url.path:
            await anyio.sleep(30)
        return recording(request)

    monkeypatch.setattr(reach, "SECONDS", 0.2)
    shown = anyio.run(read_reach, open_airflow(answer), "a")  # type: ignore[arg-type]
    assert "took longer" in shown["missing"]["time"]
    assert shown["dags_fed"] == []


def test_a_pause_says_what_it_reaches() -> None:
    recording = record()
    recording.reply("PATCH dags/a", {"dag_id": "a", "is_paused": True})
    paused = call_tool(dags.pause_dag, open_airflow(recording, "write"), dag_id="a")
    assert {fed["dag_id"] for fed in paused.reaches["dags_fed"]} >= {"report", "waiter"}


RUNS_AND_DAGS = {
    *("clear_dag_run", "clear_task_instances", "delete_dag", "delete_dag_run"),
    *("set_dag_run_state", "set_task_instance_state"),
}


@pytest.mark.parametrize("name", sorted(RUNS_AND_DAGS))
@pytest.mark.parametrize("version", LINES)
def test_every_destructive_preview_of_runs_and_dags_says_it(name: str, version: str) -> None:
    recording = record()
    run = {"dag_id": "a", "dag_run_id": "r", "state": "queued"}
    instance = {**run, "task_id": "load", "state": "failed", "try_number": 1}
    recording.reply("GET dags/a/dagRuns/r", run)
    recording.reply("GET dags/a/dagRuns/r/taskInstances", rows("task_instances", instance))
    recording.reply("GET eventLogs", rows("event_logs"))
    for change in ("dagRuns/r/clear", "clearTaskInstances"):
        recording.reply(f"POST dags/a/{change}", rows("task_instances", instance))
    recording.reply("PATCH dags/a/dagRuns/r/taskInstances/load/dry_run", rows("task_instances", instance))
    tool = load_catalogue(version, found=[]).tools[name]
    given = {"dag_id": "a", "dag_run_id": "r", "task_ids": ["load"], "state": "success"}
    arguments = tool.input_schema["properties"]
    checked = tool.check({key: value for key, value in given.items() if key in arguments})
    assert tool.preview is not None
    shown = anyio.run(run_function, tool.preview, checked, open_airflow(recording, version=version))
    assert shown["now"]["reaches"]["dags_fed"][0]["dag_id"] == "report"
