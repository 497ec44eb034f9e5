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
"""What a plugin means to be a hook and is none: pluggy passes over it without a word."""

from __future__ import annotations

import difflib
import inspect

from airflow_provider_mcp.sdk import hookspecs

_MARK = f"{hookspecs.PROJECT}_impl"
"""Where ``@hookimpl`` leaves its mark."""

HOOKS = tuple(name for name, item in vars(hookspecs).items() if hasattr(item, f"{hookspecs.PROJECT}_spec"))


def find_unknown_hooks(plugin: object) -> list[str]:
    """Return a sentence for each function that is marked with ``@hookimpl`` and is no hook."""
    sentences = []
    for name in sorted(_routines(plugin, marked=True) - set(HOOKS)):
        nearest = difflib.get_close_matches(name, HOOKS, 1)
        cure = f"did you mean {nearest[0]}?" if nearest else f"the hooks are {', '.join(HOOKS)}"
        sentences.append(f"{name} is marked with @hookimpl and is no hook: {cure}")
    return sentences


def find_unmarked_hooks(plugin: object) -> list[str]:
    """Return a sentence for each function that is named like a hook and lacks ``@hookimpl``.

    A plugin without any hook is told too.
    """
    marked, unmarked = _routines(plugin, marked=True), _routines(plugin, marked=False)
    sentences = []
    for name in sorted(unmarked):
        nearest = difflib.get_close_matches(name, set(HOOKS) - marked, 1, cutoff=0.9)
        if nearest:
            rename = "" if nearest[0] == name else f"call it {nearest[0]} and "
            sentences.append(
                f"{name} has no @hookimpl, so it is never called; {rename}put @hookimpl above it"
            )
    if not sentences and not marked:
        sentences.append(
            "it has no hook and so offers nothing: put @hookimpl above a function such as register_toolsets"
        )
    return sentences


def _routines(plugin: object, *, marked: bool) -> set[str]:
    """Return the names of a plugin's functions with, or without, the mark of ``@hookimpl``."""
    members = {name: getattr(plugin, name, None) for name in dir(plugin)}
    return {
        name
        for name, item in members.items()
        if inspect.isroutine(item) and (getattr(item, _MARK, None) is not None) == marked
    }
