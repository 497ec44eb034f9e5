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
"""Tasks in loops (Airflow 3.4): which pass of its loop an instance belongs to.

All passes of a task have the same map index. Airflow tells them apart by a region, which is one execution of
a loop, and an index in it; people know them by the number of the pass, the iteration.
"""

from __future__ import annotations

from airflow_provider_mcp.sdk import (
    Airflow,
    Conflict,
    InvalidArgument,
    JSONObject,
    NotFound,
    Unsupported,
    path,
)
from airflow_provider_mcp.tools.shared.reads import read_pages
from airflow_provider_mcp.tools.shared.versions import read_release

_LOOPS = (3, 4)
"""The first Airflow with loops."""

_MOST_PASSES = 20
"""Passes that an error lists."""


def pick_region(row: JSONObject) -> JSONObject:
    """Return the region of an instance as its routes take it; nothing outside every loop."""
    if row.get("region_id") is None or row.get("region_index") is None:
        return {}
    return {"region_id": row["region_id"], "region_index": row["region_index"]}


def read_iteration(row: JSONObject) -> int | None:
    """Return the number of the pass of its loop that an instance belongs to."""
    position = row.get("loop_iteration") or {}
    iteration = position.get("iteration")
    return None if iteration is None else int(iteration)


async def find_region(
    airflow: Airflow,
    dag_id: str,
    dag_run_id: str,
    task_id: str,
    *,
    region_id: str | None,
    region_index: int | None,
    iteration: int | None,
) -> JSONObject:
    """Return the region that the arguments of a tool mean, as routes take it; nothing if they name none.

    :raises ToolError: ``unsupported`` before Airflow 3.4; ``invalid_argument`` for one of the two without
        the other; ``not_found`` that names the passes; ``conflict`` if the pass is one of several loops.
    """
    if region_id is None and region_index is None and iteration is None:
        return {}
    if read_release(airflow)[:2] < _LOOPS:
        raise Unsupported(
            f"Airflow {airflow.site.version} has no loops.",
            hint="Leave iteration, region_id and region_index out.",
        )
    if (region_id is None) != (region_index is None):
        raise InvalidArgument(
            "region_id and region_index go together.",
            hint="Give both, as list_task_instances shows them, or iteration alone.",
        )
    if region_id is not None:
        path("{}", region_id)
        return {"region_id": region_id, "region_index": region_index}
    rows = await _list_passes(airflow, dag_id, dag_run_id, task_id)
    found = [row for row in rows if read_iteration(row) == iteration]
    regions = {(row["region_id"], row["region_index"]): pick_region(row) for row in found if pick_region(row)}
    if len(regions) == 1:
        return next(iter(regions.values()))
    names: JSONObject = {
        "dag_id": dag_id,
        "dag_run_id": dag_run_id,
        "task_id": task_id,
        "iteration": iteration,
    }
    if regions:
        raise Conflict(
            f"Pass {iteration} of `{task_id}` is in {len(regions)} loops of `{dag_run_id}`.",
            hint="Give region_id and region_index of the one you mean.",
            regions=list(regions.values())[:_MOST_PASSES],
            **names,
        )
    raise NotFound(
        f"`{task_id}` has no pass {iteration} in `{dag_run_id}`.", hint=_describe_passes(rows), **names
    )


async def explain_passes(airflow: Airflow, dag_id: str, dag_run_id: str, task_id: str) -> None:
    """Say which passes a task has, if it is one in a loop, so that a pass must be named.

    :raises ToolError: ``invalid_argument``.
    """
    if read_release(airflow)[:2] < _LOOPS:
        return
    rows = await _list_passes(airflow, dag_id, dag_run_id, task_id)
    if not rows:
        return
    raise InvalidArgument(
        f"`{task_id}` runs in a loop, with {len(rows)} instances in `{dag_run_id}`: give iteration.",
        hint=_describe_passes(rows),
        dag_id=dag_id,
        dag_run_id=dag_run_id,
        task_id=task_id,
    )


async def _list_passes(airflow: Airflow, dag_id: str, dag_run_id: str, task_id: str) -> list[JSONObject]:
    route = path("dags/{}/dagRuns/{}/taskInstances", dag_id, dag_run_id)
    rows, _ = await read_pages(airflow, route, "task_instances", 10, task_id=task_id)
    return [row for row in rows if row["task_id"] == task_id and read_iteration(row) is not None]


def _describe_passes(rows: list[JSONObject]) -> str:
    if not rows:
        return "It is in no loop: leave iteration out."

    def listed(passes: list[int]) -> str:
        more = len(passes) - _MOST_PASSES
        return ", ".join(map(str, passes[:_MOST_PASSES])) + (f" and {more} more" if more > 0 else "")

    passes = sorted({int(row["loop_iteration"]["iteration"]) for row in rows})
    failed = sorted({int(row["loop_iteration"]["iteration"]) for row in rows if row.get("state") == "failed"})
    return f"Its passes are {listed(passes)}; " + (f"failed: {listed(failed)}." if failed else "none failed.")
