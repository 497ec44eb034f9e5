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
"""Tools that say what is wrong."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Literal

from airflow_provider_mcp.sdk import (
    JSON,
    Airflow,
    JSONObject,
    tool,
)
from airflow_provider_mcp.tools.diagnostics.reading import Report, cut, step, target
from airflow_provider_mcp.tools.diagnostics.statistics import seconds
from airflow_provider_mcp.tools.shared.reads import Unread, try_get

STUCK_SECONDS = 600
"""Airflow's own ``[scheduler] task_queued_timeout`` by default."""

NEARLY_FULL = 0.9

Part = JSONObject


class SystemHealth(Report):
    status: Literal["healthy", "degraded", "unhealthy", "unknown"]
    parts: JSONObject


def components(health: Part) -> dict[str, Part]:
    """Return the part of each component of Airflow's health answer.

    A component that is not deployed on its own (a triggerer, Airflow 2's Dag processor) has no status. From
    Airflow 3.4 on, a triggerer that was never started is ``unhealthy`` in that answer, and a component says
    whether its running instances do all of its work.
    """
    parts = {}
    for name, said in health.items():
        if not isinstance(said, dict):
            continue
        beat = next((value for key, value in said.items() if key.startswith("latest_") and value), None)
        part: Part = {"status": said.get("status") or "absent"}
        if name == "triggerer" and "detailed_status" in said and not beat:
            part["status"] = "absent"
        elif said.get("detailed_status") == "degraded":
            part["status"] = "degraded"
        if beat:
            part["latest_heartbeat"] = beat
        if instances := said.get("instances"):
            part["instances"] = [_show_instance(instance) for instance in instances]
        parts[name] = part
    return parts


def _show_instance(instance: Part) -> Part:
    """Return where an instance runs, when it was last seen, and what it works for."""
    beat = next((value for key, value in instance.items() if key.startswith("latest_")), None)
    names = ("hostname", "bundle_names", "team_names")
    fields = {**{name: instance.get(name) for name in names}, "latest_heartbeat": beat}
    return {key: value for key, value in fields.items() if value}


def whole(parts: dict[str, Part]) -> Literal["healthy", "degraded", "unhealthy", "unknown"]:
    """Return the status of the whole: the worst of its parts, ``unknown`` between unhealthy and degraded."""
    statuses = {part["status"] for part in parts.values()}
    if statuses - {"healthy", "absent", "unknown", "degraded"}:
        return "unhealthy"
    if "unknown" in statuses:
        return "unknown"
    return "degraded" if "degraded" in statuses else "healthy"


def _describe_count(count: int, **more: JSON) -> Part:
    return {"status": "degraded" if count else "healthy", "count": count, **more}


def stuck(rows: list[Part], now: float) -> list[Part]:
    """Return the queued task instances that have been queued for too long."""
    since = [(row, seconds(row.get("queued_when"))) for row in rows]
    return [row for row, queued in since if queued is not None and now - queued > STUCK_SECONDS]


def crowded(pools: list[Part]) -> list[Part]:
    """Return the pools of which at least nine tenths of the slots are taken, or that have none."""
    found = []
    for pool in pools:
        slots, free = int(pool["slots"]), int(pool["open_slots"])
        if slots >= 0 and slots - free >= NEARLY_FULL * slots:
            found.append({"name": pool["name"], "slots": slots, "open_slots": free})
    return found


@tool(access="read", search_hint="is anything broken right now, is the scheduler up, is it healthy")
async def get_system_health(airflow: Airflow) -> SystemHealth:
    """Check Airflow's health.

    Is the scheduler up or down, is anything broken, overloaded or stuck; failed runs of 24 h.
    """
    now = datetime.now(timezone.utc)
    parts: dict[str, Part] = {}

    async def ask(name: str, route: str, **params: JSON) -> Part | None:
        answer = await try_get(airflow, route, params)
        if isinstance(answer, Unread):
            parts[name] = {"status": "unknown", "why": cut(answer.why, 300)}
            return None
        read: Part = answer
        return read

    if (health := await ask("components", "monitor/health")) is not None:
        parts |= components(health)
    if (errors := await ask("import_errors", "importErrors", limit=3, order_by="-timestamp")) is not None:
        files = [row.get("filename") for row in errors["import_errors"]]
        parts["import_errors"] = _describe_count(errors["total_entries"], files=files)
    if (warnings := await ask("dag_warnings", "dagWarnings", limit=3)) is not None:
        dags = [row.get("dag_id") for row in warnings["dag_warnings"]]
        parts["dag_warnings"] = _describe_count(warnings["total_entries"], dags=dags)
    day = (now - timedelta(days=1)).isoformat()
    runs = await ask(
        "failed_runs",
        "dags/~/dagRuns",
        state="failed",
        end_date_gte=day,
        limit=3,
        order_by="-end_date",
    )
    if runs is not None:
        run_names = [f"{row['dag_id']}/{row['dag_run_id']}" for row in runs["dag_runs"]]
        parts["failed_runs"] = _describe_count(runs["total_entries"], newest=run_names)
    queued = await ask("stuck_tasks", "dags/~/dagRuns/~/taskInstances", state="queued", limit=100)
    if queued is not None:
        found = stuck(queued["task_instances"], now.timestamp())
        parts["stuck_tasks"] = _describe_count(len(found), tasks=[target(row) for row in found[:3]])
        if queued["total_entries"] > len(queued["task_instances"]):
            parts["stuck_tasks"]["looked_at"] = f"100 of {queued['total_entries']} queued tasks"
    if (pools := await ask("pools", "pools", limit=100)) is not None:
        near = crowded(pools["pools"])
        parts["pools"] = _describe_count(len(near), near_full=near[:5])
    fields: Part = {"status": whole(parts), "parts": parts, "next_steps": _health_steps(parts) or None}
    return SystemHealth(**fields)


def _health_steps(parts: dict[str, Part]) -> list[Part]:
    steps = []
    if parts["import_errors"].get("count"):
        steps.append(step("list_import_errors"))
    if parts["failed_runs"].get("count"):
        steps.append(step("find_failures", since="24h"))
    if parts["stuck_tasks"].get("tasks"):
        first = parts["stuck_tasks"]["tasks"][0]
        identity = {name: first[name] for name in ("dag_id", "dag_run_id", "task_id")}
        steps.append(step("explain_waiting", **identity))
    return steps
