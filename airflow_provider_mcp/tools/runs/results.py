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
"""Dag runs as results show them."""

from __future__ import annotations

from typing import ClassVar

from airflow_provider_mcp.sdk import JSON, Airflow, JSONObject, Page, Result, path
from airflow_provider_mcp.tools.shared.instances import instance_route
from airflow_provider_mcp.tools.shared.reads import Parts, count_states, read_pages
from airflow_provider_mcp.tools.shared.rows import drop_empty, name_instance, pick
from airflow_provider_mcp.tools.shared.xcoms import read_value

FINISHED = frozenset({"success", "failed"})

MOST_FAILED = 20
"""Failed task instances that are named."""

MOST_LAST = 5
"""Last tasks that are named."""

_SHOWN = (
    "dag_id",
    "dag_run_id",
    "state",
    "run_type",
    "logical_date",
    "run_after",
    "start_date",
    "end_date",
    "note",
    "team_name",
)


class Runs(Page):
    items_field: ClassVar[str] = "dag_runs"
    identity: ClassVar[tuple[str, ...]] = ("dag_id", "dag_run_id")
    dag_runs: list[JSONObject]
    ui_url: str


class Run(Result, extra="allow"):
    """A Dag run: beside these, its times, type, note, conf and whoever started it."""

    dag_id: str
    dag_run_id: str
    state: str
    ui_url: str


class WaitedRun(Run):
    done: bool
    task_counts: dict[str, int] | None = None
    failed_tasks: list[str] | None = None
    result: JSON = None
    """The return value of the last task; ``missing`` says why there is no one value."""
    missing: dict[str, str] | None = None
    """The parts that could not be read, and why."""


class CountedRun(Run):
    task_counts: dict[str, int] | None = None
    asset_events: list[JSONObject] | None = None
    missing: dict[str, str] | None = None
    """The parts that could not be read, and why."""


class DeletedRun(Result):
    dag_id: str
    dag_run_id: str
    deleted: bool = True


def show_row(run: JSONObject) -> JSONObject:
    """Return a run as a list shows it."""
    return pick(run, *_SHOWN)


def show_run(airflow: Airflow, run: JSONObject) -> JSONObject:
    """Return a run with its conf, its address and who started it."""
    who = run.get("triggering_user_name") or run.get("triggered_by")
    more = {"duration": run.get("duration") or None, "conf": airflow.redact(run.get("conf"))}
    ui_url = airflow.page_url(run["dag_id"], run["dag_run_id"])
    return {**show_row(run), **drop_empty({**more, "triggered_by": who}), "ui_url": ui_url}


async def show_end(
    airflow: Airflow, run: JSONObject, seconds: float = 10, result_task: str | None = None
) -> WaitedRun:
    """Return a finished run with how its tasks ended.

    :param seconds: How long that may take: the run itself is known, and shown in any case.
    :param result_task: The task whose return value is the result; None for the last one.
    """
    parts = Parts(seconds)
    dag_id, dag_run_id = run["dag_id"], run["dag_run_id"]
    counts, rows = await parts.read("task_counts", count_states(airflow, dag_id, dag_run_id)) or (None, [])
    failed = None
    if counts and counts.get("failed"):
        if not rows:
            route = path("dags/{}/dagRuns/{}/taskInstances", dag_id, dag_run_id)
            rows, _ = await parts.read(
                "failed_tasks", read_pages(airflow, route, "task_instances", 1, state="failed")
            ) or ([], 0)
        failed = sorted(name_instance(row) for row in rows if row.get("state") == "failed")[:MOST_FAILED]
    result = None
    if run["state"] == "success":
        read = _read_result(airflow, dag_id, dag_run_id, result_task)
        result, why = await parts.read("result", read) or (None, None)
        if why:
            parts.missing["result"] = why
    return WaitedRun(
        **show_run(airflow, run),
        done=True,
        task_counts=counts,
        failed_tasks=failed,
        result=result,
        missing=parts.missing or None,
        hint="diagnose_dag_run says why it failed." if run["state"] == "failed" else None,
    )


async def _read_result(
    airflow: Airflow, dag_id: str, dag_run_id: str, task_id: str | None
) -> tuple[JSON, str | None]:
    """Return what a task, or the last one, returned, or None and why there is no one value."""
    if task_id is None:
        tasks = (await airflow.get(path("dags/{}/tasks", dag_id))).json()["tasks"]
        last = [task for task in tasks if not task.get("downstream_task_ids")]
        if not last:
            return None, None
        task_id = last[0]["task_id"]
        if len(last) > 1:
            names = ", ".join(task["task_id"] for task in last[:MOST_LAST])
            more = f" and {len(last) - MOST_LAST} more" if len(last) > MOST_LAST else ""
            return None, f"{len(last)} tasks are last ({names}{more}): get_xcom reads the value of one."
        if last[0].get("is_mapped"):
            return None, f"The last task `{task_id}` is mapped: get_xcom reads the value of one map_index."
    instance = instance_route(dag_id, dag_run_id, task_id)
    answer = (await airflow.get(f"{instance}/xcomEntries", params={"limit": 100})).json()
    if not any(row["key"] == "return_value" for row in answer["xcom_entries"]):
        return None, None
    value = await read_value(airflow, f"{instance}/xcomEntries/return_value", {"map_index": -1})
    return value.value, None
