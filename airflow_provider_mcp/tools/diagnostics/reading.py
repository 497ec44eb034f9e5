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
"""Bounded reads of Airflow's REST API that several tools share."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from pydantic import ConfigDict

from airflow_provider_mcp.sdk import JSON, Airflow, Result, path
from airflow_provider_mcp.tools.diagnostics.clusters import Occurrence
from airflow_provider_mcp.tools.diagnostics.exceptions import Failure
from airflow_provider_mcp.tools.diagnostics.tracebacks import find_failure
from airflow_provider_mcp.tools.shared.reads import Row, Unread, try_get
from airflow_provider_mcp.tools.shared.regions import pick_region

LOG_TAIL = 2000
"""Lines from the end of a log in which the exception is looked for."""

LOG_PAGES = 5
"""Calls for one log: handlers that page give a thousand lines a call."""

LOG_SECONDS = 25
"""A request must end within 55 s: after so long, no further log is begun."""


UNFINISHED: JSON = {"event": ""}
"""Stands at the end of a log that was not read to its end."""


class Report(Result):
    """A result of which only the main parts are declared: a schema is paid for with each list of tools."""

    model_config = ConfigDict(extra="allow")


@dataclass
class LogBudget:
    """How many logs, and how many calls for them, a tool may still read."""

    reads: int
    calls: int
    until: float = field(default_factory=lambda: time.monotonic() + LOG_SECONDS)
    tails: dict[tuple[JSON, ...], list[JSON] | Unread] = field(default_factory=dict)
    """The logs that were read: no log is read twice."""

    @property
    def spent(self) -> bool:
        return self.reads <= 0 or self.calls <= 0 or time.monotonic() > self.until

    def find_tail(self, row: Row) -> list[JSON] | None:
        """Return the end of a log that was read before."""
        tail = self.tails.get(_name_try(row))
        return None if isinstance(tail, Unread) else tail


def _name_try(row: Row) -> tuple[JSON, ...]:
    names = ("dag_id", "dag_run_id", "task_id", "map_index", "region_id", "region_index", "try_number")
    return tuple(row.get(name) for name in names)


async def read_tail(airflow: Airflow, row: Row, budget: LogBudget) -> list[JSON] | Unread:
    """Return the last lines of a task instance's log; of a long log that pages, the first pages' end."""
    key = _name_try(row)
    if key in budget.tails:
        return budget.tails[key]
    budget.reads -= 1
    tail = await _read_tail(airflow, row, budget)
    budget.tails[key] = tail
    return tail


async def _read_tail(airflow: Airflow, row: Row, budget: LogBudget) -> list[JSON] | Unread:
    route = path(
        "dags/{}/dagRuns/{}/taskInstances/{}/logs/{}",
        row["dag_id"],
        row["dag_run_id"],
        row["task_id"],
        max(1, int(row.get("try_number") or 1)),
    )
    index = row.get("map_index")
    query: Row = {"full_content": "true", "map_index": -1 if index is None else index, **pick_region(row)}
    tail: list[JSON] = []
    for _ in range(LOG_PAGES):
        if budget.calls <= 0:
            return Unread("the log is longer than what one call may read")
        budget.calls -= 1
        answer = await try_get(airflow, route, query)
        if isinstance(answer, Unread):
            return answer
        content = answer.get("content") or []
        lines = content if isinstance(content, list) else str(content).splitlines()
        tail = (tail + lines[-LOG_TAIL:])[-LOG_TAIL:]
        token = answer.get("continuation_token")
        if not lines or not token or token == query.get("token"):
            return tail
        query = {**query, "token": token}
    return [*tail, UNFINISHED]


async def read_failure(airflow: Airflow, row: Row, budget: LogBudget) -> Failure | Unread | None:
    """Return what ended a failed task instance, from the end of its log; None if that names nothing."""
    tail = await read_tail(airflow, row, budget)
    if isinstance(tail, Unread):
        return tail
    found = find_failure(tail)
    if found is None and tail and tail[-1] is UNFINISHED:
        return Unread(f"no exception in the first {LOG_PAGES} pages of the log")
    return found


def in_turn(groups: Sequence[Sequence[Row]]) -> list[Row]:
    """Return the rows of all groups: the first of each, then the second of each, and so on."""
    longest = max((len(group) for group in groups), default=0)
    return [group[at] for at in range(longest) for group in groups if at < len(group)]


async def read_failures(
    airflow: Airflow, rows: Sequence[Row], budget: LogBudget
) -> tuple[list[Occurrence], list[Row], str | None]:
    """Read the failures of task instances as far as the budget goes: ``(read, not read, why not)``."""
    found: list[Occurrence] = []
    left: list[Row] = []
    why: str | None = None
    for row in rows:
        if budget.spent:
            left.append(row)
            why = why or "at most so many logs are read in one call"
            continue
        failure = await read_failure(airflow, row, budget)
        if isinstance(failure, Unread):
            left.append(row)
            why = why or failure.why
        else:
            found.append(occurrence(row, failure))
    return found, left, why


def occurrence(row: Row, failure: Failure | None) -> Occurrence:
    index = row.get("map_index")
    return Occurrence(
        row["dag_id"],
        row["dag_run_id"],
        row["task_id"],
        -1 if index is None else int(index),
        int(row.get("try_number") or 0),
        ended(row),
        failure,
        str(row.get("state") or "failed"),
    )


def ended(row: Row) -> str:
    """Return when a task instance ended, or else began; empty if it did neither."""
    return str(row.get("end_date") or row.get("start_date") or "")


def group_by_task(rows: Sequence[Row]) -> dict[tuple[str, str], list[Row]]:
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["dag_id"], row["task_id"]), []).append(row)
    return groups


def cut(text: str, most: int) -> str:
    """Return a text of at most ``most`` characters."""
    return text if len(text) <= most else text[: most - 1] + "…"


def target(row: Row | Occurrence) -> Row:
    """Return the arguments that name a task instance."""
    if isinstance(row, Occurrence):
        identity: Row = {"dag_id": row.dag_id, "dag_run_id": row.dag_run_id, "task_id": row.task_id}
        index = row.map_index
    else:
        identity = {name: row[name] for name in ("dag_id", "dag_run_id", "task_id")}
        identity |= pick_region(row)
        index = -1 if row.get("map_index") is None else int(row["map_index"])
    if index >= 0:
        identity["map_index"] = index
    return identity


def step(tool: str, why: str | None = None, **arguments: JSON) -> Row:
    """Return a next step: a tool call and what it is for."""
    call: Row = {"tool": tool, "arguments": {k: v for k, v in arguments.items() if v is not None}}
    if why:
        call["why"] = why
    return call
