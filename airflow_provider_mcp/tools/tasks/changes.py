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

from typing import Annotated, Literal

from pydantic import Field

from airflow_provider_mcp.sdk import (
    JSON,
    Airflow,
    Conflict,
    InternalError,
    JSONObject,
    Result,
    ToolError,
    Unsupported,
    path,
    tool,
)
from airflow_provider_mcp.tools.shared.arguments import (
    DagId,
    Iteration,
    RegionId,
    RegionIndex,
    RunId,
    TaskIds,
)
from airflow_provider_mcp.tools.shared.instances import instance_route
from airflow_provider_mcp.tools.shared.latest import refuse_latest
from airflow_provider_mcp.tools.shared.previews import as_of, name_by_state
from airflow_provider_mcp.tools.shared.reads import read_pages
from airflow_provider_mcp.tools.shared.regions import find_region
from airflow_provider_mcp.tools.shared.rows import drop_empty
from airflow_provider_mcp.tools.shared.versions import read_release

_CLEARS_INDEXES = (3, 1, 1)
"""The first Airflow 3 that clears single map indexes: before it, its API took them and did nothing."""

NewTaskState = Annotated[Literal["success", "failed", "skipped"], Field(description="New state.")]


class Changed(Result):
    dag_id: str
    dag_run_id: str
    changed: int
    task_instances: dict[str, list[str]]
    ui_url: str


def _show_changed(airflow: Airflow, dag_id: str, dag_run_id: str, rows: list[JSONObject]) -> Changed:
    return Changed(
        dag_id=dag_id,
        dag_run_id=dag_run_id,
        changed=len(rows),
        task_instances=name_by_state(rows),
        ui_url=airflow.page_url(dag_id, dag_run_id),
    )


async def _refuse_unknown(
    airflow: Airflow, dag_id: str, dag_run_id: str, task_ids: list[str], rows: list[JSONObject]
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


async def _clear(
    airflow: Airflow,
    dag_id: str,
    dag_run_id: str,
    task_ids: list[str],
    *,
    dry_run: bool,
    map_indexes: list[int] | None = None,
    include_upstream: bool = False,
    include_downstream: bool = False,
    only_failed: bool = False,
) -> list[JSONObject]:
    """Clear task instances, or say in a dry run which they would be; return them."""
    await refuse_latest(airflow, dag_id, dag_run_id)
    chosen: list[JSON] = list(task_ids)
    if map_indexes:
        if (3,) <= read_release(airflow) < _CLEARS_INDEXES:
            raise Unsupported(
                f"The API of Airflow {airflow.site.version} does not clear single map indexes. "
                "Nothing was cleared.",
                hint="Leave map_indexes out to clear all of them, with only_failed for those that failed.",
                dag_id=dag_id,
                dag_run_id=dag_run_id,
            )
        chosen = [[task_id, index] for task_id in task_ids for index in map_indexes]
    body = {
        "dry_run": dry_run,
        "dag_run_id": dag_run_id,
        "task_ids": chosen,
        "include_upstream": include_upstream,
        "include_downstream": include_downstream,
        "only_failed": only_failed,
        "reset_dag_runs": True,
    }
    answer = await airflow.post(path("dags/{}/clearTaskInstances", dag_id), json=body)
    rows: list[JSONObject] = answer.json()["task_instances"]
    return rows


async def _preview_clear(
    airflow: Airflow,
    dag_id: str,
    dag_run_id: str,
    task_ids: list[str],
    map_indexes: list[int] | None,
    include_upstream: bool,
    include_downstream: bool,
    only_failed: bool,
) -> JSONObject:
    rows = await _clear(
        airflow,
        dag_id,
        dag_run_id,
        task_ids,
        dry_run=True,
        map_indexes=map_indexes,
        include_upstream=include_upstream,
        include_downstream=include_downstream,
        only_failed=only_failed,
    )
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
        "task_instances": name_by_state(rows),
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
    """Clear task instances.

    Rerun, retry or restart one failed task or step, with those after it if asked.
    """
    rows = await _clear(
        airflow,
        dag_id,
        dag_run_id,
        task_ids,
        dry_run=False,
        map_indexes=map_indexes,
        include_upstream=include_upstream,
        include_downstream=include_downstream,
        only_failed=only_failed,
    )
    return _show_changed(airflow, dag_id, dag_run_id, rows)


class _DryRun:
    """What setting a state would change, as far as this Airflow can say."""

    def __init__(self, airflow: Airflow, dag_id: str, dag_run_id: str, state: str) -> None:
        self._airflow, self._dag_id, self._dag_run_id, self._state = airflow, dag_id, dag_run_id, state
        self.rows: list[JSONObject] = []
        self.missing: dict[str, str] = {}

    async def add(self, task_id: str, region: JSONObject) -> None:
        """Add the instances of a task whose state would change."""
        route = instance_route(self._dag_id, self._dag_run_id, task_id)
        body = {"new_state": self._state, **region}
        try:
            answer = (await self._airflow.patch(f"{route}/dry_run", json=body)).json()
            rows = answer["task_instances"]
        except InternalError as failed:
            # Airflow 3.1.0 to 3.1.4 fail to answer: the instances themselves can still be shown.
            self.missing["dry_run"] = f"{failed.message} The instances are shown as they are now."
            listing = path("dags/{}/dagRuns/{}/taskInstances", self._dag_id, self._dag_run_id)
            found, _ = await read_pages(self._airflow, listing, "task_instances", 10, task_id=task_id)
            rows = [row for row in found if row["task_id"] == task_id]
        except ToolError as refused:
            refused.identifiers |= {
                "dag_id": self._dag_id,
                "dag_run_id": self._dag_run_id,
                "task_id": task_id,
            }
            raise
        self.rows += [row for row in rows if row.get("state") != self._state]


async def _preview_set_state(
    airflow: Airflow,
    dag_id: str,
    dag_run_id: str,
    task_ids: list[str],
    state: str,
    region_id: str | None = None,
    region_index: int | None = None,
    iteration: int | None = None,
) -> JSONObject:
    await refuse_latest(airflow, dag_id, dag_run_id)
    await airflow.get(path("dags/{}/dagRuns/{}", dag_id, dag_run_id))
    dry_run = _DryRun(airflow, dag_id, dag_run_id, state)
    in_loop = (region_id, region_index, iteration) != (None, None, None)
    for task_id in dict.fromkeys(task_ids):
        region = await find_region(
            airflow,
            dag_id,
            dag_run_id,
            task_id,
            region_id=region_id,
            region_index=region_index,
            iteration=iteration,
        )
        await dry_run.add(task_id, region)
    rows = dry_run.rows
    await _refuse_unknown(airflow, dag_id, dag_run_id, task_ids, rows)
    if not rows:
        raise Conflict(
            f"{', '.join(task_ids)} in `{dag_run_id}` of `{dag_id}` are already {state}.",
            dag_id=dag_id,
            dag_run_id=dag_run_id,
        )
    # Setting a state also clears what failed after it; Airflow's dry run does not tell.
    cleared: list[JSONObject] = []
    if in_loop:
        dry_run.missing["clears_downstream"] = "Airflow does not say it of one pass of a loop."
    else:
        cleared = await _clear(
            airflow, dag_id, dag_run_id, task_ids, dry_run=True, include_downstream=True, only_failed=True
        )
    return {
        "sets": state,
        "count": len(rows),
        "task_instances": name_by_state(rows),
        "clears_downstream": name_by_state([row for row in cleared if row["task_id"] not in task_ids]),
        "dag_run_id": dag_run_id,
        "as_of": as_of(rows),
        **drop_empty({"missing": dry_run.missing}),
    }


@tool(access="destructive", preview=_preview_set_state)
async def set_task_instance_state(
    airflow: Airflow,
    dag_id: DagId,
    dag_run_id: RunId,
    task_ids: TaskIds,
    state: NewTaskState,
    region_id: RegionId = None,
    region_index: RegionIndex = None,
    iteration: Iteration = None,
) -> Changed:
    """Set the state of task instances.

    Mark a task as success, failed or skipped; failed tasks downstream are cleared.
    """
    await refuse_latest(airflow, dag_id, dag_run_id)
    changed: list[JSONObject] = []
    done: list[str] = []
    for task_id in dict.fromkeys(task_ids):
        try:
            region = await find_region(
                airflow,
                dag_id,
                dag_run_id,
                task_id,
                region_id=region_id,
                region_index=region_index,
                iteration=iteration,
            )
            route = instance_route(dag_id, dag_run_id, task_id)
            answer = await airflow.patch(route, json={"new_state": state, **region})
        except ToolError as refused:
            if done:
                refused.message += f" Before that, {', '.join(done)} had been set to {state}."
                refused.args = (refused.message,)
            refused.identifiers |= {"dag_id": dag_id, "dag_run_id": dag_run_id, "task_id": task_id}
            raise
        done.append(task_id)
        changed += answer.json()["task_instances"]
    return _show_changed(airflow, dag_id, dag_run_id, [{**row, "state": state} for row in changed])
