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
"""Failures of many Dags in groups with one cause: their order, what is new, what only passes on another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from airflow_provider_mcp.sdk import Airflow, JSONObject
from airflow_provider_mcp.tools.diagnostics.clusters import Cluster, Occurrence
from airflow_provider_mcp.tools.diagnostics.exceptions import classify
from airflow_provider_mcp.tools.diagnostics.other_runs import find_other_run, names_other_dag
from airflow_provider_mcp.tools.diagnostics.reading import LogBudget, cut, group_by_task, in_turn, target

Row = JSONObject

MOST_JOINED = 8
"""Failures of tasks that trigger or wait for another run which are joined with its failure."""

LISTED = 10

RunKey = tuple[str, str]


def attribute_unread(read: Sequence[Occurrence], left: Sequence[Row]) -> tuple[dict[str, int], int]:
    """Assign failures whose log was not read to the one error that their task was seen to fail with.

    Tasks that are only about to be tried again do not count.

    Return how many each signature is presumed to have besides, and how many stay unknown.
    """
    seen: dict[tuple[str, str], set[str]] = {}
    for one in read:
        seen.setdefault((one.dag_id, one.task_id), set()).add(one.signature)
    presumed: dict[str, int] = {}
    unknown = 0
    for row in left:
        if row.get("state") == "up_for_retry":
            continue
        errors = seen.get((row["dag_id"], row["task_id"]), set())
        if len(errors) == 1:
            signature = next(iter(errors))
            presumed[signature] = presumed.get(signature, 0) + 1
        else:
            unknown += 1
    return presumed, unknown


def is_new(group: Cluster, earlier: Sequence[Occurrence], earlier_left: Sequence[Row]) -> bool | None:
    """Return whether an error did not occur in the window before; None if that cannot be told."""
    if any(one.signature == group.signature for one in earlier):
        return False
    tasks = set(group.tasks)
    if any((row["dag_id"], row["task_id"]) in tasks for row in earlier_left):
        return None
    return True


def order_rows(rows: Sequence[Row], first: set[tuple[str, str]] | None = None) -> list[Row]:
    """Return the rows in the order to read their logs in: of each task in turn, the biggest task first."""
    groups = group_by_task(rows)
    leading = first or set()
    keys = sorted(groups, key=lambda key: (key not in leading, -len(groups[key]), key))
    return in_turn([groups[key] for key in keys])


def order_groups(groups: Sequence[Cluster], presumed: Mapping[str, int]) -> list[Cluster]:
    """Return the groups by the Dags that they hit, then by runs, then by failures."""

    def weight(group: Cluster) -> tuple[int, int, int, str]:
        size = len(group.occurrences) + presumed.get(group.signature, 0)
        return -len(group.dags), -group.runs, -size, group.first.when

    return sorted(groups, key=weight)


async def join_runs(
    airflow: Airflow, rows: Sequence[Row], read: Sequence[Occurrence], budget: LogBudget
) -> list[Occurrence]:
    """Give failures of tasks that trigger or wait for a run the error that this run failed with."""
    parents = [row for row in rows if names_other_dag(row) and row.get("state") == "failed"]
    by_run = {(row["dag_id"], row["dag_run_id"], row["task_id"]): row for row in reversed(parents)}
    chosen = list(by_run.values())[:MOST_JOINED]
    below: dict[RunKey, RunKey] = {}
    for row in chosen:
        run = {
            "dag_id": row["dag_id"],
            "dag_run_id": row["dag_run_id"],
            "logical_date": row.get("logical_date"),
        }
        other = await find_other_run(airflow, run, row, budget)
        if other is not None and other.run is not None:
            below[row["dag_id"], row["dag_run_id"]] = (other.dag_id, other.run["dag_run_id"])
    names = {(row["dag_id"], row["dag_run_id"], row["task_id"]) for row in chosen}
    sources = {
        (one.dag_id, one.dag_run_id): one.signature
        for one in read
        if (one.dag_id, one.dag_run_id, one.task_id) not in names
    }
    return [
        replace(one, joined=_find_source((one.dag_id, one.dag_run_id), below, sources))
        if (one.dag_id, one.dag_run_id, one.task_id) in names
        else one
        for one in read
    ]


def _find_source(run: RunKey, below: Mapping[RunKey, RunKey], sources: Mapping[RunKey, str]) -> str | None:
    """Return the error of the run at the end of a chain of runs."""
    seen = {run}
    while run in below:
        run = below[run]
        if run in seen:
            return None
        seen.add(run)
    return sources.get(run) if len(seen) > 1 else None


def show_group(airflow: Airflow, group: Cluster, presumed: int, new: bool | None) -> Row:
    """Return what is shown of a group; ``count`` is of failed task instances, as diagnose_dag_run counts."""
    example = group.example
    row: Row = {
        "error": cut(group.signature, 300),
        "kind": classify(example.failure),
        "count": group.count("failed") + presumed,
        "dags_hit": len(group.dags),
        "runs_hit": group.runs,
        "first": group.first.when,
        "last": group.last.when,
        "dags": group.dags[:LISTED],
        "tasks": [f"{dag_id}.{task_id}" for dag_id, task_id in group.tasks[:LISTED]],
        "example": {
            **target(example),
            "try_number": example.try_number,
            "message": cut(example.failure.text, 300) if example.failure else None,
            "ui_url": airflow.page_url(
                example.dag_id, example.dag_run_id, example.task_id, example.map_index
            ),
        },
    }
    if len(group.tasks) > LISTED:
        row["tasks_listed"] = f"{LISTED} of {len(group.tasks)}"
    joined = sorted({f"{one.dag_id}.{one.task_id}" for one in group.occurrences if one.joined is not None})
    if joined:
        row["failed_because_of_it"] = joined[:LISTED]
    if group.count("up_for_retry"):
        row["retrying"] = group.count("up_for_retry")
    if presumed:
        row["presumed"] = presumed
    if new is not None:
        row["new"] = new
    return row
