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
"""How a task's process ended: a signal and an exit code are facts, what Airflow makes of them a guess."""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from airflow_provider_mcp.sdk import JSON, JSONObject

_GUESS = re.compile(r"[Ll]ikely (?:due to )?(?:running )?out of memory(?: error \(OOM\))?")

_SIGNAL = re.compile(r"return code Negsignal\.(?P<name>\w+)")

_DIED = re.compile(r"died with <Signals\.(?P<name>\w+)")
"""How Python's ``subprocess`` puts it."""

_EXIT_CODE = re.compile(
    r"(?:exit (?:code|status)|exited with(?: (?:code|status))?|return(?:ed)? code)"
    r"(?: is|:|=)? ?(?P<code>-?[0-9]{1,10})(?![0-9])",
    re.IGNORECASE,
)
_CODE = re.compile(r"-?[0-9]{1,10}")
"""What may be one. A log is anybody's text: it may have other signs for digits, or thousands of them."""

# By the convention of shells; above 128, the rest is the number of a signal.
_SHELL_CODES = {126: "the shell could not run the command", 127: "the shell found no such command"}


@dataclass(frozen=True)
class ProcessEnd:
    """How a process ended.

    :param guess: What Airflow takes for the reason; it has not measured it.
    """

    exit_code: int | None = None
    signal: str | None = None
    guess: str | None = None

    def describe(self) -> JSONObject:
        """Return the facts, and the guess named as one."""
        facts: JSONObject = {}
        if self.signal is not None:
            facts["signal"] = self.signal
        if self.exit_code is not None:
            facts["exit_code"] = self.exit_code
            meaning = _explain(self.exit_code)
            if meaning and self.signal is None:
                facts["exit_code_means"] = meaning
        if self.guess is not None:
            facts["guess_of_airflow"] = self.guess
        return facts


def _explain(code: int) -> str | None:
    if code in _SHELL_CODES:
        return f"{_SHELL_CODES[code]} (a convention of shells)"
    name = _name_signal(code - 128) if code > 128 else None
    return f"a process of the shell was ended by {name} (128 + {code - 128})" if name else None


def _name_signal(number: int) -> str | None:
    try:
        return signal.Signals(number).name
    except ValueError:
        return None


def read_end(entry: JSON, event: str) -> ProcessEnd:
    """Return how a process ended from the line of a log that says so."""
    fields = entry if isinstance(entry, Mapping) else {}
    guess = _GUESS.search(event)
    found, coded = _SIGNAL.search(event), _EXIT_CODE.search(event)
    name = fields.get("signal_name") or (found["name"] if found else None)
    code = fields.get("exit_code")
    if code is None and coded:
        code = coded["code"]
    end = _tell_signal(int(str(code)) if _CODE.fullmatch(str(code)) else None)
    return ProcessEnd(end.exit_code, str(name) if name else end.signal, guess[0] if guess else None)


def _tell_signal(number: int | None) -> ProcessEnd:
    """Return what a return code says: a negative one is the number of the signal that ended the process."""
    if number is not None and number < 0:
        return ProcessEnd(signal=_name_signal(-number))
    return ProcessEnd(exit_code=number)


def read_exit_code(exception: str, message: str) -> ProcessEnd | None:
    """Return the exit code, or the signal, that an exception names."""
    if exception == "SystemExit" and _CODE.fullmatch(message) and message[0] != "-":
        return ProcessEnd(exit_code=int(message))
    died = _DIED.search(message)
    if died:
        return ProcessEnd(signal=died["name"])
    found = _EXIT_CODE.search(message)
    return _tell_signal(int(found["code"])) if found else None


def find_guess(events: Sequence[str]) -> str | None:
    """Return the guess that one of the last lines of a log makes."""
    for event in reversed(events[-50:]):
        found = _GUESS.search(event)
        if found:
            return found[0]
    return None
