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
"""What failed across all Dags, grouped by cause."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import Annotated, ClassVar

import pydantic
from pydantic import Field

from airflow_provider_mcp.sdk import (
    JSON,
    Airflow,
    Cursor,
    InvalidArgument,
    JSONObject,
    Page,
    Time,
    decode_cursor,
    encode_cursor,
    tool,
)
from airflow_provider_mcp.tools.diagnostics.clusters import Occurrence, cluster
from airflow_provider_mcp.tools.diagnostics.failure_groups import (
    attribute_unread,
    is_new,
    join_runs,
    order_groups,
    order_rows,
    show_group,
)
from airflow_provider_mcp.tools.diagnostics.other_runs import names_other_dag
from airflow_provider_mcp.tools.diagnostics.reading import (
    LogBudget,
    Report,
    cut,
    group_by_task,
    read_failures,
    step,
    target,
)
from airflow_provider_mcp.tools.diagnostics.statistics import seconds
from airflow_provider_mcp.tools.shared.matching import fetch_matching
from airflow_provider_mcp.tools.shared.reads import PAGE, Unread, list_instances, try_get

Row = JSONObject

FAILURE_PAGES = 5

EARLIER_PAGES = 2

LOG_READS = 20

LOG_CALLS = 30

EARLIER_READS = 10

EARLIER_CALLS = 15

JOIN_CALLS = 8

SHOWN_CLUSTERS = 10

MAX_CHARS = 7500
"""Of the groups on a page: with what is beside them about 2,500 tokens."""

QUEUED_TOO_LONG = 600
"""Seconds after which a run that is due, and still queued, is told of."""

MAX_WINDOW = timedelta(days=92)

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_LENGTH = re.compile(
    r"(?:last )?(\d{1,6}) ?(m|h|d|w)(?:in|ins|inutes?|rs?|ours?|ays?|eeks?)?(?: ago)?", re.IGNORECASE
)
_TIME: pydantic.TypeAdapter[str] = pydantic.TypeAdapter(Time)


class Failures(Report):
    failed: int
    clusters: list[JSON]
    next_steps: list[JSON]


class _Dags(Page):
    items_field: ClassVar[str] = "dags"
    dags: list[JSONObject]


def window(since: str, now: datetime) -> tuple[datetime, datetime]:
    """Return where a window that ends now begins, and where the window before it begins.

    :param since: A length (``90m``, ``24h``, ``7d``) or an ISO 8601 time.
    :raises ToolError: ``invalid_argument``.
    """
    hint = "Give a length such as 90m, 24h or 7d, or an ISO 8601 time, of at most 92 days."
    found = _LENGTH.fullmatch(since.strip())
    try:
        if found:
            begin = now - timedelta(**{_UNITS[found[2].lower()]: int(found[1])})
        else:
            begin = datetime.fromisoformat(_TIME.validate_python(since).replace("Z", "+00:00"))
    except (ValueError, OverflowError):
        raise InvalidArgument(f"since is no time: {cut(since, 50)}.", hint=hint) from None
    if not timedelta(0) < now - begin <= MAX_WINDOW:
        raise InvalidArgument(f"since is out of range: {cut(since, 50)}.", hint=hint)
    return begin, begin - (now - begin)


async def _find_dag_ids(airflow: Airflow, pattern: str | None, unchecked: dict[str, str]) -> list[str] | None:
    """Return the Dags whose ID holds a plain text; None if all are meant."""
    if pattern is None:
        return None
    rows, total, _, hint = await fetch_matching(
        _Dags,
        airflow,
        "dags",
        text=pattern,
        field="dag_id",
        parameter="dag_id_pattern",
        params={},
        limit=PAGE,
        cursor=None,
    )
    if hint:
        unchecked["dag_pattern"] = hint
    if total > len(rows):
        unchecked["dags"] = f"{len(rows)} of {total} such Dags were looked at."
    return [row["dag_id"] for row in rows]


@tool(access="read", open_world=True)
async def find_failures(
    airflow: Airflow,
    since: Annotated[str, Field(description="90m, 24h, 7d or an ISO 8601 time.")] = "24h",
    dag_pattern: Annotated[str | None, Field(description="Part of the Dag IDs.")] = None,
    cursor: Cursor = None,
) -> Failures:
    """Find what failed, crashed or broke across all Dags since yesterday or overnight.

    Errors grouped, those that hit most Dags first, new ones marked.
    """
    now = datetime.now(timezone.utc)
    begin, before = window(since, now)
    offset = int(decode_cursor(cursor).get("offset", 0))
    unchecked: dict[str, str] = {}
    dag_ids = await _find_dag_ids(airflow, dag_pattern, unchecked)
    if dag_ids == []:
        return Failures(failed=0, clusters=[], next_steps=[], hint="No Dag fits dag_pattern.")
    filters: Row = {"dag_ids": dag_ids, "state": ["failed", "up_for_retry"], "order_by": "-end_date"}
    rows, total = await list_instances(airflow, FAILURE_PAGES, **filters, end_date_gte=begin.isoformat())
    failed, retrying = await _count_failed(
        airflow, rows, total, {**filters, "end_date_gte": begin.isoformat()}
    )
    budget = LogBudget(LOG_READS, LOG_CALLS)
    # Those that may only pass on another failure come first: a log that is not read is joined with nothing.
    parents = {(row["dag_id"], row["task_id"]) for row in rows if names_other_dag(row)}
    read, left, why = await read_failures(airflow, order_rows(rows, parents), budget)
    presumed, unknown = attribute_unread(read, left)
    budget.calls += JOIN_CALLS
    read = await join_runs(airflow, rows, read, budget)
    if total > len(rows):
        unchecked["failures"] = f"{len(rows)} of the {total} failures were looked at."
    if unknown:
        unchecked["logs"] = f"The error of {unknown} failures is not known: {cut(why or '', 200)}."
    earlier, earlier_left, missing = await _read_earlier(
        airflow, filters, before, begin, rows if read else [], budget.until
    )
    if missing:
        unchecked["new"] = missing
    groups = order_groups(cluster(read), presumed)
    first_rows = [
        show_group(
            airflow,
            group,
            presumed.get(group.signature, 0),
            None if missing else is_new(group, earlier, earlier_left),
        )
        for group in groups[offset : offset + SHOWN_CLUSTERS]
    ]
    while len(first_rows) > 1 and len(json.dumps(first_rows, ensure_ascii=False)) > MAX_CHARS:
        # The rest is on the next page.
        first_rows.pop()
    end = offset + len(first_rows)
    found: Row = {
        "since": begin.isoformat(timespec="seconds"),
        "failed": failed,
        "retrying": retrying or None,
        "failed_runs": await _count_runs(airflow, dag_ids, begin),
        "clusters_total": len(groups),
        "clusters": first_rows,
        "next_cursor": encode_cursor(offset=end) if end < len(groups) else None,
        "beside": await _look_beside(airflow, begin, now, unchecked)
        if dag_ids is None and not offset
        else None,
        "unchecked": unchecked or None,
        "next_steps": _list_steps(groups[offset].example) if offset < len(groups) else [],
    }
    return Failures(**found)


def _list_steps(example: Occurrence) -> list[Row]:
    return [
        step("get_task_logs", **target(example), try_number=example.try_number),
        step("diagnose_dag_run", dag_id=example.dag_id, dag_run_id=example.dag_run_id),
    ]


async def _count_failed(airflow: Airflow, rows: Sequence[Row], total: int, filters: Row) -> tuple[int, int]:
    """Count the failed task instances, and apart from them those that are to be tried again."""
    if total <= len(rows):
        failed = sum(row["state"] == "failed" for row in rows)
        return failed, len(rows) - failed
    _, failed = await list_instances(airflow, 1, **{**filters, "state": ["failed"]})
    return failed, total - failed


async def _count_runs(airflow: Airflow, dag_ids: Sequence[str] | None, begin: datetime) -> int | None:
    if dag_ids is not None:
        return None
    query = {"state": "failed", "end_date_gte": begin.isoformat(), "limit": 1}
    answer = await try_get(airflow, "dags/~/dagRuns", query)
    return None if isinstance(answer, Unread) else int(answer["total_entries"])


async def _look_beside(airflow: Airflow, begin: datetime, now: datetime, unchecked: Row) -> Row | None:
    """Return what is wrong beside failed tasks, a line each: files not imported, runs that hang or wait."""
    beside: Row = {}
    errors = await try_get(airflow, "importErrors", {"limit": 3, "order_by": "-timestamp"})
    if isinstance(errors, Unread):
        unchecked["import_errors"] = errors.why
    elif errors["total_entries"]:
        files = ", ".join(str(row.get("filename")).rsplit("/", 1)[-1] for row in errors["import_errors"])
        text = f"{errors['total_entries']} file(s) could not be imported, the newest: {files}"
        beside["import_errors"] = text
    running = {"state": "running", "order_by": "start_date", "start_date_lte": begin.isoformat()}
    queued = {"state": "queued", "order_by": "run_after"}
    for name, query in (("running_runs", running), ("queued_runs", queued)):
        answer = await try_get(airflow, "dags/~/dagRuns", {**query, "limit": 1})
        if isinstance(answer, Unread):
            unchecked[name] = answer.why
            continue
        for oldest in answer["dag_runs"]:
            due = seconds(oldest.get("run_after"))
            if name == "queued_runs" and (due is None or now.timestamp() - due < QUEUED_TOO_LONG):
                continue
            words = "are queued" if name == "queued_runs" else "are running since before this window"
            which = f"`{oldest['dag_run_id']}` of `{oldest['dag_id']}`"
            beside[name] = f"{answer['total_entries']} run(s) {words}, the oldest: {which}"
    return beside or None


async def _read_earlier(
    airflow: Airflow, filters: Row, before: datetime, begin: datetime, rows: Sequence[Row], until: float
) -> tuple[list[Occurrence], list[Row], str | None]:
    """Read the failures of the window before: ``(read, not read, why nothing can be said of it)``.

    :param rows: The failures of the window itself.
    :param until: When the time for logs is up.
    """
    if not rows:
        return [], [], None
    found, total = await list_instances(
        airflow,
        EARLIER_PAGES,
        **filters,
        end_date_gte=before.isoformat(),
        end_date_lte=(begin - timedelta(microseconds=1)).isoformat(),
    )
    if not total and not await _ran_between(airflow, before, begin):
        return [], [], "No run ended in the window before: there is nothing to compare with."
    if total > len(found):
        return [], [], f"The window before has {total} failures: too many to compare."
    order = order_rows(found, set(group_by_task(rows)))
    read, left, _ = await read_failures(airflow, order, LogBudget(EARLIER_READS, EARLIER_CALLS, until))
    return read, left, None


async def _ran_between(airflow: Airflow, before: datetime, begin: datetime) -> bool:
    """Return whether any run ended in the window before; True if that cannot be told."""
    query = {"end_date_gte": before.isoformat(), "end_date_lte": begin.isoformat(), "limit": 1}
    answer = await try_get(airflow, "dags/~/dagRuns", query)
    return isinstance(answer, Unread) or bool(answer["total_entries"])
