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
"""Tools that read task instances and their logs."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from airflow_provider_mcp.sdk import (
    Airflow,
    Cursor,
    InvalidArgument,
    Limit,
    Page,
    Result,
    fetch_page,
    path,
    tool,
)
from airflow_provider_mcp.tools.shared.arguments import (
    DagId,
    MapIndex,
    RunId,
    TaskId,
    TaskState,
    Time,
    page_template,
    present,
)
from airflow_provider_mcp.tools.shared.reads import _instance

Part = Literal["tries", "dependencies", "rendered_fields", "xcom", "links"]

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
)


class TaskInstances(Page):
    items_field: ClassVar[str] = "task_instances"
    task_instances: list[dict[str, Any]]
    ui_url: str


class TaskInstance(Result, extra="allow"):
    """A task instance: beside these, its times, try, pool, note and the parts that were asked for."""

    dag_id: str
    dag_run_id: str
    task_id: str
    state: str | None = None
    ui_url: str


def _row(row: dict[str, Any]) -> dict[str, Any]:
    shown = present({**row, "operator": row.get("operator_name") or row.get("operator")}, *_SHOWN)
    if shown.get("map_index") == -1:
        del shown["map_index"]
    return shown


@tool(access="read")
async def list_task_instances(
    airflow: Airflow,
    dag_id: Annotated[str | None, Field(description="Dag ID; all if left out.")] = None,
    dag_run_id: Annotated[str | None, Field(description="Dag run ID; all if left out.")] = None,
    task_id: Annotated[str | None, Field(description="Task ID.")] = None,
    state: Annotated[TaskState | None, Field(description="State.")] = None,
    pool: Annotated[str | None, Field(description="Pool.")] = None,
    start_after: Time = None,
    start_before: Time = None,
    limit: Limit = 25,
    cursor: Cursor = None,
) -> TaskInstances:
    """List task instances, latest start first (in no order on Airflow 2)."""
    if dag_run_id is not None and dag_id is None:
        raise InvalidArgument("dag_run_id needs dag_id.", hint="Give dag_id too.")
    params = {
        "task_id": task_id,
        "state": state,
        "pool": pool,
        "start_date_gte": start_after,
        "start_date_lte": start_before,
        "order_by": "-start_date",
    }
    rows, total, offset = await fetch_page(
        airflow,
        path("dags/{}/dagRuns/{}/taskInstances", dag_id or "~", dag_run_id or "~"),
        "task_instances",
        params=params,
        limit=limit,
        cursor=cursor,
        newest_first=True,
    )
    template = page_template(airflow, "task")
    return TaskInstances.of([_row(row) for row in rows], total=total, offset=offset, ui_url=template)


@tool(access="read")
async def get_task_instance(
    airflow: Airflow,
    dag_id: DagId,
    dag_run_id: RunId,
    task_id: TaskId,
    map_index: MapIndex = -1,
    include: Annotated[list[Part], Field(description="What to show besides.")] = [],  # noqa: B006
) -> TaskInstance:
    """Get a task instance; dependencies say what it waits for."""
    route = _instance(dag_id, dag_run_id, task_id)
    one = _instance(dag_id, dag_run_id, task_id, map_index)
    row = (await airflow.get(one)).json()
    shown = _row(row)
    shown |= present(row, "max_tries", "note", "queue", "queued_when", "hostname", "trigger")
    if "tries" in include:
        names = ("try_number", "state", "start_date", "end_date", "duration", "hostname")
        tries = (await airflow.get(f"{one}/tries")).json()["task_instances"]
        shown["tries"] = [present(a_try, *names) for a_try in tries]
    if "dependencies" in include:
        shown["dependencies"] = (await airflow.get(f"{one}/dependencies")).json()["dependencies"]
    if "rendered_fields" in include:
        shown["rendered_fields"] = airflow.redact(row.get("rendered_fields") or {})
    if "xcom" in include:
        query = {"map_index": map_index, "limit": 100}
        entries = (await airflow.get(f"{route}/xcomEntries", params=query)).json()["xcom_entries"]
        # Airflow 3.0 lists the entries of every map index.
        shown["xcom"] = [e["key"] for e in entries if e.get("map_index", map_index) == map_index]
    if "links" in include:
        query = {"map_index": map_index} if map_index >= 0 else {}
        shown["links"] = (await airflow.get(f"{route}/links", params=query)).json()["extra_links"]
    return TaskInstance(**shown, ui_url=airflow.page_url(dag_id, dag_run_id, task_id, map_index))
