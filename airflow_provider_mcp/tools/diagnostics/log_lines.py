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
"""Lines of a task's log that the task wrote itself, and those that warn behind a green state."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from airflow_provider_mcp.sdk import JSON
from airflow_provider_mcp.tools.tasks.log_lines import read_event

MOST_WARNINGS = 5
"""Different warnings of one log that are shown."""

# What shells, the kernel and programs write, in any task that starts a process.
_SHELL = re.compile(
    r"command not found|: not found$|is not recognized as an internal or external command"
    r"|Permission denied|No such file or directory|Segmentation fault|\bKilled\b|\(core dumped\)"
    r"|[Oo]ut of memory|Cannot allocate memory|No space left on device|Broken pipe"
    r"|Connection (?:refused|reset|timed out)|Could not resolve host"
    r"|^\[?(?:ERROR|FATAL|CRITICAL)\b|^fatal: |^[\w./-]+: (?:\*\*\* |fatal: |error: |cannot )"
    # The last line of a traceback that a program of the task left.
    r"|^(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception)(?::|$)",
)

# Airflow 2 names the file that wrote a line; these are its own, and no Dag's file is likely to be called so.
_AIRFLOW_FILES = frozenset(
    {
        "dagbag.py",
        "local_task_job_runner.py",
        "process_utils.py",
        "skipmixin.py",
        "standard_task_runner.py",
        "task_command.py",
        "task_context_logger.py",
        "taskinstance.py",
        "taskmixin.py",
    }
)

# What its operators write from files with names that a Dag's file may have too, such as `branch.py`.
_AIRFLOW_EVENTS = re.compile(
    r"(?:INFO - )?::(?:end)?group::|Done\. Returned value was|Pushing xcom|Task instance in "
    r"|Done\.$|Proceeding with downstream tasks"
    r"|Branch into |Following branch |Condition result is |Skipping (?:downstream )?tasks"
)

_LOGGER_KIND = re.compile(r"airflow\.task\.(?:operators|hooks|sensors|triggers|notifiers)\.")
"""Before the module of the class that logs."""

_WARNING_LEVELS = frozenset({"warning", "error", "critical"})


def read_own_lines(entries: Sequence[JSON]) -> Iterator[tuple[str, str]]:
    """Yield level and text of the lines that are not Airflow's own."""
    own = True
    level = ""
    for entry in entries:
        event = read_event(entry).strip()
        fields = entry if isinstance(entry, Mapping) else {}
        if fields.get("level") or fields.get("logger"):
            # A line without these goes on with the record before it.
            level = str(fields.get("level") or "")
            own = not _is_airflows(str(fields.get("logger") or ""))
        if own and event and not _AIRFLOW_EVENTS.match(event):
            yield level, event


def _is_airflows(logger: str) -> bool:
    """Return whether a line is Airflow's own: what a task prints or a process of it writes is not."""
    if logger.startswith("airflow.") and logger != "airflow.task":
        whose = _LOGGER_KIND.sub("", logger)
        return whose.startswith("airflow.") and "subprocess" not in logger
    return logger == "task" or logger.split(":", 1)[0] in _AIRFLOW_FILES


def find_last_line(entries: Sequence[JSON]) -> str | None:
    """Return the last line that the task wrote itself."""
    return next((event for _, event in reversed(list(read_own_lines(entries)))), None)


def find_skip_reason(entries: Sequence[JSON]) -> str | None:
    """Return what a task gave as the reason for which it skipped itself."""
    ended = False
    for entry in reversed(entries):
        event = read_event(entry).strip()
        reason = entry.get("reason") if isinstance(entry, Mapping) else None
        if event == "Skipping task.":
            # Airflow 3; Airflow 2 has the reason as a line of its own.
            return str(reason) if reason else None
        if event.startswith("Marking task as SKIPPED"):
            ended = True
        elif ended and event and not event.startswith("::"):
            return event
    return None


def says_skipped(entries: Sequence[JSON]) -> bool:
    """Return whether a log says that the task was skipped by its own doing."""
    events = (read_event(entry).strip() for entry in entries)
    return any(event == "Skipping task." or event.startswith("Marking task as SKIPPED") for event in events)


def find_shell_warnings(entries: Sequence[JSON]) -> list[str]:
    """Return the different lines by which a shell says that something did not work."""
    found = (event for _, event in read_own_lines(entries) if _SHELL.search(event))
    return list(dict.fromkeys(found))


def find_warnings(entries: Sequence[JSON]) -> list[str]:
    """Return the different lines that warn: first those of shells, then by their level."""
    by_level = (event for level, event in read_own_lines(entries) if level in _WARNING_LEVELS)
    return list(dict.fromkeys([*find_shell_warnings(entries), *by_level]))
