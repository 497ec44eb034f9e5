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
"""``airflow-mcp serve``: the same server as a process of its own, in front of one Airflow or several."""

from __future__ import annotations

import functools
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote, unquote

import anyio
import anyio.to_thread
import mcp_types as types
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from airflow_provider_mcp.remote.client import Remote
from airflow_provider_mcp.sdk.errors import InvalidArgument, ToolError, Unsupported
from airflow_provider_mcp.server.build import AirflowServer, build_server
from airflow_provider_mcp.server.catalogue import Catalogue, load_catalogue
from airflow_provider_mcp.server.clients import describe_client
from airflow_provider_mcp.server.identifiers import MAX_COMPLETIONS
from airflow_provider_mcp.server.jobs import UNKNOWN_TASK
from airflow_provider_mcp.server.policy import Policy, PolicySource
from airflow_provider_mcp.server.request import Identity, Request
from airflow_provider_mcp.server.signing import Confirmations

INSTANCE = "instance"

LIST_INSTANCES = "list_instances"

UNSEEN = "3.99"
"""The version that is assumed of an Airflow that has never answered: everything is listed."""

catalogue_of = functools.lru_cache(maxsize=16)(load_catalogue)


@dataclass(frozen=True)
class Instance:
    """One Airflow that is served, and what may be done there."""

    remote: Remote
    policy_source: PolicySource

    @property
    def name(self) -> str:
        return self.remote.target.name

    async def policy(self) -> Policy:
        """Return the policy in force."""
        source = self.policy_source
        # What is stale is read from a secrets backend or a database.
        return await anyio.to_thread.run_sync(source.current) if source.stale else source.current()


class Fleet:
    """The server in front of all instances. With more than one, each request says which it is about.

    Tools and prompts take the argument ``instance``, addresses of resources have it in their query.
    """

    def __init__(self, instances: Sequence[Instance], secret: bytes | None = None) -> None:
        self.instances: Mapping[str, Instance] = {instance.name: instance for instance in instances}
        if len(self.instances) != len(instances):
            raise ValueError("two instances have the same name")
        self._secret = secrets.token_bytes(32) if secret is None else secret
        self.first = instances[0]
        self._servers: dict[tuple[str, str], AirflowServer] = {}
        self.server = self._server(self.first, UNSEEN)
        # Outermost: what stands behind it may look at the request.
        self.server.middleware.insert(0, self._enter)
        if len(instances) == 1:
            handlers = {method: self._to_first(method) for method in ("tools/list", "tools/call")}
        else:
            handlers = {
                "tools/list": self._list_tools,
                "tools/call": self._call_tool,
                "prompts/list": self._list_prompts,
                "prompts/get": self._get_prompt,
                "resources/list": self._list_resources,
                "resources/templates/list": self._list_templates,
                "resources/read": self._read_resource,
                "resources/subscribe": self._to_addressed("resources/subscribe"),
                "resources/unsubscribe": self._to_addressed("resources/unsubscribe"),
                "completion/complete": self._complete,
                **{
                    method: self._to_owner(method) for method in ("tasks/get", "tasks/update", "tasks/cancel")
                },
            }
        for method, handler in handlers.items():
            entry = self.server.get_request_handler(method)
            assert entry is not None, f"the server of one instance answers {method}"  # noqa: S101
            self.server.add_request_handler(method, entry.params_type, handler)

    def _server(self, instance: Instance, version: str) -> AirflowServer:
        """Return a server of one instance at one version: what is listed depends on both."""
        # A confirmation given for one instance must not act on another.
        key = hmac.new(self._secret, instance.name.encode(), hashlib.sha256).digest()
        return build_server(self.catalogue(version), Confirmations(key))

    @staticmethod
    def catalogue(version: str) -> Catalogue:
        """Return what there is for an Airflow of this version."""
        return catalogue_of(version)

    async def _server_of(self, instance: Instance) -> AirflowServer:
        """Return the server of an instance; one that cannot be asked is taken for what it last was."""
        try:
            version = await instance.remote.version()
        except ToolError:
            version = instance.remote.known_version or UNSEEN
        key = (instance.name, version)
        if key not in self._servers:
            self._servers[key] = self._server(instance, version)
        return self._servers[key]

    # ---- one request, one instance -------------------------------------------------------------------

    async def _enter(self, ctx: Any, call_next: Any) -> Any:
        """Give the request the request that an embedded server's host would have given it."""
        request = await self._request(ctx, self.first, self.server)
        return await call_next(replace(ctx, request=request))

    async def _request(self, ctx: Any, instance: Instance, server: AirflowServer) -> Request:
        """Return the request as an instance takes it."""
        identity = Identity(instance.remote.caller, instance.remote.open_airflow)
        policy = await instance.policy()
        if isinstance(ctx.request, Request):
            # What is known of the client stays.
            return server.open_request(identity, policy, ctx.request.client)
        session = ctx.session
        declared = session.client_capabilities
        can = {} if declared is None else declared.model_dump(mode="json", by_alias=True, exclude_none=True)
        modern = session.protocol_version in MODERN_PROTOCOL_VERSIONS
        name = getattr(getattr(session.client_params, "client_info", None), "name", None)
        client = replace(
            describe_client(name, can, modern=modern),
            # Whether the client asked for progress, and by which token, the session knows.
            progress_token=0,
            notify=functools.partial(_report_progress, session),
        )
        return server.open_request(identity, policy, client)

    async def _delegate(self, instance: Instance, method: str, ctx: Any, params: Any) -> Any:
        return await self._handle(await self._server_of(instance), instance, method, ctx, params)

    async def _handle(
        self, server: AirflowServer, instance: Instance, method: str, ctx: Any, params: Any
    ) -> Any:
        entry = server.get_request_handler(method)
        if entry is None:
            raise MCPError(types.METHOD_NOT_FOUND, f"Method not found: {method}")
        request = await self._request(ctx, instance, server)
        return await entry.handler(replace(ctx, request=request), params)

    def _to_first(self, method: str) -> Any:
        return functools.partial(self._delegate, self.first, method)

    def _named(self, name: Any, where: str) -> Instance:
        """Return the instance of a name.

        :param where: How a request says it.
        :raises ToolError: ``invalid_argument``, with the names there are.
        """
        instance = self.instances.get(name) if isinstance(name, str) else None
        if instance is None:
            known = ", ".join(self.instances)
            said = f"Say which instance, {where}" if name is None else f"There is no instance `{name}`"
            raise InvalidArgument(f"{said}; there are: {known}.", instances=list(self.instances))
        return instance

    async def _list_of_all(self, method: str, field: str, key: str, ctx: Any) -> list[tuple[Any, list[str]]]:
        """Return what the instances list, each thing once, with the names of those that list it."""
        merged: dict[str, tuple[Any, list[str]]] = {}
        for instance in self.instances.values():
            cursor = None
            while True:
                listed = await self._delegate(
                    instance, method, ctx, types.PaginatedRequestParams(cursor=cursor)
                )
                for thing in getattr(listed, field):
                    merged.setdefault(getattr(thing, key), (thing, []))[1].append(instance.name)
                cursor = listed.next_cursor
                if cursor is None:
                    break
        return list(merged.values())

    # ---- tools -----------------------------------------------------------------------------------------

    async def _list_tools(self, ctx: Any, _: Any) -> types.ListToolsResult:
        tools = await self._list_of_all("tools/list", "tools", "name", ctx)
        return types.ListToolsResult(tools=[_LIST_INSTANCES, *(_with_instance(*found) for found in tools)])

    async def _call_tool(self, ctx: Any, params: types.CallToolRequestParams) -> Any:
        if params.name == LIST_INSTANCES:
            return await self._list_instances()
        arguments = dict(params.arguments or {})
        try:
            instance = self._named(arguments.pop(INSTANCE, None), f"by the argument {INSTANCE}")
        except ToolError as unnamed:
            return _failed(unnamed)
        server = await self._server_of(instance)
        version = instance.remote.known_version or UNSEEN
        if params.name not in self.catalogue(version).tools and any(
            params.name in self.catalogue(other.remote.known_version or UNSEEN).tools
            for other in self.instances.values()
        ):
            return _failed(
                Unsupported(
                    f"{params.name} is not served by {instance.name} (Airflow {version}).",
                    hint="tools/list says by its `instance` which instances serve a tool.",
                    instance=instance.name,
                )
            )
        moved = params.model_copy(update={"arguments": arguments})
        return await self._handle(server, instance, "tools/call", ctx, moved)

    async def _list_instances(self) -> types.CallToolResult:
        rows = []
        for instance in self.instances.values():
            row: dict[str, Any] = {"instance": instance.name, "url": instance.remote.target.url}
            try:
                row |= {"reachable": True, "airflow_version": await instance.remote.version()}
            except ToolError as failure:
                row |= {"reachable": False, "problem": failure.message}
            policy = await instance.policy()
            row["read_only"] = policy.read_only
            if policy.problem:
                row["policy_problem"] = policy.problem
            rows.append(row)
        return _result({"instances": rows, "total": len(rows)})

    def _to_owner(self, method: str) -> Any:
        """Return the handler of a request about a task, which the instance that made it has sealed."""

        async def handle(ctx: Any, params: Any) -> Any:
            unknown: MCPError | None = None
            for instance in self.instances.values():
                try:
                    return await self._delegate(instance, method, ctx, params)
                except MCPError as refused:
                    if refused.error.message != UNKNOWN_TASK:
                        raise
                    unknown = refused
            assert unknown is not None, "there is at least one instance"  # noqa: S101
            raise unknown

        return handle

    # ---- resources and prompts -------------------------------------------------------------------------

    async def _list_resources(self, ctx: Any, _: Any) -> types.ListResourcesResult:
        named = []
        for resource, names in await self._list_of_all("resources/list", "resources", "uri", ctx):
            for name in names:
                changed = {
                    "uri": f"{resource.uri}{_query_mark(resource.uri)}{INSTANCE}={quote(name, safe='')}",
                    "name": f"{resource.name}_{name}",
                    "title": f"{resource.title or resource.name} ({name})",
                }
                named.append(resource.model_copy(update=changed))
        return types.ListResourcesResult(resources=named)

    async def _list_templates(self, ctx: Any, _: Any) -> types.ListResourceTemplatesResult:
        templates = await self._list_of_all(
            "resources/templates/list", "resource_templates", "uri_template", ctx
        )
        named = []
        for template, _ in templates:
            uri = template.uri_template
            uri = f"{uri}{{{_query_mark(uri)}{INSTANCE}}}"
            named.append(template.model_copy(update={"uri_template": uri}))
        return types.ListResourceTemplatesResult(resource_templates=named)

    def _addressed(self, params: Any) -> tuple[Instance, Any]:
        """Return whom an address is about, and the request as that instance knows it."""
        address, _, query = str(params.uri).partition("?")
        parts = [part for part in query.split("&") if part]
        named = [part for part in parts if part.startswith(f"{INSTANCE}=")]
        name = unquote(named[0].partition("=")[2]) if len(named) == 1 else None
        try:
            instance = self._named(name, f"once, by ?{INSTANCE}= in the address")
        except ToolError as unnamed:
            raise _invalid(unnamed, uri=str(params.uri)) from None
        kept = [part for part in parts if part not in named]
        return instance, params.model_copy(update={"uri": "?".join(filter(None, [address, "&".join(kept)]))})

    def _to_addressed(self, method: str) -> Any:
        async def handle(ctx: Any, params: Any) -> Any:
            instance, moved = self._addressed(params)
            return await self._delegate(instance, method, ctx, moved)

        return handle

    async def _read_resource(self, ctx: Any, params: types.ReadResourceRequestParams) -> Any:
        answer = await self._to_addressed("resources/read")(ctx, params)
        contents = [content.model_copy(update={"uri": params.uri}) for content in answer.contents]
        return answer.model_copy(update={"contents": contents})

    async def _list_prompts(self, ctx: Any, _: Any) -> types.ListPromptsResult:
        prompts = []
        for prompt, names in await self._list_of_all("prompts/list", "prompts", "name", ctx):
            chosen = types.PromptArgument(
                name=INSTANCE, description=f"Which Airflow: {', '.join(names)}.", required=True
            )
            prompts.append(prompt.model_copy(update={"arguments": [chosen, *(prompt.arguments or [])]}))
        return types.ListPromptsResult(prompts=prompts)

    async def _get_prompt(self, ctx: Any, params: types.GetPromptRequestParams) -> Any:
        arguments = dict(params.arguments or {})
        try:
            instance = self._named(arguments.pop(INSTANCE, None), f"by the argument {INSTANCE}")
        except ToolError as unnamed:
            raise _invalid(unnamed) from None
        moved = params.model_copy(update={"arguments": arguments})
        answer = await self._delegate(instance, "prompts/get", ctx, moved)
        if not isinstance(answer, types.GetPromptResult):
            return answer
        name = instance.name
        said = f"This is about the Airflow instance `{name}`: give every tool the {INSTANCE} `{name}`."
        first = types.PromptMessage(role="user", content=types.TextContent(type="text", text=said))
        return answer.model_copy(update={"messages": [first, *answer.messages]})

    async def _complete(self, ctx: Any, params: types.CompleteRequestParams) -> types.CompleteResult:
        if params.argument.name == INSTANCE:
            values = [name for name in self.instances if name.startswith(params.argument.value)]
            return types.CompleteResult(completion=types.Completion(values=values[:MAX_COMPLETIONS]))
        chosen = (params.context.arguments if params.context else None) or {}
        # In an address the instance comes last: before it is chosen, all of them are asked.
        asked = [self.instances[chosen[INSTANCE]]] if chosen.get(INSTANCE) in self.instances else None
        found: dict[str, None] = {}
        more = False
        for instance in asked or self.instances.values():
            completion = (await self._delegate(instance, "completion/complete", ctx, params)).completion
            found |= dict.fromkeys(completion.values)
            more = more or bool(completion.has_more)
        return types.CompleteResult(
            completion=types.Completion(
                values=list(found)[:MAX_COMPLETIONS], has_more=more or len(found) > MAX_COMPLETIONS
            )
        )


async def _report_progress(session: Any, _method: str, report: Mapping[str, Any]) -> None:
    """Send a progress report by a session: it is all that a client of a pipe is told before its result."""
    await session.report_progress(report["progress"], report.get("total"), report.get("message"))


def _with_instance(tool: types.Tool, names: Sequence[str]) -> types.Tool:
    schema = dict(tool.input_schema)
    chosen = {"type": "string", "enum": list(names), "description": "Which Airflow."}
    schema["properties"] = {INSTANCE: chosen, **schema.get("properties", {})}
    schema["required"] = [INSTANCE, *schema.get("required", [])]
    return tool.model_copy(update={"input_schema": schema})


def _query_mark(address: str) -> str:
    """Return what a further parameter begins with."""
    return "&" if "?" in address else "?"


def _invalid(failure: ToolError, **more: Any) -> MCPError:
    return MCPError(types.INVALID_PARAMS, failure.as_text(), data={**more, **failure.as_dict()})


def _result(
    data: Mapping[str, Any], *, is_error: bool = False, text: str | None = None
) -> types.CallToolResult:
    said = json.dumps(data, ensure_ascii=False, separators=(",", ":")) if text is None else text
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=said)], structured_content=dict(data), is_error=is_error
    )


def _failed(failure: ToolError) -> types.CallToolResult:
    return _result({"error": failure.as_dict()}, is_error=True, text=failure.as_text())


_LIST_INSTANCES = types.Tool(
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
