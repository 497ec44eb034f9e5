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
"""What all plugins offer on this Airflow; what cannot be taken as it is, is left out and noted."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint
from typing import TypeVar

from airflow_provider_mcp.sdk.binding import bind_tool
from airflow_provider_mcp.sdk.prompts import Prompt
from airflow_provider_mcp.sdk.resources import Resource
from airflow_provider_mcp.sdk.tool import Tool, Toolset
from airflow_provider_mcp.server.foreign_text import count_hidden
from airflow_provider_mcp.server.observing import Watchers
from airflow_provider_mcp.server.plugins import BUILT_IN, Plugins, Report, isolated
from airflow_provider_mcp.server.policy import Policy

log = logging.getLogger(__name__)

Kind = TypeVar("Kind")


@dataclass(frozen=True)
class Problem:
    """Something of a plugin that was left out, and why."""

    owner: str
    message: str


@dataclass(frozen=True)
class DynamicToolset:
    """A toolset to which its plugin adds tools for each caller, whose names begin with a prefix."""

    owner: str
    prefix: str


@dataclass
class Catalogue:
    """Everything that all plugins offer on this Airflow."""

    tools: dict[str, Tool] = field(default_factory=dict)
    toolsets: dict[str, str] = field(default_factory=dict)
    """From a toolset's name to its description."""
    toolset_icons: dict[str, str] = field(default_factory=dict)
    """By the toolset's name, for those that have one."""
    dynamic: dict[str, DynamicToolset] = field(default_factory=dict)
    """By the toolset's name: those to which a plugin adds tools for each caller."""
    other_versions: set[str] = field(default_factory=set)
    """The names of tools that another version of Airflow has."""
    prompts: dict[str, Prompt] = field(default_factory=dict)
    resources: dict[str, Resource] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    owners: dict[tuple[str, str], str] = field(default_factory=dict)
    """From a kind (``tool``, ``toolset``, ``prompt``, ``resource``) and a name to the plugin it is of."""
    plugins: Plugins = field(default_factory=Plugins)
    watchers: Watchers = field(init=False)

    def __post_init__(self) -> None:
        self.watchers = Watchers(self.plugins)

    def note(self, owner: str, message: str) -> None:
        """Keep a problem for the page and ``airflow-mcp check``, and log it once."""
        self.problems.append(Problem(owner, message))
        log.warning("MCP plugin %s: %s", owner, message)

    def describe_unknown(self, policy: Policy) -> list[str]:
        """Return a sentence for each toolset or tool that the options name and that there is not."""
        # Which tools of a dynamic toolset there are depends on the caller.
        prefixes = tuple(toolset.prefix for toolset in self.dynamic.values())
        dynamic = {name for name in policy.disabled_tools if name.startswith(prefixes)}
        return policy.describe_unknown(self.toolsets, {*self.tools, *self.other_versions, *dynamic})


def load_catalogue(
    airflow_version: str,
    *,
    built_in: Sequence[str] = BUILT_IN,
    found: Sequence[EntryPoint] | None = None,
    of_host: Mapping[str, object] | None = None,
) -> Catalogue:
    """Load every plugin and return what they offer on this version of Airflow.

    :param of_host: The plugins that the process itself brings, by name.
    """
    catalogue = Catalogue()
    catalogue.plugins.load(built_in, found, catalogue.note, of_host or {})
    owners = catalogue.owners

    def take(owner: str, kind: str, name: str) -> bool:
        """Give a name to its first owner, and tell of every other one. The built-in ones come first."""
        first = owners.get((kind, name))
        if first is None:
            owners[kind, name] = owner
            return True
        built = "the built-in " if first in built_in else ""
        catalogue.note(
            owner, f"the {kind} {name} of {owner} is left out: {built}{first} has a {kind} of that name"
        )
        return False

    running = release(airflow_version)
    for owner, toolset in _collect(catalogue, "register_toolsets", Toolset):
        if not take(owner, "toolset", toolset.name):
            continue
        catalogue.toolsets[toolset.name] = toolset.description
        if toolset.icon is not None:
            catalogue.toolset_icons[toolset.name] = toolset.icon
        if toolset.dynamic_prefix is not None:
            catalogue.dynamic[toolset.name] = DynamicToolset(owner, toolset.dynamic_prefix)
        for tool in bind_tools(owner, toolset.name, toolset.tools, catalogue.note):
            if not _serves(running, tool):
                catalogue.other_versions.add(tool.name)
            elif take(owner, "tool", tool.name):
                catalogue.tools[tool.name] = tool
                _warn(catalogue, tool)
    for owner, prompt in _collect(catalogue, "register_prompts", Prompt):
        if take(owner, "prompt", prompt.name):
            catalogue.prompts[prompt.name] = prompt
    for owner, resource in _collect(catalogue, "register_resources", Resource):
        if take(owner, "resource", resource.uri):
            catalogue.resources[resource.uri] = resource
    _check_dynamic(catalogue)
    return catalogue


def _collect(catalogue: Catalogue, hook: str, kind: type[Kind]) -> Iterator[tuple[str, Kind]]:
    """Yield what the plugins register, with the owner of each."""
    for owner, register in catalogue.plugins.implementations(hook):
        answers: list[list[object]] = []
        with isolated(owner, f"{hook} failed", catalogue.note):
            answers = [list(answer) for answer in register()]
        for item in (item for answer in answers for item in answer):
            if isinstance(item, kind):
                yield owner, item
            else:
                catalogue.note(
                    owner, f"{hook} returned {type(item).__name__} where {kind.__name__} is wanted"
                )


def bind_tools(
    owner: str,
    toolset: str,
    functions: Sequence[Callable[..., object]],
    report: Report,
    *,
    dynamic: bool = False,
) -> Iterator[Tool]:
    """Yield the tools of a toolset; a function that cannot be one is reported."""
    for function in functions:
        tool = None
        with isolated(owner, "a tool was left out", report):
            tool = bind_tool(function, toolset=toolset, owner=owner, dynamic=dynamic)
        if tool is None:
            continue
        # A model reads what a person does not see.
        words = [tool.title, tool.description, tool.input_schema, *tool.keywords, tool.search_hint]
        hidden = count_hidden(words)
        if hidden and (dynamic or owner not in BUILT_IN):
            report(owner, f"the tool {tool.name} was left out: its words hold {hidden} hidden characters")
            continue
        yield tool


def _check_dynamic(catalogue: Catalogue) -> None:
    """Note the plugins that mean to offer tools to each caller and never can."""
    hook = "register_dynamic_tools"
    offering = {toolset.owner for toolset in catalogue.dynamic.values()}
    implementing = dict(catalogue.plugins.implementations(hook))
    for owner in sorted(offering - set(implementing)):
        catalogue.note(owner, f"one of its toolsets has a dynamic_prefix, and it has no {hook}")
    for owner, call in implementing.items():
        if owner not in offering:
            catalogue.note(owner, f"{hook} is never called: give one of its toolsets a dynamic_prefix")
        elif not all(inspect.iscoroutinefunction(found.function) for found in call.get_hookimpls()):
            catalogue.note(owner, f"{hook} is never called: write it as async def")
            catalogue.dynamic = {
                name: toolset for name, toolset in catalogue.dynamic.items() if toolset.owner != owner
            }


def _warn(catalogue: Catalogue, tool: Tool) -> None:
    """Tell what some clients cannot take; a schema that the author wrote by hand is as it was meant."""
    for warning in tool.warnings:
        if tool.arguments is None:
            log.warning("MCP plugin %s: %s", tool.owner, warning)
        else:
            catalogue.note(tool.owner, warning)


def _serves(running: tuple[int, ...], tool: Tool) -> bool:
    """Say whether an Airflow of this version can serve a tool."""
    return not (
        (tool.since and running < release(tool.since)) or (tool.until and running >= release(tool.until))
    )


def release(version: str) -> tuple[int, ...]:
    """Return the leading numbers of a version: ``3.1.0rc1`` is ``(3, 1, 0)``."""
    numbers = []
    for part in version.split("."):
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        if not digits:
            break
        numbers.append(int(digits))
    return tuple(numbers)
