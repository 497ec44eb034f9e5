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
"""Tools that change and delete Dag runs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from airflow_provider_mcp.sdk import Airflow, Conflict, InternalError, JSONObject, path, tool
from airflow_provider_mcp.tools.runs.results import DeletedRun, Run, show_run
from airflow_provider_mcp.tools.shared.arguments import DagId, RunId
from airflow_provider_mcp.tools.shared.latest import refuse_latest
from airflow_provider_mcp.tools.shared.previews import as_of, name_by_state
from airflow_provider_mcp.tools.shared.reach import read_reach
from airflow_provider_mcp.tools.shared.reads import count_states
from airflow_provider_mcp.tools.shared.rows import drop_empty, seconds_only

NewRunState = Annotated[Literal["queued", "success", "failed"], Field(description="New state.")]

_EFFECTS = {
    "success": "what still runs is stopped; Airflow 3 sets it to success and what has not started to "
    "skipped, Airflow 2 sets every task instance to success",
    "failed": "what still runs is stopped and set to failed, what has not started to skipped",
    "queued": "the scheduler takes the run up again; its task instances stay as they are",
}

_IDENTITY = (
    "dag_id",
    "dag_run_id",
    "state",
    "run_type",
    "logical_date",
    "queued_at",
    "start_date",
    "end_date",
)


async def _find_route(airflow: Airflow, dag_id: str, dag_run_id: str) -> str:
    """Return the route of the one run that is to be changed."""
    await refuse_latest(airflow, dag_id, dag_run_id)
    return path("dags/{}/dagRuns/{}", dag_id, dag_run_id)


def _identify(run: JSONObject) -> JSONObject:
    """Return what tells a run, as it is now, from what it was before or will be after."""
    return drop_empty(
        {name: seconds_only(run.get(name)) if name == "logical_date" else run.get(name) for name in _IDENTITY}
    )


@tool(access="write", idempotent=True, replaces=True)
async def set_dag_run_note(
    airflow: Airflow,
    dag_id: DagId,
    dag_run_id: RunId,
    note: Annotated[str, Field(max_length=1000, description="Note; empty to remove it.")],
) -> Run:
    """Set a Dag run's note: leave a comment on a run for others."""
    route = await _find_route(airflow, dag_id, dag_run_id)
    return Run(**show_run(airflow, (await airflow.patch(route, json={"note": note})).json()))


async def _preview_clear_dag_run(
    airflow: Airflow, dag_id: str, dag_run_id: str, only_failed: bool
) -> JSONObject:
    route = await _find_route(airflow, dag_id, dag_run_id)
    run = (await airflow.get(route)).json()
    body = {"dry_run": True, "only_failed": only_failed}
    rows = (await airflow.post(f"{route}/clear", json=body)).json()["task_instances"]
    if not rows:
        raise Conflict(
            f"`{dag_run_id}` of `{dag_id}` has no {'failed ' if only_failed else ''}task instances to clear.",
            hint="get_dag_run counts them by state.",
            dag_id=dag_id,
            dag_run_id=dag_run_id,
        )
    return {
        "clears": len(rows),
        "task_instances": name_by_state(rows),
        "run": _identify(run),
        "as_of": as_of(rows),
        "now": {"reaches": await read_reach(airflow, dag_id, {row["task_id"] for row in rows})},
    }


@tool(access="destructive", preview=_preview_clear_dag_run)
async def clear_dag_run(
    airflow: Airflow,
    dag_id: DagId,
    dag_run_id: RunId,
    only_failed: Annotated[bool, Field(description="Only failed task instances.")] = False,
) -> Run:
    """Clear a Dag run: rerun, restart or retry the whole run, or only what failed in it."""
    route = await _find_route(airflow, dag_id, dag_run_id)
    await airflow.post(f"{route}/clear", json={"dry_run": False, "only_failed": only_failed})
    return Run(**show_run(airflow, (await airflow.get(route)).json()))


async def preview_set_dag_run_state(airflow: Airflow, dag_id: str, dag_run_id: str, state: str) -> JSONObject:
    """Say what setting a run's state would do."""
    run = (await airflow.get(await _find_route(airflow, dag_id, dag_run_id))).json()
    if run["state"] == state:
        raise Conflict(
            f"`{dag_run_id}` of `{dag_id}` is already {state}.",
            dag_id=dag_id,
            dag_run_id=dag_run_id,
        )
    return {
        "sets": state,
        "run": _identify(run),
        "then": _EFFECTS[state],
        "now": {
            "task_counts": (await count_states(airflow, dag_id, dag_run_id))[0],
            "reaches": await read_reach(airflow, dag_id),
        },
    }


@tool(access="destructive", preview=preview_set_dag_run_state)
async def set_dag_run_state(airflow: Airflow, dag_id: DagId, dag_run_id: RunId, state: NewRunState) -> Run:
    """Set a Dag run's state: mark a run as success or failed; both stop, kill, abort or cancel it."""
    route = await _find_route(airflow, dag_id, dag_run_id)
    try:
        run = (await airflow.patch(route, json={"state": state})).json()
    except InternalError as failed:
        raise await _explain_failure(airflow, dag_id, dag_run_id, state, failed) from None
    return Run(**show_run(airflow, run))


async def _explain_failure(
    airflow: Airflow, dag_id: str, dag_run_id: str, state: str, failed: InternalError
) -> InternalError | Conflict:
    """Return the error for a state that Airflow failed to set: it does so once a task has left the Dag."""
    tasks = {task["task_id"] for task in (await airflow.get(path("dags/{}/tasks", dag_id))).json()["tasks"]}
    _, rows = await count_states(airflow, dag_id, dag_run_id)
    gone = sorted({row["task_id"] for row in rows} - tasks)
    if not gone:
        return failed
    names = ", ".join(f"`{task_id}`" for task_id in gone[:10])
    return Conflict(
        f"Airflow failed to set `{dag_run_id}` of `{dag_id}` to {state}: it cannot while the run has task "
        f"instances that are no longer in the Dag ({names}).",
        hint="Set the tasks that are left with set_task_instance_state, so that the run ends by itself, or "
        "delete the run with delete_dag_run once it does not run.",
        dag_id=dag_id,
        dag_run_id=dag_run_id,
        task_ids=gone[:10],
    )


async def _preview_delete_dag_run(airflow: Airflow, dag_id: str, dag_run_id: str) -> JSONObject:
    run = (await airflow.get(await _find_route(airflow, dag_id, dag_run_id))).json()
    if run["state"] == "running":
        raise Conflict(
            f"`{dag_run_id}` of `{dag_id}` is running.",
            hint="End it with set_dag_run_state first.",
            dag_id=dag_id,
            dag_run_id=dag_run_id,
        )
    return {
        "deletes": "the run with its task instances, XComs and notes",
        "run": _identify(run),
        "task_counts": (await count_states(airflow, dag_id, dag_run_id))[0],
        "now": {"reaches": await read_reach(airflow, dag_id)},
    }


@tool(access="destructive", preview=_preview_delete_dag_run)
async def delete_dag_run(airflow: Airflow, dag_id: DagId, dag_run_id: RunId) -> DeletedRun:
    """Delete a Dag run that is not running, with its tasks."""
    await airflow.delete(await _find_route(airflow, dag_id, dag_run_id))
    return DeletedRun(dag_id=dag_id, dag_run_id=dag_run_id)
