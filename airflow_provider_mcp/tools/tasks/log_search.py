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
"""``search_logs``: a text in the logs of all tasks, map indexes and tries of a run.

Each log is read as a stream and forgotten: at most ``LOG_CHUNK`` lines of one log and the last matches of
``MOST_LOGS_SHOWN`` logs are in memory at once, whatever the run has written. A run of 200 logs of 1 MB takes
some seconds; after ``SEARCH_SECONDS`` what has not been searched is named.
``tests/unit/tools/tasks/test_search_logs.py`` measures time and memory.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field
from typing import Annotated

import anyio.to_thread
from pydantic import Field

from airflow_provider_mcp.sdk import Airflow, Client, JSONObject, Result, ToolError, path, tool
from airflow_provider_mcp.tools.patterns import Pattern, compile_pattern, find_required_text
from airflow_provider_mcp.tools.shared.arguments import DagId, ReadRunId
from airflow_provider_mcp.tools.shared.instances import instance_route
from airflow_provider_mcp.tools.shared.latest import find_run_id
from airflow_provider_mcp.tools.shared.reads import read_pages
from airflow_provider_mcp.tools.shared.regions import pick_region
from airflow_provider_mcp.tools.shared.rows import drop_empty, name_instance
from airflow_provider_mcp.tools.tasks.log_lines import count_fitting
from airflow_provider_mcp.tools.tasks.log_reading import (
    decode_lines,
    read_log,
    stream_raw,
    streams_log,
)
from airflow_provider_mcp.tools.tasks.log_window import Window, number_lines

SEARCH_SECONDS = 40
"""How long one call searches: a request must end within 55 s."""

MOST_LOGS = 500

MATCHES_SHOWN = 10
"""Matches that are shown of one log, its last ones."""

MOST_LOGS_SHOWN = 25
"""Logs of which matches are shown; of the others they are counted."""

MOST_CHARS = 28_000
"""What is shown of all logs together."""

MOST_NAMED = 10

_PAGES = 10

_FIRST = ("failed", "up_for_retry", "running")
"""States whose logs are searched before the others."""


class FoundInLogs(Result):
    dag_id: str
    dag_run_id: str
    total: int
    """Matches in all logs that were searched."""
    searched: int
    """Logs that were searched."""
    logs: list[JSONObject]
    """The logs with matches, each with how many it has and the last of them."""
    logs_total: int
    """Logs with matches."""
    missing: dict[str, str] | None = None
    """What was not searched, and why."""
    ui_url: str


@dataclass(frozen=True)
class _Log:
    row: JSONObject
    try_number: int

    @property
    def name(self) -> str:
        return f"{name_instance(self.row)} try {self.try_number}"


@dataclass
class _Search:
    """A search through logs, which ends at a time."""

    airflow: Airflow
    pattern: Pattern
    needle: str
    """What each line that matches has in it, as it is sent; empty if that is not known."""
    context: int
    until: float = field(default_factory=lambda: time.monotonic() + SEARCH_SECONDS)

    @property
    def is_over(self) -> bool:
        return time.monotonic() > self.until

    async def search(self, log: _Log) -> Window:
        """Return the matches of a log.

        :raises ToolError: It cannot be read, or the time is over.
        """
        row = log.row
        window = Window(
            tail=MATCHES_SHOWN * (1 + 2 * self.context),
            seconds=self.until - time.monotonic(),
            pattern=self.pattern,
            context=self.context,
        )
        route = f"{instance_route(row['dag_id'], row['dag_run_id'], row['task_id'])}/logs/{log.try_number}"
        index = row.get("map_index")
        where = {"map_index": -1 if index is None else index, **pick_region(row)}
        if streams_log(self.airflow, row, log.try_number):
            async with contextlib.aclosing(stream_raw(self.airflow, route, where)) as chunks:
                async for chunk in chunks:
                    await anyio.to_thread.run_sync(self._look_through, window, chunk)
        else:
            async with contextlib.aclosing(read_log(self.airflow, route, where)) as pages:
                async for entries in pages:
                    await anyio.to_thread.run_sync(window.take, entries)
        return window

    def _look_through(self, window: Window, chunk: list[str]) -> None:
        # The rendered error of a line is not in it as a text.
        if not self.needle or any(self.needle in line or '"error_detail":' in line for line in chunk):
            window.take(decode_lines(chunk))
            return
        edge = min(self.context, len(chunk) // 2)
        window.take(decode_lines(chunk[:edge]))
        window.skip(len(chunk) - 2 * edge)
        window.take(decode_lines(chunk[len(chunk) - edge :]))


@tool(access="read", open_world=True, search_hint="which task wrote this message in its log")
async def search_logs(
    airflow: Airflow,
    client: Client,
    dag_id: DagId,
    dag_run_id: ReadRunId,
    grep: Annotated[str, Field(min_length=1, description="Regular expression.")],
    task_id: Annotated[str | None, Field(description="Only this task.")] = None,
    context: Annotated[int, Field(ge=0, le=20, description="Lines around each match.")] = 0,
) -> FoundInLogs:
    """Search all logs of a run: which task wrote this text or message in its log, in which try."""
    pattern = compile_pattern(grep)
    run_id = await find_run_id(airflow, dag_id, dag_run_id)
    logs, missing = await _list_logs(airflow, dag_id, run_id, task_id)
    search = _Search(airflow, pattern, find_required_text(grep), context)
    found: list[tuple[_Log, Window]] = []
    total = searched = 0
    failures: dict[str, str] = {}
    for number, log in enumerate(logs):
        if search.is_over:
            left = [log.name for log in logs[number:]]
            names = ", ".join(left[:MOST_NAMED]) + (", ..." if len(left) > MOST_NAMED else "")
            missing["time"] = (
                f"{len(left)} of {len(logs)} logs were not searched within {SEARCH_SECONDS} s: {names}. "
                "Give task_id."
            )
            break
        await client.progress(number, len(logs), f"{number} of {len(logs)} logs searched.")
        try:
            window = await search.search(log)
        except ToolError as refused:
            failures[log.name] = refused.message
            continue
        searched += 1
        total += window.total
        if window.total:
            found.append((log, window))
            if len(found) > MOST_LOGS_SHOWN:
                window.rows.clear()
    missing |= dict(list(failures.items())[:MOST_NAMED])
    if len(failures) > MOST_NAMED:
        missing["logs"] = f"{len(failures)} logs could not be read; {MOST_NAMED} of them are named."
    shown, cut = _show(found)
    return FoundInLogs(
        dag_id=dag_id,
        dag_run_id=run_id,
        total=total,
        searched=searched,
        logs=shown,
        logs_total=len(found),
        missing=missing or None,
        truncated=cut or None,
        hint="get_task_logs with grep shows all matches of one log." if cut else None,
        ui_url=airflow.page_url(dag_id, run_id),
    )


async def _list_logs(
    airflow: Airflow, dag_id: str, run_id: str, task_id: str | None
) -> tuple[list[_Log], dict[str, str]]:
    """Return the logs of a run, those of failed tasks first, and what is left out."""
    route = path("dags/{}/dagRuns/{}/taskInstances", dag_id, run_id)
    only = {"task_id": task_id} if task_id is not None else {}
    rows, total = await read_pages(airflow, route, "task_instances", _PAGES, **only)
    rows = [row for row in rows if task_id is None or row["task_id"] == task_id]
    if task_id is not None and not rows:
        await airflow.get(path("dags/{}/tasks/{}", dag_id, task_id))
    missing = {}
    if total > _PAGES * 100:
        missing["task instances"] = f"Only the first {_PAGES * 100} of {total} were looked at. Give task_id."
    rows.sort(key=lambda row: row.get("state") not in _FIRST)
    logs = [
        _Log({"dag_id": dag_id, "dag_run_id": run_id, **row}, try_number)
        for row in rows
        for try_number in range(int(row.get("try_number") or 0), 0, -1)
        # What was skipped, or never reached, has a try and no log.
        if row.get("start_date") or try_number > 1
    ]
    if len(logs) > MOST_LOGS:
        missing["logs"] = f"Only the first {MOST_LOGS} of {len(logs)} logs were searched. Give task_id."
    return logs[:MOST_LOGS], missing


def _show(found: list[tuple[_Log, Window]]) -> tuple[list[JSONObject], bool]:
    """Return the logs with matches as a result shows them, and whether matches are left out."""
    windows = []
    room = MOST_CHARS
    cut = False
    for log, window in found:
        rows = list(window.rows)
        lines = number_lines(rows)
        fitting = count_fitting(lines, room) if room > 0 else 0
        rows = rows[len(rows) - fitting :]
        lines = number_lines(rows)
        room -= sum(len(str(line)) for line in lines)
        matches = sum(row.is_match for row in rows)
        cut = cut or matches < window.total
        index = log.row.get("map_index")
        windows.append(
            drop_empty(
                {
                    "task_id": log.row["task_id"],
                    "map_index": index if index is not None and index >= 0 else None,
                    "try_number": log.try_number,
                    "state": log.row.get("state"),
                    "matches": window.total,
                    "lines": lines,
                }
            )
        )
    return windows, cut
