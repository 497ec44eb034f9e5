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
"""Lines of a log as a result shows them."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from airflow_provider_mcp.sdk import JSON, JSONObject

Line = JSONObject
"""``event`` and, where it has them, ``time``, ``level``, ``logger`` and ``error``."""

MAX_EVENT_CHARS = 4000
"""What is left of one line."""

MAX_ERROR_CHARS = 8000
"""What is left of an error: it always fits, and a traceback's end says what went wrong."""

AIRFLOW_GROUPS = frozenset(
    {
        "Pre task execution logs",
        "Post task execution logs",
        "Pre Execute",
        "Post Execute",
        "Log message source details",
    }
)
"""The groups in which Airflow writes what it does before and after a task."""

_MARK_CHARS = 100
"""How much of a line is looked at for the begin or the end of a group."""

_AIRFLOW_FILE = re.compile(r"[/\\](?:site|dist)-packages[/\\]airflow[/\\](?!providers[/\\])")
_FRAME = re.compile(r'\s*File "([^"\n]+)", line \d+')


def find_group(event: str) -> str | None:
    """Return the name of the group of Airflow's own lines that a line begins, if it does."""
    name = event[:_MARK_CHARS].strip().removeprefix("::group::")
    return name if name in AIRFLOW_GROUPS and "::group::" in event[:_MARK_CHARS] else None


def ends_group(event: str) -> bool:
    return event[:_MARK_CHARS].strip() == "::endgroup::"


def is_airflow_frame(event: str) -> bool:
    """Return whether a line of a traceback is a frame in Airflow itself, and not in a provider."""
    match = _FRAME.match(event)
    return bool(match and _AIRFLOW_FILE.search(match[1]))


def goes_on_with_frame(event: str) -> bool:
    """Return whether a line is the code below a frame."""
    return event.startswith("    ") and not _FRAME.match(event)


def read_event(entry: JSON) -> str:
    """Return the text of a log's entry."""
    if not isinstance(entry, dict):
        return str(entry)
    event = entry.get("event", "")
    return event if isinstance(event, str) else json.dumps(event)


def read_level(entry: JSON) -> str | None:
    """Return the level of an entry; one without a level goes on with the record before it."""
    return entry.get("level") if isinstance(entry, dict) else None


def render_error(details: JSON, *, fold: bool = False) -> str | None:
    """Render Airflow 3's structured error detail as the traceback it stands for.

    :param fold: Whether frames in Airflow itself are counted and left out, but for the last one.
    """
    if not details:
        return None
    if not isinstance(details, list):
        return str(details)
    rendered: list[str] = []
    for error in details:
        if not isinstance(error, dict):
            rendered.append(str(error))
            continue
        rendered += _render_frames(error.get("frames") or [], fold)
        rendered.append(f"{error.get('exc_type')}: {error.get('exc_value')}")
    return "\n".join(rendered)


def _render_frames(frames: Sequence[JSONObject], fold: bool) -> list[str]:
    rendered = []
    folded = 0
    for place, frame in enumerate(frames, 1):
        if fold and place < len(frames) and _AIRFLOW_FILE.search(str(frame.get("filename"))):
            folded += 1
            continue
        if folded:
            rendered.append(f"({folded} frames of Airflow)")
            folded = 0
        name = frame.get("name")
        rendered.append(f'File "{frame.get("filename")}", line {frame.get("lineno")}, in {name}')
    return rendered


def render_line(entry: JSON, *, fold: bool = False) -> Line:
    """Return an entry of a log as a result shows it."""
    event = shorten(read_event(entry), MAX_EVENT_CHARS)
    if not isinstance(entry, dict):
        return {"event": event}
    error = render_error(entry.get("error_detail"), fold=fold)
    line: Line = {
        "time": _cut_to_milliseconds(entry.get("timestamp")),
        "level": entry.get("level"),
        "logger": entry.get("logger"),
        "event": event,
        "error": None if error is None else shorten(error, MAX_ERROR_CHARS),
    }
    return {key: value for key, value in line.items() if value or key == "event"}


def shorten(text: str, most: int) -> str:
    """Leave out the middle of a text that is too long: most of what stays is its end."""
    if len(text) <= most:
        return text
    begin = most // 4
    return f"{text[:begin]}… ({len(text) - most} characters left out) …{text[begin - most :]}"


def _cut_to_milliseconds(time: str | None) -> str | None:
    return None if time is None else re.sub(r"(\.\d{3})\d+", r"\1", time)


def count_fitting(lines: Sequence[Line], most: int) -> int:
    """Return how many of the last lines are at most ``most`` characters long together, at least one."""
    length = 0
    for count, line in enumerate(reversed(lines)):
        length += len(json.dumps(line, ensure_ascii=False))
        if length > most:
            return max(1, count)
    return len(lines)
