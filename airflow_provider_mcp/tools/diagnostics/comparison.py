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
"""The tool that says how two runs differ."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from airflow_provider_mcp.sdk import JSON, Airflow, NotFound, Unavailable, path, tool
from airflow_provider_mcp.tools.diagnostics.changes import Row, find_last_success, get_version, shorten_conf
from airflow_provider_mcp.tools.diagnostics.reading import (
    Report,
)
from airflow_provider_mcp.tools.diagnostics.run_differences import (
    changed_keys,
    compare_tasks,
    compute_ratio,
    list_seconds,
)
from airflow_provider_mcp.tools.diagnostics.statistics import run_times, task_times
from airflow_provider_mcp.tools.diagnostics.version_diff import compare_versions
from airflow_provider_mcp.tools.shared.arguments import DagId, ReadRunId
from airflow_provider_mcp.tools.shared.latest import get_run
from airflow_provider_mcp.tools.shared.reads import Unread, list_instances_of_runs, read_pages, try_get

COMPARED_PAGES = 3

SHOWN_SERIES = 5
"""Tasks whose seconds are shown over more runs than two."""


class RunComparison(Report):
    runs: list[JSON]
    tasks: list[JSON]


def _describe_run(airflow: Airflow, run: Row) -> Row:
    row = {
        key: run.get(key)
        for key in ("dag_run_id", "state", "run_type", "logical_date", "start_date", "end_date")
    }
    row["duration"] = run_times(run).duration
    row["ui_url"] = airflow.page_url(run["dag_id"], run["dag_run_id"])
    return {key: value for key, value in row.items() if value is not None}


@tool(access="read")
async def compare_dag_runs(
    airflow: Airflow,
    dag_id: DagId,
    dag_run_id: ReadRunId,
    other_dag_run_id: Annotated[
        str | None, Field(description="The last success before it if left out.")
    ] = None,
    neighbours: Annotated[int, Field(ge=0, le=5, description="Runs before and after to show too.")] = 0,
) -> RunComparison:
    """Compare two runs of a Dag.

    What is different or changed between a failed run and a good one, as [first, second].
    """
    run = await get_run(airflow, dag_id, dag_run_id)
    if other_dag_run_id is None:
        found = await find_last_success(airflow, run)
        if isinstance(found, Unread):
            raise Unavailable(found.why, hint="Give other_dag_run_id.")
        if found is None:
            raise NotFound(
                f"`{dag_id}` has no successful run before `{run['dag_run_id']}`.",
                hint="Give other_dag_run_id; list_dag_runs lists the runs.",
                dag_id=dag_id,
                dag_run_id=run["dag_run_id"],
            )
        other = found
    else:
        other = await get_run(airflow, dag_id, other_dag_run_id)
    unchecked: dict[str, str] = {}
    sides = []
    for one in (run, other):
        route = path("dags/{}/dagRuns/{}/taskInstances", dag_id, one["dag_run_id"])
        rows, total = await read_pages(airflow, route, "task_instances", COMPARED_PAGES)
        if total > len(rows):
            unchecked[one["dag_run_id"]] = f"{len(rows)} of its {total} task instances were compared."
        sides.append([task_times(row) for row in rows])
    names = [{one.task_id for one in side} for side in sides]
    first, second = sorted(names[0] - names[1]), sorted(names[1] - names[0])
    version, other_version = get_version(run), get_version(other)
    definition: Row | None = None
    if version is None or other_version is None:
        unchecked["dag_version"] = "Airflow keeps no Dag version of these runs."
    elif version != other_version:
        compared = await compare_versions(airflow, dag_id, version, other_version)
        if isinstance(compared, Unread):
            unchecked["definition_diff"] = compared.why
        else:
            definition = compared
    differing = compare_tasks(*sides)
    shown: Row = {
        "dag_id": dag_id,
        "runs": [_describe_run(airflow, run), _describe_run(airflow, other)],
        "duration_ratio": compute_ratio(run_times(run), run_times(other)),
        "conf": shorten_conf(airflow, changed_keys(run.get("conf"), other.get("conf"))) or None,
        "dag_version": None if "dag_version" in unchecked else [version, other_version],
        "definition_diff": definition,
        "only_in_first": first[:50] or None,
        "only_in_second": second[:50] or None,
        "tasks": differing[:25],
        "unchecked": unchecked or None,
        "truncated": len(differing) > 25 or None,
        "hint": f"25 of {len(differing)} differing tasks are shown." if len(differing) > 25 else None,
    }
    if neighbours:
        shown["series"] = await _read_series(airflow, run, neighbours, unchecked)
        shown["unchecked"] = unchecked or None
    return RunComparison(**shown)


async def _read_series(airflow: Airflow, run: Row, neighbours: int, unchecked: dict[str, str]) -> Row | None:
    """Return the runs around a run, the oldest first, and the seconds of their longest tasks."""
    field = "logical_date" if run.get("logical_date") else "run_after"
    around = [run]
    for order, end in (("-", "lte"), ("", "gte")):
        query = {"order_by": f"{order}{field}", f"{field}_{end}": run[field], "limit": neighbours + 1}
        answer = await try_get(airflow, path("dags/{}/dagRuns", run["dag_id"]), query)
        if isinstance(answer, Unread):
            unchecked["series"] = answer.why
            return None
        known = {one["dag_run_id"] for one in around}
        found = [one for one in answer["dag_runs"] if one["dag_run_id"] not in known][:neighbours]
        around = [*reversed(found), *around] if order else [*around, *found]
    rows, total = await list_instances_of_runs(airflow, COMPARED_PAGES, run["dag_id"], around)
    if total > len(rows):
        unchecked["series"] = f"{len(rows)} of the {total} task instances were looked at."
    seconds = list_seconds([task_times(row) for row in rows])
    longest = sorted(seconds, key=lambda name: (-sum(seconds[name].values()), name))
    ids = [one["dag_run_id"] for one in around]
    return {
        "runs": [
            {"dag_run_id": one["dag_run_id"], "state": one["state"], "duration": run_times(one).duration}
            for one in around
        ],
        "task_seconds": {name: [seconds[name].get(one) for one in ids] for name in longest[:SHOWN_SERIES]},
    }
