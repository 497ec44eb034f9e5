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

import functools
import inspect
import json
import logging
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import unquote

import anyio
import httpx
import mcp_types as types
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError

from airflow_provider_mcp import __version__
from airflow_provider_mcp.airflow_api import Airflow, Caller, suggest_close_matches
from airflow_provider_mcp.errors import ToolError
from airflow_provider_mcp.plugins import Catalogue
from airflow_provider_mcp.policy import Confirmations, Policy
from airflow_provider_mcp.toolsets import Tool, ToolCall, outline, path, run_function, shape_result

log = logging.getLogger(__name__)

TOOL_SECONDS = 50
"""A request ends within 55 s (CONTRACT, section 2); what is over is for the way out."""
MAX_COMPLETIONS = 100
TOKEN_ARGUMENT = "confirmation_token"  # noqa: S105
_TOKEN_SCHEMA = {"type": "string", "description": "From the preview."}
_CONFIRM_FORM = {
    "type": "object",
    "properties": {"confirm": {"type": "boolean", "title": "Do it", "default": False}},
    "required": ["confirm"],
}
INSTRUCTIONS = (
    "Apache Airflow, acting as you, under your permissions. Identifiers must be exactly as listed. "
    "Lists go on with next_cursor; what was cut says so by truncated and hint. To find why something "
    "failed, read the run, then its failed task instances, then their logs. A tool that asks for "
    "confirmation changes nothing until it is called again with confirmation_token: show the preview to the "
    "user first."
)


@dataclass(frozen=True)
class Visit:
    """One authenticated request: who calls, what is allowed, and the way to Airflow."""

    caller: Caller
    policy: Policy
    open_airflow: Callable[[Literal["read", "write"]], Airflow]
    client: str | None = None
    elicits: bool = False

    def airflow_for(self, tool: Tool) -> Airflow:
        """Return the client for a tool: read tools and a read-only policy get one that only reads."""
        reading = tool.access == "read" or self.policy.read_only
        return self.open_airflow("read" if reading else "write")


def build_server(catalogue: Catalogue, confirmations: Confirmations) -> Server[Any]:
    """Return the one low-level server of this process; it keeps nothing between requests."""
    offered = _Offered(catalogue, confirmations)
    return Server(
        "apache-airflow",
        version=__version__,
        title="Apache Airflow",
        instructions=INSTRUCTIONS,
        get_tool_input_schema=lambda name: getattr(catalogue.tools.get(name), "input_schema", None),
        on_list_tools=offered.list_tools,
        on_call_tool=offered.call_tool,
        on_list_resources=offered.list_resources,
        on_list_resource_templates=offered.list_resource_templates,
        on_read_resource=offered.read_resource,
        on_list_prompts=offered.list_prompts,
        on_get_prompt=offered.get_prompt,
        on_completion=offered.complete,
    )


class _Offered:
    """The handlers of the server."""

    def __init__(self, catalogue: Catalogue, confirmations: Confirmations) -> None:
        self._catalogue = catalogue
        self._confirmations = confirmations

    async def list_tools(self, ctx: Any, _: Any) -> types.ListToolsResult:
        visit: Visit = ctx.request
        tools = [
            describe_tool(tool, confirms=visit.policy.needs_confirmation(tool.access))
            for tool in self._catalogue.tools.values()
            if visit.policy.offers(tool) and self._catalogue.allowed(tool, visit.caller)
        ]
        return types.ListToolsResult(tools=tools)

    async def call_tool(self, ctx: Any, params: types.CallToolRequestParams) -> Any:
        visit: Visit = ctx.request
        tool = self._catalogue.tools.get(params.name)
        forbidden_by_mode = bool(tool and tool.access != "read" and visit.policy.read_only)
        if tool is None or not (forbidden_by_mode or visit.policy.offers(tool)):
            raise MCPError(types.INVALID_PARAMS, f"Unknown tool: {params.name}")
        began = time.monotonic()
        outcome = "ok"
        arguments = dict(params.arguments or {})
        try:
            with anyio.fail_after(TOOL_SECONDS):
                result = await self._run(tool, arguments, visit, params)
        except TimeoutError:
            outcome = "unavailable"
            failure = ToolError(
                "unavailable",
                f"{tool.name} took longer than {TOOL_SECONDS} s and was stopped.",
                hint="Ask for less at once, or try again later.",
                retryable=True,
            )
            result = _failed(failure)
        except ToolError as failure:
            outcome = failure.code
            if failure.code == "not_found":
                failure = await suggest_close_matches(visit.open_airflow("read"), failure, arguments)
            result = _failed(failure)
        except httpx.HTTPError as failure:
            log.warning("MCP tool %s could not reach Airflow's API: %s", tool.name, type(failure).__name__)
            outcome = "unavailable"
            result = _failed(
                ToolError(
                    "unavailable",
                    "Airflow did not answer.",
                    hint="Try again in a few seconds.",
                    retryable=True,
                )
            )
        except Exception:
            # The caller must not see internals; the administrator must.
            log.exception("MCP tool %s of plugin %s failed", tool.name, tool.owner)
            outcome = "internal"
            result = _failed(
                ToolError("internal", f"{tool.name} failed.", hint="The web server's log has the cause.")
            )
        finally:
            self._catalogue.called(
                ToolCall(tool.name, visit.caller.name, visit.client, outcome, time.monotonic() - began)
            )
        return result

    async def _run(self, tool: Tool, arguments: dict[str, Any], visit: Visit, params: Any) -> Any:
        if not self._catalogue.allowed(tool, visit.caller):
            raise ToolError(
                "permission_denied",
                f"{tool.name} is not offered to {visit.caller.name}.",
                hint="Ask an Airflow administrator.",
            )
        token = arguments.pop(TOKEN_ARGUMENT, None)
        checked = tool.check(arguments)
        if tool.access != "read" and visit.policy.read_only:
            refusal = ToolError(
                "read_only",
                f"{tool.name} would change something, and this MCP server is read-only.",
                hint="Nothing was changed; an administrator can lift [mcp] read_only.",
            )
            refusal.shown = {"preview": await self._preview(tool, checked, visit)}
            raise refusal
        if visit.policy.needs_confirmation(tool.access):
            asked = await self._confirm(tool, arguments, checked, token, visit, params)
            if asked is not None:
                return asked
        answer = await run_function(tool.function, checked, visit.airflow_for(tool))
        shaped = shape_result(answer, visit.policy.max_result_chars)
        return types.CallToolResult(
            content=[types.TextContent(type="text", text=shaped.text)], structured_content=shaped.data
        )

    async def _preview(self, tool: Tool, checked: Mapping[str, Any], visit: Visit) -> dict[str, Any]:
        if tool.preview is None:
            return {"tool": tool.name, "arguments": {k: v for k, v in checked.items() if v is not None}}
        shown = await run_function(tool.preview, checked, visit.open_airflow("read"))
        return shape_result(shown, visit.policy.max_result_chars // 2).data

    async def _confirm(
        self,
        tool: Tool,
        arguments: Mapping[str, Any],
        checked: Mapping[str, Any],
        token: Any,
        visit: Visit,
        params: types.CallToolRequestParams,
    ) -> types.InputRequiredResult | None:
        """Return None if this call is confirmed; ask, or raise, if it is not."""
        preview = await self._preview(tool, checked, visit)
        answered = (params.input_responses or {}).get("confirm")
        if answered is not None and params.request_state:
            if not (
                isinstance(answered, types.ElicitResult)
                and answered.action == "accept"
                and (answered.content or {}).get("confirm") is True
            ):
                raise ToolError(
                    "confirmation_required",
                    f"The user did not agree to {tool.name}; nothing was changed.",
                    hint="Ask the user what to do instead.",
                )
            token = params.request_state
        if token is not None:
            self._confirmations.redeem(str(token), visit.caller.id, tool.name, arguments, preview)
            return None
        token = self._confirmations.issue(visit.caller.id, tool.name, arguments, preview)
        if visit.elicits:
            form = types.ElicitRequestFormParams(
                message=f"{tool.title}: {json.dumps(preview, ensure_ascii=False, indent=1)}",
                requested_schema=_CONFIRM_FORM,
            )
            return types.InputRequiredResult(
                input_requests={"confirm": types.ElicitRequest(params=form)}, request_state=token
            )
        question = ToolError(
            "confirmation_required",
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
        visit: Visit = ctx.request
        uri = str(params.uri)
        for resource in self._catalogue.resources.values():
            found = _uri_pattern(resource.uri).fullmatch(uri)
            if found:
                break
        else:
            raise MCPError(types.INVALID_PARAMS, f"Unknown resource: {uri}", data={"uri": uri})
        given = {name: unquote(value) for name, value in found.groupdict().items()}
        try:
            content = await resource.read(visit.open_airflow("read"), **given)
        except ToolError as failure:
            raise MCPError(
                types.INVALID_PARAMS, failure.as_text(), data={"uri": uri, **failure.as_dict()}
            ) from None
        if not isinstance(content, str):
            content = shape_result(content, visit.policy.max_result_chars).text
        elif len(content) > visit.policy.max_result_chars:
            left = len(content) - visit.policy.max_result_chars
            content = f"{content[: visit.policy.max_result_chars]}\n… ({left} more characters)"
        return types.ReadResourceResult(
            contents=[types.TextResourceContents(uri=uri, mime_type=resource.mime_type, text=content)]
        )

    async def list_prompts(self, *_: Any) -> types.ListPromptsResult:
        return types.ListPromptsResult(
            prompts=[
                types.Prompt(
                    name=p.name,
                    title=p.title,
                    description=p.description,
                    arguments=[
                        types.PromptArgument(name=a.name, required=a.default is a.empty)
                        for a in inspect.signature(p.function).parameters.values()
                    ],
                )
                for p in self._catalogue.prompts.values()
            ]
        )

    async def get_prompt(self, _: Any, params: types.GetPromptRequestParams) -> types.GetPromptResult:
        prompt = self._catalogue.prompts.get(params.name)
        if prompt is None:
            raise MCPError(types.INVALID_PARAMS, f"Unknown prompt: {params.name}")
        try:
            bound = inspect.signature(prompt.function).bind(**(params.arguments or {}))
        except TypeError as wrong:
            raise MCPError(types.INVALID_PARAMS, f"The prompt {params.name}: {wrong}") from None
        text = prompt.function(*bound.args, **bound.kwargs)
        return types.GetPromptResult(
            description=prompt.description,
            messages=[types.PromptMessage(role="user", content=types.TextContent(type="text", text=text))],
        )

    async def complete(self, ctx: Any, params: types.CompleteRequestParams) -> types.CompleteResult:
        """Complete a dag_id, a dag_run_id or a task_id, for prompts and resource templates alike."""
        visit: Visit = ctx.request
        name, begun = params.argument.name, params.argument.value
        chosen = (params.context.arguments if params.context else None) or {}
        dag_id = chosen.get("dag_id", "")
        airflow = visit.open_airflow("read")
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


@functools.lru_cache(maxsize=256)
def _uri_pattern(template: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", template)
    return re.compile("".join(f"(?P<{p}>[^/?#]+)" if i % 2 else re.escape(p) for i, p in enumerate(parts)))
