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

import contextlib
import json
import re
import time
from collections import deque
from collections.abc import AsyncGenerator, Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import anyio
from pydantic import Field, PrivateAttr

from airflow_provider_mcp.sdk import (
    Airflow,
    Client,
    Cursor,
    Limit,
    Page,
    Result,
    ToolError,
    Toolset,
    decode_cursor,
    encode_cursor,
    fetch_page,
    hookimpl,
    path,
    tool,
)
from airflow_provider_mcp.tools.arguments import (
    DagId,
    MapIndex,
    RunId,
    TaskId,
    TaskIds,
    TaskState,
    Time,
    page_template,
    present,
)
from airflow_provider_mcp.tools.icons import TASKS_ICON
from airflow_provider_mcp.tools.patterns import Pattern, compile_pattern, lines_of
from airflow_provider_mcp.tools.previews import as_of, instances_by_state

if TYPE_CHECKING:
    from typing_extensions import Self

Level = Literal["debug", "info", "warning", "error", "critical"]
_LEVELS: Sequence[str] = ("debug", "info", "warning", "error", "critical")
# States of a task instance to whose log something is still added.
_GROWING = frozenset({"running", "deferred", "restarting", "queued", "awaiting_input", "up_for_reschedule"})
Part = Literal["tries", "dependencies", "rendered_fields", "xcom", "links"]
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


_SHOWN = (
    "dag_id",
    "dag_run_id",
    "task_id",
    "map_index",
    "state",
    "try_number",
    "start_date",
    "end_date",
    "duration",
    "operator",
    "pool",
)


class TaskInstances(Page):
    items_field: ClassVar[str] = "task_instances"
    task_instances: list[dict[str, Any]]
    ui_url: str


class TaskInstance(Result, extra="allow"):
    """A task instance: beside these, its times, try, pool, note and the parts that were asked for."""

    dag_id: str
    dag_run_id: str
    task_id: str
    state: str | None = None
    ui_url: str


Line = dict[str, str]
"""A line of a log: ``event`` and, where it has them, ``time``, ``level``, ``logger`` and ``error``."""


class Logs(Page):
    items_field: ClassVar[str] = "lines"
    dag_id: str
    dag_run_id: str
    task_id: str
    map_index: int | None = None
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
        page._offset = self._offset + len(self.lines) - count
        page._error, page._error_at = self._error, self._error_at
        page.truncated = True
        page._go_back()
        return page

    def _go_back(self) -> None:
        self.next_cursor = encode_cursor(before=self._offset) if self._offset > 0 and self.lines else None
        self.hint = "Earlier lines: pass next_cursor." if self.next_cursor else None
        self.last_error = self._error if self._error and self._error_at < self._offset else None


def _row(row: dict[str, Any]) -> dict[str, Any]:
    shown = present({**row, "operator": row.get("operator_name") or row.get("operator")}, *_SHOWN)
    if shown.get("map_index") == -1:
        del shown["map_index"]
    return shown


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
    template = page_template(airflow, "task")
    return TaskInstances.of([_row(row) for row in rows], total=total, offset=offset, ui_url=template)


def _instance(dag_id: str, dag_run_id: str, task_id: str, map_index: int = -1) -> str:
    route = path("dags/{}/dagRuns/{}/taskInstances/{}", dag_id, dag_run_id, task_id)
    return f"{route}/{map_index}" if map_index >= 0 else route


@tool(access="read")
async def get_task_instance(
    airflow: Airflow,
    dag_id: DagId,
    dag_run_id: RunId,
    task_id: TaskId,
    map_index: MapIndex = -1,
    include: Annotated[list[Part], Field(description="What to show besides.")] = [],  # noqa: B006
) -> TaskInstance:
    """Get a task instance; dependencies say what it waits for."""
    route = _instance(dag_id, dag_run_id, task_id)
    one = _instance(dag_id, dag_run_id, task_id, map_index)
    row = (await airflow.get(one)).json()
    shown = _row(row)
    shown |= present(row, "max_tries", "note", "queue", "queued_when", "hostname", "trigger")
    if "tries" in include:
        names = ("try_number", "state", "start_date", "end_date", "duration", "hostname")
        tries = (await airflow.get(f"{one}/tries")).json()["task_instances"]
        shown["tries"] = [present(a_try, *names) for a_try in tries]
    if "dependencies" in include:
        shown["dependencies"] = (await airflow.get(f"{one}/dependencies")).json()["dependencies"]
    if "rendered_fields" in include:
        shown["rendered_fields"] = airflow.redact(row.get("rendered_fields") or {})
    if "xcom" in include:
        query = {"map_index": map_index, "limit": 100}
        entries = (await airflow.get(f"{route}/xcomEntries", params=query)).json()["xcom_entries"]
        # Airflow 3.0 lists the entries of every map index.
        shown["xcom"] = [e["key"] for e in entries if e.get("map_index", map_index) == map_index]
    if "links" in include:
        query = {"map_index": map_index} if map_index >= 0 else {}
        shown["links"] = (await airflow.get(f"{route}/links", params=query)).json()["extra_links"]
    return TaskInstance(**shown, ui_url=airflow.page_url(dag_id, dag_run_id, task_id, map_index))


class XCom(Result):
    key: str
    value: Any
    timestamp: str | None = None
    map_index: int | None = None


@tool(access="read")
async def get_xcom(
    airflow: Airflow,
    dag_id: DagId,
    dag_run_id: RunId,
    task_id: TaskId,
    key: Annotated[str, Field(description="Key.")] = "return_value",
    map_index: MapIndex = -1,
) -> XCom:
    """Get a value that a task instance pushed."""
    route = f"{_instance(dag_id, dag_run_id, task_id)}/xcomEntries/{path('{}', key, slashes=True)}"
    query: dict[str, Any] = {"map_index": map_index, "stringify": "false"}
    try:
        entry = (await airflow.get(route, params=query)).json()
    except ToolError as refused:
        if refused.code != "invalid_argument":
            raise
        # Before 2.10, Airflow knows no `stringify`, and always does.
        entry = (await airflow.get(route, params={"map_index": map_index})).json()
    value = entry.get("value")
    if isinstance(value, str):
        # As it is stored: JSON in a text.
        with contextlib.suppress(ValueError, RecursionError):
            value = json.loads(value)
    return XCom(
        key=entry["key"],
        value=airflow.redact(value, key),
        timestamp=entry.get("timestamp"),
        map_index=map_index if map_index >= 0 else None,
    )


class Changed(Result):
    dag_id: str
    dag_run_id: str
    changed: int
    task_instances: dict[str, list[str]]
    ui_url: str


async def _refuse_unknown(
    airflow: Airflow, dag_id: str, dag_run_id: str, task_ids: list[str], rows: list[dict[str, Any]]
) -> None:
    """Refuse the first of ``task_ids`` that is no task of the Dag; what has rows is one."""
    found = {row["task_id"] for row in rows}
    for task_id in task_ids:
        if task_id in found:
            continue
        try:
            await airflow.get(path("dags/{}/tasks/{}", dag_id, task_id))
        except ToolError as refused:
            refused.identifiers |= {"dag_id": dag_id, "dag_run_id": dag_run_id, "task_id": task_id}
            raise


def _clear_body(
    dag_run_id: str,
    task_ids: list[str],
    map_indexes: list[int] | None,
    include_upstream: bool,
    include_downstream: bool,
    only_failed: bool,
    dry_run: bool,
) -> dict[str, Any]:
    chosen: list[Any] = list(task_ids)
    if map_indexes:
        chosen = [[task_id, index] for task_id in task_ids for index in map_indexes]
    return {
        "dry_run": dry_run,
        "dag_run_id": dag_run_id,
        "task_ids": chosen,
        "include_upstream": include_upstream,
        "include_downstream": include_downstream,
        "only_failed": only_failed,
        "reset_dag_runs": True,
    }


async def _preview_clear(
    airflow: Airflow,
    dag_id: str,
    dag_run_id: str,
    task_ids: list[str],
    map_indexes: list[int] | None,
    include_upstream: bool,
    include_downstream: bool,
    only_failed: bool,
) -> dict[str, Any]:
    body = _clear_body(
        dag_run_id, task_ids, map_indexes, include_upstream, include_downstream, only_failed, True
    )
    answer = await airflow.post(path("dags/{}/clearTaskInstances", dag_id), json=body)
    rows = answer.json()["task_instances"]
    await _refuse_unknown(airflow, dag_id, dag_run_id, task_ids, rows)
    if not rows:
        raise ToolError(
            "conflict",
            f"No task instance in `{dag_run_id}` of `{dag_id}` fits: nothing to clear.",
            hint="list_task_instances shows those of the run with their states.",
            dag_id=dag_id,
            dag_run_id=dag_run_id,
        )
    return {
        "clears": len(rows),
        "task_instances": instances_by_state(rows),
        "dag_run_id": dag_run_id,
        "as_of": as_of(rows),
    }


@tool(access="destructive", preview=_preview_clear)
async def clear_task_instances(
    airflow: Airflow,
    dag_id: DagId,
    dag_run_id: RunId,
    task_ids: TaskIds,
    map_indexes: Annotated[
        list[int] | None, Field(max_length=100, description="Of mapped tasks; all if left out (Airflow 3).")
    ] = None,
    include_upstream: Annotated[bool, Field(description="Upstream tasks too.")] = False,
    include_downstream: Annotated[bool, Field(description="Downstream tasks too.")] = False,
    only_failed: Annotated[bool, Field(description="Only failed ones.")] = False,
) -> Changed:
    """Clear task instances, so that they run again."""
    body = _clear_body(
        dag_run_id, task_ids, map_indexes, include_upstream, include_downstream, only_failed, False
    )
    answer = await airflow.post(path("dags/{}/clearTaskInstances", dag_id), json=body)
    rows = answer.json()["task_instances"]
    return Changed(
        dag_id=dag_id,
        dag_run_id=dag_run_id,
        changed=len(rows),
        task_instances=instances_by_state(rows),
        ui_url=airflow.page_url(dag_id, dag_run_id),
    )


NewTaskState = Annotated[Literal["success", "failed", "skipped"], Field(description="New state.")]


async def _preview_set_state(
    airflow: Airflow, dag_id: str, dag_run_id: str, task_ids: list[str], state: str
) -> dict[str, Any]:
    rows: list[dict[str, Any]] = []
    await airflow.get(path("dags/{}/dagRuns/{}", dag_id, dag_run_id))
    for task_id in dict.fromkeys(task_ids):
        try:
            answer = await airflow.patch(
                f"{_instance(dag_id, dag_run_id, task_id)}/dry_run", json={"new_state": state}
            )
        except ToolError as refused:
            refused.identifiers |= {"dag_id": dag_id, "dag_run_id": dag_run_id, "task_id": task_id}
            raise
        rows += [row for row in answer.json()["task_instances"] if row.get("state") != state]
    await _refuse_unknown(airflow, dag_id, dag_run_id, task_ids, rows)
    if not rows:
        raise ToolError(
            "conflict",
            f"{', '.join(task_ids)} in `{dag_run_id}` of `{dag_id}` are already {state}.",
            dag_id=dag_id,
            dag_run_id=dag_run_id,
        )
    # Setting a state also clears what failed after it; Airflow's dry run does not tell.
    body = _clear_body(dag_run_id, task_ids, None, False, True, True, True)
    answer = await airflow.post(path("dags/{}/clearTaskInstances", dag_id), json=body)
    cleared = [row for row in answer.json()["task_instances"] if row["task_id"] not in task_ids]
    return {
        "sets": state,
        "count": len(rows),
        "task_instances": instances_by_state(rows),
        "clears_downstream": instances_by_state(cleared),
        "dag_run_id": dag_run_id,
        "as_of": as_of(rows),
    }


@tool(access="destructive", preview=_preview_set_state)
async def set_task_instance_state(
    airflow: Airflow, dag_id: DagId, dag_run_id: RunId, task_ids: TaskIds, state: NewTaskState
) -> Changed:
    """Set the state of task instances (all map indexes); failed tasks downstream are cleared."""
    changed: list[dict[str, Any]] = []
    done: list[str] = []
    for task_id in dict.fromkeys(task_ids):
        try:
            answer = await airflow.patch(_instance(dag_id, dag_run_id, task_id), json={"new_state": state})
        except ToolError as refused:
            if done:
                refused.message += f" Before that, {', '.join(done)} had been set to {state}."
                refused.args = (refused.message,)
            refused.identifiers |= {"dag_id": dag_id, "dag_run_id": dag_run_id, "task_id": task_id}
            raise
        done.append(task_id)
        changed += answer.json()["task_instances"]
    return Changed(
        dag_id=dag_id,
        dag_run_id=dag_run_id,
        changed=len(changed),
        task_instances=instances_by_state([{**row, "state": state} for row in changed]),
        ui_url=airflow.page_url(dag_id, dag_run_id),
    )


class Hitls(Page):
    items_field: ClassVar[str] = "hitl"
    hitl: list[dict[str, Any]]
    ui_url: str


@tool(access="read", since="3.1")
async def list_hitl(
    airflow: Airflow,
    dag_id: Annotated[str | None, Field(description="Dag ID; all if left out.")] = None,
    dag_run_id: Annotated[str | None, Field(description="Dag run ID; all if left out.")] = None,
    limit: Limit = 25,
    cursor: Cursor = None,
) -> Hitls:
    """List task instances that wait for a human's answer."""
    if dag_run_id is not None and dag_id is None:
        raise ToolError("invalid_argument", "dag_run_id needs dag_id.", hint="Give dag_id too.")
    rows, total, offset = await fetch_page(
        airflow,
        path("dags/{}/dagRuns/{}/hitlDetails", dag_id or "~", dag_run_id or "~"),
        "hitl_details",
        params={"response_received": "false", "order_by": "-created_at"},
        limit=limit,
        cursor=cursor,
        newest_first=True,
    )
    shown = []
    for row in rows:
        asked = present(row["task_instance"], "dag_id", "dag_run_id", "task_id", "map_index")
        if asked.get("map_index") == -1:
            del asked["map_index"]
        asked |= present(row, "subject", "body", "options", "multiple", "defaults", "created_at")
        shown.append({**asked, **({"params": airflow.redact(row["params"])} if row.get("params") else {})})
    template = page_template(airflow, "task")
    return Hitls.of(shown, total=total, offset=offset, ui_url=template)


class HitlAnswer(Result):
    dag_id: str
    dag_run_id: str
    task_id: str
    chosen_options: list[str]
    responded_at: str | None = None
    ui_url: str


@tool(access="write", since="3.1")
async def respond_to_hitl(
    airflow: Airflow,
    dag_id: DagId,
    dag_run_id: RunId,
    task_id: TaskId,
    chosen_options: Annotated[list[str], Field(min_length=1, description="Of its options.")],
    map_index: MapIndex = -1,
    params_input: Annotated[dict[str, Any] | None, Field(description="Values for its params.")] = None,
) -> HitlAnswer:
    """Answer a task that waits for a human, once."""
    route = path("dags/{}/dagRuns/{}/taskInstances/{}/{}/hitlDetails", dag_id, dag_run_id, task_id, map_index)
    body = {"chosen_options": chosen_options, "params_input": params_input or {}}
    try:
        answer = (await airflow.patch(route, json=body)).json()
    except ToolError as refused:
        if refused.code == "conflict":
            refused.hint = "It was answered before; get_task_instance shows how the task went on."
        raise
    return HitlAnswer(
        dag_id=dag_id,
        dag_run_id=dag_run_id,
        task_id=task_id,
        chosen_options=answer["chosen_options"],
        responded_at=answer.get("responded_at"),
        ui_url=airflow.page_url(dag_id, dag_run_id, task_id, map_index),
    )


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


def _shortened(text: str, most: int) -> str:
    """Leave out the middle of a text that is too long: most of what stays is its end."""
    if len(text) <= most:
        return text
    begin = most // 4
    return f"{text[:begin]}… ({len(text) - most} characters left out) …{text[begin - most :]}"


def _line(entry: Any) -> Line:
    if not isinstance(entry, dict):
        return {"event": _shortened(str(entry), MAX_EVENT_CHARS)}
    event = entry.get("event", "")
    error = _traceback(entry.get("error_detail"))
    line: dict[str, Any] = {
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

    def take(self, entries: Iterable[Any]) -> None:
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

    def _wanted(self, entry: Any) -> bool:
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
            raise ToolError(
                "unavailable",
                f"The search took longer than {LOG_SECONDS} s and was stopped.",
                hint="Use a plain text or a simpler regular expression, or no grep.",
            )
        error = _traceback(held.get("error_detail"))
        texts = (str(held.get("event", "")), *((error,) if error else ()))
        return any(self._pattern.search(line[:MATCHED_CHARS]) for text in texts for line in lines_of(text))


async def _pages(airflow: Airflow, route: str, map_index: int) -> AsyncGenerator[list[Any], None]:
    """Yield a log's lines from its beginning, a page at a time."""
    token: str | None = None
    for _ in range(MAX_LOG_PAGES):
        query: dict[str, Any] = {"full_content": "true", "map_index": map_index}
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


async def _streamed(airflow: Airflow, route: str, map_index: int) -> AsyncGenerator[list[Any], None]:
    """Yield the lines of a log that nothing is added to any more, as Airflow 3 sends them."""
    query: dict[str, Any] = {"full_content": "true", "map_index": map_index}
    headers = {"Accept": "application/x-ndjson"}
    async with airflow.stream("GET", route, params=query, headers=headers) as answer:
        chunk: list[Any] = []
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
    pattern = compile_pattern(grep) if grep else None
    before = decode_cursor(cursor).get("before")
    instance = _instance(dag_id, dag_run_id, task_id)
    found = (await airflow.get(_instance(dag_id, dag_run_id, task_id, map_index))).json()
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
    window = _Window(level, pattern, before, tail)
    route = f"{instance}/logs/{asked}"
    growing = asked == latest and found.get("state") in _GROWING
    streams = not growing and not airflow.site.version.startswith("2.")
    pages = (_streamed if streams else _pages)(airflow, route, map_index)
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
        try_number=asked,
        state=found.get("state"),
        total=window.total,
        lines=lines,
        ui_url=airflow.page_url(dag_id, dag_run_id, task_id, map_index),
    )
    logs._offset = end - len(lines)
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


@hookimpl
def register_toolsets() -> list[Toolset]:
    return [
        Toolset(
            "tasks",
            "Read task instances, their logs and XComs; clear them, set their state, answer them.",
            [
                list_task_instances,
                get_task_instance,
                get_task_logs,
                get_xcom,
                clear_task_instances,
                set_task_instance_state,
                list_hitl,
                respond_to_hitl,
            ],
            icon=TASKS_ICON,
        )
    ]
