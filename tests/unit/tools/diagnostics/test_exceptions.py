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

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_mcp.tools.diagnostics.clusters import Occurrence, cluster
from airflow_provider_mcp.tools.diagnostics.exceptions import (
    Failure,
    Frame,
    add_code,
    classify,
    is_user_code,
    normalise,
)
from airflow_provider_mcp.tools.diagnostics.tracebacks import find_failure, parse_traceback

TRACEBACK = """\
Task failed with exception
Traceback (most recent call last):
  File "/venv/lib/python3.11/site-packages/airflow/models/taskinstance.py", line 768, in _execute_task
    result = _execute_callable(context=context, **execute_callable_kwargs)
             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/opt/dags/sales.py", line 12, in transform
    return row["customer_id"]
           ~~~^^^^^^^^^^^^^^^
KeyError: 'customer_id'

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/venv/lib/python3.11/site-packages/airflow/decorators/base.py", line 266, in execute
    return_value = super().execute(context)
  File "/opt/dags/sales.py", line 14, in transform
    raise acme.errors.LedgerError("entry 7\\nis bad") from missing
  File "/usr/lib/python3.11/contextlib.py", line 81, in inner
    return func(*args, **kwds)
acme.errors.LedgerError: entry 7
is bad""".splitlines()


def text_log(*records: tuple[str | None, str]) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = []
    for level, text in records:
        first, *rest = text.split("\n")
        entries.append({"level": level, "event": first} if level else {"event": first})
        entries += [{"event": line} for line in rest]
    return entries


def structured(event: str, level: str, *stacks: tuple[str, str]) -> dict[str, Any]:
    return {
        "event": event,
        "level": level,
        "error_detail": [
            {
                "exc_type": name,
                "exc_value": value,
                "frames": [
                    {"filename": "/x/site-packages/airflow/sdk/run.py", "lineno": 9, "name": "run"},
                    {"filename": "/opt/dags/a.py", "lineno": 3, "name": "go"},
                ],
            }
            for name, value in stacks
        ],
    }


def test_a_text_traceback_with_its_cause() -> None:
    failure = parse_traceback(TRACEBACK)
    assert failure is not None
    assert (failure.exception, failure.message) == ("LedgerError", "entry 7\nis bad")
    assert failure.cause == "KeyError: 'customer_id'"
    assert [frame.line for frame in failure.frames] == [266, 14, 81]
    (own,) = failure.user_frames
    assert str(own) == (
        '/opt/dags/sales.py:14 in transform: raise acme.errors.LedgerError("entry 7\\nis bad") from missing'
    )


@pytest.mark.parametrize(
    "lines",
    [
        [],
        ["Traceback (most recent call last):"],
        ["Traceback (most recent call last):", "ValueError: no frame"],
        ["ValueError: only said"],
        ['  File "/a.py", line 3, in x', "ValueError: no header"],
        ["Traceback (most recent call last):", '  File "/a.py", line 3, in x', "    boom()"],
        ["Traceback (most recent call last):", '  File "/a.py", line 3, in x', "and then it - went on"],
    ],
)
def test_what_is_no_traceback(lines: list[str]) -> None:
    assert parse_traceback(lines) is None


def test_the_exception_that_ended_the_task_is_found_not_one_it_survived() -> None:
    body = "\n".join(TRACEBACK)
    survived = body.replace("Task failed with exception", "could not send the mail").replace("Ledger", "Mail")
    printed = body.replace("Task failed with exception", "printed").replace("Ledger", "Printed")
    log = text_log(
        ("info", printed), ("error", body), ("info", "Marking task as FAILED."), ("error", survived)
    )
    found = find_failure(log)
    assert found is not None
    assert found.exception == "LedgerError"
    only_survived = find_failure(text_log(("error", survived), ("info", "done")))
    assert only_survived is not None
    assert only_survived.exception == "MailError"
    assert find_failure(text_log(("info", printed))) is None


def test_a_structured_log() -> None:
    entries = [
        {"event": "::group::Log message source details"},
        structured("retrying", "warning", ("Timeout", "x")),
        structured("Task failed with exception", "error", ("LedgerError", "entry 7"), ("KeyError", "'a'")),
        structured("Failed to run task callback", "error", ("MailError", "no")),
    ]
    found = find_failure(entries)
    assert found is not None
    assert (found.text, found.cause) == ("LedgerError: entry 7", "KeyError: 'a'")
    assert found.user_frames == (Frame("/opt/dags/a.py", 3, "go"),)
    assert find_failure(entries[:2]) is None
    callback = find_failure([entries[0], entries[3]])
    assert callback is not None
    assert callback.exception == "MailError"


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("Task exited with return code Negsignal.SIGKILL", "Task exited with return code Negsignal.SIGKILL"),
        ({"event": "Task exited", "level": "error", "exit_code": 3}, "Task exited (exit code 3)"),
        ("Task exited with return code 0", None),
        ("the user said: Task exited with return code 1", None),
        ("ERROR: no error, timeout=30, ConnectionError did not happen", None),
    ],
)
def test_an_end_without_an_exception(entry: Any, message: str | None) -> None:
    found = find_failure(["begin", entry, "end"])
    assert (found.message if found else None) == message


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (None, "no_exception_in_log"),
        (Failure("", "Task exited with return code Negsignal.SIGKILL"), "killed"),
        (Failure("ModuleNotFoundError", "No module named 'x'"), "missing_module"),
        (Failure("sqlalchemy.exc.OperationalError", "server closed"), "connection"),
        (Failure("AirflowSensorTimeout", "x"), "timeout"),
        (Failure("KeyError", "'timeout'"), "data_or_code"),
        (Failure("ValueError", "ConnectionError: permission denied, out of memory"), "data_or_code"),
        (Failure("AcmeTimeoutErrorLike", "timeout=30"), "other"),
        (Failure("AirflowException", "no error, timeout=30"), "other"),
    ],
)
def test_the_kind_is_that_of_the_exceptions_type_alone(failure: Failure | None, kind: str) -> None:
    assert classify(failure) == kind


@given(st.text(max_size=60))
def test_no_word_of_a_message_changes_the_kind(words: str) -> None:
    assert classify(Failure("AcmeError", words)) == "other"
    assert classify(Failure("KeyError", words)) == "data_or_code"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("3 is odd", "147 is odd"),
        ("at 2026-11-24T10:00:00+00:00", "at 2026-11-25 11:30:05.123"),
        ("run 5f3b6c1e-3c1a-4e5b-9a5e-0a1b2c3d4e5f", "run 00000000-3c1a-4e5b-9a5e-0a1b2c3d4e5f"),
        ("object at 0x7f00aa", "object at 0x1"),
        ("table sales_20261124", "table sales_20261125"),
        ("a   b\nc", "a b c"),
        ("took -1.5 s", "took 20,000.75 s"),
        ("commit deadbeef01", "commit 0123456789abcdef"),
    ],
)
def test_what_differs_between_failures_of_one_kind_is_left_out(one: str, other: str) -> None:
    assert normalise(one) == normalise(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("'customer_id'", "'order_id'"),
        ("status code 404", "status code 503"),
        ("HTTP 500 from x", "HTTP 401 from x"),
        ("cannot reach host a", "cannot reach host b"),
    ],
)
def test_what_tells_kinds_apart_is_kept(one: str, other: str) -> None:
    assert normalise(one) != normalise(other)


@given(st.text() | st.from_regex(r"(?:[a-f0-9x:.,-]|status |code |HTTP | 4[0-9][0-9])*", fullmatch=True))
def test_normalising_twice_is_normalising_once(message: str) -> None:
    assert normalise(normalise(message)) == normalise(message)


@pytest.mark.parametrize(
    ("filename", "own"),
    [
        ("/opt/airflow/dags/a.py", True),
        ("/home/ada/airflow/plugins/models/a.py", True),
        ("C:\\dags\\a.py", True),
        ("/venv/lib/python3.12/site-packages/airflow/x.py", False),
        ("/usr/lib/python3/dist-packages/yaml/x.py", False),
        ("/usr/local/lib/python3.11/json/decoder.py", False),
        ("/src/airflow-core/src/airflow/models/dag.py", False),
        ("<frozen importlib._bootstrap>", False),
    ],
)
def test_whose_code_it_is(filename: str, own: bool) -> None:
    assert is_user_code(filename) is own


def test_code_is_added_to_lines_of_the_dags_own_file() -> None:
    frames = (
        Frame("/b/dags/a.py", 2, "f"),
        Frame("/b/dags/a.py", 9, "f"),
        Frame("/b/lib/other.py", 1, "g"),
        Frame("/b/dags/a.py", 1, "h", "known"),
    )
    filled = add_code(Failure("E", "m", frames), ["dags/a.py"], ["one", "  two()  "])
    assert [frame.code for frame in filled.frames] == ["two()", "", "", "known"]
    assert [f.code for f in add_code(filled, ["s/a.py", "/x"], ["x"] * 9).frames] == [
        "two()",
        "",
        "",
        "known",
    ]


def test_a_traceback_wholly_in_libraries_shows_its_last_line() -> None:
    frames = tuple(Frame("/v/site-packages/a.py", n, "f") for n in range(3))
    assert Failure("E", "m", frames).user_frames == frames[-1:]
    assert Failure("E", "m").user_frames == ()


occurrences = st.lists(
    st.builds(
        Occurrence,
        dag_id=st.sampled_from(["a", "b"]),
        dag_run_id=st.just("r"),
        task_id=st.sampled_from(["t", "u"]),
        map_index=st.integers(-1, 200),
        try_number=st.just(1),
        when=st.datetimes().map(lambda t: t.isoformat()),
        failure=st.none()
        | st.builds(Failure, st.sampled_from(["KeyError", "ValueError", ""]), st.text(max_size=5)),
    )
)


@given(occurrences, st.randoms())
def test_groups(found: list[Occurrence], random: Any) -> None:
    groups = cluster(found)
    assert sorted(map(repr, (o for g in groups for o in g.occurrences))) == sorted(map(repr, found))
    assert [len(g.occurrences) for g in groups] == sorted((len(g.occurrences) for g in groups), reverse=True)
    assert len({g.signature for g in groups}) == len(groups)
    for group in groups:
        assert {o.signature for o in group.occurrences} == {group.signature}
        assert group.first.when <= group.last.when
    shuffled = list(found)
    random.shuffle(shuffled)
    assert [(g.signature, len(g.occurrences)) for g in cluster(shuffled)] == [
        (g.signature, len(g.occurrences)) for g in groups
    ]


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=40))
def test_failures_that_differ_in_numbers_are_one_group(numbers: list[int]) -> None:
    found = [
        Occurrence("d", "r", "t", n, 1, "2026", Failure("ValueError", f"record {n} is bad")) for n in numbers
    ]
    (group,) = cluster(found)
    assert group.signature == "ValueError: record # is bad"
    assert len(group.occurrences) == len(numbers)
