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
"""What a task's log says it failed with: find, normalise, classify and group exceptions. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from airflow_provider_mcp.sdk import JSON

MESSAGE_CHARS = 400

SHOWN_FRAMES = 4

_MESSAGE_LINES = 10

RAISED_BY_TASK = "Task failed with exception"
"""The event under which Airflow (2.10+ and 3) logs the exception that ended a task."""


@dataclass(frozen=True)
class Frame:
    """One line of a traceback."""

    filename: str
    line: int
    function: str
    code: str = ""

    def __str__(self) -> str:
        where = f"{self.filename}:{self.line} in {self.function}"
        return f"{where}: {self.code}" if self.code else where


@dataclass(frozen=True)
class Failure:
    """What ended a try of a task.

    :param exception: The type of the exception as the log names it; empty if there was none.
    :param message: The exception's message, or Airflow's own last word.
    :param frames: The traceback, outermost call first.
    :param cause: ``Type: message`` of the exception that led to this one.
    """

    exception: str
    message: str
    frames: tuple[Frame, ...] = ()
    cause: str | None = None

    @property
    def text(self) -> str:
        if not self.exception:
            return self.message
        return f"{self.exception}: {self.message}" if self.message else self.exception

    @property
    def signature(self) -> str:
        """What failures of one kind have in common."""
        normal = normalise(self.message)
        if not self.exception:
            return normal
        name = self.exception.rsplit(".", 1)[-1]
        return f"{name}: {normal}" if normal else name

    @property
    def user_frames(self) -> tuple[Frame, ...]:
        """The last lines of the traceback that lie in the user's code; else its very last line."""
        own = [frame for frame in self.frames if is_user_code(frame.filename)]
        return tuple((own or list(self.frames[-1:]))[-SHOWN_FRAMES:])


def is_user_code(filename: str) -> bool:
    """Return whether a file is neither Airflow's, nor a library's, nor Python's own."""
    name = filename.replace("\\", "/")
    return not (
        name.startswith("<")
        or re.search(r"/(site-packages|dist-packages)/", name)
        or re.search(r"/lib(64)?/python3(\.\d+)?/", name)
        or "/src/airflow/" in name
    )


def add_code(failure: Failure, filenames: Sequence[str], source: Sequence[str]) -> Failure:
    """Return the failure with the code of those lines that lie in a file, of which ``source`` is the text.

    :param filenames: What the file may be called: whole paths, or the end of one.
    """

    def filled(frame: Frame) -> Frame:
        known = any(frame.filename == name or frame.filename.endswith(f"/{name}") for name in filenames)
        if frame.code or not known or not 1 <= frame.line <= len(source):
            return frame
        return replace(frame, code=source[frame.line - 1].strip())

    return replace(failure, frames=tuple(filled(frame) for frame in failure.frames))


_NOISE = re.compile(
    r"(?P<keep>\b(?:http|status|code)\b[^0-9]{0,12}[45][0-9][0-9]\b)"
    r"|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
    r"|\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?"
    r"|0x[0-9a-f]+"
    r"|\b(?=[a-f]*[0-9])[0-9a-f]{8,}\b"
    r"|[-+]?\d+(?:[.,:]\d+)*",
    re.IGNORECASE | re.ASCII,
)


def normalise(message: str) -> str:
    """Return a message without what differs between failures of one kind: numbers, times, identifiers."""
    short = " ".join(message.split())[:MESSAGE_CHARS]
    return _NOISE.sub(lambda found: found["keep"] or "#", short).strip()


_HEADER = re.compile(r"\s*(?:\+ Exception Group )?Traceback \(most recent call last\):\s*")

_FRAME = re.compile(r'  File "(?P<file>[^"]+)", line (?P<line>\d+)(?:, in (?P<function>.+))?')

_RAISED = re.compile(r"(?P<type>[A-Za-z_][\w.]*)(?:: ?(?P<message>.*))?")

_CHAINED = (
    "The above exception was the direct cause of the following exception:",
    "During handling of the above exception, another exception occurred:",
)

# Airflow's own words, whole lines, for what ends a task without an exception.
_ENDINGS = (
    re.compile(r"Task exited with return code (?:Negsignal\.\w+|-?[1-9]\d*)"),
    re.compile(r"State of this instance has been externally set to \w+\. Terminating instance\."),
    re.compile(r"Server indicated the task shouldn't be running anymore(?:\. Terminating process)?"),
    re.compile(r"Process terminated by signal\..*"),
    re.compile(r"Task exited"),
)


def find_failure(entries: Sequence[JSON]) -> Failure | None:
    """Return what ended a try, from the lines of its log as the REST API lists them.

    :param entries: Each a text or a mapping with ``event`` and maybe ``level``, ``error_detail``. A line
        without a level goes on with the record before it.
    """
    structured = _structured(entries)
    if structured is not None:
        return structured
    written = _written(entries)
    if written is not None:
        return written
    for entry in reversed(entries):
        event = _event(entry)
        if any(ending.fullmatch(event) for ending in _ENDINGS):
            code = entry.get("exit_code") if isinstance(entry, Mapping) else None
            return Failure("", event if code is None else f"{event} (exit code {code})")
    return None


def _event(entry: JSON) -> str:
    event = entry.get("event", "") if isinstance(entry, Mapping) else entry
    return event if isinstance(event, str) else ""


def _structured(entries: Sequence[JSON]) -> Failure | None:
    last = None
    for entry in reversed(entries):
        if not isinstance(entry, Mapping) or not isinstance(entry.get("error_detail"), list):
            continue
        stacks = [stack for stack in entry["error_detail"] if isinstance(stack, Mapping)]
        if not stacks:
            continue
        if _event(entry) == RAISED_BY_TASK:
            return _of_stacks(stacks)
        if last is None and entry.get("level") in {"error", "critical"}:
            last = stacks
    return None if last is None else _of_stacks(last)


def _of_stacks(stacks: Sequence[Mapping[str, JSON]]) -> Failure:
    """Build from structured tracebacks, of which the first was raised last."""
    raised = stacks[0]
    frames = tuple(
        Frame(str(frame.get("filename", "")), int(frame.get("lineno") or 0), str(frame.get("name", "")))
        for frame in raised.get("frames") or []
        if isinstance(frame, Mapping)
    )
    cause = stacks[-1] if len(stacks) > 1 else None
    return Failure(
        str(raised.get("exc_type") or ""),
        str(raised.get("exc_value") or "")[:MESSAGE_CHARS],
        frames,
        None if cause is None else f"{cause.get('exc_type')}: {cause.get('exc_value')}"[:MESSAGE_CHARS],
    )


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
            lines = [line for item in entries[start:end] for line in _event(item).splitlines() or [""]]
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
        if lines[at - 1].strip() in _CHAINED:
            chained = True
        if not _HEADER.fullmatch(lines[at - 1]):
            continue
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
        named = _RAISED.fullmatch(_ungrouped(lines[at])) if frames and at < len(lines) else None
        if named is None:
            continue
        at += 1
        message = [named["message"] or ""]
        while at < len(lines) and len(message) < _MESSAGE_LINES and lines[at].strip():
            if lines[at].strip() in _CHAINED or _HEADER.fullmatch(lines[at]):
                break
            message.append(lines[at].strip())
            at += 1
        cause = (last.cause or last.text) if last is not None and chained else None
        chained = False
        last = Failure(
            named["type"].rsplit(".", 1)[-1],
            "\n".join(message).strip()[:MESSAGE_CHARS],
            tuple(frames),
            None if cause is None else cause[:MESSAGE_CHARS],
        )
    return last


def _ungrouped(line: str) -> str:
    """Return a line of an exception group's traceback without the group's margin."""
    return re.sub(r"^ {2}[|+] ?", "", line)


_KINDS: Mapping[str, str] = {
    name: kind
    for kind, names in {
        "missing_module": "ModuleNotFoundError ImportError",
        "timeout": (
            "AirflowTaskTimeout AirflowSensorTimeout TimeoutError ReadTimeout ConnectTimeout"
            " ConnectTimeoutError ReadTimeoutError ServerTimeoutError TimeoutException"
        ),
        "connection": (
            "ConnectionError ConnectionRefusedError ConnectionResetError ConnectionAbortedError"
            " BrokenPipeError gaierror NewConnectionError MaxRetryError NameResolutionError SSLError"
            " OperationalError InterfaceError EndpointConnectionError ServerNotFoundError ConnectError"
        ),
        "permission": (
            "PermissionError NoCredentialsError PartialCredentialsError AccessDenied Forbidden"
            " Unauthorized DefaultCredentialsError RefreshError InsufficientPrivilege"
        ),
        "missing_airflow_object": "AirflowNotFoundException",
        "missing_file": "FileNotFoundError NoSuchKey NotADirectoryError IsADirectoryError",
        "memory": "MemoryError",
        "template": "TemplateSyntaxError UndefinedError TemplateNotFound TemplateAssertionError",
        "raised_to_fail": "AirflowFailException",
        "killed": "AirflowTaskTerminated SystemExit KeyboardInterrupt",
        "data_or_code": (
            "ArithmeticError AssertionError AttributeError IndexError JSONDecodeError KeyError"
            " LookupError NameError NotImplementedError OverflowError RecursionError StopIteration"
            " SyntaxError TypeError UnboundLocalError UnicodeDecodeError UnicodeEncodeError"
            " ValidationError ValueError ZeroDivisionError ProgrammingError IntegrityError DataError"
        ),
    }.items()
    for name in names.split()
}


def classify(failure: Failure | None) -> str:
    """Return the kind of a failure by the type of its exception, never by words of its message."""
    if failure is None:
        return "no_exception_in_log"
    if not failure.exception:
        return "killed"
    return _KINDS.get(failure.exception.rsplit(".", 1)[-1], "other")


@dataclass(frozen=True)
class Occurrence:
    """A failed task instance and what its log says."""

    dag_id: str
    dag_run_id: str
    task_id: str
    map_index: int
    try_number: int
    when: str
    failure: Failure | None

    @property
    def signature(self) -> str:
        return self.failure.signature if self.failure else "no exception in the log"


@dataclass(frozen=True)
class Cluster:
    """Failures of one kind, first one first."""

    signature: str
    occurrences: tuple[Occurrence, ...]

    @property
    def first(self) -> Occurrence:
        return self.occurrences[0]

    @property
    def last(self) -> Occurrence:
        return self.occurrences[-1]

    @property
    def tasks(self) -> list[tuple[str, str]]:
        return sorted({(o.dag_id, o.task_id) for o in self.occurrences})


def cluster(occurrences: Iterable[Occurrence]) -> list[Cluster]:
    """Group failures by their normalised error, the biggest group first, equal ones by first time."""
    groups: dict[str, list[Occurrence]] = {}
    for occurrence in occurrences:
        groups.setdefault(occurrence.signature, []).append(occurrence)
    clusters = [
        Cluster(
            signature,
            tuple(sorted(group, key=lambda o: (o.when, o.dag_id, o.dag_run_id, o.task_id, o.map_index))),
        )
        for signature, group in groups.items()
    ]
    return sorted(clusters, key=lambda c: (-len(c.occurrences), c.first.when, c.signature))
