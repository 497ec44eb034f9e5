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
"""The tool of a Dag: it starts a run with the arguments as conf, and waits for its result."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable
from datetime import datetime, timezone

from airflow_provider_mcp.sdk import (
    Airflow,
    Client,
    Conflict,
    InvalidArgument,
    Job,
    JobStarted,
    JobState,
    JSONObject,
    NotFound,
    holds_mask,
    path,
    tool,
)
from airflow_provider_mcp.tools.dag_tools.listing import DagTool, is_destructive, read_tags
from airflow_provider_mcp.tools.dag_tools.results import DagToolResult, build_result
from airflow_provider_mcp.tools.dag_tools.schemas import KEY, MOST_WAIT, OWN_ARGUMENTS, WAIT
from airflow_provider_mcp.tools.runs.conf import check_conf
from airflow_provider_mcp.tools.runs.jobs import cancel_run, look_after, preview_cancel
from airflow_provider_mcp.tools.runs.reading import MOST_SECONDS, wait_for_end
from airflow_provider_mcp.tools.runs.results import show_end
from airflow_provider_mcp.tools.runs.trigger import start_run
from airflow_provider_mcp.tools.shared.reads import count_states

_UNFINISHED = frozenset(
    [
        *("no_status", "running", "queued", "scheduled", "deferred", "up_for_retry", "up_for_reschedule"),
        *("restarting", "awaiting_input", "other"),
    ]
)
"""The states of task instances that are not over."""


def make_tool(dag: DagTool) -> Callable[..., object]:
    """Return the function that is a Dag's tool."""

    async def preview(airflow: Airflow, arguments: JSONObject) -> JSONObject:
        conf = _take_conf(arguments)
        await _check(airflow, dag, conf)
        return {"starts": f"a run of the Dag {dag.dag_id}", "conf": airflow.redact(conf)}

    @tool(
        access="destructive" if dag.is_destructive else "write",
        name=dag.name,
        title=dag.title,
        description=dag.description,
        input_schema=dag.input_schema,
        preview=preview,
        job=_JOB,
        open_world=True,
    )
    async def run_dag(airflow: Airflow, client: Client, arguments: JSONObject) -> DagToolResult | JobStarted:
        return await _run(airflow, client, dag, arguments)

    return run_dag


async def _run(
    airflow: Airflow, client: Client, dag: DagTool, arguments: JSONObject
) -> DagToolResult | JobStarted:
    began = time.monotonic()
    key, conf = arguments.get(KEY), _take_conf(arguments)
    await _check(airflow, dag, conf)
    run = await _start(airflow, dag.dag_id, conf, key)
    seconds = max(0, arguments.get(WAIT, 0 if client.takes_jobs else MOST_WAIT))
    tell = _Progress(airflow, client)
    waited = await wait_for_end(airflow, client, run, seconds, tell=tell, result_task=dag.result_task)
    if client.takes_jobs and not waited.done:
        reference = {"dag_id": dag.dag_id, "dag_run_id": waited.dag_run_id, "result_task": dag.result_task}
        return JobStarted(reference, f"The run {waited.dag_run_id} is {waited.state}.")
    return await build_result(airflow, waited, MOST_SECONDS - (time.monotonic() - began))


def _take_conf(arguments: JSONObject) -> JSONObject:
    return {name: value for name, value in arguments.items() if name not in OWN_ARGUMENTS}


async def _check(airflow: Airflow, dag: DagTool, conf: JSONObject) -> None:
    """Refuse a call that must not start a run.

    :raises ToolError: The conf does not fit the params as they are now, or the Dag is not what was listed.
    """
    row = (await airflow.get(path("dags/{}/details", dag.dag_id))).json()
    tag = airflow.site.dag_tool_tag
    if tag not in read_tags(row):
        raise NotFound(
            f"`{dag.dag_id}` no longer has the tag `{tag}`, so it is no tool. No run was started.",
            hint="List the tools again.",
            dag_id=dag.dag_id,
        )
    if is_destructive(row, tag) != dag.is_destructive:
        raise Conflict(
            f"Whether `{dag.dag_id}` needs a confirmation has changed. No run was started.",
            hint="List the tools again in 15 seconds.",
            retryable=True,
            dag_id=dag.dag_id,
        )
    masked = [name for name, value in conf.items() if holds_mask(value)]
    if masked:
        raise InvalidArgument(
            f"{', '.join(masked)} of `{dag.dag_id}` would be the mask of a secret. No run was started.",
            hint="Leave it out for its default, or give the value itself.",
            dag_id=dag.dag_id,
        )
    check_conf(dag.dag_id, row.get("params") or {}, conf)
    if row.get("is_paused"):
        raise Conflict(
            f"`{dag.dag_id}` is paused: the run would wait until it is unpaused. No run was started.",
            hint="unpause_dag unpauses it, if it may be.",
            dag_id=dag.dag_id,
        )


async def _start(airflow: Airflow, dag_id: str, conf: JSONObject, key: str | None) -> JSONObject:
    """Start a run, or return the one that a call with the same key has started."""
    run_id = _name_run(airflow, dag_id, key)
    try:
        return await start_run(airflow, dag_id, {"logical_date": None, "conf": conf, "dag_run_id": run_id})
    except Conflict:
        if not key:
            raise
    run: JSONObject = (await airflow.get(path("dags/{}/dagRuns/{}", dag_id, run_id))).json()
    if airflow.redact(run.get("conf") or {}) != airflow.redact(conf):
        raise Conflict(
            f"A run of `{dag_id}` was started with this {KEY} and other arguments. No run was started now.",
            hint=f"Give another {KEY} for another run.",
            dag_id=dag_id,
            dag_run_id=run_id,
        )
    return run


def _name_run(airflow: Airflow, dag_id: str, key: str | None) -> str:
    """Return the ID of the run of one call; calls of one user with the same key have the same."""
    if not key:
        now = datetime.now(timezone.utc)
        return f"mcp__{now:%Y-%m-%dT%H:%M:%S}_{secrets.token_hex(4)}"
    digest = hashlib.sha256("\0".join([airflow.caller.id, dag_id, key]).encode())
    return f"mcp__{digest.hexdigest()[:32]}"


class _Progress:
    """Reports how many tasks of a run are over, to a client that asked for it."""

    def __init__(self, airflow: Airflow, client: Client) -> None:
        self._airflow = airflow
        self._client = client
        self._last = -1

    async def __call__(self, run: JSONObject, waited: float) -> None:  # noqa: ARG002
        if self._client.notify is None or self._client.progress_token is None:
            return
        counts, _ = await count_states(self._airflow, run["dag_id"], run["dag_run_id"])
        total = sum(counts.values())
        over = total - sum(count for state, count in counts.items() if state in _UNFINISHED)
        if over > self._last:
            # Each report must be of more than the one before it.
            self._last = over
            text = f"{run['dag_run_id']} is {run['state']}: {over} of {total} tasks are over."
            await self._client.progress(over, total, text)


async def _get_job(airflow: Airflow, dag_id: str, dag_run_id: str, result_task: str | None) -> JobState:
    """Say how a run stands, for a client that has it as a task."""

    async def show(run: JSONObject) -> DagToolResult:
        return await build_result(airflow, await show_end(airflow, run, result_task=result_task))

    return await look_after(airflow, dag_id, dag_run_id, show)


_JOB = Job(get=_get_job, cancel=cancel_run, cancel_access="destructive", cancel_preview=preview_cancel)
