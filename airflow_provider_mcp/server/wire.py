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
"""What tools, prompts and resources return, as MCP types."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import mcp_types as types
from mcp.shared.exceptions import MCPError
from pydantic import BaseModel

from airflow_provider_mcp.sdk.client import Client, Form, Question, Roots, Sampling
from airflow_provider_mcp.sdk.content import Audio, Content, Image, Message, Part
from airflow_provider_mcp.sdk.errors import ToolError
from airflow_provider_mcp.sdk.json_types import JSONObject
from airflow_provider_mcp.server.cutting import compact
from airflow_provider_mcp.server.foreign_text import FENCE_CHARS, Cleaner
from airflow_provider_mcp.server.policy import Policy
from airflow_provider_mcp.server.shaping import Data, shape


def capability_needed(message: str, needed: types.ClientCapabilities) -> MCPError:
    """Return the error for a client that does not declare what it is needed for."""
    data = types.MissingRequiredClientCapabilityErrorData(required_capabilities=needed)
    return MCPError(types.MISSING_REQUIRED_CLIENT_CAPABILITY, message, data=dump(data))


def dump(model: BaseModel) -> JSONObject:
    """Return a model of the protocol as JSON."""
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def build_block(part: Part) -> types.ContentBlock:
    """Return a content block."""
    if isinstance(part, str):
        return types.TextContent(type="text", text=part)
    if isinstance(part, Image):
        return types.ImageContent(type="image", data=_base64(part.data), mime_type=part.mime_type)
    if isinstance(part, Audio):
        return types.AudioContent(type="audio", data=_base64(part.data), mime_type=part.mime_type)
    return types.EmbeddedResource(
        type="resource", resource=build_resource(part.uri, part.mime_type, part.content)
    )


def build_resource(
    uri: str, mime_type: str, content: str | bytes
) -> types.TextResourceContents | types.BlobResourceContents:
    """Return the contents of a resource."""
    if isinstance(content, bytes):
        return types.BlobResourceContents(uri=uri, mime_type=mime_type, blob=_base64(content))
    return types.TextResourceContents(uri=uri, mime_type=mime_type, text=content)


def brief(text: str, max_chars: int = 200) -> str:
    """Return what a caller sent as an error repeats it."""
    return text if len(text) <= max_chars else f"{text[:max_chars]}…"


def cut(text: str, max_chars: int) -> str:
    """Return a text of about ``max_chars`` at most."""
    left = len(text) - max_chars
    return text if left <= 0 else f"{text[:max_chars]}\n… ({left} more characters)"


async def build_result(answer: Any, policy: Policy, owner: str, *, is_error: bool = False) -> JSONObject:
    """Return what a tool returned as a ``CallToolResult`` in JSON: within its limit, and cleaned.

    Pictures and sounds are not cut. It is no model: the SDK checks a result that is data, and would turn a
    model into data first.

    :param owner: The plugin that the tool is of.
    """
    outcome = {"isError": is_error, "resultType": "complete"}
    if isinstance(answer, Content):
        cleaner = Cleaner.for_owner(policy, owner)
        parts = [
            cleaner.clean_part(cut(part, policy.max_result_chars)) if isinstance(part, str) else part
            for part in answer.parts
        ]
        blocks = [
            build_block(part).model_dump(mode="json", by_alias=True, exclude_none=True) for part in parts
        ]
        return {"content": blocks, **cleaner.meta, **outcome}
    data, text, cleaner = await _shape_and_clean(answer, policy, owner)
    return {
        "content": [{"type": "text", "text": text}],
        "structuredContent": data,
        **cleaner.meta,
        **outcome,
    }


async def build_error_result(failure: ToolError, policy: Policy, owner: str) -> JSONObject:
    """Return a tool error as a ``CallToolResult`` in JSON: within the limit, and cleaned as any result."""
    answer = {"error": failure.as_dict(), **failure.details}
    data, _, cleaner = await _shape_and_clean(answer, policy, owner, is_error=True)
    error = data.get("error", {})
    text = f"{error.get('message', failure.code)} {error.get('hint', '')}".strip()
    details = {key: value for key, value in data.items() if key in failure.details}
    if details:
        text += "\n" + cleaner.fence(compact(details))
    return {
        "content": [{"type": "text", "text": text}],
        "structuredContent": data,
        **cleaner.meta,
        "isError": True,
        "resultType": "complete",
    }


async def _shape_and_clean(
    answer: Data, policy: Policy, owner: str, *, is_error: bool = False
) -> tuple[JSONObject, str, Cleaner]:
    """Return data that fits, the same as text with its fence around it, and what cleaned it."""
    limit = policy.max_result_chars
    # What stands in for withheld text may be longer than the text was.
    for room in (limit, limit - FENCE_CHARS, limit // 2, limit // 4):
        shaped = await shape(answer, room)
        cleaner = Cleaner.for_owner(policy, owner)
        error = {"error": cleaner.clean_error(shaped.data.pop("error", {}))} if is_error else {}
        data = {**error, **cleaner.clean(shaped.data)}
        text = cleaner.fence(compact(data))
        if len(text) <= limit:
            return data, text, cleaner
    least: JSONObject = {"truncated": True}
    return least, compact(least), Cleaner.for_owner(policy, owner)


def build_messages(answer: str | Sequence[Message], cleaner: Cleaner) -> list[types.PromptMessage]:
    """Return the messages of a prompt, with their texts cleaned."""
    messages = [Message(answer)] if isinstance(answer, str) else answer
    return [
        types.PromptMessage(
            role=message.role,
            content=build_block(
                cleaner.clean_text(message.content) if isinstance(message.content, str) else message.content
            ),
        )
        for message in messages
    ]


def build_requests(questions: Mapping[str, Question]) -> types.InputRequests:
    """Return questions as the requests that they are."""
    requests: types.InputRequests = {}
    for name, question in questions.items():
        if isinstance(question, Form):
            form = types.ElicitRequestFormParams(
                message=question.message, requested_schema=dict(question.schema)
            )
            requests[name] = types.ElicitRequest(params=form)
        elif isinstance(question, Roots):
            requests[name] = types.ListRootsRequest()
        else:
            text = types.TextContent(type="text", text=question.prompt)
            sampling = types.CreateMessageRequestParams(
                messages=[types.SamplingMessage(role="user", content=text)], max_tokens=question.max_tokens
            )
            requests[name] = types.CreateMessageRequest(params=sampling)
    return requests


def read_answers(responses: types.InputResponses | None) -> JSONObject:
    """Return a client's answers as plain data."""
    return {
        name: response.model_dump(mode="json", by_alias=True, exclude_none=True)
        for name, response in (responses or {}).items()
    }


def find_missing_capabilities(
    client: Client, questions: Mapping[str, Question]
) -> types.ClientCapabilities | None:
    """Return the capabilities that a client must declare to be asked; None if it declares them."""
    lacking = {type(question) for question in questions.values()} - client.answerable
    if not lacking:
        return None
    return types.ClientCapabilities(
        elicitation=types.ElicitationCapability() if Form in lacking else None,
        roots=types.RootsCapability() if Roots in lacking else None,
        sampling=types.SamplingCapability() if Sampling in lacking else None,
    )
