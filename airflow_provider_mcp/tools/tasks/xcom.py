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
"""The tool that reads an XCom."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from airflow_provider_mcp.sdk import (
    JSON,
    Airflow,
    NotFound,
    Result,
    near_miss,
    path,
    search_close_names,
    tool,
)
from airflow_provider_mcp.tools.shared.arguments import (
    DagId,
    Iteration,
    MapIndex,
    ReadRunId,
    RegionId,
    RegionIndex,
    TaskId,
)
from airflow_provider_mcp.tools.shared.instances import get_instance, instance_route
from airflow_provider_mcp.tools.shared.latest import find_run_id
from airflow_provider_mcp.tools.shared.regions import find_region
from airflow_provider_mcp.tools.shared.xcoms import read_value


class XCom(Result):
    key: str
    value: JSON
    timestamp: str | None = None
    map_index: int | None = None
    iteration: int | None = None
    dag_run_id: str | None = None


@tool(access="read", open_world=True, search_hint="what value did the task return, the output that it pushed")
async def get_xcom(
    airflow: Airflow,
    dag_id: DagId,
    dag_run_id: ReadRunId,
    task_id: TaskId,
    key: Annotated[str, Field(description="Key.")] = "return_value",
    map_index: MapIndex = -1,
    region_id: RegionId = None,
    region_index: RegionIndex = None,
    iteration: Iteration = None,
) -> XCom:
    """Get an XCom, the return value of a task: what value, output or result it pushed to the next."""
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
    entries = f"{instance_route(dag_id, run_id, task_id)}/xcomEntries"
    where = {"map_index": map_index, **region}
    try:
        read = await read_value(airflow, f"{entries}/{path('{}', key, slashes=True)}", where)
    except NotFound:
        await get_instance(airflow, dag_id, run_id, task_id, map_index, region)
        close = await search_close_names(airflow, key, entries, "key", params=where)
        raise near_miss(
            f"`{task_id}` has pushed no XCom `{key}` in `{run_id}`",
            close,
            hint="get_task_instance with include xcom lists the keys.",
            dag_id=dag_id,
            dag_run_id=run_id,
            task_id=task_id,
            key=key,
        ) from None
    return XCom(
        key=read.entry["key"],
        value=read.value,
        timestamp=read.entry.get("timestamp"),
        map_index=map_index if map_index >= 0 else None,
        iteration=iteration,
        dag_run_id=run_id if run_id != dag_run_id else None,
        hint=read.hint,
    )
