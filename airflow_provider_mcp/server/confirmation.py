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
"""What a call would do, and whether the user agrees to it."""

from __future__ import annotations

import json
from collections.abc import Mapping

import mcp_types as types

from airflow_provider_mcp.sdk.client import Form
from airflow_provider_mcp.sdk.errors import ConfirmationRequired
from airflow_provider_mcp.sdk.json_types import JSON, JSONObject
from airflow_provider_mcp.sdk.tool import Tool
from airflow_provider_mcp.server.approval import Act, approve_act
from airflow_provider_mcp.server.foreign_text import Cleaner
from airflow_provider_mcp.server.request import Request
from airflow_provider_mcp.server.running import run_owned
from airflow_provider_mcp.server.shaping import dump, shape

TOKEN_ARGUMENT = "confirmation_token"  # noqa: S105

FORM: JSONObject = {
    "type": "object",
    "properties": {"confirm": {"type": "boolean", "title": "Do it", "default": False}},
    "required": ["confirm"],
}


async def preview_call(
    tool: Tool, checked: Mapping[str, object], request: Request
) -> tuple[JSONObject, JSONObject]:
    """Return what a call would do, as the user sees it and as a confirmation is bound to it.

    What the user sees is cut to fit, what is bound is not. What is under ``now`` is seen and not bound: it
    may go on while the user decides.
    """
    airflow = request.reads()
    if tool.preview is None:
        arguments = {
            name: airflow.redact(value, name) for name, value in checked.items() if value is not None
        }
        summary: JSONObject = {"tool": tool.name, "arguments": arguments}
        return (await shape(summary, request.policy.max_result_chars // 2)).data, summary
    preview = await run_owned(tool.owner, tool.preview, checked, airflow)
    bound = {key: value for key, value in dump(preview).items() if key != "now"}
    return (await shape(preview, request.policy.max_result_chars // 2)).data, bound


async def confirm_call(
    tool: Tool,
    arguments: Mapping[str, JSON],
    checked: Mapping[str, object],
    token: JSON,
    request: Request,
    params: types.CallToolRequestParams,
) -> types.InputRequiredResult | str:
    """Return the token by which this call is confirmed, or the question to a client that shows forms.

    :raises ConfirmationRequired: It is not confirmed; for other clients the error has preview and token.
    """
    preview, bound = await preview_call(tool, checked, request)
    by_person = request.policy.confirm_by == "person"
    answer = read_answer(params)
    if answer is not None and not _agrees(answer, by_person):
        raise ConfirmationRequired(
            f"The user did not agree to {tool.name}; nothing was changed.",
            hint="Ask the user what to do instead.",
        )
    if by_person:
        act = Act(tool, tool.name, tool.title, arguments, preview, bound)
        links = request.client.opens_links
        return await approve_act(act, token, request, sends_link=links, was_sent=answer is not None)
    confirmations, user = request.confirmations, request.caller.id
    if token is not None:
        confirmations.check(str(token), user, tool.name, arguments, bound)
        return str(token)
    token = confirmations.issue(user, tool.name, arguments, bound)
    if request.client.can_answer(Form):
        cleaned = Cleaner.for_owner(request.policy, tool.owner).clean(preview)
        form = types.ElicitRequestFormParams(
            message=f"{tool.title}: {json.dumps(cleaned, ensure_ascii=False, indent=1)}",
            requested_schema=FORM,
        )
        return types.InputRequiredResult(
            input_requests={"confirm": types.ElicitRequest(params=form)}, request_state=token
        )
    question = ConfirmationRequired(
        f"{tool.name} has not run yet: it waits for a confirmation. Nothing was changed.",
        hint="Show the preview to the user; to go on, repeat the call with confirmation_token added.",
    )
    question.details = {"preview": preview, TOKEN_ARGUMENT: token}
    raise question


def read_answer(params: types.CallToolRequestParams) -> types.InputResponse | None:
    """Return the answer to the form that asks for a confirmation; None if the call answers none."""
    return (params.input_responses or {}).get("confirm") if params.request_state else None


def _agrees(answer: types.InputResponse, by_person: bool) -> bool:
    """Say whether the user agrees; a person does so on the page, and here to being sent there."""
    if not isinstance(answer, types.ElicitResult) or answer.action != "accept":
        return False
    return by_person or (answer.content or {}).get("confirm") is True
