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

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias

import mcp_types as types
from mcp.shared.exceptions import MCPError

from airflow_provider_mcp.sdk.client import AnswersNeeded
from airflow_provider_mcp.sdk.errors import ToolError
from airflow_provider_mcp.sdk.jobs import JobStarted
from airflow_provider_mcp.sdk.json_types import JSONObject
from airflow_provider_mcp.sdk.schemas import outline
from airflow_provider_mcp.sdk.tool import Tool
from airflow_provider_mcp.server.acting import act_once, tell_again
from airflow_provider_mcp.server.claims import name_claim
from airflow_provider_mcp.server.confirmation import TOKEN_ARGUMENT, confirm_call, preview_call, read_answer
from airflow_provider_mcp.server.failures import explain_failure, name_filters
from airflow_provider_mcp.server.foreign_text import withhold_texts
from airflow_provider_mcp.server.identifiers import suggest_close_matches
from airflow_provider_mcp.server.jobs import TASKS, start_job
from airflow_provider_mcp.server.observing import Observation, observe
from airflow_provider_mcp.server.request import Context, Request
from airflow_provider_mcp.server.rounds import Round
from airflow_provider_mcp.server.running import end_in_time, run_owned
from airflow_provider_mcp.server.wire import brief, build_error_result, build_result

SUGGESTION_SECONDS = 2
"""How long is looked for what a wrong name may have meant."""

_TOKEN_SCHEMA = {"type": "string", "description": "From the preview."}


RESULT_SIZE_KEY = "anthropic/maxResultSizeChars"
"""Where Claude Code reads how long a result may be, in characters: else it cuts at 25,000 tokens, which text
in Chinese reaches earlier (https://code.claude.com/docs/en/mcp)."""

SEARCH_KEY = "anthropic/searchHint"
"""Where it reads by which words a tool is found that is not loaded yet."""

LEFT_OUT_KEY = "org.apache.airflow/leftOut"
"""Where ``_meta`` of ``tools/list`` says what could not be offered to this caller, and why."""


def describe_tool(tool: Tool, *, confirms: bool = False, max_result_chars: int = 0) -> types.Tool:
    """Return the tool as ``tools/list`` shows it.

    :param confirms: Add the confirmation's argument.
    :param max_result_chars: How long a result may be; 0 leaves that out.
    """
    # That no argument is unknown goes for every tool: the refusal that names the argument says so.
    schema = {key: value for key, value in tool.input_schema.items() if key != "additionalProperties"}
    if confirms:
        schema["properties"] = {**schema.get("properties", {}), TOKEN_ARGUMENT: _TOKEN_SCHEMA}
    description = tool.description
    meta: JSONObject = {}
    if tool.keywords:
        description = f"{description}\nAlso: {', '.join(tool.keywords)}."
        meta[SEARCH_KEY] = f"{tool.title}: {', '.join(tool.keywords)}"
    if tool.search_hint:
        meta[SEARCH_KEY] = ". ".join(filter(None, (meta.get(SEARCH_KEY), tool.search_hint)))
    if tool.open_world and max_result_chars:
        meta[RESULT_SIZE_KEY] = max_result_chars
    return types.Tool(
        name=tool.name,
        title=tool.title,
        description=description,
        input_schema=schema,
        output_schema=outline(tool.output_schema, tool.input_schema),
        annotations=types.ToolAnnotations(
            read_only_hint=tool.access == "read",
            destructive_hint=tool.replaces,
            # By the protocol it is false unless set, and says nothing about a tool that only reads.
            idempotent_hint=(tool.idempotent and tool.access != "read") or None,
            open_world_hint=tool.open_world,
        ),
        _meta=meta or None,
    )


async def list_tools(ctx: Context, _: types.PaginatedRequestParams | None) -> types.ListToolsResult:
    """Answer ``tools/list``."""
    request = Request.of(ctx)
    policy = request.policy
    listed = [
        describe_tool(
            withhold_texts(tool) if tool.dynamic and policy.untrusted_text == "lockdown" else tool,
            confirms=policy.needs_confirmation(tool.access),
            max_result_chars=policy.max_result_chars,
        )
        for tool in await request.tools()
    ]
    left_out = [f"{one.owner}: {one.message}" for one in (await request.caller_tools()).problems]
    return types.ListToolsResult(tools=listed, _meta={LEFT_OUT_KEY: left_out} if left_out else None)


async def call_tool(
    ctx: Context, params: types.CallToolRequestParams
) -> types.InputRequiredResult | JSONObject:
    """Answer ``tools/call``."""
    request = Request.of(ctx)
    tool = await request.find(params.name)
    if tool is None:
        raise MCPError(types.INVALID_PARAMS, f"Unknown tool: {brief(params.name)}")
    if tool.job is not None and tool.job.required and not request.client.takes_jobs:
        raise TASKS.needed(f"{tool.name} answers with a task, which the client does not take.")
    arguments = tool.coerce(params.arguments or {})
    watchers, user = request.catalogue.watchers, request.caller.name
    with observe(watchers, tool, user, request.client.name, arguments) as observed:
        call = Call(tool, arguments, params, request, ctx.protocol_version, observed)
        try:
            result = await end_in_time(_run(call), f"the MCP tool {tool.name} of {tool.owner}")
            observed.outcome = "ok"
            return result
        except MCPError as failure:
            observed.outcome = str(failure.error.code)
            raise
        except Exception as failure:
            less = name_filters(tool, arguments)
            error = explain_failure(tool.name, tool.owner, failure, less=less)
            observed.outcome = error.code
            observed.note(error.identifiers)
            if error.code == "not_found":
                error = await _suggest(error, arguments, request)
            return await build_error_result(error, request.policy, tool.owner)


@dataclass(frozen=True)
class Call:
    """One call of a tool."""

    tool: Tool
    arguments: JSONObject
    params: types.CallToolRequestParams
    request: Request
    protocol_version: str
    observed: Observation

    def name_claim(self, token: str, this_round: Round) -> str:
        """Return the key under which the call acts once, if it is confirmed by a token."""
        user, arguments = self.request.caller.id, self.arguments
        return name_claim(token, user, self.tool.name, arguments, len(this_round.answers))


Result: TypeAlias = types.InputRequiredResult | JSONObject


async def _run(call: Call) -> Result:
    """Check a call, have it confirmed if it must be, and act."""
    tool, request = call.tool, call.request
    await request.check(tool)
    await request.count(tool.access)
    # A client that sends each property it was shown sends an empty one.
    token = call.arguments.pop(TOKEN_ARGUMENT, None) or None
    checked = tool.check(call.arguments)
    if tool.access != "read" and not request.may_write:
        refusal = request.forbid_writing(tool)
        refusal.details = {"preview": (await preview_call(tool, checked, request))[0]}
        raise refusal
    this_round = Round.read(call.params.request_state, call.params.input_responses)
    if not request.policy.needs_confirmation(tool.access):
        return await _act(call, checked, this_round)
    if this_round.confirmation:
        token = this_round.confirmation
    elif read_answer(call.params) is not None:
        token, this_round = call.params.request_state, Round()
    if isinstance(token, str):
        earlier = await request.claims.recall(call.name_claim(token, this_round))
        if earlier is not None:
            return tell_again(tool.name, earlier)
    if not this_round.confirmation:
        confirmed = await confirm_call(tool, call.arguments, checked, token, request, call.params)
        if not isinstance(confirmed, str):
            return confirmed
        this_round = replace(this_round, confirmation=confirmed)
    key = call.name_claim(this_round.confirmation, this_round)
    return await act_once(request, key, tool, partial(_act, call, checked, this_round))


async def _act(call: Call, checked: Mapping[str, object], this_round: Round) -> Result:
    """Run the tool; return its result, or what the client must answer first, as it goes out."""
    tool, request = call.tool, call.request
    client = replace(request.client, answers=this_round.answers)
    try:
        answer = await run_owned(tool.owner, tool.function, checked, request.airflow(tool), client)
    except AnswersNeeded as needed:
        return this_round.ask(client, needed, call.protocol_version)
    answer = tool.check_result(answer)
    if isinstance(answer, JobStarted):
        call.observed.note(answer.reference)
        return start_job(tool, answer, request)
    result = await build_result(answer, request.policy, tool.owner)
    call.observed.note(result.get("structuredContent"))
    return result


async def _suggest(error: ToolError, arguments: JSONObject, request: Request) -> ToolError:
    """Return the error with close matches, if they are found in time."""
    with suppress(TimeoutError):
        suggesting = suggest_close_matches(request.reads(), error, arguments)
        return await end_in_time(suggesting, "the look for close matches", SUGGESTION_SECONDS)
    return error
