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
"""What explain_waiting follows: assets, other runs, backfills, tasks that have ended."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_mcp.tools.diagnostics.waiting import explain_waiting
from tests.unit.fake_airflow import FakeAirflow
from tests.unit.tools.diagnostics.answers import add_dag, instance, line, listed, raised, run

BOUND = 45

HEALTH = {"scheduler": {"status": "healthy", "latest_scheduler_heartbeat": "2026-11-27T10:00:00Z"}}

BUDGET = 4400
"""Characters: about 1,200 tokens."""


def explain(airflow: FakeAirflow, **arguments: Any) -> dict[str, Any]:
    airflow.on(
        **{
            "GET monitor/health": HEALTH,
            "GET jobs": listed("jobs", [{"id": 1}]),
            "GET config/section/core/option/parallelism": 403,
            "GET dags/~/dagRuns/~/taskInstances": listed("task_instances", []),
        }
    )
    found: dict[str, Any] = airflow.call(explain_waiting, "read", dag_id="d", **arguments)
    assert len(airflow.calls) <= BOUND
    assert len(json.dumps(found, separators=(",", ":"))) <= BUDGET
    return found


def check(found: dict[str, Any], name: str) -> dict[str, Any]:
    (row,) = [row for row in found["checks"] if row["name"] == name]
    return row


def asset(number: int, name: str, made_by: str | None, last: str | None) -> dict[str, Any]:
    return {
        "id": number,
        "name": name,
        "uri": f"s3://{name}",
        "scheduled_dags": [{"dag_id": "d"}],
        "producing_tasks": [{"dag_id": made_by, "task_id": "make"}] if made_by else [],
        "last_asset_event": {"id": 1 if last else None, "timestamp": last},
    }


def leaf(name: str) -> dict[str, Any]:
    return {"asset": {"uri": f"s3://{name}", "name": name}}


def add_consumer(airflow: FakeAirflow, expression: Any, *assets: dict[str, Any]) -> None:
    add_dag(airflow, "d", "success", [], asset_expression=expression, timetable_summary="Asset")
    airflow.on(
        **{
            "GET dags/d/dagRuns?state=queued": listed("dag_runs", []),
            "GET dags/d/dagRuns?state=running": listed("dag_runs", []),
            "GET assets": listed("assets", assets),
            "GET dags/d/assets/queuedEvents": 404,
        }
    )


def test_a_condition_with_each_asset() -> None:
    airflow = FakeAirflow()
    expression = {"all": [leaf("orders"), {"any": [leaf("customers"), leaf("old_customers")]}]}
    last = "2026-11-27T09:00:00Z"
    assets = (
        asset(1, "orders", "maker", None),
        asset(2, "customers", "maker", last),
        asset(3, "old_customers", None, None),
    )
    add_consumer(airflow, expression, *assets)
    add_dag(airflow, "maker", "failed", [])
    airflow.on(
        **{
            "GET assets": listed("assets", assets),
            "GET dags/d/assets/queuedEvents": listed("queued_events", [{"asset_id": 2}]),
        }
    )
    found = explain(airflow)
    assert found["reason"].startswith(
        "It waits for an update of `s3://orders` (never updated; made by `maker.make`)"
    )
    assert "It runs on `s3://orders` and (`s3://customers` or `s3://old_customers`)." in found["reason"]
    assert "The last run of `maker`, `r`, is failed." in found["reason"]
    rows = check(found, "schedule")["evidence"]["assets"]
    assert [(row["last_event"], row["update_waits"]) for row in rows] == [
        ("never", False),
        (last, True),
        ("never", False),
    ]
    assert rows[2]["made_by"] == "no Dag"
    assert found["next_steps"] == [
        {
            "tool": "diagnose_dag_run",
            "why": "it makes a missing asset",
            "arguments": {"dag_id": "maker", "dag_run_id": "r"},
        },
        {
            "tool": "create_asset_event",
            "why": "if it was updated elsewhere",
            "arguments": {"asset": "s3://old_customers"},
        },
    ]


def test_a_producer_that_is_paused() -> None:
    airflow = FakeAirflow()
    add_consumer(airflow, {"all": [leaf("orders")]}, asset(1, "orders", "maker", None))
    airflow.on(
        **{
            "GET dags/maker": {"dag_id": "maker", "is_paused": True},
            "GET dags/maker/dagRuns": listed("dag_runs", []),
        }
    )
    found = explain(airflow)
    assert "`maker` has never run, and it is paused." in found["reason"]
    assert found["next_steps"][0]["tool"] == "unpause_dag"


def test_airflow_2_gives_uris_and_no_last_event() -> None:
    airflow = FakeAirflow()
    row = asset(1, "orders", None, None)
    del row["last_asset_event"]
    add_dag(airflow, "d", "success", [], dataset_expression={"all": ["s3://orders"]})
    add_consumer(airflow, {"all": ["s3://orders"]}, row)
    airflow.on(
        **{
            "GET dags/d/assets/queuedEvents": listed("queued_events", [{"uri": "s3://orders"}]),
            "GET assets/events": listed("asset_events", [{"timestamp": "2026-11-27T09:00:00Z"}]),
        }
    )
    (shown,) = check(explain(airflow), "schedule")["evidence"]["assets"]
    assert (shown["last_event"], shown["update_waits"]) == ("2026-11-27T09:00:00Z", True)


def test_assets_that_may_not_be_read() -> None:
    airflow = FakeAirflow()
    add_consumer(airflow, {"all": ["s3://orders"]})
    airflow.on(**{"GET assets": 403})
    assert "which ones could not be read: " in explain(airflow)["reason"]


def add_sensor(airflow: FakeAirflow, dag_id: str, run_id: str) -> None:
    """Add a running run with a sensor that waits."""
    here = f"GET dags/{dag_id}/dagRuns/{run_id}"
    row = instance(dag_id, "wait", "up_for_reschedule", dag_run_id=run_id, operator_name="FileSensor")
    add_dag(airflow, dag_id, "running", [], max_active_runs=1)
    airflow.on(
        **{
            here: run(dag_id, "running", run_id),
            f"{here}/taskInstances": listed("task_instances", [row]),
            f"GET dags/{dag_id}/tasks/wait": {"task_id": "wait"},
        }
    )


def test_a_run_behind_another_tells_what_that_one_waits_for() -> None:
    airflow = FakeAirflow()
    add_sensor(airflow, "d", "first")
    airflow.on(
        **{
            "GET dags/d/dagRuns/third": run("d", "queued", "third", queued_at="2026-11-27T09:30:00Z"),
            "GET dags/d/dagRuns?state=running": listed("dag_runs", [run("d", "running", "first")]),
        }
    )
    found = explain(airflow, dag_run_id="third")
    assert found["reason"] == (
        "1 run(s) of the Dag are running, and max_active_runs is 1. The oldest, `first`: "
        "The condition that FileSensor waits for is not met; it is checked again."
    )
    assert found["since"] == "2026-11-27T09:30:00Z"
    assert found["next_steps"][0]["arguments"] == {"dag_id": "d", "dag_run_id": "first"}
    assert check(found, "max_active_runs")["evidence"]["oldest"]["task_id"] == "wait"


def test_a_task_that_waits_for_the_run_it_triggered() -> None:
    airflow = FakeAirflow()
    add_sensor(airflow, "child", "r")
    row = instance("d", "run_child", "running", rendered_fields={"trigger_dag_id": "child"})
    add_dag(airflow, "d", "running", [row])
    airflow.on(
        **{
            "GET dags/d/tasks/run_child": {"task_id": "run_child"},
            "GET dags/d/dagRuns/r/taskInstances/run_child/xcomEntries/trigger_run_id": {"value": "r"},
        }
    )
    found = explain(airflow, dag_run_id="latest", task_id="run_child")
    assert found["reason"] == (
        "It waits for the run `r` of `child` that it triggered: running. "
        "The condition that FileSensor waits for is not met; it is checked again."
    )
    assert found["next_steps"][0] == {
        "tool": "explain_waiting",
        "why": "the run that it waits for",
        "arguments": {"dag_id": "child", "dag_run_id": "r"},
    }


def add_past(airflow: FakeAirflow, *before: dict[str, Any]) -> None:
    """Add a run whose task depends on the run before."""
    mine = instance("d", "append", None, start_date=None, end_date=None, pool="default_pool")
    add_dag(airflow, "d", "running", [mine])
    unmet = [{"name": "Previous Dagrun State", "reason": "depends_on_past is true for this task"}]
    here = "GET dags/d/dagRuns"
    airflow.on(
        **{
            "GET dags/d/tasks/append": {"task_id": "append", "depends_on_past": True},
            f"{here}/r/taskInstances/append/dependencies": {"dependencies": unmet},
            "GET pools/default_pool": {"slots": 128, "open_slots": 128},
            f"{here}?order_by=-logical_date": listed("dag_runs", [run("d", "running"), *before]),
        }
    )


def test_a_task_that_waits_for_the_run_before() -> None:
    airflow = FakeAirflow()
    add_past(airflow, run("d", "failed", "earlier"))
    failed = instance("d", "append", "failed", dag_run_id="earlier")
    log = {"content": [raised("RuntimeError", "the ledger is locked")], "continuation_token": None}
    airflow.on(
        **{
            "GET dags/d/dagRuns/earlier/taskInstances": listed("task_instances", [failed]),
            "GET dags/d/dagRuns/earlier/taskInstances/append/logs/1": log,
        }
    )
    found = explain(airflow, dag_run_id="r", task_id="append")
    # The sentence is ours; what the error says stands where foreign text is marked.
    says = "In the run before, `earlier`, it is failed with RuntimeError (run_before.error)."
    assert found["reason"].endswith(says)
    before = check(found, "dependencies")["evidence"]["run_before"]
    assert (before["dag_run_id"], before["error"]) == ("earlier", "RuntimeError: the ledger is locked")
    assert found["next_steps"][0] == {
        "tool": "diagnose_dag_run",
        "arguments": {"dag_id": "d", "dag_run_id": "earlier"},
        "why": "the run before",
    }


def test_a_run_before_that_may_not_be_read_or_is_not_there() -> None:
    airflow = FakeAirflow()
    add_past(airflow)
    assert "run before" not in explain(airflow, dag_run_id="r", task_id="append")["reason"]
    airflow.on(**{"GET dags/d/dagRuns?order_by=-logical_date": 403})
    assert "The run before could not be read" in explain(airflow, dag_run_id="r", task_id="append")["reason"]


@pytest.mark.parametrize(
    ("completed", "tool", "words"),
    [(None, "update_backfill", "is paused"), ("2026-11-20T00:00:00Z", "delete_dag_run", "is never started")],
)
def test_a_run_of_a_paused_backfill(completed: str | None, tool: str, words: str) -> None:
    airflow = FakeAirflow()
    add_dag(airflow, "d", "queued", [])
    backfill = {
        "id": 7,
        "from_date": "2026-11-01T00:00:00Z",
        "to_date": "2026-11-30T00:00:00Z",
        "is_paused": True,
        "completed_at": completed,
        "max_active_runs": 2,
    }
    airflow.on(
        **{
            "GET dags/d/dagRuns/r": run("d", "queued", run_type="backfill"),
            "GET dags/d/dagRuns?state=running": listed("dag_runs", []),
            "GET backfills": listed("backfills", [backfill]),
        }
    )
    found = explain(airflow, dag_run_id="r")
    assert words in found["reason"]
    assert found["next_steps"][0]["tool"] == tool


def test_a_finished_task_of_the_latest_run_is_explained() -> None:
    airflow = FakeAirflow()
    rows = [instance("d", "choose", "success"), instance("d", "csv", "skipped")]
    tasks: dict[str, dict[str, Any]] = {"choose": {"below": ["csv"]}, "csv": {}}
    add_dag(airflow, "d", "success", rows, {"choose": [line("no csv today")]}, tasks)
    airflow.on(
        **{
            "GET dags/d/dagRuns/r/taskInstances?task_id=csv": listed("task_instances", rows[1:]),
            "GET dags/d/tasks/csv": {"task_id": "csv"},
            "GET dags/d/dagRuns/r/taskInstances/choose/xcomEntries/skipmixin_key": {
                "value": {"followed": ["json"]}
            },
        }
    )
    found = explain(airflow, task_id="csv")
    assert (found["dag_run_id"], found["state"]) == ("r", "skipped")
    assert found["reason"] == (
        "It is not waiting: its state is skipped. Why: the branch `choose` chose `json`."
    )
    # What the Dag wrote stands apart from our sentence.
    assert found["message"] == "no csv today"


def test_a_failed_task_is_handed_on() -> None:
    airflow = FakeAirflow()
    rows = [instance("d", "work", "failed")]
    add_dag(airflow, "d", "failed", rows)
    airflow.on(**{"GET dags/d/tasks/work": {"task_id": "work"}})
    found = explain(airflow, task_id="work")
    assert found["reason"].startswith(
        "It is not waiting: its state is failed. It failed at 2026-11-27T10:00:05Z"
    )
    assert found["next_steps"] == [
        {
            "tool": "diagnose_dag_run",
            "arguments": {"dag_id": "d", "dag_run_id": "r", "task_id": "work"},
        }
    ]
