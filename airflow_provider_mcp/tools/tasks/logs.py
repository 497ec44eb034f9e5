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
"""The tool that reads a task's log."""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections import deque
from collections.abc import AsyncGenerator, Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import anyio
from pydantic import Field, PrivateAttr

from airflow_provider_mcp.sdk import (
    JSON,
    Airflow,
    Client,
    JSONObject,
    NotFound,
    Page,
    Unavailable,
    decode_cursor,
    encode_cursor,
    tool,
)
from airflow_provider_mcp.tools.patterns import Pattern, compile_pattern, lines_of
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

if TYPE_CHECKING:
    from typing_extensions import Self

Level = Literal["debug", "info", "warning", "error", "critical"]

_LEVELS: Sequence[str] = ("debug", "info", "warning", "error", "critical")

# States of a task instance to whose log something is still added.
_GROWING = frozenset({"running", "deferred", "restarting", "queued", "awaiting_input", "up_for_reschedule"})

MAX_LOG_PAGES = 1000

LOG_SECONDS = 30
"""How long one call searches a log."""

LOG_CHUNK = 2000
"""Lines that are looked at, and forgotten, at once."""

MATCHED_CHARS = 1000
"""How much of a line a pattern is matched against."""

ERROR_LINES = 40
"""Lines of the last error, counted from its end."""

MAX_LOG_CHARS = 28_000
"""What one call returns of a log: with its times and names, some 9,000 tokens."""

MAX_EVENT_CHARS = 4000

MAX_ERROR_CHARS = 8000
"""What is left of one line, so that the last one always fits: a traceback's end says what went wrong."""

Line = dict[str, str]
"""A line of a log: ``event`` and, where it has them, ``time``, ``level``, ``logger`` and ``error``."""


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
    _error: list[Line] = PrivateAttr(default_factory=list)
    _error_at: int = PrivateAttr(0)

    def keep(self, count: int) -> Self:
        """Return a copy with the last lines: the end of a log says why it ended."""
        page = self.model_copy()
        page.lines = self.lines[len(self.lines) - count :]
        page.offset = self.offset + len(self.lines) - count
        page._error, page._error_at = self._error, self._error_at
        page.truncated = True
        page._go_back()
        return page

    def _go_back(self) -> None:
        self.next_cursor = encode_cursor(before=self.offset) if self.offset > 0 and self.lines else None
        self.hint = "Earlier lines: pass next_cursor." if self.next_cursor else None
        self.last_error = self._error if self._error and self._error_at < self.offset else None


def _traceback(details: JSON) -> str | None:
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


def _shortened(text: str, most: int) -> str:
    """Leave out the middle of a text that is too long: most of what stays is its end."""
    if len(text) <= most:
        return text
    begin = most // 4
    return f"{text[:begin]}… ({len(text) - most} characters left out) …{text[begin - most :]}"


def _line(entry: JSON) -> Line:
    if not isinstance(entry, dict):
        return {"event": _shortened(str(entry), MAX_EVENT_CHARS)}
    event = entry.get("event", "")
    error = _traceback(entry.get("error_detail"))
    line: JSONObject = {
        "time": _milliseconds(entry.get("timestamp")),
        "level": entry.get("level"),
        "logger": entry.get("logger"),
        "event": _shortened(event if isinstance(event, str) else json.dumps(event), MAX_EVENT_CHARS),
        "error": None if error is None else _shortened(error, MAX_ERROR_CHARS),
    }
    return {key: value for key, value in line.items() if value or key == "event"}


def _milliseconds(time: str | None) -> str | None:
    return None if time is None else re.sub(r"(\.\d{3})\d+", r"\1", time)


class _Window:
    """The lines of a log that are asked for, chosen while it is read: the others are not kept."""

    def __init__(self, level: Level | None, pattern: Pattern | None, before: int | None, tail: int) -> None:
        self._least = _LEVELS.index(level) if level else 0
        self._level, self._pattern, self._before = level, pattern, before
        self._above = False
        self._until = time.monotonic() + LOG_SECONDS
        self.total = 0
        self.lines: deque[Line] = deque(maxlen=tail)
        self.error_at = 0
        self._error: deque[Line] = deque(maxlen=ERROR_LINES)
        self._in_error = False

    def take(self, entries: Iterable[JSON]) -> None:
        """Look at the next lines of the log.

        :raises ToolError: ``unavailable`` if the search takes too long.
        """
        for entry in entries:
            if not self._wanted(entry):
                continue
            line = _line(entry)
            if self._before is None or self.total < self._before:
                self.lines.append(line)
            self._keep_error(line)
            self.total += 1

    @property
    def error(self) -> list[Line]:
        """The last error with its traceback: what follows it may push it out of the window."""
        lines = list(self._error)
        return lines[len(lines) - _fitting(lines, MAX_ERROR_CHARS) :]

    def _keep_error(self, line: Line) -> None:
        if "level" in line:
            self._in_error = line["level"] in {"error", "critical"} or "error" in line
            if self._in_error:
                self._error.clear()
                self.error_at = self.total
        if self._in_error:
            self._error.append(line)

    def _wanted(self, entry: JSON) -> bool:
        held = entry if isinstance(entry, dict) else {"event": str(entry)}
        if self._level:
            # A line without a level goes on with the record before it, as a traceback does.
            level = held.get("level")
            if level is not None:
                self._above = level in _LEVELS and _LEVELS.index(level) >= self._least
            if not self._above:
                return False
        if self._pattern is None:
            return True
        if time.monotonic() > self._until:
            raise Unavailable(
                f"The search took longer than {LOG_SECONDS} s and was stopped.",
                hint="Use a plain text or a simpler regular expression, or no grep.",
                retryable=False,
            )
        error = _traceback(held.get("error_detail"))
        texts = (str(held.get("event", "")), *((error,) if error else ()))
        return any(self._pattern.search(line[:MATCHED_CHARS]) for text in texts for line in lines_of(text))


async def _pages(airflow: Airflow, route: str, where: JSONObject) -> AsyncGenerator[list[JSON], None]:
    """Yield a log's lines from its beginning, a page at a time."""
    token: str | None = None
    for _ in range(MAX_LOG_PAGES):
        query: JSONObject = {"full_content": "true", **where}
        if token:
            query["token"] = token
        answer = (await airflow.get(route, params=query)).json()
        content = answer.get("content") or []
        if content:
            yield content if isinstance(content, list) else str(content).splitlines()
        following = answer.get("continuation_token")
        if not content or not following or following == token:
            return
        token = following


async def _streamed(airflow: Airflow, route: str, where: JSONObject) -> AsyncGenerator[list[JSON], None]:
    """Yield the lines of a log that nothing is added to any more, as Airflow 3 sends them."""
    query: JSONObject = {"full_content": "true", **where}
    headers = {"Accept": "application/x-ndjson"}
    async with airflow.stream("GET", route, params=query, headers=headers) as answer:
        chunk: list[JSON] = []
        async for line in answer.aiter_lines():
            try:
                chunk.append(json.loads(line))
            except (ValueError, RecursionError):
                chunk.append(line)
            if len(chunk) >= LOG_CHUNK:
                yield chunk
                chunk = []
        if chunk:
            yield chunk


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
    level: Annotated[Level | None, Field(description="This level and above.")] = None,
    cursor: Annotated[str | None, Field(description="next_cursor, for earlier lines.")] = None,
) -> Logs:
    """Get the log output of a task.

    What a task did print and its stack trace; the end first, next_cursor for earlier lines.
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
    asked = try_number or latest
    if asked < 1 or asked > latest:
        raise NotFound(
            f"`{task_id}` has had {latest} tries in `{dag_run_id}`: there is no log of try {max(asked, 1)}.",
            hint="It has not started yet." if latest == 0 else f"Ask for a try from 1 to {latest}.",
            dag_id=dag_id,
            dag_run_id=dag_run_id,
            task_id=task_id,
            did_you_mean=[],
        )
    window = _Window(level, pattern, before, tail)
    route = f"{instance}/logs/{asked}"
    growing = asked == latest and found.get("state") in _GROWING
    streams = not growing and not airflow.site.version.startswith("2.")
    pages = (_streamed if streams else _pages)(airflow, route, {"map_index": map_index, **region})
    async with contextlib.aclosing(pages):
        async for entries in pages:
            if window.total:
                await client.progress(window.total, message=f"{window.total} lines read.")
            await anyio.to_thread.run_sync(window.take, entries)
    end = window.total if before is None else min(before, window.total)
    lines = list(window.lines)
    logs = Logs(
        dag_id=dag_id,
        dag_run_id=dag_run_id,
        task_id=task_id,
        map_index=map_index if map_index >= 0 else None,
        iteration=read_iteration(found),
        try_number=asked,
        state=found.get("state"),
        total=window.total,
        lines=lines,
        ui_url=airflow.page_url(dag_id, dag_run_id, task_id, map_index),
    )
    logs.offset = end - len(lines)
    if before is None and pattern is None:
        logs._error, logs._error_at = window.error, window.error_at
    logs._go_back()
    fitting = _fitting(lines, MAX_LOG_CHARS)
    return logs.keep(fitting) if fitting < len(lines) else logs


def _fitting(lines: Sequence[Line], most: int) -> int:
    """Return how many of the last lines are at most ``most`` characters long together, at least one."""
    length = 0
    for count, line in enumerate(reversed(lines)):
        length += len(json.dumps(line, ensure_ascii=False))
        if length > most:
            return max(1, count)
    return len(lines)
