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
"""The tools of the toolset ``tasks``."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_mcp.server.shaping import shape_result
from airflow_provider_mcp.testing import call_tool, open_airflow
from airflow_provider_mcp.tools.tasks import changes, hitl, instances, logs, xcom
from tests.unit.fake_airflow import FakeAirflow
from tests.unit.tools.tasks.logs_of_tasks import INSTANCE, LOG, TASK, entry, log_of

ERROR = entry(
    "Task failed with exception",
    "error",
    error_detail=[
        {
            "exc_type": "KeyError",
            "exc_value": "'customer_id'",
            "frames": [{"filename": "/d.py", "lineno": 7, "name": "load"}],
        }
    ],
)


# ---- logs --------------------------------------------------------------------------------------------


def test_a_line_keeps_time_level_logger_and_error() -> None:
    shown = log_of([entry("one"), ERROR]).call(logs.get_task_logs, "read", **LOG)
    assert shown["lines"] == [
        {"time": "2026-01-01T00:00:00.123Z", "level": "info", "logger": "l", "event": "one"},
        {
            "time": "2026-01-01T00:00:00.123Z",
            "level": "error",
            "logger": "l",
            "event": "Task failed with exception",
            "error": "File \"/d.py\", line 7, in load\nKeyError: 'customer_id'",
        },
    ]
    assert (shown["try_number"], shown["total"], shown["state"]) == (2, 2, "failed")


def test_pages_go_backwards_while_the_log_grows() -> None:
    entries = [entry(f"line {number}") for number in range(95)]
    airflow = log_of(entries, "running")
    seen: list[str] = []
    cursor = None
    for _ in range(10):
        shown = airflow.call(logs.get_task_logs, "read", **LOG, tail=20, cursor=cursor)
        seen = [line["event"] for line in shown["lines"]] + seen
        entries += [entry("later")] * 7
        cursor = shown.get("next_cursor")
        if cursor is None:
            break
    assert seen == [f"line {number}" for number in range(95)]


def test_level_takes_what_belongs_to_a_record() -> None:
    entries = [entry("fine"), entry("broken", "error"), entry("Traceback", None), entry("fine"), "plain"]
    shown = log_of(entries).call(logs.get_task_logs, "read", **LOG, level="warning")
    assert [line["event"] for line in shown["lines"]] == ["broken", "Traceback"]


def test_grep_looks_into_errors_and_at_single_lines() -> None:
    entries = [entry("one\nTraceback of two"), entry("no Traceback"), ERROR]
    airflow = log_of(entries)
    shown = airflow.call(logs.get_task_logs, "read", **LOG, grep="^Traceback")
    assert [line["event"] for line in shown["lines"]] == ["one\nTraceback of two"]
    shown = airflow.call(logs.get_task_logs, "read", **LOG, grep="KeyError: 'cust")
    assert shown["total"] == 1
    assert "last_error" not in shown


def test_the_last_error_is_shown_when_others_came_after_it() -> None:
    entries = [entry("broken", "error"), entry("Trace", None), entry("KeyError: x", None)]
    entries += [entry(f"after {number}") for number in range(300)]
    shown = log_of(entries).call(logs.get_task_logs, "read", **LOG)
    assert [line["event"] for line in shown["last_error"]] == ["broken", "Trace", "KeyError: x"]
    shown = log_of(entries).call(logs.get_task_logs, "read", **LOG, tail=303)
    assert "last_error" not in shown


def test_an_enormous_last_error_is_shown_by_its_end() -> None:
    entries = [
        entry("broken", "error"),
        *(entry("x" * 3000, None) for _ in range(60)),
        entry("KeyError: x", None),
    ]
    entries += [entry(f"after {number}") for number in range(300)]
    shown = log_of(entries).call(logs.get_task_logs, "read", **LOG)
    assert shown["last_error"][-1]["event"] == "KeyError: x"
    assert len(json.dumps(shown)) < 40_000


def test_the_end_of_a_long_log_is_what_stays() -> None:
    entries = [entry(f"{number} " + "x" * 500) for number in range(9000)] + [ERROR]
    airflow = log_of(entries)
    shown = airflow.call(logs.get_task_logs, "read", **LOG, tail=5000)
    assert len(json.dumps(shown)) < 30_000
    assert shown["truncated"] is True
    assert shown["total"] == 9001
    assert "customer_id" in shown["lines"][-1]["error"]
    assert shown["next_cursor"]


def test_one_enormous_line_keeps_its_end() -> None:
    detail = [{"exc_type": "ValueError", "exc_value": "y" * 100_000 + " at the end", "frames": []}]
    airflow = log_of([entry("x" * 500_000), entry("failed", "error", error_detail=detail)])

    shaped = shape_result(call_tool(logs.get_task_logs, open_airflow(airflow), **LOG), 40_000)
    assert len(shaped.text) <= 40_000
    assert shaped.data["lines"][-1]["error"].endswith(" at the end")


def test_a_log_of_several_pages_is_read_to_its_end() -> None:
    pages: dict[str | None, Any] = {
        None: {"content": [{"event": "1"}], "continuation_token": "two"},
        "two": {"content": [{"event": "2"}], "continuation_token": "three"},
        "three": {"content": [], "continuation_token": "four"},
    }
    airflow = log_of([], "running").on(
        **{f"GET {TASK}/logs/2": lambda request: pages[request.url.params.get("token")]}
    )
    shown = airflow.call(logs.get_task_logs, "read", **LOG)
    assert [line["event"] for line in shown["lines"]] == ["1", "2"]


def test_a_search_that_takes_too_long_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "LOG_SECONDS", -1)
    refused = log_of([entry("x")]).refuses("unavailable", logs.get_task_logs, "read", **LOG, grep="x")
    assert "grep" in refused.hint


def test_a_try_that_was_not_is_not_there() -> None:
    refused = log_of([]).refuses("not_found", logs.get_task_logs, "read", **LOG, try_number=3)
    assert "2 tries" in refused.message


# ---- task instances ----------------------------------------------------------------------------------


def test_list_task_instances_passes_its_filters_on() -> None:
    airflow = FakeAirflow(
        **{"GET dags/a/dagRuns/~/taskInstances": {"task_instances": [INSTANCE], "total_entries": 1}}
    )
    shown = airflow.call(
        instances.list_task_instances, "read", dag_id="a", task_id="t", state="failed", pool="p"
    )
    assert airflow.calls[0].params == {
        "task_id": "t",
        "state": "failed",
        "pool": "p",
        "order_by": "-start_date",
        "limit": "25",
        "offset": "0",
    }
    assert shown["task_instances"][0]["operator"] == "@task"
    assert not {"map_index", "rendered_fields"} & set(shown["task_instances"][0])
    airflow.refuses("invalid_argument", instances.list_task_instances, dag_run_id="r")


def test_get_task_instance_shows_the_parts_that_were_asked_for() -> None:
    airflow = FakeAirflow(
        **{
            f"GET {TASK}/3": {**INSTANCE, "map_index": 3},
            f"GET {TASK}/3/tries": {"task_instances": [{"try_number": 1, "state": "failed", "pid": 9}]},
            f"GET {TASK}/3/dependencies": {"dependencies": [{"name": "Pool", "reason": "full"}]},
            f"GET {TASK}/xcomEntries": {
                "xcom_entries": [{"key": "k", "map_index": 3}, {"key": "not", "map_index": 4}]
            },
            f"GET {TASK}/links": {"extra_links": {"Docs": "http://d"}},
        }
    )
    shown = airflow.call(instances.get_task_instance, "read", **LOG, map_index=3)
    assert len(airflow.calls) == 1
    assert "rendered_fields" not in shown
    every = ["tries", "dependencies", "rendered_fields", "xcom", "links"]
    shown = airflow.call(instances.get_task_instance, "read", **LOG, map_index=3, include=every)
    assert shown["tries"] == [{"try_number": 1, "state": "failed"}]
    assert shown["dependencies"] == [{"name": "Pool", "reason": "full"}]
    assert shown["rendered_fields"] == {"op_kwargs": {"password": "***", "region": "eu"}}
    assert shown["xcom"] == ["k"]
    assert shown["links"] == {"Docs": "http://d"}


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ({"password": "x", "n": 1}, {"password": "***", "n": 1}),
        ('{"password": "x", "n": 1}', '{"password": "***", "n": 1}'),
        ([{"db_password": "x"}], [{"db_password": "***"}]),
        ("[1, 2]", "[1, 2]"),
        ("12345678901234567890", "12345678901234567890"),
        ("true", "true"),
        ("NaN", "NaN"),
        ("null", "null"),
        ("007", "007"),
        ([1, 2], [1, 2]),
        (True, True),
        ("not json", "not json"),
        (7, 7),
    ],
)
def test_get_xcom_masks(stored: Any, shown: Any) -> None:
    airflow = FakeAirflow(**{f"GET {TASK}/xcomEntries/some/key": {"key": "some/key", "value": stored}})
    result = airflow.call(xcom.get_xcom, "read", **LOG, key="some/key")
    assert result["value"] == shown
    airflow.refuses("invalid_argument", xcom.get_xcom, **LOG, key="../../x")


def test_an_xcom_whose_key_is_a_secrets_is_masked_whole() -> None:
    airflow = FakeAirflow(**{f"GET {TASK}/xcomEntries/password": {"key": "password", "value": "x"}})
    assert airflow.call(xcom.get_xcom, "read", **LOG, key="password")["value"] == "***"


# ---- changes -----------------------------------------------------------------------------------------

CALL = {"dag_id": "a", "dag_run_id": "r", "task_ids": ["t"]}
FLAGS = {"map_indexes": None, "include_upstream": False, "include_downstream": True, "only_failed": False}


def test_clear_task_instances_previews_by_airflows_dry_run() -> None:
    airflow = FakeAirflow(
        **{
            "POST dags/a/clearTaskInstances": {"task_instances": [INSTANCE, {**INSTANCE, "task_id": "u"}]},
        }
    ).unconnected("a")
    preview = airflow.call(changes._preview_clear, "read", **CALL, **FLAGS)
    assert preview["task_instances"] == {"failed": ["t", "u"]}
    body = airflow.last_change
    assert (body["dry_run"], body["include_downstream"], body["reset_dag_runs"]) == (True, True, True)
    shown = airflow.call(changes.clear_task_instances, **CALL, map_indexes=[1, 2])
    assert airflow.calls[-1].body["task_ids"] == [["t", 1], ["t", 2]]
    assert airflow.calls[-1].body["dry_run"] is False
    assert shown["changed"] == 2


def test_clearing_what_is_not_there_says_so() -> None:
    airflow = FakeAirflow(
        **{"POST dags/a/clearTaskInstances": {"task_instances": []}, "GET dags/a/tasks/t": 404}
    )
    refused = airflow.refuses("not_found", changes._preview_clear, **CALL, **FLAGS)
    assert refused.identifiers["task_id"] == "t"
    airflow.on(**{"GET dags/a/tasks/t": {"task_id": "t"}})
    assert "nothing to clear" in airflow.refuses("conflict", changes._preview_clear, **CALL, **FLAGS).message


def test_set_task_instance_state_previews_what_it_also_clears() -> None:
    after = {**INSTANCE, "task_id": "after", "state": "upstream_failed"}
    airflow = FakeAirflow(
        **{
            "GET dags/a/dagRuns/r": {},
            "GET dags/a/tasks/t": {},
            f"PATCH {TASK}/dry_run": {"task_instances": [INSTANCE]},
            "POST dags/a/clearTaskInstances": {"task_instances": [INSTANCE, after]},
        }
    ).unconnected("a")
    preview = airflow.call(changes._preview_set_state, "read", **CALL, state="success")
    assert preview["task_instances"] == {"failed": ["t"]}
    assert preview["clears_downstream"] == {"upstream_failed": ["after"]}
    assert airflow.last_change["dry_run"] is True
    refused = airflow.refuses("conflict", changes._preview_set_state, **CALL, state="failed")
    assert "already failed" in refused.message


def test_a_state_that_was_set_in_part_is_told() -> None:
    airflow = FakeAirflow(
        **{
            f"PATCH {TASK}": {"task_instances": [INSTANCE]},
            f"PATCH {TASK[:-1]}u": 409,
        }
    )
    refused = airflow.refuses(
        "conflict", changes.set_task_instance_state, **{**CALL, "task_ids": ["t", "u"]}, state="success"
    )
    assert "t had been set to success" in refused.message
    shown = airflow.call(changes.set_task_instance_state, **CALL, state="success")
    assert shown["task_instances"] == {"success": ["t"]}


# ---- humans ------------------------------------------------------------------------------------------

HITL = {
    "task_instance": INSTANCE,
    "subject": "Release?",
    "body": "",
    "options": ["yes", "no"],
    "multiple": False,
    "params": {"password": {"value": "x"}},
    "created_at": "t",
}


def test_list_hitl_lists_what_waits() -> None:
    airflow = FakeAirflow(
        **{"GET dags/~/dagRuns/~/hitlDetails": {"hitl_details": [HITL], "total_entries": 1}}
    )
    shown = airflow.call(hitl.list_hitl, "read")
    assert airflow.calls[0].params["response_received"] == "false"
    assert shown["hitl"][0]["options"] == ["yes", "no"]
    assert shown["hitl"][0]["params"] == {"password": {"value": "***"}}
    airflow.refuses("invalid_argument", hitl.list_hitl, dag_run_id="r")


def test_respond_to_hitl() -> None:
    route = f"PATCH {TASK}/-1/hitlDetails"
    airflow = FakeAirflow(**{route: {"chosen_options": ["yes"], "responded_at": "t"}})
    assert airflow.call(hitl.respond_to_hitl, **LOG, chosen_options=["yes"])["responded_at"] == "t"
    assert airflow.calls[-1].body == {"chosen_options": ["yes"], "params_input": {}}
    airflow.on(**{route: 409})
    refused = airflow.refuses("conflict", hitl.respond_to_hitl, **LOG, chosen_options=["yes"])
    assert "answered before" in refused.hint


def test_a_read_only_client_stops_what_would_change() -> None:
    airflow = FakeAirflow()
    for tool, arguments in (
        (changes.clear_task_instances, CALL),
        (changes.set_task_instance_state, {**CALL, "state": "success"}),
        (hitl.respond_to_hitl, {**LOG, "chosen_options": ["yes"]}),
    ):
        airflow.refuses("read_only", tool, "read", **arguments)
    assert airflow.calls == []
