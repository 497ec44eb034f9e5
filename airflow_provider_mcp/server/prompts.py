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
"""Prompts: how they are listed and filled in."""

from __future__ import annotations

from dataclasses import replace

import mcp_types as types
from mcp.shared.exceptions import MCPError

from airflow_provider_mcp.sdk.client import AnswersNeeded
from airflow_provider_mcp.sdk.prompts import Prompt
from airflow_provider_mcp.server.failures import protocol_errors
from airflow_provider_mcp.server.foreign_text import Cleaner
from airflow_provider_mcp.server.request import Context, Request
from airflow_provider_mcp.server.rounds import Round
from airflow_provider_mcp.server.running import end_in_time, run_owned
from airflow_provider_mcp.server.wire import brief, build_messages


async def list_prompts(ctx: Context, _: types.PaginatedRequestParams | None) -> types.ListPromptsResult:
    """Answer ``prompts/list``."""
    return types.ListPromptsResult(prompts=[_describe(prompt) for prompt in await Request.of(ctx).prompts()])


async def get_prompt(
    ctx: Context, params: types.GetPromptRequestParams
) -> types.GetPromptResult | types.InputRequiredResult:
    """Answer ``prompts/get``."""
    request = Request.of(ctx)
    prompt = next((prompt for prompt in await request.prompts() if prompt.name == params.name), None)
    if prompt is None:
        raise MCPError(types.INVALID_PARAMS, f"Unknown prompt: {brief(params.name)}")
    arguments = params.arguments or {}
    required = {a.name: a.default is a.empty for a, _ in prompt.visible_parameters()}
    faults = [f"{name} is required" for name, needed in required.items() if needed and name not in arguments]
    faults += [f"{name} is not an argument of it" for name in arguments if name not in required]
    if faults:
        raise MCPError(types.INVALID_PARAMS, brief(f"The prompt {params.name}: {'; '.join(faults)}.", 2_000))
    this_round = Round.read(params.request_state, params.input_responses)
    client = replace(request.client, answers=this_round.answers)
    owner = request.catalogue.owners["prompt", prompt.name]
    with protocol_errors(f"the prompt {prompt.name}", owner):
        filling = run_owned(owner, prompt.function, arguments, request.reads(), client)
        try:
            answer = await end_in_time(filling, f"the MCP prompt {prompt.name} of {owner}")
        except AnswersNeeded as needed:
            return this_round.ask(client, needed, ctx.protocol_version)
        cleaner = Cleaner.for_owner(request.policy, owner)
        return types.GetPromptResult(description=prompt.description, messages=build_messages(answer, cleaner))


def _describe(prompt: Prompt) -> types.Prompt:
    return types.Prompt(
        name=prompt.name,
        title=prompt.title,
        description=prompt.description,
        arguments=[
            types.PromptArgument(name=a.name, description=description, required=a.default is a.empty)
            for a, description in prompt.visible_parameters()
        ],
    )
