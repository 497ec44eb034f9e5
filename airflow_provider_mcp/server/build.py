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
"""The MCP server: what the catalogue offers, under the policy, to the caller of each request."""

from __future__ import annotations

import base64
import json
import logging
import re
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

import anyio
import httpx
import mcp_types as types
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
from mcp.shared.exceptions import MCPDeprecationWarning, MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from airflow_provider_mcp import __version__
from airflow_provider_mcp.sdk.airflow import serving
from airflow_provider_mcp.sdk.client import AnswersNeeded, Form
from airflow_provider_mcp.sdk.errors import (
    ConfirmationRequired,
    InternalError,
    PermissionDenied,
    ReadOnly,
    ToolError,
    Unavailable,
)
from airflow_provider_mcp.sdk.guards import path
from airflow_provider_mcp.sdk.jobs import Job, JobStarted
from airflow_provider_mcp.sdk.tool import Resource, Tool, ToolCall, run_function
from airflow_provider_mcp.server.calls import (
    _CONFIRM_FORM,
    TOKEN_ARGUMENT,
    TOOL_SECONDS,
    TOOLSETS_KEY,
    _failed,
    _Memory,
    describe_tool,
)
from airflow_provider_mcp.server.catalogue import Catalogue
from airflow_provider_mcp.server.extensions import TASKS_EXTENSION, AirflowServer, _tasks_needed
from airflow_provider_mcp.server.identifiers import MAX_COMPLETIONS, suggest_close_matches
from airflow_provider_mcp.server.jobs import (
    UNKNOWN_TASK,
    TaskParams,
    TaskUpdateParams,
    _as_protocol_errors,
    _describe_job,
)
from airflow_provider_mcp.server.request import Request
from airflow_provider_mcp.server.resources import _uri_pattern
from airflow_provider_mcp.server.shaping import shape_result
from airflow_provider_mcp.server.signing import Confirmations, JobId, JobIds
from airflow_provider_mcp.server.wire import (
    _dump,
    cut,
    messages_of,
    requests_of,
    resource_of,
    result_of,
)

log = logging.getLogger(__name__)

_DRAWING = (
    b"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 8 8'>"
    b"<path d='M1 4h3l2-2m-2 2 2 2' fill='none' stroke='#0a84c1'/></svg>"
)

ICON = f"data:image/svg+xml;base64,{base64.b64encode(_DRAWING).decode()}"
"""A pipeline that forks. Each answer of 2026-07-28 carries it, so it is small."""

INSTRUCTIONS = (
    "Apache Airflow, acting as you, under your permissions. Identifiers must be exactly as listed. "
    "Lists go on with next_cursor; what was cut says so by truncated and hint. To find why something "
    "failed, read the run, then its failed task instances, then their logs. A tool that asks for "
    "confirmation changes nothing until it is called again with confirmation_token: show the preview to the "
    "user first."
)


def build_server(catalogue: Catalogue, confirmations: Confirmations) -> AirflowServer:
    """Return the one low-level server of this process; it keeps nothing between requests."""
    offered = _Offered(catalogue, confirmations)
    with warnings.catch_warnings():
        # What 2026-07-28 deprecates is what the clients of 2025 ask for.
        warnings.simplefilter("ignore", MCPDeprecationWarning)
        server = AirflowServer(
            catalogue,
            "apache-airflow",
            version=__version__,
            title="Apache Airflow",
            instructions=INSTRUCTIONS,
            icons=[types.Icon(src=ICON, mime_type="image/svg+xml", sizes=["any"])],
            on_list_tools=offered.list_tools,
            on_call_tool=offered.call_tool,
            on_list_resources=offered.list_resources,
            on_list_resource_templates=offered.list_resource_templates,
            on_read_resource=offered.read_resource,
            on_subscribe_resource=offered.accept_subscription,
            on_unsubscribe_resource=offered.accept_subscription,
            on_list_prompts=offered.list_prompts,
            on_get_prompt=offered.get_prompt,
            on_completion=offered.complete,
            on_set_logging_level=offered.set_logging_level,
        )

    server.add_request_handler("tasks/get", TaskParams, offered.get_job)
    server.add_request_handler("tasks/update", TaskUpdateParams, offered.answer_job)
    server.add_request_handler("tasks/cancel", TaskParams, offered.cancel_job)
    sealed = RequestStateSecurity(keys=[confirmations.derive_key("request state")], bind_principal=_caller_id)
    server.middleware.append(RequestStateBoundary(sealed, default_audience=server.name))
    server.middleware.append(offered.add_toolsets)
    return server


def _caller_id(ctx: Any) -> str:
    request: Request = ctx.request
    return request.caller.id


class _Offered:
    """The handlers of the server."""

    def __init__(self, catalogue: Catalogue, confirmations: Confirmations) -> None:
        self._catalogue = catalogue
        self._confirmations = confirmations
        self._job_ids = JobIds(confirmations.derive_key("job"))

    async def list_tools(self, ctx: Any, _: Any) -> types.ListToolsResult:
        request: Request = ctx.request
        tools = [
            describe_tool(tool, confirms=request.policy.needs_confirmation(tool.access))
            for tool in await request.tools()
        ]
        return types.ListToolsResult(tools=tools)

    async def add_toolsets(self, ctx: Any, call_next: Callable[[Any], Any]) -> Any:
        """Tell the toolsets to who asks what this server is: a middleware of the SDK.

        There, and not at each tool, they cost a model nothing.
        """
        result = await call_next(ctx)
        if ctx.method not in {"initialize", "server/discover"}:
            return result
        toolsets: dict[str, dict[str, Any]] = {}
        for tool in await ctx.request.tools():
            told = toolsets.setdefault(tool.toolset, self._toolset(tool.toolset))
            told["tools"].append(tool.name)
        return {**result, "_meta": {**result.get("_meta", {}), TOOLSETS_KEY: list(toolsets.values())}}

    def _toolset(self, name: str) -> dict[str, Any]:
        told: dict[str, Any] = {"name": name, "description": self._catalogue.toolsets[name], "tools": []}
        src = self._catalogue.toolset_icons.get(name)
        if src is not None:
            mime_type = re.split("[;,]", src.removeprefix("data:"), maxsplit=1)[0]
            icon = types.Icon(src=src, mime_type=mime_type)
            told["icons"] = [icon.model_dump(by_alias=True, exclude_none=True)]
        return told

    async def call_tool(self, ctx: Any, params: types.CallToolRequestParams) -> Any:
        request: Request = ctx.request
        try:
            tool = await request.find(params.name)
        except PermissionDenied as vetoed:
            return _failed(vetoed)
        if tool is None:
            raise MCPError(types.INVALID_PARAMS, f"Unknown tool: {params.name}")
        if tool.job is not None and tool.job.required and not request.client.takes_jobs:
            raise _tasks_needed(f"{tool.name} answers with a task, which the client does not take.")
        began = time.monotonic()
        outcome = "cancelled"
        arguments = dict(params.arguments or {})
        try:
            with anyio.fail_after(TOOL_SECONDS):
                result = await self._run(tool, arguments, request, params, ctx.protocol_version)
            outcome = "ok"
        except TimeoutError:
            outcome = "unavailable"
            failure = Unavailable(
                f"{tool.name} took longer than {TOOL_SECONDS} s and was stopped.",
                hint="Ask for less at once, or try again later.",
                retryable=True,
            )
            result = _failed(failure)
        except ToolError as failure:
            outcome = failure.code
            if failure.code == "not_found":
                failure = await suggest_close_matches(request.reads(), failure, arguments)
            result = _failed(failure)
        except httpx.HTTPError as failure:
            log.warning("MCP tool %s could not reach Airflow's API: %s", tool.name, type(failure).__name__)
            outcome = "unavailable"
            result = _failed(
                Unavailable(
                    "Airflow did not answer.",
                    hint="Try again in a few seconds.",
                    retryable=True,
                )
            )
        except MCPError as failure:
            outcome = str(failure.error.code)
            raise
        except Exception:
            # The caller must not see internals; the administrator must.
            log.exception("MCP tool %s of plugin %s failed", tool.name, tool.owner)
            outcome = "internal"
            result = _failed(
                InternalError(f"{tool.name} failed.", hint="The web server's log has the cause.")
            )
        finally:
            self._catalogue.called(
                ToolCall(
                    tool.name, request.caller.name, request.client.name, outcome, time.monotonic() - began
                )
            )
        return result

    async def _run(
        self, tool: Tool, arguments: dict[str, Any], request: Request, params: Any, protocol_version: str
    ) -> Any:
        token = arguments.pop(TOKEN_ARGUMENT, None)
        checked = tool.check(arguments)
        if tool.access != "read" and not request.may_write:
            refusal = ReadOnly(
                f"{tool.name} would change something, and this MCP server is read-only.",
                hint="Nothing was changed; an administrator can lift [mcp] read_only.",
            )
            refusal.shown = {"preview": (await self._preview(tool, checked, request))[0]}
            raise refusal
        memory = _Memory.of(params)
        if request.policy.needs_confirmation(tool.access) and not memory.confirmed:
            asked = await self._confirm(tool, arguments, checked, token, request, params)
            if asked is not None:
                return asked
            memory = replace(memory, confirmed=True)
        client = replace(request.client, answers=memory.answers)
        try:
            answer = await run_function(tool.function, checked, request.airflow(tool), client)
        except AnswersNeeded as needed:
            return memory.ask(client, needed, protocol_version)
        if isinstance(answer, JobStarted):
            return self._job_started(tool, answer, request)
        return result_of(answer, request.policy.max_result_chars)

    async def _preview(
        self, tool: Tool, checked: Mapping[str, Any], request: Request
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return what a call would do, as it is shown and as a confirmation is bound to it.

        What is shown is cut to fit, what is bound is not. What is under ``now`` is shown and not bound: it
        may go on while the user decides.
        """
        airflow = request.reads()
        if tool.preview is None:
            given = {
                name: airflow.redact(value, name) for name, value in checked.items() if value is not None
            }
            shown = {"tool": tool.name, "arguments": given}
            return shown, shown
        told = await run_function(tool.preview, checked, airflow)
        whole = shape_result(told, sys.maxsize).data
        bound = {key: value for key, value in whole.items() if key != "now"}
        return shape_result(told, request.policy.max_result_chars // 2).data, bound

    async def _confirm(
        self,
        tool: Tool,
        arguments: Mapping[str, Any],
        checked: Mapping[str, Any],
        token: Any,
        request: Request,
        params: types.CallToolRequestParams,
    ) -> types.InputRequiredResult | None:
        """Return None if this call is confirmed; ask, or raise, if it is not."""
        preview, bound = await self._preview(tool, checked, request)
        answered = (params.input_responses or {}).get("confirm")
        if answered is not None and params.request_state:
            if not (
                isinstance(answered, types.ElicitResult)
                and answered.action == "accept"
                and (answered.content or {}).get("confirm") is True
            ):
                raise ConfirmationRequired(
                    f"The user did not agree to {tool.name}; nothing was changed.",
                    hint="Ask the user what to do instead.",
                )
            token = params.request_state
        if token is not None:
            self._confirmations.redeem(str(token), request.caller.id, tool.name, arguments, bound)
            return None
        token = self._confirmations.issue(request.caller.id, tool.name, arguments, bound)
        if request.client.can_answer(Form):
            form = types.ElicitRequestFormParams(
                message=f"{tool.title}: {json.dumps(preview, ensure_ascii=False, indent=1)}",
                requested_schema=_CONFIRM_FORM,
            )
            return types.InputRequiredResult(
                input_requests={"confirm": types.ElicitRequest(params=form)}, request_state=token
            )
        question = ConfirmationRequired(
            f"{tool.name} has not run yet: it waits for a confirmation. Nothing was changed.",
            hint="Show the preview to the user; to go on, repeat the call with confirmation_token added.",
        )
        question.shown = {"preview": preview, TOKEN_ARGUMENT: token}
        raise question

    async def list_resources(self, *_: Any) -> types.ListResourcesResult:
        return types.ListResourcesResult(
            resources=[
                types.Resource(
                    uri=r.uri, name=r.name, title=r.title, description=r.description, mime_type=r.mime_type
                )
                for r in self._catalogue.resources.values()
                if "{" not in r.uri
            ]
        )

    async def list_resource_templates(self, *_: Any) -> types.ListResourceTemplatesResult:
        return types.ListResourceTemplatesResult(
            resource_templates=[
                types.ResourceTemplate(
                    uri_template=r.uri,
                    name=r.name,
                    title=r.title,
                    description=r.description,
                    mime_type=r.mime_type,
                )
                for r in self._catalogue.resources.values()
                if "{" in r.uri
            ]
        )

    async def read_resource(
        self, ctx: Any, params: types.ReadResourceRequestParams
    ) -> types.ReadResourceResult:
        request: Request = ctx.request
        uri = str(params.uri)
        resource, given = self._find_resource(uri)
        airflow = request.reads()
        try:
            with serving(airflow):
                content = await resource.read(airflow, **given)
        except ToolError as failure:
            raise MCPError(
                types.INVALID_PARAMS, failure.as_text(), data={"uri": uri, **failure.as_dict()}
            ) from None
        if isinstance(content, str):
            content = cut(content, request.policy.max_result_chars)
        elif not isinstance(content, bytes):
            content = shape_result(content, request.policy.max_result_chars).text
        return types.ReadResourceResult(contents=[resource_of(uri, resource.mime_type, content)])

    def _find_resource(self, uri: str) -> tuple[Resource, dict[str, str]]:
        for resource in self._catalogue.resources.values():
            found = _uri_pattern(resource.uri).fullmatch(uri)
            if found:
                return resource, {name: unquote(value) for name, value in found.groupdict().items()}
        raise MCPError(types.INVALID_PARAMS, f"Unknown resource: {uri}", data={"uri": uri})

    async def accept_subscription(self, _: Any, params: Any) -> types.EmptyResult:
        """Accept what a client of 2025 asks for uncalled: updates, for which there is no stream."""
        self._find_resource(str(params.uri))
        return types.EmptyResult()

    async def list_prompts(self, *_: Any) -> types.ListPromptsResult:
        return types.ListPromptsResult(
            prompts=[
                types.Prompt(
                    name=p.name,
                    title=p.title,
                    description=p.description,
                    arguments=[
                        types.PromptArgument(
                            name=a.name, description=description, required=a.default is a.empty
                        )
                        for a, description in p.visible_parameters()
                    ],
                )
                for p in self._catalogue.prompts.values()
            ]
        )

    async def get_prompt(
        self, ctx: Any, params: types.GetPromptRequestParams
    ) -> types.GetPromptResult | types.InputRequiredResult:
        request: Request = ctx.request
        prompt = self._catalogue.prompts.get(params.name)
        if prompt is None:
            raise MCPError(types.INVALID_PARAMS, f"Unknown prompt: {params.name}")
        given = params.arguments or {}
        wanted = {a.name: a.default is a.empty for a, _ in prompt.visible_parameters()}
        faults = [f"{name} is required" for name, needed in wanted.items() if needed and name not in given]
        faults += [f"{name} is not an argument of it" for name in given if name not in wanted]
        if faults:
            raise MCPError(types.INVALID_PARAMS, f"The prompt {params.name}: {'; '.join(faults)}.")
        memory = _Memory.of(params)
        client = replace(request.client, answers=memory.answers)
        try:
            answer = await run_function(prompt.function, given, request.reads(), client)
        except AnswersNeeded as needed:
            return memory.ask(client, needed, ctx.protocol_version)
        except ToolError as failure:
            raise MCPError(types.INVALID_PARAMS, failure.as_text(), data=failure.as_dict()) from None
        return types.GetPromptResult(description=prompt.description, messages=messages_of(answer))

    async def set_logging_level(self, *_: Any) -> types.EmptyResult:
        """Accept a level of the 2025 protocols, which is for a session: without one, each is sent."""
        return types.EmptyResult()

    def _job_started(self, tool: Tool, started: JobStarted, request: Request) -> dict[str, Any]:
        assert tool.job is not None, f"{tool.name} started a job but declares none"  # noqa: S101
        job_id = JobId(tool.name, started.reference, int(time.time()))
        described = _describe_job(
            self._job_ids.make(job_id, request.caller.id), job_id, tool.job, "working", started.message
        )
        return {"resultType": "task", **described}

    async def _find_job(self, ctx: Any, params: TaskParams) -> tuple[Tool, Job, JobId]:
        """Return the job that a request is about, if the caller may have started it.

        :raises MCPError: The client takes no tasks, or there is no such task for this caller.
        """
        request: Request = ctx.request
        if ctx.protocol_version not in MODERN_PROTOCOL_VERSIONS:
            raise MCPError(types.METHOD_NOT_FOUND, "Method not found", data=ctx.method)
        if not request.client.takes_jobs:
            raise _tasks_needed(f"{ctx.method} is for clients that declare {TASKS_EXTENSION}.")
        job_id = self._job_ids.read(params.task_id, request.caller.id)
        try:
            tool = await request.find(job_id.tool) if job_id else None
        except PermissionDenied:
            tool = None
        if job_id is None or tool is None or tool.job is None:
            raise MCPError(types.INVALID_PARAMS, UNKNOWN_TASK, data={"taskId": params.task_id})
        return tool, tool.job, job_id

    async def get_job(self, ctx: Any, params: TaskParams) -> dict[str, Any]:
        """Answer ``tasks/get``."""
        request: Request = ctx.request
        _, job, job_id = await self._find_job(ctx, params)
        with _as_protocol_errors(params):
            state = await run_function(job.get, job_id.reference, request.reads(), request.client)
        more: dict[str, Any] = {}
        if state.status == "completed":
            more["result"] = result_of(state.result, request.policy.max_result_chars, is_error=state.failed)
        elif state.status == "failed":
            more["error"] = {"code": types.INTERNAL_ERROR, "message": state.error or "The work broke off."}
        elif state.status == "input_required":
            requests = requests_of(state.questions)
            more["inputRequests"] = {name: _dump(request) for name, request in requests.items()}
        described = _describe_job(params.task_id, job_id, job, state.status, state.message, state.updated_at)
        return {"resultType": "complete", **described, **more}

    async def answer_job(self, ctx: Any, params: TaskUpdateParams) -> dict[str, Any]:
        """Answer ``tasks/update``."""
        tool, job, job_id = await self._find_job(ctx, params)
        if job.answer is not None:
            await self._change_job(
                tool, job.answer, {**job_id.reference, "answers": params.input_responses}, ctx, params
            )
        return {"resultType": "complete"}

    async def cancel_job(self, ctx: Any, params: TaskParams) -> dict[str, Any]:
        """Answer ``tasks/cancel``."""
        tool, job, job_id = await self._find_job(ctx, params)
        await self._change_job(tool, job.cancel, job_id.reference, ctx, params)
        return {"resultType": "complete"}

    async def _change_job(
        self,
        tool: Tool,
        change: Callable[..., Any],
        arguments: Mapping[str, Any],
        ctx: Any,
        params: TaskParams,
    ) -> None:
        request: Request = ctx.request
        with _as_protocol_errors(params):
            if tool.access != "read" and not request.may_write:
                raise ReadOnly("This MCP server is read-only.", hint="Nothing was changed.")
            await run_function(change, arguments, request.airflow(tool), request.client)

    async def complete(self, ctx: Any, params: types.CompleteRequestParams) -> types.CompleteResult:
        """Complete a dag_id, a dag_run_id or a task_id, for prompts and resource templates alike."""
        request: Request = ctx.request
        name, begun = params.argument.name, params.argument.value
        chosen = (params.context.arguments if params.context else None) or {}
        dag_id = chosen.get("dag_id", "")
        airflow = request.reads()
        query: dict[str, Any] = {"limit": MAX_COMPLETIONS}
        try:
            if name == "dag_id":
                route, key, query = "dags", "dags", {**query, "dag_id_pattern": begun}
            elif name == "dag_run_id" and dag_id:
                route, key, query = (
                    path("dags/{}/dagRuns", dag_id),
                    "dag_runs",
                    {**query, "order_by": "-start_date"},
                )
            elif name == "task_id" and dag_id:
                route, key, query = path("dags/{}/tasks", dag_id), "tasks", {}
            else:
                return types.CompleteResult(completion=types.Completion(values=[]))
            rows = (await airflow.get(route, params=query)).json()[key]
        except ToolError:
            # A completion is a courtesy: what the caller may not list is not suggested.
            return types.CompleteResult(completion=types.Completion(values=[]))
        values = [row[name] for row in rows if begun.lower() in row[name].lower()]
        values.sort(key=lambda value: not value.startswith(begun))
        return types.CompleteResult(
            completion=types.Completion(
                values=values[:MAX_COMPLETIONS], has_more=len(rows) >= MAX_COMPLETIONS
            )
        )
