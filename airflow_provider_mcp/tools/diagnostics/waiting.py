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
"""The tool that says why a Dag, a run or a task waits."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Annotated

from pydantic import Field

from airflow_provider_mcp.sdk import (
    JSON,
    Airflow,
    InvalidArgument,
    JSONObject,
    NotFound,
    ToolError,
    path,
    tool,
)
from airflow_provider_mcp.tools.diagnostics.reading import Report, step, target
from airflow_provider_mcp.tools.diagnostics.waiting_facts import NOT_STARTED, Facts
from airflow_provider_mcp.tools.diagnostics.waiting_rules import conclude, explain
from airflow_provider_mcp.tools.shared.arguments import DagId
from airflow_provider_mcp.tools.shared.reads import Unread, try_get

Row = JSONObject

# The unfinished states, that which has most to say first.
_WAITING = (
    "queued",
    "scheduled",
    "up_for_retry",
    "up_for_reschedule",
    "deferred",
    "awaiting_input",
    "no_status",
    "restarting",
    "running",
)


class Waiting(Report):
    reason: str
    checks: list[JSON]
    next_steps: list[JSON]


async def _total(airflow: Airflow, route: str, **params: JSON) -> int | Unread:
    answer = await try_get(airflow, route, {**params, "limit": 1})
    return answer if isinstance(answer, Unread) else int(answer["total_entries"])


async def _import_errors(airflow: Airflow) -> list[Row] | Unread:
    answer = await try_get(airflow, "importErrors", {"limit": 100, "order_by": "-timestamp"})
    return answer if isinstance(answer, Unread) else list(answer["import_errors"])


async def _find_run(airflow: Airflow, dag_id: str, dag_run_id: str | None) -> Row | None:
    """Return the run that was asked about, or else the oldest that is queued, or else running."""
    if dag_run_id is not None:
        run: Row = (await airflow.get(path("dags/{}/dagRuns/{}", dag_id, dag_run_id))).json()
        return run
    for state in ("queued", "running"):
        query = {"state": state, "order_by": "run_after", "limit": 1}
        rows = (await airflow.get(path("dags/{}/dagRuns", dag_id), params=query)).json()["dag_runs"]
        if rows:
            found: Row = rows[0]
            return found
    return None


async def _find_instance(
    airflow: Airflow, run: Row, task_id: str | None
) -> tuple[Row | None, dict[str, int] | None]:
    """Return the task instance to explain, and how many others of the run wait in which state."""
    if task_id is None and run["state"] != "running":
        return None, None
    route = path("dags/{}/dagRuns/{}/taskInstances", run["dag_id"], run["dag_run_id"])
    query: Row = {"limit": 100}
    if task_id is not None:
        query["task_id"] = task_id
    else:
        named = [state for state in _WAITING if state != "awaiting_input"]
        query["state"] = ["none" if state == "no_status" else state for state in named]
    rows = (await airflow.get(route, params=query)).json()["task_instances"]
    if task_id is None and not rows:
        # States that only some versions know cannot be asked for.
        rows = (await airflow.get(route, params={"limit": 100})).json()["task_instances"]
    if task_id is not None and not rows:
        raise NotFound(
            f"`{run['dag_run_id']}` of `{run['dag_id']}` has no task `{task_id}`.",
            hint="list_task_instances lists its tasks.",
            dag_id=run["dag_id"],
            dag_run_id=run["dag_run_id"],
            task_id=task_id,
        )
    waiting: dict[str, list[Row]] = {}
    for row in rows:
        waiting.setdefault(row["state"] or "no_status", []).append(row)
    for state in _WAITING:
        if waiting.get(state):
            others = {name: len(waiting[name]) for name in _WAITING if name in waiting}
            others[state] -= 1
            return waiting[state][0], {name: count for name, count in others.items() if count} or None
    return (rows[0] if task_id is not None else None), None


async def _task_facts(airflow: Airflow, dag_id: str, run: Row, instance: Row) -> Row:
    """Read what the rules about a task need."""
    state = instance.get("state")
    task_id = instance["task_id"]
    index = instance.get("map_index")
    facts: Row = {"task": await try_get(airflow, path("dags/{}/tasks/{}", dag_id, task_id))}
    if state in NOT_STARTED:
        one = path("dags/{}/dagRuns/{}/taskInstances/{}", dag_id, run["dag_run_id"], task_id)
        if index is not None and index >= 0:
            one = f"{one}/{int(index)}"
        answer = await try_get(airflow, f"{one}/dependencies")
        facts["dependencies"] = answer if isinstance(answer, Unread) else answer["dependencies"]
        facts |= await _pool_facts(airflow, str(instance.get("pool")))
        facts["active_tasks"] = await _active_tasks(airflow, dag_id, run)
    if state in NOT_STARTED or state == "queued":
        facts |= await _executor_facts(airflow)
    return facts


async def _pool_facts(airflow: Airflow, name: str) -> Row:
    try:
        pool = (await airflow.get(path("pools/{}", name))).json()
    except ToolError as refused:
        return {"pool": None if refused.code == "not_found" else Unread(refused.message)}
    query = {"pool": name, "state": ["running", "queued"], "limit": 10}
    if pool.get("include_deferred"):
        query["state"] = ["running", "queued", "deferred"]
    answer = await try_get(airflow, "dags/~/dagRuns/~/taskInstances", query)
    return {
        "pool": pool,
        "holders": answer if isinstance(answer, Unread) else answer["task_instances"],
    }


async def _active_tasks(airflow: Airflow, dag_id: str, run: Row) -> int | Unread:
    """Count what counts against ``max_active_tasks``: of the Dag on Airflow 2, of the run on Airflow 3."""
    where = "~" if _is_airflow_2(airflow) else run["dag_run_id"]
    route = path("dags/{}/dagRuns/{}/taskInstances", dag_id, where)
    return await _total(airflow, route, state=["running", "queued"])


def _is_airflow_2(airflow: Airflow) -> bool:
    return airflow.site.version.startswith("2.")


async def _executor_facts(airflow: Airflow) -> Row:
    facts: Row = {
        "executing": await _total(airflow, "dags/~/dagRuns/~/taskInstances", state=["running", "queued"]),
        "schedulers": await _alive_schedulers(airflow),
    }
    answer = await try_get(airflow, path("config/section/{}/option/{}", "core", "parallelism"))
    if isinstance(answer, Unread):
        facts["parallelism"] = answer
    else:
        values = [o["value"] for s in answer["sections"] for o in s["options"] if o["key"] == "parallelism"]
        value = str(values[0]) if values else ""
        facts["parallelism"] = (
            int(value) if value.isdecimal() else Unread("Airflow does not show core.parallelism.")
        )
    return facts


async def _alive_schedulers(airflow: Airflow) -> int | Unread:
    answer = await try_get(airflow, "jobs", {"job_type": "SchedulerJob", "is_alive": True, "limit": 100})
    return answer if isinstance(answer, Unread) else len(answer["jobs"])


async def _running(airflow: Airflow, dag_id: str) -> tuple[int, list[Row]] | Unread:
    query = {"state": "running", "order_by": "run_after", "limit": 5}
    answer = await try_get(airflow, path("dags/{}/dagRuns", dag_id), query)
    if isinstance(answer, Unread):
        return answer
    return int(answer["total_entries"]), answer["dag_runs"]


async def _collect(
    airflow: Airflow, dag_id: str, dag_run_id: str | None, task_id: str | None
) -> tuple[Facts, dict[str, int] | None]:
    known: Row = {"now": time.time(), "dag_id": dag_id, "airflow_2": _is_airflow_2(airflow)}
    try:
        dag = (await airflow.get(path("dags/{}/details", dag_id))).json()
    except ToolError as absent:
        if absent.code != "not_found":
            raise
        errors = await _import_errors(airflow)
        if not errors:
            # No file is at fault: the name is, and the error will name close matches.
            raise
        return Facts(**known, import_errors=errors), None
    known["dag"] = dag
    if dag.get("has_import_errors") or dag.get("is_stale"):
        known["import_errors"] = await _import_errors(airflow)
    others = None
    run = await _find_run(airflow, dag_id, dag_run_id)
    known["health"] = await try_get(airflow, "monitor/health")
    if run is None:
        known["running"] = (0, [])
        return Facts(**known), None
    known["run"] = run
    if run["state"] == "queued":
        known["running"] = await _running(airflow, dag_id)
    instance, others = await _find_instance(airflow, run, task_id)
    if instance is not None:
        known["instance"] = instance
        known |= await _task_facts(airflow, dag_id, run, instance)
    return Facts(**known), others


def _next_steps(facts: Facts, blocking: list[str]) -> list[Row]:
    """Return the tool calls that would remove what blocks."""
    dag_id = facts.dag_id
    steps = []
    for name in blocking:
        if name == "paused":
            steps.append(step("unpause_dag", dag_id=dag_id))
        elif name == "dag":
            steps.append(step("list_import_errors"))
        elif name == "schedule" and facts.run is None and facts.dag and not facts.dag.get("is_paused"):
            steps.append(step("trigger_dag", "to run it now", dag_id=dag_id))
        elif name == "max_active_runs":
            steps.append(step("list_dag_runs", dag_id=dag_id, state="running"))
        elif name == "run" and facts.run is not None:
            steps.append(step("explain_waiting", dag_id=dag_id, dag_run_id=facts.run["dag_run_id"]))
        elif name == "pool" and facts.instance is not None:
            steps.append(step("list_task_instances", "who else uses it", pool=facts.instance.get("pool")))
            steps.append(step("list_pools"))
        elif name == "dependencies" and facts.run is not None:
            steps.append(
                step("list_task_instances", "upstream", dag_id=dag_id, dag_run_id=facts.run["dag_run_id"])
            )
        elif name in {"retry", "sensor", "deferred"} and facts.instance is not None:
            steps.append(step("get_task_logs", **target(dict(facts.instance))))
        elif name == "input" and facts.run is not None:
            steps.append(step("list_hitl", dag_id=dag_id, dag_run_id=facts.run["dag_run_id"]))
        elif name in {"heartbeats", "executor"}:
            steps.append(step("get_system_health"))
    if facts.run is not None and facts.run.get("state") == "failed":
        steps.append(step("diagnose_dag_run", dag_id=dag_id, dag_run_id=facts.run["dag_run_id"]))
    return steps[:4]


@tool(access="read")
async def explain_waiting(
    airflow: Airflow,
    dag_id: DagId,
    dag_run_id: Annotated[str | None, Field(description="The oldest active run if left out.")] = None,
    task_id: Annotated[str | None, Field(description="A waiting one is chosen if left out.")] = None,
) -> Waiting:
    """Say why a Dag, run or task does not start or run.

    Stuck, hanging, queued, scheduled, waiting, skipped or no runs.
    """
    if task_id is not None and dag_run_id is None:
        raise InvalidArgument("task_id needs dag_run_id.", hint="Give dag_run_id too.")
    facts, others = await _collect(airflow, dag_id, dag_run_id, task_id)
    checks = explain(facts)
    run, instance = facts.run or {}, facts.instance or {}
    state = instance.get("state") or "no_status" if facts.instance is not None else run.get("state")
    index = instance.get("map_index")
    shown = []
    for check in checks:
        row = asdict(check)
        if not row["evidence"] or check.verdict == "ok":
            del row["evidence"]
        shown.append(row)
    page = airflow.page_url(dag_id, run.get("dag_run_id"), instance.get("task_id"))
    found: Row = {
        "dag_id": dag_id,
        "dag_run_id": run.get("dag_run_id"),
        "task_id": instance.get("task_id"),
        "map_index": index if index is not None and index >= 0 else None,
        "state": state,
        "reason": conclude(facts, checks),
        "checks": shown,
        "unchecked": {check.name: check.says for check in checks if check.verdict == "unknown"} or None,
        "others_waiting": others,
        "next_steps": _next_steps(facts, [check.name for check in checks if check.verdict == "blocks"]),
        "ui_url": page if facts.dag is not None else None,
    }
    return Waiting(**found)
