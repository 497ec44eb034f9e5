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
"""Discovery: built-in tool modules and entry points as pluggy plugins, each kept apart from the others."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

import pluggy

from airflow_provider_mcp.sdk import hookspecs
from airflow_provider_mcp.sdk.airflow import Caller
from airflow_provider_mcp.sdk.tool import Prompt, Resource, Tool, ToolCall, Toolset, bind_tool

log = logging.getLogger(__name__)

BUILT_IN = (
    "dags",
    "runs",
    "tasks",
    "assets",
    "backfills",
    "admin",
    "diagnostics",
    "api",
    "prompts",
    "resources",
)
"""The modules of ``tools/``, in the order their tools are listed in."""

Kind = TypeVar("Kind")


@dataclass(frozen=True)
class Problem:
    """Something of a plugin that was left out, and why."""

    owner: str
    message: str


@dataclass
class Catalogue:
    """Everything that all plugins offer on this Airflow."""

    tools: dict[str, Tool] = field(default_factory=dict)
    toolsets: dict[str, str] = field(default_factory=dict)
    toolset_icons: dict[str, str] = field(default_factory=dict)
    """By the toolset's name, for those that have one."""
    prompts: dict[str, Prompt] = field(default_factory=dict)
    resources: dict[str, Resource] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    plugins: Mapping[str, object] = field(default_factory=dict)
    """Set once, when all are registered."""
    hooks: pluggy.PluginManager = field(default_factory=lambda: pluggy.PluginManager(hookspecs.PROJECT))
    _callers: dict[str, list[tuple[str, Callable[..., list[Any]]]]] = field(default_factory=dict)

    def note(self, owner: str, message: str) -> None:
        """Keep a problem for the page and ``airflow-mcp check``, and log it once."""
        self.problems.append(Problem(owner, message))
        log.warning("MCP plugin %s: %s", owner, message)

    def allowed(self, tool: Tool, user: Caller) -> bool:
        """Ask every plugin's ``tool_allowed``; a hook that raises counts as a veto."""
        for owner, call in self._implementations("tool_allowed"):
            try:
                answers = call(tool=tool, user=user)
            except Exception:
                log.exception("MCP plugin %s: tool_allowed failed for %s, which is refused", owner, tool.name)
                return False
            if any(answer is False for answer in answers):
                return False
        return True

    def called(self, call_made: ToolCall) -> None:
        """Tell every plugin's ``tool_called``; one that raises is logged and changes nothing."""
        for owner, call in self._implementations("tool_called"):
            try:
                call(call=call_made)
            except Exception:
                log.exception("MCP plugin %s: tool_called failed", owner)

    def _implementations(self, hook: str) -> list[tuple[str, Callable[..., list[Any]]]]:
        """Return each plugin's own implementation: in one pluggy call, the first to raise ends it for all."""
        if hook in self._callers:
            return self._callers[hook]
        callers: list[tuple[str, Callable[..., list[Any]]]] = []
        for owner, plugin in self.plugins.items():
            others = [other for other in self.plugins.values() if other is not plugin]
            caller = self.hooks.subset_hook_caller(hook, others)
            if caller.get_hookimpls():
                callers.append((owner, caller))
        self._callers[hook] = callers
        return callers


def load_catalogue(
    airflow_version: str,
    *,
    built_in: Sequence[str] = BUILT_IN,
    found: Sequence[EntryPoint] | None = None,
) -> Catalogue:
    """Load every plugin and return what they offer on this version of Airflow.

    A plugin that fails in any way is left out, as a whole or by the part that failed, and noted.
    """
    catalogue = Catalogue()
    catalogue.hooks.add_hookspecs(hookspecs)
    plugins: dict[str, object] = {}
    for name in built_in:
        module = importlib.import_module(f"airflow_provider_mcp.tools.{name}")
        catalogue.hooks.register(module, name)
        plugins[name] = module
    for entry in entry_points(group=hookspecs.PROJECT) if found is None else found:
        # Whatever a stranger's module raises at import, the rest must keep working.
        try:
            plugin = entry.load()
        except Exception as failure:
            catalogue.note(entry.name, f"could not be imported: {failure!r}")
            continue
        if entry.name in plugins:
            catalogue.note(entry.name, f"another plugin has the name {entry.name!r}; this one is left out")
            continue
        try:
            catalogue.hooks.register(plugin, entry.name)
        except (ValueError, pluggy.PluginValidationError) as failure:
            if catalogue.hooks.is_registered(plugin):
                catalogue.hooks.unregister(plugin)
            catalogue.note(entry.name, f"is not a plugin: {failure}")
            continue
        try:
            catalogue.hooks.check_pending()
        except pluggy.PluginValidationError as failure:
            catalogue.hooks.unregister(plugin)
            catalogue.note(entry.name, f"implements a hook that there is not: {failure}")
            continue
        plugins[entry.name] = plugin
    catalogue.plugins = plugins

    running = release(airflow_version)
    for owner, toolset in _collect(catalogue, "register_toolsets", Toolset):
        catalogue.toolsets.setdefault(toolset.name, toolset.description)
        if toolset.icon is not None:
            catalogue.toolset_icons.setdefault(toolset.name, toolset.icon)
        for function in toolset.tools:
            try:
                tool = bind_tool(function, toolset=toolset.name, owner=owner)
            except Exception as failure:
                catalogue.note(owner, f"a tool was left out: {failure}")
                continue
            if (tool.since and running < release(tool.since)) or (
                tool.until and running >= release(tool.until)
            ):
                continue
            taken = catalogue.tools.get(tool.name)
            if taken:
                catalogue.note(owner, f"the tool {tool.name} was left out: {taken.owner} has that name")
            else:
                catalogue.tools[tool.name] = tool
    for owner, prompt in _collect(catalogue, "register_prompts", Prompt):
        if prompt.name in catalogue.prompts:
            catalogue.note(owner, f"the prompt {prompt.name} was left out: the name is taken")
        else:
            catalogue.prompts[prompt.name] = prompt
    for owner, resource in _collect(catalogue, "register_resources", Resource):
        if resource.uri in catalogue.resources:
            catalogue.note(owner, f"the resource {resource.uri} was left out: the address is taken")
        else:
            catalogue.resources[resource.uri] = resource
    return catalogue


def _collect(catalogue: Catalogue, hook: str, kind: type[Kind]) -> list[tuple[str, Kind]]:
    gathered = []
    for owner, call in catalogue._implementations(hook):
        try:
            answers = [list(answer) for answer in call()]
        except Exception as failure:
            catalogue.note(owner, f"{hook} failed: {failure!r}")
            continue
        for item in (item for answer in answers for item in answer):
            if isinstance(item, kind):
                gathered.append((owner, item))
            else:
                catalogue.note(
                    owner, f"{hook} returned {type(item).__name__} where {kind.__name__} is wanted"
                )
    return gathered


def release(version: str) -> tuple[int, ...]:
    """Return the leading numbers of a version: ``3.1.0rc1`` is ``(3, 1, 0)``."""
    numbers = []
    for part in version.split("."):
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        if not digits:
            break
        numbers.append(int(digits))
    return tuple(numbers)
