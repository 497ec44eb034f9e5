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
"""What is shown of the failures of one task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from airflow_provider_mcp.sdk import Airflow, JSONObject, path
from airflow_provider_mcp.tools.diagnostics.changes import get_version
from airflow_provider_mcp.tools.diagnostics.clusters import Cluster, Occurrence, cluster
from airflow_provider_mcp.tools.diagnostics.exceptions import Failure, Frame, add_code, classify, walk
from airflow_provider_mcp.tools.diagnostics.log_lines import MOST_WARNINGS, find_shell_warnings
from airflow_provider_mcp.tools.diagnostics.reading import LogBudget, cut, ended
from airflow_provider_mcp.tools.shared.reads import Unread, try_get
from airflow_provider_mcp.tools.shared.rows import TOOL_CALL_EVENT

Row = JSONObject

SHOWN_ERRORS = 3

LISTED_INDEXES = 5

SHOWN_MEMBERS = 5

# The events that the scheduler writes into the audit log when it ends a task itself.
_SCHEDULER_EVENTS = frozenset(
    {
        "heartbeat timeout",
        "state mismatch",
        "stuck in queued reschedule",
        "stuck in queued tries exceeded",
    }
)


async def add_source_code(
    airflow: Airflow, run: Row, read: list[Occurrence], unchecked: dict[str, str]
) -> list[Occurrence]:
    """Add the code to tracebacks that name lines only, as Airflow 3's do, from the Dag's own file."""
    failures = [failure for one in read if one.failure for failure in walk(one.failure)]
    if all(frame.code for failure in failures for frame in failure.user_frames):
        return read
    dag = await try_get(airflow, path("dags/{}", run["dag_id"]))
    query = {"version_number": get_version(run)} if get_version(run) is not None else {}
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


def show_error(airflow: Airflow, group: Cluster) -> Row:
    """Return what failures of one kind have in common, with the first as an example."""
    first = group.first
    example: Row = {"try_number": first.try_number}
    row: Row = {
        "error": cut(group.signature, 300),
        "kind": classify(first.failure),
        "count": len(group.occurrences),
    }
    if first.map_index >= 0:
        example["map_index"] = first.map_index
        indexes = [one.map_index for one in group.occurrences]
        row["map_indexes"] = indexes[:LISTED_INDEXES]
        if len(indexes) > LISTED_INDEXES:
            row["map_indexes_listed"] = f"{LISTED_INDEXES} of {len(indexes)}"
    if first.failure is not None:
        row |= _show_failure(first.failure)
    row["example"] = example
    row["ui_url"] = airflow.page_url(first.dag_id, first.dag_run_id, first.task_id, first.map_index)
    return row


def _show_failure(failure: Failure) -> Row:
    row: Row = {"message": cut(failure.text, 400)}
    if failure.cause:
        row["caused_by"] = cut(failure.cause, 300)
        row["caused_by_code"] = _show_frames(failure.source.user_frames[-2:])
    if failure.members:
        row["exceptions"] = [_show_member(member) for member in failure.members[:SHOWN_MEMBERS]]
        if len(failure.members) > SHOWN_MEMBERS:
            row["exceptions_listed"] = f"{SHOWN_MEMBERS} of {len(failure.members)}"
    row["code"] = _show_frames(failure.user_frames)
    if failure.end is not None:
        row |= failure.end.describe()
    return {name: value for name, value in row.items() if value != []}


def _show_member(member: Failure) -> str:
    frames = _show_frames(member.source.user_frames[-1:])
    return cut(member.text, 200) + (f" ({frames[0]})" if frames else "")


def _show_frames(frames: Sequence[Frame]) -> list[str]:
    return [cut(str(frame), 200) for frame in frames]


def show_task_failure(
    airflow: Airflow,
    rows: Sequence[Row],
    failed: int,
    of: int | None,
    read: Sequence[Occurrence],
    why: str | None,
    budget: LogBudget,
) -> Row:
    """Return what is shown of one task's failures, which are given first one first.

    :param of: How many instances a mapped task has.
    :param why: Why not all logs were read.
    """
    first = rows[0]
    groups = cluster(read)
    row: Row = {"task_id": first["task_id"], "failed": failed}
    if of is not None:
        row["of"] = of
    row |= {
        "first_failed_at": ended(first),
        "tries": f"{first.get('try_number')} of {int(first.get('max_tries') or 0) + 1}",
        "operator": first.get("operator_name") or first.get("operator"),
        "errors": [show_error(airflow, group) for group in groups[:SHOWN_ERRORS]],
    }
    if len(groups) > SHOWN_ERRORS:
        row["more_errors"] = len(groups) - SHOWN_ERRORS
    warnings = _read_shell_warnings(first, budget)
    if warnings:
        row["log_warns"] = warnings[:MOST_WARNINGS]
        if len(warnings) > MOST_WARNINGS:
            row["log_warnings"] = len(warnings)
    if len(read) < failed:
        row["logs_read"] = len(read)
        row["logs_not_read"] = failed - len(read)
        row["not_read_because"] = cut(why or "at most so many logs are read in one call", 200)
    return row


def _read_shell_warnings(row: Row, budget: LogBudget) -> list[str]:
    tail = budget.find_tail(row)
    return [] if tail is None else [cut(line, 300) for line in find_shell_warnings(tail)]


async def add_scheduler_events(airflow: Airflow, run: Row, failures: Sequence[Row], unchecked: Row) -> None:
    """Add what the scheduler wrote of tasks whose log names no exception, to these failures."""
    silent: Mapping[str, Row] = {
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
        failure = silent.get(row.get("task_id"))
        if failure is not None and row.get("event") in _SCHEDULER_EVENTS:
            lines = failure.setdefault("scheduler_says", [])
            if len(lines) < SHOWN_ERRORS:
                lines.append(cut(f"{row['event']}: {row.get('extra') or ''}", 300))
