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
"""Read what ended a try of a task from its log, structured as Airflow 3 writes it or as text."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from airflow_provider_mcp.sdk import JSON
from airflow_provider_mcp.tools.diagnostics.exceptions import MESSAGE_CHARS, Failure, Frame
from airflow_provider_mcp.tools.diagnostics.process_ends import find_guess, read_end, read_exit_code
from airflow_provider_mcp.tools.tasks.log_lines import read_event

_MESSAGE_LINES = 10

_MOST_IN_CHAIN = 10

RAISED_BY_TASK = "Task failed with exception"
"""The event under which Airflow (2.10+ and 3) logs the exception that ended a task."""

_HEADER = re.compile(r"\s*(?:[+|] )?(?:Exception Group )?Traceback \(most recent call last\):\s*")

_FRAME = re.compile(r'  File "(?P<file>[^"]+)", line (?P<line>\d+)(?:, in (?P<function>.+))?')

_RAISED = re.compile(r"(?P<type>[A-Za-z_][\w.]*)(?:: ?(?P<message>.*))?")

_FIRST_MEMBER = re.compile(r"(?P<margin> *)\+-\+-+ \d+ -+")

_CHAINED = (
    "The above exception was the direct cause of the following exception:",
    "During handling of the above exception, another exception occurred:",
)

# Airflow's own words, whole lines, for what ends a task without an exception.
_ENDINGS = (
    re.compile(
        r"Task exited with return code (?:Negsignal\.\w+|-?[1-9]\d*)(?:\. For more information, see .*)?"
    ),
    re.compile(r"State of this instance has been externally set to \w+\. Terminating instance\."),
    re.compile(r"Server indicated the task shouldn't be running anymore(?:\. Terminating process)?"),
    re.compile(r"Process terminated by signal\..*"),
    re.compile(r"Process exited abnormally"),
    re.compile(r"Task exited"),
)


def find_failure(entries: Sequence[JSON]) -> Failure | None:
    """Return what ended a try, from the lines of its log as the REST API lists them.

    :param entries: Each a text or a mapping with ``event`` and maybe ``level``, ``error_detail``. A line
        without a level goes on with the record before it.
    """
    raised = _structured(entries) or _written(entries)
    if raised is not None:
        return replace(raised, end=read_exit_code(raised.source.exception, raised.source.message))
    for entry in reversed(entries):
        event = read_event(entry)
        if any(ending.fullmatch(event) for ending in _ENDINGS):
            code = entry.get("exit_code") if isinstance(entry, Mapping) else None
            end = read_end(entry, event)
            if end.signal is not None and end.guess is None:
                end = replace(end, guess=find_guess([read_event(other) for other in entries[-50:]]))
            message = event.partition(" For more information, see ")[0]
            return Failure("", message if code is None else f"{message} (exit code {code})", end=end)
    return None


def _structured(entries: Sequence[JSON]) -> Failure | None:
    last = None
    for entry in reversed(entries):
        if not isinstance(entry, Mapping) or not isinstance(entry.get("error_detail"), list):
            continue
        raised = _read_stacks(entry["error_detail"])
        if raised is None:
            continue
        if read_event(entry) == RAISED_BY_TASK:
            return raised
        if last is None and entry.get("level") in {"error", "critical"}:
            last = raised
    return last


def _read_stacks(details: JSON) -> Failure | None:
    """Build from structured tracebacks, of which the first was raised last and each other led to it."""
    stacks = [stack for stack in details if isinstance(stack, Mapping)] if isinstance(details, list) else []
    failure = None
    for stack in reversed(stacks[:_MOST_IN_CHAIN]):
        failure = Failure(
            str(stack.get("exc_type") or ""),
            str(stack.get("exc_value") or "")[:MESSAGE_CHARS],
            tuple(
                Frame(
                    str(frame.get("filename", "")), int(frame.get("lineno") or 0), str(frame.get("name", ""))
                )
                for frame in stack.get("frames") or []
                if isinstance(frame, Mapping)
            ),
            failure,
            tuple(filter(None, (_read_stacks(trace) for trace in stack.get("exceptions") or []))),
        )
    return failure


def _written(entries: Sequence[JSON]) -> Failure | None:
    """Return the exception of the last record, of level error or unknown, that ends in a traceback."""
    found = None
    end = len(entries)
    for start in range(len(entries) - 1, -1, -1):
        entry = entries[start]
        level = entry.get("level") if isinstance(entry, Mapping) else None
        if level is None and start > 0:
            continue
        if level in {None, "error", "critical"}:
            lines = [line for item in entries[start:end] for line in read_event(item).splitlines() or [""]]
            failure = parse_traceback(lines)
            if failure is not None:
                if lines[0].strip() == RAISED_BY_TASK:
                    return failure
                found = found or failure
        end = start
    return found


def parse_traceback(lines: Sequence[str]) -> Failure | None:
    """Return the exception that the last traceback in ``lines`` ends with; None if there is none."""
    last: Failure | None = None
    chained = False
    at = 0
    while at < len(lines):
        at += 1
        if _ungrouped(lines[at - 1]).strip() in _CHAINED:
            chained = True
        if not _HEADER.fullmatch(lines[at - 1]):
            continue
        frames, at = _read_frames(lines, at)
        raised = _RAISED.fullmatch(_ungrouped(lines[at])) if frames and at < len(lines) else None
        if raised is None:
            continue
        message, at = _read_message(lines, at + 1, raised["message"] or "")
        members, at = _read_members(lines, at)
        last = Failure(
            raised["type"].rsplit(".", 1)[-1], message, tuple(frames), last if chained else None, members
        )
        chained = False
    return last


def _read_frames(lines: Sequence[str], at: int) -> tuple[list[Frame], int]:
    frames: list[Frame] = []
    while at < len(lines):
        line = _ungrouped(lines[at])
        frame = _FRAME.fullmatch(line)
        if frame:
            following = _ungrouped(lines[at + 1]) if at + 1 < len(lines) else ""
            code = following.strip() if following.startswith("    ") else ""
            frames.append(Frame(frame["file"], int(frame["line"]), frame["function"] or "", code))
        elif not line.startswith(" "):
            break
        at += 1
    return frames, at


def _read_message(lines: Sequence[str], at: int, first: str) -> tuple[str, int]:
    message = [first]
    while at < len(lines) and len(message) < _MESSAGE_LINES:
        line = _ungrouped(lines[at]).strip()
        if not line or line in _CHAINED or _HEADER.fullmatch(lines[at]) or _FIRST_MEMBER.fullmatch(lines[at]):
            break
        message.append(line)
        at += 1
    return "\n".join(message).strip()[:MESSAGE_CHARS], at


def _read_members(lines: Sequence[str], at: int) -> tuple[tuple[Failure, ...], int]:
    """Read the exceptions of a group, which follow its own message between lines of dashes."""
    first = _FIRST_MEMBER.fullmatch(lines[at]) if at < len(lines) else None
    if first is None:
        return (), at
    margin = len(first["margin"]) + 2
    border = re.compile(rf" {{{margin}}}\+-+(?: (?:\d+|\.\.\.) -+)?")
    members: list[Failure] = []
    part: list[str] = []
    while at + 1 < len(lines):
        at += 1
        line = lines[at]
        if border.fullmatch(line):
            members += _read_member(part)
            part = []
            if " " not in line.strip():
                return tuple(members), at + 1
        elif line.startswith(" " * margin):
            part.append(re.sub(r"^\| ?", "", line[margin:]))
        else:
            break
    return (*members, *_read_member(part)), at


def _read_member(lines: Sequence[str]) -> list[Failure]:
    traced = parse_traceback(lines)
    if traced is not None:
        return [traced]
    raised = _RAISED.fullmatch(lines[0]) if lines else None
    if raised is None:
        return []
    return [Failure(raised["type"].rsplit(".", 1)[-1], (raised["message"] or "")[:MESSAGE_CHARS])]


def _ungrouped(line: str) -> str:
    """Return a line of an exception group's traceback without the group's margin."""
    return re.sub(r"^ {2}[|+] ?", "", line)
