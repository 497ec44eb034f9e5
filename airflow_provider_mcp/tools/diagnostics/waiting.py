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
"""Why a Dag, a run or a task does not run, or did not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated

from pydantic import Field

from airflow_provider_mcp.sdk import JSON, Airflow, JSONObject, tool
from airflow_provider_mcp.tools.diagnostics.asset_conditions import AssetCondition
from airflow_provider_mcp.tools.diagnostics.reading import Report, step, target
from airflow_provider_mcp.tools.diagnostics.waiting_facts import Check, Facts
from airflow_provider_mcp.tools.diagnostics.waiting_reads import collect
from airflow_provider_mcp.tools.diagnostics.waiting_rules import conclude, explain
from airflow_provider_mcp.tools.shared.arguments import DagId
from airflow_provider_mcp.tools.shared.reads import Unread

Row = JSONObject


class Waiting(Report):
    reason: str
    checks: list[JSON]
    next_steps: list[JSON]


def _next_steps(facts: Facts, blocking: list[str]) -> list[Row]:
    """Return the tool calls that would remove what blocks."""
    dag_id = facts.dag_id
    steps = []
    for name in blocking:
        if name == "paused":
            steps.append(step("unpause_dag", dag_id=dag_id))
        elif name == "dag":
            steps.append(step("list_import_errors"))
        elif name == "schedule" and isinstance(facts.assets, AssetCondition) and facts.assets.assets:
            steps += _update_assets(facts.assets)
        elif name == "schedule" and facts.run is None and facts.dag and not facts.dag.get("is_paused"):
            steps.append(step("trigger_dag", "to run it now", dag_id=dag_id))
        elif name == "backfill" and facts.backfill is not None and facts.run is not None:
            steps.append(_release_backfill(facts.backfill, dag_id, facts.run["dag_run_id"]))
        elif name == "max_active_runs":
            if facts.behind is not None:
                oldest = facts.behind["dag_run_id"]
                steps.append(step("explain_waiting", "the oldest", dag_id=dag_id, dag_run_id=oldest))
            steps.append(step("list_dag_runs", dag_id=dag_id, state="running"))
        elif name == "other_run" and facts.other is not None:
            steps.append(_look_at_other(facts.other))
        elif name == "run" and facts.run is not None:
            steps.append(step("explain_waiting", dag_id=dag_id, dag_run_id=facts.run["dag_run_id"]))
        elif name == "pool" and facts.instance is not None:
            steps.append(step("list_task_instances", "who else uses it", pool=facts.instance.get("pool")))
            steps.append(step("list_pools"))
        elif name == "dependencies" and facts.before is not None and facts.before.get("state") == "failed":
            before = facts.before["dag_run_id"]
            steps.append(step("diagnose_dag_run", "the run before", dag_id=dag_id, dag_run_id=before))
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
    steps += _look_at_failure(facts)
    return steps[:4]


def _look_at_failure(facts: Facts) -> list[Row]:
    """Return what shows a failure that has happened."""
    if facts.run is None:
        return []
    where = {"dag_id": facts.dag_id, "dag_run_id": facts.run["dag_run_id"]}
    if facts.instance is not None and facts.state in {"failed", "upstream_failed"}:
        return [step("diagnose_dag_run", **where, task_id=facts.instance["task_id"])]
    return [step("diagnose_dag_run", **where)] if facts.run.get("state") == "failed" else []


def _update_assets(condition: AssetCondition) -> list[Row]:
    """Return what leads to the missing updates; to trigger the Dag itself would pass over its condition."""
    steps = []
    for producer in condition.producers:
        where = {"dag_id": producer["dag_id"]}
        if producer.get("is_paused"):
            steps.append(step("unpause_dag", "it makes a missing asset", **where))
        elif producer.get("state") == "failed":
            where["dag_run_id"] = producer["dag_run_id"]
            steps.append(step("diagnose_dag_run", "it makes a missing asset", **where))
        else:
            steps.append(step("explain_waiting", "it makes a missing asset", **where))
    for asset in condition.missing:
        if not asset.producers:
            steps.append(step("create_asset_event", "if it was updated elsewhere", asset=asset.name))
    return steps


def _release_backfill(backfill: Mapping[str, JSON], dag_id: str, dag_run_id: str) -> Row:
    if backfill.get("completed_at"):
        return step("delete_dag_run", "then trigger its date again", dag_id=dag_id, dag_run_id=dag_run_id)
    return step("update_backfill", backfill_id=backfill["id"], action="unpause")


def _look_at_other(other: Mapping[str, JSON]) -> Row:
    if not other.get("dag_run_id"):
        return step("list_dag_runs", "the runs that may be meant", dag_id=other["dag_id"])
    where = {"dag_id": other["dag_id"], "dag_run_id": other["dag_run_id"]}
    if other["state"] == "failed":
        return step("diagnose_dag_run", "the run that it waits for", **where)
    return step("explain_waiting", "the run that it waits for", **where)


def _find_since(facts: Facts) -> str | None:
    """Return since when it is as it is."""
    instance, run = facts.instance, facts.run
    if run is None:
        return None
    if instance is None:
        return run.get("queued_at") if run.get("state") == "queued" else run.get("start_date")
    trigger = instance.get("trigger") or {}
    by_state = {
        "queued": instance.get("queued_when"),
        "scheduled": instance.get("scheduled_when"),
        "deferred": trigger.get("created_date") or instance.get("start_date"),
        "up_for_retry": instance.get("end_date"),
        "running": instance.get("start_date"),
        "up_for_reschedule": instance.get("start_date"),
    }
    since = by_state.get(facts.state or "none", instance.get("end_date")) or run.get("start_date")
    return None if since is None else str(since)


@tool(
    access="read",
    open_world=True,
    search_hint="why is the task stuck, why does my dag not start, the run is queued",
)
async def explain_waiting(
    airflow: Airflow,
    dag_id: DagId,
    dag_run_id: Annotated[
        str | None, Field(description="Oldest active (of a task: latest) if left out.")
    ] = None,
    task_id: Annotated[str | None, Field(description="A waiting one if left out.")] = None,
) -> Waiting:
    """Say why a Dag, run or task does not start or run.

    Stuck, hanging, queued, scheduled, waiting, skipped or no runs.
    """

    async def explain_run(other_dag: str, other_run: str) -> Row:
        other, _ = await collect(airflow, other_dag, other_run, None)
        found: Row = {"reason": conclude(other, explain(other)), "since": _find_since(other)}
        if other.instance is not None:
            found |= {"task_id": other.instance["task_id"], "task_state": other.state or "no_status"}
        return found

    facts, others = await collect(airflow, dag_id, dag_run_id, task_id, explain_run)
    checks = explain(facts)
    run, instance = facts.run or {}, facts.instance or {}
    state = instance.get("state") or "no_status" if facts.instance is not None else run.get("state")
    index = instance.get("map_index")
    page = airflow.page_url(dag_id, run.get("dag_run_id"), instance.get("task_id"))
    found: Row = {
        "dag_id": dag_id,
        "dag_run_id": run.get("dag_run_id"),
        "task_id": instance.get("task_id"),
        "map_index": index if index is not None and index >= 0 else None,
        "state": state,
        "since": _find_since(facts),
        "reason": conclude(facts, checks),
        "message": _find_message(facts),
        "checks": [_show(check) for check in checks if check.verdict != "unknown"],
        "unchecked": {check.name: check.says for check in checks if check.verdict == "unknown"} or None,
        "others_waiting": others,
        "next_steps": _next_steps(facts, [check.name for check in checks if check.verdict == "blocks"]),
        "ui_url": page if facts.dag is not None else None,
    }
    return Waiting(**found)


def _find_message(facts: Facts) -> str | None:
    """Return what the task that decided it wrote last, or the error that it failed with."""
    if facts.not_run is None or isinstance(facts.not_run, Unread):
        return None
    cause = facts.not_run.get("cause") or {}
    message = facts.not_run.get("message") or cause.get("message") or facts.not_run.get("last_log_line")
    return None if message is None else str(message)


def _show(check: Check) -> Row:
    row = asdict(check)
    if not row["evidence"] or (check.verdict == "ok" and check.name != "outcome"):
        del row["evidence"]
    return row
