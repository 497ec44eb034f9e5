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
"""Tools that depend on who calls: each plugin's ``register_dynamic_tools`` is asked, for each caller.

What a plugin returns is kept in this process for some seconds, and for its caller alone.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from airflow_provider_mcp.sdk.airflow import Airflow
from airflow_provider_mcp.sdk.tool import DynamicTools, Tool
from airflow_provider_mcp.server.catalogue import Catalogue, Problem, bind_tools
from airflow_provider_mcp.server.plugins import HookCall
from airflow_provider_mcp.server.running import end_in_time, run_owned

log = logging.getLogger(__name__)

HOOK = "register_dynamic_tools"

KEPT_SECONDS = 15
"""How old what a caller is offered may be."""

MOST_KEPT = 500
"""Callers whose tools are kept at once."""

MOST_LOGGED = 1000
"""Problems that are logged, each once."""

HOOK_SECONDS = 10
"""How long a plugin may take to say what it offers to a caller."""


@dataclass(frozen=True)
class CallerTools:
    """The tools that one caller is offered beside those that all are offered, and what was left out."""

    tools: Mapping[str, Tool] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()


Key = tuple[str, bool, tuple[str, ...], str | None]
"""A caller, whether they may write, the toolsets switched on, and the one name that is looked for."""


class DynamicCatalogue:
    """What the plugins offer to each caller of this process."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._cache: OrderedDict[Key, tuple[float, CallerTools]] = OrderedDict()
        # On Airflow 2, requests are served in several threads.
        self._lock = threading.Lock()
        self._logged: set[Problem] = set()

    async def ask(
        self, airflow: Airflow, toolsets: Collection[str], *, may_write: bool, name: str | None = None
    ) -> CallerTools:
        """Return what the caller of ``airflow`` is offered.

        :param toolsets: The names of the toolsets that are switched on.
        :param name: The one tool that is looked for, None for all.
        """
        dynamic = self._catalogue.dynamic
        offered = tuple(toolset for toolset in dynamic if toolset in toolsets)
        plugins = [one for one in offered if name is None or name.startswith(dynamic[one].prefix)]
        if not plugins:
            return CallerTools()
        key = (airflow.caller.id, may_write, offered, name)
        tools = self._recall(key) or self._recall((*key[:3], None))
        if tools is None or name not in {None, *tools.tools}:
            # Another process may have listed a tool that is newer than what this one keeps.
            tools = await self._ask_plugins(airflow, plugins, may_write, name)
            if name is None or name in tools.tools:
                self._keep(key, tools)
        return tools

    def _recall(self, key: Key) -> CallerTools | None:
        with self._lock:
            until, kept = self._cache.get(key, (0.0, None))
            return kept if time.monotonic() < until else None

    def _keep(self, key: Key, offered: CallerTools) -> None:
        with self._lock:
            self._cache[key] = (time.monotonic() + KEPT_SECONDS, offered)
            self._cache.move_to_end(key)
            while len(self._cache) > MOST_KEPT:
                self._cache.popitem(last=False)

    async def _ask_plugins(
        self, airflow: Airflow, toolsets: Sequence[str], may_write: bool, name: str | None
    ) -> CallerTools:
        """Ask the plugins of some toolsets, all at once, and take what they return."""
        owners = {self._catalogue.dynamic[toolset].owner for toolset in toolsets}
        hooks = [item for item in self._catalogue.plugins.implementations(HOOK) if item[0] in owners]
        answers = await asyncio.gather(
            *(_ask_plugin(owner, hook, airflow, may_write, name) for owner, hook in hooks)
        )
        tools: dict[str, Tool] = {}
        problems: list[Problem] = []
        for (owner, _), answer in zip(hooks, answers, strict=True):
            if isinstance(answer, Problem):
                problems.append(answer)
                continue
            for tool in self._take(owner, answer, toolsets, problems):
                first = tools.get(tool.name) or self._catalogue.tools.get(tool.name)
                if first is None:
                    tools[tool.name] = tool
                else:
                    message = f"the tool {tool.name} is left out: {first.owner} has a tool of that name"
                    problems.append(Problem(owner, message))
        self._log(problems)
        return CallerTools(tools, tuple(problems))

    def _take(
        self, owner: str, answer: object, toolsets: Sequence[str], problems: list[Problem]
    ) -> Iterator[Tool]:
        """Yield the tools that a plugin has returned; what cannot be taken is a problem."""

        def report(owner: str, message: str) -> None:
            problems.append(Problem(owner, message))

        for group in answer if isinstance(answer, (list, tuple)) else [answer]:
            if not isinstance(group, DynamicTools):
                report(owner, f"{HOOK} returned {type(group).__name__} where DynamicTools is wanted")
                continue
            dynamic = self._catalogue.dynamic.get(group.toolset)
            if dynamic is None or dynamic.owner != owner:
                report(
                    owner,
                    f"{HOOK} returned tools of the toolset {group.toolset}, "
                    "which it has not registered with a dynamic_prefix",
                )
                continue
            if group.toolset not in toolsets:
                continue
            problems += [Problem(owner, sentence) for sentence in group.left_out]
            for tool in bind_tools(owner, group.toolset, group.tools, report, dynamic=True):
                if tool.name.startswith(dynamic.prefix):
                    if tool.arguments is not None:
                        # A schema that is written by hand is as it was meant.
                        problems += [Problem(owner, warning) for warning in tool.warnings]
                    yield tool
                else:
                    report(owner, f"the tool {tool.name} is left out: its name must begin {dynamic.prefix}")

    def _log(self, problems: Sequence[Problem]) -> None:
        """Log what was not logged before."""
        for problem in problems:
            if problem not in self._logged and len(self._logged) < MOST_LOGGED:
                self._logged.add(problem)
                log.warning("MCP plugin %s: %s", problem.owner, problem.message)


async def _ask_plugin(
    owner: str, hook: HookCall, airflow: Airflow, may_write: bool, name: str | None
) -> object | Problem:
    """Return what a plugin offers to a caller, or why it could not say."""
    arguments = {"hook": hook, "name": name, "may_write": may_write}
    try:
        return await end_in_time(
            run_owned(owner, _call_hook, arguments, airflow),
            f"{HOOK} of the MCP plugin {owner}",
            HOOK_SECONDS,
        )
    except TimeoutError:
        return Problem(owner, f"{HOOK} took longer than {HOOK_SECONDS} seconds")
    except Exception as failure:
        # Its text may hold what is not for everyone: it is in the log.
        log.warning("MCP plugin %s: %s failed", owner, HOOK, exc_info=failure)
        return Problem(owner, f"{HOOK} failed with {type(failure).__name__}")


async def _call_hook(airflow: Airflow, hook: HookCall, name: str | None, may_write: bool) -> list[object]:
    """Call a plugin's hook; return all that its implementations return."""
    returned: list[object] = []
    for implementation in hook(airflow=airflow, name=name, may_write=may_write):
        answer = await implementation
        returned += answer if isinstance(answer, (list, tuple)) else [answer]
    return [answer for answer in returned if answer is not None]
