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
"""Which tools a user may not see: each plugin's ``tool_allowed``, asked where it stops nobody else."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial

from airflow_provider_mcp.sdk.airflow import Caller
from airflow_provider_mcp.sdk.tool import Tool
from airflow_provider_mcp.server.plugins import HookCall, Plugins, isolated
from airflow_provider_mcp.server.running import ask_apart, end_in_time

log = logging.getLogger(__name__)

HOOK = "tool_allowed"

VETO_SECONDS = 5
"""How long a plugin may take to say what a user may not see."""


async def drop_vetoed(plugins: Plugins, tools: Sequence[Tool], user: Caller) -> list[Tool]:
    """Return the tools that no plugin vetoes. A hook that raises, or takes too long, vetoes."""
    allowed = list(tools)
    for owner, hook in plugins.implementations(HOOK):
        name = f"{HOOK} of the MCP plugin {owner}"
        asking = ask_apart(owner, name, partial(_ask, owner, hook, allowed, user))
        try:
            allowed = await end_in_time(asking, name, VETO_SECONDS)
        except TimeoutError:
            log.error("%s took longer than %d s: what it was asked about is refused", name, VETO_SECONDS)
            allowed = []
    return allowed


def _ask(owner: str, hook: HookCall, tools: Sequence[Tool], user: Caller) -> list[Tool]:
    allowed = []
    for tool in tools:
        with isolated(owner, f"{HOOK} failed for {tool.name}, which is refused"):
            if all(answer is not False for answer in hook(tool=tool, user=user)):
                allowed.append(tool)
    return allowed
