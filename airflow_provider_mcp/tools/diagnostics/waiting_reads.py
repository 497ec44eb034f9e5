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
"""Read what the rules about waiting need."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from airflow_provider_mcp.sdk import JSON, Airflow, JSONObject, NotFound, ToolError, path
from airflow_provider_mcp.tools.diagnostics.asset_conditions import read_condition
from airflow_provider_mcp.tools.diagnostics.bundles import read_bundles
from airflow_provider_mcp.tools.diagnostics.other_runs import find_other_run
from airflow_provider_mcp.tools.diagnostics.previous_runs import DEPENDENCY, find_before
from airflow_provider_mcp.tools.diagnostics.reading import LogBudget
from airflow_provider_mcp.tools.diagnostics.skips import NotRun, explain_not_run
from airflow_provider_mcp.tools.diagnostics.sources import show_not_run
from airflow_provider_mcp.tools.diagnostics.statistics import seconds
from airflow_provider_mcp.tools.diagnostics.waiting_facts import NOT_STARTED, Facts
from airflow_provider_mcp.tools.shared.latest import find_latest_run, get_run
from airflow_provider_mcp.tools.shared.reads import Unread, try_get
from airflow_provider_mcp.tools.shared.versions import is_airflow_2

Row = JSONObject

Deeper = Callable[[str, str], Awaitable[Row]]
"""Explains a run of a Dag."""

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

_ENDED = ("failed", "upstream_failed", "skipped", "removed", "success")


async def _total(airflow: Airflow, route: str, **params: JSON) -> int | Unread:
    answer = await try_get(airflow, route, {**params, "limit": 1})
    return answer if isinstance(answer, Unread) else int(answer["total_entries"])


async def _import_errors(airflow: Airflow) -> list[Row] | Unread:
    answer = await try_get(airflow, "importErrors", {"limit": 100, "order_by": "-timestamp"})
    return answer if isinstance(answer, Unread) else list(answer["import_errors"])


async def _find_run(airflow: Airflow, dag_id: str, dag_run_id: str | None, task_id: str | None) -> Row | None:
    """Return the run that was asked about: of a task the latest, else the oldest queued or running one."""
    if dag_run_id is not None:
        return await get_run(airflow, dag_id, dag_run_id)
    if task_id is not None:
        return await find_latest_run(airflow, dag_id, "latest")
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
        states = [state for state in _WAITING if state != "awaiting_input"]
        query["state"] = ["none" if state == "no_status" else state for state in states]
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
    if task_id is None:
        return None, None
    ended = [waiting[state][0] for state in _ENDED if waiting.get(state)]
    return (ended or rows)[0], None


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
    where = "~" if is_airflow_2(airflow) else run["dag_run_id"]
    route = path("dags/{}/dagRuns/{}/taskInstances", dag_id, where)
    return await _total(airflow, route, state=["running", "queued"])


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


async def _read_running(
    airflow: Airflow, dag_id: str, backfill: Row | None
) -> tuple[int, list[Row]] | Unread:
    """Return how many runs of the Dag are running, and the oldest; of a backfill's run those of backfills."""
    query: Row = {"state": "running", "order_by": "run_after", "limit": 5}
    if backfill is not None:
        query["run_type"] = "backfill"
    answer = await try_get(airflow, path("dags/{}/dagRuns", dag_id), query)
    if isinstance(answer, Unread):
        return answer
    return int(answer["total_entries"]), answer["dag_runs"]


async def _find_backfill(airflow: Airflow, run: Row) -> Row | None:
    """Return the newest backfill whose dates hold that of a backfill's run."""
    date = seconds(run.get("logical_date"))
    if run.get("run_type") != "backfill" or is_airflow_2(airflow) or date is None:
        return None
    query = {"dag_id": run["dag_id"], "order_by": "-id", "limit": 25}
    answer = await try_get(airflow, "backfills", query)
    if isinstance(answer, Unread):
        return None
    for backfill in answer["backfills"]:
        begin, end = seconds(backfill["from_date"]), seconds(backfill["to_date"])
        if begin is not None and end is not None and begin <= date <= end:
            found: Row = backfill
            return found
    return None


async def _find_other(airflow: Airflow, run: Row, instance: Row, deeper: Deeper | None) -> Row | None:
    """Return the run of another Dag that an unfinished task waits for, and what that one waits for."""
    waits = instance.get("state") in {"running", "deferred", "up_for_reschedule"}
    other = await find_other_run(airflow, run, instance, LogBudget(1, 3)) if waits else None
    if other is None:
        return None
    if other.run is None:
        says = f"It waits for a run of `{other.dag_id}`: {other.why}."
        return {"dag_id": other.dag_id, "relation": other.relation, "says": says}
    state = other.run["state"]
    found: Row = {
        "dag_id": other.dag_id,
        "dag_run_id": other.run["dag_run_id"],
        "relation": other.relation,
        "state": state,
    }
    says = (
        f"It waits for the run `{found['dag_run_id']}` of `{other.dag_id}` that it {other.relation}: {state}."
    )
    if deeper is not None and state in {"queued", "running"}:
        found |= await deeper(other.dag_id, found["dag_run_id"])
        says = f"{says[:-1]}. {found['reason']}"
    return {**found, "says": says}


async def collect(
    airflow: Airflow, dag_id: str, dag_run_id: str | None, task_id: str | None, deeper: Deeper | None = None
) -> tuple[Facts, dict[str, int] | None]:
    """Read what the rules need, and how many other task instances of the run wait in which state.

    :param deeper: What explains another run; None if that would go too deep.
    """
    facts: Row = {"now": time.time(), "dag_id": dag_id, "airflow_2": is_airflow_2(airflow)}
    try:
        dag = (await airflow.get(path("dags/{}/details", dag_id))).json()
    except NotFound:
        errors = await _import_errors(airflow)
        if not errors:
            # No file is at fault: the name is, and the error will name close matches.
            raise
        return Facts(**facts, import_errors=errors, bundles=await read_bundles(airflow, None)), None
    facts["dag"] = dag
    if dag.get("has_import_errors") or dag.get("is_stale"):
        facts["import_errors"] = await _import_errors(airflow)
        facts["bundles"] = await read_bundles(airflow, dag)
    run = await _find_run(airflow, dag_id, dag_run_id, task_id)
    facts["health"] = await try_get(airflow, "monitor/health")
    if run is None:
        facts["running"] = (0, [])
        expression = dag.get("asset_expression") or dag.get("dataset_expression")
        if expression:
            facts["assets"] = await read_condition(airflow, dag_id, expression)
        return Facts(**facts), None
    facts["run"] = run
    if run["state"] == "queued":
        facts |= await _run_facts(airflow, run, dag, deeper)
    instance, others = await _find_instance(airflow, run, task_id)
    if instance is not None:
        facts["instance"] = instance
        facts |= await _task_facts(airflow, dag_id, run, instance)
        facts["other"] = await _find_other(airflow, run, instance, deeper)
        unmet = facts.get("dependencies") or []
        if not isinstance(unmet, Unread) and any(row.get("name") == DEPENDENCY for row in unmet):
            facts["before"] = await find_before(airflow, run, instance)
        reason = await explain_not_run(airflow, run, instance, LogBudget(2, 6))
        if isinstance(reason, NotRun):
            facts["not_run"] = await show_not_run(airflow, run, reason, LogBudget(2, 6))
        else:
            facts["not_run"] = reason
    return Facts(**facts), others


async def _run_facts(airflow: Airflow, run: Row, dag: Row, deeper: Deeper | None) -> Row:
    """Read what keeps a queued run back, and what the oldest running one waits for."""
    backfill = await _find_backfill(airflow, run)
    running = await _read_running(airflow, run["dag_id"], backfill)
    facts: Row = {"backfill": backfill, "running": running}
    most = (backfill or dag).get("max_active_runs")
    if deeper is not None and not isinstance(running, Unread) and running[1] and most and running[0] >= most:
        oldest = running[1][0]["dag_run_id"]
        facts["behind"] = {"dag_run_id": oldest, **await deeper(run["dag_id"], oldest)}
    return facts
