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
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

import anyio
from jsonschema import Draft202012Validator, FormatChecker
from pydantic import Field

from airflow_provider_mcp.sdk import (
    Airflow,
    Client,
    Conflict,
    Cursor,
    InvalidArgument,
    Job,
    JobStarted,
    JobState,
    Limit,
    NotFound,
    Page,
    Result,
    ToolError,
    Toolset,
    fetch_page,
    hookimpl,
    path,
    tool,
)
from airflow_provider_mcp.tools.shared.arguments import (
    DagId,
    RunId,
    RunState,
    RunType,
    Time,
    Wait,
    page_template,
    present,
    seconds_only,
)
from airflow_provider_mcp.tools.shared.icons import RUNS_ICON
from airflow_provider_mcp.tools.shared.previews import as_of, instances_by_state
from airflow_provider_mcp.tools.shared.reads import count_states

_FINISHED = frozenset({"success", "failed"})
_CANCELLED = "Cancelled by the MCP client that started it."
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


class Runs(Page):
    items_field: ClassVar[str] = "dag_runs"
    dag_runs: list[dict[str, Any]]
    ui_url: str


class Run(Result, extra="allow"):
    """A Dag run: beside these, its times, type, note, conf and whoever started it."""

    dag_id: str
    dag_run_id: str
    state: str
    ui_url: str


class WaitedRun(Run):
    done: bool


class CountedRun(Run):
    task_counts: dict[str, int]
    asset_events: list[dict[str, Any]] | None = None


def _row(run: dict[str, Any]) -> dict[str, Any]:
    return present(run, *_SHOWN)


def _whole(airflow: Airflow, run: dict[str, Any]) -> dict[str, Any]:
    shown = _row(run)
    who = run.get("triggering_user_name") or run.get("triggered_by")
    more = {"duration": run.get("duration"), "conf": airflow.redact(run.get("conf")), "triggered_by": who}
    shown |= {key: value for key, value in more.items() if value}
    return {**shown, "ui_url": airflow.page_url(run["dag_id"], run["dag_run_id"])}


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
    template = page_template(airflow, "run")
    return Runs.of([_row(row) for row in rows], total=total, offset=offset, ui_url=template)


@tool(access="read")
async def get_dag_run(
    airflow: Airflow,
    dag_id: DagId,
    dag_run_id: Annotated[str, Field(description="Dag run ID or latest.")] = "latest",
) -> CountedRun:
    """Get a Dag run with its task instances counted by state and the asset events that triggered it."""
    if dag_run_id == "latest":
        query: dict[str, Any] = {"order_by": "-run_after", "limit": 1}
        runs = (await airflow.get(path("dags/{}/dagRuns", dag_id), params=query)).json()["dag_runs"]
        if not runs:
            raise NotFound(f"`{dag_id}` has no runs yet.", hint="Start one with trigger_dag.", dag_id=dag_id)
        run = runs[0]
    else:
        run = (await airflow.get(path("dags/{}/dagRuns/{}", dag_id, dag_run_id))).json()
    events = None
    if run.get("run_type") in {"asset_triggered", "dataset_triggered"}:
        route = path("dags/{}/dagRuns/{}/upstreamAssetEvents", dag_id, run["dag_run_id"])
        events = [
            present(event, "uri", "name", "timestamp", "source_dag_id", "source_run_id")
            for event in (await airflow.get(route)).json()["asset_events"]
        ]
    counts = (await count_states(airflow, dag_id, run["dag_run_id"]))[0]
    return CountedRun(**_whole(airflow, run), task_counts=counts, asset_events=events)


async def _wait(airflow: Airflow, client: Client, run: dict[str, Any], seconds: int) -> WaitedRun:
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
    return WaitedRun(**_whole(airflow, run), done=done, hint=hint)


@tool(access="read")
async def wait_for_dag_run(
    airflow: Airflow, client: Client, dag_id: DagId, dag_run_id: RunId, timeout_seconds: Wait = 30
) -> WaitedRun:
    """Wait for a Dag run to end; if it has not, call again."""
    run = (await airflow.get(path("dags/{}/dagRuns/{}", dag_id, dag_run_id))).json()
    return await _wait(airflow, client, run, timeout_seconds)


def _check_conf(dag_id: str, params: dict[str, Any], conf: dict[str, Any]) -> str | None:
    """Check a conf against the Dag's params, as Airflow would when the run starts.

    :return: What the caller should know of a conf that is right.
    :raises ToolError: ``invalid_argument`` that names each param at fault.
    """
    faults = []
    for name, param in params.items():
        schema = param.get("schema") or {}
        value = conf.get(name, param.get("value"))
        if name not in conf and value is None and not schema:
            continue
        checker = Draft202012Validator(schema, format_checker=FormatChecker())
        fault = next((f for f in checker.iter_errors(value) if not _is_old_date(f, value)), None)
        if fault is not None:
            faults.append(f"{name}: {'is required' if name not in conf else fault.message}")
    if faults:
        raise InvalidArgument(
            f"The conf does not fit the params of `{dag_id}`: {'; '.join(faults)}. No run was started.",
            hint="get_dag shows the params.",
            dag_id=dag_id,
        )
    unknown = [name for name in conf if name not in params]
    if params and unknown:
        return (
            f"`{dag_id}` has no param {', '.join(f'`{name}`' for name in unknown)}; the conf has it anyway."
        )
    return None


def _is_old_date(fault: Any, value: Any) -> bool:
    """Say whether the fault is a date that Airflow 2 still takes though it does not fit RFC 3339."""
    if fault.validator != "format" or fault.validator_value != "date-time" or not isinstance(value, str):
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


async def _get_job(airflow: Airflow, dag_id: str, dag_run_id: str) -> JobState:
    """Say how a run stands, for a client that holds it as a task."""
    run = (await airflow.get(path("dags/{}/dagRuns/{}", dag_id, dag_run_id))).json()
    state = run["state"]
    changed = run.get("end_date") or run.get("start_date") or run.get("queued_at")
    if state not in _FINISHED:
        return JobState("working", f"The run is {state}.", updated_at=changed)
    summary = WaitedRun(**_whole(airflow, run), done=True)
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
    unpause: Annotated[bool, Field(description="Unpause the Dag if it is paused.")] = False,
) -> WaitedRun | JobStarted:
    """Start a Dag run."""
    dag = (await airflow.get(path("dags/{}/details", dag_id))).json()
    known = _check_conf(dag_id, dag.get("params") or {}, conf or {})
    if dag.get("is_paused") and not unpause:
        raise Conflict(
            f"`{dag_id}` is paused: the run would wait until it is unpaused. No run was started.",
            hint="Call again with unpause=true if the Dag may be unpaused.",
            dag_id=dag_id,
        )
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
        raise Conflict(
            f"`{dag_id}` already has a run with {which}. No second run was started.",
            hint="get_dag_run shows it; choose another ID or date for a new run.",
            dag_id=dag_id,
            dag_run_id=dag_run_id,
        ) from None
    if dag.get("is_paused"):
        # Only now: a Dag whose run was refused stays as it was.
        try:
            await airflow.patch(path("dags/{}", dag_id), json={"is_paused": False})
        except ToolError as refused:
            raise type(refused)(
                f"The run `{run['dag_run_id']}` was started, but `{dag_id}` could not be unpaused "
                f"({refused.message}): the run waits.",
                hint=refused.hint or "Unpause the Dag, or delete the run with delete_dag_run.",
                dag_id=dag_id,
                dag_run_id=run["dag_run_id"],
            ) from None
    started = await _wait(airflow, client, run, wait_seconds)
    if client.takes_jobs and not started.done:
        reference = {"dag_id": dag_id, "dag_run_id": run["dag_run_id"]}
        return JobStarted(reference, f"The run {run['dag_run_id']} is {started.state}.")
    started.hint = " ".join(said for said in (known, started.hint) if said) or None
    return started


@tool(access="write", idempotent=True)
async def set_dag_run_note(
    airflow: Airflow,
    dag_id: DagId,
    dag_run_id: RunId,
    note: Annotated[str, Field(max_length=1000, description="Note; empty to remove it.")],
) -> Run:
    """Set a Dag run's note."""
    route = path("dags/{}/dagRuns/{}", dag_id, dag_run_id)
    return Run(**_whole(airflow, (await airflow.patch(route, json={"note": note})).json()))


def _known_run(run: dict[str, Any]) -> dict[str, Any]:
    """Return what tells a run, as it is now, from what it was before or will be after."""
    names = (
        "dag_id",
        "dag_run_id",
        "state",
        "run_type",
        "logical_date",
        "queued_at",
        "start_date",
        "end_date",
    )
    shown = {name: run.get(name) for name in names}
    return {
        name: seconds_only(value) if name == "logical_date" else value
        for name, value in shown.items()
        if value is not None
    }


async def _preview_clear_dag_run(
    airflow: Airflow, dag_id: str, dag_run_id: str, only_failed: bool
) -> dict[str, Any]:
    route = path("dags/{}/dagRuns/{}", dag_id, dag_run_id)
    run = (await airflow.get(route)).json()
    body = {"dry_run": True, "only_failed": only_failed}
    rows = (await airflow.post(f"{route}/clear", json=body)).json()["task_instances"]
    if not rows:
        raise Conflict(
            f"`{dag_run_id}` of `{dag_id}` has no {'failed ' if only_failed else ''}task instances to clear.",
            hint="get_dag_run counts them by state.",
            dag_id=dag_id,
            dag_run_id=dag_run_id,
        )
    return {
        "clears": len(rows),
        "task_instances": instances_by_state(rows),
        "run": _known_run(run),
        "as_of": as_of(rows),
    }


@tool(access="destructive", preview=_preview_clear_dag_run)
async def clear_dag_run(
    airflow: Airflow,
    dag_id: DagId,
    dag_run_id: RunId,
    only_failed: Annotated[bool, Field(description="Only failed task instances.")] = False,
) -> Run:
    """Clear a Dag run's task instances, so that they run again."""
    route = path("dags/{}/dagRuns/{}", dag_id, dag_run_id)
    await airflow.post(f"{route}/clear", json={"dry_run": False, "only_failed": only_failed})
    return Run(**_whole(airflow, (await airflow.get(route)).json()))


NewRunState = Annotated[Literal["queued", "success", "failed"], Field(description="New state.")]


async def _preview_set_dag_run_state(
    airflow: Airflow, dag_id: str, dag_run_id: str, state: str
) -> dict[str, Any]:
    run = (await airflow.get(path("dags/{}/dagRuns/{}", dag_id, dag_run_id))).json()
    if run["state"] == state:
        raise Conflict(
            f"`{dag_run_id}` of `{dag_id}` is already {state}.",
            dag_id=dag_id,
            dag_run_id=dag_run_id,
        )
    then = {
        "success": "what still runs is stopped; Airflow 3 sets it to success and what has not started to "
        "skipped, Airflow 2 sets every task instance to success",
        "failed": "what still runs is stopped and set to failed, what has not started to skipped",
        "queued": "the scheduler takes the run up again; its task instances stay as they are",
    }
    return {
        "sets": state,
        "run": _known_run(run),
        "then": then[state],
        "now": {"task_counts": (await count_states(airflow, dag_id, dag_run_id))[0]},
    }


@tool(access="destructive", preview=_preview_set_dag_run_state)
async def set_dag_run_state(airflow: Airflow, dag_id: DagId, dag_run_id: RunId, state: NewRunState) -> Run:
    """Set a Dag run's state; success and failed stop its tasks."""
    route = path("dags/{}/dagRuns/{}", dag_id, dag_run_id)
    return Run(**_whole(airflow, (await airflow.patch(route, json={"state": state})).json()))


class DeletedRun(Result):
    dag_id: str
    dag_run_id: str
    deleted: bool = True


async def _preview_delete_dag_run(airflow: Airflow, dag_id: str, dag_run_id: str) -> dict[str, Any]:
    run = (await airflow.get(path("dags/{}/dagRuns/{}", dag_id, dag_run_id))).json()
    if run["state"] == "running":
        raise Conflict(
            f"`{dag_run_id}` of `{dag_id}` is running.",
            hint="End it with set_dag_run_state first.",
            dag_id=dag_id,
            dag_run_id=dag_run_id,
        )
    return {
        "deletes": "the run with its task instances, XComs and notes",
        "run": _known_run(run),
        "task_counts": (await count_states(airflow, dag_id, dag_run_id))[0],
    }


@tool(access="destructive", preview=_preview_delete_dag_run)
async def delete_dag_run(airflow: Airflow, dag_id: DagId, dag_run_id: RunId) -> DeletedRun:
    """Delete a Dag run that is not running, and its history."""
    await airflow.delete(path("dags/{}/dagRuns/{}", dag_id, dag_run_id))
    return DeletedRun(dag_id=dag_id, dag_run_id=dag_run_id)


@hookimpl
def register_toolsets() -> list[Toolset]:
    return [
        Toolset(
            "runs",
            "Read, start, change and delete Dag runs.",
            [
                list_dag_runs,
                get_dag_run,
                wait_for_dag_run,
                trigger_dag,
                set_dag_run_note,
                clear_dag_run,
                set_dag_run_state,
                delete_dag_run,
            ],
            icon=RUNS_ICON,
        )
    ]
