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
"""find_failures: the order of causes, parents and children, what is beside; and that tools count alike."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_mcp.tools.diagnostics.comparison import compare_dag_runs
from airflow_provider_mcp.tools.diagnostics.history import find_failures
from airflow_provider_mcp.tools.diagnostics.runs import diagnose_dag_run
from airflow_provider_mcp.tools.diagnostics.trends import analyze_dag
from airflow_provider_mcp.tools.runs.reading import get_dag_run
from tests.unit.fake_airflow import FakeAirflow
from tests.unit.tools.diagnostics.answers import add_dag, instance, listed, raised, run

BOUND = 85


def recent(minutes: float) -> str:
    return (datetime.now(timezone.utc) - timedelta(minutes=minutes)).isoformat()


def add_failures(airflow: FakeAirflow, *rows: dict[str, Any], before: int = 1, **replies: Any) -> None:
    """Add what find_failures asks for.

    :param before: Runs that ended in the window before.
    """
    everywhere = "GET dags/~/dagRuns/~/taskInstances"
    airflow.on(
        **{
            everywhere: listed("task_instances", rows),
            f"{everywhere}?end_date_lte=": listed("task_instances", []),
            "GET dags/~/dagRuns": {"dag_runs": [], "total_entries": before},
            "GET dags/~/dagRuns?state=failed": {"dag_runs": [], "total_entries": 2},
            "GET dags/~/dagRuns?state=running": listed("dag_runs", []),
            "GET dags/~/dagRuns?state=queued": listed("dag_runs", []),
            "GET importErrors": listed("import_errors", []),
            **replies,
        }
    )

    def windows(request: Any) -> Any:
        return listed("task_instances", [] if "end_date_lte" in request.url.params else rows)

    airflow.on(**{everywhere: windows})


def add_log(airflow: FakeAirflow, row: dict[str, Any], kind: str, message: str) -> None:
    name = f"GET dags/{row['dag_id']}/dagRuns/{row['dag_run_id']}/taskInstances/{row['task_id']}/logs/1"
    airflow.on(**{name: {"content": [raised(kind, message)], "continuation_token": None}})


def find(airflow: FakeAirflow, **arguments: Any) -> dict[str, Any]:
    found: dict[str, Any] = airflow.call(find_failures, "read", **arguments)
    assert len(airflow.calls) <= BOUND
    return found


def failed(dag_id: str, task_id: str, run_id: str = "r", **more: Any) -> dict[str, Any]:
    return instance(dag_id, task_id, "failed", **{"dag_run_id": run_id, "end_date": recent(5), **more})


def test_the_cause_that_hit_most_dags_comes_first() -> None:
    airflow = FakeAirflow()
    noisy = [failed("noisy", "load", map_index=n) for n in range(6)]
    shared = [failed(dag_id, "connect") for dag_id in ("a", "b", "c")]
    often = [failed("often", "work", run_id) for run_id in ("r1", "r2")]
    add_failures(airflow, *noisy, *shared, *often)
    for row in (*noisy, *shared, *often):
        add_log(airflow, row, "ConnectionError" if row in shared else "ValueError", row["task_id"])
    found = find(airflow)
    shown = [
        (group["error"], group["dags_hit"], group["runs_hit"], group["count"]) for group in found["clusters"]
    ]
    assert shown == [
        ("ConnectionError: connect", 3, 3, 3),
        ("ValueError: work", 1, 2, 2),
        ("ValueError: load", 1, 1, 6),
    ]


def test_a_parent_is_joined_with_the_run_that_it_triggered() -> None:
    airflow = FakeAirflow()
    parent = failed("parent", "run_child", rendered_fields={"trigger_dag_id": "child"})
    grandparent = failed("grandparent", "run_parent", rendered_fields={"trigger_dag_id": "parent"})
    child = failed("child", "load")
    add_failures(airflow, grandparent, parent, child)
    add_log(airflow, child, "ValueError", "no currency")
    for row in (parent, grandparent):
        add_log(airflow, row, "AirflowException", "child failed with failed states")
        here = f"GET dags/{row['dag_id']}/dagRuns/r/taskInstances/{row['task_id']}/xcomEntries/trigger_run_id"
        airflow.on(**{here: {"value": "r"}})
    airflow.on(
        **{
            "GET dags/child/dagRuns/r": run("child", "failed"),
            "GET dags/parent/dagRuns/r": run("parent", "failed"),
        }
    )
    # Another run of the parent, with another child, is joined for itself.
    second = failed("parent", "run_child", "s", rendered_fields={"trigger_dag_id": "child"})
    other = failed("child", "load", "s")
    add_failures(airflow, grandparent, parent, child, second, other)
    for row in (second, other):
        add_log(airflow, row, "ValueError", "no currency" if row is other else "passed on")
    airflow.on(
        **{
            "GET dags/parent/dagRuns/s/taskInstances/run_child/xcomEntries/trigger_run_id": {"value": "s"},
            "GET dags/child/dagRuns/s": run("child", "failed", "s"),
        }
    )
    (group,) = find(airflow)["clusters"]
    assert group["error"] == "ValueError: no currency"
    assert group["failed_because_of_it"] == ["grandparent.run_parent", "parent.run_child"]
    assert (group["dags_hit"], group["runs_hit"], group["count"]) == (3, 5, 5)
    assert group["example"]["dag_id"] == "child"


def test_a_parent_is_joined_though_not_all_logs_are_read() -> None:
    airflow = FakeAirflow()
    parent = failed("parent", "run_child", rendered_fields={"trigger_dag_id": "child"})
    children = [failed("child", "load", map_index=n) for n in range(2)]
    others = [failed(f"dag_{letter}", "work") for letter in "abcdefghijklmnopqrstuvw"]
    add_failures(airflow, *others, parent, *children)
    for row in (*others, parent, *children):
        add_log(airflow, row, "ValueError", row["dag_id"])
    airflow.on(
        **{
            "GET dags/parent/dagRuns/r/taskInstances/run_child/xcomEntries/trigger_run_id": {"value": "r"},
            "GET dags/child/dagRuns/r": run("child", "failed"),
        }
    )
    found = find(airflow)
    assert "logs" in found["unchecked"]
    assert (found["clusters"][0]["error"], found["clusters"][0]["dags_hit"]) == ("ValueError: child", 2)


def test_tries_that_come_again_are_counted_apart() -> None:
    airflow = FakeAirflow()
    rows = [failed("a", "load"), instance("b", "load", "up_for_retry", end_date=recent(1))]
    add_failures(airflow, *rows)
    for row in rows:
        add_log(airflow, row, "ValueError", "bad")
    found = find(airflow)
    assert (found["failed"], found["retrying"]) == (1, 1)
    assert (found["clusters"][0]["count"], found["clusters"][0]["retrying"]) == (1, 1)


def test_more_groups_than_a_page() -> None:
    airflow = FakeAirflow()
    rows = [failed(f"dag_{letter}", "work") for letter in "abcdefghijklmn"]
    add_failures(airflow, *rows)
    for row in rows:
        add_log(airflow, row, "ValueError", row["dag_id"])
    first = find(airflow)
    assert (len(first["clusters"]), first["clusters_total"]) == (10, 14)
    airflow.calls.clear()
    second = find(airflow, cursor=first["next_cursor"])
    assert len(second["clusters"]) == 4
    assert "next_cursor" not in second
    names = {group["error"] for group in (*first["clusters"], *second["clusters"])}
    assert len(names) == 14


def test_long_groups_make_a_shorter_page() -> None:
    airflow = FakeAirflow()
    rows = [failed(f"dag_{letter}" + "x" * 200, "work" * 40) for letter in "abcdefghijkl"]
    add_failures(airflow, *rows)
    for row in rows:
        add_log(airflow, row, "ValueError", row["dag_id"] + " word" * 80)
    found = find(airflow)
    assert len(json.dumps(found, ensure_ascii=False, separators=(",", ":"))) <= 8800
    assert found["clusters_total"] == 12
    assert 0 < len(found["clusters"]) < 10
    assert found["next_cursor"]


def test_new_is_told_only_with_a_window_before() -> None:
    airflow = FakeAirflow()
    row = failed("a", "load")
    add_failures(airflow, row, before=0)
    add_log(airflow, row, "ValueError", "bad")
    found = find(airflow)
    assert "new" not in found["clusters"][0]
    assert found["unchecked"]["new"].startswith("No run ended in the window before")
    add_failures(airflow, row, before=3)
    airflow.calls.clear()
    assert find(airflow)["clusters"][0]["new"] is True


def test_what_is_beside_the_failures() -> None:
    airflow = FakeAirflow()
    errors = {"import_errors": [{"filename": "/dags/broken.py"}], "total_entries": 4}
    stuck = {"dag_runs": [run("slow", "running")], "total_entries": 2}
    late = {"dag_runs": [run("late", "queued", run_after=recent(30))], "total_entries": 3}
    add_failures(
        airflow,
        **{
            "GET importErrors": errors,
            "GET dags/~/dagRuns?state=running": stuck,
            "GET dags/~/dagRuns?state=queued": late,
        },
    )
    found = find(airflow)
    assert found["beside"] == {
        "import_errors": "4 file(s) could not be imported, the newest: broken.py",
        "running_runs": "2 run(s) are running since before this window, the oldest: `r` of `slow`",
        "queued_runs": "3 run(s) are queued, the oldest: `r` of `late`",
    }
    soon = {"dag_runs": [run("late", "queued", run_after=recent(1))], "total_entries": 3}
    add_failures(airflow, **{"GET importErrors": 403, "GET dags/~/dagRuns?state=queued": soon})
    airflow.calls.clear()
    found = find(airflow)
    assert "beside" not in found
    assert "You may not read" in found["unchecked"]["import_errors"]


def test_a_pattern_is_plain_text() -> None:
    airflow = FakeAirflow()
    rows = [failed("a_b", "load")]
    airflow.on(
        **{
            "GET dags": listed("dags", [{"dag_id": "a_b"}, {"dag_id": "axb"}]),
            "GET dags/a_b/dagRuns/~/taskInstances": lambda request: listed(
                "task_instances", [] if "end_date_lte" in request.url.params else rows
            ),
            "GET dags/~/dagRuns": listed("dag_runs", []),
        }
    )
    add_log(airflow, rows[0], "ValueError", "bad")
    assert find(airflow, dag_pattern="a_b")["failed"] == 1


STATES = st.sampled_from(["success", "failed", "skipped", "upstream_failed", "running", "up_for_retry"])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.sampled_from(["load", "work", "send"]), STATES), min_size=1, max_size=30))
def test_tools_count_alike(tasks: list[tuple[str, str]]) -> None:
    airflow = FakeAirflow()
    rows = [
        instance("d", name, state, map_index=number, end_date=recent(5), start_date=recent(6))
        for number, (name, state) in enumerate(tasks)
    ]
    logs = {name: [raised("ValueError", name)] for name, _ in tasks}
    add_dag(airflow, "d", "failed", rows, logs, {name: {} for name in ("load", "work", "send")})
    ended = [row for row in rows if row["state"] in {"failed", "up_for_retry"}]
    add_failures(airflow, *ended)
    good = run("d", "success", "good")
    airflow.on(
        **{
            "GET dags/d/dagRuns": listed("dag_runs", [run("d", "failed")]),
            "GET dags/d/dagRuns/good": good,
            "GET dags/d/dagRuns/good/taskInstances": listed("task_instances", []),
            "GET dags/d/dagRuns/~/taskInstances": listed("task_instances", rows),
        }
    )
    diagnosed = airflow.call(diagnose_dag_run, "read", dag_id="d", dag_run_id="r")
    counted = airflow.call(get_dag_run, "read", dag_id="d", dag_run_id="r")
    across = airflow.call(find_failures, "read")
    assert diagnosed["task_counts"] == counted["task_counts"]
    assert sum(diagnosed["task_counts"].values()) == len(rows)
    number = diagnosed["task_counts"].get("failed", 0)
    assert sum(failure["failed"] for failure in diagnosed["failures"]) == number
    assert across["failed"] == number
    assert sum(group["count"] for group in across["clusters"]) == number
    for failure in diagnosed["failures"]:
        own = [group for group in across["clusters"] if f"d.{failure['task_id']}" in group["tasks"]]
        assert [group["count"] for group in own] == [failure["failed"]]
    analysed = airflow.call(analyze_dag, "read", dag_id="d")["tasks"].get("failing_tasks", [])
    assert {row["task_id"]: row["failed"] for row in analysed} == {
        failure["task_id"]: failure["failed"] for failure in diagnosed["failures"]
    }
    compared = airflow.call(compare_dag_runs, "read", dag_id="d", dag_run_id="r", other_dag_run_id="good")
    assert compared["only_in_first"] == sorted({name for name, _ in tasks})
