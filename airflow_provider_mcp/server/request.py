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
"""One authenticated request: who calls, what they may see and do, and the way to Airflow.

Policy, scopes, vetoes of plugins, and tools that depend on the caller meet here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import anyio
from mcp.server.context import ServerRequestContext

from airflow_provider_mcp.sdk.airflow import Airflow, Caller
from airflow_provider_mcp.sdk.client import Client
from airflow_provider_mcp.sdk.errors import PermissionDenied, RateLimited, ReadOnly
from airflow_provider_mcp.sdk.prompts import Prompt
from airflow_provider_mcp.sdk.resources import Resource
from airflow_provider_mcp.sdk.tool import Access, Tool
from airflow_provider_mcp.server.caller_tools import CallerTools, DynamicCatalogue
from airflow_provider_mcp.server.catalogue import Catalogue
from airflow_provider_mcp.server.claims import Claims
from airflow_provider_mcp.server.policy import Policy
from airflow_provider_mcp.server.rates import Rates
from airflow_provider_mcp.server.signing import Confirmations
from airflow_provider_mcp.server.vetoes import drop_vetoed

OpenAirflow: TypeAlias = Callable[[Literal["read", "write"]], Airflow]

WRITE_SCOPE = "airflow:write"


@dataclass(frozen=True)
class Identity:
    """Who sent a request, as the host authenticated them, and the way to Airflow as them.

    :param scopes: What their token is limited to; None for a credential without such a limit.
    :param pages: The address that the pages of this Airflow are below; None where it has none of ours.
    :param credential: A digest of what they authenticated with, if a browser could log in by it as well.
    :param waits_alone: Whether a request that waits holds up no other: it takes no worker or thread.
    :param end: Called when the request is answered: what Airflow still does for it is broken off.
    """

    caller: Caller
    open_airflow: OpenAirflow
    scopes: frozenset[str] | None = None
    pages: str | None = None
    credential: str = ""
    waits_alone: bool = False
    end: Callable[[], None] = lambda: None


Context: TypeAlias = "ServerRequestContext[None, Request]"
"""What the SDK hands to each handler."""


@dataclass(frozen=True)
class Request:
    """One authenticated request, made once and whole."""

    identity: Identity
    policy: Policy
    catalogue: Catalogue
    confirmations: Confirmations
    claims: Claims
    client: Client = field(default_factory=Client)
    rates: Rates = field(default_factory=Rates)
    dynamic: DynamicCatalogue | None = None

    @staticmethod
    def of(ctx: Context) -> Request:
        """Return the request that a handler of the SDK is called for."""
        assert ctx.request is not None, "the endpoint gives each exchange its request"  # noqa: S101
        return ctx.request

    @property
    def caller(self) -> Caller:
        """Who calls."""
        return self.identity.caller

    @property
    def may_write(self) -> bool:
        """Whether the server and the caller's token allow more than reading."""
        scopes = self.identity.scopes
        return not self.policy.read_only and (scopes is None or WRITE_SCOPE in scopes)

    async def tools(self) -> list[Tool]:
        """Return the tools that the caller is offered."""
        dynamic = (await self.caller_tools()).tools.values()
        return await self._choose([*self.catalogue.tools.values(), *dynamic])

    async def fixed_tools(self) -> list[Tool]:
        """Return those that do not depend on who calls."""
        return await self._choose(list(self.catalogue.tools.values()))

    async def caller_tools(self, name: str | None = None) -> CallerTools:
        """Return what plugins have for this caller, before policy and vetoes, and what they left out.

        :param name: The one tool that is looked for, None for all.
        """
        if self.dynamic is None or not self.catalogue.dynamic:
            return CallerTools()
        switched_on = self.policy.toolsets
        toolsets = self.catalogue.dynamic if switched_on is None else switched_on
        # One that writes is found, as others are, though only reading is allowed.
        may_write = self.may_write or name is not None
        return await self.dynamic.ask(self.reads(), toolsets, may_write=may_write, name=name)

    async def find(self, name: str) -> Tool | None:
        """Return the tool of this name; None if this server has none for the caller.

        A tool is found though only reading is allowed: its preview may be shown.

        """
        tool = self.catalogue.tools.get(name) or (await self.caller_tools(name)).tools.get(name)
        return tool if tool is not None and self.policy.switches_on(tool) else None

    async def check(self, tool: Tool) -> None:
        """Refuse a tool that a plugin vetoes for this caller.

        :raises PermissionDenied: It is vetoed.
        """
        if not await drop_vetoed(self.catalogue.plugins, [tool], self.caller):
            raise PermissionDenied(
                f"{tool.name} is not offered to {self.caller.name}.", hint="Ask an Airflow administrator."
            )

    async def count(self, access: Access) -> None:
        """Count this as a call of the caller's, and hold a refusal where that holds up nobody else.

        :raises RateLimited: The caller has called too often.
        """
        try:
            self.rates.count(self.caller.id, access, self.policy)
        except RateLimited:
            if self.identity.waits_alone:
                await anyio.sleep(self.rates.hold_refusal(self.caller.id))
            raise

    def forbid_writing(self, tool: Tool) -> ReadOnly:
        """Return the refusal of a tool that would change something where only reading is allowed."""
        if self.policy.read_only:
            return ReadOnly(
                f"{tool.name} would change something, and this MCP server is read-only.",
                hint=f"Nothing was changed; {self._way_out}.",
            )
        return ReadOnly(
            f"{tool.name} would change something, and the access token is for reading only.",
            hint=f"Nothing was changed; a login with the scope {WRITE_SCOPE} may write.",
        )

    @property
    def _way_out(self) -> str:
        """What ends the read-only mode."""
        problem = self.policy.problem
        return (
            f"an administrator can mend it: {problem}"
            if problem
            else "an administrator can lift [mcp] read_only"
        )

    async def resources(self) -> list[Resource]:
        """Return the resources that the caller is offered."""
        resources = self.catalogue.resources.values()
        offered = await self._offered_names(resources)
        return [one for one in resources if self._offers("resource", one.uri, one.tools, offered)]

    async def prompts(self) -> list[Prompt]:
        """Return the prompts that the caller is offered."""
        prompts = self.catalogue.prompts.values()
        offered = await self._offered_names(prompts)
        return [one for one in prompts if self._offers("prompt", one.name, one.tools, offered)]

    async def offers(self, name: str) -> bool:
        """Say whether the caller is offered the tool of this name, here and now."""
        tool = self.catalogue.tools.get(name)
        return tool is not None and bool(await self._choose([tool]))

    async def _choose(self, tools: Sequence[Tool]) -> list[Tool]:
        """Return those of some tools that the caller is offered."""
        may_write = self.may_write
        offered = [
            tool for tool in tools if (may_write or tool.access == "read") and self.policy.switches_on(tool)
        ]
        return await drop_vetoed(self.catalogue.plugins, offered, self.caller)

    async def _offered_names(self, parts: Iterable[Resource | Prompt]) -> set[str]:
        """Return the names of the tools behind resources or prompts that the caller is offered."""
        names = dict.fromkeys(name for part in parts for name in part.tools)
        tools = [tool for name in names if (tool := self.catalogue.tools.get(name)) is not None]
        return {tool.name for tool in await self._choose(tools)}

    def _offers(self, kind: str, name: str, tools: Sequence[str], offered: Collection[str]) -> bool:
        """Say whether the caller is offered a resource or a prompt.

        :param tools: Its tools; without any, one of its owner's toolsets must be switched on.
        :param offered: The names of the tools that the caller is offered.
        """
        if tools:
            return set(tools) <= set(offered)
        switched_on = self.policy.toolsets
        owner = self.catalogue.owners[kind, name]
        return switched_on is None or any(
            toolset in switched_on
            for (what, toolset), first in self.catalogue.owners.items()
            if what == "toolset" and first == owner
        )

    def reads(self) -> Airflow:
        """Return a client that only reads."""
        return self.identity.open_airflow("read")

    def airflow(self, tool: Tool) -> Airflow:
        """Return the client for a tool: one that only reads unless the tool may write, here and now."""
        writes = tool.access != "read" and self.may_write
        return self.identity.open_airflow("write" if writes else "read")
