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
"""Which lines of a log are shown: chosen while it is read, so that the others are not kept."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from airflow_provider_mcp.sdk import JSON, JSONObject, Unavailable
from airflow_provider_mcp.tools.patterns import Pattern, iterate_lines
from airflow_provider_mcp.tools.tasks.log_lines import (
    MAX_ERROR_CHARS,
    Line,
    count_fitting,
    ends_group,
    find_group,
    goes_on_with_frame,
    is_airflow_frame,
    read_event,
    read_level,
    render_error,
    render_line,
)

Level = Literal["debug", "info", "warning", "error", "critical"]

_LEVELS: Sequence[str] = ("debug", "info", "warning", "error", "critical")

MATCHED_CHARS = 1000
"""How much of a line a pattern is matched against."""

ERROR_LINES = 40
"""Lines of the last error, counted from its end."""

MOST_FOLDED = 300
"""Lines of a group that are folded: one that is never closed hides no more."""


@dataclass
class Row:
    """A line that is shown."""

    number: int
    """The number of the line in the log; the first is 1."""
    position: int
    """Its place among the lines that are asked for; that of the match it belongs to, for one around it."""
    line: Line
    is_match: bool = True

    @property
    def end(self) -> int:
        """The number of the last line that it stands for."""
        return self.number + int(self.line.get("folded", 1)) - 1


def number_lines(rows: Sequence[Row]) -> list[Line]:
    """Return the lines of rows, each with its number if it does not follow the one before."""
    lines: list[Line] = []
    before = 0
    for row in rows:
        lines.append(row.line if row.number == before + 1 else {"line": row.number, **row.line})
        before = row.end
    return lines


class Window:
    """The last ``tail`` lines of those that are asked for.

    :param context: Lines that are shown before and after each match.
    :param before: Where among the matches the window ends.
    :param seconds: How long it may be searched.
    """

    def __init__(
        self,
        *,
        tail: int,
        seconds: float,
        level: Level | None = None,
        pattern: Pattern | None = None,
        context: int = 0,
        before: int | None = None,
    ) -> None:
        self._least = _LEVELS.index(level) if level else 0
        self._level, self._pattern, self._before, self._context = level, pattern, before, context
        self._above = False
        self._until = time.monotonic() + seconds
        self._number = 0
        self._pending: deque[tuple[int, JSON]] = deque(maxlen=context)
        self._after = 0
        self._fold = _Fold()
        self.total = 0
        self.rows: deque[Row] = deque(maxlen=tail)
        self.error_at = 0
        self._error: deque[Line] = deque(maxlen=ERROR_LINES)
        self._in_error = False

    @property
    def is_whole(self) -> bool:
        """Whether all lines are asked for: then Airflow's own are folded."""
        return self._level is None and self._pattern is None

    def take(self, entries: Iterable[JSON]) -> None:
        """Look at the next lines of the log.

        :raises ToolError: ``unavailable`` if the search takes too long.
        """
        for entry in entries:
            self._number += 1
            if self._is_wanted(entry):
                self._take_match(entry)
            elif self._after:
                self._after -= 1
                self.rows.append(Row(self._number, self.total - 1, render_line(entry), is_match=False))
            else:
                self._pending.append((self._number, entry))

    def skip(self, count: int) -> None:
        """Pass over lines of which none can match."""
        self._number += count
        self._after = 0
        self._pending.clear()

    @property
    def error(self) -> list[Line]:
        """The last error with its traceback: what follows it may push it out of the window."""
        lines = list(self._error)
        return lines[len(lines) - count_fitting(lines, MAX_ERROR_CHARS) :]

    def _take_match(self, entry: JSON) -> None:
        line = render_line(entry, fold=self.is_whole)
        self._keep_error(line)
        position = self.total
        self.total += 1
        if self._before is not None and position >= self._before:
            return
        if self.is_whole:
            row = self._fold.add(Row(self._number, position, line), entry)
        else:
            for number, earlier in self._pending:
                self.rows.append(Row(number, position, render_line(earlier), is_match=False))
            row = Row(self._number, position, {**line, "match": True} if self._context else line)
            self._after = self._context
        self._pending.clear()
        if row is not None:
            self.rows.append(row)

    def _keep_error(self, line: Line) -> None:
        if "level" in line:
            self._in_error = line["level"] in {"error", "critical"} or "error" in line
            if self._in_error:
                self._error.clear()
                self.error_at = self.total
        if self._in_error:
            self._error.append(line)

    def _is_wanted(self, entry: JSON) -> bool:
        if self._level:
            # A line without a level goes on with the record before it, as a traceback does.
            level = read_level(entry)
            if level is not None:
                self._above = level in _LEVELS and _LEVELS.index(level) >= self._least
            if not self._above:
                return False
        if self._pattern is None:
            return True
        if time.monotonic() > self._until:
            raise Unavailable(
                "The search took too long and was stopped.",
                hint="Use a plain text or a simpler regular expression, or no grep.",
                retryable=False,
            )
        error = render_error(entry.get("error_detail")) if isinstance(entry, dict) else None
        texts = (read_event(entry), *((error,) if error else ()))
        return any(
            self._pattern.search(line[:MATCHED_CHARS]) for text in texts for line in iterate_lines(text)
        )


class _Fold:
    """Puts one row in place of the lines of a group of Airflow's, and of the frames in Airflow's files."""

    def __init__(self) -> None:
        self._group: JSONObject | None = None
        self._frames: JSONObject | None = None
        self._is_quiet = True

    def add(self, row: Row, entry: JSON) -> Row | None:
        """Return the row to show for a line; None if it is counted in one that is shown already."""
        event = read_event(entry)
        level = read_level(entry)
        if level is not None:
            # What Airflow warns of is not folded.
            self._is_quiet = level in {"debug", "info"}
        if self._group is not None and self._counts(self._group, event):
            return None
        if self._frames is not None and (is_airflow_frame(event) or goes_on_with_frame(event)):
            self._frames["folded"] += 1
            return None
        self._frames = None
        name = find_group(event)
        if name is not None:
            self._group = {"event": f"(lines of Airflow: {name})", "folded": 1}
            return Row(row.number, row.position, self._group)
        if is_airflow_frame(event):
            self._frames = {"event": "(frames of Airflow)", "folded": 1}
            return Row(row.number, row.position, self._frames)
        return row

    def _counts(self, group: JSONObject, event: str) -> bool:
        """Count a line in the row of its group; return False for what Airflow warns of, which is shown."""
        if ends_group(event) or group["folded"] >= MOST_FOLDED:
            self._group = None
        elif not self._is_quiet:
            return False
        group["folded"] += 1
        return True
