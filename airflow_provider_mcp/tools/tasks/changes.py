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
"""Tools that clear task instances and set their state."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from airflow_provider_mcp.sdk import (
    Airflow,
    Conflict,
    Result,
    ToolError,
    path,
    tool,
)
from airflow_provider_mcp.tools.shared.arguments import (
    DagId,
    RunId,
    TaskIds,
)
from airflow_provider_mcp.tools.shared.previews import as_of, instances_by_state
from airflow_provider_mcp.tools.shared.reads import _instance


class Changed(Result):
    dag_id: str
    dag_run_id: str
    changed: int
    task_instances: dict[str, list[str]]
    ui_url: str


async def _refuse_unknown(
    airflow: Airflow, dag_id: str, dag_run_id: str, task_ids: list[str], rows: list[dict[str, Any]]
) -> None:
    """Refuse the first of ``task_ids`` that is no task of the Dag; what has rows is one."""
    found = {row["task_id"] for row in rows}
    for task_id in task_ids:
        if task_id in found:
            continue
        try:
            await airflow.get(path("dags/{}/tasks/{}", dag_id, task_id))
        except ToolError as refused:
            refused.identifiers |= {"dag_id": dag_id, "dag_run_id": dag_run_id, "task_id": task_id}
            raise


def _clear_body(
    dag_run_id: str,
    task_ids: list[str],
    map_indexes: list[int] | None,
    include_upstream: bool,
    include_downstream: bool,
    only_failed: bool,
    dry_run: bool,
) -> dict[str, Any]:
    chosen: list[Any] = list(task_ids)
    if map_indexes:
        chosen = [[task_id, index] for task_id in task_ids for index in map_indexes]
    return {
        "dry_run": dry_run,
        "dag_run_id": dag_run_id,
        "task_ids": chosen,
        "include_upstream": include_upstream,
        "include_downstream": include_downstream,
        "only_failed": only_failed,
        "reset_dag_runs": True,
    }


async def _preview_clear(
    airflow: Airflow,
    dag_id: str,
    dag_run_id: str,
    task_ids: list[str],
    map_indexes: list[int] | None,
    include_upstream: bool,
    include_downstream: bool,
    only_failed: bool,
) -> dict[str, Any]:
    body = _clear_body(
        dag_run_id, task_ids, map_indexes, include_upstream, include_downstream, only_failed, True
    )
    answer = await airflow.post(path("dags/{}/clearTaskInstances", dag_id), json=body)
    rows = answer.json()["task_instances"]
    await _refuse_unknown(airflow, dag_id, dag_run_id, task_ids, rows)
    if not rows:
        raise Conflict(
            f"No task instance in `{dag_run_id}` of `{dag_id}` fits: nothing to clear.",
            hint="list_task_instances shows those of the run with their states.",
            dag_id=dag_id,
            dag_run_id=dag_run_id,
        )
    return {
        "clears": len(rows),
        "task_instances": instances_by_state(rows),
        "dag_run_id": dag_run_id,
        "as_of": as_of(rows),
    }


@tool(access="destructive", preview=_preview_clear)
async def clear_task_instances(
    airflow: Airflow,
    dag_id: DagId,
    dag_run_id: RunId,
    task_ids: TaskIds,
    map_indexes: Annotated[
        list[int] | None, Field(max_length=100, description="Of mapped tasks; all if left out (Airflow 3).")
    ] = None,
    include_upstream: Annotated[bool, Field(description="Upstream tasks too.")] = False,
    include_downstream: Annotated[bool, Field(description="Downstream tasks too.")] = False,
    only_failed: Annotated[bool, Field(description="Only failed ones.")] = False,
) -> Changed:
    """Clear task instances, so that they run again."""
    body = _clear_body(
        dag_run_id, task_ids, map_indexes, include_upstream, include_downstream, only_failed, False
    )
    answer = await airflow.post(path("dags/{}/clearTaskInstances", dag_id), json=body)
    rows = answer.json()["task_instances"]
    return Changed(
        dag_id=dag_id,
        dag_run_id=dag_run_id,
        changed=len(rows),
        task_instances=instances_by_state(rows),
        ui_url=airflow.page_url(dag_id, dag_run_id),
    )


NewTaskState = Annotated[Literal["success", "failed", "skipped"], Field(description="New state.")]


async def _preview_set_state(
    airflow: Airflow, dag_id: str, dag_run_id: str, task_ids: list[str], state: str
) -> dict[str, Any]:
    rows: list[dict[str, Any]] = []
    await airflow.get(path("dags/{}/dagRuns/{}", dag_id, dag_run_id))
    for task_id in dict.fromkeys(task_ids):
        try:
            answer = await airflow.patch(
                f"{_instance(dag_id, dag_run_id, task_id)}/dry_run", json={"new_state": state}
            )
        except ToolError as refused:
            refused.identifiers |= {"dag_id": dag_id, "dag_run_id": dag_run_id, "task_id": task_id}
            raise
        rows += [row for row in answer.json()["task_instances"] if row.get("state") != state]
    await _refuse_unknown(airflow, dag_id, dag_run_id, task_ids, rows)
    if not rows:
        raise Conflict(
            f"{', '.join(task_ids)} in `{dag_run_id}` of `{dag_id}` are already {state}.",
            dag_id=dag_id,
            dag_run_id=dag_run_id,
        )
    # Setting a state also clears what failed after it; Airflow's dry run does not tell.
    body = _clear_body(dag_run_id, task_ids, None, False, True, True, True)
    answer = await airflow.post(path("dags/{}/clearTaskInstances", dag_id), json=body)
    cleared = [row for row in answer.json()["task_instances"] if row["task_id"] not in task_ids]
    return {
        "sets": state,
        "count": len(rows),
        "task_instances": instances_by_state(rows),
        "clears_downstream": instances_by_state(cleared),
        "dag_run_id": dag_run_id,
        "as_of": as_of(rows),
    }


@tool(access="destructive", preview=_preview_set_state)
async def set_task_instance_state(
    airflow: Airflow, dag_id: DagId, dag_run_id: RunId, task_ids: TaskIds, state: NewTaskState
) -> Changed:
    """Set the state of task instances (all map indexes); failed tasks downstream are cleared."""
    changed: list[dict[str, Any]] = []
    done: list[str] = []
    for task_id in dict.fromkeys(task_ids):
        try:
            answer = await airflow.patch(_instance(dag_id, dag_run_id, task_id), json={"new_state": state})
        except ToolError as refused:
            if done:
                refused.message += f" Before that, {', '.join(done)} had been set to {state}."
                refused.args = (refused.message,)
            refused.identifiers |= {"dag_id": dag_id, "dag_run_id": dag_run_id, "task_id": task_id}
            raise
        done.append(task_id)
        changed += answer.json()["task_instances"]
    return Changed(
        dag_id=dag_id,
        dag_run_id=dag_run_id,
        changed=len(changed),
        task_instances=instances_by_state([{**row, "state": state} for row in changed]),
        ui_url=airflow.page_url(dag_id, dag_run_id),
    )
