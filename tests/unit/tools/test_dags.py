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
"""The tools of the toolset ``dags``."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from airflow_provider_mcp.server.shaping import shape_result
from airflow_provider_mcp.tools import dags
from airflow_provider_mcp.tools.runs.reading import list_dag_runs
from tests.unit.fake_airflow import FakeAirflow

DAG = {
    "dag_id": "sales_daily",
    "dag_display_name": "sales_daily",
    "is_paused": False,
    "timetable_summary": "0 6 * * *",
    "tags": [{"name": "sales"}, {"name": "daily"}],
    "owners": ["ada"],
    "next_dagrun_run_after": "2026-11-25T06:00:00.123456+00:00",
    "has_import_errors": False,
    "fileloc": "/dags/sales.py",
    "relative_fileloc": "sales.py",
    "file_token": "to.ken",
    "params": {
        "days": {"value": 7, "description": "How many.", "schema": {"type": "integer"}},
        "password": {"value": "hunter22", "schema": {"type": "string"}, "description": None},
    },
}


def test_list_dags_passes_its_filters_on_and_is_short() -> None:
    def listed(request: httpx.Request) -> Any:
        count = int(request.url.params["limit"])
        return {"dags": [{**DAG, "dag_id": f"sales_{n}"} for n in range(count)], "total_entries": 56}

    airflow = FakeAirflow(**{"GET dags": listed})
    shown = airflow.call(
        dags.list_dags,
        pattern="sal",
        tags=["a", "b"],
        owner="ada",
        paused=False,
        last_run_state="failed",
        limit=56,
    )
    query = airflow.calls[0].params
    assert query == {
        "dag_id_pattern": "sal",
        "tags": "a",
        "owners": "ada",
        "paused": "false",
        "last_dag_run_state": "failed",
        "order_by": "dag_id",
        "limit": "56",
        "offset": "0",
    }
    assert shown["dags"][0] == {
        "dag_id": "sales_0",
        "is_paused": False,
        "schedule": "0 6 * * *",
        "tags": ["sales", "daily"],
        "owners": ["ada"],
        "next_run": "2026-11-25T06:00:00Z",
    }
    assert shown["total"] == 56
    assert "next_cursor" not in shown
    # About 3 characters a token: 60 tokens a Dag.
    assert len(json.dumps(shown, separators=(",", ":"))) < 56 * 180


@pytest.mark.parametrize(("state", "said"), [("draining", "draining"), ("active", None), ("paused", None)])
def test_a_draining_dag_of_airflow_34_says_so(state: str, said: str | None) -> None:
    row = {**DAG, "scheduling_state": state, "team_name": "north"}
    airflow = FakeAirflow(**{"GET dags": {"dags": [row], "total_entries": 1}})
    (shown,) = airflow.call(dags.list_dags)["dags"]
    assert (shown.get("scheduling_state"), shown["team_name"]) == (said, "north")


def test_get_dag_shows_the_parts_that_were_asked_for() -> None:
    airflow = FakeAirflow(
        **{
            "GET dags/sales_daily/details": DAG,
            "GET dags/sales_daily/tasks": {
                "tasks": [
                    {
                        "task_id": "load",
                        "operator_name": "Load",
                        "pool": "default_pool",
                        "trigger_rule": "all_success",
                    },
                    {
                        "task_id": "check",
                        "class_ref": {"class_name": "Check"},
                        "pool": "small",
                        "trigger_rule": "all_done",
                        "downstream_task_ids": ["load"],
                        "is_mapped": True,
                        "retries": 2,
                    },
                ]
            },
            "GET dags/sales_daily/dagRuns": {"dag_runs": [{"dag_run_id": "r", "state": "failed"}]},
            "GET dagSources/sales_daily": {"content": "x = 1"},
            "GET dags/sales_daily/dagVersions": {"dag_versions": [{"version_number": 3}]},
            "GET importErrors": {
                "import_errors": [
                    {"filename": "sales.py", "stack_trace": "boom", "timestamp": "t"},
                    {"filename": "other.py", "stack_trace": "no", "timestamp": "t"},
                ]
            },
            "GET dagWarnings": {"dag_warnings": [{"warning_type": "w", "message": "m"}]},
            "GET assets": {"assets": [{"id": 1, "name": "s3://a", "uri": "s3://a"}]},
        }
    )
    shown = airflow.call(dags.get_dag, dag_id="sales_daily")
    assert {"tasks", "params", "runs"} <= set(shown)
    assert not {"source", "versions", "import_errors"} & set(shown)
    assert shown["tasks"] == [
        {"task_id": "load", "operator": "Load"},
        {
            "task_id": "check",
            "operator": "Check",
            "downstream": ["load"],
            "is_mapped": True,
            "pool": "small",
            "trigger_rule": "all_done",
            "retries": 2,
        },
    ]
    assert shown["params"]["days"] == {
        "value": 7,
        "description": "How many.",
        "schema": {"type": "integer"},
    }
    assert shown["params"]["password"]["value"] == "***"
    every = ["source", "versions", "import_errors", "warnings", "assets"]
    shown = airflow.call(dags.get_dag, dag_id="sales_daily", include=every)
    assert shown["source"] == "x = 1"
    assert shown["versions"] == [{"version_number": 3}]
    assert [error["stack_trace"] for error in shown["import_errors"]] == ["boom"]
    assert shown["warnings"] == [{"type": "w", "message": "m"}]
    assert shown["assets"] == [{"id": 1, "uri": "s3://a"}]
    assert shown["ui_url"]


def test_reparse_dag_asks_by_the_files_token_and_twice_is_as_once() -> None:
    answers = [httpx.Response(201), httpx.Response(409, json={"detail": "Unique constraint violation"})]
    airflow = FakeAirflow(
        **{"GET dags/sales_daily": DAG, "PUT parseDagFile/to.ken": lambda _: answers.pop(0)}
    )
    for _ in range(2):
        assert airflow.call(dags.reparse_dag, dag_id="sales_daily")["fileloc"] == "/dags/sales.py"
    airflow.on(**{"PUT parseDagFile/to.ken": 403})
    airflow.refuses("permission_denied", dags.reparse_dag, dag_id="sales_daily")


def test_delete_dag_previews_what_is_lost() -> None:
    airflow = FakeAirflow(
        **{
            "GET dags/sales_daily": DAG,
            "GET dags/sales_daily/dagRuns": {"dag_runs": [], "total_entries": 338_905},
            "GET eventLogs": {"event_logs": [], "total_entries": 12},
            "DELETE dags/sales_daily": 204,
        }
    ).unconnected("sales_daily")
    preview = airflow.call(dags._preview_delete_dag, "read", dag_id="sales_daily")
    assert (preview["dag_runs"], preview["audit_events"]) == (338_905, 12)
    assert airflow.calls[1].params == {"limit": "1"}
    (counted,) = [call.params for call in airflow.calls if call.route == "eventLogs"]
    # The preview is shown again by a call that leaves a row itself: it must not change what is shown.
    assert counted["excluded_events"] == "mcp.tool_call"
    assert airflow.changes() == []
    airflow.on(**{"GET eventLogs": 403})
    assert airflow.call(dags._preview_delete_dag, "read", dag_id="sales_daily")["audit_events"] is None
    assert airflow.call(dags.delete_dag, dag_id="sales_daily") == {"dag_id": "sales_daily", "deleted": True}
    assert airflow.changes() == [("DELETE", "dags/sales_daily")]


def test_pausing_says_what_is() -> None:
    airflow = FakeAirflow(**{"PATCH dags/sales_daily": lambda request: json.loads(request.content)})
    airflow.unconnected("sales_daily")
    assert airflow.call(dags.pause_dag, dag_id="sales_daily")["is_paused"] is True
    assert airflow.call(dags.unpause_dag, dag_id="sales_daily")["is_paused"] is False


def test_a_result_keeps_its_address_when_it_is_cut() -> None:
    page = dags.Dags.of(
        [{"dag_id": "d" * 90} for _ in range(50)], total=50, offset=0, ui_url="http://ui/{dag_id}"
    )
    shaped = shape_result(page, 1000)
    assert shaped.data["ui_url"] == "http://ui/{dag_id}"
    assert shaped.data["next_cursor"]


def test_a_part_that_may_not_be_read_is_named_and_the_rest_is_shown() -> None:
    airflow = FakeAirflow(
        **{
            "GET dags/sales_daily/details": DAG,
            "GET dags/sales_daily/tasks": {"tasks": [{"task_id": "load"}]},
            "GET dags/sales_daily/dagRuns": 403,
        }
    )
    shown = airflow.call(dags.get_dag, "read", dag_id="sales_daily")
    assert shown["tasks"] == [{"task_id": "load"}]
    assert shown["params"]
    assert "runs" not in shown
    assert "permission to read Dag runs" in shown["missing"]["runs"]


def test_a_part_that_is_shortened_has_its_whole_count_beside_it() -> None:
    rows = [{"dag_run_id": f"r{n}", "state": "success"} for n in range(5)]
    airflow = FakeAirflow(
        **{
            "GET dags/sales_daily/details": DAG,
            "GET dags/sales_daily/dagRuns": {"dag_runs": rows, "total_entries": 338_905},
        }
    )
    shown = airflow.call(dags.get_dag, "read", dag_id="sales_daily", include=["runs"])
    assert shown["totals"] == {"runs": 338_905}


def test_a_refusal_for_all_dags_says_that_one_may_be_allowed() -> None:
    airflow = FakeAirflow(**{"GET dags/~/dagRuns": 403, "GET dags/a/dagRuns": 403})
    refused = airflow.refuses("permission_denied", list_dag_runs)
    assert "The same call with dag_id may be allowed" in refused.hint
    assert "dag_id" not in airflow.refuses("permission_denied", list_dag_runs, dag_id="a").hint


def test_the_source_is_what_makes_the_dag_and_the_file_is_all_of_it() -> None:
    file = "import airflow\n\nwith DAG('other'):\n    pass\n\nwith DAG('sales_daily'):\n    Load()\n"
    airflow = FakeAirflow(
        **{"GET dags/sales_daily/details": DAG, "GET dagSources/sales_daily": {"content": file}}
    )
    shown = airflow.call(dags.get_dag, dag_id="sales_daily", include=["source"])
    assert shown["source"] == "with DAG('sales_daily'):\n    Load()"
    assert shown["source_lines"] == {"first": 6, "last": 7, "of": 7}
    assert "include file" in shown["hint"]
    for include in (["file"], ["source", "file"]):
        whole = airflow.call(dags.get_dag, dag_id="sales_daily", include=include)
        assert whole["source"] == file
        assert "source_lines" not in whole


def test_a_source_that_may_not_be_read_is_missing_and_the_rest_is_shown() -> None:
    airflow = FakeAirflow(**{"GET dags/sales_daily/details": DAG, "GET dagSources/sales_daily": 403})
    shown = airflow.call(dags.get_dag, dag_id="sales_daily", include=["source", "params"])
    assert "source" in shown["missing"]
    assert "source" not in shown
    assert shown["params"]
