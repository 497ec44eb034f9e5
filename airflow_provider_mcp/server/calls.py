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
"""A tool's call."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import mcp_types as types
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from airflow_provider_mcp.sdk.client import AnswersNeeded, Client
from airflow_provider_mcp.sdk.errors import ToolError, Unsupported
from airflow_provider_mcp.sdk.schemas import outline
from airflow_provider_mcp.sdk.tool import Tool
from airflow_provider_mcp.server.wire import (
    _capability_needed,
    answers_of,
    capabilities_lacking,
    requests_of,
)

TOOL_SECONDS = 50
"""A request ends within 55 s (CONTRACT, section 2); what is over is for the way out."""

TOOLSETS_KEY = "org.apache.airflow/toolsets"
"""Where ``_meta`` of ``initialize`` and ``server/discover`` has the toolsets, which MCP has no object for."""

TOKEN_ARGUMENT = "confirmation_token"  # noqa: S105

_TOKEN_SCHEMA = {"type": "string", "description": "From the preview."}

_CONFIRM_FORM = {
    "type": "object",
    "properties": {"confirm": {"type": "boolean", "title": "Do it", "default": False}},
    "required": ["confirm"],
}


@dataclass(frozen=True)
class _Memory:
    """What the rounds of one call remember: the client carries it, sealed."""

    answers: Mapping[str, Any]
    confirmed: bool = False

    @classmethod
    def of(cls, params: Any) -> _Memory:
        held: Any = {}
        if params.request_state:
            try:
                held = json.loads(params.request_state)
            except ValueError:
                # A confirmation's token is no JSON object.
                held = {}
        held = held if isinstance(held, dict) else {}
        return cls(
            {**held.get("answers", {}), **answers_of(params.input_responses)}, held.get("confirmed", False)
        )

    def ask(self, client: Client, needed: AnswersNeeded, protocol_version: str) -> types.InputRequiredResult:
        lacking = capabilities_lacking(client, needed.questions)
        if lacking is not None and protocol_version not in MODERN_PROTOCOL_VERSIONS:
            raise Unsupported(
                f"This needs an answer ({', '.join(needed.questions)}) that the client cannot be asked for.",
                hint="Use a client of MCP 2026-07-28: before it, questions need a session.",
            )
        if lacking is not None:
            raise _capability_needed("The client does not declare that it answers this.", lacking)
        state = json.dumps({"answers": self.answers, "confirmed": self.confirmed})
        return types.InputRequiredResult(input_requests=requests_of(needed.questions), request_state=state)


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


def _failed(failure: ToolError) -> types.CallToolResult:
    data = {"error": failure.as_dict(), **failure.shown}
    text = failure.as_text()
    if failure.shown:
        text += "\n" + json.dumps(failure.shown, ensure_ascii=False, separators=(",", ":"))
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=text)], structured_content=data, is_error=True
    )
