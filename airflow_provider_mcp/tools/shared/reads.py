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

import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

import anyio

from airflow_provider_mcp.sdk import (
    JSON,
    Airflow,
    InvalidArgument,
    JSONObject,
    NotFound,
    ToolError,
    Unsupported,
    path,
)
from airflow_provider_mcp.tools.shared.arguments import TaskState
from airflow_provider_mcp.tools.shared.versions import is_airflow_2

PAGE = 100

MOST_DAGS = 10
"""Dags whose task instances are read one Dag after the other."""

Row = JSONObject


@dataclass(frozen=True)
class Unread:
    """In place of a fact that Airflow did not give."""

    why: str


async def try_get(airflow: Airflow, route: str, params: Mapping[str, JSON] | None = None) -> JSON | Unread:
    """GET; in place of an answer why there is none, where permission, version or a fault forbids it."""
    try:
        return (await airflow.get(route, params=params)).json()
    except ToolError as refused:
        return Unread(refused.message)


async def find_row(airflow: Airflow, route: str) -> Row | None:
    """Return what is at a route; None if there is nothing."""
    try:
        row: Row = (await airflow.get(route)).json()
    except NotFound:
        return None
    return row


async def read_pages(
    airflow: Airflow, route: str, key: str, pages: int, **params: JSON
) -> tuple[list[Row], int]:
    """Read at most ``pages`` pages of a list: ``(rows, total)``."""

    async def ask(offset: int) -> JSON:
        return (await airflow.get(route, params={**params, "limit": PAGE, "offset": offset})).json()

    return await _read_on(ask, key, pages)


async def list_instances(
    airflow: Airflow, pages: int, dag_ids: Sequence[str] | None = None, **filters: JSON
) -> tuple[list[Row], int]:
    """Read at most ``pages`` pages of task instances across runs, of some Dags or all: ``(rows, total)``.

    By GET, a Dag at a time: Airflow 3 notes each POST of a list in its audit log. Only for more Dags than
    ``MOST_DAGS`` is the POST taken that lists them at once.
    """
    if is_airflow_2(airflow) or (dag_ids is not None and len(dag_ids) > MOST_DAGS):
        return await _post_list(airflow, pages, dag_ids=dag_ids, **filters)
    query = {name: value for name, value in filters.items() if value is not None}
    rows: list[Row] = []
    total = 0
    for dag_id in dag_ids if dag_ids is not None else ["~"]:
        route = path("dags/{}/dagRuns/{}/taskInstances", dag_id, "~")
        found, count = await read_pages(airflow, route, "task_instances", pages, **query)
        rows += found
        total += count
    if dag_ids is not None and len(dag_ids) > 1:
        rows.sort(key=lambda row: str(row.get("end_date") or ""), reverse=True)
    return rows[: pages * PAGE], total


async def list_instances_of_runs(
    airflow: Airflow, pages: int, dag_id: str, runs: Sequence[Row]
) -> tuple[list[Row], int]:
    """Read at most ``pages`` pages of the task instances of some runs of a Dag: ``(rows, total)``."""
    run_ids = [run["dag_run_id"] for run in runs]
    times = sorted(run["run_after"] for run in runs if run.get("run_after"))
    if is_airflow_2(airflow) or len(times) < len(runs):
        return await _post_list(airflow, pages, dag_ids=[dag_id], dag_run_ids=run_ids)
    between = {"run_after_gte": times[0], "run_after_lte": times[-1]}
    rows, total = await list_instances(airflow, pages, [dag_id], **between)
    matching = [row for row in rows if row["dag_run_id"] in run_ids]
    return matching, total - (len(rows) - len(matching))


async def _post_list(airflow: Airflow, pages: int, **filters: JSON) -> tuple[list[Row], int]:
    body = {name: value for name, value in filters.items() if value is not None}

    async def ask(offset: int) -> JSON:
        page = {**body, "page_limit": PAGE, "page_offset": offset}
        return (await airflow.post("dags/~/dagRuns/~/taskInstances/list", json=page)).json()

    return await _read_on(ask, "task_instances", pages)


async def _read_on(ask: Callable[[int], Awaitable[JSON]], key: str, pages: int) -> tuple[list[Row], int]:
    rows: list[Row] = []
    total = 0
    for _ in range(pages):
        answer = await ask(len(rows))
        total = int(answer["total_entries"])
        rows += answer[key]
        if len(rows) >= total or not answer[key]:
            break
    return rows, total


class Parts:
    """The parts of a result, read one by one: one that cannot be read says why, and the rest is shown.

    :param seconds: How long all of them may take.
    :ivar missing: By the name of a part why it is not there.
    """

    def __init__(self, seconds: float = math.inf) -> None:
        self._until = anyio.current_time() + seconds
        self.missing: dict[str, str] = {}
        self._refused: ToolError | None = None
        self._read = 0

    async def read(self, name: str, part: Awaitable[JSON]) -> JSON:
        """Await a part; return None, and remember why, if Airflow does not give it."""
        read = None
        with anyio.CancelScope(deadline=self._until) as limit:
            try:
                read = await part
            except ToolError as refused:
                self.missing[name] = refused.as_text()
                self._refused = refused
                return None
        if limit.cancelled_caught:
            self.missing[name] = "Reading it took too long."
            return None
        self._read += 1
        return read

    def raise_if_none(self) -> None:
        """Raise why, if no part could be read at all."""
        if self._refused is not None and not self._read:
            raise self._refused


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
        except (InvalidArgument, Unsupported):
            # An Airflow that does not have this state yet.
            continue
        if found:
            counts[state] = found
            counted += found
    # States that only a newer Airflow knows cannot be asked for.
    return {**counts, "other": total - counted} if total > counted else counts, []
