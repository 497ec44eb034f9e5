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
"""``search_logs``: all logs of a run in one call, in bounded time and memory."""

from __future__ import annotations

import gc
import json
import time
import tracemalloc
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from airflow_provider_mcp.testing import call_tool, open_airflow
from airflow_provider_mcp.tools.patterns import find_required_text
from airflow_provider_mcp.tools.tasks import log_search
from airflow_provider_mcp.tools.tasks.log_search import search_logs
from tests.unit.fake_airflow import FakeAirflow

RUN = "dags/a/dagRuns/r"
WHERE = {"dag_id": "a", "dag_run_id": "r"}


def instance(task_id: str, tries: int = 1, state: str = "success", index: int = -1) -> dict[str, Any]:
    return {
        **WHERE,
        "task_id": task_id,
        "map_index": index,
        "try_number": tries,
        "state": state,
        "start_date": "2026-11-27T00:00:00Z" if tries else None,
    }


def log(*events: str) -> Any:
    """Return a log as either line sends it."""
    entries = [{"event": event, "level": "info"} for event in events]

    def answer(request: httpx.Request) -> httpx.Response:
        if request.headers["accept"] != "application/x-ndjson":
            return httpx.Response(200, json={"content": entries, "continuation_token": None})
        return httpx.Response(200, text="".join(json.dumps(entry) + "\n" for entry in entries))

    return answer


def record(*instances: dict[str, Any]) -> FakeAirflow:
    rows = {"task_instances": list(instances), "total_entries": len(instances)}
    return FakeAirflow(**{f"GET {RUN}/taskInstances": rows})


def search(airflow: FakeAirflow, version: str = "3.3.2", **arguments: Any) -> dict[str, Any]:
    client = open_airflow(airflow, version=version)
    shown: dict[str, Any] = call_tool(search_logs, client, **WHERE, **arguments).model_dump(exclude_none=True)
    return shown


@pytest.mark.parametrize("version", ["2.11.2", "3.3.2"])
def test_all_tasks_tries_and_indexes_are_searched(version: str) -> None:
    airflow = record(
        instance("load", tries=2),
        instance("check", state="failed", index=0),
        instance("check", index=1),
        instance("never", tries=0, state="upstream_failed"),
    )
    airflow.on(
        **{
            f"GET {RUN}/taskInstances/load/logs/1": log("begin", "disk full", "end"),
            f"GET {RUN}/taskInstances/load/logs/2": log("begin", "end"),
            f"GET {RUN}/taskInstances/check/logs/1?map_index=0": log("disk full", "disk full again"),
            f"GET {RUN}/taskInstances/check/logs/1?map_index=1": log("fine"),
        }
    )
    shown = search(airflow, version, grep="disk (full|gone)", context=1)
    assert (shown["total"], shown["searched"], shown["logs_total"]) == (3, 4, 2)
    # That of the failed task first.
    failed, loaded = shown["logs"]
    assert (failed["task_id"], failed["map_index"], failed["matches"]) == ("check", 0, 2)
    assert (loaded["task_id"], loaded["try_number"]) == ("load", 1)
    assert [line["event"] for line in loaded["lines"]] == ["begin", "disk full", "end"]
    assert "missing" not in shown
    assert "truncated" not in shown


def test_nothing_found_is_told_with_what_was_searched() -> None:
    airflow = record(instance("load")).on(**{f"GET {RUN}/taskInstances/load/logs/1": log("fine")})
    shown = search(airflow, grep="disk full")
    assert (shown["total"], shown["searched"], shown["logs"]) == (0, 1, [])


def test_a_log_that_cannot_be_read_is_named_and_the_others_are_searched() -> None:
    airflow = record(instance("load"), instance("check"))
    airflow.on(
        **{
            f"GET {RUN}/taskInstances/load/logs/1": 403,
            f"GET {RUN}/taskInstances/check/logs/1": log("disk full"),
        }
    )
    shown = search(airflow, grep="disk full")
    assert (shown["total"], shown["searched"]) == (1, 1)
    assert list(shown["missing"]) == ["load try 1"]


def test_what_is_not_searched_in_time_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_search, "SEARCH_SECONDS", -1)
    shown = search(record(instance("load")), grep="x")
    assert "load try 1" in shown["missing"]["time"]
    assert shown["searched"] == 0


def test_the_last_matches_of_a_log_are_shown_and_all_are_counted() -> None:
    events = [f"disk full {number}" for number in range(500)]
    airflow = record(instance("load")).on(**{f"GET {RUN}/taskInstances/load/logs/1": log(*events)})
    shown = search(airflow, grep="disk full")
    assert shown["total"] == 500
    assert [line["event"] for line in shown["logs"][0]["lines"]] == events[-10:]
    assert shown["logs"][0]["lines"][0]["line"] == 491
    assert shown["truncated"] is True
    assert "get_task_logs" in shown["hint"]


def test_only_one_task_is_searched_if_asked_for() -> None:
    airflow = record(instance("load"), instance("check"))
    airflow.on(**{f"GET {RUN}/taskInstances/check/logs/1": log("x")})
    assert search(airflow, grep="x", task_id="check")["searched"] == 1
    airflow.on(**{"GET dags/a/tasks/chek": 404})
    airflow.refuses("not_found", search_logs, "read", **WHERE, grep="x", task_id="chek")


def test_an_error_s_rendered_text_is_found_though_it_is_not_sent_as_such() -> None:
    detail = [{"exc_type": "KeyError", "exc_value": "'amount'", "frames": []}]

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, text=json.dumps({"event": "failed", "error_detail": detail}) + "\n")

    airflow = record(instance("load")).on(**{f"GET {RUN}/taskInstances/load/logs/1": answer})
    assert search(airflow, grep="KeyError: 'amount'")["total"] == 1


def test_the_numbers_are_right_where_lines_are_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow_provider_mcp.tools.tasks import log_reading

    monkeypatch.setattr(log_reading, "LOG_CHUNK", 5)
    events = [f"row {number}" for number in range(1, 101)]
    events[59] = "row 60 disk full"
    airflow = record(instance("load")).on(**{f"GET {RUN}/taskInstances/load/logs/1": log(*events)})
    (found,) = search(airflow, grep="disk full", context=2)["logs"]
    assert [line["event"] for line in found["lines"]] == ["row 58", "row 59", events[59], "row 61", "row 62"]
    assert found["lines"][0]["line"] == 58


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("disk full", "disk full"),
        (r"row \d+ is lost", " is lost"),
        ("(a|b)", ""),
        ("(?i)disk", ""),
        ("caf\u00e9 closed", " closed"),
        (r'say "no" /now', "say "),
        ("a?bc*d", "b"),
        ("[", ""),
    ],
)
def test_the_text_that_a_match_must_have(pattern: str, text: str) -> None:
    assert find_required_text(pattern) == text


MEGABYTE = 1_000_000


def write_logs(count: int) -> Any:
    """Return what answers about a run with so many logs of a megabyte, of which each tenth has a match."""
    line = json.dumps({"timestamp": "2026-11-27T00:00:00Z", "level": "info", "event": "a row " + "x" * 150})
    block = (line + "\n").encode() * 300
    needle = b'{"level": "error", "event": "disk full in /data"}\n'

    class Body(httpx.AsyncByteStream):
        def __init__(self, has_match: bool) -> None:
            self._has_match = has_match

        async def __aiter__(self) -> AsyncIterator[bytes]:
            for _ in range(MEGABYTE // len(block) + 1):
                yield block
            if self._has_match:
                yield needle

    def answer(request: httpx.Request) -> httpx.Response:
        route = request.url.path.removeprefix("/api/v2/")
        if route == f"{RUN}/taskInstances":
            begin = int(request.url.params["offset"])
            rows = [instance("load", index=index) for index in range(begin, min(begin + 100, count))]
            return httpx.Response(200, json={"task_instances": rows, "total_entries": count})
        assert route.endswith("/load/logs/1")
        return httpx.Response(200, stream=Body(int(request.url.params["map_index"]) % 10 == 0))

    return answer


def test_200_logs_of_a_megabyte_take_less_than_the_time_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound in time: a run of 200 MB of logs takes one core some seconds."""
    seconds = log_search.SEARCH_SECONDS
    # This machine may be busy: what counts is the time of the processor.
    monkeypatch.setattr(log_search, "SEARCH_SECONDS", 600)
    began = time.process_time()
    found = call_tool(search_logs, open_airflow(write_logs(200)), **WHERE, grep="disk full in")
    assert time.process_time() - began < seconds / 2
    assert (found.total, found.searched, found.logs_total) == (20, 200, 20)
    assert found.missing is None


def test_the_memory_of_a_search_does_not_grow_with_the_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound in memory: what a chunk of one log takes, and the matches that are shown."""
    monkeypatch.setattr(log_search, "SEARCH_SECONDS", 600)
    gc.collect()
    tracemalloc.start()
    try:
        found = call_tool(search_logs, open_airflow(write_logs(30)), **WHERE, grep="disk full in")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (found.total, found.searched) == (3, 30)
    assert peak < 10 * MEGABYTE, f"{peak / MEGABYTE:.0f} MB"
