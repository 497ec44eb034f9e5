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
"""Tools: how they are listed, and how a call is checked, confirmed, run and answered."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import mcp_types as types
from mcp.shared.exceptions import MCPError

from airflow_provider_mcp.sdk.client import AnswersNeeded
from airflow_provider_mcp.sdk.errors import ToolError
from airflow_provider_mcp.sdk.jobs import JobStarted
from airflow_provider_mcp.sdk.json_types import JSONObject
from airflow_provider_mcp.sdk.schemas import outline
from airflow_provider_mcp.sdk.tool import Tool
from airflow_provider_mcp.server.confirmation import TOKEN_ARGUMENT, confirm_call, preview_call
from airflow_provider_mcp.server.failures import explain_failure
from airflow_provider_mcp.server.identifiers import suggest_close_matches
from airflow_provider_mcp.server.jobs import TASKS, start_job
from airflow_provider_mcp.server.observing import Observation, observe
from airflow_provider_mcp.server.request import Context, Request
from airflow_provider_mcp.server.rounds import Round
from airflow_provider_mcp.server.running import end_in_time, run_owned
from airflow_provider_mcp.server.wire import error_of, result_of

SUGGESTION_SECONDS = 2
"""How long is looked for what a wrong name may have meant."""

_TOKEN_SCHEMA = {"type": "string", "description": "From the preview."}


def describe_tool(tool: Tool, *, confirms: bool = False) -> types.Tool:
    """Return the tool as ``tools/list`` shows it; ``confirms`` adds the confirmation's argument."""
    # That no argument is unknown goes for every tool: the refusal that names the argument says so.
    schema = {key: value for key, value in tool.input_schema.items() if key != "additionalProperties"}
    if confirms:
        schema["properties"] = {**schema.get("properties", {}), TOKEN_ARGUMENT: _TOKEN_SCHEMA}
    return types.Tool(
        name=tool.name,
        title=tool.title,
        description=tool.description,
        input_schema=schema,
        output_schema=outline(tool.output_schema, tool.input_schema),
        annotations=types.ToolAnnotations(
            read_only_hint=tool.access == "read",
            destructive_hint=tool.access == "destructive",
            # By the protocol it is false unless set, and says nothing about a tool that only reads.
            idempotent_hint=(tool.idempotent and tool.access != "read") or None,
            open_world_hint=False,
        ),
    )


async def list_tools(ctx: Context, _: types.PaginatedRequestParams | None) -> types.ListToolsResult:
    """Answer ``tools/list``."""
    request = Request.of(ctx)
    confirms = request.policy.needs_confirmation
    return types.ListToolsResult(
        tools=[describe_tool(tool, confirms=confirms(tool.access)) for tool in await request.tools()]
    )


async def call_tool(
    ctx: Context, params: types.CallToolRequestParams
) -> types.InputRequiredResult | JSONObject:
    """Answer ``tools/call``."""
    request = Request.of(ctx)
    tool = await request.find(params.name)
    if tool is None:
        raise MCPError(types.INVALID_PARAMS, f"Unknown tool: {params.name}")
    if tool.job is not None and tool.job.required and not request.client.takes_jobs:
        raise TASKS.needed(f"{tool.name} answers with a task, which the client does not take.")
    arguments = dict(params.arguments or {})
    watchers, user = request.catalogue.watchers, request.caller.name
    with observe(watchers, tool, user, request.client.name, arguments) as observed:
        try:
            running = _run(tool, arguments, request, params, ctx.protocol_version)
            answer = await end_in_time(running, f"the MCP tool {tool.name} of {tool.owner}")
            return await _answer(tool, answer, request, observed)
        except MCPError as failure:
            observed.outcome = str(failure.error.code)
            raise
        except Exception as failure:
            error = explain_failure(tool.name, tool.owner, failure)
            observed.outcome = error.code
            observed.note(error.identifiers)
            if error.code == "not_found":
                error = await _suggest(error, arguments, request)
            return await error_of(error, request.policy.max_result_chars)


async def _run(
    tool: Tool,
    arguments: JSONObject,
    request: Request,
    params: types.CallToolRequestParams,
    protocol_version: str,
) -> object:
    """Return what the tool returns, or what the client must answer first."""
    request.check(tool)
    token = arguments.pop(TOKEN_ARGUMENT, None)
    checked = tool.check(arguments)
    if tool.access != "read" and not request.may_write:
        refusal = request.forbid_writing(tool)
        refusal.shown = {"preview": (await preview_call(tool, checked, request))[0]}
        raise refusal
    this_round = Round.read(params.request_state, params.input_responses)
    if request.policy.needs_confirmation(tool.access) and not this_round.confirmed:
        question = await confirm_call(tool, arguments, checked, token, request, params)
        if question is not None:
            return question
        this_round = replace(this_round, confirmed=True)
    client = replace(request.client, answers=this_round.answers)
    try:
        return await run_owned(tool.owner, tool.function, checked, request.airflow(tool), client)
    except AnswersNeeded as needed:
        return this_round.ask(client, needed, protocol_version)


async def _suggest(error: ToolError, arguments: JSONObject, request: Request) -> ToolError:
    """Return the error with close matches, if they are found in time."""
    with suppress(TimeoutError):
        suggesting = suggest_close_matches(request.reads(), error, arguments)
        return await end_in_time(suggesting, "the look for close matches", SUGGESTION_SECONDS)
    return error


async def _answer(
    tool: Tool, answer: object, request: Request, observed: Observation
) -> types.InputRequiredResult | JSONObject:
    """Return what a tool returned as it goes out."""
    result: types.InputRequiredResult | JSONObject
    if isinstance(answer, types.InputRequiredResult):
        result = answer
    elif isinstance(answer, JobStarted):
        observed.note(answer.reference)
        result = start_job(tool, answer, request)
    else:
        result = await result_of(answer, request.policy.max_result_chars)
        observed.note(result.get("structuredContent"))
    observed.outcome = "ok"
    return result
