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
"""`latest` and the like: taken where a run is read, refused with the run's ID where one is changed."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from airflow_provider_mcp.testing import Recording, load_plugin
from airflow_provider_mcp.tools.admin.audit_log import list_event_logs
from airflow_provider_mcp.tools.assets import list_asset_events
from airflow_provider_mcp.tools.runs import changes as run_changes
from airflow_provider_mcp.tools.runs.reading import get_dag_run, wait_for_dag_run
from airflow_provider_mcp.tools.runs.trigger import trigger_dag
from airflow_provider_mcp.tools.shared.latest import LATEST
from airflow_provider_mcp.tools.tasks import changes as task_changes
from airflow_provider_mcp.tools.tasks.hitl import list_hitl, respond_to_hitl
from airflow_provider_mcp.tools.tasks.instances import get_task_instance, list_task_instances
from airflow_provider_mcp.tools.tasks.xcom import get_xcom
from tests.unit.fake_airflow import FakeAirflow

STATES = {"r3": "running", "r2": "failed", "r1": "success"}
EMPTY = {"total_entries": 0}


def runs(request: httpx.Request) -> Any:
    state = request.url.params.get("state")
    fitting = [
        {"dag_id": "a", "dag_run_id": run, "state": s} for run, s in STATES.items() if state in (None, s)
    ]
    return {"dag_runs": fitting[:1], "total_entries": len(fitting)}


def fake(**routes: Any) -> FakeAirflow:
    return FakeAirflow(**{"GET dags/a/dagRuns": runs, **routes})


FOUND = {"latest": "r3", "latest_failed": "r2", "latest_success": "r1", "latest_running": "r3"}


def test_the_names_are_those_of_the_contract() -> None:
    assert set(FOUND) == set(LATEST)


WRITTEN = {"Latest": "r3", "LATEST_FAILED": "r2", "latest-success": "r1", " latest running ": "r3"}


@pytest.mark.parametrize(("which", "run"), sorted({**FOUND, **WRITTEN}.items()))
def test_what_reads_a_run_takes_them_and_names_the_run(which: str, run: str) -> None:
    instance = {"dag_id": "a", "dag_run_id": run, "task_id": "t", "state": "success", "map_index": -1}
    base = f"GET dags/a/dagRuns/{run}"
    airflow = fake(
        **{
            base: {"dag_id": "a", "dag_run_id": run, "state": STATES[run]},
            f"{base}/taskInstances": {"task_instances": [], **EMPTY},
            f"{base}/taskInstances/t": instance,
            f"{base}/taskInstances/t/xcomEntries/return_value": {"key": "return_value", "value": 1},
            f"{base}/hitlDetails": {"hitl_details": [], **EMPTY},
            "GET assets/events": {"asset_events": [], **EMPTY},
            "GET assets": {"assets": [], **EMPTY},
            "GET eventLogs": {"event_logs": [], **EMPTY},
            "GET dags/a/tasks": {"tasks": []},
        }
    )
    named = {"dag_id": "a", "dag_run_id": which}
    for tool, more in (
        (get_dag_run, {}),
        (wait_for_dag_run, {"timeout_seconds": 0}),
        (list_task_instances, {}),
        (get_task_instance, {"task_id": "t"}),
        (get_xcom, {"task_id": "t"}),
        (list_hitl, {}),
        (list_asset_events, {}),
        (list_event_logs, {}),
    ):
        assert airflow.call(tool, "read", **named, **more)["dag_run_id"] == run, tool.__name__


def test_a_dag_without_such_a_run_says_so() -> None:
    airflow = FakeAirflow(**{"GET dags/a/dagRuns": {"dag_runs": [], **EMPTY}})
    failed = airflow.refuses("not_found", list_task_instances, dag_id="a", dag_run_id="latest_failed")
    assert "no failed runs" in failed.message
    assert "no runs yet" in airflow.refuses("not_found", get_dag_run, dag_id="a").message
    for tool in (list_task_instances, list_hitl, list_asset_events, list_event_logs):
        assert "dag_id" in airflow.refuses("invalid_argument", tool, dag_run_id="latest").hint


@pytest.mark.parametrize(
    ("tool", "more"),
    [
        (run_changes.set_dag_run_note, {"note": "n"}),
        (run_changes.clear_dag_run, {"only_failed": False}),
        (run_changes._preview_clear_dag_run, {"only_failed": False}),
        (run_changes.set_dag_run_state, {"state": "failed"}),
        (run_changes.preview_set_dag_run_state, {"state": "failed"}),
        (run_changes.delete_dag_run, {}),
        (run_changes._preview_delete_dag_run, {}),
        (task_changes.clear_task_instances, {"task_ids": ["t"]}),
        (task_changes.set_task_instance_state, {"task_ids": ["t"], "state": "failed"}),
        (task_changes._preview_set_state, {"task_ids": ["t"], "state": "failed"}),
        (respond_to_hitl, {"task_id": "t", "chosen_options": ["x"]}),
    ],
)
def test_what_changes_a_run_wants_its_exact_id_and_names_it(tool: Any, more: dict[str, Any]) -> None:
    airflow = fake()
    refused = airflow.refuses("invalid_argument", tool, dag_id="a", dag_run_id="latest_failed", **more)
    assert "exact ID" in refused.message
    assert "`r2`" in refused.hint
    assert refused.identifiers["dag_run_id"] == "r2"
    assert airflow.changes() == []


def test_a_task_that_is_not_there_is_missed_in_the_run_that_was_found() -> None:
    base = "GET dags/a/dagRuns/r2"
    airflow = fake(
        **{f"{base}/taskInstances/t": 404, f"{base}/taskInstances": {"task_instances": [], **EMPTY}}
    )
    call = {"dag_id": "a", "dag_run_id": "latest_failed", "task_id": "t"}
    assert airflow.refuses("not_found", get_task_instance, **call).identifiers["dag_run_id"] == "r2"


def test_no_new_run_is_named_so() -> None:
    airflow = fake()
    refused = airflow.refuses("invalid_argument", trigger_dag, dag_id="a", dag_run_id="latest")
    assert "No run was started" in refused.message
    assert airflow.calls == []


@pytest.mark.parametrize("which", ["latest_failed", "Latest-Failed"])
def test_a_dag_without_such_a_run_is_told_so_not_that_a_name_is_wrong(which: str) -> None:
    recording = Recording(
        {"GET dags/a": {"dag_id": "a"}, "GET dags/a/dagRuns": {"dag_runs": [], "total_entries": 0}}
    )
    error = load_plugin([], recording).error("diagnose_dag_run", dag_id="a", dag_run_id=which)
    assert (error["code"], error["message"]) == ("not_found", "`a` has no failed runs.")
    assert error["hint"] == "list_dag_runs shows those it has."
