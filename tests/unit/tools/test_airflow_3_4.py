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
"""What Airflow 3.4 tells that none before it did, and what is shown without it."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from airflow_provider_mcp.sdk import Conflict
from airflow_provider_mcp.tools import backfills
from airflow_provider_mcp.tools.admin import pools, variables
from airflow_provider_mcp.tools.diagnostics import comparison, runs, waiting
from airflow_provider_mcp.tools.tasks import changes
from tests.unit.answers import SENT, Answer, listing, run

NEW = "3.4.0b2"

CHANGE = {"operation": "changed", "category": "task", "impact": "execution", "occurrence_count": 1}
DIFF: dict[str, Any] = {
    "diff_schema_version": 1,
    "base_version_number": 1,
    "target_version_number": 2,
    "mode": "observed_state",
    "unavailable_reason": None,
    "values_status": "available",
    "truncated": False,
    "total_changes": 4,
    "changes": [
        {**CHANGE, "path": "dag.fileloc", "impact": "provenance", "before_value": "a", "after_value": "b"},
        {**CHANGE, "path": "dag.tasks.load.retries", "before_value": 0, "after_value": 3},
        {**CHANGE, "path": "dag.params.password", "before_value": "hunter1", "after_value": "hunter2"},
        {**CHANGE, "path": "dag.tasks.*", "operation": "added", "occurrence_count": 2},
    ],
}


def dag_run(name: str, version: int, state: str) -> dict[str, Any]:
    return {
        "dag_id": "d",
        "dag_run_id": name,
        "state": state,
        "run_type": "manual",
        "run_after": f"2026-11-0{version}T00:00:00Z",
        "logical_date": f"2026-11-0{version}T00:00:00Z",
        "conf": {},
        "dag_versions": [{"version_number": version}],
    }


def answers(diff: Answer) -> dict[str, Any]:
    bad, good = dag_run("bad", 2, "failed"), dag_run("good", 1, "success")
    return {
        "GET dags/d": (200, {"dag_id": "d"}),
        "GET dags/d/details": (200, {"dag_id": "d"}),
        "GET dags/d/tasks": (200, {"tasks": []}),
        "GET dags/d/dagRuns": listing("dag_runs", [good]),
        "GET dags/d/dagRuns/bad": (200, bad),
        "GET dags/d/dagRuns/good": (200, good),
        "GET dags/d/dagRuns/bad/taskInstances": listing("task_instances", []),
        "GET dags/d/dagRuns/good/taskInstances": listing("task_instances", []),
        "GET dagSources/d": (200, {"content": "x = 1"}),
        "GET dags/d/dagVersions/diff": diff,
        "GET assets": listing("assets", []),
        "GET eventLogs": listing("event_logs", []),
    }


def compare(diff: Answer, version: str = NEW) -> Any:
    arguments = {"dag_id": "d", "dag_run_id": "good", "other_dag_run_id": "bad"}
    return run(comparison.compare_dag_runs, answers(diff), version=version, **arguments)


def test_a_comparison_says_how_the_definition_differs() -> None:
    shown = compare((200, DIFF)).definition_diff
    assert shown == {
        "total": 4,
        "changes": [
            {"path": "dag.tasks.load.retries", "operation": "changed", "before": "0", "after": "3"},
            {"path": "dag.params.password", "operation": "changed", "before": '"***"', "after": '"***"'},
            {"path": "dag.tasks.*", "operation": "added", "count": 2},
            {
                "path": "dag.fileloc",
                "operation": "changed",
                "impact": "provenance",
                "before": '"a"',
                "after": '"b"',
            },
        ],
    }


def test_a_diagnosis_says_what_changed_since_the_last_success() -> None:
    found = run(runs.diagnose_dag_run, answers((200, DIFF)), version=NEW, dag_id="d", dag_run_id="bad")
    assert found.changed["definition_diff"]["total"] == 4


def test_a_comparison_that_cannot_be_made_is_said() -> None:
    off = {**DIFF, "mode": "unavailable", "unavailable_reason": "another serializer", "changes": []}
    assert compare((200, off)).unchecked == {"definition_diff": "another serializer"}
    assert "definition_diff" in compare((403, {"detail": "Forbidden"})).unchecked
    hidden = {**DIFF, "values_status": "unavailable", "truncated": True}
    shown = compare((200, hidden)).definition_diff
    assert "code" in shown["values"]
    assert shown["total_is_at_least"]


def test_an_older_airflow_is_not_asked() -> None:
    assert compare((500, {}), version="3.3.2").model_dump(exclude_none=True).get("definition_diff") is None
    assert not [route for _, route, _ in SENT if route.endswith("diff")]


BUNDLES = [
    {"name": "main", "active": True, "version": "abc1", "last_refreshed": "2026-11-01T10:00:00Z"},
    {"name": "other", "active": True, "version": None, "last_refreshed": None},
]
STALE = {"dag_id": "d", "is_stale": True, "bundle_name": "main", "fileloc": "/dags/d.py"}


@pytest.mark.parametrize(
    ("bundle", "says"),
    [
        (BUNDLES[0], "The bundle `main` was last refreshed at 2026-11-01T10:00:00Z at version abc1"),
        ({"name": "main", "last_refreshed": None}, "was never refreshed: is a Dag processor running?"),
        ({"name": "main", "active": False, "last_refreshed": "x"}, "is no longer configured"),
    ],
)
def test_a_dag_that_is_gone_from_its_file(bundle: Any, says: str) -> None:
    replies = {
        "GET dags/d/details": (200, STALE),
        "GET dags/d/dagRuns": listing("dag_runs", []),
        "GET importErrors": listing("import_errors", []),
        "GET monitor/health": (200, {}),
        "GET dagBundles": listing("dag_bundles", [bundle, BUNDLES[1]]),
    }
    found = run(waiting.explain_waiting, replies, version=NEW, dag_id="d")
    assert says in found.reason
    assert [row["name"] for row in found.checks[0]["evidence"]["bundles"]] == ["main"]
    older = run(waiting.explain_waiting, replies, version="3.3.2", dag_id="d")
    assert "bundles" not in older.checks[0]["evidence"]


def test_a_dag_that_is_in_no_bundle() -> None:
    replies = {
        "GET importErrors": listing("import_errors", [{"filename": "x.py", "stack_trace": "E: no"}]),
        "GET dagBundles": listing("dag_bundles", BUNDLES),
    }
    found = run(waiting.explain_waiting, replies, version=NEW, dag_id="d")
    assert [row["name"] for row in found.checks[0]["evidence"]["bundles"]] == ["main", "other"]
    replies["GET dagBundles"] = (403, {"detail": "Forbidden"})
    assert (
        "bundles" not in run(waiting.explain_waiting, replies, version=NEW, dag_id="d").checks[0]["evidence"]
    )


def test_a_backfill_shows_how_far_its_runs_are() -> None:
    rows = [
        {"dag_run_state": "success", "exception_reason": None},
        {"dag_run_state": None, "exception_reason": "already exists"},
        {"dag_run_state": None, "exception_reason": None},
    ]
    replies = {
        "GET dags/d": (200, {}),
        "GET backfills": listing(
            "backfills", [{"id": 2, "dag_id": "d"}, {"id": 1, "dag_id": "d", "completed_at": "2026-11-01"}]
        ),
        "GET backfills/2/dag_runs": (200, {"backfill_dag_runs": rows, "total_entries": 130}),
    }
    new, old = run(backfills.list_backfills, replies, version=NEW, dag_id="d").backfills
    assert new["runs"] == {
        "total": 130,
        "states": {"success": 1, "not_created": 2},
        "counted": 3,
        "left_out": {"already exists": 1},
    }
    assert "runs" not in old
    assert "runs" not in run(backfills.list_backfills, replies, dag_id="d").backfills[0]


def clear(rows: list[dict[str, Any]], act: Answer, version: str = NEW) -> Any:
    def answer(request: httpx.Request) -> Answer:
        body = json.loads(request.content)
        return listing("task_instances", rows) if body["dry_run"] else act

    tasks = changes.ClearTasks(dag_id="d", dag_run_id="r", task_ids=["t"])
    replies: dict[str, Any] = {"POST dags/d/clearTaskInstances": answer}
    return run(changes.clear_task_instances, replies, version=version, **tasks.model_dump())


ROWS = [{"id": "u1", "task_id": "t", "state": "failed"}, {"id": "u2", "task_id": "after", "state": None}]


def test_what_is_cleared_is_what_the_dry_run_names() -> None:
    assert clear(ROWS, listing("task_instances", ROWS)).changed == 2
    assert [body.get("task_instance_ids") for *_, body in SENT] == [None, ["u1", "u2"]]
    assert SENT[-1][2] == {
        "dry_run": False,
        "dag_run_id": "r",
        "task_instance_ids": ["u1", "u2"],
        "only_failed": False,
        "reset_dag_runs": True,
    }


@pytest.mark.parametrize("status", [404, 409])
def test_what_changed_meanwhile_is_not_cleared(status: int) -> None:
    with pytest.raises(Conflict, match="Nothing was cleared"):
        clear(ROWS, (status, {"detail": "Selected task execution changed before clearing"}))


def test_a_loop_and_an_older_airflow_clear_by_the_names_of_tasks() -> None:
    looped = [{**ROWS[0], "in_loop": True}]
    for rows, version, calls in ((looped, NEW, 2), (ROWS, "3.3.2", 1)):
        clear(rows, listing("task_instances", rows), version)
        assert len(SENT) == calls
        assert SENT[-1][2]["task_ids"] == ["t"]


def test_the_team_of_a_pool_and_a_variable() -> None:
    replies = {
        "GET pools": listing("pools", [{"name": "p", "slots": 1, "team_name": "sales"}]),
        "GET variables/v": (200, {"key": "v", "value": "1", "team_name": "sales"}),
    }
    assert run(pools.list_pools, replies).pools == [{"name": "p", "slots": 1, "team_name": "sales"}]
    assert run(variables.get_variable, replies, key="v").team_name == "sales"
