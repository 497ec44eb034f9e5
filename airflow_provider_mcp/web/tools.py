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
"""The page of the tools: what each one takes, why it is not offered, and a form to try those that read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

from airflow_provider_mcp.endpoint.door import HTTPRequest, Reply
from airflow_provider_mcp.endpoint.exchange import exchange
from airflow_provider_mcp.sdk.json_types import JSON, JSONObject
from airflow_provider_mcp.sdk.tool import Tool
from airflow_provider_mcp.server.policy import Policy
from airflow_provider_mcp.server.request import Request
from airflow_provider_mcp.web.forms import FIELD, Forms, is_own_origin, read_form
from airflow_provider_mcp.web.host import PageHost
from airflow_provider_mcp.web.rendering import render

CLIENT = "Airflow's MCP page"

_VERSION = "2025-11-25"

_PREFIX = "argument."
"""What the names of the fields with arguments begin with."""


@dataclass(frozen=True)
class Argument:
    """One argument of a tool, for people."""

    name: str
    kind: str
    required: bool
    description: str


@dataclass(frozen=True)
class Shown:
    """One tool, for people."""

    tool: Tool
    arguments: tuple[Argument, ...]
    hidden: str
    """Why the caller is not offered it; empty if they are."""

    @property
    def can_try(self) -> bool:
        """Whether the page has a form for it."""
        return not self.hidden and self.tool.access == "read"


async def show_tools(host: PageHost, request: Request) -> Reply:
    """Return the page with all tools."""
    offered = {tool.name: tool for tool in await request.tools()}
    every = {**request.catalogue.tools, **offered}
    toolsets: dict[str, list[Shown]] = {name: [] for name in request.catalogue.toolsets}
    for tool in every.values():
        hidden = "" if tool.name in offered else explain_hidden(tool, request)
        toolsets.setdefault(tool.toolset, []).append(Shown(tool, tuple(_arguments(tool)), hidden))
    forms = Forms(host.server.confirmations)
    return render(
        "tools.html",
        host,
        framed=True,
        here="tools",
        toolsets=toolsets,
        descriptions=request.catalogue.toolsets,
        other_versions=sorted(request.catalogue.other_versions),
        offered=len(offered),
        total=len(every),
        field=FIELD,
        form_token=forms.make_token(request.caller.id, "try"),
        prefix=_PREFIX,
    )


def explain_hidden(tool: Tool, request: Request) -> str:
    """Return why the caller is not offered a tool."""
    policy = request.policy
    if tool.name in policy.disabled_tools:
        return "Switched off by name (disabled_tools)."
    if policy.toolsets is not None and tool.toolset not in policy.toolsets:
        return f"Its toolset {tool.toolset} is switched off (toolsets)."
    if policy.read_only and tool.access != "read":
        return f"Only reading is allowed: {policy.problem or 'read_only is set'}."
    # What is left is a veto: tools of another version of Airflow are not in the catalogue.
    return "A plugin keeps it from you (tool_allowed)."


def _arguments(tool: Tool) -> list[Argument]:
    required = tool.input_schema.get("required") or []
    properties: Mapping[str, JSONObject] = tool.input_schema.get("properties") or {}
    return [
        Argument(name, _kind(schema), name in required, str(schema.get("description", "")))
        for name, schema in properties.items()
    ]


def _kind(schema: JSONObject) -> str:
    if "enum" in schema:
        return " | ".join(str(choice) for choice in schema["enum"])
    kind = schema.get("type", "any")
    if kind == "array":
        return f"list of {_kind(schema.get('items') or {})}"
    return " or ".join(str(each) for each in kind) if isinstance(kind, list) else str(kind)


async def try_tool(http: HTTPRequest, host: PageHost, request: Request) -> Reply:
    """Call a tool that reads, with what its form has, and show the answer."""
    form = await read_form(http) or {}
    forms = Forms(host.server.confirmations)
    if not (is_own_origin(http, host) and forms.accepts(form.get(FIELD, ""), request.caller.id, "try")):
        sentence = "The form did not come from this page, or the page was open for too long. Open it again."
        return render("message.html", host, 403, title="Nothing was called", sentence=sentence)
    tool = await request.find(form.get("tool", ""))
    if tool is None or tool.access != "read":
        sentence = "Only tools that read can be tried here."
        return render("message.html", host, 404, title="Nothing was called", sentence=sentence)
    arguments: JSONObject = {
        name.removeprefix(_PREFIX): value
        for name, value in form.items()
        if name.startswith(_PREFIX) and value != ""
    }
    result = await call_tool(host, request, tool.name, arguments)
    answer = result.get("structuredContent", result.get("content"))
    return render(
        "answer.html",
        host,
        framed=True,
        here="tools",
        tool=tool,
        arguments=json.dumps(arguments, ensure_ascii=False, indent=2),
        failed=bool(result.get("isError")),
        answer=json.dumps(answer, ensure_ascii=False, indent=2),
    )


async def call_tool(host: PageHost, request: Request, tool: str, arguments: Mapping[str, JSON]) -> JSONObject:
    """Call a tool as a client does, as the user of the page, where only reading is allowed."""
    params = {
        "name": tool,
        "arguments": arguments,
        "_meta": {},
    }
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    headers = [("mcp-protocol-version", _VERSION), ("user-agent", CLIENT)]
    policy: Policy = replace(request.policy, read_only=True)
    reply = await exchange(host.server, headers, json.dumps(message).encode(), request.identity, policy)
    answer: JSONObject = json.loads(reply.body)
    if "result" not in answer:
        return {"isError": True, "structuredContent": {"error": answer.get("error")}}
    result: JSONObject = answer["result"]
    return result
