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
"""A failure followed to its source: other runs, other tasks, other exceptions, the process."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_mcp.tools.diagnostics.log_lines import find_last_line, find_skip_reason, find_warnings
from airflow_provider_mcp.tools.diagnostics.process_ends import ProcessEnd
from airflow_provider_mcp.tools.diagnostics.runs import diagnose_dag_run
from airflow_provider_mcp.tools.diagnostics.timeouts import read_seconds
from airflow_provider_mcp.tools.diagnostics.tracebacks import find_failure, parse_traceback
from tests.unit.fake_airflow import FakeAirflow
from tests.unit.tools.diagnostics.answers import add_dag, instance, line, listed, raised, run

BOUND = 60
"""REST calls of each diagnosis here, at most."""


def diagnose(airflow: FakeAirflow, dag_id: str = "d", **arguments: Any) -> dict[str, Any]:
    found: dict[str, Any] = airflow.call(diagnose_dag_run, "read", dag_id=dag_id, **arguments)
    assert len(airflow.calls) <= BOUND
    return found


def add_child(airflow: FakeAirflow, state: str = "failed") -> None:
    """Add a Dag whose run another task triggered or waits for."""
    failed = [instance("child", "load", "failed")] if state == "failed" else []
    add_dag(airflow, "child", state, failed, {"load": [raised("ValueError", "no currency")]})


def add_parent(airflow: FakeAirflow, dag_id: str = "d", child: str = "child") -> None:
    fields = {"trigger_dag_id": child, "trigger_run_id": None}
    row = instance(dag_id, "run_child", "failed", rendered_fields=fields)
    add_dag(airflow, dag_id, "failed", [row], {"run_child": [line("waiting", "task")]})
    xcom = f"GET dags/{dag_id}/dagRuns/r/taskInstances/run_child/xcomEntries/trigger_run_id"
    airflow.on(**{xcom: {"key": "trigger_run_id", "value": "r"}})


def tools_of(found: dict[str, Any]) -> list[tuple[str, str]]:
    return [(call["tool"], call["arguments"]["dag_id"]) for call in found["next_steps"]]


def test_into_the_run_that_a_task_triggered() -> None:
    airflow = FakeAirflow()
    add_parent(airflow)
    add_child(airflow)
    found = diagnose(airflow)
    source = found["failures"][0]["source"]
    assert source["runs"] == [
        {"dag_id": "child", "relation": "triggered", "dag_run_id": "r", "state": "failed"}
    ]
    assert (source["task_id"], source["cause"]["message"]) == ("load", "ValueError: no currency")
    assert source["cause"]["code"] == ["/opt/dags/d.py:1 in work: first()"]
    assert "there `load` failed: ValueError: no currency" in found["summary"]
    # Clearing the parent would only start the same failure again.
    assert tools_of(found) == [("get_task_logs", "child"), ("get_dag", "child")]


def test_through_two_runs() -> None:
    airflow = FakeAirflow()
    add_parent(airflow, "d", "middle")
    add_parent(airflow, "middle", "child")
    add_child(airflow)
    source = diagnose(airflow)["failures"][0]["source"]
    assert [other["dag_id"] for other in source["runs"]] == ["middle", "child"]
    assert source["cause"]["message"] == "ValueError: no currency"


def test_runs_that_trigger_each_other_end() -> None:
    airflow = FakeAirflow()
    add_parent(airflow, "d", "child")
    add_parent(airflow, "child", "d")
    source = diagnose(airflow)["failures"][0]["source"]
    assert [other["dag_id"] for other in source["runs"]] == ["child", "d"]


def test_a_triggered_run_that_still_waits() -> None:
    airflow = FakeAirflow()
    add_parent(airflow)
    add_child(airflow, "queued")
    found = diagnose(airflow)
    assert "is queued" in found["summary"]
    assert tools_of(found) == [("explain_waiting", "child")]


def test_a_triggered_run_that_may_not_be_read() -> None:
    airflow = FakeAirflow()
    add_parent(airflow)
    airflow.on(**{"GET dags/child/dagRuns/r": 403})
    found = diagnose(airflow)
    assert "may not" in found["failures"][0]["source"]["not_known_because"]
    assert tools_of(found) == [("list_dag_runs", "child")]


def test_a_triggered_run_that_is_not_recorded_is_found_by_its_time() -> None:
    airflow = FakeAirflow()
    add_parent(airflow)
    add_child(airflow)
    xcom = "GET dags/d/dagRuns/r/taskInstances/run_child/xcomEntries/trigger_run_id"
    within = "GET dags/child/dagRuns?logical_date_gte=2026-11-27T10:00:00Z"
    airflow.on(**{xcom: 404, within: listed("dag_runs", [run("child", "failed")])})
    source = diagnose(airflow)["failures"][0]["source"]
    assert source["cause"]["message"] == "ValueError: no currency"
    assert "is not recorded: this is the only one" in source["note"]
    airflow.on(**{within: listed("dag_runs", [run("child", "failed"), run("child", "failed", "other")])})
    airflow.calls.clear()
    found = diagnose(airflow)
    assert found["failures"][0]["source"]["not_known_because"] == "which run it triggered is not recorded"
    assert "the run of `child` that it triggered could not be found" in found["summary"]


def test_into_the_run_that_a_sensor_waited_for() -> None:
    airflow = FakeAirflow()
    fields = {"external_dag_id": "child", "external_task_ids": ["load"], "external_task_id": None}
    row = instance("d", "wait", "failed", rendered_fields=fields)
    # The sensor's execution_delta makes it look an hour back.
    poke = line("Poking for tasks ['load'] in dag child on 2026-11-27T09:00:00+00:00 ... ", "airflow.task")
    add_dag(airflow, "d", "failed", [row], {"wait": [poke, raised("ExternalTaskFailedError", "failed")]})
    add_child(airflow)
    asked = "GET dags/child/dagRuns?logical_date_gte=2026-11-27T09:00:00%2B00:00"
    airflow.on(**{asked: listed("dag_runs", [run("child", "failed")])})
    found = diagnose(airflow)
    source = found["failures"][0]["source"]
    assert source["runs"][0] == {
        "dag_id": "child",
        "relation": "waited for",
        "tasks": ["load"],
        "dag_run_id": "r",
        "state": "failed",
    }
    assert source["cause"]["message"] == "ValueError: no currency"


def explain(airflow: FakeAirflow, task_id: str) -> dict[str, Any]:
    return diagnose(airflow, dag_run_id="r", task_id=task_id)


def test_a_branch_that_chose_another_way() -> None:
    airflow = FakeAirflow()
    rows = [
        instance("d", "choose", "success"),
        instance("d", "csv", "skipped"),
        instance("d", "json", "success"),
        instance("d", "archive", "skipped"),
    ]
    tasks: dict[str, dict[str, Any]] = {
        "choose": {"below": ["csv", "json"]},
        "csv": {"below": ["archive"]},
        "json": {},
        "archive": {},
    }
    log = [
        line("no csv file has arrived"),
        line("Branch into json", "airflow.task.operators.airflow.providers.standard.operators.python.X"),
        line("Skipping downstream tasks.", "task"),
    ]
    add_dag(airflow, "d", "success", rows, {"choose": log}, tasks)
    here = "GET dags/d/dagRuns/r/taskInstances"
    airflow.on(
        **{
            f"{here}/choose/xcomEntries/skipmixin_key": {"value": {"followed": ["json"]}},
            f"{here}/csv/xcomEntries/skipmixin_key": 404,
        }
    )
    found = explain(airflow, "archive")
    reason = found["not_run"]
    assert (reason["because"], reason["task_id"]) == ("branch", "choose")
    assert reason["through"] == ["archive", "csv"]
    assert reason["last_log_line"] == "no csv file has arrived"
    assert "the branch `choose` chose `json`" in found["summary"]


def test_a_short_circuit() -> None:
    airflow = FakeAirflow()
    rows = [instance("d", "holiday", "success"), instance("d", "settle", "skipped")]
    tasks: dict[str, dict[str, Any]] = {"holiday": {"below": ["settle"]}, "settle": {}}
    add_dag(airflow, "d", "success", rows, {"holiday": [line("today is a holiday")]}, tasks)
    choice = "GET dags/d/dagRuns/r/taskInstances/holiday/xcomEntries/skipmixin_key"
    airflow.on(**{choice: {"value": {"skipped": ["settle"]}}})
    reason = explain(airflow, "settle")["not_run"]
    assert (reason["because"], reason["last_log_line"]) == ("short_circuit", "today is a holiday")


def test_a_task_that_skipped_itself() -> None:
    airflow = FakeAirflow()
    rows = [instance("d", "fetch", "skipped", hostname="worker"), instance("d", "store", "skipped")]
    tasks: dict[str, dict[str, Any]] = {"fetch": {"below": ["store"]}, "store": {}}
    log = [line("Skipping task.", "task", reason="no new rows")]
    add_dag(airflow, "d", "success", rows, {"fetch": log}, tasks)
    airflow.on(**{"GET dags/d/dagRuns/r/taskInstances/fetch/xcomEntries/skipmixin_key": 404})
    found = explain(airflow, "store")
    assert found["not_run"]["because"] == "skipped_itself"
    assert found["summary"] == "`store` is skipped: `fetch` above it skipped itself: no new rows."


@pytest.mark.parametrize(
    ("rule", "mapped", "because"),
    [("one_failed", False, "trigger_rule"), ("all_success", True, "empty_mapping")],
)
def test_a_skip_that_no_task_decided(rule: str, mapped: bool, because: str) -> None:
    airflow = FakeAirflow()
    rows = [instance("d", "work", "success"), instance("d", "alert", "skipped")]
    tasks = {"work": {"below": ["alert"]}, "alert": {"trigger_rule": rule, "is_mapped": mapped}}
    add_dag(airflow, "d", "success", rows, {}, tasks)
    airflow.on(**{"GET dags/d/dagRuns/r/taskInstances/work/xcomEntries/skipmixin_key": 404})
    reason = explain(airflow, "alert")["not_run"]
    assert (reason["because"], reason["upstream"]) == (because, {"work": "success"})


def test_a_task_that_ran_when_the_time_of_its_run_was_up_did_not_skip_itself() -> None:
    airflow = FakeAirflow()
    rows = [instance("d", "crunch", "skipped", hostname="worker"), instance("d", "after", "skipped")]
    tasks: dict[str, dict[str, Any]] = {"crunch": {"below": ["after"]}, "after": {}}
    log = [line("crunching"), line("Server indicated the task shouldn't be running anymore", "task", "error")]
    add_dag(airflow, "d", "failed", rows, {"crunch": log}, tasks, dag_run_timeout="PT5S")
    airflow.on(**{"GET dags/d/dagRuns/r/taskInstances/crunch/xcomEntries/skipmixin_key": 404})
    for task_id in ("crunch", "after"):
        found = explain(airflow, task_id)
        assert (found["not_run"]["because"], found["not_run"]["seconds"]) == ("run_timeout", 5.0)
        assert "the run's dagrun_timeout of 5 s was up before it had ended" in found["summary"]


@pytest.mark.parametrize("rule", ["all_success", "none_failed", "all_done"])
def test_a_skip_that_the_trigger_rule_does_not_explain(rule: str) -> None:
    airflow = FakeAirflow()
    rows = [instance("d", "work", "success"), instance("d", "alert", "skipped")]
    add_dag(
        airflow, "d", "success", rows, {}, {"work": {"below": ["alert"]}, "alert": {"trigger_rule": rule}}
    )
    airflow.on(**{"GET dags/d/dagRuns/r/taskInstances/work/xcomEntries/skipmixin_key": 404})
    found = explain(airflow, "alert")
    assert found["not_run"]["because"] == "set_from_outside"
    assert "may have set its state" in found["summary"]
    who = next(call for call in found["next_steps"] if call["tool"] == "list_event_logs")
    assert who["arguments"] == {"dag_id": "d", "dag_run_id": "r", "task_id": "alert"}


def test_the_failed_task_above() -> None:
    airflow = FakeAirflow()
    rows = [
        instance("d", "download", "failed"),
        instance("d", "parse", "upstream_failed"),
        instance("d", "publish", "upstream_failed"),
    ]
    tasks: dict[str, dict[str, Any]] = {
        "download": {"below": ["parse"]},
        "parse": {"below": ["publish"]},
        "publish": {},
    }
    add_dag(airflow, "d", "failed", rows, {"download": [raised("PermissionError", "refused")]}, tasks)
    found = explain(airflow, "publish")
    assert (found["not_run"]["because"], found["not_run"]["task_id"]) == ("failed_above", "download")
    assert found["not_run"]["cause"]["message"] == "PermissionError: refused"
    assert found["failures"] == []


def test_a_task_that_there_is_not() -> None:
    airflow = FakeAirflow()
    add_dag(airflow, "d", "failed", [instance("d", "a", "failed")])
    refused = airflow.refuses("not_found", diagnose_dag_run, "read", dag_id="d", task_id="b")
    assert "has no task `b`" in refused.message


def test_what_the_logs_of_a_green_run_warn_of() -> None:
    airflow = FakeAirflow()
    rows = [instance("d", "convert", "success"), instance("d", "quiet", "success")]
    shell = "airflow.task.hooks.airflow.providers.standard.hooks.subprocess.SubprocessHook"
    log = [
        line("disk almost full", level="warning"),
        line("/usr/bin/bash: line 1: no_such: command not found", shell),
        line("a provider is old", "airflow.providers", level="warning"),
    ]
    add_dag(airflow, "d", "success", rows, {"convert": log, "quiet": [line("all is well")]})
    found = diagnose(airflow, dag_run_id="latest")
    (warned,) = found["log_warnings"]["warned"]
    assert warned["log_lines"] == ["/usr/bin/bash: line 1: no_such: command not found", "disk almost full"]
    assert (found["log_warnings"]["logs_read"], found["log_warnings"]["of"]) == (2, 2)
    assert "command not found" in found["summary"]
    assert found["next_steps"][0]["arguments"]["task_id"] == "convert"


@pytest.mark.parametrize(
    ("entry", "facts", "told"),
    [
        (
            line(
                "Process terminated by signal. Likely out of memory error (OOM). For more ...",
                "task",
                "critical",
                signal=-9,
                signal_name="SIGKILL",
            ),
            {"signal": "SIGKILL", "guess_of_airflow": "Likely out of memory error (OOM)"},
            "ended by SIGKILL (Airflow guesses, without having measured it: Likely out of memory",
        ),
        (line("Process exited abnormally", "task", exit_code=3), {"exit_code": 3}, "exit code 3"),
        ("Task exited with return code Negsignal.SIGSEGV", {"signal": "SIGSEGV"}, "ended by SIGSEGV"),
        (
            "Task exited with return code -9. For more information, see https://airflow.apache.org/x#killed",
            {"signal": "SIGKILL"},
            "ended by SIGKILL",
        ),
        ("Task exited with return code -15", {"signal": "SIGTERM"}, "ended by SIGTERM"),
        ("Task exited with return code 2", {"exit_code": 2}, "return code 2"),
    ],
)
def test_how_a_process_ended(entry: Any, facts: dict[str, Any], told: str) -> None:
    airflow = FakeAirflow()
    add_dag(airflow, "d", "failed", [instance("d", "grow", "failed")], {"grow": [entry]})
    found = diagnose(airflow)
    error = found["failures"][0]["errors"][0]
    assert {name: error[name] for name in facts} == facts
    assert told in found["summary"]
    assert error["kind"] == "killed"


@pytest.mark.parametrize(
    ("exception", "message", "facts"),
    [
        ("AirflowException", "The command returned a non-zero exit code -9.", {"signal": "SIGKILL"}),
        ("CalledProcessError", "Command '['dbt']' returned non-zero exit status 2.", {"exit_code": 2}),
        ("CalledProcessError", "Command 'x' died with <Signals.SIGSEGV: 11>.", {"signal": "SIGSEGV"}),
        ("AirflowException", "Pod main exited with code 137", {"exit_code": 137}),
        ("AirflowException", "container failed, Exit Code: 1", {"exit_code": 1}),
        ("SystemExit", "3", {"exit_code": 3}),
        ("ValueError", "row 3 has no exit", {}),
        ("AirflowException", "exit 5 of the motorway is closed", {}),
    ],
)
def test_what_an_exception_says_of_a_process(exception: str, message: str, facts: dict[str, Any]) -> None:
    failure = find_failure([raised(exception, message)])
    assert failure is not None
    assert ({} if failure.end is None else failure.end.describe()).items() >= facts.items()
    assert (failure.end is not None) is bool(facts)


def test_an_exit_code_of_a_shell() -> None:
    airflow = FakeAirflow()
    said = "Bash command failed. The command returned a non-zero exit code 127."
    log = [line("bash: no_such: command not found"), raised("AirflowException", said)]
    add_dag(airflow, "d", "failed", [instance("d", "convert", "failed")], {"convert": log})
    found = diagnose(airflow)
    error = found["failures"][0]["errors"][0]
    assert (error["exit_code"], error["kind"]) == (127, "missing_command")
    assert "found no such command" in error["exit_code_means"]
    assert "its log says: bash: no_such: command not found" in found["summary"]
    assert "clear_task_instances" not in [call["tool"] for call in found["next_steps"]]
    assert (
        ProcessEnd(137)
        .describe()["exit_code_means"]
        .startswith("a process of the shell was ended by SIGKILL")
    )


@pytest.mark.parametrize(
    ("failure", "timeout"),
    [
        (
            ("AirflowTaskTimeout", "Timeout, PID: 7"),
            {"which": "execution_timeout of the task", "seconds": 90.0},
        ),
        (
            ("AirflowSensorTimeout", "run duration of 3.1 seconds exceeds the specified timeout of 3.0."),
            {"which": "timeout of the sensor", "seconds": 3.0},
        ),
        (
            ("ReadTimeout", "HTTPSConnectionPool(host='x', port=443): Read timed out. (read timeout=12.5)"),
            {"which": "timeout of the client that the code uses (HTTP, network)", "seconds": 12.5},
        ),
        (
            ("TimeoutError", "timed out"),
            {"which": "timeout of the client that the code uses (HTTP, network)", "seconds": 7.0},
        ),
        (
            ("subprocess.TimeoutExpired", "Command 'dbt run' timed out after 300 seconds"),
            {"which": "timeout of the client that the code uses (HTTP, network)", "seconds": 300.0},
        ),
        (
            ("PoolTimeout", "no connection after 250 ms"),
            {"which": "timeout of the client that the code uses (HTTP, network)", "seconds": 0.25},
        ),
        (
            ("Timeout", "gave up after 3 retries (timeout: 2 min)"),
            {"which": "timeout of the client that the code uses (HTTP, network)", "seconds": 120.0},
        ),
        (
            ("TaskDeferralTimeout", "Trigger timeout"),
            {"which": "timeout of the deferral: its trigger did not fire in time"},
        ),
        (("ValueError", "timeout=30"), None),
    ],
)
def test_which_timeout_and_how_long(failure: tuple[str, str], timeout: dict[str, Any] | None) -> None:
    airflow = FakeAirflow()
    add_dag(airflow, "d", "failed", [instance("d", "work", "failed")], {"work": [raised(*failure, line=2)]})
    limit = {"days": 0, "seconds": 90, "microseconds": 0}
    airflow.on(**{"GET dags/d/tasks/work": {"task_id": "work", "execution_timeout": limit}})
    assert diagnose(airflow)["failures"][0].get("timeout") == timeout


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("PT10S", 10),
        ("P1DT2H3M4.5S", 93784.5),
        ({"days": 1, "seconds": 2, "microseconds": 500_000}, 86402.5),
        (60, 60),
        (None, None),
        ("soon", None),
        (True, None),
    ],
)
def test_lengths_of_time(value: Any, seconds: float | None) -> None:
    assert read_seconds(value) == seconds


def test_a_run_that_timed_out_on_airflow_3() -> None:
    airflow = FakeAirflow()
    rows = [instance("d", "work", "skipped")]
    add_dag(airflow, "d", "failed", rows, dag_run_timeout="PT5S")
    assert diagnose(airflow)["summary"].endswith("It took 10 s, and its dagrun_timeout is 5 s.")


def test_the_cause_behind_an_exception_has_its_own_line() -> None:
    airflow = FakeAirflow()
    log = raised("ReportError", "cannot be built", line=3)
    log["error_detail"] += raised("KeyError", "'chf'")["error_detail"]
    add_dag(airflow, "d", "failed", [instance("d", "report", "failed")], {"report": [log]})
    found = diagnose(airflow)
    error = found["failures"][0]["errors"][0]
    assert error["caused_by"] == "KeyError: 'chf'"
    assert error["caused_by_code"] == ["/opt/dags/d.py:1 in work: first()"]
    assert error["code"] == ["/opt/dags/d.py:3 in work: third()"]
    assert "caused by KeyError: 'chf'" in found["summary"]


def test_the_exceptions_of_a_group() -> None:
    airflow = FakeAirflow()
    inner = [raised("ValueError", f"file {name}")["error_detail"] for name in "abcdefg"]
    log = raised("ExceptionGroup", "7 files are wrong (7 sub-exceptions)", exceptions=inner, is_group=True)
    add_dag(airflow, "d", "failed", [instance("d", "check", "failed")], {"check": [log]})
    error = diagnose(airflow)["failures"][0]["errors"][0]
    assert error["exceptions"][0] == "ValueError: file a (/opt/dags/d.py:1 in work: first())"
    assert error["exceptions_listed"] == "5 of 7"


GROUP = """\
  + Exception Group Traceback (most recent call last):
  |   File "/opt/dags/d.py", line 9, in check_all
  |     raise group
  | ExceptionGroup: 2 files are wrong (2 sub-exceptions)
  +-+---------------- 1 ----------------
    | Traceback (most recent call last):
    |   File "/opt/dags/d.py", line 3, in check
    |     raise ValueError("a")
    | ValueError: file a.csv has no header
    +---------------- 2 ----------------
    | Exception Group Traceback (most recent call last):
    |   File "/opt/dags/d.py", line 5, in more
    |     raise inner
    | ExceptionGroup: inner (2 sub-exceptions)
    +-+---------------- 1 ----------------
      | KeyError: 'x'
      +---------------- 2 ----------------
      | Traceback (most recent call last):
      |   File "/opt/dags/d.py", line 7, in deep
      |     raise OSError
      | OSError: disk
      +------------------------------------
""".splitlines()


def test_a_group_in_a_text_log() -> None:
    group = parse_traceback(GROUP)
    assert group is not None
    assert group.text == "ExceptionGroup: 2 files are wrong (2 sub-exceptions)"
    first, second = group.members
    assert (first.text, first.frames[0].line) == ("ValueError: file a.csv has no header", 3)
    assert second.text == "ExceptionGroup: inner (2 sub-exceptions)"
    assert [member.text for member in second.members] == ["KeyError: 'x'", "OSError: disk"]
    assert second.members[1].frames[0].line == 7


def test_a_chain_in_a_text_log_keeps_the_frames_of_its_cause() -> None:
    text = """\
Traceback (most recent call last):
  File "/opt/dags/d.py", line 3, in read
    return RATES[currency]
KeyError: 'chf'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/opt/dags/d.py", line 9, in build
    raise ReportError("no")
ReportError: no"""
    failure = find_failure([{"event": text, "level": "error"}])
    assert failure is not None
    assert failure.text == "ReportError: no"
    assert [frame.line for frame in failure.source.frames] == [3]


def test_the_lines_that_a_task_wrote() -> None:
    log = [
        line("Pre", "task"),
        line("printed", "task.stdout"),
        line("told by the task's logger", "airflow.task"),
        line("of an own operator", "airflow.task.operators.acme.Copy"),
        line("Done", "airflow.task.operators.airflow.providers.x.Y"),
        {"event": "a line that goes on"},
        line("Marking task as SUCCESS", "taskinstance.py:1138"),
        {"event": " INFO - ::endgroup::"},
    ]
    assert find_last_line(log) == "of an own operator"
    assert find_warnings([line("x", "taskinstance.py:9", "warning"), line("No space left on device")]) == [
        "No space left on device"
    ]


@pytest.mark.parametrize(
    ("text", "warns"),
    [
        ("sh: 1: no_such_converter: not found", True),
        ("curl: (6) Could not resolve host: prices.example", True),
        ("psql: error: connection to server failed", True),
        ("make: *** [report] Error 2", True),
        ("cp: cannot stat 'a.csv'", True),
        ("fatal: not a git repository", True),
        ("ERROR 1045 (28000): Access denied", True),
        ("ValueError: price list 17 has no currency", True),
        ("acme.errors.LedgerException: locked", True),
        ("0 errors, 0 warnings", False),
        ("the table errors: was read", False),
        ("no ValueError was raised", False),
        ("killed 3 rows", False),
    ],
)
def test_what_a_program_of_a_green_task_warns_of(text: str, warns: bool) -> None:
    shell = "airflow.task.hooks.airflow.providers.standard.hooks.subprocess.SubprocessHook"
    assert find_warnings([line(text, shell)]) == ([text] if warns else [])


def test_the_reason_for_a_skip_on_airflow_2() -> None:
    log = [
        line("::group::Post task execution logs", "taskinstance.py:340"),
        line("no new rows", "taskinstance.py:310"),
        line("Marking task as SKIPPED. dag_id=d", "taskinstance.py:352"),
        line("Task exited with return code 0", "local_task_job_runner.py:266"),
    ]
    assert find_skip_reason(log) == "no new rows"
    assert find_skip_reason(log[3:]) is None
