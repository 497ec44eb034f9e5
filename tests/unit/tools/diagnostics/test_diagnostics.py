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
"""The diagnostic tools over a counting Airflow: what they say, and how few calls they make for it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_mcp.sdk.errors import ToolError
from airflow_provider_mcp.testing import call_tool, open_airflow
from airflow_provider_mcp.testing.recording import PAGES
from airflow_provider_mcp.tools.diagnostics import history, reading, trends
from airflow_provider_mcp.tools.diagnostics.clusters import Cluster, Occurrence
from airflow_provider_mcp.tools.diagnostics.comparison import compare_dag_runs
from airflow_provider_mcp.tools.diagnostics.exceptions import Failure
from airflow_provider_mcp.tools.diagnostics.health import get_system_health
from airflow_provider_mcp.tools.diagnostics.history import attribute_unread, find_failures, is_new, window
from airflow_provider_mcp.tools.diagnostics.import_errors import list_import_errors
from airflow_provider_mcp.tools.diagnostics.resolve import resolve_url
from airflow_provider_mcp.tools.diagnostics.runs import diagnose_dag_run
from airflow_provider_mcp.tools.diagnostics.trends import analyze_dag
from airflow_provider_mcp.tools.diagnostics.waiting import explain_waiting

# The bounds that the tools keep, whatever is in Airflow.
BOUNDS: dict[str, int] = {
    "diagnose_dag_run": 100,
    "explain_waiting": 45,
    "find_failures": 85,
    "analyze_dag": 23,
    "compare_dag_runs": 14,
    "get_system_health": 6,
    "list_import_errors": 1,
    "resolve_url": 1,
}
START = datetime(2026, 11, 24, 10, tzinfo=timezone.utc)


def at(seconds: float) -> str:
    return (START + timedelta(seconds=seconds)).isoformat()


def instance(task_id: str, number: int = -1, state: str | None = "success", **more: Any) -> dict[str, Any]:
    began = max(0, number) * 10.0
    return {
        "dag_id": "d",
        "dag_run_id": "r",
        "task_id": task_id,
        "map_index": number,
        "state": state,
        "try_number": 1,
        "max_tries": 0,
        "queued_when": at(began),
        "start_date": at(began + 1),
        "end_date": at(began + 9),
        "pool": "default_pool",
        "pool_slots": 1,
        "operator_name": "PythonOperator",
        **more,
    }


def run(name: str = "r", state: str = "failed", **more: Any) -> dict[str, Any]:
    return {
        "dag_id": "d",
        "dag_run_id": name,
        "state": state,
        "run_type": "manual",
        "logical_date": at(0),
        "run_after": at(0),
        "start_date": at(0),
        "end_date": at(100),
        "conf": {},
        "dag_versions": [{"version_number": 2}],
        **more,
    }


def log_of(message: str, kind: str = "ValueError") -> list[dict[str, Any]]:
    frames = [{"filename": "/opt/dags/d.py", "lineno": n, "name": "work"} for n in range(9)]
    detail = [{"exc_type": kind, "exc_value": message, "frames": frames}]
    return [{"event": "Task failed with exception", "level": "error", "error_detail": detail}]


class PagedAirflow:
    """Filters and pages what it is given as the REST API does, and counts the calls."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.asked: list[httpx.Request] = []
        self.dag: dict[str, Any] | None = {
            "dag_id": "d",
            "is_paused": False,
            "fileloc": "/opt/dags/d.py",
            "timetable_summary": "@daily",
            "max_active_runs": 16,
            "max_active_tasks": 16,
            "next_dagrun_run_after": at(0),
        }
        self.runs: list[dict[str, Any]] = [run()]
        self.instances: list[dict[str, Any]] = []
        self.logs: Callable[[dict[str, str]], Any] = lambda _: {"content": log_of("no")}
        self.assets: list[dict[str, Any]] = []
        self.denied: set[str] = set()
        self.more: dict[str, Any] = {
            "monitor/health": {
                "metadatabase": {"status": "healthy"},
                "scheduler": {"status": "healthy", "latest_scheduler_heartbeat": at(0)},
                "triggerer": {"status": None, "latest_triggerer_heartbeat": None},
                "dag_processor": {"status": "healthy", "latest_dag_processor_heartbeat": at(0)},
            },
            "importErrors": {"import_errors": [], "total_entries": 0},
            "dagWarnings": {"dag_warnings": [], "total_entries": 0},
            "eventLogs": {"event_logs": [], "total_entries": 0},
            "pools": {"pools": [{"name": "p", "slots": 4, "open_slots": 4}], "total_entries": 1},
            "pools/default_pool": {"name": "default_pool", "slots": 4, "open_slots": 4},
            "jobs": {"jobs": [{"id": 1}], "total_entries": 1},
            "dags": {"dags": [{"dag_id": "d"}], "total_entries": 1},
            "dags/d/tasks": {
                "tasks": [
                    {"task_id": "check", "downstream_task_ids": ["total"]},
                    {"task_id": "total", "downstream_task_ids": []},
                ],
                "total_entries": 2,
            },
            "config/section/core/option/parallelism": {
                "sections": [{"name": "core", "options": [{"key": "parallelism", "value": "32"}]}]
            },
        }

    @property
    def total(self) -> int:
        return sum(self.calls.values())

    def use(self, tool: Callable[..., Any], **arguments: Any) -> Any:
        self.calls.clear()

        result = call_tool(tool, open_airflow(self.answer), **arguments)
        assert self.total <= BOUNDS[tool.__name__], self.calls
        return result

    def answer(self, request: httpx.Request) -> httpx.Response:
        route = request.url.path.removeprefix("/api/v2/")
        query = dict(request.url.params.multi_items())
        parts = route.split("/")
        self.calls[parts[0] if "logs" not in parts else "logs"] += 1
        self.asked.append(request)
        if any(route == name or f"/{name}" in route for name in self.denied):
            return httpx.Response(403, json={"detail": "Forbidden"})
        if route in self.more:
            return httpx.Response(200, json=self.more[route])
        found = self._dags(request, parts, query)
        if found is None:
            return httpx.Response(404, json={"detail": f"{route} was not found"})
        return httpx.Response(200, json=found)

    def _dags(self, request: httpx.Request, parts: list[str], query: dict[str, str]) -> Any:
        if parts[0] == "assets":
            return {"assets": self.assets, "total_entries": len(self.assets)}
        if parts[0] == "dagSources":
            return {"content": f"one\nversion = {query['version_number']}\ntwo\n\n    work(5)"}
        if parts[0] != "dags":
            return None
        if "logs" in parts:
            index = int(query["map_index"])
            assert query["full_content"] == "true"
            return self.logs({**query, "task_id": parts[5], "index": str(index)})
        assert request.method == "GET" or parts[-1] == "list"
        if parts[-1] == "list":
            body = json.loads(request.content)
            return self._listed(body, body["page_limit"], body["page_offset"])
        if parts[2:] in ([], ["details"]):
            return self.dag
        if parts[2:] == ["dagRuns"]:
            rows = [row for row in self.runs if query.get("state") in (None, row["state"])]
            limit = int(query["limit"])
            assert limit <= 100
            return {"dag_runs": rows[:limit], "total_entries": len(rows)}
        if parts[2] == "dagRuns" and len(parts) == 4:
            return next((row for row in self.runs if row["dag_run_id"] == parts[3]), None)
        if parts[4:] == ["taskInstances"]:
            states = request.url.params.get_list("state")
            filters: dict[str, Any] = {"state": states} if states else {}
            if parts[3] != "~":
                filters["dag_run_ids"] = [parts[3]]
            if "task_id" in query:
                filters["task_ids"] = [query["task_id"]]
            if parts[1] != "~":
                filters["dag_ids"] = [parts[1]]
            if "run_after_gte" in query:
                since, until = query["run_after_gte"], query["run_after_lte"]
                filters["dag_run_ids"] = [
                    row["dag_run_id"] for row in self.runs if since <= row["run_after"] <= until
                ]
            filters |= {name: query[name] for name in ("end_date_gte", "end_date_lte") if name in query}
            return self._listed(filters, int(query["limit"]), int(query.get("offset", 0)))
        if parts[-1] == "dependencies":
            return {"dependencies": []}
        if parts[2] == "tasks":
            return {"task_id": parts[3]}
        return None

    def _listed(self, filters: dict[str, Any], limit: int, offset: int) -> dict[str, Any]:
        assert limit <= 100
        names = {"dag_ids": "dag_id", "dag_run_ids": "dag_run_id", "task_ids": "task_id"}
        rows = self.instances
        for name, column in names.items():
            if filters.get(name):
                rows = [row for row in rows if row[column] in filters[name]]
        if filters.get("state"):
            rows = [row for row in rows if (row["state"] or "none") in filters["state"]]
        for end, keep in (("gte", lambda a, b: a >= b), ("lte", lambda a, b: a <= b)):
            if moment := filters.get(f"end_date_{end}"):
                rows = [row for row in rows if keep(row["end_date"], moment)]
        return {"task_instances": rows[offset : offset + limit], "total_entries": len(rows)}


@pytest.fixture
def airflow() -> PagedAirflow:
    return PagedAirflow()


def size(result: Any) -> int:
    return len(result.model_dump_json(exclude_none=True))


# ---- diagnose_dag_run --------------------------------------------------------------------------------


def mapped(airflow: PagedAirflow, failed: int, of: int = 150) -> None:
    airflow.instances = [instance("check", n, "failed" if n < failed else "success") for n in range(of)]
    airflow.instances.append(instance("total", state="upstream_failed"))
    airflow.logs = lambda query: {"content": log_of(f"record {query['index']} is bad")}


def test_15_of_150_mapped_failed(airflow: PagedAirflow) -> None:
    mapped(airflow, 15)
    airflow.runs.append(
        run("good", "success", dag_versions=[{"version_number": 1}], conf={"a": 1, "token": "hunter2"})
    )
    airflow.assets = [
        {
            "uri": "s3://x",
            "producing_tasks": [{"dag_id": "d", "task_id": "total"}],
            "scheduled_dags": [{"dag_id": "fed"}],
        },
        {"uri": "s3://y", "producing_tasks": [], "scheduled_dags": [{"dag_id": "not_fed"}]},
    ]
    found = airflow.use(diagnose_dag_run, dag_id="d")
    assert found.task_counts == {"success": 135, "failed": 15, "upstream_failed": 1}
    (failure,) = found.failures
    (error,) = failure["errors"]
    assert (error["error"], error["count"]) == ("ValueError: record # is bad", 15)
    assert (error["map_indexes"], error["map_indexes_listed"]) == ([0, 1, 2, 3, 4], "5 of 15")
    assert (failure["failed"], failure["of"]) == (15, 150)
    assert error["code"] == [
        "/opt/dags/d.py:5 in work: work(5)",
        *(f"/opt/dags/d.py:{n} in work" for n in (6, 7, 8)),
    ]
    assert "logs_not_read" not in failure
    assert found.blocked == {
        "tasks": ["total"],
        "task_instances": 1,
        "dags": [{"dag_id": "fed", "asset": "s3://x"}],
    }
    assert found.changed["dag_version"] == {"then": 1, "now": 2}
    assert "-version = 1\n+version = 2" in found.changed["source_diff"]
    assert found.changed["conf"] == {"a": ["null", "1"], "token": ["null", '"***"']}
    assert found.summary.startswith(
        "`check` (15 of 150 instances) failed first: ValueError: record 0 is bad."
    )
    assert size(found) <= 9000


def test_150_failures_read_20_logs_and_say_so(airflow: PagedAirflow) -> None:
    mapped(airflow, 150)
    found = airflow.use(diagnose_dag_run, dag_id="d", dag_run_id="r")
    assert airflow.calls["logs"] == 20
    (failure,) = found.failures
    assert (failure["failed"], failure["logs_read"], failure["logs_not_read"]) == (150, 20, 130)
    assert failure["errors"][0]["count"] == 20
    assert size(found) <= 9000


def test_logs_that_go_on_page_after_page_are_bounded(airflow: PagedAirflow) -> None:
    mapped(airflow, 150)
    airflow.logs = lambda query: {"content": ["x"], "continuation_token": query.get("token", "") + "x"}
    found = airflow.use(diagnose_dag_run, dag_id="d")
    assert airflow.calls["logs"] == 38
    (failure,) = found.failures
    assert failure["errors"] == []
    assert failure["logs_not_read"] == 150
    assert "pages of the log" in failure["not_read_because"]


def test_the_exception_on_the_last_page_of_a_log_is_found(airflow: PagedAirflow) -> None:
    airflow.instances = [instance("check", state="failed")]

    def log(query: dict[str, str]) -> dict[str, Any]:
        if query.get("token") == "2":
            return {"content": log_of("late")}
        return {"content": ["x"] * 5000, "continuation_token": str(int(query.get("token", 0)) + 1)}

    airflow.logs = log
    found = airflow.use(diagnose_dag_run, dag_id="d")
    assert found.failures[0]["errors"][0]["message"] == "ValueError: late"


def test_the_worst_run_still_fits(airflow: PagedAirflow) -> None:
    airflow.instances = [
        instance(f"task_with_a_long_name_{t}", n, "failed") for t in range(30) for n in range(40)
    ]
    letters = "abcdefghijklmnopqrstuvwxyz"
    airflow.logs = lambda query: {
        "content": log_of(f"{letters[int(query['index']) % 26]} " + "long message " * 100)
    }
    airflow.runs.append(run("good", "success", dag_versions=[{"version_number": 1}]))
    found = airflow.use(diagnose_dag_run, dag_id="d")
    assert size(found) <= 9000
    assert found.truncated
    assert found.hint
    assert found.task_counts == {"failed": 1200}
    assert found.failures[0]["errors"]
    assert "300 of the 1200" in found.unchecked["failed"]


def test_root_causes_come_before_what_failed_later(airflow: PagedAirflow) -> None:
    airflow.instances = [
        instance("late", state="failed", end_date=at(500)),
        instance("early", state="failed", end_date=at(5)),
        instance("after", state="upstream_failed", end_date=at(1)),
        instance("never", state=None),
    ]
    found = airflow.use(diagnose_dag_run, dag_id="d")
    assert [failure["task_id"] for failure in found.failures] == ["early", "late"]
    assert found.blocked["tasks"] == ["after"]
    assert found.task_counts == {"failed": 2, "upstream_failed": 1, "no_status": 1}


def test_at_most_three_distinct_failures_of_a_task(airflow: PagedAirflow) -> None:
    mapped(airflow, 12)
    kinds = ["KeyError", "TypeError", "ValueError", "OSError"]
    airflow.logs = lambda query: {"content": log_of("x", kinds[int(query["index"]) % 4])}
    (failure,) = airflow.use(diagnose_dag_run, dag_id="d").failures
    assert len(failure["errors"]) == 3
    assert failure["more_errors"] == 1


def test_what_could_not_be_read_is_named(airflow: PagedAirflow) -> None:
    mapped(airflow, 2, 3)
    airflow.denied = {"logs", "assets"}
    found = airflow.use(diagnose_dag_run, dag_id="d")
    (failure,) = found.failures
    assert failure["errors"] == []
    assert "You may not read task logs" in failure["not_read_because"]
    assert "You may not read assets" in found.unchecked["fed_dags"]


def test_a_task_that_ended_without_an_exception(airflow: PagedAirflow) -> None:
    airflow.instances = [instance("check", state="failed")]
    airflow.logs = lambda _: {"content": ["no error, timeout=30", "ConnectionError is only a word"]}
    airflow.more["eventLogs"] = {
        "event_logs": [
            {"task_id": "check", "event": "heartbeat timeout", "extra": "no heartbeat for 300 seconds"},
            {"task_id": "check", "event": "running", "extra": None},
            {"task_id": "other", "event": "state mismatch", "extra": "x"},
        ],
        "total_entries": 3,
    }
    (failure,) = airflow.use(diagnose_dag_run, dag_id="d").failures
    assert failure["errors"][0]["kind"] == "no_exception_in_log"
    assert failure["scheduler_says"] == ["heartbeat timeout: no heartbeat for 300 seconds"]


def test_a_run_that_timed_out_without_a_failed_task(airflow: PagedAirflow) -> None:
    airflow.instances = [instance("check", state="skipped")]
    assert airflow.dag is not None
    airflow.dag["dag_run_timeout"] = {"days": 0, "seconds": 60}
    found = airflow.use(diagnose_dag_run, dag_id="d", dag_run_id="r")
    assert found.summary.endswith("It took 100 s, and its dagrun_timeout is 60 s.")


def test_no_failed_run(airflow: PagedAirflow) -> None:
    airflow.runs = [run(state="success")]
    with pytest.raises(ToolError, match="has no failed run"):
        airflow.use(diagnose_dag_run, dag_id="d")
    found = airflow.use(diagnose_dag_run, dag_id="d", dag_run_id="r")
    assert found.summary == "`r` of `d` is success; none of its task instances failed."


# ---- explain_waiting ---------------------------------------------------------------------------------


def test_waiting_reads_little_even_of_many_tasks(airflow: PagedAirflow) -> None:
    airflow.runs = [run(state="running")]
    airflow.instances = [instance("check", n, None) for n in range(5000)]
    found = airflow.use(explain_waiting, dag_id="d")
    assert (found.task_id, found.map_index, found.state) == ("check", 0, "no_status")
    assert found.others_waiting == {"no_status": 99}
    assert any("/0/dependencies" in str(request.url) for request in airflow.asked)


def test_a_viewer_is_told_what_was_not_checked(airflow: PagedAirflow) -> None:
    airflow.runs = [run(state="running")]
    airflow.instances = [instance("check", state="scheduled")]
    airflow.denied = {"pools/default_pool", "dependencies", "config/section/core/option/parallelism"}
    found = airflow.use(explain_waiting, dag_id="d", dag_run_id="r", task_id="check")
    assert set(found.unchecked) == {"dependencies", "pool", "concurrency", "executor"}
    assert "Could not check: dependencies, pool, concurrency, executor." in found.reason


def test_a_full_pool_names_who_holds_it(airflow: PagedAirflow) -> None:
    airflow.runs = [run(state="running")]
    airflow.instances = [instance("check", state="scheduled"), instance("hog", state="running")]
    airflow.more["pools/default_pool"] = {"slots": 1, "open_slots": 0, "include_deferred": True}
    found = airflow.use(explain_waiting, dag_id="d", dag_run_id="r", task_id="check")
    pool = next(check for check in found.checks if check["name"] == "pool")
    assert [row["task_id"] for row in pool["evidence"]["held_by"]] == ["hog"]
    assert found.reason == pool["says"]
    assert found.next_steps[0]["tool"] == "list_task_instances"


def test_a_queued_run_behind_another(airflow: PagedAirflow) -> None:
    assert airflow.dag is not None
    airflow.dag["max_active_runs"] = 1
    airflow.runs = [run("second", "queued"), run("first", "running")]
    found = airflow.use(explain_waiting, dag_id="d")
    assert found.dag_run_id == "second"
    assert "max_active_runs is 1" in found.reason


def test_a_dag_that_is_not_there(airflow: PagedAirflow) -> None:
    airflow.dag = None
    with pytest.raises(ToolError) as absent:
        airflow.use(explain_waiting, dag_id="d")
    assert absent.value.code == "not_found"
    airflow.more["importErrors"] = {
        "import_errors": [{"filename": "/x/d.py", "stack_trace": "E: no"}],
        "total_entries": 1,
    }
    found = airflow.use(explain_waiting, dag_id="d")
    assert found.reason == "The file named after the Dag could not be imported: E: no"
    assert found.next_steps == [{"tool": "list_import_errors", "arguments": {}}]


def test_a_state_that_cannot_be_asked_for_is_found(airflow: PagedAirflow) -> None:
    airflow.runs = [run(state="running")]
    airflow.instances = [instance("done"), instance("approve", state="awaiting_input")]
    found = airflow.use(explain_waiting, dag_id="d")
    assert (found.task_id, found.reason) == ("approve", "The task waits for a person's answer.")
    assert found.next_steps[0]["tool"] == "list_hitl"


def test_states_are_counted_whole(airflow: PagedAirflow) -> None:
    airflow.instances = [
        *(instance("a", n, "a_state_of_the_future") for n in range(5)),
        *(instance("b", n, None) for n in range(200)),
        instance("c", state="failed"),
    ]
    found = airflow.use(diagnose_dag_run, dag_id="d")
    assert found.task_counts == {"a_state_of_the_future": 5, "no_status": 200, "failed": 1}


def test_arguments_of_explain_waiting(airflow: PagedAirflow) -> None:
    with pytest.raises(ToolError, match="`r` of `d` has no task `t`"):
        airflow.use(explain_waiting, dag_id="d", task_id="t")
    with pytest.raises(ToolError, match="has no task `t`"):
        airflow.use(explain_waiting, dag_id="d", dag_run_id="r", task_id="t")
    found = airflow.use(explain_waiting, dag_id="d", dag_run_id="r")
    assert found.reason == "It is not waiting: the run is over (failed)."
    assert found.next_steps[0]["tool"] == "diagnose_dag_run"


# ---- find_failures -----------------------------------------------------------------------------------


def recent(hours: float) -> str:
    return (datetime.now(timezone.utc) - timedelta(hours=hours)).isoformat()


def test_failures_of_many_dags(airflow: PagedAirflow) -> None:
    airflow.instances = [
        *(instance("a", n, "failed", end_date=recent(1 + n / 1000)) for n in range(30)),
        *(instance("b", n, "failed", dag_id="e", end_date=recent(2)) for n in range(3)),
        instance("b", 0, "failed", dag_id="e", end_date=recent(30)),
        instance("old", 0, "failed", end_date=recent(100)),
    ]
    airflow.logs = lambda query: {"content": log_of(f"{query['task_id']}: {query['index']}")}
    found = airflow.use(find_failures)
    assert found.failed == 33
    assert [group["error"] for group in found.clusters] == ["ValueError: a: #", "ValueError: b: #"]
    assert [group["count"] for group in found.clusters] == [30, 3]
    assert found.clusters[0]["presumed"] == 13
    assert [group["new"] for group in found.clusters] == [True, False]
    assert found.clusters[1]["dags"] == ["e"]
    assert found.next_steps[0]["tool"] == "get_task_logs"


def test_10_000_failures(airflow: PagedAirflow) -> None:
    airflow.instances = [
        instance(f"t{n % 50}", n, "failed", end_date=recent(1 + n % 40)) for n in range(10_000)
    ]
    airflow.logs = lambda query: {"content": ["x"], "continuation_token": query.get("token", "") + "x"}
    found = airflow.use(find_failures)
    assert found.failed > 5000
    assert "500 of the" in found.unchecked["failures"]
    assert "logs" in found.unchecked
    airflow.logs = lambda query: {"content": log_of("same")}
    found = airflow.use(find_failures)
    assert found.clusters[0]["count"] <= 500
    assert "new" not in found.clusters[0]
    assert "too many" in found.unchecked["new"]


def test_no_dag_fits(airflow: PagedAirflow) -> None:
    airflow.more["dags"] = {"dags": [], "total_entries": 0}
    found = airflow.use(find_failures, dag_pattern="x")
    assert (found.failed, found.clusters) == (0, [])
    assert airflow.total == 1


@pytest.mark.parametrize(
    ("earlier", "left", "new"),
    [
        ([], [], True),
        (["E: x"], [], False),
        (["E: y"], [], True),
        ([], [("d", "t")], None),
        ([], [("d", "other")], True),
        (["E: x"], [("d", "t")], False),
    ],
)
def test_what_is_new(earlier: list[str], left: list[tuple[str, str]], new: bool | None) -> None:
    def one(text: str) -> Occurrence:
        kind, message = text.split(": ")
        return Occurrence("d", "r", "t", -1, 1, "2026", Failure(kind, message))

    group = Cluster("E: x", (one("E: x"),))
    rows = [{"dag_id": dag_id, "task_id": task_id} for dag_id, task_id in left]
    assert is_new(group, [one(text) for text in earlier], rows) is new


@pytest.mark.parametrize(
    ("since", "hours"),
    [
        *(
            ("90m", 1.5),
            ("24h", 24),
            ("7d", 168),
            ("2026-11-24T04:00:00+00:00", 6),
            ("2026-11-24T04:00:00", 6),
        ),
        *(
            ("24 hours", 24),
            ("24H", 24),
            ("last 7 days", 168),
            ("1 week", 168),
            ("90 min ago", 1.5),
            ("2hrs", 2),
        ),
        *(("2026-11-24", 10), ("2026-11-24 04:00 UTC", 6)),
    ],
)
def test_windows(since: str, hours: float) -> None:
    begin, before = window(since, START)
    assert START - begin == begin - before == timedelta(hours=hours)


@pytest.mark.parametrize(
    "since",
    [
        "",
        "24",
        "h",
        "-1h",
        "3 months",
        "PT24H",
        "P1M",
        "0h",
        "999999d",
        "yesterday",
        "2027-01-01",
        "2020-01-01",
    ],
)
def test_what_is_no_window(since: str) -> None:
    with pytest.raises(ToolError) as refused:
        window(since, START)
    assert refused.value.code == "invalid_argument"


# ---- analyze_dag and compare_dag_runs ----------------------------------------------------------------


def test_10_000_runs(airflow: PagedAirflow) -> None:
    airflow.runs = [
        run(f"r{n}", "failed" if n % 4 == 0 else "success", run_after=at(-n)) for n in range(10_000)
    ]
    airflow.instances = [
        instance("check", n, dag_run_id=f"r{r}", try_number=2) for r in range(100) for n in range(150)
    ]
    found = airflow.use(analyze_dag, dag_id="d", runs=100)
    assert (found.runs["runs"], found.runs["success_rate"]) == (100, 0.75)
    assert found.unchecked["tasks"] == "The figures of tasks are of the newest 6 runs."
    assert found.tasks["flaky_tasks"] == [{"task_id": "check", "passed_on_retry": 900, "of": 900}]
    assert found.next_steps[0]["tool"] == "diagnose_dag_run"
    assert size(found) < 3000


def test_flaky_tasks_have_their_runs_and_the_error_of_the_failed_try(airflow: PagedAirflow) -> None:
    airflow.runs = [run(f"r{n}", "success", run_after=at(-n)) for n in range(3)]
    airflow.instances = [
        instance("check", dag_run_id=f"r{n}", try_number=2 if n else 1, start_date=at(-n)) for n in range(3)
    ]
    airflow.logs = lambda _: {"content": log_of("connection lost", "ConnectionError")}
    found = airflow.use(analyze_dag, dag_id="d")
    (flaky,) = found.tasks["flaky_errors"]
    assert (flaky["runs"], flaky["dag_run_ids"]) == (2, ["r1", "r2"])
    assert flaky["last_error"] == "ConnectionError: connection lost"
    assert "logs/1" in str([request.url for request in airflow.asked if "logs" in request.url.path])
    assert found.definitions["success_rate"] == "successful / finished runs"
    (trend,) = found.tasks["trends"]
    assert (trend["task_id"], trend["runs"], trend["share_of_seconds"]) == ("check", 3, 1.0)


def test_the_runs_around_a_run(airflow: PagedAirflow) -> None:
    airflow.runs = [run(f"r{n}", "success", logical_date=at(n), run_after=at(n)) for n in range(3)]
    airflow.instances = [instance("check", dag_run_id=f"r{n}", end_date=at(3 + n)) for n in range(3)]
    found = airflow.use(compare_dag_runs, dag_id="d", dag_run_id="r1", other_dag_run_id="r0", neighbours=2)
    assert {one["dag_run_id"] for one in found.series["runs"]} == {"r0", "r1", "r2"}
    assert sorted(found.series["task_seconds"]["check"]) == [2.0, 3.0, 4.0]


def test_runs_of_one_huge_run(airflow: PagedAirflow) -> None:
    airflow.instances = [instance("check", n) for n in range(5000)]
    found = airflow.use(analyze_dag, dag_id="d")
    assert found.unchecked["task_instances"] == "1000 of its 5000 task instances were looked at."


def test_a_dag_that_never_ran(airflow: PagedAirflow) -> None:
    airflow.runs = []
    found = airflow.use(analyze_dag, dag_id="d")
    assert found.runs == {"runs": 0, "finished": 0, "failed": 0, "failures_in_a_row": 0}
    assert airflow.total == 2


def test_two_runs(airflow: PagedAirflow) -> None:
    airflow.runs = [
        run(conf={"day": 2}, end_date=at(200)),
        run("good", "success", dag_versions=[{"version_number": 1}], conf={"day": 1}),
    ]
    airflow.instances = [
        instance("check", state="failed", try_number=3),
        instance("added"),
        instance("check", dag_run_id="good"),
        instance("dropped", dag_run_id="good"),
    ]
    found = airflow.use(compare_dag_runs, dag_id="d", dag_run_id="r")
    assert [one["dag_run_id"] for one in found.runs] == ["r", "good"]
    assert found.duration_ratio == 2
    assert found.conf == {"day": ["2", "1"]}
    assert found.dag_version == [2, 1]
    assert (found.only_in_first, found.only_in_second) == (["added"], ["dropped"])
    assert found.tasks == [
        {
            "task_id": "check",
            "states": [{"failed": 1}, {"success": 1}],
            "tries": [3, 1],
            "seconds": [8.0, 8.0],
        }
    ]


def test_two_huge_runs(airflow: PagedAirflow) -> None:
    airflow.runs = [run(), run("good", "success")]
    airflow.instances = [
        instance(f"t{n}", state=state, dag_run_id=name)
        for name, state in (("r", "failed"), ("good", "success"))
        for n in range(2000)
    ]
    found = airflow.use(compare_dag_runs, dag_id="d", dag_run_id="r", other_dag_run_id="good")
    assert found.unchecked["r"] == "300 of its 2000 task instances were compared."
    assert len(found.tasks) == 25
    assert found.truncated
    airflow.runs.pop()
    with pytest.raises(ToolError, match="no successful run before"):
        airflow.use(compare_dag_runs, dag_id="d", dag_run_id="r")


# ---- get_system_health, list_import_errors, resolve_url ----------------------------------------------


def test_health(airflow: PagedAirflow) -> None:
    airflow.runs = []
    found = airflow.use(get_system_health)
    assert found.status == "healthy"
    assert found.parts["scheduler"] == {"status": "healthy", "latest_heartbeat": at(0)}
    assert found.parts["triggerer"] == {"status": "absent"}


def test_health_as_airflow_34_says_it(airflow: PagedAirflow) -> None:
    airflow.runs = []
    airflow.more["monitor/health"] = {
        "metadatabase": {"status": "healthy"},
        "scheduler": {
            "status": "healthy",
            "latest_scheduler_heartbeat": at(0),
            "detailed_status": "healthy",
            "instances": [{"hostname": "a", "latest_scheduler_heartbeat": at(0)}],
        },
        # What 3.4.0b2 answers where no triggerer was ever started.
        "triggerer": {
            "status": "unhealthy",
            "latest_triggerer_heartbeat": None,
            "detailed_status": "down",
            "instances": None,
        },
        "dag_processor": {
            "status": "healthy",
            "latest_dag_processor_heartbeat": at(0),
            "detailed_status": "degraded",
            "instances": [
                {"hostname": "b", "latest_dag_processor_heartbeat": at(0), "bundle_names": ["one"]}
            ],
        },
    }
    found = airflow.use(get_system_health)
    assert found.status == "degraded"
    assert found.parts["scheduler"]["instances"] == [{"hostname": "a", "latest_heartbeat": at(0)}]
    assert found.parts["triggerer"] == {"status": "absent"}
    assert found.parts["dag_processor"]["status"] == "degraded"
    assert found.parts["dag_processor"]["instances"][0]["bundle_names"] == ["one"]
    airflow.more["monitor/health"]["triggerer"]["latest_triggerer_heartbeat"] = at(0)
    assert airflow.use(get_system_health).status == "unhealthy"


def test_a_draining_dag_creates_no_runs(airflow: PagedAirflow) -> None:
    assert airflow.dag is not None
    airflow.dag["scheduling_state"] = "draining"
    airflow.runs = []
    said = airflow.use(explain_waiting, dag_id="d").model_dump_json()
    assert "is draining" in said


@pytest.mark.parametrize(
    ("route", "part"),
    [
        ("monitor/health", "components"),
        ("importErrors", "import_errors"),
        ("dagWarnings", "dag_warnings"),
        ("pools", "pools"),
        ("dagRuns", "failed_runs"),
        ("taskInstances", "stuck_tasks"),
    ],
)
def test_a_part_that_was_not_read_is_unknown_and_the_whole_not_healthy(
    airflow: PagedAirflow, route: str, part: str
) -> None:
    airflow.denied = {route}
    found = airflow.use(get_system_health)
    assert found.parts[part]["status"] == "unknown"
    assert "You may not read" in found.parts[part]["why"]
    assert found.status in {"unknown", "unhealthy"}


def test_what_is_not_well(airflow: PagedAirflow) -> None:
    airflow.instances = [
        instance("check", 3, "queued", queued_when=recent(1)),
        instance("fresh", state="queued", queued_when=recent(0)),
    ]
    airflow.more["importErrors"] = {"import_errors": [{"filename": "a.py"}], "total_entries": 7}
    airflow.more["pools"] = {
        "pools": [
            {"name": "none", "slots": 0, "open_slots": 0},
            {"name": "near", "slots": 10, "open_slots": 1},
            {"name": "free", "slots": 10, "open_slots": 2},
            {"name": "endless", "slots": -1, "open_slots": -1},
        ]
    }
    found = airflow.use(get_system_health)
    assert found.status == "degraded"
    assert found.parts["import_errors"] == {"status": "degraded", "count": 7, "files": ["a.py"]}
    assert found.parts["failed_runs"]["newest"] == ["d/r"]
    assert found.parts["stuck_tasks"]["count"] == 1
    assert [pool["name"] for pool in found.parts["pools"]["near_full"]] == ["none", "near"]
    assert [call["tool"] for call in found.next_steps] == [
        "list_import_errors",
        "find_failures",
        "explain_waiting",
    ]
    airflow.more["monitor/health"]["scheduler"]["status"] = "unhealthy"
    assert airflow.use(get_system_health).status == "unhealthy"


def test_import_errors_are_bounded_and_begin_with_the_error(airflow: PagedAirflow) -> None:
    trace = "Traceback\n" + "  a line\n" * 2000 + "ModuleNotFoundError: No module named 'x'\n"
    row = {"import_error_id": 1, "filename": "a.py", "timestamp": at(0), "stack_trace": trace}
    airflow.more["importErrors"] = {"import_errors": [row], "total_entries": 1}
    (shown,) = airflow.use(list_import_errors).import_errors
    assert shown["error"] == "ModuleNotFoundError: No module named 'x'"
    assert len(shown["stack_trace"]) == 3000
    assert shown["stack_trace"].endswith("No module named 'x'")
    assert (shown["filename"], shown["timestamp"]) == ("a.py", at(0))


def test_addresses(airflow: PagedAirflow) -> None:
    found = airflow.use(resolve_url, url=f"{PAGES}/dags/d/runs/r/tasks/t/mapped/3?try_number=2")
    assert (found.dag_id, found.dag_run_id, found.task_id) == ("d", "r", "t")
    assert (found.map_index, found.try_number) == (3, 2)
    assert found.next_step["tool"] == "get_task_logs"
    assert airflow.total == 0
    old = airflow.use(
        resolve_url, url=f"{PAGES}/log?dag_id=d&task_id=t&execution_date=2026-11-24T10:00:00%2B00:00"
    )
    assert (old.dag_run_id, old.kind) == ("r", "task_logs")
    for foreign in ("http://elsewhere/dags/d", f"{PAGES}.evil/dags/d"):
        with pytest.raises(ToolError, match="not one of this Airflow"):
            airflow.use(resolve_url, url=foreign)
    with pytest.raises(ToolError, match="no page that is known"):
        airflow.use(resolve_url, url=f"{PAGES}/static/x")
    airflow.runs = []
    with pytest.raises(ToolError, match="no run with the logical date"):
        airflow.use(resolve_url, url=f"{PAGES}/graph?dag_id=d&execution_date=2026-11-24")


def test_no_log_is_begun_when_the_time_is_up(airflow: PagedAirflow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "LOG_SECONDS", -1)
    mapped(airflow, 15)
    found = airflow.use(diagnose_dag_run, dag_id="d")
    assert airflow.calls["logs"] == 0
    assert found.failures[0]["logs_not_read"] == 15


def test_the_bounds_that_are_stated_are_those_of_the_constants() -> None:
    runs_and_others = 1 + 1 + 1
    pages = 2 + history.FAILURE_PAGES + history.EARLIER_PAGES
    assert pages + history.LOG_CALLS + history.EARLIER_CALLS + history.JOIN_CALLS <= 62
    assert runs_and_others + trends.SIZINGS + trends.INSTANCE_PAGES <= 17


@given(st.lists(st.lists(st.integers())))
def test_logs_are_read_of_each_task_in_turn(groups: list[list[int]]) -> None:
    numbered = [[{"group": g, "at": n} for n in range(len(group))] for g, group in enumerate(groups)]
    order = reading.in_turn(numbered)
    assert len(order) == sum(map(len, groups))
    assert [row["at"] for row in order] == sorted(row["at"] for row in order)
    assert all(row in numbered[row["group"]] for row in order)


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(["E", "F"]))),
    st.lists(st.sampled_from("abc")),
)
def test_a_failure_that_was_not_read_is_presumed_only_where_its_task_has_one_error(
    read: list[tuple[str, str]], left: list[str]
) -> None:
    seen = [Occurrence("d", "r", task, -1, 1, "2026", Failure(kind, "")) for task, kind in read]
    presumed, unknown = attribute_unread(seen, [{"dag_id": "d", "task_id": task} for task in left])
    assert sum(presumed.values()) + unknown == len(left)
    errors = {task: {kind for t, kind in read if t == task} for task in "abc"}
    assert unknown == sum(len(errors[task]) != 1 for task in left)
