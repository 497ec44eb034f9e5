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
"""Bounded reads of Airflow's REST API that several tools share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from airflow_provider_mcp.sdk import (
    Airflow,
    ToolError,
    path,
)
from airflow_provider_mcp.tools.shared.arguments import (
    TaskState,
)

PAGE = 100

Row = dict[str, Any]


async def try_get(airflow: Airflow, route: str, params: Mapping[str, Any] | None = None) -> Any | Unread:
    """GET; in place of an answer why there is none, where permission, version or a fault forbids it."""
    try:
        return (await airflow.get(route, params=params)).json()
    except ToolError as refused:
        return Unread(refused.message)


async def read_pages(
    airflow: Airflow, route: str, key: str, pages: int, **params: Any
) -> tuple[list[Row], int]:
    """Read at most ``pages`` pages of a list: ``(rows, total)``."""
    rows: list[Row] = []
    total = 0
    for _ in range(pages):
        query = {**params, "limit": PAGE, "offset": len(rows)}
        answer = (await airflow.get(route, params=query)).json()
        total = int(answer["total_entries"])
        rows += answer[key]
        if len(rows) >= total or not answer[key]:
            break
    return rows, total


async def list_instances(airflow: Airflow, pages: int, **filters: Any) -> tuple[list[Row], int]:
    """Read at most ``pages`` pages of task instances across runs and Dags: ``(rows, total)``."""
    rows: list[Row] = []
    total = 0
    route = "dags/~/dagRuns/~/taskInstances/list"
    body = {name: value for name, value in filters.items() if value is not None}
    for _ in range(pages):
        page = {**body, "page_limit": PAGE, "page_offset": len(rows)}
        answer = (await airflow.post(route, json=page)).json()
        total = int(answer["total_entries"])
        rows += answer["task_instances"]
        if len(rows) >= total or not answer["task_instances"]:
            break
    return rows, total


async def count_states(airflow: Airflow, dag_id: str, dag_run_id: str) -> tuple[dict[str, int], list[Row]]:
    """Count a run's task instances by state, all of them; also return them if one page holds them."""
    route = path("dags/{}/dagRuns/{}/taskInstances", dag_id, dag_run_id)
    rows, total = await read_pages(airflow, route, "task_instances", 1)
    counts: dict[str, int] = {}
    for row in rows:
        state = row["state"] or "no_status"
        counts[state] = counts.get(state, 0) + 1
    if len(rows) >= total:
        return counts, rows
    # What is seen in the first page is asked for first, so that few states are asked for.
    states = dict.fromkeys([*counts, *get_args(TaskState), "no_status"])
    counts, counted = {}, 0
    for state in states:
        if counted >= total:
            break
        query = {"limit": 1, "state": "none" if state == "no_status" else state}
        try:
            found = int((await airflow.get(route, params=query)).json()["total_entries"])
        except ToolError as unknown:
            # An Airflow that does not have this state yet.
            if unknown.code not in {"invalid_argument", "unsupported"}:
                raise
            continue
        if found:
            counts[state] = found
            counted += found
    # States that only a newer Airflow knows cannot be asked for.
    return {**counts, "other": total - counted} if total > counted else counts, []


def _instance(dag_id: str, dag_run_id: str, task_id: str, map_index: int = -1) -> str:
    route = path("dags/{}/dagRuns/{}/taskInstances/{}", dag_id, dag_run_id, task_id)
    return f"{route}/{map_index}" if map_index >= 0 else route


@dataclass(frozen=True)
class Unread:
    """In place of a fact that Airflow did not give."""

    why: str
