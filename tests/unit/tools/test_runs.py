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
"""The tools of the toolset ``runs``."""

from __future__ import annotations

from typing import Any, get_args

import httpx
import pytest

from airflow_provider_mcp.sdk import ToolError
from airflow_provider_mcp.tools.runs import changes, conf, reading, trigger
from airflow_provider_mcp.tools.shared.arguments import TaskState
from airflow_provider_mcp.tools.shared.reads import Parts
from tests.unit.fake_airflow import FakeAirflow

RUN = {
    "dag_id": "a",
    "dag_run_id": "r",
    "state": "running",
    "run_type": "manual",
    "logical_date": None,
    "run_after": "2026-01-01T00:00:00Z",
    "queued_at": "2026-01-01T00:00:01.5Z",
    "start_date": "2026-01-01T00:00:02Z",
    "end_date": None,
    "conf": {"password": "hunter22", "days": 3},
    "note": None,
    "triggering_user_name": "ada",
}
PARAMS = {
    "region": {"value": "eu", "schema": {"type": "string", "enum": ["eu", "us"]}},
    "days": {"value": None, "schema": {"type": "integer", "minimum": 1}},
    "when": {"value": "2026-01-01T00:00:00Z", "schema": {"type": "string", "format": "date-time"}},
    "free": {"value": None, "schema": {}},
}


def fake(paused: bool = False, **routes: Any) -> FakeAirflow:
    return FakeAirflow(
        **{
            "GET dags/a/details": {"dag_id": "a", "is_paused": paused, "params": PARAMS},
            "POST dags/a/dagRuns": RUN,
            "PATCH dags/a": {"is_paused": False},
            "GET dags/a/dagRuns/r": RUN,
            **routes,
        }
    )


def instances(*states: str | None) -> list[dict[str, Any]]:
    return [
        {"task_id": "t", "map_index": index, "state": state, "try_number": 1, "start_date": None}
        for index, state in enumerate(states)
    ]


def end(*states: str) -> dict[str, Any]:
    """Return what is read of a run that has ended: its task instances, tasks and the last one's result."""
    last = "dags/a/dagRuns/r/taskInstances/last/xcomEntries"
    return {
        "GET dags/a/dagRuns/r/taskInstances": {
            "task_instances": instances(*states),
            "total_entries": len(states),
        },
        "GET dags/a/tasks": {
            "tasks": [{"task_id": "t", "downstream_task_ids": ["last"]}, {"task_id": "last"}]
        },
        f"GET {last}": {"xcom_entries": [{"key": "return_value"}]},
        f"GET {last}/return_value": {"key": "return_value", "value": {"rows": 3}},
    }


# ---- conf --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("conf", "faults"),
    [
        ({}, ["days: is required"]),
        ({"days": 0}, ["days: 0 is less than the minimum of 1"]),
        ({"days": "3", "region": "mars"}, ["region: 'mars' is not one of", "days: '3' is not of type"]),
        ({"days": 3, "when": 7}, ["when: 7 is not of type 'string'"]),
    ],
)
def test_a_conf_that_does_not_fit_starts_nothing(conf: dict[str, Any], faults: list[str]) -> None:
    airflow = fake(paused=True)
    refused = airflow.refuses("invalid_argument", trigger.trigger_dag, dag_id="a", conf=conf, unpause=True)
    for fault in faults:
        assert fault in refused.message
    assert "No run was started" in refused.message
    assert airflow.changes() == []


def test_a_format_is_checked_as_airflow_checks_it() -> None:
    schema = {"type": "string", "format": "ipv4"}
    with pytest.raises(ToolError, match="not a 'ipv4'"):
        conf.check_conf("a", {"host": {"schema": schema}}, {"host": "localhost"})
    assert conf.check_conf("a", {"host": {"schema": schema}}, {"host": "127.0.0.1"}) is None


def test_what_is_no_param_is_passed_on_and_told() -> None:
    shown = fake().call(trigger.trigger_dag, dag_id="a", conf={"days": 1, "dasy": 2})
    assert "`dasy`" in shown["hint"]
    assert shown["conf"] == {"password": "***", "days": 3}
    assert conf.check_conf("a", {}, {"anything": 1}) is None


# ---- trigger -----------------------------------------------------------------------------------------


def test_a_paused_dag_is_not_unpaused_unasked() -> None:
    airflow = fake(paused=True)
    refused = airflow.refuses("conflict", trigger.trigger_dag, dag_id="a", conf={"days": 1})
    assert "unpause=true" in refused.hint
    assert airflow.changes() == []


def test_a_dag_is_unpaused_only_once_its_run_is_there() -> None:
    airflow = fake(paused=True)
    airflow.call(trigger.trigger_dag, dag_id="a", conf={"days": 1}, unpause=True)
    assert airflow.changes() == [("POST", "dags/a/dagRuns"), ("PATCH", "dags/a")]
    airflow = fake(paused=True, **{"POST dags/a/dagRuns": 400})
    airflow.refuses("invalid_argument", trigger.trigger_dag, dag_id="a", conf={"days": 1}, unpause=True)
    assert airflow.changes() == [("POST", "dags/a/dagRuns")]


def test_a_run_that_waits_since_unpausing_was_refused_is_told() -> None:
    airflow = fake(paused=True, **{"PATCH dags/a": 403})
    refused = airflow.refuses(
        "permission_denied", trigger.trigger_dag, dag_id="a", conf={"days": 1}, unpause=True
    )
    assert "`r` was started" in refused.message
    assert refused.identifiers["dag_run_id"] == "r"


def test_the_same_id_twice_is_a_conflict() -> None:
    airflow = fake(**{"POST dags/a/dagRuns": 409})
    refused = airflow.refuses("conflict", trigger.trigger_dag, dag_id="a", conf={"days": 1}, dag_run_id="r")
    assert "`r`" in refused.message
    assert refused.identifiers == {"dag_id": "a", "dag_run_id": "r"}
    airflow.refuses("invalid_argument", trigger.trigger_dag, dag_id="a", conf={"days": 1}, dag_run_id="../x")


def test_waiting_ends_with_the_run_or_tells_how_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    states = ["running", "running", "success"]
    airflow = fake(
        **{
            "GET dags/a/dagRuns/r": lambda _: httpx.Response(200, json={**RUN, "state": states.pop(0)}),
            **end("success"),
        }
    )

    async def sleep(_: float) -> None:
        pass

    monkeypatch.setattr(reading.anyio, "sleep", sleep)
    shown = airflow.call(reading.wait_for_dag_run, "read", dag_id="a", dag_run_id="r", timeout_seconds=45)
    assert (shown["done"], shown["state"], states) == (True, "success", [])
    assert (shown["task_counts"], shown["result"]) == ({"success": 1}, {"rows": 3})
    shown = fake().call(reading.wait_for_dag_run, "read", dag_id="a", dag_run_id="r", timeout_seconds=0)
    assert shown["done"] is False


# ---- lists and counts --------------------------------------------------------------------------------


def test_list_dag_runs_passes_its_filters_on() -> None:
    airflow = FakeAirflow(**{"GET dags/~/dagRuns": {"dag_runs": [RUN], "total_entries": 338_905}})
    shown = airflow.call(
        reading.list_dag_runs,
        state="failed",
        run_type="manual",
        start_after="2026-01-01T00:00:00Z",
        logical_before="2026-02-01T00:00:00Z",
        limit=1,
    )
    assert airflow.calls[0].params == {
        "state": "failed",
        "run_type": "manual",
        "start_date_gte": "2026-01-01T00:00:00Z",
        "logical_date_lte": "2026-02-01T00:00:00Z",
        "order_by": "-run_after",
        "limit": "1",
        "offset": "0",
    }
    assert len(airflow.calls) == 1
    assert shown["total"] == 338_905
    assert shown["next_cursor"]
    assert "end_date" not in shown["dag_runs"][0]
    assert "conf" not in shown["dag_runs"][0]


def test_a_large_run_is_counted_by_few_questions() -> None:
    totals = {"success": 900, "failed": 60, "none": 40, "": 1000}

    def listed(request: httpx.Request) -> Any:
        state = request.url.params.get("state", "")
        if state == "awaiting_input":
            return httpx.Response(400, json={"detail": "no such state"})
        rows = [{"state": state or "success"}] * min(int(request.url.params["limit"]), 100)
        return {"task_instances": rows, "total_entries": totals.get(state, 0)}

    airflow = fake(**{"GET dags/a/dagRuns/r/taskInstances": listed})
    shown = airflow.call(reading.get_dag_run, "read", dag_id="a", dag_run_id="r")
    assert shown["task_counts"] == {"success": 900, "failed": 60, "no_status": 40}
    assert len(airflow.calls) <= 3 + len(get_args(TaskState))
    totals |= {"failed": 100}
    airflow.calls.clear()
    shown = airflow.call(reading.get_dag_run, "read", dag_id="a", dag_run_id="r")
    assert shown["task_counts"] == {"success": 900, "failed": 100}
    # All are found: the other states are not asked for.
    assert len(airflow.calls) == 4


def test_the_latest_run_and_what_triggered_it() -> None:
    run = {**RUN, "run_type": "asset_triggered"}
    event = {"uri": "s3://x", "name": "x", "timestamp": "t", "source_dag_id": "b", "extra": {"a": 1}}
    airflow = fake(
        **{
            "GET dags/a/dagRuns": {"dag_runs": [run]},
            "GET dags/a/dagRuns/r/upstreamAssetEvents": {"asset_events": [event]},
            "GET dags/a/dagRuns/r/taskInstances": {"task_instances": [], "total_entries": 0},
        }
    )
    shown = airflow.call(reading.get_dag_run, "read", dag_id="a")
    assert shown["asset_events"] == [{"uri": "s3://x", "name": "x", "timestamp": "t", "source_dag_id": "b"}]
    airflow.on(**{"GET dags/a/dagRuns": {"dag_runs": []}})
    assert "no runs yet" in airflow.refuses("not_found", reading.get_dag_run, dag_id="a").message


# ---- changes -----------------------------------------------------------------------------------------


def test_clear_dag_run_previews_by_airflows_dry_run() -> None:
    rows = instances("success", "failed", None)
    airflow = fake(**{"POST dags/a/dagRuns/r/clear": {"task_instances": rows}}).unconnected("a")
    preview = airflow.call(
        changes._preview_clear_dag_run, "read", dag_id="a", dag_run_id="r", only_failed=False
    )
    assert airflow.last_change == {"dry_run": True, "only_failed": False}
    assert preview["clears"] == 3
    assert preview["task_instances"] == {"success": ["t[0]"], "failed": ["t[1]"], "no_status": ["t[2]"]}
    rows[1]["try_number"] = 2
    again = airflow.call(changes._preview_clear_dag_run, dag_id="a", dag_run_id="r", only_failed=False)
    assert {**again, "as_of": preview["as_of"]} == preview
    assert again["as_of"] != preview["as_of"]
    airflow.call(changes.clear_dag_run, dag_id="a", dag_run_id="r", only_failed=True)
    assert airflow.calls[-2].body == {"dry_run": False, "only_failed": True}
    airflow.on(**{"POST dags/a/dagRuns/r/clear": {"task_instances": []}})
    airflow.refuses("conflict", changes._preview_clear_dag_run, dag_id="a", dag_run_id="r", only_failed=True)


def test_set_dag_run_state_binds_the_run_and_not_its_progress() -> None:
    listed = {"task_instances": instances("running", "queued"), "total_entries": 2}
    airflow = fake(**{"GET dags/a/dagRuns/r/taskInstances": listed, "PATCH dags/a/dagRuns/r": RUN})
    airflow.unconnected("a")
    preview = airflow.call(
        changes.preview_set_dag_run_state, "read", dag_id="a", dag_run_id="r", state="failed"
    )
    assert preview["now"] == {"task_counts": {"running": 1, "queued": 1}, "reaches": {"dags_fed": []}}
    assert preview["run"]["start_date"] == RUN["start_date"]
    airflow.call(changes.set_dag_run_state, dag_id="a", dag_run_id="r", state="failed")
    assert airflow.calls[-1].body == {"state": "failed"}
    airflow.on(**{"GET dags/a/dagRuns/r": {**RUN, "state": "failed"}})
    airflow.refuses("conflict", changes.preview_set_dag_run_state, dag_id="a", dag_run_id="r", state="failed")


def test_delete_dag_run_spares_a_running_one() -> None:
    airflow = fake(
        **{
            "DELETE dags/a/dagRuns/r": 204,
            "GET dags/a/dagRuns/r/taskInstances": {"task_instances": [], "total_entries": 0},
        }
    ).unconnected("a")
    refused = airflow.refuses("conflict", changes._preview_delete_dag_run, dag_id="a", dag_run_id="r")
    assert "set_dag_run_state" in refused.hint
    airflow.on(**{"GET dags/a/dagRuns/r": {**RUN, "state": "success"}})
    preview = airflow.call(changes._preview_delete_dag_run, "read", dag_id="a", dag_run_id="r")
    assert preview["run"]["queued_at"] == RUN["queued_at"]
    assert airflow.call(changes.delete_dag_run, dag_id="a", dag_run_id="r")["deleted"]
    assert airflow.changes() == [("DELETE", "dags/a/dagRuns/r")]


def test_set_dag_run_note() -> None:
    airflow = fake(**{"PATCH dags/a/dagRuns/r": {**RUN, "note": "seen"}})
    assert airflow.call(changes.set_dag_run_note, dag_id="a", dag_run_id="r", note="seen")["note"] == "seen"
    assert airflow.calls[-1].body == {"note": "seen"}


def test_a_run_that_failed_ends_with_its_failed_tasks() -> None:
    failed = {**RUN, "state": "failed"}
    airflow = fake(**{"GET dags/a/dagRuns/r": failed, **end("failed", "success", "failed")})
    shown = airflow.call(reading.wait_for_dag_run, "read", dag_id="a", dag_run_id="r")
    assert shown["task_counts"] == {"failed": 2, "success": 1}
    assert shown["failed_tasks"] == ["t[0]", "t[2]"]
    assert "result" not in shown
    assert "diagnose_dag_run" in shown["hint"]


def test_an_end_that_takes_too_long_to_read_is_told_without_its_parts() -> None:
    done = {**RUN, "state": "success"}
    airflow = fake(**{"GET dags/a/dagRuns/r": done, **end("success")})

    async def late() -> None:
        await reading.anyio.sleep(5)

    async def read() -> Any:
        parts = Parts(0.05)
        assert await parts.read("slow", late()) is None
        return parts.missing

    assert reading.anyio.run(read) == {"slow": "Reading it took too long."}
    shown = airflow.call(reading.wait_for_dag_run, "read", dag_id="a", dag_run_id="r", timeout_seconds=45)
    assert shown["done"]


def test_what_cannot_be_read_of_an_end_is_named() -> None:
    done = {**RUN, "state": "success"}
    airflow = fake(**{"GET dags/a/dagRuns/r": done, **end("success"), "GET dags/a/tasks": 403})
    shown = airflow.call(reading.wait_for_dag_run, "read", dag_id="a", dag_run_id="r")
    assert shown["task_counts"] == {"success": 1}
    assert "permission" in shown["missing"]["result"]


def test_runs_are_filtered_by_their_end_and_by_a_part_of_their_id() -> None:
    airflow = FakeAirflow(**{"GET dags/a/dagRuns": {"dag_runs": [RUN], "total_entries": 1}})
    shown = airflow.call(
        reading.list_dag_runs,
        dag_id="a",
        run_id_pattern="manual",
        end_after="2026-01-01T00:00:00Z",
        end_before="2026-02-01T00:00:00Z",
    )
    sent = airflow.calls[0].params
    assert sent["run_id_pattern"] == "manual"
    assert (sent["end_date_gte"], sent["end_date_lte"]) == ("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z")
    assert shown["total"] == 1
