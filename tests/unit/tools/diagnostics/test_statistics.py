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

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_mcp.tools.diagnostics.run_differences import (
    changed_keys,
    compare_tasks,
    list_seconds,
    list_trends,
)
from airflow_provider_mcp.tools.diagnostics.statistics import (
    RunTimes,
    TaskTimes,
    critical_path,
    last_ending,
    percentile,
    run_times,
    seconds,
    summarise_runs,
    summarise_tasks,
    task_times,
    trend,
)

times = st.floats(0, 1e6, allow_nan=False)


def run(number: int, state: str = "success", length: float = 10.0, **more: Any) -> RunTimes:
    return RunTimes(f"r{number}", state, start=number * 100.0, end=number * 100.0 + length, **more)


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        ([], 0.5, None),
        ([7], 0.5, 7),
        ([7], 0.95, 7),
        ([1, 2, 3, 4], 0.5, 2),
        ([4, 1, 3, 2], 0.95, 4),
        (list(range(1, 101)), 0.95, 95),
        ([1, 2, 3], 0.0, 1),
        ([1, 2, 3], 1.0, 3),
    ],
)
def test_percentile(values: list[float], share: float, expected: float | None) -> None:
    assert percentile(values, share) == expected


@given(st.lists(times, min_size=1), st.floats(0, 1))
def test_a_percentile_is_a_value_that_its_share_does_not_exceed(values: list[float], share: float) -> None:
    found = percentile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values)
    assert percentile(values, 0) == min(values)
    assert percentile(values, 1) == max(values)


@pytest.mark.parametrize(
    ("durations", "word"),
    [
        ([10.0] * 5, None),
        ([10.0] * 6, "steady"),
        ([10.0, 10.0, 10.0, 20.0, 20.0, 20.0], "slower"),
        ([20.0, 20.0, 20.0, 10.0, 10.0, 10.0], "faster"),
        ([10.0, 10.0, 10.0, 500.0, 11.0, 11.0, 11.0], "steady"),
        ([0.0] * 6, None),
    ],
)
def test_trend(durations: list[float], word: str | None) -> None:
    found = trend(durations)
    assert (found["is"] if found else None) == word


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, None),
        ("", None),
        ("1970-01-01T00:01:00+00:00", 60),
        ("1970-01-01T00:01:00Z", 60),
        ("1970-01-01T00:01:00.500000", 60.5),
        ("1970-01-01T02:00:00+02:00", 0),
    ],
)
def test_seconds(text: str | None, expected: float | None) -> None:
    assert seconds(text) == expected


def test_the_figures_of_runs() -> None:
    runs = [
        RunTimes("now", "running", start=900.0),
        run(8, "failed", 99, run_type="scheduled", run_after=790.0),
        run(7, "failed"),
        run(6, length=30, run_type="scheduled", run_after=595.0),
        run(5, length=20, run_type="manual", run_after=0.0),
    ]
    assert summarise_runs(runs) == {
        "runs": 5,
        "finished": 4,
        "failed": 2,
        "success_rate": 0.5,
        "duration": {"p50": 20.0, "p95": 30.0},
        "duration_trend": None,
        "schedule_delay": {"p50": 5.0, "p95": 10.0},
        "failures_in_a_row": 2,
    }
    empty = summarise_runs([])
    assert (empty["success_rate"], empty["duration"], empty["failures_in_a_row"]) == (None, None, 0)


@given(st.lists(st.tuples(st.sampled_from(["success", "failed", "running", "queued"]), times)))
def test_figures_of_any_runs(rows: list[tuple[str, float]]) -> None:
    figures = summarise_runs([run(n, state, length) for n, (state, length) in enumerate(rows)])
    assert figures["failed"] <= figures["finished"] <= figures["runs"] == len(rows)
    assert figures["failures_in_a_row"] <= figures["failed"]
    if figures["finished"]:
        assert 0 <= figures["success_rate"] <= 1
    if figures["duration"]:
        assert figures["duration"]["p50"] <= figures["duration"]["p95"]


def task(name: str, start: float, end: float, index: int = -1, **more: Any) -> TaskTimes:
    more.setdefault("state", "success")
    more.setdefault("try_number", 1)
    return TaskTimes(more.pop("run", "r"), name, index, start=start, end=end, **more)


def test_the_critical_path() -> None:
    rows = [
        task("extract", 0, 10),
        task("quick", 0, 1),
        task("slow", 10, 50, 0),
        task("slow", 10, 90, 1),
        task("load", 90, 100),
        task("report", 10, 20),
    ]
    upstream = {"slow": ["extract"], "load": ["slow", "quick"], "report": ["extract"]}
    path = critical_path(last_ending(rows), upstream)
    assert [(step.task_id, step.map_index) for step in path] == [("extract", -1), ("slow", 1), ("load", -1)]
    assert critical_path({}, upstream) == []
    assert [step.task_id for step in critical_path(last_ending(rows), {})] == ["load"]


@given(
    st.lists(st.tuples(st.sampled_from("abcde"), times, times), max_size=20),
    st.dictionaries(st.sampled_from("abcde"), st.lists(st.sampled_from("abcde"))),
)
def test_a_critical_path_follows_the_dag_even_if_it_were_a_circle(
    rows: list[tuple[str, float, float]], upstream: dict[str, list[str]]
) -> None:
    path = critical_path(last_ending(task(n, s, s + d) for n, s, d in rows), upstream)
    names = [step.task_id for step in path]
    assert len(set(names)) == len(names)
    for before, after in itertools.pairwise(names):
        assert before in upstream[after]
    assert bool(path) == bool(rows)


def test_the_figures_of_tasks() -> None:
    rows = [
        task("a", 10, 20, queued=0.0),
        task("b", 20, 50, try_number=2, queued=20.0),
        task("a", 10, 20, run="s", state="failed", queued=5.0),
        task("b", 0, 0, run="s", state="upstream_failed"),
    ]
    figures = summarise_tasks(rows, {"b": ["a"]})
    assert [step["task_id"] for step in figures["critical_path"]] == ["b", "a"]
    assert sum(step["share"] for step in figures["critical_path"]) == pytest.approx(1, abs=0.01)
    assert figures["flaky_tasks"] == [{"task_id": "b", "passed_on_retry": 1, "of": 1}]
    assert figures["failing_tasks"] == [{"task_id": "a", "failed": 1, "of": 2}]
    assert (figures["queue_seconds"], figures["run_seconds"]) == (15.0, 50.0)
    assert figures["queue_share"] == 0.231
    assert summarise_tasks([], {})["queue_share"] is None


@given(
    st.lists(
        st.builds(
            TaskTimes,
            st.sampled_from("rs"),
            st.sampled_from("ab"),
            st.integers(-1, 3),
            st.sampled_from(["success", "failed", None]),
            st.integers(0, 3),
            st.none() | times,
            st.none() | times,
            st.none() | times,
        )
    )
)
def test_figures_of_any_tasks(rows: list[TaskTimes]) -> None:
    figures = summarise_tasks(rows, {"b": ["a"]})
    assert 0 <= (figures["queue_share"] or 0) <= 1
    assert sum(step["share"] for step in figures["critical_path"]) <= 1.01
    for flaky in figures["flaky_tasks"]:
        assert 0 < flaky["passed_on_retry"] <= flaky["of"]
    assert all("states" not in row for row in compare_tasks(rows, rows))


def test_two_runs_compared() -> None:
    one = [task("same", 0, 10), task("slow", 0, 40), task("bad", 0, 5, state="failed", try_number=3)]
    two = [task("same", 0, 11), task("slow", 0, 10), task("bad", 0, 5), task("gone", 0, 1)]
    assert compare_tasks(one, two) == [
        {
            "task_id": "bad",
            "states": [{"failed": 1}, {"success": 1}],
            "tries": [3, 1],
            "seconds": [5.0, 5.0],
        },
        {"task_id": "slow", "duration_ratio": 4.0, "seconds": [40.0, 10.0]},
    ]


@pytest.mark.parametrize(
    ("mine", "theirs", "expected"),
    [
        (None, None, {}),
        ({"a": 1}, {"a": 1}, {}),
        ({"a": 1}, {"a": 2}, {"a": [1, 2]}),
        ({"a": None}, {}, {"a": [None, None]}),
        ({}, {"b": [1]}, {"b": [None, [1]]}),
    ],
)
def test_changed_keys(mine: Any, theirs: Any, expected: Any) -> None:
    assert changed_keys(mine, theirs) == expected


def test_rows_of_the_rest_api() -> None:
    row = {
        "dag_run_id": "r",
        "task_id": "t",
        "map_index": 0,
        "state": "failed",
        "try_number": 2,
        "queued_when": "1970-01-01T00:00:01+00:00",
        "start_date": "1970-01-01T00:00:03+00:00",
        "end_date": "1970-01-01T00:00:10+00:00",
        "run_after": None,
    }
    one = task_times(row)
    assert (one.map_index, one.queue_time, one.duration) == (0, 2, 7)
    assert run_times(row).duration == 7
    assert task_times({"dag_run_id": "r", "task_id": "t"}).duration is None


def test_the_seconds_of_a_task_by_run() -> None:
    instances = [
        TaskTimes("new", "load", 0, "success", 1, None, 100.0, 108.0),
        TaskTimes("new", "load", 1, "success", 1, None, 100.0, 104.0),
        TaskTimes("old", "load", 0, "success", 1, None, 10.0, 13.0),
        TaskTimes("old", "send", -1, "success", 1, None, 13.0, 14.0),
        TaskTimes("old", "never", -1, None, 0),
    ]
    assert list_seconds(instances) == {"load": {"old": 3.0, "new": 12.0}, "send": {"old": 1.0}}
    load, send = list_trends(instances)
    assert (load["first"], load["last"], load["runs"], load["share_of_seconds"]) == (3.0, 12.0, 2, 0.938)
    assert (send["first"], send["last"], "trend" in send) == (1.0, 1.0, False)
    # What compare_dag_runs says of the same two runs.
    new = [one for one in instances if one.dag_run_id == "new"]
    old = [one for one in instances if one.dag_run_id == "old"]
    (differs,) = compare_tasks(new, old)
    assert differs["seconds"] == [load["last"], load["first"]]
