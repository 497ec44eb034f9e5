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
"""What of a log is shown: lines around a match, their numbers, and Airflow's own lines folded."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from airflow_provider_mcp.hosts.airflow2.rest.logs import split_log
from airflow_provider_mcp.tools.tasks import logs
from tests.unit.tools.tasks.logs_of_tasks import LOG, entry, log_of

PACKAGES = "/venv/lib/python3.11/site-packages"

AIRFLOW_2 = f"""\
[2026-11-27T23:00:30.255+0000] {{local_task_job_runner.py:123}} INFO - ::group::Pre task execution logs
[2026-11-27T23:00:30.705+0000] {{taskinstance.py:2632}} INFO - Dependencies all met
[2026-11-27T23:00:30.706+0000] {{taskinstance.py:2632}} WARNING - The pool is deprecated
[2026-11-27T23:00:34.959+0000] {{taskinstance.py:740}} INFO - ::endgroup::
[2026-11-27T23:00:35.017+0000] {{load.py:8}} INFO - reading 4711
[2026-11-27T23:00:46.363+0000] {{taskinstance.py:3337}} ERROR - Task failed with exception
Traceback (most recent call last):
  File "{PACKAGES}/airflow/models/taskinstance.py", line 776, in _execute_task
    result = _execute_callable(context=context, **execute_callable_kwargs)
             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "{PACKAGES}/airflow/utils/operator_helpers.py", line 252, in run
    return self.func(*args, **kwargs)
  File "{PACKAGES}/airflow/providers/http/hooks/http.py", line 9, in run
    raise
  File "/dags/load.py", line 12, in load
    row["amount"]
KeyError: 'amount'
[2026-11-27T23:00:46.370+0000] {{local_task_job_runner.py:266}} INFO - ::group::Post task execution logs
[2026-11-27T23:00:46.373+0000] {{local_task_job_runner.py:266}} INFO - Task exited with return code 1
[2026-11-27T23:00:46.374+0000] {{local_task_job_runner.py:266}} INFO - ::endgroup::"""

AIRFLOW_3 = [
    {"event": "::group::Log message source details", "sources": ["/logs/attempt=1.log"]},
    {"event": "::endgroup::"},
    entry("::group::Pre Execute"),
    entry("DAG bundles loaded: dags-folder"),
    entry("It is deprecated", "warning"),
    entry("::endgroup::"),
    entry("reading 4711"),
    entry(
        "Task failed with exception",
        "error",
        error_detail=[
            {
                "exc_type": "KeyError",
                "exc_value": "'amount'",
                "frames": [
                    {"filename": f"{PACKAGES}/airflow/sdk/task_runner.py", "lineno": 1, "name": "run"},
                    {"filename": f"{PACKAGES}/airflow/sdk/operator.py", "lineno": 2, "name": "wrapper"},
                    {"filename": f"{PACKAGES}/airflow/providers/http/http.py", "lineno": 3, "name": "run"},
                    {"filename": "/dags/load.py", "lineno": 12, "name": "load"},
                ],
            }
        ],
    ),
    entry("::group::Post Execute"),
    entry("::endgroup::"),
]


def read(entries: list[Any], **arguments: Any) -> dict[str, Any]:
    shown: dict[str, Any] = log_of(entries).call(logs.get_task_logs, "read", **LOG, **arguments)
    return shown


def brief(shown: dict[str, Any]) -> list[tuple[Any, ...]]:
    return [(line.get("line"), line["event"], line.get("folded")) for line in shown["lines"]]


def test_airflow_2_s_own_lines_are_folded_and_its_warnings_are_not() -> None:
    entries = split_log(AIRFLOW_2)
    shown = read(entries)
    assert brief(shown) == [
        (None, "(lines of Airflow: Pre task execution logs)", 3),
        (3, "The pool is deprecated", None),
        (5, "reading 4711", None),
        (None, "Task failed with exception", None),
        (None, "Traceback (most recent call last):", None),
        (None, "(frames of Airflow)", 5),
        (None, f'  File "{PACKAGES}/airflow/providers/http/hooks/http.py", line 9, in run', None),
        (None, "    raise", None),
        (None, '  File "/dags/load.py", line 12, in load', None),
        (None, '    row["amount"]', None),
        (None, "KeyError: 'amount'", None),
        (None, "(lines of Airflow: Post task execution logs)", 3),
    ]
    # All are counted, and can be reached.
    assert shown["total"] == len(entries) == 20
    assert "grep ." in shown["hint"]
    every = read(entries, grep=".")
    assert [line["event"] for line in every["lines"]] == [line["event"] for line in entries]


def test_airflow_3_s_own_lines_and_frames_are_folded() -> None:
    shown = read(AIRFLOW_3)
    assert [line[1] for line in brief(shown)] == [
        "(lines of Airflow: Log message source details)",
        "(lines of Airflow: Pre Execute)",
        "It is deprecated",
        "reading 4711",
        "Task failed with exception",
        "(lines of Airflow: Post Execute)",
    ]
    assert shown["lines"][4]["error"].splitlines() == [
        "(2 frames of Airflow)",
        f'File "{PACKAGES}/airflow/providers/http/http.py", line 3, in run',
        'File "/dags/load.py", line 12, in load',
        "KeyError: 'amount'",
    ]
    (whole,) = read(AIRFLOW_3, grep="KeyError")["lines"]
    assert "task_runner.py" in whole["error"]


def test_a_group_that_is_never_closed_hides_no_error() -> None:
    entries = [entry("::group::Pre Execute"), *(entry(f"{n}") for n in range(350)), entry("killed", "error")]
    shown = read(entries, tail=5000)
    assert shown["lines"][0]["folded"] <= 301
    assert shown["lines"][-1]["event"] == "killed"


def test_an_error_in_a_group_of_airflow_is_shown_and_its_frames_are_folded() -> None:
    """As Airflow 2.11 writes it."""
    entries = [
        entry("::group::Post task execution logs"),
        entry("Task failed with exception", "error"),
        {"event": "Traceback (most recent call last):"},
        {"event": f'  File "{PACKAGES}/airflow/models/taskinstance.py", line 768, in _execute_task'},
        {"event": "    result = execute()"},
        {"event": '  File "/dags/load.py", line 12, in load'},
        {"event": "KeyError: 'amount'"},
        entry("Marking task as FAILED."),
        entry("::endgroup::"),
        entry("after"),
    ]
    assert brief(read(entries)) == [
        (None, "(lines of Airflow: Post task execution logs)", 3),
        (2, "Task failed with exception", None),
        (None, "Traceback (most recent call last):", None),
        (None, "(frames of Airflow)", 2),
        (None, '  File "/dags/load.py", line 12, in load', None),
        (None, "KeyError: 'amount'", None),
        (10, "after", None),
    ]


def test_a_group_of_the_user_is_no_group_of_airflow() -> None:
    entries = [entry("::group::my own"), entry("inside"), entry("::endgroup::")]
    assert len(read(entries)["lines"]) == 3


def test_enormous_lines_cost_no_more_than_their_length() -> None:
    blank = " " * 2_000_000
    marks = ("::group::", "::endgroup::", '  File "', "    ")
    began = time.process_time()
    shown = read([entry(mark + blank + "x") for mark in marks])
    assert time.process_time() - began < 5
    assert len(shown["lines"]) == len(marks)


def test_lines_around_a_match_are_numbered_and_told_apart() -> None:
    entries = [entry(f"row {number}") for number in range(1, 101)]
    shown = read(entries, grep="row (20|22|50)$", context=2)
    assert [(line.get("line"), line["event"], line.get("match")) for line in shown["lines"]] == [
        (18, "row 18", None),
        (None, "row 19", None),
        (None, "row 20", True),
        (None, "row 21", None),
        (None, "row 22", True),
        (None, "row 23", None),
        (None, "row 24", None),
        (48, "row 48", None),
        (None, "row 49", None),
        (None, "row 50", True),
        (None, "row 51", None),
        (None, "row 52", None),
    ]
    assert shown["total"] == 3


def test_without_context_each_match_has_its_number() -> None:
    entries = [entry(f"row {number}") for number in range(1, 101)]
    shown = read(entries, grep="row 1?7$")
    assert brief(shown) == [(7, "row 7", None), (17, "row 17", None)]


@pytest.mark.parametrize("context", [0, 1, 3])
def test_pages_of_matches_leave_none_out(context: int) -> None:
    entries = [entry(f"row {number}") for number in range(200)]
    seen: list[str] = []
    cursor = None
    for _ in range(60):
        shown = read(entries, grep="row [0-9]*0$", context=context, tail=7, cursor=cursor)
        matches = [line["event"] for line in shown["lines"] if not context or line.get("match")]
        seen = matches + seen
        cursor = shown.get("next_cursor")
        if cursor is None:
            break
    assert seen == [f"row {number}" for number in range(0, 200, 10)]


def test_a_page_that_is_cut_begins_with_the_number_of_its_first_line() -> None:
    entries = [entry(f"{number} " + "x" * 500) for number in range(1, 1001)]
    shown = read(entries, tail=1000)
    first = shown["lines"][0]
    assert first["event"].startswith(f"{first['line']} ")
    assert shown["truncated"] is True
    assert len(json.dumps(shown)) < 30_000
