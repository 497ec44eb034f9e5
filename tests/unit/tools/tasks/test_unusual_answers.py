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
"""What Airflow answers in unusual ways: mapped tasks, faults of some versions, values that are no JSON."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx
import pytest

from airflow_provider_mcp.testing import call_tool, open_airflow
from airflow_provider_mcp.tools.runs import changes as run_changes
from airflow_provider_mcp.tools.tasks import changes, hitl, instances, logs, xcom
from tests.unit.fake_airflow import FakeAirflow

RUN = "dags/a/dagRuns/r"
TASK = f"{RUN}/taskInstances/t"
ONE = {"dag_id": "a", "dag_run_id": "r", "task_id": "t"}
MANY = {"dag_id": "a", "dag_run_id": "r", "task_ids": ["t"]}
MAPPED = httpx.Response(404, json={"detail": "Task instance is mapped, add the map_index value to the URL"})


def rows(count: int, *failed: int) -> dict[str, Any]:
    listed = [
        {"task_id": "t", "map_index": i, "state": "failed" if i in failed else "success"}
        for i in range(count)
    ]
    return {"task_instances": listed, "total_entries": count}


# ---- mapped tasks ------------------------------------------------------------------------------------


@pytest.mark.parametrize("tool", [instances.get_task_instance, logs.get_task_logs, xcom.get_xcom])
def test_a_mapped_task_without_an_index_says_which_there_are(tool: Any) -> None:
    airflow = FakeAirflow(
        **{
            f"GET {TASK}": lambda _: MAPPED,
            f"GET {RUN}/taskInstances": rows(12, 3, 7),
            f"GET {TASK}/xcomEntries/return_value": 404,
        }
    )
    refused = airflow.refuses("invalid_argument", tool, **ONE)
    assert "12 instances" in refused.message
    assert "URL" not in refused.message
    assert refused.hint == "Its map indexes are 0 to 11; failed: 3, 7."
    assert refused.identifiers["failed_map_indexes"] == [3, 7]


def test_an_index_that_is_not_there_names_those_that_are() -> None:
    airflow = FakeAirflow(**{f"GET {TASK}/12": 404, f"GET {RUN}/taskInstances": rows(3)})
    refused = airflow.refuses("invalid_argument", instances.get_task_instance, **ONE, map_index=12)
    assert refused.hint == "Its map indexes are 0 to 2; none of them failed."


def test_a_task_that_is_not_there_is_not_found() -> None:
    airflow = FakeAirflow(**{f"GET {TASK}": 404, f"GET {RUN}/taskInstances": rows(0)})
    airflow.refuses("not_found", instances.get_task_instance, **ONE)


@pytest.mark.parametrize(("version", "works"), [("3.0.6", False), ("3.1.0", False), ("3.1.1", True)])
def test_single_indexes_are_cleared_only_where_airflow_does_it(version: str, works: bool) -> None:
    airflow = FakeAirflow(**{"POST dags/a/clearTaskInstances": {"task_instances": rows(1)["task_instances"]}})
    client = open_airflow(airflow, "write")
    client.site = replace(client.site, version=version)
    arguments = {**MANY, "map_indexes": [0]}
    if works:
        assert call_tool(changes.clear_task_instances, client, **arguments).changed == 1
        assert airflow.calls[-1].body["task_ids"] == [["t", 0]]
        return
    with pytest.raises(changes.Unsupported, match="Nothing was cleared"):
        call_tool(changes.clear_task_instances, client, **arguments)
    assert airflow.calls == []


def test_the_filter_for_no_state_has_two_names() -> None:
    airflow = FakeAirflow(**{f"GET {RUN}/taskInstances": rows(0)})
    for state in ("none", "no_status"):
        airflow.call(instances.list_task_instances, "read", dag_id="a", dag_run_id="r", state=state)
        assert airflow.calls[-1].params["state"] == "none"


# ---- parts -------------------------------------------------------------------------------------------


def test_a_part_that_may_not_be_read_does_not_hide_the_others() -> None:
    instance = {**ONE, "map_index": -1, "state": "failed", "rendered_fields": {"a": 1}}
    airflow = FakeAirflow(**{f"GET {TASK}": instance, f"GET {TASK}/xcomEntries": 403})
    shown = airflow.call(instances.get_task_instance, "read", **ONE, include=["xcom", "rendered_fields"])
    assert shown["rendered_fields"] == {"a": 1}
    assert "permission to read XComs" in shown["missing"]["xcom"]


# ---- XComs -------------------------------------------------------------------------------------------


def entry(value: Any) -> dict[str, Any]:
    return {"key": "return_value", "value": value, "timestamp": "2026-01-01T00:00:00Z"}


def read(answer: Any, version: str = "3.3.2") -> dict[str, Any]:
    airflow = FakeAirflow(**{f"GET {TASK}/xcomEntries/return_value": answer})
    client = open_airflow(airflow, "read")
    client.site = replace(client.site, version=version)
    shown: dict[str, Any] = call_tool(xcom.get_xcom, client, **ONE).model_dump(exclude_none=True)
    return shown


@pytest.mark.parametrize(
    ("value", "shown", "said"),
    [
        (2**53, 2**53, None),
        (2**53 + 1, "9007199254740993", "as text"),
        (-(2**70), str(-(2**70)), "as text"),
        ({"ids": [1, 12345678901234567890]}, {"ids": [1, "12345678901234567890"]}, "2^53"),
        ("12345678901234567890", "12345678901234567890", None),
        (1.5, 1.5, None),
        (True, True, None),
    ],
)
def test_an_integer_that_would_lose_digits_comes_as_text(value: Any, shown: Any, said: str | None) -> None:
    result = read(entry(value))
    assert result["value"] == shown
    assert type(result["value"]) is type(shown)
    assert (said in result["hint"]) if said else ("hint" not in result)


def test_numbers_that_json_does_not_know_come_as_text() -> None:
    body = b'{"key": "return_value", "value": [NaN, Infinity, 1.0]}'
    result = read(lambda _: httpx.Response(200, content=body, headers={"Content-Type": "application/json"}))
    assert result["value"] == ["nan", "inf", 1.0]
    assert "NaN" in result["hint"]


def test_a_value_that_is_no_json_comes_as_airflows_own_text() -> None:
    def answer(request: httpx.Request) -> Any:
        if request.url.params["stringify"] == "false":
            return httpx.Response(500, json={"detail": "keys must be str"})
        return entry("{(1, 2): 'a'}")

    result = read(answer)
    assert result["value"] == "{(1, 2): 'a'}"
    assert "no JSON" in result["hint"]


def test_an_object_of_python_comes_as_airflow_shows_it() -> None:
    stored = {"__classname__": "pandas.core.frame.DataFrame", "__version__": 1, "__data__": "UEFSMQ=="}

    def answer(request: httpx.Request) -> Any:
        return entry("   a\n0  1" if request.url.params.get("deserialize") else stored)

    result = read(answer)
    assert result["value"] == "   a\n0  1"
    assert "object of Python" in result["hint"]
    # An Airflow that does not give it as text gives what is stored.
    refuses = lambda request: (  # noqa: E731
        httpx.Response(400, json={"detail": "disabled"})
        if request.url.params.get("deserialize")
        else entry(stored)
    )
    assert read(refuses)["value"] == stored


def test_an_airflow_that_knows_no_stringify_gives_text_and_says_so() -> None:
    def answer(request: httpx.Request) -> Any:
        if "stringify" in request.url.params:
            return httpx.Response(400, json={"detail": "Extra query parameter(s) stringify not in spec"})
        return entry("{'a': 1}")

    result = read(answer, "2.9.3")
    assert result["value"] == "{'a': 1}"
    assert "2.9.3" in result["hint"]


def test_a_misspelled_key_names_those_that_are_there() -> None:
    airflow = FakeAirflow(
        **{
            f"GET {TASK}": {**ONE, "map_index": -1},
            f"GET {TASK}/xcomEntries/row_cuont": 404,
            f"GET {TASK}/xcomEntries": {"xcom_entries": [{"key": "row_count"}], "total_entries": 1},
        }
    )
    refused = airflow.refuses("not_found", xcom.get_xcom, **ONE, key="row_cuont")
    assert "did you mean `row_count`?" in refused.message


# ---- faults of some versions -------------------------------------------------------------------------


def test_a_state_that_airflow_cannot_set_says_what_can_be_done() -> None:
    gone = {"task_instances": [{"task_id": "gone", "state": "success"}], "total_entries": 1}
    airflow = FakeAirflow(
        **{f"PATCH {RUN}": 500, "GET dags/a/tasks": {"tasks": []}, f"GET {RUN}/taskInstances": gone}
    )
    call = {"dag_id": "a", "dag_run_id": "r", "state": "failed"}
    refused = airflow.refuses("conflict", run_changes.set_dag_run_state, **call)
    assert "`gone`" in refused.message
    assert "delete_dag_run" in refused.hint
    airflow.on(**{"GET dags/a/tasks": {"tasks": [{"task_id": "gone"}]}})
    airflow.refuses("internal", run_changes.set_dag_run_state, **call)


def test_a_preview_without_its_dry_run_shows_the_rest() -> None:
    airflow = FakeAirflow(
        **{
            f"GET {RUN}": {},
            f"PATCH {TASK}/dry_run": 500,
            f"GET {RUN}/taskInstances": rows(3, 1),
            "POST dags/a/clearTaskInstances": {"task_instances": []},
        }
    ).unconnected("a")
    preview = airflow.call(changes._preview_set_state, "read", **MANY, state="success")
    assert preview["task_instances"] == {"failed": ["t[1]"]}
    assert "as they are now" in preview["missing"]["dry_run"]


# ---- people ------------------------------------------------------------------------------------------


def test_a_question_for_somebody_else_names_them() -> None:
    route = f"{TASK}/-1/hitlDetails"
    airflow = FakeAirflow(
        **{
            f"PATCH {route}": 403,
            f"GET {route}": {"assigned_users": [{"id": "7", "name": "grace"}]},
        }
    )
    refused = airflow.refuses("permission_denied", hitl.respond_to_hitl, **ONE, chosen_options=["yes"])
    assert "grace" in refused.message
    assert refused.identifiers["assigned_users"] == ["grace"]
    airflow.on(**{f"GET {route}": {"assigned_users": []}})
    refused = airflow.refuses("permission_denied", hitl.respond_to_hitl, **ONE, chosen_options=["yes"])
    assert "grace" not in refused.message


def test_a_list_of_questions_says_whom_they_are_for() -> None:
    row = {
        "task_instance": {**ONE, "map_index": -1},
        "options": ["yes"],
        "assigned_users": [{"name": "grace"}],
    }
    airflow = FakeAirflow(**{"GET dags/~/dagRuns/~/hitlDetails": {"hitl_details": [row], "total_entries": 1}})
    assert airflow.call(hitl.list_hitl, "read")["hitl"] == [
        {**ONE, "options": ["yes"], "assigned_users": ["grace"]}
    ]
