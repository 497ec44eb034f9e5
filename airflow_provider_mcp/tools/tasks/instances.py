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
"""Tools that read task instances."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from airflow_provider_mcp.sdk import JSON, Airflow, Cursor, JSONObject, Limit, Page, Result, Time, path, tool
from airflow_provider_mcp.tools.shared.arguments import (
    AnyDagId,
    AnyRunId,
    DagId,
    Iteration,
    MapIndex,
    ReadRunId,
    RegionId,
    RegionIndex,
    TaskId,
    TaskState,
)
from airflow_provider_mcp.tools.shared.instances import get_instance, instance_route
from airflow_provider_mcp.tools.shared.latest import find_run_filter, find_run_id
from airflow_provider_mcp.tools.shared.reads import PAGE, Parts
from airflow_provider_mcp.tools.shared.regions import find_region
from airflow_provider_mcp.tools.shared.rows import page_template, pick, pick_instance

Part = Literal["tries", "dependencies", "rendered_fields", "xcom", "links"]

StateFilter = Literal[TaskState, "no_status", "none"]
"""``none`` is what Airflow calls an instance without a state in its filters, ``no_status`` in its counts."""

_SHOWN = (
    "dag_id",
    "dag_run_id",
    "task_id",
    "map_index",
    "state",
    "try_number",
    "start_date",
    "end_date",
    "duration",
    "operator",
    "pool",
    "region_id",
    "region_index",
    "loop_iteration",
    "state_reason",
    "team_name",
)

_DETAILS = ("max_tries", "note", "queue", "queued_when", "hostname", "trigger")

_TRY = ("try_number", "state", "start_date", "end_date", "duration", "hostname")


class TaskInstances(Page):
    items_field: ClassVar[str] = "task_instances"
    identity: ClassVar[tuple[str, ...]] = ("dag_id", "dag_run_id", "task_id", "map_index")
    task_instances: list[JSONObject]
    dag_run_id: str | None = None
    ui_url: str


class TaskInstance(Result, extra="allow"):
    """A task instance: beside these, its times, try, pool, note and the parts that were asked for."""

    dag_id: str
    dag_run_id: str
    task_id: str
    state: str | None = None
    missing: dict[str, str] | None = None
    """The parts that could not be read, and why."""
    ui_url: str


def _show(row: JSONObject) -> JSONObject:
    return pick_instance({**row, "operator": row.get("operator_name") or row.get("operator")}, *_SHOWN)


@tool(access="read")
async def list_task_instances(
    airflow: Airflow,
    dag_id: AnyDagId = None,
    dag_run_id: AnyRunId = None,
    task_id: Annotated[str | None, Field(description="Task ID.")] = None,
    state: Annotated[StateFilter | None, Field(description="State.")] = None,
    pool: Annotated[str | None, Field(description="Pool.")] = None,
    start_after: Time | None = None,
    start_before: Time | None = None,
    limit: Limit = 25,
    cursor: Cursor = None,
) -> TaskInstances:
    """List task instances, latest start first.

    Which tasks failed, run or are stuck now, in a run or everywhere.
    """
    run_id = await find_run_filter(airflow, dag_id, dag_run_id)
    params = {
        "task_id": task_id,
        "state": "none" if state == "no_status" else state,
        "pool": pool,
        "start_date_gte": start_after,
        "start_date_lte": start_before,
        "order_by": "-start_date",
    }
    rows, total, offset = await TaskInstances.fetch(
        airflow,
        path("dags/{}/dagRuns/{}/taskInstances", dag_id or "~", run_id or "~"),
        params=params,
        limit=limit,
        cursor=cursor,
        newest_first=True,
    )
    template = page_template(airflow, "task")
    listed = TaskInstances.of([_show(row) for row in rows], total=total, offset=offset, ui_url=template)
    listed.dag_run_id = run_id if run_id != dag_run_id else None
    return listed


@tool(access="read", open_world=True)
async def get_task_instance(
    airflow: Airflow,
    dag_id: DagId,
    dag_run_id: ReadRunId,
    task_id: TaskId,
    map_index: MapIndex = -1,
    region_id: RegionId = None,
    region_index: RegionIndex = None,
    iteration: Iteration = None,
    include: Annotated[list[Part], Field(description="What to show besides.")] = [],  # noqa: B006
) -> TaskInstance:
    """Get one task instance (step).

    Status, tries, operator, duration, rendered templates, what it depends on.
    """
    run_id = await find_run_id(airflow, dag_id, dag_run_id)
    region = await find_region(
        airflow,
        dag_id,
        run_id,
        task_id,
        region_id=region_id,
        region_index=region_index,
        iteration=iteration,
    )
    row = await get_instance(airflow, dag_id, run_id, task_id, map_index, region)
    where = _Instance(airflow, instance_route(dag_id, run_id, task_id), map_index, region, row)
    parts = Parts()
    details = {name: await parts.read(name, where.read(name)) for name in dict.fromkeys(include)}
    return TaskInstance(
        **_show(row),
        **pick(row, *_DETAILS),
        **{name: part for name, part in details.items() if part is not None},
        missing=parts.missing or None,
        ui_url=airflow.page_url(dag_id, run_id, task_id, map_index),
    )


class _Instance:
    """Where the parts of a task instance are read."""

    def __init__(
        self, airflow: Airflow, route: str, map_index: int, region: JSONObject, row: JSONObject
    ) -> None:
        self._airflow, self._route, self._map_index, self._row = airflow, route, map_index, row
        self._region = region
        self._one = f"{route}/{map_index}" if map_index >= 0 else route

    async def read(self, part: Part) -> JSON:
        if part == "rendered_fields":
            return self._airflow.redact(self._row.get("rendered_fields") or {})
        if part == "tries":
            answer = (await self._airflow.get(f"{self._one}/tries", params=self._region)).json()
            return [pick(a_try, *_TRY) for a_try in answer["task_instances"]]
        if part == "dependencies":
            answer = (await self._airflow.get(f"{self._one}/dependencies", params=self._region)).json()
            return answer["dependencies"]
        if part == "links":
            links = {"map_index": self._map_index} if self._map_index >= 0 else {}
            answer = (
                await self._airflow.get(f"{self._route}/links", params={**links, **self._region})
            ).json()
            return answer["extra_links"]
        query = {"map_index": self._map_index, "limit": PAGE, **self._region}
        entries = (await self._airflow.get(f"{self._route}/xcomEntries", params=query)).json()["xcom_entries"]
        # Airflow 3.0 lists the entries of every map index.
        return [e["key"] for e in entries if e.get("map_index", self._map_index) == self._map_index]
