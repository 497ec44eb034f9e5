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
"""A Dag run as what a client has as a task: how it stands, and how it is ended."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from airflow_provider_mcp.sdk import Airflow, JobState, JSONObject, Result, path
from airflow_provider_mcp.tools.runs.changes import preview_set_dag_run_state
from airflow_provider_mcp.tools.runs.results import FINISHED

_CANCELLED = "Cancelled by the MCP client that started it."


async def look_after(
    airflow: Airflow, dag_id: str, dag_run_id: str, show: Callable[[JSONObject], Awaitable[Result]]
) -> JobState:
    """Say how a run stands.

    :param show: Returns the result for a run that is over.
    """
    run = (await airflow.get(path("dags/{}/dagRuns/{}", dag_id, dag_run_id))).json()
    state = run["state"]
    changed = run.get("end_date") or run.get("start_date") or run.get("queued_at")
    if state not in FINISHED:
        return JobState("working", f"The run is {state}.", updated_at=changed)
    failed = state == "failed"
    if failed and _CANCELLED in (run.get("note") or ""):
        return JobState("cancelled", "The run was cancelled.", updated_at=changed)
    result = await show(run)
    return JobState("completed", f"The run is {state}.", result=result, failed=failed, updated_at=changed)


async def cancel_run(airflow: Airflow, dag_id: str, dag_run_id: str) -> None:
    """End a run by failing it; its note tells it from one that failed by itself."""
    route = path("dags/{}/dagRuns/{}", dag_id, dag_run_id)
    run = (await airflow.get(route)).json()
    if run["state"] in FINISHED:
        return
    note = "\n".join(filter(None, [run.get("note"), _CANCELLED]))
    await airflow.patch(route, json={"state": "failed", "note": note})


async def preview_cancel(airflow: Airflow, dag_id: str, dag_run_id: str) -> JSONObject | None:
    """Say what cancelling would do: what setting the run's state would."""
    run = (await airflow.get(path("dags/{}/dagRuns/{}", dag_id, dag_run_id))).json()
    if run["state"] in FINISHED:
        return None
    preview = await preview_set_dag_run_state(airflow, dag_id, dag_run_id, "failed")
    # A run that was queued when it was shown may run when it is cancelled: that is what is meant.
    moving = {name: preview["run"].pop(name, None) for name in ("state", "queued_at", "start_date")}
    return {**preview, "now": {**preview["now"], "run": moving}}
