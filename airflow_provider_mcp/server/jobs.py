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
"""MCP's extension for tasks. (Here a task is a job: a task is one of Airflow's.)"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import datetime, timezone

import mcp_types as types
from mcp.shared.exceptions import MCPError

from airflow_provider_mcp.sdk.errors import ConfirmationRequired, PermissionDenied
from airflow_provider_mcp.sdk.jobs import Job, JobStarted
from airflow_provider_mcp.sdk.json_types import JSON, JSONObject
from airflow_provider_mcp.sdk.tool import Tool
from airflow_provider_mcp.server.approval import Act, approve_act
from airflow_provider_mcp.server.extensions import Extension, Method
from airflow_provider_mcp.server.failures import protocol_errors
from airflow_provider_mcp.server.foreign_text import Cleaner
from airflow_provider_mcp.server.request import Context, Request
from airflow_provider_mcp.server.running import end_in_time, run_owned
from airflow_provider_mcp.server.shaping import shape
from airflow_provider_mcp.server.signing import JobId, JobIds
from airflow_provider_mcp.server.wire import brief, build_requests, build_result, dump

UNKNOWN_TASK = "Unknown task."

TOKEN_KEY = "org.apache.airflow/confirmation_token"  # noqa: S105
"""Where ``_meta`` of ``tasks/cancel`` has the token of a confirmation."""


class TaskParams(types.RequestParams):
    """The parameters of ``tasks/get`` and ``tasks/cancel``."""

    task_id: str


class TaskUpdateParams(TaskParams):
    """The parameters of ``tasks/update``."""

    input_responses: JSONObject


def start_job(tool: Tool, started: JobStarted, request: Request) -> JSONObject:
    """Return the result of a call whose work goes on as a job."""
    assert tool.job is not None, f"{tool.name} started a job but declares none"  # noqa: S101
    job_id = JobId(tool.name, started.reference, int(time.time()))
    identifier = _job_ids(request).make(job_id, request.caller.id)
    described = _describe_job(identifier, job_id, tool.job, "working", started.message)
    return {"resultType": "task", **described}


async def get_job(ctx: Context, params: TaskParams) -> JSONObject:
    """Answer ``tasks/get``."""
    request = Request.of(ctx)
    tool, job, job_id = await _find_job(request, params)
    with protocol_errors(tool.name, tool.owner, taskId=params.task_id):
        looking = run_owned(tool.owner, job.get, job_id.reference, request.reads(), request.client)
        state = await end_in_time(looking, f"the task of the MCP tool {tool.name} of {tool.owner}")
    more: JSONObject = {}
    if state.status == "completed":
        more["result"] = await build_result(state.result, request.policy, tool.owner, is_error=state.failed)
    elif state.status == "failed":
        broke_off = Cleaner.for_owner(request.policy, tool.owner).clean_text(
            state.error or "The work broke off."
        )
        more["error"] = {"code": types.INTERNAL_ERROR, "message": broke_off}
    elif state.status == "input_required":
        requests = build_requests(state.questions)
        more["inputRequests"] = {name: dump(question) for name, question in requests.items()}
    described = _describe_job(params.task_id, job_id, job, state.status, state.message, state.updated_at)
    return {"resultType": "complete", **described, **more}


async def answer_job(ctx: Context, params: TaskUpdateParams) -> JSONObject:
    """Answer ``tasks/update``."""
    request = Request.of(ctx)
    tool, job, job_id = await _find_job(request, params)
    if job.answer is not None:
        answered = {**job_id.reference, "answers": params.input_responses}
        await _change_job(tool, job.answer, answered, request, params)
    return {"resultType": "complete"}


async def cancel_job(ctx: Context, params: TaskParams) -> JSONObject:
    """Answer ``tasks/cancel``."""
    request = Request.of(ctx)
    tool, job, job_id = await _find_job(request, params)
    with protocol_errors(tool.name, tool.owner, taskId=params.task_id):
        confirming = _confirm_cancel(tool, job, job_id, ctx, params)
        await end_in_time(confirming, f"the task of the MCP tool {tool.name} of {tool.owner}")
    await _change_job(tool, job.cancel, job_id.reference, request, params)
    return {"resultType": "complete"}


async def _confirm_cancel(tool: Tool, job: Job, job_id: JobId, ctx: Context, params: TaskParams) -> None:
    """Ask for the confirmation that cancelling needs, in two steps: the protocol has no form here.

    :raises ConfirmationRequired: It is not confirmed; the error has the preview and the token.
    """
    request = Request.of(ctx)
    if not request.may_write or not request.policy.needs_confirmation(job.cancel_access or tool.access):
        return
    preview: JSONObject = {"cancels": tool.name, **job_id.reference}
    if job.cancel_preview is not None:
        facts = await run_owned(tool.owner, job.cancel_preview, job_id.reference, request.reads())
        if facts is None:
            return
        preview = dict(facts)
    bound = {key: value for key, value in preview.items() if key != "now"}
    call = (request.caller.id, ctx.method, {"taskId": params.task_id}, bound)
    token = (ctx.meta or {}).get(TOKEN_KEY)
    if request.policy.confirm_by == "person":
        title = f"Cancel the task of {tool.title}"
        act = Act(tool, ctx.method, title, {"taskId": params.task_id}, preview, bound)
        try:
            await approve_act(act, token, request, sends_link=False, was_sent=False)
        except ConfirmationRequired as refusal:
            # An error of the protocol has no room beside its data.
            refusal.identifiers |= refusal.details
            raise
        return
    if token is not None:
        request.confirmations.check(str(token), *call)
        return
    fitted = (await shape(preview, request.policy.max_result_chars // 2)).data
    raise ConfirmationRequired(
        f"{tool.name} goes on: cancelling it waits for a confirmation. Nothing was changed.",
        hint=f"Show the preview to the user; to go on, repeat {ctx.method} with {TOKEN_KEY} in _meta.",
        preview=fitted,
        confirmation_token=request.confirmations.issue(*call),
    )


TASKS = Extension(
    "io.modelcontextprotocol/tasks",
    (
        Method("tasks/get", TaskParams, get_job, named_by="taskId"),
        Method("tasks/update", TaskUpdateParams, answer_job, named_by="taskId"),
        Method("tasks/cancel", TaskParams, cancel_job, named_by="taskId"),
    ),
)


def _job_ids(request: Request) -> JobIds:
    return JobIds(request.confirmations.derive_key("job"))


async def _find_job(request: Request, params: TaskParams) -> tuple[Tool, Job, JobId]:
    """Return the job that a request is about, if the caller may have started it.

    :raises MCPError: There is no such task for this caller.
    """
    job_id = _job_ids(request).read(params.task_id, request.caller.id)
    tool = await request.find(job_id.tool) if job_id else None
    if job_id is not None and tool is not None and tool.job is not None:
        try:
            await request.check(tool)
            return tool, tool.job, job_id
        except PermissionDenied:
            pass
    raise MCPError(types.INVALID_PARAMS, UNKNOWN_TASK, data={"taskId": brief(params.task_id)})


async def _change_job(
    tool: Tool,
    change: Callable[..., object],
    arguments: Mapping[str, JSON],
    request: Request,
    params: TaskParams,
) -> None:
    with protocol_errors(tool.name, tool.owner, taskId=params.task_id):
        if tool.access != "read" and not request.may_write:
            raise request.forbid_writing(tool)
        changing = run_owned(tool.owner, change, arguments, request.airflow(tool), request.client)
        await end_in_time(changing, f"the task of the MCP tool {tool.name} of {tool.owner}")


def _describe_job(
    identifier: str, job_id: JobId, job: Job, status: str, message: str | None, updated_at: str | None = None
) -> JSONObject:
    described: JSONObject = {
        "taskId": identifier,
        "status": status,
        "createdAt": job_id.created_at,
        "lastUpdatedAt": updated_at or datetime.now(timezone.utc).isoformat(timespec="seconds"),
        # Kept as long as the thing it refers to.
        "ttlMs": None,
        "pollIntervalMs": int(job.poll_seconds * 1000),
    }
    return {**described, "statusMessage": message} if message else described
