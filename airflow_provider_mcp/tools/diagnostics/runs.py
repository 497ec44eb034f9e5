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
"""Why a run failed: the tool that diagnoses a Dag run."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Annotated

from pydantic import Field

from airflow_provider_mcp.sdk import JSON, Airflow, NotFound, path, tool
from airflow_provider_mcp.tools.diagnostics.changes import Row, find_changes, version_of
from airflow_provider_mcp.tools.diagnostics.exceptions import Cluster, Occurrence, add_code, classify, cluster
from airflow_provider_mcp.tools.diagnostics.reading import (
    LogBudget,
    Report,
    cut,
    ended,
    group_by_task,
    in_turn,
    read_failures,
    step,
    target,
)
from airflow_provider_mcp.tools.diagnostics.statistics import (
    run_times,
)
from airflow_provider_mcp.tools.shared.arguments import DagId
from airflow_provider_mcp.tools.shared.reads import Unread, count_states, read_pages, try_get
from airflow_provider_mcp.tools.shared.rows import TOOL_CALL_EVENT

MAX_CHARS = 8800
"""About 2,500 tokens."""

FAILED_PAGES = 3

LOG_READS = 20

LOG_CALLS = 38

SHOWN_TASKS = 5

SHOWN_ERRORS = 3

# The events that the scheduler writes into the audit log when it ends a task itself.
_SCHEDULER_EVENTS = frozenset(
    {
        "heartbeat timeout",
        "state mismatch",
        "stuck in queued reschedule",
        "stuck in queued tries exceeded",
    }
)


class Diagnosis(Report):
    summary: str
    failures: list[JSON]
    next_steps: list[JSON]


async def _find_run(airflow: Airflow, dag_id: str, dag_run_id: str) -> Row:
    if dag_run_id != "latest_failed":
        run: Row = (await airflow.get(path("dags/{}/dagRuns/{}", dag_id, dag_run_id))).json()
        return run
    query: Row = {"state": "failed", "order_by": "-run_after", "limit": 1}
    rows = (await airflow.get(path("dags/{}/dagRuns", dag_id), params=query)).json()["dag_runs"]
    if not rows:
        raise NotFound(
            f"`{dag_id}` has no failed run.",
            hint="explain_waiting says why a Dag or a run does not run.",
            dag_id=dag_id,
        )
    failed: Row = rows[0]
    return failed


async def _blocked(
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
    return blocked or None


def _error(airflow: Airflow, group: Cluster) -> Row:
    first = group.first
    example = {"try_number": first.try_number}
    shown: Row = {
        "error": cut(group.signature, 300),
        "kind": classify(first.failure),
        "count": len(group.occurrences),
    }
    if first.map_index >= 0:
        example["map_index"] = first.map_index
        shown["map_indexes"] = [o.map_index for o in group.occurrences[:5]]
    if first.failure is not None:
        shown["message"] = cut(first.failure.text, 400)
        if first.failure.cause:
            shown["caused_by"] = cut(first.failure.cause, 300)
        frames = [cut(str(frame), 200) for frame in first.failure.user_frames]
        if frames:
            shown["code"] = frames
    shown["example"] = example
    shown["ui_url"] = airflow.page_url(first.dag_id, first.dag_run_id, first.task_id, first.map_index)
    return shown


async def _with_code(
    airflow: Airflow, run: Row, read: list[Occurrence], unchecked: dict[str, str]
) -> list[Occurrence]:
    """Add the code to tracebacks that name lines only, as Airflow 3's do, from the Dag's own file."""
    bare = any(not frame.code for one in read if one.failure for frame in one.failure.user_frames)
    if not bare:
        return read
    dag = await try_get(airflow, path("dags/{}", run["dag_id"]))
    query = {"version_number": version_of(run)} if version_of(run) is not None else {}
    source = await try_get(airflow, path("dagSources/{}", run["dag_id"]), query)
    if isinstance(dag, Unread):
        unchecked["code"] = dag.why
        return read
    if isinstance(source, Unread):
        unchecked["code"] = source.why
        return read
    names = [str(dag[key]) for key in ("fileloc", "relative_fileloc") if dag.get(key)]
    lines = str(source.get("content") or "").splitlines()
    return [
        replace(one, failure=add_code(one.failure, names, lines)) if one.failure is not None else one
        for one in read
    ]


async def _scheduler_says(airflow: Airflow, run: Row, failures: Sequence[Row], unchecked: Row) -> None:
    """Add what the scheduler wrote of tasks whose log names no exception, to these failures."""
    silent = {
        failure["task_id"]: failure
        for failure in failures
        if not failure["errors"] or failure["errors"][0]["kind"] in {"killed", "no_exception_in_log"}
    }
    if not silent:
        return
    query = {
        "dag_id": run["dag_id"],
        "run_id": run["dag_run_id"],
        "excluded_events": TOOL_CALL_EVENT,
        "order_by": "-when",
        "limit": 100,
    }
    answer = await try_get(airflow, "eventLogs", query)
    if isinstance(answer, Unread):
        unchecked["scheduler_says"] = answer.why
        return
    for row in answer["event_logs"]:
        said = silent.get(row.get("task_id"))
        if said is not None and row.get("event") in _SCHEDULER_EVENTS:
            lines = said.setdefault("scheduler_says", [])
            if len(lines) < SHOWN_ERRORS:
                lines.append(cut(f"{row['event']}: {row.get('extra') or ''}", 300))


def _task_failure(
    airflow: Airflow, rows: Sequence[Row], total: int, read: Sequence[Occurrence], why: str | None
) -> Row:
    """Return what is shown of one task's failures, which are given first one first."""
    first = rows[0]
    groups = cluster(read)
    shown: Row = {
        "task_id": first["task_id"],
        "failed": total,
        "first_failed_at": ended(first),
        "tries": f"{first.get('try_number')} of {int(first.get('max_tries') or 0) + 1}",
        "operator": first.get("operator_name") or first.get("operator"),
        "errors": [_error(airflow, group) for group in groups[:SHOWN_ERRORS]],
    }
    if len(groups) > SHOWN_ERRORS:
        shown["more_errors"] = len(groups) - SHOWN_ERRORS
    if len(read) < shown["failed"]:
        shown["logs_read"] = len(read)
        shown["logs_not_read"] = shown["failed"] - len(read)
        shown["not_read_because"] = cut(why or "at most so many logs are read in one call", 200)
    return shown


def _summary(run: Row, failures: Sequence[Row], others: int, blocked: Row | None, timeout: str | None) -> str:
    name = f"`{run['dag_run_id']}` of `{run['dag_id']}`"
    if not failures:
        if run["state"] == "failed":
            return f"{name} failed, but none of its task instances is failed. {timeout or ''}".strip()
        return f"{name} is {run['state']}; none of its task instances failed."
    first = failures[0]
    errors = first["errors"]
    said = errors[0].get("message") or errors[0]["error"] if errors else "its log could not be read"
    many = f" ({first['failed']} instances)" if first["failed"] > 1 else ""
    text = f"`{first['task_id']}`{many} failed first: {cut(said, 300)}."
    if len(failures) + others > 1:
        text += f" {len(failures) + others - 1} more task(s) failed."
    if blocked and blocked.get("task_instances"):
        text += f" {blocked['task_instances']} task instance(s) downstream did not run."
    return text


def _next_steps(run: Row, failures: Sequence[Row], groups: Sequence[Sequence[Row]]) -> list[Row]:
    steps = []
    where = {"dag_id": run["dag_id"], "dag_run_id": run["dag_run_id"]}
    if groups:
        example = groups[0][0]
        errors = failures[0]["errors"]
        call = {**target(example), "try_number": example.get("try_number")}
        if errors:
            call |= errors[0]["example"]
        steps.append(step("get_task_logs", "the whole story", **call))
        task_ids = [rows[0]["task_id"] for rows in groups]
        steps.append(
            step(
                "clear_task_instances",
                "run them again once the cause is mended",
                **where,
                task_ids=task_ids[:10],
                only_failed=True,
                include_downstream=True,
            )
        )
        if errors and errors[0].get("code"):
            steps.append(step("get_dag", "the code", dag_id=run["dag_id"], include=["source"]))
    if run["state"] in {"queued", "running"}:
        steps.append(step("explain_waiting", "what it waits for", **where))
    return steps


async def _timeout(airflow: Airflow, run: Row) -> str | None:
    """Return the sentence that explains a failed run without a failed task, if its time was up."""
    dag = await try_get(airflow, path("dags/{}/details", run["dag_id"]))
    limit = None if isinstance(dag, Unread) else dag.get("dag_run_timeout") or dag.get("dagrun_timeout")
    taken = run_times(run).duration
    if isinstance(limit, dict):
        limit = (limit.get("days") or 0) * 86400 + (limit.get("seconds") or 0)
    if isinstance(limit, (int, float)) and limit and taken is not None and taken >= limit:
        return f"It took {taken:.0f} s, and its dagrun_timeout is {limit:.0f} s."
    return None


def _fit(shown: Row) -> Row:
    """Leave details out, the least telling first, until the diagnosis has its size."""

    def shorten_diff() -> None:
        if shown.get("changed") and "source_diff" in shown["changed"]:
            shown["changed"]["source_diff"] = cut(shown["changed"]["source_diff"], 500)

    def later_code() -> None:
        for failure in shown["failures"]:
            for error in failure["errors"][1:]:
                error.pop("code", None)

    def later_errors() -> None:
        for failure in shown["failures"][1:]:
            del failure["errors"][1:]

    def messages() -> None:
        for failure in shown["failures"]:
            for error in failure["errors"]:
                error.pop("caused_by", None)
                if "message" in error:
                    error["message"] = cut(error["message"], 160)
                error["code"] = [cut(line, 120) for line in error.get("code", [])[-2:]]

    def last_failures() -> None:
        del shown["failures"][2:]

    def differences() -> None:
        shown["changed"] = None

    cuts: Sequence[Callable[[], None]] = (
        shorten_diff,
        later_code,
        later_errors,
        messages,
        last_failures,
        differences,
    )
    for shorten in cuts:
        if len(json.dumps(shown, ensure_ascii=False, separators=(",", ":"))) <= MAX_CHARS:
            return shown
        shorten()
        shown["truncated"] = True
        shown["hint"] = "Shortened; get_task_logs and compare_dag_runs show the rest."
    return shown


@tool(access="read", open_world=True)
async def diagnose_dag_run(
    airflow: Airflow,
    dag_id: DagId,
    dag_run_id: Annotated[str, Field(description="Dag run ID or latest_failed.")] = "latest_failed",
) -> Diagnosis:
    """Say why a Dag run failed.

    The root cause with its exception, what went wrong or broke, what changed, what is blocked.
    """
    run = await _find_run(airflow, dag_id, dag_run_id)
    dag_run_id = run["dag_run_id"]
    unchecked: dict[str, str] = {}
    counts, rows = await count_states(airflow, dag_id, dag_run_id)
    failed = [row for row in rows if row["state"] == "failed"]
    if not rows and counts.get("failed"):
        route = path("dags/{}/dagRuns/{}/taskInstances", dag_id, dag_run_id)
        failed, total = await read_pages(
            airflow, route, "task_instances", FAILED_PAGES, state="failed", order_by="end_date"
        )
        if total > len(failed):
            unchecked["failed"] = f"{len(failed)} of the {total} failed task instances were looked at."
    failed.sort(key=lambda row: (ended(row), row["task_id"], row.get("map_index") or 0))
    groups = list(group_by_task(failed).values())
    shown = groups[:SHOWN_TASKS]
    read, _, why = await read_failures(airflow, in_turn(shown), LogBudget(LOG_READS, LOG_CALLS))
    read = await _with_code(airflow, run, read, unchecked)
    failures = [
        _task_failure(
            airflow,
            group,
            counts["failed"] if len(groups) == 1 else len(group),
            [o for o in read if o.task_id == group[0]["task_id"]],
            why,
        )
        for group in shown
    ]
    await _scheduler_says(airflow, run, failures, unchecked)
    changed = await find_changes(airflow, run, [group[0] for group in shown], unchecked)
    names = {group[0]["task_id"] for group in groups}
    blocked = await _blocked(airflow, run, rows, counts, names, unchecked)
    timeout = await _timeout(airflow, run) if run["state"] == "failed" and not failed else None
    if len(groups) > len(shown):
        unchecked["more_failed_tasks"] = ", ".join(sorted(g[0]["task_id"] for g in groups[SHOWN_TASKS:])[:20])
    diagnosis: Row = {
        "dag_id": dag_id,
        "dag_run_id": dag_run_id,
        "state": run["state"],
        "summary": _summary(run, failures, len(groups) - len(shown), blocked, timeout),
        "run": {
            key: value
            for key in ("run_type", "logical_date", "start_date", "end_date", "duration")
            if (value := run.get(key)) is not None
        },
        "task_counts": counts,
        "failures": failures,
        "changed": changed,
        "blocked": blocked,
        "next_steps": _next_steps(run, failures, groups),
        "unchecked": {key: cut(value, 300) for key, value in unchecked.items()} or None,
        "ui_url": airflow.page_url(dag_id, dag_run_id),
    }
    return Diagnosis(**_fit(diagnosis))
