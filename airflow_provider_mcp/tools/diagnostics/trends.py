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
"""The tool that says how a Dag fares over its runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from airflow_provider_mcp.sdk import JSON, Airflow, JSONObject, path, tool
from airflow_provider_mcp.tools.diagnostics.history import Row
from airflow_provider_mcp.tools.diagnostics.reading import LogBudget, Report, cut, read_failure, step
from airflow_provider_mcp.tools.diagnostics.run_differences import list_trends
from airflow_provider_mcp.tools.diagnostics.statistics import (
    run_times,
    summarise_runs,
    summarise_tasks,
    task_times,
)
from airflow_provider_mcp.tools.shared.arguments import DagId
from airflow_provider_mcp.tools.shared.reads import PAGE, Unread, list_instances_of_runs, try_get

INSTANCE_PAGES = 10

SIZINGS = 3
"""How often the runs are made fewer until their task instances fit ``INSTANCE_PAGES``."""


FLAKY_READ = 3
"""Flaky tasks of which the log of a failed try is read."""

FLAKY_CALLS = 6

DEFINITIONS = {
    "success_rate": "successful / finished runs",
    "duration_trend": "median seconds of the newer half / of the older half of successful runs",
    "share": "seconds of the task / of all tasks on the critical paths",
    "share_of_seconds": "seconds of the task / of all tasks",
    "first, last": "seconds of the task's instances in the oldest and the newest run, as in compare_dag_runs",
    "queue_share": "seconds queued / seconds queued and run",
    "passed_on_retry": "task instances that succeeded after a failed try",
}


class DagAnalysis(Report):
    runs: JSONObject
    tasks: JSONObject
    next_steps: list[JSON]


async def _instances(
    airflow: Airflow, dag_id: str, runs: Sequence[Row], unchecked: dict[str, str]
) -> list[Row]:
    """Read the task instances of the runs, or of as many of the newest as the bound allows."""
    chosen = list(runs)
    most = INSTANCE_PAGES * PAGE
    rows: list[Row] = []
    total = 0
    for _ in range(SIZINGS if chosen else 0):
        rows, total = await list_instances_of_runs(airflow, 1, dag_id, chosen)
        if total <= most or len(chosen) == 1:
            break
        chosen = chosen[: max(1, len(chosen) * most // total)]
    if total > len(rows):
        rows, total = await list_instances_of_runs(airflow, INSTANCE_PAGES, dag_id, chosen)
    if len(chosen) < len(runs):
        unchecked["tasks"] = f"The figures of tasks are of the newest {len(chosen)} runs."
    if total > len(rows):
        unchecked["task_instances"] = f"{len(rows)} of its {total} task instances were looked at."
    return rows


async def _upstream(airflow: Airflow, dag_id: str, unchecked: dict[str, str]) -> dict[str, list[str]]:
    answer = await try_get(airflow, path("dags/{}/tasks", dag_id))
    if isinstance(answer, Unread):
        unchecked["critical_path"] = answer.why
        return {}
    upstream: dict[str, list[str]] = {}
    for task in answer["tasks"]:
        for below in task.get("downstream_task_ids") or []:
            upstream.setdefault(below, []).append(task["task_id"])
    return upstream


async def _read_flaky(airflow: Airflow, rows: Sequence[Row]) -> list[Row]:
    """Return the runs in which tasks succeeded after a failed try, and the error of that try."""
    flaky: dict[str, list[Row]] = {}
    for row in rows:
        if row.get("state") == "success" and int(row.get("try_number") or 0) > 1:
            flaky.setdefault(row["task_id"], []).append(row)
    found = []
    budget = LogBudget(FLAKY_READ, FLAKY_CALLS)
    for task_id in sorted(flaky, key=lambda name: (-len(flaky[name]), name))[:FLAKY_READ]:
        last = max(flaky[task_id], key=lambda row: str(row.get("start_date") or ""))
        runs = sorted({row["dag_run_id"] for row in flaky[task_id]})
        failure = await read_failure(airflow, {**last, "try_number": int(last["try_number"]) - 1}, budget)
        shown: Row = {"task_id": task_id, "runs": len(runs), "dag_run_ids": runs[:FLAKY_READ]}
        if isinstance(failure, Unread):
            shown["error_not_read"] = cut(failure.why, 200)
        else:
            shown["last_error"] = cut(failure.text, 200) if failure else "no exception in the log"
        found.append(shown)
    return found


@tool(
    access="read",
    open_world=True,
    search_hint="is it getting slower, how long does it take, which tasks are flaky",
)
async def analyze_dag(
    airflow: Airflow,
    dag_id: DagId,
    runs: Annotated[int, Field(ge=2, le=100, description="How many of the newest runs.")] = 30,
) -> DagAnalysis:
    """Analyze a Dag over time.

    Success rate, is it slower, how long it takes, trend, bottleneck, flaky tasks and delays, in
    seconds.
    """
    await airflow.get(path("dags/{}", dag_id))
    query: Row = {"order_by": "-run_after", "limit": runs}
    found = (await airflow.get(path("dags/{}/dagRuns", dag_id), params=query)).json()["dag_runs"]
    unchecked: dict[str, str] = {}
    instances = await _instances(airflow, dag_id, found, unchecked)
    upstream = await _upstream(airflow, dag_id, unchecked) if instances else {}
    figures = summarise_runs([run_times(row) for row in found])
    tasks = summarise_tasks([task_times(row) for row in instances], upstream)
    tasks["trends"] = list_trends([task_times(row) for row in instances])
    tasks["flaky_errors"] = await _read_flaky(airflow, instances)
    if "critical_path" in unchecked:
        del tasks["critical_path"]
    steps = []
    if figures["failed"]:
        steps.append(step("diagnose_dag_run", dag_id=dag_id, dag_run_id="latest_failed"))
    slow = figures["duration_trend"]
    if slow and slow["is"] == "slower":
        newest = next(row["dag_run_id"] for row in found if row["state"] == "success")
        oldest = next(row["dag_run_id"] for row in reversed(found) if row["state"] == "success")
        steps.append(step("compare_dag_runs", dag_id=dag_id, dag_run_id=newest, other_dag_run_id=oldest))
    analysis: Row = {
        "dag_id": dag_id,
        "runs": {key: value for key, value in figures.items() if value is not None},
        "tasks": {key: value for key, value in tasks.items() if value not in (None, [])},
        "next_steps": steps,
        "definitions": DEFINITIONS if instances else None,
        "unchecked": unchecked or None,
        "ui_url": airflow.page_url(dag_id),
    }
    return DagAnalysis(**analysis)
