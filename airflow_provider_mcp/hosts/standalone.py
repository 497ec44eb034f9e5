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
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TextIO
from urllib.parse import urlsplit

import mcp_types as types
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from airflow_provider_mcp.client import Client
from airflow_provider_mcp.errors import ToolError
from airflow_provider_mcp.hosts import asgi
from airflow_provider_mcp.hosts.remote import Remote, is_loopback
from airflow_provider_mcp.plugins import Catalogue, load_catalogue
from airflow_provider_mcp.policy import Confirmations, Policy
from airflow_provider_mcp.server import Visit, build_server

if TYPE_CHECKING:
    from airflow_provider_mcp.endpoint import Reply

INSTANCE = "instance"
LIST_INSTANCES = "list_instances"
UNSEEN = "3.99"
"""The version that is assumed of an Airflow that has never answered: everything is listed."""

catalogue_of = functools.lru_cache(maxsize=16)(load_catalogue)


@dataclass(frozen=True)
class Instance:
    """One Airflow that is served, and what may be done there."""

    remote: Remote
    policy: Policy

    @property
    def name(self) -> str:
        return self.remote.target.name


class Fleet:
    """The server in front of all instances. With more than one, every tool takes ``instance``."""

    def __init__(self, instances: Sequence[Instance], secret: bytes | None = None) -> None:
        self.instances: Mapping[str, Instance] = {instance.name: instance for instance in instances}
        if len(self.instances) != len(instances):
            raise ValueError("two instances have the same name")
        self._secret = secrets.token_bytes(32) if secret is None else secret
        self._first = instances[0]
        self._servers: dict[tuple[str, str], Server[Any]] = {}
        self.server = self._server(self._first, UNSEEN)
        # Outermost: what stands behind it may look at the visit.
        self.server.middleware.insert(0, self._enter)
        self.server.add_request_handler("tools/list", types.PaginatedRequestParams, self._list_tools)
        self.server.add_request_handler("tools/call", types.CallToolRequestParams, self._call_tool)
        if len(instances) > 1:
            for method in ("tasks/get", "tasks/update", "tasks/cancel"):
                entry = self.server.get_request_handler(method)
                if entry is not None:
                    self.server.add_request_handler(method, entry.params_type, self._find_owner(method))
            for method in ("resources/list", "resources/templates/list", "resources/read"):
                # Their addresses have no place for an instance: with several, tools say it all.
                self.server.add_request_handler(method, types.RequestParams, _no_resources(method))

    def _server(self, instance: Instance, version: str) -> Server[Any]:
        """Return a server of one instance at one version: what is listed depends on both."""
        # A confirmation given for one instance must not act on another.
        key = hmac.new(self._secret, instance.name.encode(), hashlib.sha256).digest()
        return build_server(self.catalogue(version), Confirmations(key))

    @staticmethod
    def catalogue(version: str) -> Catalogue:
        """Return what there is for an Airflow of this version."""
        return catalogue_of(version)

    async def _server_of(self, instance: Instance) -> Server[Any]:
        """Return the server of an instance; one that cannot be asked is taken for what it last was."""
        try:
            version = await instance.remote.version()
        except ToolError:
            version = instance.remote.known_version or UNSEEN
        key = (instance.name, version)
        if key not in self._servers:
            self._servers[key] = self._server(instance, version)
        return self._servers[key]

    async def _enter(self, ctx: Any, call_next: Any) -> Any:
        """Give the request the visit that an embedded server's host would have given it."""
        return await call_next(replace(ctx, request=self._visit(ctx, self._first)))

    def _visit(self, ctx: Any, instance: Instance) -> Visit:
        remote = instance.remote
        if isinstance(ctx.request, Visit):
            # By HTTP: what is known of the client stays.
            return replace(
                ctx.request, caller=remote.caller, policy=instance.policy, open_airflow=remote.open_airflow
            )
        visit = Visit(remote.caller, instance.policy, remote.open_airflow)
        session = ctx.session
        info = getattr(session.client_params, "client_info", None)
        elicitation = getattr(session.client_capabilities, "elicitation", None)
        modern = session.protocol_version in MODERN_PROTOCOL_VERSIONS
        # An empty declaration means forms (2025-11-25, elicitation).
        forms = elicitation is not None and (elicitation.form is not None or elicitation.url is None)
        talk = Client(
            # Whether the client asked for progress, and by which token, the session knows.
            progress_token=0,
            notify=functools.partial(_report_progress, session),
        )
        return replace(visit, client=getattr(info, "name", None), elicits=modern and forms, talk=talk)

    async def _list_tools(self, ctx: Any, params: Any) -> types.ListToolsResult:
        if len(self.instances) == 1:
            only: types.ListToolsResult = await self._delegate(self._first, "tools/list", ctx, params)
            return only
        merged: dict[str, tuple[types.Tool, list[str]]] = {LIST_INSTANCES: (_LIST_INSTANCES, [])}
        for instance in self.instances.values():
            cursor = None
            while True:
                listed = await self._delegate(
                    instance, "tools/list", ctx, types.PaginatedRequestParams(cursor=cursor)
                )
                for tool in listed.tools:
                    merged.setdefault(tool.name, (tool, []))[1].append(instance.name)
                cursor = listed.next_cursor
                if cursor is None:
                    break
        return types.ListToolsResult(
            tools=[_with_instance(tool, names) if names else tool for tool, names in merged.values()]
        )

    async def _call_tool(self, ctx: Any, params: types.CallToolRequestParams) -> Any:
        if len(self.instances) == 1:
            return await self._delegate(self._first, "tools/call", ctx, params)
        if params.name == LIST_INSTANCES:
            return await self._list_instances()
        arguments = dict(params.arguments or {})
        name = arguments.pop(INSTANCE, None)
        instance = self.instances.get(name) if isinstance(name, str) else None
        if instance is None:
            known = ", ".join(self.instances)
            said = "Say which instance" if name is None else f"There is no instance `{name}`"
            return _failed(
                ToolError("invalid_argument", f"{said}; there are: {known}.", instances=list(self.instances))
            )
        server = await self._server_of(instance)
        version = instance.remote.known_version or UNSEEN
        if params.name not in self.catalogue(version).tools and any(
            params.name in self.catalogue(other.remote.known_version or UNSEEN).tools
            for other in self.instances.values()
        ):
            return _failed(
                ToolError(
                    "unsupported",
                    f"{params.name} is not served by {instance.name} (Airflow {version}).",
                    hint="tools/list says by its `instance` which instances serve a tool.",
                    instance=instance.name,
                )
            )
        moved = params.model_copy(update={"arguments": arguments})
        return await self._handle(server, instance, "tools/call", ctx, moved)

    async def _delegate(self, instance: Instance, method: str, ctx: Any, params: Any) -> Any:
        return await self._handle(await self._server_of(instance), instance, method, ctx, params)

    async def _handle(
        self, server: Server[Any], instance: Instance, method: str, ctx: Any, params: Any
    ) -> Any:
        entry = server.get_request_handler(method)
        if entry is None:
            raise MCPError(types.METHOD_NOT_FOUND, f"Method not found: {method}")
        return await entry.handler(replace(ctx, request=self._visit(ctx, instance)), params)

    def _find_owner(self, method: str) -> Any:
        """Return the handler of a request about something that one instance has made and sealed."""

        async def handle(ctx: Any, params: Any) -> Any:
            refusal: MCPError | None = None
            for instance in self.instances.values():
                try:
                    return await self._delegate(instance, method, ctx, params)
                except MCPError as not_its_own:
                    refusal = refusal or not_its_own
            assert refusal is not None, "there is at least one instance"  # noqa: S101
            raise refusal

        return handle

    async def _list_instances(self) -> types.CallToolResult:
        rows = []
        for instance in self.instances.values():
            row: dict[str, Any] = {"instance": instance.name, "url": instance.remote.target.url}
            try:
                row |= {"reachable": True, "airflow_version": await instance.remote.version()}
            except ToolError as failure:
                row |= {"reachable": False, "problem": failure.message}
            rows.append({**row, "read_only": instance.policy.read_only})
        return _result({"instances": rows, "total": len(rows)})


async def _report_progress(session: Any, _method: str, report: Mapping[str, Any]) -> None:
    """Send a progress report by a session: it is all that a client of a pipe is told before its result."""
    await session.report_progress(report["progress"], report.get("total"), report.get("message"))


def own_origins(host: str, port: int) -> set[str | None]:
    """Return the origins at which a server bound to ``host`` and ``port`` is reached from this machine."""
    names = {host, "localhost", "127.0.0.1", "[::1]"} if is_loopback(host) else {host}
    return {f"http://{name}:{port}" for name in names}


class HttpEndpoint:
    """The ASGI app of ``serve --transport http``: the endpoint ``/mcp/v1``, as the embedded one.

    :param bearer_token: What a request must carry; None lets every local program in.
    :param hosts: The ``Host`` headers it answers to, which keeps pages of other names out that were
        rebound to this address.
    """

    def __init__(
        self,
        fleet: Fleet,
        *,
        bearer_token: str | None,
        hosts: frozenset[str],
        origins: set[str | None],
        allowed_origins: frozenset[str] = frozenset(),
    ) -> None:
        self._fleet = fleet
        self._bearer = bearer_token
        self._hosts = hosts
        self._origins = origins
        self._door = Policy(allowed_origins=allowed_origins)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        reply = await self._answer(scope, receive, send)
        if reply is not None:
            await asgi.send_reply(send, reply)

    async def _answer(self, scope: Any, receive: Any, send: Any) -> Reply | None:
        """Answer a request; return what is left to send."""
        from airflow_provider_mcp import endpoint

        if scope["path"] not in ("/mcp/v1", "/mcp/v1/"):
            return endpoint.Reply(404, b'{"detail":"Not Found"}', {"Content-Type": "application/json"})
        raw_headers = asgi.headers_of(scope)
        headers = dict(raw_headers)
        if self._hosts and headers.get("host", "").lower() not in self._hosts:
            return endpoint.Reply(421, b'{"detail":"Unknown Host"}', {"Content-Type": "application/json"})
        refused = endpoint.refuse_at_the_door(scope["method"], headers, self._door, self._origins)
        if refused is not None:
            return refused
        if self._bearer is not None:
            scheme, _, given = headers.get("authorization", "").partition(" ")
            same = hmac.compare_digest(given.strip().encode(), self._bearer.encode())
            if scheme.lower() != "bearer" or not same:
                return endpoint.unauthenticated()
        refused = endpoint.refuse_body(headers, self._door)
        if refused is not None:
            return refused
        body = await asgi.read_body(receive, self._door.max_request_bytes)
        if body is None:
            return endpoint.Reply(400)
        if len(body) > self._door.max_request_bytes:
            return endpoint.too_large(self._door)
        first = next(iter(self._fleet.instances.values()))
        visit = Visit(first.remote.caller, first.policy, first.remote.open_airflow)
        return await asgi.exchange(self._fleet.server, raw_headers, body, visit, receive, send)


async def serve_stdio(fleet: Fleet, standard_output: TextIO) -> None:
    """Serve one client on this process's standard input and output, until it closes them.

    :param standard_output: What ``sys.stdout`` was before it was pointed elsewhere, where it stays but for
        the moment in which the transport takes this: what is printed must not reach the client.
    """
    from mcp.server.stdio import stdio_server

    elsewhere, sys.stdout = sys.stdout, standard_output
    async with stdio_server() as (incoming, outgoing):
        sys.stdout = elsewhere
        await fleet.server.run(incoming, outgoing, fleet.server.create_initialization_options())


async def serve_http(
    fleet: Fleet, host: str, port: int, bearer_token: str | None, allowed_origins: frozenset[str]
) -> None:
    """Serve HTTP until the process is told to end."""
    import uvicorn

    origins = own_origins(host, port)
    local = is_loopback(host)
    hosts = frozenset(urlsplit(origin).netloc for origin in origins if origin) if local else frozenset()
    app = HttpEndpoint(
        fleet, bearer_token=bearer_token, hosts=hosts, origins=origins, allowed_origins=allowed_origins
    )
    config = uvicorn.Config(app, host=host, port=port, log_config=None, lifespan="off", access_log=False)
    await uvicorn.Server(config).serve()


def _with_instance(tool: types.Tool, names: Sequence[str]) -> types.Tool:
    schema = dict(tool.input_schema)
    chosen = {"type": "string", "enum": list(names), "description": "Which Airflow."}
    schema["properties"] = {INSTANCE: chosen, **schema.get("properties", {})}
    schema["required"] = [INSTANCE, *schema.get("required", [])]
    return tool.model_copy(update={"input_schema": schema})


def _no_resources(method: str) -> Any:
    async def handle(_ctx: Any, _params: Any) -> Any:
        if method == "resources/list":
            return types.ListResourcesResult(resources=[])
        if method == "resources/templates/list":
            return types.ListResourceTemplatesResult(resource_templates=[])
        raise MCPError(types.INVALID_PARAMS, "Several instances are served: use the tools instead.")

    return handle


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
