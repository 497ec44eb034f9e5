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
"""What ended a try of a task: an exception, what led to it, or the end of its process."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from airflow_provider_mcp.tools.diagnostics.process_ends import ProcessEnd

MESSAGE_CHARS = 400

SHOWN_FRAMES = 4


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
    :param caused_by: The exception that led to this one.
    :param members: The exceptions of a group.
    :param end: How the task's process ended, if the log says no more than that.
    """

    exception: str
    message: str
    frames: tuple[Frame, ...] = ()
    caused_by: Failure | None = None
    members: tuple[Failure, ...] = ()
    end: ProcessEnd | None = None

    @property
    def source(self) -> Failure:
        """The first exception of the chain, which led to all others."""
        source = self
        while source.caused_by is not None:
            source = source.caused_by
        return source

    @property
    def cause(self) -> str | None:
        """``Type: message`` of the first exception of the chain, if there is more than one."""
        return None if self.caused_by is None else self.source.text[:MESSAGE_CHARS]

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
        user_frames = [frame for frame in self.frames if is_user_code(frame.filename)]
        return tuple((user_frames or list(self.frames[-1:]))[-SHOWN_FRAMES:])


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

    cause = failure.caused_by
    return replace(
        failure,
        frames=tuple(filled(frame) for frame in failure.frames),
        caused_by=None if cause is None else add_code(cause, filenames, source),
        members=tuple(add_code(member, filenames, source) for member in failure.members),
    )


def walk(failure: Failure) -> Iterator[Failure]:
    """Yield a failure, and those that led to it or are in it."""
    yield failure
    for inner in (*([failure.caused_by] if failure.caused_by else []), *failure.members):
        yield from walk(inner)


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


_KINDS: Mapping[str, str] = {
    name: kind
    for kind, names in {
        "missing_module": "ModuleNotFoundError ImportError",
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


_TIMEOUT = re.compile(r"(?:Timeout|TimedOut)(?:Error|Exception|Expired)?$|^DeadlineExceeded$")
"""The names that libraries give to a time that was up."""

_NOT_FOUND = re.compile(r"(?:VARIABLE|CONNECTION)_NOT_FOUND\b")
"""The task SDK raises one type for all of its errors, and names the kind first."""


def classify(failure: Failure | None) -> str:
    """Return the kind of a failure by the type of its exception, never by words of its message."""
    if failure is None:
        return "no_exception_in_log"
    if not failure.exception:
        return "killed"
    if failure.end is not None and failure.end.exit_code in {126, 127}:
        return "missing_command"
    if failure.exception == "AirflowRuntimeError" and _NOT_FOUND.match(failure.message):
        return "missing_airflow_object"
    name = failure.exception.rsplit(".", 1)[-1]
    return _KINDS.get(name) or ("timeout" if _TIMEOUT.search(name) else "other")
