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
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import mcp_types as types
from mcp.server.context import CallNext, HandlerResult
from mcp.server.session import ServerSession
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from airflow_provider_mcp.remote.instance import Instance
from airflow_provider_mcp.sdk.errors import ToolError
from airflow_provider_mcp.server.build import AirflowServer, build_server
from airflow_provider_mcp.server.catalogue import Catalogue, load_catalogue
from airflow_provider_mcp.server.clients import describe_client
from airflow_provider_mcp.server.request import Context, Request
from airflow_provider_mcp.server.signing import Confirmations

UNSEEN = "3.99"
"""The version that is assumed of an Airflow that has never answered: everything is listed."""

cached_catalogue = functools.lru_cache(maxsize=16)(load_catalogue)

Handler = Callable[[Context, Any], Awaitable[HandlerResult]]


class Gateway:
    """The server in front of all instances; by itself it answers for the first one.

    :param secret: What confirmations are signed with; made up by default.
    """

    def __init__(self, instances: Sequence[Instance], secret: bytes | None = None) -> None:
        self.instances: Mapping[str, Instance] = {instance.name: instance for instance in instances}
        if len(self.instances) != len(instances):
            raise ValueError("two instances have the same name")
        self._secret = secrets.token_bytes(32) if secret is None else secret
        self.first = instances[0]
        self._servers: dict[tuple[str, str], AirflowServer] = {}
        self.server = self._build_server(self.first, UNSEEN)
        # Outermost: what stands behind it may look at the request.
        self.server.middleware.insert(0, self._enter)
        for method in ("tools/list", "tools/call"):
            self.replace_handler(method, functools.partial(self.delegate, self.first, method))

    def replace_handler(self, method: str, handler: Handler) -> None:
        """Answer a method, which the server of one instance answers too, in another way."""
        entry = self.server.get_request_handler(method)
        assert entry is not None, f"the server of one instance answers {method}"  # noqa: S101
        self.server.add_request_handler(method, entry.params_type, handler)

    def _build_server(self, instance: Instance, version: str) -> AirflowServer:
        """Return a server of one instance at one version: what is listed depends on both."""
        # A confirmation given for one instance must not act on another.
        key = hmac.new(self._secret, instance.name.encode(), hashlib.sha256).digest()
        return build_server(cached_catalogue(version), Confirmations(key))

    def catalogue(self, instance: Instance) -> Catalogue:
        """Return what there is for an instance, by the version that was last seen there."""
        return cached_catalogue(instance.remote.known_version or UNSEEN)

    async def find_server(self, instance: Instance) -> AirflowServer:
        """Return the server of an instance; one that cannot be asked is taken for what it last was."""
        try:
            version = await instance.remote.version()
        except ToolError:
            version = instance.remote.known_version or UNSEEN
        key = (instance.name, version)
        if key not in self._servers:
            self._servers[key] = self._build_server(instance, version)
        return self._servers[key]

    async def delegate(self, instance: Instance, method: str, ctx: Context, params: object) -> HandlerResult:
        """Answer a request as the server of one instance answers it."""
        server = await self.find_server(instance)
        entry = server.get_request_handler(method)
        if entry is None:
            raise MCPError(types.METHOD_NOT_FOUND, f"Method not found: {method}")
        request = await self.build_request(ctx, instance, server)
        return await entry.handler(replace(ctx, request=request), params)

    async def _enter(self, ctx: Context, call_next: CallNext) -> HandlerResult:
        """Give the request what the host of an embedded server would have given it."""
        return await call_next(replace(ctx, request=await self.build_request(ctx, self.first, self.server)))

    async def build_request(self, ctx: Context, instance: Instance, server: AirflowServer) -> Request:
        """Return a request as one about an instance, under the policy of that instance."""
        policy = await instance.policy()
        if isinstance(ctx.request, Request):
            # What is known of the client stays.
            return server.open_request(instance.identity, policy, ctx.request.client)
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
        return server.open_request(instance.identity, policy, client)


async def _report_progress(session: ServerSession, _method: str, report: Mapping[str, Any]) -> None:
    """Send a progress report by a session: it is all that a client of a pipe is told before its result."""
    await session.report_progress(report["progress"], report.get("total"), report.get("message"))
