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
"""What changes where one server stands in front of several Airflows: each request names the one it is about.

Tools and prompts take the argument ``instance``, addresses of resources have it in their query.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import quote, unquote

import mcp_types as types
from mcp.server.context import HandlerResult
from mcp.shared.exceptions import MCPError

from airflow_provider_mcp.remote.gateway import Gateway, Handler
from airflow_provider_mcp.remote.instance import Instance
from airflow_provider_mcp.sdk.errors import InvalidArgument, ToolError, Unsupported
from airflow_provider_mcp.sdk.json_types import JSONObject
from airflow_provider_mcp.server.identifiers import MAX_COMPLETIONS
from airflow_provider_mcp.server.jobs import UNKNOWN_TASK
from airflow_provider_mcp.server.request import Context

INSTANCE = "instance"

LIST_INSTANCES = "list_instances"

Listing = TypeVar("Listing", bound=types.PaginatedResult)

Item = TypeVar("Item")


def build_handlers(gateway: Gateway) -> dict[str, Handler]:
    """Return the handlers of the methods that are answered differently for several instances."""
    own: dict[str, Callable[[Gateway, Context, Any], Awaitable[HandlerResult]]] = {
        "tools/list": _list_tools,
        "tools/call": _call_tool,
        "prompts/list": _list_prompts,
        "prompts/get": _get_prompt,
        "resources/list": _list_resources,
        "resources/templates/list": _list_templates,
        "resources/read": _read_resource,
        "completion/complete": _complete,
    }
    addressed = ("resources/subscribe", "resources/unsubscribe")
    owned = ("tasks/get", "tasks/update", "tasks/cancel")
    return {
        **{method: functools.partial(handler, gateway) for method, handler in own.items()},
        **{method: functools.partial(_ask_addressed, gateway, method) for method in addressed},
        **{method: functools.partial(_ask_owner, gateway, method) for method in owned},
    }


def _find_instance(gateway: Gateway, name: object, place: str) -> Instance:
    """Return the instance of a name.

    :param place: Where a request says it.
    :raises InvalidArgument: There is none of this name; the error lists the names there are.
    """
    instance = gateway.instances.get(name) if isinstance(name, str) else None
    if instance is None:
        names = ", ".join(gateway.instances)
        problem = f"Say which instance, {place}" if name is None else f"There is no instance `{name}`"
        raise InvalidArgument(f"{problem}; there are: {names}.", instances=list(gateway.instances))
    return instance


def _pop_instance(gateway: Gateway, arguments: JSONObject) -> Instance:
    return _find_instance(gateway, arguments.pop(INSTANCE, None), f"by the argument {INSTANCE}")


async def _list_everywhere(
    gateway: Gateway,
    ctx: Context,
    method: str,
    kind: type[Listing],
    items: Callable[[Listing], Sequence[Item]],
    key: Callable[[Item], str],
) -> list[tuple[Item, list[str]]]:
    """Return what the instances list, each thing once, with the names of those that list it."""
    merged: dict[str, tuple[Item, list[str]]] = {}
    for instance in gateway.instances.values():
        cursor = None
        while True:
            params = types.PaginatedRequestParams(cursor=cursor)
            listing = await gateway.delegate(instance, method, ctx, params)
            assert isinstance(listing, kind), f"{method} answers with {kind.__name__}"  # noqa: S101
            for item in items(listing):
                merged.setdefault(key(item), (item, []))[1].append(instance.name)
            cursor = listing.next_cursor
            if cursor is None:
                break
    return list(merged.values())


# ---- tools -----------------------------------------------------------------------------------------------


async def _list_tools(gateway: Gateway, ctx: Context, _: object) -> types.ListToolsResult:
    tools = await _list_everywhere(
        gateway,
        ctx,
        "tools/list",
        types.ListToolsResult,
        lambda listing: listing.tools,
        lambda tool: tool.name,
    )
    return types.ListToolsResult(
        tools=[_LIST_INSTANCES_TOOL, *(_with_instance(tool, names) for tool, names in tools)]
    )


def _with_instance(tool: types.Tool, names: Sequence[str]) -> types.Tool:
    schema = dict(tool.input_schema)
    chosen = {"type": "string", "enum": list(names), "description": "Which Airflow."}
    schema["properties"] = {INSTANCE: chosen, **schema.get("properties", {})}
    schema["required"] = [INSTANCE, *schema.get("required", [])]
    return tool.model_copy(update={"input_schema": schema})


async def _call_tool(gateway: Gateway, ctx: Context, params: types.CallToolRequestParams) -> HandlerResult:
    if params.name == LIST_INSTANCES:
        return await _list_instances(gateway)
    arguments = dict(params.arguments or {})
    try:
        instance = _pop_instance(gateway, arguments)
    except ToolError as unnamed:
        return _build_failure(unnamed)
    await gateway.find_server(instance)
    if params.name not in gateway.catalogue(instance).tools and any(
        params.name in gateway.catalogue(other).tools for other in gateway.instances.values()
    ):
        version = instance.remote.known_version
        return _build_failure(
            Unsupported(
                f"{params.name} is not served by {instance.name} (Airflow {version}).",
                hint="tools/list says by its `instance` which instances serve a tool.",
                instance=instance.name,
            )
        )
    moved = params.model_copy(update={"arguments": arguments})
    return await gateway.delegate(instance, "tools/call", ctx, moved)


async def _list_instances(gateway: Gateway) -> types.CallToolResult:
    rows = []
    for instance in gateway.instances.values():
        row: dict[str, object] = {"instance": instance.name, "url": instance.remote.target.url}
        try:
            row |= {"reachable": True, "airflow_version": await instance.remote.version()}
        except ToolError as failure:
            row |= {"reachable": False, "problem": failure.message}
        policy = await instance.policy()
        row["read_only"] = policy.read_only
        if policy.problem:
            row["policy_problem"] = policy.problem
        rows.append(row)
    data = {"instances": rows, "total": len(rows)}
    return _build_result(data, json.dumps(data, ensure_ascii=False, separators=(",", ":")))


def _build_failure(failure: ToolError) -> types.CallToolResult:
    return _build_result({"error": failure.as_dict()}, failure.as_text(), is_error=True)


def _build_result(data: Mapping[str, object], text: str, *, is_error: bool = False) -> types.CallToolResult:
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=text)], structured_content=dict(data), is_error=is_error
    )


_LIST_INSTANCES_TOOL = types.Tool(
    name=LIST_INSTANCES,
    title="List instances",
    description="List the Airflow instances that are served here, with version and reachability.",
    input_schema={"type": "object", "properties": {}, "additionalProperties": False},
    output_schema={
        "type": "object",
        "properties": {
            "instances": {"type": "array", "items": {"type": "object"}},
            "total": {"type": "integer"},
        },
        "required": ["instances", "total"],
    },
    annotations=types.ToolAnnotations(
        read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
    ),
)


async def _ask_owner(gateway: Gateway, method: str, ctx: Context, params: object) -> HandlerResult:
    """Answer a request about a task, whose identifier only the instance that made it can read."""
    unknown: MCPError | None = None
    for instance in gateway.instances.values():
        try:
            return await gateway.delegate(instance, method, ctx, params)
        except MCPError as refused:
            if refused.error.message != UNKNOWN_TASK:
                raise
            unknown = refused
    assert unknown is not None, "there is at least one instance"  # noqa: S101
    raise unknown


# ---- resources -------------------------------------------------------------------------------------------


async def _list_resources(gateway: Gateway, ctx: Context, _: object) -> types.ListResourcesResult:
    resources = await _list_everywhere(
        gateway,
        ctx,
        "resources/list",
        types.ListResourcesResult,
        lambda listing: listing.resources,
        lambda resource: str(resource.uri),
    )
    renamed = []
    for resource, names in resources:
        for name in names:
            changed = {
                "uri": f"{resource.uri}{_query_mark(resource.uri)}{INSTANCE}={quote(name, safe='')}",
                "name": f"{resource.name}_{name}",
                "title": f"{resource.title or resource.name} ({name})",
            }
            renamed.append(resource.model_copy(update=changed))
    return types.ListResourcesResult(resources=renamed)


async def _list_templates(gateway: Gateway, ctx: Context, _: object) -> types.ListResourceTemplatesResult:
    templates = await _list_everywhere(
        gateway,
        ctx,
        "resources/templates/list",
        types.ListResourceTemplatesResult,
        lambda listing: listing.resource_templates,
        lambda template: template.uri_template,
    )
    renamed = []
    for template, _names in templates:
        uri = template.uri_template
        uri = f"{uri}{{{_query_mark(uri)}{INSTANCE}}}"
        renamed.append(template.model_copy(update={"uri_template": uri}))
    return types.ListResourceTemplatesResult(resource_templates=renamed)


def _query_mark(address: str) -> str:
    """Return what a further parameter begins with."""
    return "&" if "?" in address else "?"


async def _ask_addressed(gateway: Gateway, method: str, ctx: Context, params: Any) -> HandlerResult:
    """Ask the instance that the address names, by the address as that instance knows it."""
    address, _, query = str(params.uri).partition("?")
    parts = [part for part in query.split("&") if part]
    instances = [part for part in parts if part.startswith(f"{INSTANCE}=")]
    name = unquote(instances[0].partition("=")[2]) if len(instances) == 1 else None
    try:
        instance = _find_instance(gateway, name, f"once, by ?{INSTANCE}= in the address")
    except ToolError as unnamed:
        raise _build_protocol_error(unnamed, uri=str(params.uri)) from None
    rest = "&".join(part for part in parts if part not in instances)
    moved = params.model_copy(update={"uri": f"{address}?{rest}" if rest else address})
    return await gateway.delegate(instance, method, ctx, moved)


async def _read_resource(
    gateway: Gateway, ctx: Context, params: types.ReadResourceRequestParams
) -> HandlerResult:
    answer = await _ask_addressed(gateway, "resources/read", ctx, params)
    if not isinstance(answer, types.ReadResourceResult):
        return answer
    contents = [content.model_copy(update={"uri": params.uri}) for content in answer.contents]
    return answer.model_copy(update={"contents": contents})


def _build_protocol_error(failure: ToolError, **more: object) -> MCPError:
    return MCPError(types.INVALID_PARAMS, failure.as_text(), data={**more, **failure.as_dict()})


# ---- prompts and completions -----------------------------------------------------------------------------


async def _list_prompts(gateway: Gateway, ctx: Context, _: object) -> types.ListPromptsResult:
    prompts = await _list_everywhere(
        gateway,
        ctx,
        "prompts/list",
        types.ListPromptsResult,
        lambda listing: listing.prompts,
        lambda prompt: prompt.name,
    )
    renamed = []
    for prompt, names in prompts:
        chosen = types.PromptArgument(
            name=INSTANCE, description=f"Which Airflow: {', '.join(names)}.", required=True
        )
        renamed.append(prompt.model_copy(update={"arguments": [chosen, *(prompt.arguments or [])]}))
    return types.ListPromptsResult(prompts=renamed)


async def _get_prompt(gateway: Gateway, ctx: Context, params: types.GetPromptRequestParams) -> HandlerResult:
    arguments: JSONObject = dict(params.arguments or {})
    try:
        instance = _pop_instance(gateway, arguments)
    except ToolError as unnamed:
        raise _build_protocol_error(unnamed) from None
    moved = params.model_copy(update={"arguments": arguments})
    answer = await gateway.delegate(instance, "prompts/get", ctx, moved)
    if not isinstance(answer, types.GetPromptResult):
        return answer
    name = instance.name
    text = f"This is about the Airflow instance `{name}`: give every tool the {INSTANCE} `{name}`."
    first = types.PromptMessage(role="user", content=types.TextContent(type="text", text=text))
    return answer.model_copy(update={"messages": [first, *answer.messages]})


async def _complete(
    gateway: Gateway, ctx: Context, params: types.CompleteRequestParams
) -> types.CompleteResult:
    if params.argument.name == INSTANCE:
        values = [name for name in gateway.instances if name.startswith(params.argument.value)]
        return types.CompleteResult(completion=types.Completion(values=values[:MAX_COMPLETIONS]))
    context = (params.context.arguments if params.context else None) or {}
    # In an address the instance comes last: before it is chosen, all of them are asked.
    chosen = gateway.instances.get(context.get(INSTANCE, ""))
    found: dict[str, None] = {}
    more = False
    for instance in [chosen] if chosen else gateway.instances.values():
        answer = await gateway.delegate(instance, "completion/complete", ctx, params)
        assert isinstance(answer, types.CompleteResult), "a completion is completed"  # noqa: S101
        found |= dict.fromkeys(answer.completion.values)
        more = more or bool(answer.completion.has_more)
    return types.CompleteResult(
        completion=types.Completion(
            values=list(found)[:MAX_COMPLETIONS], has_more=more or len(found) > MAX_COMPLETIONS
        )
    )
