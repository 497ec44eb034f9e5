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
"""Figures over a Dag's runs, defined in docs/diagnostics.rst. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone

from airflow_provider_mcp.sdk import JSON, JSONObject

FINISHED = frozenset({"success", "failed"})

TREND_RUNS = 6
"""Below so many durations there is no trend."""

STEADY = (0.8, 1.25)


def _lasted(start: float | None, end: float | None) -> float | None:
    return None if start is None or end is None or end < start else end - start


@dataclass(frozen=True)
class RunTimes:
    """One Dag run, times in seconds since the epoch."""

    dag_run_id: str
    state: str
    run_type: str = ""
    run_after: float | None = None
    start: float | None = None
    end: float | None = None

    @property
    def duration(self) -> float | None:
        return _lasted(self.start, self.end)


@dataclass(frozen=True)
class TaskTimes:
    """One task instance, times in seconds since the epoch."""

    dag_run_id: str
    task_id: str
    map_index: int = -1
    state: str | None = None
    try_number: int = 0
    queued: float | None = None
    start: float | None = None
    end: float | None = None

    @property
    def duration(self) -> float | None:
        return _lasted(self.start, self.end)

    @property
    def queue_time(self) -> float | None:
        if self.queued is None or self.start is None or self.start < self.queued:
            return None
        return self.start - self.queued


def seconds(time: str | None) -> float | None:
    """Return an ISO 8601 time as seconds since the epoch."""
    if not time:
        return None
    read = datetime.fromisoformat(time.replace("Z", "+00:00"))
    return (read if read.tzinfo else read.replace(tzinfo=timezone.utc)).timestamp()


def run_times(row: Mapping[str, JSON]) -> RunTimes:
    """Return a Dag run of the REST API as times."""
    return RunTimes(
        str(row["dag_run_id"]),
        str(row.get("state") or ""),
        str(row.get("run_type") or ""),
        seconds(row.get("run_after")),
        seconds(row.get("start_date")),
        seconds(row.get("end_date")),
    )


def task_times(row: Mapping[str, JSON]) -> TaskTimes:
    """Return a task instance of the REST API as times."""
    return TaskTimes(
        str(row["dag_run_id"]),
        str(row["task_id"]),
        int(row["map_index"]) if row.get("map_index") is not None else -1,
        row.get("state"),
        int(row.get("try_number") or 0),
        seconds(row.get("queued_when")),
        seconds(row.get("start_date")),
        seconds(row.get("end_date")),
    )


def percentile(values: Iterable[float], share: float) -> float | None:
    """Return the smallest value that at least ``share`` of the values do not exceed (nearest rank)."""
    ordered = sorted(values)
    if not ordered:
        return None
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def trend(durations: Sequence[float]) -> JSONObject | None:
    """Compare the median of the newer half with that of the older half.

    :param durations: Oldest first.
    """
    if len(durations) < TREND_RUNS:
        return None
    half = len(durations) // 2
    older = percentile(durations[:half], 0.5)
    newer = percentile(durations[-half:], 0.5)
    if not older or newer is None:
        return None
    ratio = newer / older
    word = "faster" if ratio < STEADY[0] else "slower" if ratio > STEADY[1] else "steady"
    return {"is": word, "ratio": round(ratio, 2)}


def summarise_runs(runs: Sequence[RunTimes]) -> JSONObject:
    """Return the figures of a Dag's runs, in seconds.

    :param runs: Newest first; runs that are not over count in no figure but their number.
    """
    finished = [run for run in runs if run.state in FINISHED]
    good = [run for run in finished if run.state == "success"]
    durations = [run.duration for run in reversed(good) if run.duration is not None]
    delays = [
        run.start - run.run_after
        for run in finished
        if run.run_type == "scheduled" and run.start is not None and run.run_after is not None
    ]
    return {
        "runs": len(runs),
        "finished": len(finished),
        "failed": len(finished) - len(good),
        "success_rate": round(len(good) / len(finished), 3) if finished else None,
        "duration": _spread(durations),
        "duration_trend": trend(durations),
        "schedule_delay": _spread([max(0.0, delay) for delay in delays]),
        "failures_in_a_row": _failures_in_a_row(finished),
    }


def _spread(values: Sequence[float]) -> dict[str, float] | None:
    middle, high = percentile(values, 0.5), percentile(values, 0.95)
    if middle is None or high is None:
        return None
    return {"p50": round(middle, 1), "p95": round(high, 1)}


def _failures_in_a_row(finished: Sequence[RunTimes]) -> int:
    for count, run in enumerate(finished):
        if run.state != "failed":
            return count
    return len(finished)


@dataclass
class _Task:
    durations: list[float] = field(default_factory=list)
    queued: list[float] = field(default_factory=list)
    failed: int = 0
    flaky: int = 0
    finished: int = 0
    on_path: int = 0
    path_seconds: float = 0.0


def critical_path(tasks: Mapping[str, TaskTimes], upstream: Mapping[str, Iterable[str]]) -> list[TaskTimes]:
    """Return the chain of tasks that a run waited for, first one first.

    From the task that ended last, back each time to the upstream task that ended last.

    :param tasks: A run's tasks by ID, each with the time of its last-ending instance.
    """
    ran = {name: task for name, task in tasks.items() if task.end is not None and task.start is not None}
    if not ran:
        return []

    def ended(name: str) -> tuple[float, str]:
        return ran[name].end or 0.0, name

    at = max(ran, key=ended)
    chain = [at]
    while True:
        before = [name for name in upstream.get(at, ()) if name in ran and name not in chain]
        if not before:
            return [ran[name] for name in reversed(chain)]
        at = max(before, key=ended)
        chain.append(at)


def last_ending(instances: Iterable[TaskTimes]) -> dict[str, TaskTimes]:
    """Return of each task the instance that ended last."""
    latest: dict[str, TaskTimes] = {}
    for one in instances:
        known = latest.get(one.task_id)
        if one.end is not None and (known is None or (known.end or 0.0) < one.end):
            latest[one.task_id] = one
    return latest


def summarise_tasks(
    instances: Sequence[TaskTimes], upstream: Mapping[str, Iterable[str]], shown: int = 5
) -> JSONObject:
    """Return which tasks dominate, which are flaky, and how long tasks queue against how long they run."""
    tasks: dict[str, _Task] = {}
    by_run: dict[str, list[TaskTimes]] = {}
    for one in instances:
        by_run.setdefault(one.dag_run_id, []).append(one)
        task = tasks.setdefault(one.task_id, _Task())
        if one.duration is not None:
            task.durations.append(one.duration)
        if one.queue_time is not None:
            task.queued.append(one.queue_time)
        if one.state in FINISHED:
            task.finished += 1
            task.failed += one.state == "failed"
            task.flaky += one.state == "success" and one.try_number > 1
    whole = 0.0
    for rows in by_run.values():
        for step in critical_path(last_ending(rows), upstream):
            duration = step.duration or 0.0
            tasks[step.task_id].on_path += 1
            tasks[step.task_id].path_seconds += duration
            whole += duration
    path = sorted((n for n in tasks if tasks[n].on_path), key=lambda n: (-tasks[n].path_seconds, n))
    shaky = sorted((n for n in tasks if tasks[n].flaky), key=lambda n: (-tasks[n].flaky, n))
    failing = sorted((n for n in tasks if tasks[n].failed), key=lambda n: (-tasks[n].failed, n))
    queued = sum(sum(task.queued) for task in tasks.values())
    running = sum(sum(task.durations) for task in tasks.values())
    return {
        "critical_path": [
            {
                "task_id": name,
                "share": round(tasks[name].path_seconds / whole, 3) if whole else 0.0,
                "runs": tasks[name].on_path,
                "duration": _spread(tasks[name].durations),
            }
            for name in path[:shown]
        ],
        "flaky_tasks": [
            {"task_id": n, "passed_on_retry": tasks[n].flaky, "of": tasks[n].finished} for n in shaky[:shown]
        ],
        "failing_tasks": [
            {"task_id": n, "failed": tasks[n].failed, "of": tasks[n].finished} for n in failing[:shown]
        ],
        "queue_seconds": round(queued, 1),
        "run_seconds": round(running, 1),
        "queue_share": round(queued / (queued + running), 3) if queued + running else None,
    }
