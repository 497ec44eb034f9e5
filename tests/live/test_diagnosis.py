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
"""The diagnostic tools name the true cause, on a running Airflow with a scheduler."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.live.site import LINE, Site

WAIT_SECONDS = 420


def result(site: Site, tool: str, **arguments: Any) -> dict[str, Any]:
    answer = site.call(tool, **arguments)
    assert not answer.get("isError"), answer
    shown: dict[str, Any] = answer["structuredContent"]
    return shown


def until(what: str, ready: Callable[[], Any]) -> Any:
    end = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < end:
        found = ready()
        if found:
            return found
        time.sleep(1)
    raise AssertionError(f"{what} did not come about")


def start(site: Site, dag_id: str, run_id: str = "first", **more: Any) -> None:
    """Start a run, again if Airflow's SQLite was locked by the scheduler."""

    def begun() -> bool:
        answer = site.call("trigger_dag", dag_id=dag_id, dag_run_id=run_id, unpause=True, **more)
        if not answer.get("isError"):
            return True
        code = answer["structuredContent"]["error"]["code"]
        assert code in {"internal", "conflict"}, answer
        return bool(code == "conflict")

    until(f"a run of {dag_id}", begun)


def task_state(site: Site, dag_id: str, task_id: str, run_id: str = "first") -> str | None:
    rows = result(site, "list_task_instances", dag_id=dag_id, dag_run_id=run_id, task_id=task_id)
    instances = rows["task_instances"]
    return instances[0].get("state") if instances else None


def ended(site: Site, dag_id: str, run_id: str = "first") -> str | None:
    state = result(site, "get_dag_run", dag_id=dag_id, dag_run_id=run_id)["state"]
    return state if state in {"success", "failed"} else None


def blocking(shown: dict[str, Any]) -> list[str]:
    """Return what blocks, but for a scheduler that this machine lets no time for its heartbeat."""
    found = [check for check in shown["checks"] if check["verdict"] == "blocks"]
    late = [c for c in found if c["says"].startswith("No heartbeat of the scheduler (last seen 2")]
    return [check["name"] for check in found if check not in late]


@pytest.fixture(scope="module")
def busy(site: Site) -> Site:
    """The site with the Dags of this module started, the slow ones first."""
    until("the Dags", lambda: result(site, "list_dags", pattern="diag_", limit=100)["total"] >= 10)
    until("demo_waiting", lambda: result(site, "list_dags", pattern="demo_waiting")["total"] == 1)
    site.airflow("pools", "set", "diagnosis_gate", "0", "closed until the test opens it")
    site.airflow("pools", "set", "demo_full_pool", "0", "full")
    start(site, "diag_mapped")
    for dag_id in ("diag_big_log", "diag_retries", "diag_flaky", "diag_versioned", "diag_sensor"):
        start(site, dag_id)
    start(site, "diag_sensor", "second")
    start(site, "diag_deferred")
    start(site, "diag_branch")
    start(site, "diag_green_shell")
    start(site, "demo_waiting")
    return site


@pytest.fixture(scope="module")
def mapped(busy: Site) -> Site:
    """A run with 150 mapped task instances, of which 15 have really failed.

    The others are marked as successful while the pool is closed: 150 processes would take many minutes.
    """
    rows = {"dag_id": "diag_mapped", "dag_run_id": "first", "task_id": "check"}
    until("150 instances", lambda: result(busy, "list_task_instances", **rows)["total"] == 150)
    with sqlite3.connect(busy.folder / "airflow.db", timeout=60) as database:
        changed = database.execute(
            "UPDATE task_instance SET state = 'success', start_date = CURRENT_TIMESTAMP, "
            "end_date = CURRENT_TIMESTAMP, duration = 0, try_number = 1 "
            "WHERE dag_id = 'diag_mapped' AND task_id = 'check' AND map_index % 10 != 3"
        )
        assert changed.rowcount == 135
    busy.airflow("pools", "set", "diagnosis_gate", "16", "open")
    assert until("the end of diag_mapped", lambda: ended(busy, "diag_mapped")) == "failed"
    return busy


@pytest.fixture(scope="module")
def large(busy: Site) -> str:
    """A failed run of diag_big_log with its whole log.

    On a machine that is busy enough the executor loses a task before it begins: such a run is left aside.
    """
    for run_id in ("first", "second", "third"):
        if run_id != "first":
            start(busy, "diag_big_log", run_id)
        until("the failure", lambda run_id=run_id: ended(busy, "diag_big_log", run_id))
        log = result(busy, "get_task_logs", dag_id="diag_big_log", dag_run_id=run_id, task_id="post", tail=1)
        if log["total"] > 45_000:
            return run_id
    raise AssertionError("no run of diag_big_log has its log")


def test_a_dag_whose_file_is_broken(busy: Site) -> None:
    shown = result(busy, "explain_waiting", dag_id="demo_broken")
    assert "a_package_that_is_not_installed" in shown["reason"]
    assert "ModuleNotFoundError" in shown["reason"]
    assert blocking(shown) == ["dag"]
    errors = result(busy, "list_import_errors")["import_errors"]
    broken = next(row for row in errors if row["filename"].endswith("demo_broken.py"))
    assert broken["error"].startswith("ModuleNotFoundError: No module named")
    assert broken["timestamp"]


def test_a_name_that_is_wrong_stays_an_error_or_names_what_was_not_imported(busy: Site) -> None:
    shown = result(busy, "explain_waiting", dag_id="no_such_dag")
    assert "There is no Dag `no_such_dag`" in shown["reason"]


def test_a_paused_dag(busy: Site) -> None:
    shown = result(busy, "explain_waiting", dag_id="diag_paused")
    assert shown["reason"] == "The Dag `diag_paused` is paused."
    assert shown["next_steps"][0] == {"tool": "unpause_dag", "arguments": {"dag_id": "diag_paused"}}


def test_a_start_date_in_the_future(busy: Site) -> None:
    shown = result(busy, "explain_waiting", dag_id="diag_future")
    assert shown["reason"].startswith("The Dag's start date is in the future (2090-01-01")
    assert blocking(shown) == ["schedule"]


def test_no_schedule_and_a_schedule_by_assets(busy: Site) -> None:
    unscheduled = result(busy, "explain_waiting", dag_id="demo_mapped")
    assert unscheduled["checks"][2]["says"] == "The Dag has no schedule: it runs only when it is triggered."
    fed = result(busy, "explain_waiting", dag_id="diag_fed")
    assert fed["reason"].startswith(
        "It waits for an update of `s3://diagnosis/totals` (never updated; made by"
    )
    assert [call["tool"] for call in fed["next_steps"]] != ["trigger_dag"]


def test_a_full_pool(busy: Site) -> None:
    until("a scheduled task", lambda: result(busy, "explain_waiting", dag_id="demo_waiting").get("task_id"))
    shown = result(busy, "explain_waiting", dag_id="demo_waiting", dag_run_id="first")
    assert shown["task_id"] == "wait_for_a_slot"
    assert shown["reason"].startswith("The pool `demo_full_pool` is full: 0 of 0 slots are free")
    pool = next(check for check in shown["checks"] if check["name"] == "pool")
    assert pool["evidence"]["slots"] == 0
    assert "pool" in blocking(shown)


def test_a_sensor_and_a_run_behind_it(busy: Site) -> None:
    until("the sensor", lambda: task_state(busy, "diag_sensor", "wait_for_file") == "up_for_reschedule")
    shown = result(busy, "explain_waiting", dag_id="diag_sensor", dag_run_id="first", task_id="wait_for_file")
    assert blocking(shown) == ["sensor"]
    behind = result(busy, "explain_waiting", dag_id="diag_sensor", dag_run_id="second")
    assert behind["reason"].startswith("1 run(s) of the Dag are running, and max_active_runs is 1.")
    # What the run before it waits for is told at once.
    assert "The oldest, `first`: The condition that" in behind["reason"]
    assert behind["next_steps"][0]["arguments"] == {"dag_id": "diag_sensor", "dag_run_id": "first"}
    below = result(busy, "explain_waiting", dag_id="diag_sensor", dag_run_id="first", task_id="load")
    assert below["reason"].startswith("A dependency is not met: Trigger Rule")
    assert "wait_for_file" in below["reason"]


def test_a_retry_that_is_an_hour_away(busy: Site) -> None:
    until("the retry", lambda: task_state(busy, "diag_retries", "call_service") == "up_for_retry")
    shown = result(busy, "explain_waiting", dag_id="diag_retries", dag_run_id="first", task_id="call_service")
    assert shown["reason"].startswith("A try failed, and the next one is due at 20")
    assert blocking(shown) == ["retry"]


def test_a_deferred_task_without_a_triggerer(busy: Site) -> None:
    until("the deferral", lambda: task_state(busy, "diag_deferred", "wait_an_hour") == "deferred")
    shown = result(busy, "explain_waiting", dag_id="diag_deferred")
    assert "TimeDeltaTrigger" in shown["reason"] or "DateTimeTrigger" in shown["reason"]
    beats = next(check for check in shown["checks"] if check["name"] == "heartbeats")
    assert beats["verdict"] == "blocks"
    assert beats["says"].endswith("the triggerer (last seen never).")
    assert beats["evidence"]["triggerer"]["status"] == "not running"


def test_a_skipped_task_names_the_branch_that_chose_another_way(busy: Site) -> None:
    assert until("the end of diag_branch", lambda: ended(busy, "diag_branch")) == "success"
    shown = result(busy, "explain_waiting", dag_id="diag_branch", task_id="load_csv")
    assert shown["state"] == "skipped"
    assert "the branch `choose` chose `load_json`" in shown["reason"]
    assert shown["message"] == "no csv file has arrived"


def test_a_green_task_whose_log_warns(busy: Site) -> None:
    assert until("the end of diag_green_shell", lambda: ended(busy, "diag_green_shell")) == "success"
    shown = result(busy, "diagnose_dag_run", dag_id="diag_green_shell", dag_run_id="latest")
    assert "no_such_converter: command not found" in shown["summary"]
    assert shown["failures"] == []


def test_a_failure_at_the_end_of_a_large_log(busy: Site, large: str) -> None:
    shown = result(busy, "diagnose_dag_run", dag_id="diag_big_log")
    assert shown["dag_run_id"] == large
    assert shown["task_counts"] == {"failed": 1}
    (failure,) = shown["failures"]
    (error,) = failure["errors"]
    assert error["error"] == "LedgerError: entry # cannot be posted"
    assert error["message"] == "LedgerError: entry 4711 cannot be posted"
    assert error["caused_by"] == "KeyError: 'amount'"
    assert error["kind"] == "other"
    assert error["code"]
    assert all("diagnosis.py" in line for line in error["code"])
    assert error["code"][-1].endswith('raise LedgerError("entry 4711 cannot be posted") from missing')
    assert "LedgerError: entry 4711 cannot be posted" in shown["summary"]
    log = result(busy, "get_task_logs", **shown["next_steps"][0]["arguments"], tail=5)
    assert log["total"] > 45_000


def test_150_mapped_of_which_15_failed(mapped: Site) -> None:
    answer = mapped.call("diagnose_dag_run", dag_id="diag_mapped", dag_run_id="first")
    shown = answer["structuredContent"]
    assert len(answer["content"][0]["text"]) <= 9000
    assert shown["task_counts"] == {"success": 135, "failed": 15, "upstream_failed": 1}
    (failure,) = shown["failures"]
    assert (failure["task_id"], failure["failed"]) == ("check", 15)
    (error,) = failure["errors"]
    assert error["error"] == "ValueError: record # of batch # is not balanced"
    assert (error["count"], error["kind"]) == (15, "data_or_code")
    assert set(error["map_indexes"]) <= set(range(3, 150, 10))
    assert shown["blocked"]["tasks"] == ["total"]
    assert [fed["dag_id"] for fed in shown["blocked"]["dags"]] == ["diag_fed"]
    assert shown["changed"] == {"last_success": None}
    # A ValueError would only come again: nothing proposes to run the task once more.
    assert [call["tool"] for call in shown["next_steps"]] == ["get_task_logs", "get_dag"]
    assert (failure["of"], error["map_indexes_listed"]) == (150, "5 of 15")


def test_failures_across_dags(mapped: Site, large: str) -> None:
    shown = result(mapped, "find_failures", since="6h", dag_pattern="diag_")
    # Each of these errors hit one Dag: one with more runs would come before it.
    name = "ValueError: record # of batch # is not balanced"
    biggest = next(group for group in shown["clusters"] if group["error"] == name)
    assert all(group["runs_hit"] > 1 for group in shown["clusters"][: shown["clusters"].index(biggest)])
    assert biggest["count"] == 15
    assert biggest["dags"] == ["diag_mapped"]
    # This Airflow ran nothing in the six hours before these: there is nothing to be new beside.
    assert "new" not in biggest
    assert shown["unchecked"]["new"].startswith("No run ended in the window before")
    assert biggest["first"] <= biggest["last"]
    errors = {group["error"] for group in shown["clusters"]}
    assert "LedgerError: entry # cannot be posted" in errors
    everywhere = result(mapped, "find_failures")
    assert everywhere["failed"] >= 16
    assert everywhere["failed_runs"] >= 2


def test_a_flaky_task_and_the_figures_of_its_dag(busy: Site) -> None:
    assert until("the end of diag_flaky", lambda: ended(busy, "diag_flaky")) == "success"
    shown = result(busy, "analyze_dag", dag_id="diag_flaky")
    assert shown["runs"]["success_rate"] == 1
    assert shown["tasks"]["flaky_tasks"] == [{"task_id": "second_time_lucky", "passed_on_retry": 1, "of": 1}]
    assert shown["tasks"]["critical_path"][0]["share"] == 1
    assert shown["tasks"]["queue_share"] is not None


def test_what_changed_since_the_last_success(busy: Site) -> None:
    assert until("the first run", lambda: ended(busy, "diag_versioned")) == "success"
    file = busy.folder / "dags" / "versioned.py"
    text = file.read_text().replace(', "usd": 1.1', "").replace("@task\n", "@task(priority_weight=2)\n")
    file.write_text(text)
    if LINE == 3:

        def version() -> int:
            found = result(busy, "get_dag", dag_id="diag_versioned", include=["versions"])
            return max(row["version_number"] for row in found["versions"])

        until("the second version", lambda: version() == 2)
    start(busy, "diag_versioned", "second", conf={"why": "test"})
    assert until("the second run", lambda: ended(busy, "diag_versioned", "second")) == "failed"
    shown = result(busy, "diagnose_dag_run", dag_id="diag_versioned")
    changed = shown["changed"]
    assert "KeyError: 'usd'" in shown["summary"]
    assert changed["last_success"]["dag_run_id"] == "first"
    assert changed["conf"] == {"why": ['"test"', "null"]}
    compared = result(busy, "compare_dag_runs", dag_id="diag_versioned", dag_run_id="second")
    assert [run["state"] for run in compared["runs"]] == ["failed", "success"]
    assert compared["tasks"][0]["states"] == [{"failed": 1}, {"success": 1}]
    if LINE == 3:
        assert changed["dag_version"] == {"then": 1, "now": 2}
        assert '-RATES = {"eur": 1.0, "usd": 1.1}' in changed["source_diff"]
        assert compared["dag_version"] == [2, 1]
    else:
        assert "dag_version" in shown["unchecked"]


def test_the_health_of_the_whole(busy: Site) -> None:
    def alive() -> dict[str, Any] | None:
        health = result(busy, "get_system_health")
        return health if health["parts"]["scheduler"]["status"] == "healthy" else None

    shown = until("the scheduler's heartbeat", alive)
    assert shown["parts"]["metadatabase"]["status"] == "healthy"
    assert shown["parts"]["scheduler"]["latest_heartbeat"]
    assert shown["parts"]["import_errors"]["count"] >= 1
    full = {pool["name"] for pool in shown["parts"]["pools"]["near_full"]}
    assert "demo_full_pool" in full
    assert shown["status"] == "degraded"
    assert set(shown["parts"]) >= {"triggerer", "dag_warnings", "failed_runs", "stuck_tasks"}


def test_addresses_of_the_ui(busy: Site, large: str) -> None:
    shown = result(busy, "diagnose_dag_run", dag_id="diag_big_log", dag_run_id=large)
    address = shown["failures"][0]["errors"][0]["ui_url"]
    found = result(busy, "resolve_url", url=address)
    assert (found["dag_id"], found["dag_run_id"], found["task_id"]) == ("diag_big_log", large, "post")
    named = {"dag_id": "diag_big_log", "dag_run_id": large, "task_id": "post"}
    assert found["next_step"] == {
        "tool": "get_task_logs" if LINE == 3 else "get_task_instance",
        "arguments": named,
    }
    log = result(busy, "resolve_url", url=f"{address}&tab=logs" if LINE == 2 else address)
    assert result(busy, log["next_step"]["tool"], **log["next_step"]["arguments"])["total"] > 45_000
    run = result(busy, "get_dag_run", dag_id="diag_big_log", dag_run_id=large)
    if run.get("logical_date"):
        old = f"{busy.root}/log?dag_id=diag_big_log&task_id=post&execution_date={run['logical_date']}"
        assert result(busy, "resolve_url", url=old.replace("+", "%2B"))["dag_run_id"] == large
    refused = busy.call("resolve_url", url="https://example.org/dags/diag_big_log")
    assert refused["isError"]
    assert refused["structuredContent"]["error"]["code"] == "invalid_argument"


def test_under_a_path_prefix(prefixed: Site) -> None:
    found = result(prefixed, "resolve_url", url=f"{prefixed.root}/dags/demo_fails/runs/once")
    assert (found["dag_id"], found["dag_run_id"]) == ("demo_fails", "once")
    outside = prefixed.root.removesuffix("/air/flow")
    assert prefixed.call("resolve_url", url=f"{outside}/dags/demo_fails")["isError"]


def test_a_viewer_is_told_what_could_not_be_checked(busy: Site) -> None:
    answer = busy.call("explain_waiting", "viewer", dag_id="demo_waiting", dag_run_id="first")
    assert not answer.get("isError"), answer
    shown = answer["structuredContent"]
    assert "pool" in blocking(shown)
    health = busy.call("get_system_health", "viewer")["structuredContent"]
    assert health["status"] != "healthy"
    assert json.dumps(health).count("unknown") == sum(
        part["status"] == "unknown" for part in health["parts"].values()
    ) + (health["status"] == "unknown")


def test_lineage_is_traced_through_an_asset_a_trigger_and_a_sensor(site: Site) -> None:
    until("the Dags", lambda: result(site, "list_dags", pattern="lineage_", limit=100)["total"] == 4)
    shown = result(site, "trace_lineage", dag_id="lineage_source", direction="downstream", depth=3)
    found = {(link["from"], link["how"], link["to"]) for link in shown["downstream"]}
    asset = "asset:s3://lineage/prices"
    assert found == {
        ("dag:lineage_source", "produces", asset),
        (asset, "schedules", "dag:lineage_parent"),
        ("dag:lineage_parent", "triggers", "dag:lineage_child"),
        ("dag:lineage_child", "awaited_by", "dag:lineage_waiter"),
    }
    assert shown["dags"]["lineage_waiter"]["is_paused"] is True
    # Nothing has run: what a template gives is not known, and said so.
    assert [row["task_id"] for row in shown["unknown"]] == ["start_some"]
    above = result(site, "trace_lineage", dag_id="lineage_child", direction="upstream", depth=2)
    assert {link["from"] for link in above["upstream"]} == {"dag:lineage_parent", asset, "dag:lineage_source"}


def test_a_pause_and_a_deletion_say_what_they_reach(site: Site) -> None:
    until("the Dags", lambda: result(site, "list_dags", pattern="lineage_", limit=100)["total"] == 4)
    paused = result(site, "pause_dag", dag_id="lineage_source")
    result(site, "unpause_dag", dag_id="lineage_source")
    (fed,) = paused["reaches"]["dags_fed"]
    assert (fed["dag_id"], fed["is_paused"]) == ("lineage_parent", True)
    assert (fed["how"], fed["asset"], fed["task_id"]) == ("scheduled_on", "s3://lineage/prices", "load")
    asked = site.call("delete_dag", dag_id="lineage_parent")["structuredContent"]
    reaches = asked["preview"]["now"]["reaches"]
    assert [fed["dag_id"] for fed in reaches["dags_fed"]] == ["lineage_child"]
    assert [row["task_id"] for row in reaches["unknown"]] == ["start_some"]
