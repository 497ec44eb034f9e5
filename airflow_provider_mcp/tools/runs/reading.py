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
"""Tools that read Dag runs and wait for one."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Annotated, Literal

import anyio
from pydantic import Field

from airflow_provider_mcp.sdk import Airflow, Client, Cursor, JSONObject, Limit, Time, path, tool
from airflow_provider_mcp.tools.runs.results import (
    FINISHED,
    CountedRun,
    Runs,
    WaitedRun,
    show_end,
    show_row,
    show_run,
)
from airflow_provider_mcp.tools.shared.arguments import (
    AnyDagId,
    DagId,
    ReadRunId,
    RunState,
    RunType,
    Wait,
)
from airflow_provider_mcp.tools.shared.latest import get_run
from airflow_provider_mcp.tools.shared.matching import fetch_matching
from airflow_provider_mcp.tools.shared.reads import Parts, count_states
from airflow_provider_mcp.tools.shared.rows import page_template, pick
from airflow_provider_mcp.tools.shared.versions import read_release

MOST_SECONDS = 46
"""How long a call may take that waits: the server stops it soon after."""

_FILTERS_IDS = (3, 1)
"""The first Airflow whose API filters runs by a part of their ID."""

Order = Literal["-run_after", "run_after", "-start_date", "start_date", "-end_date", "end_date"]


@tool(access="read")
async def list_dag_runs(
    airflow: Airflow,
    dag_id: AnyDagId = None,
    run_id_pattern: Annotated[str | None, Field(description="Part of the Dag run ID.")] = None,
    state: Annotated[RunState | None, Field(description="State.")] = None,
    run_type: Annotated[RunType | None, Field(description="Run type (Airflow 3).")] = None,
    start_after: Time | None = None,
    start_before: Time | None = None,
    end_after: Time | None = None,
    end_before: Time | None = None,
    logical_after: Time | None = None,
    logical_before: Time | None = None,
    order_by: Annotated[Order, Field(description="Order.")] = "-run_after",
    limit: Limit = 25,
    cursor: Cursor = None,
) -> Runs:
    """List Dag runs, newest first.

    The history of a pipeline, which runs failed, are running or are queued, today or at night.
    """
    params = {
        "state": state,
        "run_type": run_type,
        "start_date_gte": start_after,
        "start_date_lte": start_before,
        "end_date_gte": end_after,
        "end_date_lte": end_before,
        "logical_date_gte": logical_after,
        "logical_date_lte": logical_before,
        "order_by": order_by,
    }
    rows, total, offset, hint = await fetch_matching(
        Runs,
        airflow,
        path("dags/{}/dagRuns", dag_id or "~"),
        text=run_id_pattern,
        field="dag_run_id",
        parameter="run_id_pattern" if read_release(airflow) >= _FILTERS_IDS else None,
        params=params,
        limit=limit,
        cursor=cursor,
        newest_first=order_by.startswith("-"),
    )
    template = page_template(airflow, "run")
    listed = Runs.of([show_row(row) for row in rows], total=total, offset=offset, ui_url=template)
    listed.hint = listed.hint or hint
    return listed


@tool(access="read")
async def get_dag_run(airflow: Airflow, dag_id: DagId, dag_run_id: ReadRunId = "latest") -> CountedRun:
    """Get one Dag run.

    Its status, is it done, how it was triggered, its task instances counted by state.
    """
    run = await get_run(airflow, dag_id, dag_run_id)
    parts = Parts()
    events = None
    if run.get("run_type") in {"asset_triggered", "dataset_triggered"}:
        events = await parts.read("asset_events", _read_events(airflow, dag_id, run["dag_run_id"]))
    counted = await parts.read("task_counts", count_states(airflow, dag_id, run["dag_run_id"]))
    return CountedRun(
        **show_run(airflow, run),
        task_counts=counted[0] if counted else None,
        asset_events=events,
        missing=parts.missing or None,
    )


async def _read_events(airflow: Airflow, dag_id: str, dag_run_id: str) -> list[JSONObject]:
    route = path("dags/{}/dagRuns/{}/upstreamAssetEvents", dag_id, dag_run_id)
    names = ("uri", "name", "timestamp", "source_dag_id", "source_run_id")
    return [pick(event, *names) for event in (await airflow.get(route)).json()["asset_events"]]


Tell = Callable[[JSONObject, float], Awaitable[None]]
"""Reports the progress of a run that has been waited for so many seconds."""


async def wait_for_end(
    airflow: Airflow,
    client: Client,
    run: JSONObject,
    seconds: int,
    *,
    tell: Tell | None = None,
    result_task: str | None = None,
) -> WaitedRun:
    """Look at the run until it ends or ``seconds`` are over.

    :param tell: Reports progress in another way than by the time.
    :param result_task: The task whose return value is the result; None for the last one.
    """

    async def tell_time(run: JSONObject, waited: float) -> None:
        await client.progress(waited, seconds, f"{run['dag_run_id']} is {run['state']}.")

    began = time.monotonic()
    hint = None
    if run["state"] not in FINISHED and seconds:
        with airflow.place_to_wait() as may_wait:
            if may_wait:
                run = await _look_until_end(airflow, run, seconds, tell or tell_time)
                hint = "Still going; call wait_for_dag_run to go on waiting."
            else:
                hint = (
                    "Too many calls wait on this webserver already, so this is the state now; "
                    "call wait_for_dag_run again in some seconds."
                )
    if run["state"] in FINISHED:
        left = MOST_SECONDS - (time.monotonic() - began)
        return await show_end(airflow, run, min(10, max(1, left)), result_task)
    return WaitedRun(**show_run(airflow, run), done=False, hint=hint)


async def _look_until_end(airflow: Airflow, run: JSONObject, seconds: int, tell: Tell) -> JSONObject:
    route = path("dags/{}/dagRuns/{}", run["dag_id"], run["dag_run_id"])
    until = time.monotonic() + seconds
    pause = 0.5
    while run["state"] not in FINISHED and (left := until - time.monotonic()) > 0:
        await tell(run, round(seconds - left, 1))
        await anyio.sleep(min(pause, left))
        pause = min(pause * 1.5, 3)
        run = (await airflow.get(route)).json()
    return run


@tool(access="read", open_world=True)
async def wait_for_dag_run(
    airflow: Airflow, client: Client, dag_id: DagId, dag_run_id: ReadRunId, timeout_seconds: Wait = 30
) -> WaitedRun:
    """Wait for a Dag run to end, watch until it is finished; if it has not, call again."""
    return await wait_for_end(airflow, client, await get_run(airflow, dag_id, dag_run_id), timeout_seconds)
