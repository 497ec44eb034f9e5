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

from airflow_provider_mcp.tools.diagnostics.statistics import seconds
from airflow_provider_mcp.tools.diagnostics.waiting_dag_rules import find_last_line
from airflow_provider_mcp.tools.diagnostics.waiting_facts import Facts
from airflow_provider_mcp.tools.diagnostics.waiting_rules import RULES, conclude, explain
from airflow_provider_mcp.tools.shared.reads import Unread

NOW = seconds("2026-11-24T12:00:00+00:00") or 0.0
EARLIER, LATER = "2026-11-24T11:00:00+00:00", "2026-11-24T13:00:00+00:00"
DENIED = Unread("You may not read this.")
HEALTH = {
    "scheduler": {"status": "healthy", "latest_scheduler_heartbeat": EARLIER},
    "triggerer": {"status": None, "latest_triggerer_heartbeat": None},
    "dag_processor": {"status": "healthy", "latest_dag_processor_heartbeat": EARLIER},
}
DAG = {
    "dag_id": "d",
    "is_paused": False,
    "fileloc": "/dags/d.py",
    "timetable_summary": "@daily",
    "start_date": EARLIER,
    "next_dagrun_run_after": EARLIER,
    "max_active_runs": 2,
    "max_active_tasks": 16,
}
RUN = {"dag_run_id": "r", "state": "running", "run_after": EARLIER}
TASK = {"task_id": "t", "state": "scheduled", "pool": "p", "pool_slots": 2, "queue": "default"}
POOL = {"name": "p", "slots": 4, "open_slots": 3}


def facts(**more: Any) -> Facts:
    return Facts(**{"now": NOW, "dag_id": "d", "dag": DAG, "health": HEALTH, "running": (0, []), **more})


def waiting(**more: Any) -> Facts:
    known = {
        "run": RUN,
        "instance": {**TASK, **more.pop("task_is", {})},
        "dependencies": [],
        "pool": POOL,
        "active_tasks": 3,
        "executing": 3,
        "parallelism": 32,
        "schedulers": 1,
        "task": {},
    }
    return facts(**{**known, **more})


CASES: list[tuple[str, Facts, str, str]] = [
    (
        "broken file",
        facts(dag=None, import_errors=[{"filename": "/x/d.py", "stack_trace": "a\nImportError: no\n"}]),
        "dag",
        "The file named after the Dag could not be imported: ImportError: no",
    ),
    (
        "no such dag",
        facts(dag=None, import_errors=[{"filename": "/x/other.py", "stack_trace": "E"}]),
        "dag",
        "There is no Dag `d`. 1 file(s) could not be imported",
    ),
    ("no such dag, all well", facts(dag=None), "dag", "There is no Dag `d`, and no file failed"),
    (
        "no such dag, errors denied",
        facts(dag=None, import_errors=DENIED),
        "dag",
        "There is no Dag `d`. Import errors: You may not",
    ),
    (
        "now broken",
        facts(
            dag={**DAG, "has_import_errors": True},
            import_errors=[
                {"filename": "/dags/e.py", "stack_trace": "x"},
                {"filename": "d.py", "stack_trace": "SyntaxError: bad"},
            ],
        ),
        "dag",
        "Its file could not be imported: SyntaxError: bad.",
    ),
    (
        "now broken, denied",
        facts(dag={**DAG, "has_import_errors": True}, import_errors=DENIED),
        "dag",
        "Its file could not be imported. The error could not be read",
    ),
    ("gone", facts(dag={**DAG, "is_stale": True}), "dag", "Airflow no longer finds the Dag"),
    ("paused", facts(dag={**DAG, "is_paused": True}), "paused", "The Dag `d` is paused."),
    (
        "no schedule",
        facts(dag={**DAG, "timetable_summary": None, "next_dagrun_run_after": None}),
        "schedule",
        "The Dag has no schedule",
    ),
    (
        "future start",
        facts(dag={**DAG, "start_date": LATER, "next_dagrun_run_after": LATER}),
        "schedule",
        f"The Dag's start date is in the future ({LATER}), and its first run is due at",
    ),
    (
        "by assets",
        facts(dag={**DAG, "next_dagrun_run_after": None, "asset_expression": {"any": []}}),
        "schedule",
        "The Dag is scheduled by assets",
    ),
    (
        "past its end",
        facts(dag={**DAG, "next_dagrun_run_after": None, "end_date": EARLIER}),
        "schedule",
        "The Dag's end date has passed",
    ),
    (
        "nothing planned",
        facts(dag={**DAG, "next_dagrun_run_after": None}),
        "schedule",
        "Airflow has planned no next run",
    ),
    (
        "not due",
        facts(dag={**DAG, "next_dagrun_run_after": LATER}),
        "schedule",
        f"The next run is due at {LATER}",
    ),
    (
        "run not due",
        facts(run={**RUN, "state": "queued", "run_after": LATER}),
        "schedule",
        "The run is not due",
    ),
    (
        "too many runs",
        facts(run={**RUN, "state": "queued"}, running=(2, [{"dag_run_id": "x"}])),
        "max_active_runs",
        "2 run(s) of the Dag are running, and max_active_runs is 2.",
    ),
    ("run queued", waiting(run={**RUN, "state": "queued"}), "run", "The task's run has not started"),
    (
        "upstream",
        waiting(dependencies=[{"name": "Trigger Rule", "reason": "found 1 non-success"}]),
        "dependencies",
        "A dependency is not met: Trigger Rule: found 1 non-success",
    ),
    (
        "pool full",
        waiting(pool={**POOL, "open_slots": 1}, holders=[{"dag_id": "x", "state": "running"}]),
        "pool",
        "The pool `p` is full: 1 of 4 slots are free, and the task needs 2.",
    ),
    ("pool of none", waiting(pool={**POOL, "slots": 0, "open_slots": 0}), "pool", "The pool `p` is full"),
    ("no pool", waiting(pool=None), "pool", "There is no pool `p`"),
    (
        "pool denied but reported",
        waiting(pool=DENIED, dependencies=[{"name": "Pool Slots Available", "reason": "no slot"}]),
        "pool",
        "no slot",
    ),
    ("dag limit", waiting(active_tasks=16), "concurrency", "16 tasks of the run are queued or running"),
    (
        "dag limit on Airflow 2",
        waiting(active_tasks=16, airflow_2=True),
        "concurrency",
        "16 tasks of the Dag",
    ),
    (
        "task limit",
        waiting(dependencies=[{"name": "Task Concurrency", "reason": "max is 1"}]),
        "concurrency",
        "max is 1",
    ),
    (
        "retry",
        waiting(
            task_is={"state": "up_for_retry", "end_date": "2026-11-24T11:59:00+00:00"},
            task={"retry_delay": {"days": 0, "seconds": 300, "microseconds": 0}},
        ),
        "retry",
        "A try failed, and the next one is due at 2026-11-24T12:04:00+00:00.",
    ),
    (
        "growing retry",
        waiting(
            task_is={"state": "up_for_retry", "end_date": EARLIER},
            task={"retry_delay": {"seconds": 300}, "retry_exponential_backoff": True},
        ),
        "retry",
        "A try failed; the next comes after a delay that grows with each try from 300 s.",
    ),
    (
        "retry, task denied",
        waiting(task_is={"state": "up_for_retry"}, task=DENIED),
        "retry",
        "A try failed, and the task waits for its next. How long could not be read",
    ),
    (
        "deferred",
        waiting(task_is={"state": "deferred", "trigger": {"classpath": "a.Trigger"}}),
        "deferred",
        "The task is deferred: it waits for its trigger a.Trigger.",
    ),
    (
        "a person",
        waiting(task_is={"state": "awaiting_input"}),
        "input",
        "The task waits for a person's answer.",
    ),
    (
        "a person by a trigger",
        waiting(task_is={"state": "deferred", "trigger": {"classpath": "a.hitl.HITLTrigger"}}),
        "input",
        "The task waits for a person's answer.",
    ),
    (
        "rescheduled",
        waiting(task_is={"state": "up_for_reschedule", "operator_name": "FileSensor"}),
        "sensor",
        "The condition that FileSensor waits for is not met",
    ),
    (
        "poking",
        waiting(task_is={"state": "running"}, task={"class_ref": {"class_name": "FileSensor"}}),
        "sensor",
        "It runs: FileSensor pokes",
    ),
    (
        "no scheduler",
        waiting(health={**HEALTH, "scheduler": {"status": "unhealthy"}}),
        "heartbeats",
        "No heartbeat of the scheduler (last seen never).",
    ),
    (
        "no dag processor",
        facts(
            health={
                **HEALTH,
                "dag_processor": {"status": "unhealthy", "latest_dag_processor_heartbeat": EARLIER},
            }
        ),
        "heartbeats",
        f"No heartbeat of the dag processor (last seen {EARLIER}).",
    ),
    (
        "paused backfill",
        facts(run={**RUN, "state": "queued"}, backfill={"id": 7, "is_paused": True, "max_active_runs": 1}),
        "backfill",
        "The backfill 7 of this run is paused.",
    ),
    (
        "triggered run",
        waiting(
            task_is={"state": "running"}, other={"dag_id": "e", "says": "It waits for the run `x` of `e`"}
        ),
        "other_run",
        "It waits for the run `x` of `e`",
    ),
    ("executor full", waiting(executing=32), "executor", "The executor is full: 32 tasks"),
    (
        "with the executor",
        waiting(task_is={"state": "queued", "queued_when": EARLIER}),
        "executor",
        f"The executor has the task since {EARLIER}, and no worker has started it",
    ),
]


@pytest.mark.parametrize(("known", "rule", "says"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_the_first_rule_that_blocks_is_the_reason(known: Facts, rule: str, says: str) -> None:
    checks = explain(known)
    first = next(check for check in checks if check.verdict == "blocks")
    assert first.name == rule
    assert first.says.startswith(says)
    assert conclude(known, checks) == first.says


def test_every_rule_blocks_in_some_case() -> None:
    # How a task ended holds nothing back.
    assert len({rule for _, _, rule, _ in CASES} | {"outcome"}) == len(RULES)


@pytest.mark.parametrize(
    ("known", "says"),
    [
        (facts(), "Nothing that could be checked holds it back"),
        (waiting(), "Nothing that could be checked holds it back"),
        (waiting(pool={**POOL, "slots": -1, "open_slots": -1}), "Nothing that could be checked"),
        (waiting(parallelism=0, executing=99), "Nothing that could be checked"),
        (waiting(executing=40, schedulers=2), "Nothing that could be checked"),
        (
            waiting(dependencies=[{"name": "Task Instance State", "reason": "Task is in the 'None' state."}]),
            "Nothing that could be checked",
        ),
        (
            waiting(task_is={"state": "running", "start_date": EARLIER}),
            f"It is not waiting: it runs since {EARLIER}",
        ),
        (waiting(task_is={"state": "success"}), "It is not waiting: its state is success."),
        (facts(run={**RUN, "state": "failed"}), "It is not waiting: the run is over (failed)."),
        (
            waiting(
                task_is={"state": "running", "start_date": EARLIER},
                task={"class_ref": {"class_name": "NoSensorHere", "module_path": "acme.sensorsx"}},
            ),
            "It is not waiting",
        ),
    ],
)
def test_where_nothing_blocks(known: Facts, says: str) -> None:
    checks = explain(known)
    assert [check for check in checks if check.verdict == "blocks"] == []
    assert conclude(known, checks).startswith(says)


@pytest.mark.parametrize(
    ("known", "rule"),
    [
        (waiting(dependencies=DENIED), "dependencies"),
        (waiting(dependencies=DENIED), "concurrency"),
        (waiting(pool=DENIED), "pool"),
        (waiting(active_tasks=DENIED), "concurrency"),
        (waiting(health=DENIED), "heartbeats"),
        (waiting(parallelism=DENIED), "executor"),
        (waiting(executing=32, schedulers=DENIED), "executor"),
        (facts(run={**RUN, "state": "queued"}, running=DENIED), "max_active_runs"),
    ],
)
def test_what_could_not_be_checked_is_said_and_not_guessed(known: Facts, rule: str) -> None:
    checks = explain(known)
    assert rule in {check.name for check in checks if check.verdict == "unknown"}
    assert rule in conclude(known, checks)
    assert any("You may not read this." in check.says for check in checks)


fact = st.sampled_from([DENIED, 0, 1, 40])


@given(
    st.sampled_from(
        [None, "scheduled", "queued", "deferred", "up_for_retry", "up_for_reschedule", "running"]
    ),
    st.sampled_from(["queued", "running", "success", "failed"]),
    st.sampled_from([DENIED, None, POOL, {**POOL, "open_slots": 0}]),
    st.sampled_from([DENIED, [], [{"name": "Trigger Rule", "reason": "x"}]]),
    st.sampled_from([DENIED, HEALTH, {}]),
    fact,
    fact,
    fact,
    fact,
)
def test_every_rule_copes_with_any_facts(
    state: str | None,
    run_state: str,
    pool: Any,
    dependencies: Any,
    health: Any,
    active: Any,
    executing: Any,
    parallelism: Any,
    schedulers: Any,
) -> None:
    known = waiting(
        task_is={"state": state},
        run={**RUN, "state": run_state},
        pool=pool,
        dependencies=dependencies,
        health=health,
        active_tasks=active,
        executing=executing,
        parallelism=parallelism,
        schedulers=schedulers,
    )
    checks = explain(known)
    assert conclude(known, checks)
    assert len({check.name for check in checks}) == len(checks)
    assert all(check.says for check in checks)


@pytest.mark.parametrize(
    ("trace", "line"), [(None, ""), ("", ""), ("a\n\n", "a"), ("a\nImportError: x\n  \n", "ImportError: x")]
)
def test_last_line(trace: str | None, line: str) -> None:
    assert find_last_line(trace) == line
