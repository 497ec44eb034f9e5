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
"""Tools that read task instances and their logs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import anyio
from pydantic import BaseModel, Field

from airflow_provider_mcp.sdk import (
    Airflow,
    Client,
    Cursor,
    Limit,
    Page,
    ToolError,
    Toolset,
    decode_cursor,
    encode_cursor,
    fetch_page,
    hookimpl,
    path,
    tool,
)
from airflow_provider_mcp.tools.arguments import DagId, MapIndex, RunId, TaskId, TaskState, Time

if TYPE_CHECKING:
    from typing_extensions import Self

Level = Literal["debug", "info", "warning", "error", "critical"]
_LEVELS: Sequence[str] = ("debug", "info", "warning", "error", "critical")
MAX_LOG_PAGES = 1000
MATCHED_CHARS = 1000
"""How much of a line a pattern is matched against: what bounds the time of one match."""


class TaskInstanceRow(BaseModel):
    dag_id: str
    dag_run_id: str
    task_id: str
    map_index: int | None = None
    state: str | None = None
    try_number: int | None = None
    start_date: str | None = None
    end_date: str | None = None
    duration: float | None = None
    operator: str | None = None
    pool: str | None = None


class TaskInstances(Page):
    items_field: ClassVar[str] = "task_instances"
    task_instances: list[TaskInstanceRow]


class LogLine(BaseModel):
    time: str | None = None
    level: str | None = None
    logger: str | None = None
    event: str
    error: str | None = None


class Logs(Page):
    items_field: ClassVar[str] = "lines"
    dag_id: str
    dag_run_id: str
    task_id: str
    map_index: int | None = None
    try_number: int
    state: str | None = None
    lines: list[LogLine]
    ui_url: str

    def keep(self, count: int) -> Self:
        """Return a copy with the last lines: the end of a log says why it ended."""
        page = self.model_copy()
        page.lines = self.lines[len(self.lines) - count :]
        page._offset = self._offset + len(self.lines) - count
        page.truncated = True
        page._go_back()
        return page

    def _go_back(self) -> None:
        self.next_cursor = encode_cursor(before=self._offset) if self._offset > 0 and self.lines else None
        self.hint = "Earlier lines: pass next_cursor." if self.next_cursor else None


def _row(row: dict[str, Any]) -> TaskInstanceRow:
    shown: dict[str, Any] = {name: row.get(name) for name in TaskInstanceRow.model_fields if name in row}
    shown["operator"] = row.get("operator_name") or row.get("operator")
    if shown.get("map_index") == -1:
        del shown["map_index"]
    return TaskInstanceRow(**shown)


@tool(access="read")
async def list_task_instances(
    airflow: Airflow,
    dag_id: Annotated[str | None, Field(description="Dag ID; all if left out.")] = None,
    dag_run_id: Annotated[str | None, Field(description="Dag run ID; all if left out.")] = None,
    task_id: Annotated[str | None, Field(description="Task ID.")] = None,
    state: Annotated[TaskState | None, Field(description="State.")] = None,
    pool: Annotated[str | None, Field(description="Pool.")] = None,
    start_after: Time = None,
    start_before: Time = None,
    limit: Limit = 25,
    cursor: Cursor = None,
) -> TaskInstances:
    """List task instances, latest start first (in no order on Airflow 2)."""
    if dag_run_id is not None and dag_id is None:
        raise ToolError("invalid_argument", "dag_run_id needs dag_id.", hint="Give dag_id too.")
    params = {
        "task_id": task_id,
        "state": state,
        "pool": pool,
        "start_date_gte": start_after,
        "start_date_lte": start_before,
        "order_by": "-start_date",
    }
    rows, total, offset = await fetch_page(
        airflow,
        path("dags/{}/dagRuns/{}/taskInstances", dag_id or "~", dag_run_id or "~"),
        "task_instances",
        params=params,
        limit=limit,
        cursor=cursor,
        newest_first=True,
    )
    return TaskInstances.of([_row(row) for row in rows], total=total, offset=offset)


def _pattern(grep: str) -> re.Pattern[str]:
    """Compile a regular expression whose matching time is bounded.

    Python's matcher backtracks: a repeated group that itself repeats can take time exponential in the
    line. Such patterns, and back references, are refused.

    :raises ToolError: ``invalid_argument``.
    """
    hint = "Use a plain text or a simpler regular expression."
    if len(grep) > 200:
        raise ToolError("invalid_argument", "grep is longer than 200 characters.", hint=hint)
    if (
        re.search(r"\)\s*[*+{?]", grep)
        or re.search(r"\\[1-9]|\(\?P=", grep)
        or len(re.findall(r"[*+{]", grep)) > 3
    ):
        raise ToolError(
            "invalid_argument",
            "grep has a repeated group, a back reference or over three repetitions: it could take too long.",
            hint=hint,
        )
    try:
        return re.compile(grep)
    except re.error as wrong:
        raise ToolError(
            "invalid_argument", f"grep is not a regular expression: {wrong}.", hint=hint
        ) from None


def _traceback(details: Any) -> str | None:
    """Render Airflow 3's structured error detail as the traceback it stands for."""
    if not details:
        return None
    if not isinstance(details, list):
        return str(details)
    rendered = []
    for error in details:
        if not isinstance(error, dict):
            rendered.append(str(error))
            continue
        for frame in error.get("frames") or []:
            rendered.append(
                f'File "{frame.get("filename")}", line {frame.get("lineno")}, in {frame.get("name")}'
            )
        rendered.append(f"{error.get('exc_type')}: {error.get('exc_value')}")
    return "\n".join(rendered)


def _line(entry: Any) -> LogLine:
    if not isinstance(entry, dict):
        return LogLine(event=str(entry))
    event = entry.get("event", "")
    return LogLine(
        time=entry.get("timestamp"),
        level=entry.get("level"),
        logger=entry.get("logger"),
        event=event if isinstance(event, str) else json.dumps(event),
        error=_traceback(entry.get("error_detail")),
    )


def _select(entries: Iterable[Any], level: Level | None, pattern: re.Pattern[str] | None) -> list[LogLine]:
    least = _LEVELS.index(level) if level else 0
    chosen: list[LogLine] = []
    above = False
    for entry in entries:
        line = _line(entry)
        if level:
            # A line without a level goes on with the record before it, as a traceback does.
            if line.level is not None:
                above = line.level in _LEVELS and _LEVELS.index(line.level) >= least
            if not above:
                continue
        if pattern and not (
            pattern.search(line.event[:MATCHED_CHARS]) or pattern.search((line.error or "")[:MATCHED_CHARS])
        ):
            continue
        chosen.append(line)
    return chosen


async def _entries(airflow: Airflow, client: Client, route: str, map_index: int) -> list[Any]:
    """Read a whole log, page after page."""
    entries: list[Any] = []
    token: str | None = None
    for pages in range(MAX_LOG_PAGES):
        if pages:
            await client.progress(pages, message=f"{len(entries)} lines read.")
        query: dict[str, Any] = {"full_content": "true", "map_index": map_index}
        if token:
            query["token"] = token
        answer = (await airflow.get(route, params=query)).json()
        content = answer.get("content") or []
        entries += content if isinstance(content, list) else str(content).splitlines()
        following = answer.get("continuation_token")
        if not content or not following or following == token:
            break
        token = following
    return entries


@tool(access="read")
async def get_task_logs(
    airflow: Airflow,
    client: Client,
    dag_id: DagId,
    dag_run_id: RunId,
    task_id: TaskId,
    map_index: MapIndex = -1,
    try_number: Annotated[int | None, Field(ge=1, description="The latest if left out.")] = None,
    tail: Annotated[int, Field(ge=1, le=5000, description="Lines from the end.")] = 200,
    grep: Annotated[str | None, Field(description="Only lines that match this regular expression.")] = None,
    level: Annotated[Level | None, Field(description="This level and above.")] = None,
    cursor: Annotated[str | None, Field(description="next_cursor, for earlier lines.")] = None,
) -> Logs:
    """Get the end of a task instance's log; next_cursor goes back to earlier lines."""
    pattern = _pattern(grep) if grep else None
    before = decode_cursor(cursor).get("before")
    instance = path("dags/{}/dagRuns/{}/taskInstances/{}", dag_id, dag_run_id, task_id)
    one = f"{instance}/{map_index}" if map_index >= 0 else instance
    found = (await airflow.get(one)).json()
    latest = int(found.get("try_number") or 0)
    asked = try_number or latest
    if asked < 1 or asked > latest:
        raise ToolError(
            "not_found",
            f"`{task_id}` has had {latest} tries in `{dag_run_id}`: there is no log of try {max(asked, 1)}.",
            hint="It has not started yet." if latest == 0 else f"Ask for a try from 1 to {latest}.",
            dag_id=dag_id,
            dag_run_id=dag_run_id,
            task_id=task_id,
            did_you_mean=[],
        )
    entries = await _entries(airflow, client, f"{instance}/logs/{asked}", map_index)
    chosen = await anyio.to_thread.run_sync(_select, entries, level, pattern)
    end = len(chosen) if before is None else min(before, len(chosen))
    begin = max(0, end - tail)
    logs = Logs(
        dag_id=dag_id,
        dag_run_id=dag_run_id,
        task_id=task_id,
        map_index=map_index if map_index >= 0 else None,
        try_number=asked,
        state=found.get("state"),
        total=len(chosen),
        lines=chosen[begin:end],
        ui_url=airflow.page_url(dag_id, dag_run_id, task_id, map_index),
    )
    logs._offset = begin
    logs._go_back()
    return logs


@hookimpl
def register_toolsets() -> list[Toolset]:
    return [Toolset("tasks", "Read task instances and their logs.", [list_task_instances, get_task_logs])]
