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
"""Values that are easily taken for others, names that are easily taken for patterns, and `latest`."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.live.calling import ended, ok, refused, until
from tests.live.site import LINE, Site

DAG = "values_d_ily"
RUN = "first"


@pytest.fixture(scope="module")
def run(site: Site) -> dict[str, str]:
    until(lambda: any(dag["dag_id"] == DAG for dag in ok(site, "list_dags", limit=100)["dags"]))
    ok(site, "trigger_dag", dag_id=DAG, dag_run_id=RUN, unpause=True)
    assert ended(site, DAG, RUN) == "failed"
    return {"dag_id": DAG, "dag_run_id": RUN}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("digits", "12345678901234567890"),
        ("word", "true"),
        ("not_a_number", "NaN"),
        ("json_text", '{"a": 1}'),
        ("large", "9007199254740993"),
        ("small", 42),
        ("nested", {"ids": [1, str(2**60)], "when": "now"}),
    ],
)
def test_a_value_is_what_was_pushed(site: Site, run: dict[str, str], key: str, value: Any) -> None:
    shown = ok(site, "get_xcom", **run, task_id="push", key=key)
    assert shown["value"] == value
    assert ("2^53" in shown.get("hint", "")) == (key in {"large", "nested"})


def test_an_object_of_python_is_no_fault(site: Site, run: dict[str, str]) -> None:
    shown = ok(site, "get_xcom", **run, task_id="push", key="moment")
    assert shown["value"]


def test_a_mapped_task_without_an_index(site: Site, run: dict[str, str]) -> None:
    for tool in ("get_task_instance", "get_task_logs", "get_xcom"):
        error = refused(site, tool, "invalid_argument", **run, task_id="invert")["error"]
        assert error["hint"] == "Its map indexes are 0 to 2; failed: 1."
    error = refused(site, "get_task_instance", "invalid_argument", **run, task_id="invert", map_index=7)
    assert "0 to 2" in error["error"]["hint"]


def test_latest_is_read_and_not_changed(site: Site, run: dict[str, str]) -> None:
    for which in ("latest", "latest_failed"):
        latest = {"dag_id": DAG, "dag_run_id": which}
        assert ok(site, "get_dag_run", **latest)["dag_run_id"] == RUN
        listed = ok(site, "list_task_instances", **latest)
        assert (listed["dag_run_id"], listed["total"]) == (RUN, 4)
        assert ok(site, "get_xcom", **latest, task_id="push", key="small")["dag_run_id"] == RUN
        error = refused(site, "clear_dag_run", "invalid_argument", **latest)["error"]
        assert f"`{RUN}`" in error["hint"]
    refused(site, "list_task_instances", "not_found", dag_id=DAG, dag_run_id="latest_success")
    refused(site, "list_task_instances", "not_found", dag_id=DAG, dag_run_id="latest_running")


def test_a_run_ends_with_its_counts(site: Site, run: dict[str, str]) -> None:
    shown = ok(site, "wait_for_dag_run", **run, timeout_seconds=1)
    assert shown["task_counts"] == {"success": 3, "failed": 1}
    assert shown["failed_tasks"] == ["invert[1]"]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [("values_d_ily", 1), ("values_daily", 0), ("values%", 0), ("VALUES_D", 1), ("~", 0), ("values|x", 0)],
)
def test_a_pattern_is_plain_text(site: Site, run: dict[str, str], pattern: str, found: int) -> None:
    assert ok(site, "list_dags", pattern=pattern)["total"] == found


def test_runs_by_their_end_and_a_part_of_their_id(site: Site, run: dict[str, str]) -> None:
    end = ok(site, "get_dag_run", **run)["end_date"]
    assert ok(site, "list_dag_runs", dag_id=DAG, end_after=end)["total"] == 1
    assert ok(site, "list_dag_runs", dag_id=DAG, end_before="2026-01-01T00:00:00Z")["total"] == 0
    assert ok(site, "list_dag_runs", dag_id=DAG, run_id_pattern="irs")["total"] == 1
    assert ok(site, "list_dag_runs", dag_id=DAG, run_id_pattern="f_rst")["total"] == 0


def test_instances_without_a_state(site: Site, run: dict[str, str]) -> None:
    for state in ("none", "no_status"):
        assert ok(site, "list_task_instances", **run, state=state)["total"] == 0


def test_variables_and_connections_by_a_part_of_their_name(site: Site) -> None:
    ok(site, "set_variable", key="values_a", value="1")
    ok(site, "set_variable", key="valuesXa", value="1")
    shown = ok(site, "list_variables", pattern="values_")
    assert [row["key"] for row in shown["variables"]] == ["values_a"]
    assert shown["total"] == 1


def test_a_variable_named_as_a_dry_run_is_written_only_by_a_writer(site: Site) -> None:
    ok(site, "set_variable", key="a/dry_run" if LINE == 3 else "dry_run", value="kept")
    arguments = {
        "path": "variables/a%2Fdry_run",
        "method": "PATCH",
        "body": {"key": "a/dry_run", "value": "x"},
    }
    assert site.call("call_api_read", **arguments).get("isError")


RUN_OF = {"dag_id": DAG, "dag_run_id": RUN}

NAMED: list[tuple[str, dict[str, str], dict[str, Any]]] = [
    ("get_dag", {"dag_id": DAG}, {}),
    ("pause_dag", {"dag_id": DAG}, {}),
    ("unpause_dag", {"dag_id": DAG}, {}),
    ("delete_dag", {"dag_id": DAG}, {}),
    ("list_dag_runs", {"dag_id": DAG}, {}),
    ("get_dag_run", RUN_OF, {}),
    ("wait_for_dag_run", RUN_OF, {"timeout_seconds": 0}),
    ("set_dag_run_note", RUN_OF, {"note": "seen"}),
    ("clear_dag_run", RUN_OF, {}),
    ("set_dag_run_state", RUN_OF, {"state": "success"}),
    ("delete_dag_run", RUN_OF, {}),
    ("list_task_instances", RUN_OF, {}),
    ("get_task_instance", {**RUN_OF, "task_id": "push"}, {}),
    ("get_task_logs", {**RUN_OF, "task_id": "push"}, {"tail": 1}),
    ("search_logs", RUN_OF, {"grep": "Error"}),
    ("get_xcom", {**RUN_OF, "task_id": "push", "key": "small"}, {}),
    ("clear_task_instances", {**RUN_OF, "task_ids": "push"}, {}),
    ("set_task_instance_state", {**RUN_OF, "task_ids": "push"}, {"state": "failed"}),
    ("diagnose_dag_run", RUN_OF, {}),
    ("explain_waiting", {**RUN_OF, "task_id": "push"}, {}),
    ("analyze_dag", {"dag_id": DAG}, {}),
    ("trace_lineage", {"dag_id": DAG}, {}),
    ("delete_pool", {"name": "values_pool"}, {}),
    ("get_variable", {"key": "values_a"}, {}),
    ("delete_variable", {"key": "values_a"}, {}),
    ("delete_connection", {"conn_id": "values_conn"}, {}),
    # Of another provider.
    ("count_failed_runs", {"dag_id": DAG}, {}),
    ("get_success_rate", {"dag_id": DAG}, {}),
    ("mark_dag_run", RUN_OF, {"finding": "none"}),
]
"""Calls by the names in them, and what else they take."""


def outcome(site: Site, tool: str, **arguments: Any) -> tuple[str, str]:
    """Return ``ok`` or the error's code, and the text that a model reads."""
    result = site.call(tool, **arguments)
    text = " ".join(block["text"] for block in result["content"])
    if not result.get("isError"):
        return "ok", text
    return result["structuredContent"]["error"]["code"], text


def test_a_misspelt_name_is_right_at_the_second_call(site: Site, run: dict[str, str]) -> None:
    """The error's own words are followed, and nothing else."""
    ok(site, "set_pool", name="values_pool", slots=1)
    ok(site, "set_variable", key="values_a", value="1")
    if outcome(site, "delete_connection", conn_id="values_conn")[0] == "not_found":
        connection = {"conn_id": "values_conn", "conn_type": "http"}
        token = refused(site, "set_connection", "confirmation_required", **connection)["confirmation_token"]
        ok(site, "set_connection", **connection, confirmation_token=token)
    wrong, tried = [], 0
    for tool, names, more in NAMED:
        for name, value in names.items():
            tried += 1
            sent = {**names, **more, name: f"{value[:2]}{value[3:]}"}
            code, text = outcome(site, tool, **sent)
            meant = re.search(r"did you mean `([^`]+)`", text)
            repaired, _ = outcome(site, tool, **{**sent, name: meant[1]}) if meant else ("", "")
            if code != "not_found" or repaired not in {"ok", "confirmation_required"}:
                wrong.append((tool, name, code, repaired, text[:200]))
    assert tried > 45
    assert len(wrong) <= tried * 0.1, wrong
