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
"""Tools that look over many runs: failures across Dags, and how a Dag fares."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import Annotated

from pydantic import Field

from airflow_provider_mcp.sdk import JSON, Airflow, InvalidArgument, JSONObject, tool
from airflow_provider_mcp.tools.diagnostics.clusters import Cluster, Occurrence, cluster
from airflow_provider_mcp.tools.diagnostics.exceptions import classify
from airflow_provider_mcp.tools.diagnostics.reading import (
    LogBudget,
    Report,
    cut,
    group_by_task,
    in_turn,
    read_failures,
    step,
    target,
)
from airflow_provider_mcp.tools.shared.reads import PAGE, Unread, list_instances, try_get

Row = JSONObject

FAILURE_PAGES = 5

EARLIER_PAGES = 2

LOG_READS = 20

LOG_CALLS = 30

EARLIER_READS = 10

EARLIER_CALLS = 15

SHOWN_CLUSTERS = 10

MAX_WINDOW = timedelta(days=92)

_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


class Failures(Report):
    failed: int
    clusters: list[JSON]
    next_steps: list[JSON]


def window(since: str, now: datetime) -> tuple[datetime, datetime]:
    """Return where a window that ends now begins, and where the window before it begins.

    :param since: A length (``90m``, ``24h``, ``7d``) or an ISO 8601 time.
    :raises ToolError: ``invalid_argument``.
    """
    hint = "Give a length such as 90m, 24h or 7d, or an ISO 8601 time, of at most 92 days."
    found = re.fullmatch(r"(\d{1,6})([mhd])", since.strip())
    try:
        if found:
            begin = now - timedelta(**{_UNITS[found[2]]: int(found[1])})
        else:
            begin = datetime.fromisoformat(since.strip().replace("Z", "+00:00"))
    except (ValueError, OverflowError):
        raise InvalidArgument(f"since is no time: {cut(since, 50)}.", hint=hint) from None
    if begin.tzinfo is None:
        begin = begin.replace(tzinfo=timezone.utc)
    if not timedelta(0) < now - begin <= MAX_WINDOW:
        raise InvalidArgument(f"since is out of range: {cut(since, 50)}.", hint=hint)
    return begin, begin - (now - begin)


async def _dag_ids(airflow: Airflow, pattern: str | None, unchecked: dict[str, str]) -> list[str] | None:
    if pattern is None:
        return None
    answer = (await airflow.get("dags", params={"dag_id_pattern": pattern, "limit": PAGE})).json()
    if answer["total_entries"] > len(answer["dags"]):
        unchecked["dags"] = f"{len(answer['dags'])} of {answer['total_entries']} such Dags were looked at."
    return [row["dag_id"] for row in answer["dags"]]


def attribute_unread(read: Sequence[Occurrence], left: Sequence[Row]) -> tuple[dict[str, int], int]:
    """Assign failures whose log was not read to the one error that their task was seen to fail with.

    Return how many each signature is presumed to have besides, and how many stay unknown.
    """
    seen: dict[tuple[str, str], set[str]] = {}
    for one in read:
        seen.setdefault((one.dag_id, one.task_id), set()).add(one.signature)
    presumed: dict[str, int] = {}
    unknown = 0
    for row in left:
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


def _shown(airflow: Airflow, group: Cluster, presumed: int, new: bool | None) -> Row:
    last = group.last
    dags = sorted({one.dag_id for one in group.occurrences})
    shown: Row = {
        "error": cut(group.signature, 300),
        "kind": classify(last.failure),
        "count": len(group.occurrences) + presumed,
        "first": group.first.when,
        "last": last.when,
        "dags": dags[:10],
        "tasks": [f"{dag_id}.{task_id}" for dag_id, task_id in group.tasks[:10]],
        "example": {
            **target(last),
            "try_number": last.try_number,
            "message": cut(last.failure.text, 300) if last.failure else None,
            "ui_url": airflow.page_url(last.dag_id, last.dag_run_id, last.task_id, last.map_index),
        },
    }
    if presumed:
        shown["presumed"] = presumed
    if new is not None:
        shown["new"] = new
    return shown


def _ordered(rows: Sequence[Row], first: set[tuple[str, str]] | None = None) -> list[Row]:
    """Return the rows in the order to read their logs in: of each task in turn, the biggest task first."""
    groups = group_by_task(rows)
    wanted = first or set()
    keys = sorted(groups, key=lambda key: (key not in wanted, -len(groups[key]), key))
    return in_turn([groups[key] for key in keys])


@tool(access="read", open_world=True)
async def find_failures(
    airflow: Airflow,
    since: Annotated[str, Field(description="90m, 24h, 7d or an ISO 8601 time.")] = "24h",
    dag_pattern: Annotated[str | None, Field(description="Part of the Dag IDs.")] = None,
) -> Failures:
    """Find what failed, crashed or broke across all Dags since yesterday or overnight.

    Errors grouped, the most common first, new ones marked.
    """
    now = datetime.now(timezone.utc)
    begin, before = window(since, now)
    unchecked: dict[str, str] = {}
    dag_ids = await _dag_ids(airflow, dag_pattern, unchecked)
    if dag_ids == []:
        return Failures(failed=0, clusters=[], next_steps=[], hint="No Dag fits dag_pattern.")
    filters: Row = {"dag_ids": dag_ids, "state": ["failed", "up_for_retry"], "order_by": "-end_date"}
    rows, total = await list_instances(airflow, FAILURE_PAGES, **filters, end_date_gte=begin.isoformat())
    budget = LogBudget(LOG_READS, LOG_CALLS)
    read, left, why = await read_failures(airflow, _ordered(rows), budget)
    presumed, unknown = attribute_unread(read, left)
    if total > len(rows):
        unchecked["failures"] = f"{len(rows)} of the {total} failures were looked at."
    if unknown:
        unchecked["logs"] = f"The error of {unknown} failures is not known: {cut(why or '', 200)}."
    earlier, earlier_left, missing = await _earlier(
        airflow, filters, before, begin, rows if read else [], budget.until
    )
    if missing:
        unchecked["new"] = missing
    clusters = sorted(
        cluster(read), key=lambda c: (-len(c.occurrences) - presumed.get(c.signature, 0), c.first.when)
    )
    shown = [
        _shown(
            airflow,
            group,
            presumed.get(group.signature, 0),
            None if missing else is_new(group, earlier, earlier_left),
        )
        for group in clusters[:SHOWN_CLUSTERS]
    ]
    if len(clusters) > SHOWN_CLUSTERS:
        unchecked["clusters"] = f"{len(clusters) - SHOWN_CLUSTERS} smaller groups are not shown."
    steps = []
    if clusters:
        last = clusters[0].last
        steps.append(step("get_task_logs", **target(last), try_number=last.try_number))
        steps.append(step("diagnose_dag_run", dag_id=last.dag_id, dag_run_id=last.dag_run_id))
    runs = None
    if dag_ids is None:
        query = {"state": "failed", "end_date_gte": begin.isoformat(), "limit": 1}
        answer = await try_get(airflow, "dags/~/dagRuns", query)
        runs = None if isinstance(answer, Unread) else int(answer["total_entries"])
    found: Row = {
        "since": begin.isoformat(timespec="seconds"),
        "failed": total,
        "failed_runs": runs,
        "clusters": shown,
        "unchecked": unchecked or None,
        "next_steps": steps,
    }
    return Failures(**found)


async def _earlier(
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
    if total > len(found):
        return [], [], f"The window before has {total} failures: too many to compare."
    order = _ordered(found, set(group_by_task(rows)))
    read, left, _ = await read_failures(airflow, order, LogBudget(EARLIER_READS, EARLIER_CALLS, until))
    return read, left, None
