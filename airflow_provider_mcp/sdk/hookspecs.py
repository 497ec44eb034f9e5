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
"""The hooks a provider may implement to add to, veto or watch what the MCP server offers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from airflow_provider_mcp.sdk.airflow import Airflow, Caller
    from airflow_provider_mcp.sdk.prompts import Prompt
    from airflow_provider_mcp.sdk.resources import Resource
    from airflow_provider_mcp.sdk.tool import DynamicTools, Tool, ToolCall, Toolset


PROJECT = "airflow_provider_mcp"
"""The pluggy project and the entry-point group."""

hookspec = pluggy.HookspecMarker(PROJECT)

hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def register_toolsets() -> Sequence[Toolset]:  # type: ignore[empty-body]
    """Return the toolsets to offer."""


@hookspec
async def register_dynamic_tools(
    airflow: Airflow, name: str | None, may_write: bool
) -> DynamicTools | Sequence[DynamicTools] | None:
    """Return the tools to offer to one caller beside those that all are offered. It is ``async``.

    What it returns is kept for this caller for 15 seconds. ``airflow`` is the caller's client, which only
    reads. An implementation may leave out what it does not need:

    - With a ``name``, only the tool of this name is looked for: whatever else is returned is passed over.
    - Where ``may_write`` is false, tools that write are not listed.
    """


@hookspec
def register_prompts() -> Sequence[Prompt]:  # type: ignore[empty-body]
    """Return the prompts to offer."""


@hookspec
def register_resources() -> Sequence[Resource]:  # type: ignore[empty-body]
    """Return the resources and resource templates to offer."""


@hookspec
def tool_allowed(tool: Tool, user: Caller) -> bool | None:
    """Say whether ``user`` may see and call ``tool``: any False hides and refuses it."""


@hookspec
def tool_called(call: ToolCall) -> Awaitable[None] | None:
    """Take note of a finished call, never of its arguments. May be ``async``.

    It is called after the call, in a thread of its own: what it does delays no call.
    """
