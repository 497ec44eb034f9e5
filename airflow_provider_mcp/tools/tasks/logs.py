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
"""``get_task_logs``: a task's log, its end first."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar

import anyio
from pydantic import Field, PrivateAttr

from airflow_provider_mcp.sdk import (
    Airflow,
    Client,
    NotFound,
    Page,
    decode_cursor,
    encode_cursor,
    tool,
)
from airflow_provider_mcp.tools.patterns import compile_pattern
from airflow_provider_mcp.tools.shared.arguments import (
    DagId,
    Iteration,
    MapIndex,
    ReadRunId,
    RegionId,
    RegionIndex,
    TaskId,
)
from airflow_provider_mcp.tools.shared.instances import get_instance, instance_route
from airflow_provider_mcp.tools.shared.latest import find_run_id
from airflow_provider_mcp.tools.shared.regions import find_region, read_iteration
from airflow_provider_mcp.tools.tasks.log_lines import Line, count_fitting
from airflow_provider_mcp.tools.tasks.log_reading import read_log, stream_log, streams_log
from airflow_provider_mcp.tools.tasks.log_window import Level, Row, Window, number_lines

if TYPE_CHECKING:
    from typing_extensions import Self

LOG_SECONDS = 30
"""How long one call searches a log."""

MAX_LOG_CHARS = 28_000
"""What one call returns of a log: with its times and names, some 9,000 tokens."""

Context = Annotated[int, Field(ge=0, le=50, description="Lines around each match.")]


class Logs(Page):
    items_field: ClassVar[str] = "lines"
    dag_id: str
    dag_run_id: str
    task_id: str
    map_index: int | None = None
    iteration: int | None = None
    try_number: int
    state: str | None = None
    lines: list[Line]
    last_error: list[Line] | None = None
    ui_url: str
    _rows: Sequence[Row] = PrivateAttr(default_factory=list)
    _error: list[Line] = PrivateAttr(default_factory=list)
    _error_at: int = PrivateAttr(0)

    def keep(self, count: int) -> Self:
        """Return a copy with the last lines: the end of a log says why it ended."""
        page = self.model_copy()
        page._rows = self._rows[len(self._rows) - count :]
        page._error, page._error_at = self._error, self._error_at
        page.truncated = True
        page.show_rows()
        return page

    def show_rows(self) -> None:
        """Fill in the lines, and how to get those before them."""
        self.lines = number_lines(self._rows)
        first = next((row for row in self._rows if row.is_match), None)
        self.offset = first.position if first else 0
        self.next_cursor = encode_cursor(before=self.offset) if self.offset > 0 else None
        hints = ["Earlier lines: pass next_cursor."] if self.next_cursor else []
        if any("folded" in row.line for row in self._rows):
            hints.append("Lines of Airflow itself are folded; grep . shows each line.")
        self.hint = " ".join(hints) or None
        self.last_error = self._error if self._error and self._error_at < self.offset else None


@tool(access="read", open_world=True)
async def get_task_logs(
    airflow: Airflow,
    client: Client,
    dag_id: DagId,
    dag_run_id: ReadRunId,
    task_id: TaskId,
    map_index: MapIndex = -1,
    region_id: RegionId = None,
    region_index: RegionIndex = None,
    iteration: Iteration = None,
    try_number: Annotated[int | None, Field(ge=1, description="The latest if left out.")] = None,
    tail: Annotated[int, Field(ge=1, le=5000, description="Lines from the end.")] = 200,
    grep: Annotated[str | None, Field(description="Only lines that match this regular expression.")] = None,
    context: Context = 0,
    level: Annotated[Level | None, Field(description="This level and above.")] = None,
    cursor: Annotated[str | None, Field(description="next_cursor, for earlier lines.")] = None,
) -> Logs:
    """Get the log output of a task.

    What it printed, its stack trace; the end first, next_cursor for earlier lines.
    """
    pattern = compile_pattern(grep) if grep else None
    before = decode_cursor(cursor).get("before")
    dag_run_id = await find_run_id(airflow, dag_id, dag_run_id)
    region = await find_region(
        airflow,
        dag_id,
        dag_run_id,
        task_id,
        region_id=region_id,
        region_index=region_index,
        iteration=iteration,
    )
    instance = instance_route(dag_id, dag_run_id, task_id)
    found = await get_instance(airflow, dag_id, dag_run_id, task_id, map_index, region)
    latest = int(found.get("try_number") or 0)
    number = try_number or latest
    if number < 1 or number > latest:
        raise NotFound(
            f"`{task_id}` has had {latest} tries in `{dag_run_id}`: there is no log of try {max(number, 1)}.",
            hint="It has not started yet." if latest == 0 else f"Ask for a try from 1 to {latest}.",
            dag_id=dag_id,
            dag_run_id=dag_run_id,
            task_id=task_id,
            did_you_mean=[],
        )
    window = Window(
        tail=tail, seconds=LOG_SECONDS, level=level, pattern=pattern, context=context, before=before
    )
    read = stream_log if streams_log(airflow, found, number) else read_log
    pages = read(airflow, f"{instance}/logs/{number}", {"map_index": map_index, **region})
    async with contextlib.aclosing(pages):
        async for entries in pages:
            if window.total:
                await client.progress(window.total, message=f"{window.total} lines read.")
            await anyio.to_thread.run_sync(window.take, entries)
    logs = Logs(
        dag_id=dag_id,
        dag_run_id=dag_run_id,
        task_id=task_id,
        map_index=map_index if map_index >= 0 else None,
        iteration=read_iteration(found),
        try_number=number,
        state=found.get("state"),
        total=window.total,
        lines=[],
        ui_url=airflow.page_url(dag_id, dag_run_id, task_id, map_index),
    )
    logs._rows = list(window.rows)
    if before is None and pattern is None:
        logs._error, logs._error_at = window.error, window.error_at
    logs.show_rows()
    fitting = count_fitting(logs.lines, MAX_LOG_CHARS)
    return logs.keep(fitting) if fitting < len(logs.lines) else logs
