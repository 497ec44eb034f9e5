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
"""``trace_lineage``: answers of both lines, and how many calls it takes where there are 2,000 Dags."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from airflow_provider_mcp.testing import Recording, call_tool, open_airflow
from airflow_provider_mcp.tools.diagnostics import lineage
from airflow_provider_mcp.tools.diagnostics.lineage import MOST_CALLS, SCANNED_DAGS, trace_lineage

AIRFLOW_2, AIRFLOW_3 = "2.11.2", "3.3.2"
LINES = (AIRFLOW_2, AIRFLOW_3)

TRIGGER = ["trigger_dag_id", "trigger_run_id", "conf"]
SENSOR = ["external_dag_id", "external_task_id", "external_task_ids", "external_task_group_id"]

TASKS: dict[str, list[dict[str, Any]]] = {
    "source": [{"task_id": "load", "template_fields": ["op_args"], "downstream_task_ids": []}],
    "parent": [
        {"task_id": "go", "template_fields": TRIGGER, "downstream_task_ids": ["pick"]},
        {"task_id": "pick", "template_fields": TRIGGER, "downstream_task_ids": []},
    ],
    "child": [{"task_id": "work", "template_fields": [], "downstream_task_ids": []}],
    "waiter": [{"task_id": "wait", "template_fields": SENSOR, "downstream_task_ids": []}],
}

PRICES = {
    "id": 1,
    "name": "prices",
    "uri": "s3://prices",
    "producing_tasks": [{"dag_id": "source", "task_id": "load"}],
    "scheduled_dags": [{"dag_id": "parent"}],
    "consuming_tasks": [{"dag_id": "child", "task_id": "work"}],
}

SOURCE_CODE = """
with DAG("parent"):
    TriggerDagRunOperator(task_id="go", trigger_dag_id="child")
    TriggerDagRunOperator(task_id="pick", trigger_dag_id="{{ params.other }}")
with DAG("waiter"):
    ExternalTaskSensor(task_id="wait", external_dag_id="child", external_task_id="work")
"""


def dag_row(dag_id: str) -> dict[str, Any]:
    return {"dag_id": dag_id, "is_paused": dag_id == "child", "timetable_summary": None}


def rows(key: str, found: list[Any], total: int | None = None) -> dict[str, Any]:
    return {key: found, "total_entries": len(found) if total is None else total}


def record(total: int | None = None, instances: list[Any] | None = None) -> Recording:
    """Return the answers about four Dags that feed each other, among ``total``."""
    recording = Recording()
    listed = [dag_row(dag_id) for dag_id in TASKS]
    recording.reply("GET dags", rows("dags", listed, total))

    def assets(request: httpx.Request) -> Any:
        asked = set(request.url.params.get_list("dag_ids"))
        joined = {"source", "parent", "child"} & asked or not asked
        return rows("assets", [PRICES] if joined else [])

    recording.reply("GET assets", assets)
    recording.reply("GET dags/~/dagRuns/~/taskInstances", rows("task_instances", instances or []))
    for dag_id, tasks in TASKS.items():
        recording.reply(f"GET dags/{dag_id}", dag_row(dag_id))
        recording.reply(f"GET dags/{dag_id}/tasks", {"tasks": tasks})
        recording.reply(f"GET dags/{dag_id}/dagRuns", rows("dag_runs", []))
        recording.reply(f"GET dagSources/{dag_id}", {"content": SOURCE_CODE})
    return recording


def trace(recording: Recording, version: str = AIRFLOW_3, **arguments: Any) -> dict[str, Any]:
    airflow = open_airflow(recording, version=version)
    shown: dict[str, Any] = call_tool(trace_lineage, airflow, **arguments).model_dump(exclude_none=True)
    return shown


def steps(links: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(link["distance"], link["from"], link["how"], link["to"]) for link in links]


@pytest.mark.parametrize("version", LINES)
def test_it_follows_assets_triggers_and_sensors(version: str) -> None:
    shown = trace(record(), version, dag_id="source", direction="both", depth=3)
    assert steps(shown["downstream"]) == [
        (1, "dag:source", "produces", "asset:prices"),
        (1, "asset:prices", "schedules", "dag:parent"),
        (1, "asset:prices", "read_by", "dag:child"),
        (2, "dag:parent", "triggers", "dag:child"),
        (2, "dag:child", "awaited_by", "dag:waiter"),
    ]
    assert shown["upstream"] == []
    assert shown["downstream"][3]["task"] == "parent.go"
    assert shown["downstream"][3]["known_by"] == "source code"
    assert shown["dags"]["child"] == {"is_paused": True}
    # The target of this one is a template, and no run has rendered it.
    (unknown,) = shown["unknown"]
    assert (unknown["dag_id"], unknown["task_id"]) == ("parent", "pick")
    assert "missing" not in shown


@pytest.mark.parametrize("version", LINES)
def test_upstream_of_the_last_one_is_all_of_it(version: str) -> None:
    shown = trace(record(), version, dag_id="waiter", direction="upstream", depth=5)
    assert set(steps(shown["upstream"])) == {
        (1, "dag:child", "awaited_by", "dag:waiter"),
        (2, "dag:parent", "triggers", "dag:child"),
        (2, "asset:prices", "read_by", "dag:child"),
        (2, "dag:source", "produces", "asset:prices"),
        (3, "asset:prices", "schedules", "dag:parent"),
    }
    assert "downstream" not in shown


def test_depth_ends_it() -> None:
    shown = trace(record(), dag_id="source", direction="downstream", depth=1)
    assert {step[0] for step in steps(shown["downstream"])} == {1}
    assert set(shown["dags"]) == {"parent", "child"}


@pytest.mark.parametrize("version", LINES)
def test_it_starts_from_an_asset(version: str) -> None:
    recording = record()
    shown = trace(recording, version, asset="prices", depth=1)
    assert shown["start"] == "asset:prices"
    assert steps(shown["upstream"]) == [(1, "dag:source", "produces", "asset:prices")]
    assert {step[3] for step in steps(shown["downstream"])} == {"dag:parent", "dag:child"}


def test_what_a_run_rendered_goes_before_the_source() -> None:
    recording = record()
    recording.reply("GET dags/parent/dagRuns", rows("dag_runs", [{"dag_run_id": "r"}]))
    route = "GET dags/parent/dagRuns/r/taskInstances"
    for task_id, other in (("go", "child"), ("pick", "source")):
        row = {"dag_id": "parent", "task_id": task_id, "rendered_fields": {"trigger_dag_id": other}}
        recording.reply(f"{route}?task_id={task_id}", rows("task_instances", [row]))
    shown = trace(recording, dag_id="parent", direction="downstream", depth=1)
    assert [(link["task"], link["to"], link["known_by"]) for link in shown["downstream"]] == [
        ("parent.go", "dag:child", "latest run"),
        ("parent.pick", "dag:source", "latest run"),
    ]
    assert "unknown" not in shown


def test_the_awaited_tasks_are_named() -> None:
    fields = {"external_dag_id": "child", "external_task_id": "work", "external_task_ids": ["work", "end"]}
    row = {"dag_id": "waiter", "task_id": "wait", "rendered_fields": fields}
    shown = trace(record(instances=[row]), dag_id="child", direction="downstream", depth=1)
    assert shown["downstream"][0]["awaited_tasks"] == ["work", "end"]


def test_a_marker_clears_and_is_not_taken_for_a_sensor() -> None:
    fields = {"external_dag_id": "waiter", "external_task_id": "wait", "logical_date": "{{ x }}"}
    row = {"dag_id": "child", "task_id": "mark", "rendered_fields": fields}
    shown = trace(record(instances=[row]), dag_id="child", direction="downstream", depth=1)
    assert (1, "dag:child", "clears", "dag:waiter") in steps(shown["downstream"])


@pytest.mark.parametrize("version", LINES)
def test_2000_dags_take_a_bounded_number_of_calls(version: str) -> None:
    """A chain of 2,000 Dags, each of which starts the next, and each of which feeds fifty others."""
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return httpx.Response(200, json=find(request, request.url.path.removeprefix("/api/v2/")))

    def find(request: httpx.Request, route: str) -> Any:
        if route == "dags":
            return rows("dags", [dag_row(f"d{number}") for number in range(100)], 2000)
        if route == "assets":
            return rows("assets", [make_asset(dag_id) for dag_id in request.url.params.get_list("dag_ids")])
        if route.startswith("dags/~"):
            return rows("task_instances", [], 100_000)
        dag_id = route.split("/")[1]
        if route.endswith("/tasks"):
            return {"tasks": [{"task_id": "go", "template_fields": TRIGGER}]}
        if route.endswith("/dagRuns"):
            run = {"dag_run_id": "r", "run_type": "manual", "logical_date": "2026-11-27T00:00:00Z"}
            return rows("dag_runs", [{**run, "end_date": "2026-11-27T01:00:00Z"}])
        if route.endswith("/taskInstances"):
            fields = {"trigger_dag_id": f"d{int(dag_id[1:]) + 1}"}
            return rows("task_instances", [{"dag_id": dag_id, "task_id": "go", "rendered_fields": fields}])
        return dag_row(dag_id)

    def make_asset(dag_id: str) -> dict[str, Any]:
        fed = [{"dag_id": f"d{(int(dag_id[1:]) * 50 + at) % 2000}"} for at in range(50)]
        made_by = [{"dag_id": dag_id, "task_id": "load"}]
        return {"id": 1, "name": f"a_{dag_id}", "producing_tasks": made_by, "scheduled_dags": fed}

    airflow = open_airflow(answer, version=version)
    shown = call_tool(trace_lineage, airflow, dag_id="d1", depth=5).model_dump(exclude_none=True)
    # One more: the Dag itself is asked for before anything is counted.
    assert 20 < len(asked) <= MOST_CALLS + 1
    assert len(shown["downstream"]) == lineage.MOST_LINKS < shown["downstream_total"]
    # What was not looked at is said.
    assert "2000 Dags" in shown["missing"]["other Dags"]
    assert "tasks" in shown["missing"]
    assert SCANNED_DAGS < 2000


def test_airflow_2_looks_around_the_runs_where_there_are_many_dags() -> None:
    """Its API filters no operator: what ran when a run began or ended is looked at."""
    recording = record(total=2000)
    run = {"dag_run_id": "r", "run_type": "manual", "logical_date": "2026-11-27T10:00:00+00:00"}
    recording.reply("GET dags/child/dagRuns", rows("dag_runs", [{**run, "end_date": "2026-11-27T10:05:00Z"}]))
    started = {"dag_id": "parent", "task_id": "go", "rendered_fields": {"trigger_dag_id": "child"}}
    waiting = {"external_dag_id": "child", "external_task_ids": None}
    waited = {"dag_id": "waiter", "task_id": "wait", "rendered_fields": waiting}
    route = "GET dags/~/dagRuns/~/taskInstances"
    recording.reply(f"{route}?start_date_gte=2026-11-27T09:59:00%2B00:00", rows("task_instances", [started]))
    recording.reply(f"{route}?end_date_gte=2026-11-27T10:05:00Z", rows("task_instances", [waited]))
    shown = trace(recording, AIRFLOW_2, dag_id="child", depth=1)
    assert (1, "dag:parent", "triggers", "dag:child") in steps(shown["upstream"])
    assert (1, "dag:child", "awaited_by", "dag:waiter") in steps(shown["downstream"])


def test_what_may_not_be_read_is_named_and_the_rest_is_shown() -> None:
    recording = record()
    recording.reply("GET assets", {"detail": "Forbidden"}, status=403)
    recording.reply("GET dagSources/parent", {"detail": "Forbidden"}, status=403)
    shown = trace(recording, dag_id="child", direction="both", depth=1)
    assert "assets" in shown["missing"]
    assert [link["to"] for link in shown["downstream"]] == ["dag:waiter"]
    # A task that may start this very Dag is not left out in silence.
    assert "parent.go" in shown["missing"]["unknown targets"]


@pytest.mark.parametrize("arguments", [{}, {"dag_id": "a", "asset": "b"}])
def test_one_start_is_asked_for(arguments: dict[str, str]) -> None:
    with pytest.raises(Exception, match="either dag_id or asset"):
        trace(record(), **arguments)
