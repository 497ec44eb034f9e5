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
"""Tools that read and start Dag runs."""

from __future__ import annotations

import time
from typing import Annotated, Any, ClassVar, Literal, get_args

import anyio
from jsonschema import Draft202012Validator
from pydantic import BaseModel, Field

from airflow_provider_mcp.sdk import (
    Airflow,
    Client,
    Cursor,
    Job,
    JobStarted,
    JobState,
    Limit,
    Page,
    Result,
    ToolError,
    Toolset,
    fetch_page,
    hookimpl,
    path,
    tool,
)
from airflow_provider_mcp.tools.arguments import DagId, RunId, RunState, RunType, TaskState, Time, Wait

_FINISHED = frozenset({"success", "failed"})
_CANCELLED = "Cancelled by the MCP client that started it."
_TASK_STATES = get_args(TaskState)
_SHOWN = (
    "dag_id",
    "dag_run_id",
    "state",
    "run_type",
    "logical_date",
    "run_after",
    "start_date",
    "end_date",
    "note",
)


class RunRow(BaseModel):
    dag_id: str
    dag_run_id: str
    state: str | None = None
    run_type: str | None = None
    logical_date: str | None = None
    run_after: str | None = None
    start_date: str | None = None
    end_date: str | None = None
    note: str | None = None


class Runs(Page):
    items_field: ClassVar[str] = "dag_runs"
    dag_runs: list[RunRow]


class Run(RunRow, Result):
    duration: float | None = None
    conf: dict[str, Any] | None = None
    triggered_by: str | None = None
    task_counts: dict[str, int] | None = None
    asset_events: list[dict[str, Any]] | None = None
    done: bool | None = None
    ui_url: str


def _row(run: dict[str, Any]) -> dict[str, Any]:
    return {key: run.get(key) for key in _SHOWN}


def _run(airflow: Airflow, run: dict[str, Any], **more: Any) -> Run:
    return Run(
        **_row(run),
        duration=run.get("duration"),
        conf=run.get("conf") or None,
        triggered_by=run.get("triggering_user_name") or run.get("triggered_by"),
        ui_url=airflow.page_url(run["dag_id"], run["dag_run_id"]),
        **more,
    )


@tool(access="read")
async def list_dag_runs(
    airflow: Airflow,
    dag_id: Annotated[str | None, Field(description="Dag ID; all Dags if left out.")] = None,
    state: Annotated[RunState | None, Field(description="State.")] = None,
    run_type: Annotated[RunType | None, Field(description="Run type (Airflow 3).")] = None,
    start_after: Time = None,
    start_before: Time = None,
    logical_after: Time = None,
    logical_before: Time = None,
    order_by: Annotated[
        Literal["-run_after", "run_after", "-start_date", "start_date", "-end_date", "end_date"],
        Field(description="Order."),
    ] = "-run_after",
    limit: Limit = 25,
    cursor: Cursor = None,
) -> Runs:
    """List Dag runs, newest first."""
    params = {
        "state": state,
        "run_type": run_type,
        "start_date_gte": start_after,
        "start_date_lte": start_before,
        "logical_date_gte": logical_after,
        "logical_date_lte": logical_before,
        "order_by": order_by,
    }
    rows, total, offset = await fetch_page(
        airflow,
        path("dags/{}/dagRuns", dag_id or "~"),
        "dag_runs",
        params=params,
        limit=limit,
        cursor=cursor,
        newest_first=order_by.startswith("-"),
    )
    return Runs.of([RunRow(**_row(row)) for row in rows], total=total, offset=offset)


async def _task_counts(airflow: Airflow, dag_id: str, dag_run_id: str) -> dict[str, int]:
    """Count a run's task instances by state, reading at most one page of them."""
    route = path("dags/{}/dagRuns/{}/taskInstances", dag_id, dag_run_id)
    first = (await airflow.get(route, params={"limit": 100})).json()
    counts: dict[str, int] = {}
    if first["total_entries"] <= len(first["task_instances"]):
        for row in first["task_instances"]:
            state = row["state"] or "no_status"
            counts[state] = counts.get(state, 0) + 1
        return counts
    for state in _TASK_STATES:
        found = (await airflow.get(route, params={"limit": 1, "state": state})).json()["total_entries"]
        if found:
            counts[state] = found
    rest = first["total_entries"] - sum(counts.values())
    return {**counts, "no_status": rest} if rest > 0 else counts


@tool(access="read")
async def get_dag_run(
    airflow: Airflow,
    dag_id: DagId,
    dag_run_id: Annotated[str, Field(description="Dag run ID or latest.")] = "latest",
) -> Run:
    """Get a Dag run with its task instances counted by state and the asset events that triggered it."""
    if dag_run_id == "latest":
        query: dict[str, Any] = {"order_by": "-run_after", "limit": 1}
        runs = (await airflow.get(path("dags/{}/dagRuns", dag_id), params=query)).json()["dag_runs"]
        if not runs:
            raise ToolError(
                "not_found", f"`{dag_id}` has no runs yet.", hint="Start one with trigger_dag.", dag_id=dag_id
            )
        run = runs[0]
    else:
        run = (await airflow.get(path("dags/{}/dagRuns/{}", dag_id, dag_run_id))).json()
    events = None
    if run.get("run_type") in {"asset_triggered", "dataset_triggered"}:
        route = path("dags/{}/dagRuns/{}/upstreamAssetEvents", dag_id, run["dag_run_id"])
        events = [
            {key: event.get(key) for key in ("uri", "name", "timestamp", "source_dag_id", "source_run_id")}
            for event in (await airflow.get(route)).json()["asset_events"]
        ]
    counts = await _task_counts(airflow, dag_id, run["dag_run_id"])
    return _run(airflow, run, task_counts=counts, asset_events=events)


async def _wait(airflow: Airflow, client: Client, run: dict[str, Any], seconds: int) -> Run:
    """Look at the run until it ends or ``seconds`` are over."""
    route = path("dags/{}/dagRuns/{}", run["dag_id"], run["dag_run_id"])
    until = time.monotonic() + seconds
    pause = 0.5
    while run["state"] not in _FINISHED and (left := until - time.monotonic()) > 0:
        waited = round(seconds - left, 1)
        await client.progress(waited, seconds, f"{run['dag_run_id']} is {run['state']}.")
        await anyio.sleep(min(pause, left))
        pause = min(pause * 1.5, 3)
        run = (await airflow.get(route)).json()
    done = run["state"] in _FINISHED
    hint = None if done or not seconds else "Still going; call wait_for_dag_run to go on waiting."
    return _run(airflow, run, done=done, hint=hint)


@tool(access="read")
async def wait_for_dag_run(
    airflow: Airflow, client: Client, dag_id: DagId, dag_run_id: RunId, timeout_seconds: Wait = 30
) -> Run:
    """Wait for a Dag run to end; if it has not, call again."""
    run = (await airflow.get(path("dags/{}/dagRuns/{}", dag_id, dag_run_id))).json()
    return await _wait(airflow, client, run, timeout_seconds)


def _check_conf(dag_id: str, params: dict[str, Any], conf: dict[str, Any]) -> None:
    """Check a conf against the Dag's params, as Airflow would when the run starts.

    :raises ToolError: ``invalid_argument`` that names each param at fault.
    """
    faults = []
    for name, param in params.items():
        schema = param.get("schema") or {}
        value = conf.get(name, param.get("value"))
        if name not in conf and value is None and not schema:
            continue
        fault = next(Draft202012Validator(schema).iter_errors(value), None)
        if fault is not None:
            faults.append(f"{name}: {'is required' if name not in conf else fault.message}")
    if faults:
        raise ToolError(
            "invalid_argument",
            f"The conf does not fit the params of `{dag_id}`: {'; '.join(faults)}. No run was started.",
            hint="get_dag shows the params.",
            dag_id=dag_id,
        )


async def _get_job(airflow: Airflow, dag_id: str, dag_run_id: str) -> JobState:
    """Say how a run stands, for a client that holds it as a task."""
    run = (await airflow.get(path("dags/{}/dagRuns/{}", dag_id, dag_run_id))).json()
    state = run["state"]
    changed = run.get("end_date") or run.get("start_date") or run.get("queued_at")
    if state not in _FINISHED:
        return JobState("working", f"The run is {state}.", updated_at=changed)
    summary = _run(airflow, run, done=True)
    if state == "failed" and _CANCELLED in (run.get("note") or ""):
        return JobState("cancelled", "The run was cancelled.", updated_at=changed)
    failed = state == "failed"
    return JobState("completed", f"The run is {state}.", result=summary, failed=failed, updated_at=changed)


async def _cancel_job(airflow: Airflow, dag_id: str, dag_run_id: str) -> None:
    """End a run by failing it; its note tells it from one that failed by itself."""
    route = path("dags/{}/dagRuns/{}", dag_id, dag_run_id)
    run = (await airflow.get(route)).json()
    if run["state"] in _FINISHED:
        return
    note = "\n".join(filter(None, [run.get("note"), _CANCELLED]))
    await airflow.patch(route, json={"state": "failed", "note": note})


@tool(access="write", job=Job(get=_get_job, cancel=_cancel_job))
async def trigger_dag(
    airflow: Airflow,
    client: Client,
    dag_id: DagId,
    conf: Annotated[dict[str, Any] | None, Field(description="Values for the Dag's params.")] = None,
    logical_date: Time = None,
    dag_run_id: Annotated[
        str | None, Field(description="Own ID, so that a repeat starts no second run.")
    ] = None,
    note: Annotated[str | None, Field(description="Note.")] = None,
    wait_seconds: Wait = 0,
    unpause: Annotated[bool, Field(description="Unpause the Dag first if it is paused.")] = False,
) -> Run | JobStarted:
    """Start a Dag run."""
    dag = (await airflow.get(path("dags/{}/details", dag_id))).json()
    _check_conf(dag_id, dag.get("params") or {}, conf or {})
    if dag.get("is_paused"):
        if not unpause:
            raise ToolError(
                "conflict",
                f"`{dag_id}` is paused: the run would wait until it is unpaused. No run was started.",
                hint="Call again with unpause=true if the Dag may be unpaused.",
                dag_id=dag_id,
            )
        await airflow.patch(path("dags/{}", dag_id), json={"is_paused": False})
    body: dict[str, Any] = {"logical_date": logical_date, "conf": conf or {}}
    if dag_run_id is not None:
        path("{}", dag_run_id)
        body["dag_run_id"] = dag_run_id
    if note is not None:
        body["note"] = note
    try:
        run = (await airflow.post(path("dags/{}/dagRuns", dag_id), json=body)).json()
    except ToolError as refused:
        if refused.code != "conflict":
            raise
        which = f"the ID `{dag_run_id}`" if dag_run_id else f"the logical date {logical_date}"
        raise ToolError(
            "conflict",
            f"`{dag_id}` already has a run with {which}. No second run was started.",
            hint="get_dag_run shows it; choose another ID or date for a new run.",
            dag_id=dag_id,
            dag_run_id=dag_run_id,
        ) from None
    started = await _wait(airflow, client, run, wait_seconds)
    if client.takes_jobs and not started.done:
        reference = {"dag_id": dag_id, "dag_run_id": run["dag_run_id"]}
        return JobStarted(reference, f"The run {run['dag_run_id']} is {started.state}.")
    return started


@hookimpl
def register_toolsets() -> list[Toolset]:
    return [
        Toolset(
            "runs", "Read and start Dag runs.", [list_dag_runs, get_dag_run, wait_for_dag_run, trigger_dag]
        )
    ]
