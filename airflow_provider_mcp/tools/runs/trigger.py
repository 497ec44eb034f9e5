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
"""The tool that starts a Dag run."""

from __future__ import annotations

import functools
from typing import Annotated

from pydantic import Field

from airflow_provider_mcp.sdk import (
    Airflow,
    Client,
    Conflict,
    InvalidArgument,
    Job,
    JobStarted,
    JobState,
    JSONObject,
    Time,
    ToolError,
    path,
    tool,
)
from airflow_provider_mcp.tools.runs.conf import check_conf
from airflow_provider_mcp.tools.runs.jobs import cancel_run, look_after, preview_cancel
from airflow_provider_mcp.tools.runs.reading import wait_for_end
from airflow_provider_mcp.tools.runs.results import WaitedRun, show_end
from airflow_provider_mcp.tools.shared.arguments import DagId, Wait
from airflow_provider_mcp.tools.shared.latest import read_latest


async def _get_job(airflow: Airflow, dag_id: str, dag_run_id: str) -> JobState:
    """Say how a run stands, for a client that has it as a task."""
    return await look_after(airflow, dag_id, dag_run_id, functools.partial(show_end, airflow))


_JOB = Job(get=_get_job, cancel=cancel_run, cancel_access="destructive", cancel_preview=preview_cancel)


@tool(access="write", job=_JOB, open_world=True, search_hint="run the pipeline with these parameters now")
async def trigger_dag(
    airflow: Airflow,
    client: Client,
    dag_id: DagId,
    conf: Annotated[JSONObject | None, Field(description="Values for the Dag's params.")] = None,
    logical_date: Time | None = None,
    dag_run_id: Annotated[
        str | None, Field(description="Own ID, so that a repeat starts no second run.")
    ] = None,
    note: Annotated[str | None, Field(description="Note.")] = None,
    wait_seconds: Wait = 0,
    unpause: Annotated[bool, Field(description="Unpause the Dag if it is paused.")] = False,
) -> WaitedRun | JobStarted:
    """Start a Dag run: trigger, launch, execute or kick off a pipeline or job now, with conf or params."""
    body: JSONObject = {"logical_date": logical_date, "conf": conf or {}}
    if dag_run_id is not None:
        body["dag_run_id"] = _check_run_id(dag_id, dag_run_id)
    if note is not None:
        body["note"] = note
    dag = (await airflow.get(path("dags/{}/details", dag_id))).json()
    remark = check_conf(dag_id, dag.get("params") or {}, conf or {})
    if dag.get("is_paused") and not unpause:
        raise Conflict(
            f"`{dag_id}` is paused: the run would wait until it is unpaused. No run was started.",
            hint="Call again with unpause=true if the Dag may be unpaused.",
            dag_id=dag_id,
        )
    run = await start_run(airflow, dag_id, body)
    if dag.get("is_paused"):
        # Only now: a Dag whose run was refused stays as it was.
        await _unpause(airflow, dag_id, run["dag_run_id"])
    started = await wait_for_end(airflow, client, run, wait_seconds)
    if client.takes_jobs and not started.done:
        reference = {"dag_id": dag_id, "dag_run_id": run["dag_run_id"]}
        return JobStarted(reference, f"The run {run['dag_run_id']} is {started.state}.")
    started.hint = " ".join(filter(None, (remark, started.hint))) or None
    return started


def _check_run_id(dag_id: str, dag_run_id: str) -> str:
    if read_latest(dag_run_id) is not None:
        raise InvalidArgument(
            f"A new run cannot have the ID `{dag_run_id}`, which means a run that is there. "
            "No run was started.",
            hint="Give another ID, or none.",
            dag_id=dag_id,
        )
    path("{}", dag_run_id)
    return dag_run_id


async def start_run(airflow: Airflow, dag_id: str, body: JSONObject) -> JSONObject:
    """Start a run, and return it.

    :raises Conflict: There is a run with this ID or logical date.
    """
    try:
        run: JSONObject = (await airflow.post(path("dags/{}/dagRuns", dag_id), json=body)).json()
    except Conflict:
        run_id = body.get("dag_run_id")
        which = f"the ID `{run_id}`" if run_id else f"the logical date {body['logical_date']}"
        raise Conflict(
            f"`{dag_id}` already has a run with {which}. No second run was started.",
            hint="get_dag_run shows it; choose another ID or date for a new run.",
            dag_id=dag_id,
            dag_run_id=run_id,
        ) from None
    return run


async def _unpause(airflow: Airflow, dag_id: str, dag_run_id: str) -> None:
    try:
        await airflow.patch(path("dags/{}", dag_id), json={"is_paused": False})
    except ToolError as refused:
        raise type(refused)(
            f"The run `{dag_run_id}` was started, but `{dag_id}` could not be unpaused "
            f"({refused.message}): the run waits.",
            hint=refused.hint or "Unpause the Dag, or delete the run with delete_dag_run.",
            dag_id=dag_id,
            dag_run_id=dag_run_id,
        ) from None
