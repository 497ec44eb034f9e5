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
"""Plugins: the built-in tool modules and entry points. None can break another, or the server."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import EntryPoint, entry_points
from typing import TypeAlias

import pluggy

from airflow_provider_mcp.sdk import hookspecs
from airflow_provider_mcp.server.plugin_slips import find_unknown_hooks, find_unmarked_hooks

log = logging.getLogger(__name__)

BUILT_IN = (
    "dags",
    "runs",
    "dag_tools",
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

HookCall: TypeAlias = pluggy.HookCaller

Report: TypeAlias = Callable[[str, str], None]
"""Takes an owner and what is wrong with what it offers."""


def log_fault(owner: str, message: str) -> None:
    """Log what a plugin did wrong while it is called, with its traceback."""
    log.exception("MCP plugin %s: %s", owner, message)


@contextmanager
def isolated(owner: str, what: str, report: Report = log_fault) -> Iterator[None]:
    """Run code of a plugin: what it raises is reported, and goes no further.

    :param what: What failed, if it fails: for example ``tool_called failed``.
    """
    try:
        yield
    except (Exception, SystemExit) as failure:
        report(owner, f"{what}: {failure!r}")


class Plugins:
    """The plugins that were loaded, whose hooks are called one by one.

    In one pluggy call for all, the first plugin to raise would end it for the others.
    """

    def __init__(self) -> None:
        self._hooks = pluggy.PluginManager(hookspecs.PROJECT)
        self._hooks.add_hookspecs(hookspecs)
        self._by_owner: dict[str, object] = {}
        self._implementations: dict[str, list[tuple[str, HookCall]]] = {}

    def load(
        self,
        built_in: Sequence[str],
        found: Sequence[EntryPoint] | None,
        report: Report,
        of_host: Mapping[str, object] | None = None,
    ) -> None:
        """Load the built-in modules, the plugins of this process, and the entry points.

        :param found: What stands in place of the entry points that are installed.
        """
        for name in built_in:
            self._add(name, importlib.import_module(f"airflow_provider_mcp.tools.{name}"), report)
        for name, plugin in (of_host or {}).items():
            self._add(name, plugin, report)
        for entry in entry_points(group=hookspecs.PROJECT) if found is None else found:
            with isolated(entry.name, "could not be imported", report):
                self._add(entry.name, entry.load(), report)

    def implementations(self, hook: str) -> list[tuple[str, HookCall]]:
        """Return each plugin's own implementation of a hook, by its owner."""
        if hook not in self._implementations:
            self._implementations[hook] = list(self._find_implementations(hook))
        return self._implementations[hook]

    def _find_implementations(self, hook: str) -> Iterator[tuple[str, HookCall]]:
        for owner, plugin in self._by_owner.items():
            others = [other for other in self._by_owner.values() if other is not plugin]
            caller = self._hooks.subset_hook_caller(hook, others)
            if caller.get_hookimpls():
                yield owner, caller

    def _add(self, owner: str, plugin: object, report: Report) -> None:
        if owner in self._by_owner:
            report(owner, f"another plugin has the name {owner!r}; this one is left out")
            return
        if unknown := find_unknown_hooks(plugin):
            report(owner, f"this plugin is left out: {'; '.join(unknown)}")
            return
        try:
            self._hooks.register(plugin, owner)
        except (ValueError, pluggy.PluginValidationError) as failure:
            if self._hooks.is_registered(plugin):
                self._hooks.unregister(plugin)
            report(owner, f"is not a plugin: {failure}")
            return
        for sentence in find_unmarked_hooks(plugin):
            report(owner, sentence)
        self._by_owner[owner] = plugin
