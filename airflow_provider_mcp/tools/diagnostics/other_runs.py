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
"""Follow a failure into the run that its task triggered or waited for, down to the run where it began."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from airflow_provider_mcp.sdk import Airflow, JSONObject, ToolError, path
from airflow_provider_mcp.tools.diagnostics.clusters import Occurrence
from airflow_provider_mcp.tools.diagnostics.reading import (
    LogBudget,
    ended,
    group_by_task,
    read_failures,
    read_tail,
)
from airflow_provider_mcp.tools.shared.instances import instance_route
from airflow_provider_mcp.tools.shared.reads import Unread, read_pages, try_get
from airflow_provider_mcp.tools.tasks.log_lines import read_event

Row = JSONObject

DEEPEST = 4
"""Runs that a failure is followed through."""

_POKES_ON = re.compile(r"Poking for .* on (?P<date>\d{4}-\d\d-\d\dT[^\s,]+)")


@dataclass(frozen=True)
class OtherRun:
    """The run of another Dag that a task depends on.

    :param relation: ``triggered`` or ``waited for``.
    :param run: None if it could not be found.
    :param tasks: The tasks that are waited for; none if it is the whole run.
    """

    relation: str
    dag_id: str
    run: Row | None
    why: str | None = None
    tasks: tuple[str, ...] = ()


@dataclass
class Chain:
    """The runs below a failed task, nearest first, and the failures of the last one."""

    runs: list[OtherRun] = field(default_factory=list)
    rows: Sequence[Row] = ()
    read: Sequence[Occurrence] = ()
    why: str | None = None

    @property
    def last(self) -> OtherRun:
        return self.runs[-1]


def names_other_dag(instance: Row) -> bool:
    """Return whether a task instance triggers or waits for a run of another Dag."""
    fields = instance.get("rendered_fields") or {}
    return any(isinstance(fields.get(name), str) for name in ("trigger_dag_id", "external_dag_id"))


async def find_other_run(airflow: Airflow, run: Row, instance: Row, budget: LogBudget) -> OtherRun | None:
    """Return the run that a task triggered or waits for; None if it does neither."""
    fields = instance.get("rendered_fields") or {}
    if isinstance(fields.get("trigger_dag_id"), str):
        return await _find_triggered(airflow, instance, fields)
    if isinstance(fields.get("external_dag_id"), str):
        return await _find_external(airflow, run, instance, fields, budget)
    return None


async def _find_triggered(airflow: Airflow, instance: Row, fields: Row) -> OtherRun:
    dag_id = str(fields["trigger_dag_id"])
    index = instance.get("map_index")
    route = instance_route(instance["dag_id"], instance["dag_run_id"], instance["task_id"])
    query = {"map_index": -1 if index is None else index}
    answer = await try_get(airflow, f"{route}/xcomEntries/trigger_run_id", query)
    run_id = fields.get("trigger_run_id") if isinstance(answer, Unread) else answer.get("value")
    if not isinstance(run_id, str) or not run_id:
        return await _find_triggered_by_time(airflow, instance, dag_id)
    run = await try_get(airflow, path("dags/{}/dagRuns/{}", dag_id, run_id.strip('"')))
    if isinstance(run, Unread):
        return OtherRun("triggered", dag_id, None, run.why)
    return OtherRun("triggered", dag_id, run)


async def _find_triggered_by_time(airflow: Airflow, instance: Row, dag_id: str) -> OtherRun:
    """Return the one run whose logical date lies within the time of a task that left no record of it."""
    unknown = OtherRun("triggered", dag_id, None, "which run it triggered is not recorded")
    begin, end = instance.get("start_date"), instance.get("end_date")
    if not begin or not end:
        return unknown
    query = {"logical_date_gte": begin, "logical_date_lte": end, "limit": 2}
    answer = await try_get(airflow, path("dags/{}/dagRuns", dag_id), query)
    if isinstance(answer, Unread) or len(answer["dag_runs"]) != 1:
        return unknown
    why = "which run it triggered is not recorded: this is the only one of that time"
    return OtherRun("triggered", dag_id, answer["dag_runs"][0], why)


async def _find_external(
    airflow: Airflow, run: Row, instance: Row, fields: Row, budget: LogBudget
) -> OtherRun:
    dag_id = str(fields["external_dag_id"])
    task_ids = fields.get("external_task_ids") or fields.get("external_task_id") or []
    tasks = tuple([task_ids] if isinstance(task_ids, str) else [str(name) for name in task_ids])
    date = await _read_poked_date(airflow, instance, budget) or run.get("logical_date")
    if not date:
        return OtherRun("waited for", dag_id, None, "the run has no logical date to look for", tasks)
    query = {"logical_date_gte": date, "logical_date_lte": date, "limit": 1}
    answer = await try_get(airflow, path("dags/{}/dagRuns", dag_id), query)
    if isinstance(answer, Unread):
        return OtherRun("waited for", dag_id, None, answer.why, tasks)
    rows = answer["dag_runs"]
    why = None if rows else f"`{dag_id}` has no run of the logical date {date}"
    return OtherRun("waited for", dag_id, rows[0] if rows else None, why, tasks)


async def _read_poked_date(airflow: Airflow, instance: Row, budget: LogBudget) -> str | None:
    """Return the date that a sensor's log names: it need not be that of its own run."""
    tail = await read_tail(airflow, instance, budget)
    if isinstance(tail, Unread):
        return None
    for entry in reversed(tail):
        found = _POKES_ON.search(read_event(entry))
        if found:
            return found["date"]
    return None


async def follow(airflow: Airflow, run: Row, instance: Row, budget: LogBudget) -> Chain | None:
    """Follow a failed task to the run where its failure began; None if no other run is in it."""
    chain = Chain()
    seen = {(run["dag_id"], run["dag_run_id"])}
    while len(chain.runs) < DEEPEST:
        other = await find_other_run(airflow, run, instance, budget)
        if other is None:
            break
        chain.runs.append(other)
        chain.rows, chain.read, chain.why = (), (), other.why
        if other.run is None or (key := (other.dag_id, other.run["dag_run_id"])) in seen:
            break
        seen.add(key)
        rows = await _read_failed(airflow, other, other.run["dag_run_id"])
        if isinstance(rows, Unread):
            chain.why = rows.why
            break
        if not rows:
            break
        first = next(iter(group_by_task(rows).values()))
        chain.rows = first
        if not names_other_dag(first[0]):
            chain.read, _, unread = await read_failures(airflow, first[:1], budget)
            chain.why = unread or other.why
            break
        run, instance = other.run, first[0]
    return chain if chain.runs else None


async def _read_failed(airflow: Airflow, other: OtherRun, dag_run_id: str) -> list[Row] | Unread:
    """Read the failed task instances of a run, those that are waited for first, then by time."""
    route = path("dags/{}/dagRuns/{}/taskInstances", other.dag_id, dag_run_id)
    try:
        rows, _ = await read_pages(airflow, route, "task_instances", 1, state="failed", order_by="end_date")
    except ToolError as refused:
        return Unread(refused.message)
    return sorted(rows, key=lambda row: (row["task_id"] not in other.tasks, ended(row), row["task_id"]))
