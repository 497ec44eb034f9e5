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
"""What changed between two runs of a Dag: its code, its params, its tasks."""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence

from airflow_provider_mcp.sdk import Airflow, JSONObject, path
from airflow_provider_mcp.tools.diagnostics.reading import (
    cut,
)
from airflow_provider_mcp.tools.diagnostics.run_differences import changed_keys, compute_ratio
from airflow_provider_mcp.tools.diagnostics.statistics import run_times, task_times
from airflow_provider_mcp.tools.diagnostics.version_diff import compare_versions
from airflow_provider_mcp.tools.shared.reads import Unread, try_get

Row = JSONObject

DIFF_CHARS = 1500


async def find_last_success(airflow: Airflow, run: Row) -> Row | Unread | None:
    """Return the last successful run before a run."""
    query: Row = {"state": "success", "order_by": "-run_after", "limit": 2}
    if run.get("logical_date"):
        query["logical_date_lte"] = run["logical_date"]
    elif run.get("run_after"):
        query["run_after_lte"] = run["run_after"]
    answer = await try_get(airflow, path("dags/{}/dagRuns", run["dag_id"]), query)
    if isinstance(answer, Unread):
        return answer
    return next((row for row in answer["dag_runs"] if row["dag_run_id"] != run["dag_run_id"]), None)


def get_version(run: Row) -> int | None:
    """Return the number of the Dag version that a run used last; None where Airflow keeps none."""
    numbers = [version.get("version_number") for version in run.get("dag_versions") or []]
    return max((number for number in numbers if isinstance(number, int)), default=None)


def shorten_conf(airflow: Airflow, changed: Row) -> Row:
    return {
        cut(key, 60): [cut(json.dumps(airflow.redact(value, key), ensure_ascii=False), 120) for value in pair]
        for key, pair in list(changed.items())[:10]
    }


async def diff_source(airflow: Airflow, dag_id: str, old: int, new: int) -> str | Unread:
    sources = []
    for number in (old, new):
        answer = await try_get(airflow, path("dagSources/{}", dag_id), {"version_number": number})
        if isinstance(answer, Unread):
            return answer
        sources.append(str(answer.get("content") or "").splitlines())
    lines = difflib.unified_diff(sources[0], sources[1], f"version {old}", f"version {new}", n=1, lineterm="")
    return cut("\n".join(lines), DIFF_CHARS) or "The Dag's file is the same."


async def find_changes(
    airflow: Airflow, run: Row, tasks: Sequence[Row], unchecked: dict[str, str]
) -> Row | None:
    """Return what differs from the last success, in the parts that may explain a failure.

    :param tasks: The first failure of each task.
    """
    before = await find_last_success(airflow, run)
    if isinstance(before, Unread):
        unchecked["changed"] = before.why
        return None
    if before is None:
        return {"last_success": None}
    then = run_times(before)
    changed: Row = {
        "last_success": {
            "dag_run_id": before["dag_run_id"],
            "end_date": before.get("end_date"),
            "duration": then.duration,
        },
        "duration_ratio": compute_ratio(run_times(run), then),
    }
    conf = changed_keys(run.get("conf"), before.get("conf"))
    if conf:
        changed["conf"] = shorten_conf(airflow, conf)
    old, new = get_version(before), get_version(run)
    if old is None or new is None:
        unchecked["dag_version"] = "Airflow keeps no Dag version of these runs."
    elif old == new:
        changed["dag_version"] = f"the same ({new})"
    else:
        changed["dag_version"] = {"then": old, "now": new}
        diff = await diff_source(airflow, run["dag_id"], old, new)
        if isinstance(diff, Unread):
            unchecked["source_diff"] = diff.why
        else:
            changed["source_diff"] = diff
        compared = await compare_versions(airflow, run["dag_id"], old, new)
        if isinstance(compared, Unread):
            unchecked["definition_diff"] = compared.why
        elif compared is not None:
            changed["definition_diff"] = compared
    for failed in tasks:
        route = path("dags/{}/dagRuns/{}/taskInstances", run["dag_id"], before["dag_run_id"])
        answer = await try_get(airflow, route, {"task_id": failed["task_id"], "limit": 10})
        if isinstance(answer, Unread) or not answer["task_instances"]:
            continue
        earlier = max((task_times(row) for row in answer["task_instances"]), key=lambda t: t.duration or 0.0)
        changed.setdefault("tasks", {})[failed["task_id"]] = {
            "tries": {"then": earlier.try_number, "now": failed.get("try_number")},
            "seconds": {"then": earlier.duration, "now": task_times(failed).duration},
        }
    return changed
