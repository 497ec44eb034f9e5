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
"""One task instance: its route, and what to say where a mapped task was meant without its index."""

from __future__ import annotations

from airflow_provider_mcp.sdk import Airflow, InvalidArgument, JSONObject, NotFound, path
from airflow_provider_mcp.tools.shared.reads import read_pages
from airflow_provider_mcp.tools.shared.regions import explain_passes

MOST_INDEXES = 20
"""Map indexes that an error lists."""


def instance_route(dag_id: str, dag_run_id: str, task_id: str, map_index: int = -1) -> str:
    """Return the route of a task instance, or of one index of a mapped one."""
    route = path("dags/{}/dagRuns/{}/taskInstances/{}", dag_id, dag_run_id, task_id)
    return f"{route}/{map_index}" if map_index >= 0 else route


async def get_instance(
    airflow: Airflow,
    dag_id: str,
    dag_run_id: str,
    task_id: str,
    map_index: int = -1,
    region: JSONObject | None = None,
) -> JSONObject:
    """Return a task instance.

    :param region: The pass of its loop, as :func:`find_region` returns it.
    :raises ToolError: ``invalid_argument`` that names the indexes, for a mapped task without one, or the
        passes, for one in a loop; ``not_found``.
    """
    route = instance_route(dag_id, dag_run_id, task_id, map_index)
    try:
        row: JSONObject = (await airflow.get(route, params=region or {})).json()
    except InvalidArgument:
        if not region:
            await explain_passes(airflow, dag_id, dag_run_id, task_id)
        raise
    except NotFound as missing:
        # By these, and not by `latest`, is looked for what may have been meant.
        missing.identifiers |= {"dag_id": dag_id, "dag_run_id": dag_run_id, "task_id": task_id}
        await explain_indexes(airflow, dag_id, dag_run_id, task_id, map_index)
        raise
    return row


async def explain_indexes(
    airflow: Airflow, dag_id: str, dag_run_id: str, task_id: str, map_index: int
) -> None:
    """Say which indexes a mapped task has, if that is why an instance of it was not found.

    :raises ToolError: ``invalid_argument``.
    """
    route = path("dags/{}/dagRuns/{}/taskInstances", dag_id, dag_run_id)
    try:
        found, _ = await read_pages(airflow, route, "task_instances", 10, task_id=task_id)
    except NotFound:
        return
    rows = [row for row in found if row["task_id"] == task_id and (row.get("map_index") or 0) >= 0]
    mapped = any((row.get("map_index") or 0) > 0 for row in rows) or (rows and map_index < 0)
    indexes = sorted(int(row["map_index"]) for row in rows if row.get("map_index") is not None)
    if not mapped or map_index in indexes:
        return
    failed = sorted(int(row["map_index"]) for row in rows if row.get("state") == "failed")
    problem = "give map_index" if map_index < 0 else f"there is no map_index {map_index}"
    raise InvalidArgument(
        f"`{task_id}` is a mapped task with {len(indexes)} instances in `{dag_run_id}`: {problem}.",
        hint=f"Its map indexes are {_list_indexes(indexes)}; "
        + (f"failed: {_list_indexes(failed)}." if failed else "none of them failed."),
        dag_id=dag_id,
        dag_run_id=dag_run_id,
        task_id=task_id,
        map_indexes=len(indexes),
        failed_map_indexes=failed[:MOST_INDEXES],
    )


def _list_indexes(indexes: list[int]) -> str:
    if len(indexes) > 2 and indexes == list(range(indexes[0], indexes[-1] + 1)):
        return f"{indexes[0]} to {indexes[-1]}"
    listed = ", ".join(str(index) for index in indexes[:MOST_INDEXES])
    more = len(indexes) - MOST_INDEXES
    return f"{listed} and {more} more" if more > 0 else listed
