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
    Arguments,
    Conflict,
    InternalError,
    JSONObject,
    NotFound,
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
from airflow_provider_mcp.tools.shared.reach import read_reach
from airflow_provider_mcp.tools.shared.reads import read_pages
from airflow_provider_mcp.tools.shared.regions import find_region
from airflow_provider_mcp.tools.shared.rows import drop_empty
from airflow_provider_mcp.tools.shared.versions import read_release

_CLEARS_INDEXES = (3, 1, 1)
"""The first Airflow 3 that clears single map indexes: before it, its API took them and did nothing."""

_CLEARS_BY_ID = (3, 4)
"""The first Airflow that clears exact executions, and refuses if one of them has changed."""

NewTaskState = Annotated[Literal["success", "failed", "skipped"], Field(description="New state.")]


class _Tasks(Arguments):
    """Tasks of a run that are changed."""

    dag_id: DagId
    dag_run_id: RunId
    task_ids: TaskIds

    def name(self, task_id: str) -> JSONObject:
        """Return the identifiers of an error about a task."""
        return {"dag_id": self.dag_id, "dag_run_id": self.dag_run_id, "task_id": task_id}


class ClearTasks(_Tasks):
    map_indexes: Annotated[
        list[int] | None, Field(max_length=100, description="Of mapped tasks; all if left out (Airflow 3).")
    ] = None
    include_upstream: Annotated[bool, Field(description="Upstream tasks too.")] = False
    include_downstream: Annotated[bool, Field(description="Downstream tasks too.")] = False
    only_failed: Annotated[bool, Field(description="Only failed ones.")] = False


class SetTaskState(_Tasks):
    state: NewTaskState
    region_id: RegionId = None
    region_index: RegionIndex = None
    iteration: Iteration = None

    @property
    def in_loop(self) -> bool:
        return (self.region_id, self.region_index, self.iteration) != (None, None, None)

    async def find_region(self, airflow: Airflow, task_id: str) -> JSONObject:
        """Return the pass of the loop that is meant, as routes take it."""
        return await find_region(
            airflow,
            self.dag_id,
            self.dag_run_id,
            task_id,
            region_id=self.region_id,
            region_index=self.region_index,
            iteration=self.iteration,
        )


class Changed(Result):
    dag_id: str
    dag_run_id: str
    changed: int
    task_instances: dict[str, list[str]]
    ui_url: str


def _show_changed(airflow: Airflow, tasks: _Tasks, rows: list[JSONObject]) -> Changed:
    return Changed(
        dag_id=tasks.dag_id,
        dag_run_id=tasks.dag_run_id,
        changed=len(rows),
        task_instances=name_by_state(rows),
        ui_url=airflow.page_url(tasks.dag_id, tasks.dag_run_id),
    )


async def _refuse_unknown(airflow: Airflow, tasks: _Tasks, rows: list[JSONObject]) -> None:
    """Refuse the first of the tasks that is no task of the Dag; what has rows is one."""
    found = {row["task_id"] for row in rows}
    for task_id in tasks.task_ids:
        if task_id in found:
            continue
        try:
            await airflow.get(path("dags/{}/tasks/{}", tasks.dag_id, task_id))
        except ToolError as refused:
            refused.identifiers |= tasks.name(task_id)
            raise


async def _clear(airflow: Airflow, clear: ClearTasks, *, dry_run: bool) -> list[JSONObject]:
    """Clear task instances, or say in a dry run which they would be; return them."""
    await refuse_latest(airflow, clear.dag_id, clear.dag_run_id)
    chosen: list[JSON] = list(clear.task_ids)
    if clear.map_indexes:
        if (3,) <= read_release(airflow) < _CLEARS_INDEXES:
            raise Unsupported(
                f"The API of Airflow {airflow.site.version} does not clear single map indexes. "
                "Nothing was cleared.",
                hint="Leave map_indexes out to clear all of them, with only_failed for those that failed.",
                dag_id=clear.dag_id,
                dag_run_id=clear.dag_run_id,
            )
        chosen = [[task_id, index] for task_id in clear.task_ids for index in clear.map_indexes]
    body = {
        "dry_run": dry_run,
        "dag_run_id": clear.dag_run_id,
        "task_ids": chosen,
        "include_upstream": clear.include_upstream,
        "include_downstream": clear.include_downstream,
        "only_failed": clear.only_failed,
        "reset_dag_runs": True,
    }
    answer = await airflow.post(path("dags/{}/clearTaskInstances", clear.dag_id), json=body)
    rows: list[JSONObject] = answer.json()["task_instances"]
    return rows


async def _clear_as_they_are(airflow: Airflow, clear: ClearTasks) -> list[JSONObject]:
    """Clear task instances; where Airflow can tell, none that was cleared or tried again in between.

    In a loop, Airflow chooses by the passes, not by what a dry run names.
    """
    if read_release(airflow) < _CLEARS_BY_ID:
        return await _clear(airflow, clear, dry_run=False)
    rows = await _clear(airflow, clear, dry_run=True)
    ids = [row.get("id") for row in rows]
    if not rows or None in ids or any(row.get("in_loop") or row.get("region_id") for row in rows):
        return await _clear(airflow, clear, dry_run=False)
    body = {
        "dry_run": False,
        "dag_run_id": clear.dag_run_id,
        "task_instance_ids": ids,
        "only_failed": False,
        "reset_dag_runs": True,
    }
    try:
        answer = await airflow.post(path("dags/{}/clearTaskInstances", clear.dag_id), json=body)
    except (Conflict, NotFound) as changed:
        raise Conflict(
            f"A task instance of `{clear.dag_run_id}` was cleared or tried again meanwhile. "
            f"Nothing was cleared ({changed.message}).",
            hint="Call again without the confirmation_token: the preview shows how it is now.",
            dag_id=clear.dag_id,
            dag_run_id=clear.dag_run_id,
        ) from None
    cleared: list[JSONObject] = answer.json()["task_instances"]
    return cleared


async def _preview_clear(airflow: Airflow, clear: ClearTasks) -> JSONObject:
    rows = await _clear(airflow, clear, dry_run=True)
    await _refuse_unknown(airflow, clear, rows)
    if not rows:
        raise Conflict(
            f"No task instance in `{clear.dag_run_id}` of `{clear.dag_id}` fits: nothing to clear.",
            hint="list_task_instances shows those of the run with their states.",
            dag_id=clear.dag_id,
            dag_run_id=clear.dag_run_id,
        )
    return {
        "clears": len(rows),
        "task_instances": name_by_state(rows),
        "dag_run_id": clear.dag_run_id,
        "as_of": as_of(rows),
        "now": {"reaches": await read_reach(airflow, clear.dag_id, {row["task_id"] for row in rows})},
    }


@tool(access="destructive", preview=_preview_clear)
async def clear_task_instances(airflow: Airflow, clear: ClearTasks) -> Changed:
    """Clear task instances.

    Rerun, retry or restart one failed task or step, with those after it if asked.
    """
    return _show_changed(airflow, clear, await _clear_as_they_are(airflow, clear))


async def _find_changing(
    airflow: Airflow, change: SetTaskState, task_id: str, missing: dict[str, str]
) -> list[JSONObject]:
    """Return the instances of a task whose state would change, as far as this Airflow can say."""
    region = await change.find_region(airflow, task_id)
    route = instance_route(change.dag_id, change.dag_run_id, task_id)
    try:
        answer = await airflow.patch(f"{route}/dry_run", json={"new_state": change.state, **region})
        rows = answer.json()["task_instances"]
    except InternalError as failed:
        # Airflow 3.1.0 to 3.1.4 fail to answer: the instances themselves can still be shown.
        missing["dry_run"] = f"{failed.message} The instances are shown as they are now."
        listing = path("dags/{}/dagRuns/{}/taskInstances", change.dag_id, change.dag_run_id)
        found, _ = await read_pages(airflow, listing, "task_instances", 10, task_id=task_id)
        rows = [row for row in found if row["task_id"] == task_id]
    except ToolError as refused:
        refused.identifiers |= change.name(task_id)
        raise
    return [row for row in rows if row.get("state") != change.state]


async def _preview_set_state(airflow: Airflow, change: SetTaskState) -> JSONObject:
    await refuse_latest(airflow, change.dag_id, change.dag_run_id)
    await airflow.get(path("dags/{}/dagRuns/{}", change.dag_id, change.dag_run_id))
    rows: list[JSONObject] = []
    missing: dict[str, str] = {}
    for task_id in dict.fromkeys(change.task_ids):
        rows += await _find_changing(airflow, change, task_id, missing)
    await _refuse_unknown(airflow, change, rows)
    if not rows:
        raise Conflict(
            f"{', '.join(change.task_ids)} in `{change.dag_run_id}` of `{change.dag_id}` are already "
            f"{change.state}.",
            dag_id=change.dag_id,
            dag_run_id=change.dag_run_id,
        )
    # Setting a state also clears what failed after it; Airflow's dry run does not tell.
    cleared: list[JSONObject] = []
    if change.in_loop:
        missing["clears_downstream"] = "Airflow does not say it of one pass of a loop."
    else:
        clear = ClearTasks(
            dag_id=change.dag_id,
            dag_run_id=change.dag_run_id,
            task_ids=change.task_ids,
            include_downstream=True,
            only_failed=True,
        )
        cleared = await _clear(airflow, clear, dry_run=True)
    tasks = {row["task_id"] for row in (*rows, *cleared)}
    return {
        "sets": change.state,
        "count": len(rows),
        "task_instances": name_by_state(rows),
        "clears_downstream": name_by_state([r for r in cleared if r["task_id"] not in change.task_ids]),
        "dag_run_id": change.dag_run_id,
        "as_of": as_of(rows),
        **drop_empty({"missing": missing}),
        "now": {"reaches": await read_reach(airflow, change.dag_id, tasks)},
    }


@tool(access="destructive", preview=_preview_set_state)
async def set_task_instance_state(airflow: Airflow, change: SetTaskState) -> Changed:
    """Set the state of task instances.

    Mark a task as success, failed or skipped; failed tasks downstream are cleared.
    """
    await refuse_latest(airflow, change.dag_id, change.dag_run_id)
    changed: list[JSONObject] = []
    changed_ids: list[str] = []
    for task_id in dict.fromkeys(change.task_ids):
        try:
            region = await change.find_region(airflow, task_id)
            route = instance_route(change.dag_id, change.dag_run_id, task_id)
            answer = await airflow.patch(route, json={"new_state": change.state, **region})
        except ToolError as refused:
            if changed_ids:
                refused.message += f" Before that, {', '.join(changed_ids)} had been set to {change.state}."
                refused.args = (refused.message,)
            refused.identifiers |= change.name(task_id)
            raise
        changed_ids.append(task_id)
        changed += answer.json()["task_instances"]
    return _show_changed(airflow, change, [{**row, "state": change.state} for row in changed])
