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
"""Why a Dag run failed: the failure followed to its source, what changed, what it blocks."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Annotated

from pydantic import Field

from airflow_provider_mcp.sdk import JSON, Airflow, NotFound, path, tool
from airflow_provider_mcp.tools.diagnostics.changes import Row, find_changes
from airflow_provider_mcp.tools.diagnostics.clusters import Occurrence
from airflow_provider_mcp.tools.diagnostics.failures import (
    add_scheduler_events,
    add_source_code,
    show_task_failure,
)
from airflow_provider_mcp.tools.diagnostics.green_runs import find_log_warnings
from airflow_provider_mcp.tools.diagnostics.other_runs import names_other_dag
from airflow_provider_mcp.tools.diagnostics.reading import (
    LogBudget,
    Report,
    cut,
    ended,
    group_by_task,
    in_turn,
    read_failures,
)
from airflow_provider_mcp.tools.diagnostics.skips import explain_not_run
from airflow_provider_mcp.tools.diagnostics.sources import show_not_run, show_source
from airflow_provider_mcp.tools.diagnostics.summary import list_next_steps, summarise
from airflow_provider_mcp.tools.diagnostics.timeouts import find_run_timeout, find_timeout
from airflow_provider_mcp.tools.shared.arguments import DagId, ReadRunId
from airflow_provider_mcp.tools.shared.latest import get_run
from airflow_provider_mcp.tools.shared.reads import Unread, count_states, read_pages, try_get

MAX_CHARS = 8800
"""About 2,500 tokens."""

FAILED_PAGES = 3

LOG_READS = 20

LOG_CALLS = 38

SHOWN_TASKS = 5

FOLLOWED = 2
"""Failed tasks that are followed into other runs."""


class Diagnosis(Report):
    summary: str
    failures: list[JSON]
    next_steps: list[JSON]


async def _read_failed(
    airflow: Airflow, run: Row, rows: Sequence[Row], counts: dict[str, int], unchecked: Row
) -> list[Row]:
    """Return the failed task instances of a run, the earliest first."""
    failed = [row for row in rows if row["state"] == "failed"]
    if not rows and counts.get("failed"):
        route = path("dags/{}/dagRuns/{}/taskInstances", run["dag_id"], run["dag_run_id"])
        failed, total = await read_pages(
            airflow, route, "task_instances", FAILED_PAGES, state="failed", order_by="end_date"
        )
        if total > len(failed):
            unchecked["failed"] = f"{len(failed)} of the {total} failed task instances were looked at."
    return sorted(failed, key=lambda row: (ended(row), row["task_id"], row.get("map_index") or 0))


async def _read_task(airflow: Airflow, run: Row, task_id: str, rows: Sequence[Row]) -> list[Row]:
    """Return the instances of the task that is asked about."""
    found = [row for row in rows if row["task_id"] == task_id]
    if not rows:
        route = path("dags/{}/dagRuns/{}/taskInstances", run["dag_id"], run["dag_run_id"])
        listed, _ = await read_pages(airflow, route, "task_instances", 1, task_id=task_id)
        found = [row for row in listed if row["task_id"] == task_id]
    if not found:
        raise NotFound(
            f"`{run['dag_run_id']}` of `{run['dag_id']}` has no task `{task_id}`.",
            hint="list_task_instances lists its tasks.",
            dag_id=run["dag_id"],
            dag_run_id=run["dag_run_id"],
            task_id=task_id,
        )
    return found


async def _count_instances(
    airflow: Airflow, run: Row, group: Sequence[Row], rows: Sequence[Row], whole: bool
) -> tuple[int, int | None]:
    """Count how many instances of a task failed, and of a mapped task how many there are.

    :param whole: Whether ``group`` has all that failed.
    """
    first = group[0]
    mapped = int(first.get("map_index") or 0) > 0 or first.get("map_index") == 0
    if rows:
        return len(group), sum(row["task_id"] == first["task_id"] for row in rows) if mapped else None
    if not mapped:
        return len(group), None
    route = path("dags/{}/dagRuns/{}/taskInstances", run["dag_id"], run["dag_run_id"])
    query = {"task_id": first["task_id"], "limit": 1}
    everything = await try_get(airflow, route, query)
    failed = None if whole else await try_get(airflow, route, {**query, "state": "failed"})
    of = None if isinstance(everything, Unread) else int(everything["total_entries"])
    if failed is None or isinstance(failed, Unread):
        return len(group), of
    return int(failed["total_entries"]), of


async def _show_failures(
    airflow: Airflow,
    run: Row,
    groups: Sequence[Sequence[Row]],
    rows: Sequence[Row],
    budget: LogBudget,
    unchecked: Row,
) -> list[Row]:
    read, _, why = await read_failures(airflow, in_turn(groups), budget)
    read = await add_source_code(airflow, run, read, unchecked)
    failures = []
    followed = 0
    for group in groups:
        instances = [one for one in read if one.task_id == group[0]["task_id"]]
        failed, of = await _count_instances(airflow, run, group, rows, "failed" not in unchecked)
        failure = show_task_failure(airflow, group, failed, of, instances, why, budget)
        timeout = await _find_timeout(airflow, run, group[0]["task_id"], instances, unchecked)
        if timeout:
            failure["timeout"] = timeout
        if names_other_dag(group[0]) and followed < FOLLOWED:
            followed += 1
            source = await show_source(airflow, run, group[0], budget)
            if source:
                failure["source"] = source
        failures.append(failure)
    await add_scheduler_events(airflow, run, failures, unchecked)
    return failures


async def _find_timeout(
    airflow: Airflow, run: Row, task_id: str, read: Sequence[Occurrence], unchecked: Row
) -> Row | None:
    failure = next((one.failure for one in read if one.failure is not None), None)
    if failure is None:
        return None
    return await find_timeout(airflow, run["dag_id"], task_id, failure, unchecked)


async def _find_blocked(
    airflow: Airflow, run: Row, rows: Sequence[Row], counts: dict[str, int], failed: set[str], unchecked: Row
) -> Row | None:
    """Return the tasks that a failure kept from running, and the Dags that wait for their assets."""
    stuck = [row for row in rows if row["state"] == "upstream_failed"]
    if not rows and counts.get("upstream_failed"):
        route = path("dags/{}/dagRuns/{}/taskInstances", run["dag_id"], run["dag_run_id"])
        stuck, _ = await read_pages(airflow, route, "task_instances", 1, state="upstream_failed")
    names = list(dict.fromkeys(row["task_id"] for row in stuck))
    blocked: Row = {}
    if names:
        blocked["tasks"] = names[:10]
        blocked["task_instances"] = counts.get("upstream_failed", len(stuck))
    if not failed:
        return blocked or None
    answer = await try_get(airflow, "assets", {"dag_ids": run["dag_id"], "limit": 100})
    if isinstance(answer, Unread):
        unchecked["fed_dags"] = answer.why
        return blocked or None
    fed = []
    for asset in answer["assets"]:
        makers = {
            maker["task_id"]
            for maker in asset.get("producing_tasks") or []
            if maker["dag_id"] == run["dag_id"] and maker["task_id"] in failed | set(names)
        }
        for reader in asset.get("scheduled_dags") or []:
            if makers:
                fed.append({"dag_id": reader["dag_id"], "asset": asset.get("uri") or asset.get("name")})
    if fed:
        blocked["dags"] = fed[:10]
        if len(fed) > 10:
            blocked["dags_listed"] = f"10 of {len(fed)}"
    return blocked or None


async def _explain_task(airflow: Airflow, run: Row, rows: Sequence[Row], budget: LogBudget) -> Row:
    """Return what is to say of a task of which no instance failed."""
    first = rows[0]
    answer: Row = {"task": {"task_id": first["task_id"], "state": first["state"] or "no_status"}}
    if len(rows) > 1:
        answer["task"]["instances"] = len(rows)
    reason = await explain_not_run(airflow, run, first, budget)
    if isinstance(reason, Unread):
        answer["not_run_unread"] = reason.why
    elif reason is not None:
        answer["not_run"] = await show_not_run(airflow, run, reason, budget)
    else:
        answer["log_warnings"] = await find_log_warnings(airflow, rows, len(rows), budget)
    return answer


def _measure(diagnosis: Row) -> int:
    return len(json.dumps(diagnosis, ensure_ascii=False, separators=(",", ":")))


def _fit(diagnosis: Row) -> Row:
    """Leave details out, the least telling first, until the diagnosis has its size."""
    failures = diagnosis["failures"]

    def shorten_diff() -> None:
        if diagnosis.get("changed") and "source_diff" in diagnosis["changed"]:
            diagnosis["changed"]["source_diff"] = cut(diagnosis["changed"]["source_diff"], 500)
        compared = (diagnosis.get("changed") or {}).get("definition_diff")
        if compared:
            del compared["changes"][3:]

    def later_code() -> None:
        for failure in failures:
            for error in failure["errors"][1:]:
                error.pop("code", None)

    def later_errors() -> None:
        for failure in failures[1:]:
            rest = len(failure["errors"]) - 1
            if rest > 0:
                del failure["errors"][1:]
                failure["more_errors"] = failure.get("more_errors", 0) + rest

    def later_sources() -> None:
        for failure in failures[1:]:
            (failure.get("source") or {}).pop("cause", None)

    def messages() -> None:
        for failure in failures:
            for error in failure["errors"]:
                for name in ("caused_by_code", "exceptions"):
                    error.pop(name, None)
                for name in ("caused_by", "message"):
                    if name in error:
                        error[name] = cut(error[name], 160)
                error["code"] = [cut(line, 120) for line in error.get("code", [])[-2:]]

    def last_failures() -> None:
        diagnosis["failures_listed"] = f"2 of {len(failures)}"
        del failures[2:]

    def differences() -> None:
        diagnosis["changed"] = None

    cuts: Sequence[Callable[[], None]] = (
        shorten_diff,
        later_code,
        later_errors,
        later_sources,
        messages,
        last_failures,
        differences,
    )
    for shorten in cuts:
        if _measure(diagnosis) <= MAX_CHARS:
            return diagnosis
        shorten()
        diagnosis["truncated"] = True
        diagnosis["hint"] = "Shortened; get_task_logs and compare_dag_runs show the rest."
    return diagnosis


@tool(
    access="read",
    open_world=True,
    search_hint="why did it fail, what went wrong, root cause of the failed run",
)
async def diagnose_dag_run(
    airflow: Airflow,
    dag_id: DagId,
    dag_run_id: ReadRunId = "latest_failed",
    task_id: Annotated[str | None, Field(description="A task, though it did not fail.")] = None,
) -> Diagnosis:
    """Say why a Dag run failed.

    The root cause with its exception, what went wrong or broke, what changed, what is blocked.
    """
    run = await get_run(airflow, dag_id, dag_run_id)
    unchecked: dict[str, str] = {}
    budget = LogBudget(LOG_READS, LOG_CALLS)
    counts, rows = await count_states(airflow, dag_id, run["dag_run_id"])
    failed = await _read_failed(airflow, run, rows, counts, unchecked)
    task_rows = [] if task_id is None else await _read_task(airflow, run, task_id, rows)
    if task_id is not None:
        failed = [row for row in failed if row["task_id"] == task_id]
    groups = list(group_by_task(failed).values())
    first_groups = groups[:SHOWN_TASKS]
    failures = await _show_failures(airflow, run, first_groups, rows, budget, unchecked)
    blocked = await _find_blocked(
        airflow, run, rows, counts, {group[0]["task_id"] for group in groups}, unchecked
    )
    diagnosis: Row = {
        "dag_id": dag_id,
        "dag_run_id": run["dag_run_id"],
        "state": run["state"],
        "run": {
            key: value
            for key in ("run_type", "logical_date", "start_date", "end_date", "duration")
            if (value := run.get(key)) is not None
        },
        "task_counts": counts,
        "failed_tasks": len(groups) if len(groups) > 1 else None,
        "failures": failures,
        "timeout": await find_run_timeout(airflow, run, unchecked) if run["state"] == "failed" else None,
        "changed": await find_changes(airflow, run, [group[0] for group in first_groups], unchecked)
        if failed or run["state"] == "failed"
        else None,
        "blocked": blocked,
    }
    if task_rows and not failed:
        diagnosis |= await _explain_task(airflow, run, task_rows, budget)
    elif run["state"] == "success":
        done = rows or await _read_done(airflow, run)
        diagnosis["log_warnings"] = await find_log_warnings(airflow, done, sum(counts.values()), budget)
    if len(groups) > len(first_groups):
        unchecked["more_failed_tasks"] = ", ".join(sorted(g[0]["task_id"] for g in groups[SHOWN_TASKS:])[:20])
    diagnosis["summary"] = summarise(diagnosis, len(groups) - len(first_groups))
    diagnosis["next_steps"] = list_next_steps(diagnosis, groups)
    diagnosis["unchecked"] = {key: cut(value, 300) for key, value in unchecked.items()} or None
    diagnosis["ui_url"] = airflow.page_url(dag_id, run["dag_run_id"])
    return Diagnosis(**_fit(diagnosis))


async def _read_done(airflow: Airflow, run: Row) -> list[Row]:
    route = path("dags/{}/dagRuns/{}/taskInstances", run["dag_id"], run["dag_run_id"])
    rows, _ = await read_pages(airflow, route, "task_instances", 1, state="success")
    return rows
