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
"""How runs differ: the states, tries and seconds of their tasks, and their conf. Without input and output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from airflow_provider_mcp.sdk import JSON, JSONObject
from airflow_provider_mcp.tools.diagnostics.statistics import STEADY, RunTimes, TaskTimes, trend

SHOWN_TRENDS = 5


def list_seconds(instances: Sequence[TaskTimes]) -> dict[str, dict[str, float]]:
    """Return by task and run, the oldest run first, how long the task's instances took together."""
    runs: dict[str, list[TaskTimes]] = {}
    for one in instances:
        runs.setdefault(one.dag_run_id, []).append(one)

    def begun(run_id: str) -> float:
        return min((one.start for one in runs[run_id] if one.start is not None), default=float("inf"))

    seconds: dict[str, dict[str, float]] = {}
    for run_id in sorted(runs, key=begun):
        for task_id, task in _by_task(runs[run_id]).items():
            if task["seconds"] is not None:
                seconds.setdefault(task_id, {})[run_id] = task["seconds"]
    return seconds


def list_trends(instances: Sequence[TaskTimes]) -> list[JSONObject]:
    """Return of the tasks that take longest their seconds in the first and the last run, and the trend."""
    rows = []
    everything = list_seconds(instances)
    whole = sum(sum(by_run.values()) for by_run in everything.values())
    for task_id, by_run in everything.items():
        values = list(by_run.values())
        row: JSONObject = {
            "task_id": task_id,
            "first": values[0],
            "last": values[-1],
            "runs": len(values),
            "share_of_seconds": round(sum(values) / whole, 3) if whole else 0.0,
        }
        if (found := trend(values)) is not None:
            row["trend"] = found
        rows.append((sum(values), row))
    ordered = sorted(rows, key=lambda pair: (-pair[0], pair[1]["task_id"]))
    return [row for _, row in ordered[:SHOWN_TRENDS]]


def compare_tasks(one: Sequence[TaskTimes], other: Sequence[TaskTimes]) -> list[JSONObject]:
    """Return each task whose states, tries or duration differ between two runs, biggest slowdown first."""
    first, second = _by_task(one), _by_task(other)
    rows = []
    for name in first.keys() & second.keys():
        mine, theirs = first[name], second[name]
        row: JSONObject = {"task_id": name}
        for part in ("states", "tries", "instances"):
            if mine[part] != theirs[part]:
                row[part] = [mine[part], theirs[part]]
        ratio = divide(mine["seconds"], theirs["seconds"])
        changed = len(row) > 1
        if ratio is not None and not STEADY[0] <= ratio <= STEADY[1]:
            row["duration_ratio"] = ratio
            changed = True
        if changed:
            row["seconds"] = [mine["seconds"], theirs["seconds"]]
            rows.append(row)

    def weight(row: JSONObject) -> tuple[bool, float, str]:
        mine, theirs = (value or 0.0 for value in row["seconds"])
        return "states" not in row, -abs(mine - theirs), row["task_id"]

    return sorted(rows, key=weight)


def divide(mine: float | None, theirs: float | None) -> float | None:
    return round(mine / theirs, 2) if mine is not None and theirs else None


def compute_ratio(mine: RunTimes, theirs: RunTimes) -> float | None:
    """Return how many times as long a run took as another."""
    return divide(mine.duration, theirs.duration)


def _by_task(instances: Sequence[TaskTimes]) -> dict[str, JSONObject]:
    tasks: dict[str, JSONObject] = {}
    for one in instances:
        task = tasks.setdefault(one.task_id, {"states": {}, "tries": 0, "instances": 0, "seconds": None})
        state = one.state or "no_status"
        task["states"][state] = task["states"].get(state, 0) + 1
        task["tries"] = max(task["tries"], one.try_number)
        task["instances"] += 1
        if one.duration is not None:
            task["seconds"] = round((task["seconds"] or 0.0) + one.duration, 1)
    return tasks


def changed_keys(mine: Mapping[str, JSON] | None, theirs: Mapping[str, JSON] | None) -> JSONObject:
    """Return what differs between two mappings, as ``{key: [mine, theirs]}``, None for what is not there."""
    first, second = mine or {}, theirs or {}
    return {
        key: [first.get(key), second.get(key)]
        for key in sorted(first.keys() | second.keys())
        if first.get(key) != second.get(key) or (key in first) != (key in second)
    }
