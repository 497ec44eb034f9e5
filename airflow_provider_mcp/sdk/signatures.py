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
"""What a function may be so that a server can call it: its parameters, and what it returns.

Each refusal is one sentence that names the function and says what to write instead: its author reads it in
the web server's log, in ``airflow-mcp check`` and in the testing kit.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import pydantic

from airflow_provider_mcp.sdk.airflow import Airflow, AirflowSync
from airflow_provider_mcp.sdk.content import Content
from airflow_provider_mcp.sdk.injection import INJECTED, takes_arguments_whole
from airflow_provider_mcp.sdk.jobs import JobStarted

Hints: TypeAlias = Mapping[str, Any]
"""The types of a function's parameters, by their names, and of what it returns."""


def read_hints(function: Callable[..., object], subject: str) -> Hints:
    try:
        return typing.get_type_hints(function, include_extras=True)
    except (NameError, AttributeError, TypeError) as unread:
        raise TypeError(
            f"{subject} has a type that cannot be read ({unread}): import it at the top of the module, "
            "not under TYPE_CHECKING and not inside a function"
        ) from None


def check_kind(function: Callable[..., object], hints: Hints, subject: str) -> None:
    """Refuse what a server cannot call, and the client of the other kind of function.

    :raises TypeError: It cannot be called with arguments by name, or takes a client it cannot use.
    """
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise TypeError(f"{subject} yields: return one result, and report progress by Client.progress")
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise TypeError(f"{subject} takes *{parameter.name}: name every argument")
        if parameter.kind is parameter.POSITIONAL_ONLY:
            raise TypeError(f"{subject} takes {parameter.name} by position alone: remove the / behind it")
        if parameter.name not in hints:
            raise TypeError(f"the argument {parameter.name} of {subject} has no type: annotate it")
    for name, hint in hints.items():
        if hint is Airflow and not inspect.iscoroutinefunction(function):
            raise TypeError(
                f"{subject} is a def and takes Airflow as {name}: take AirflowSync, or make it async"
            )
        if hint is AirflowSync and inspect.iscoroutinefunction(function):
            raise TypeError(f"{subject} is an async def and takes AirflowSync as {name}: take Airflow")
        injected = [kind for kind in typing.get_args(hint) if kind in INJECTED]
        if injected and name != "return":
            kind = injected[0].__name__
            raise TypeError(f"{subject} takes {name}, which may be {kind} or else: annotate it {kind} alone")


def read_return(hint: Any, subject: str, *, starts_jobs: bool) -> Any | None:
    """Return the type of the data that a function returns; None if it returns ``Content``.

    :raises TypeError: What it returns cannot be a result.
    """
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        kinds = list(typing.get_args(hint))
    else:
        kinds = [hint]
    if JobStarted in kinds and not starts_jobs:
        raise TypeError(f"{subject} may return JobStarted and has no job: write @tool(job=Job(...))")
    kinds = [kind for kind in kinds if kind is not JobStarted]
    if kinds == [Content]:
        return None
    if len(kinds) == 1 and _is_object(kinds[0]):
        return kinds[0]
    names = " or ".join("None" if kind is type(None) else _name(kind) for kind in kinds) or "no result"
    raise TypeError(
        f"{subject} returns {names}: return one pydantic model (with a field for a list), or Content"
    )


def _is_object(kind: Any) -> bool:
    """Say whether values of a type are JSON objects that a result can be: models and dictionaries."""
    if typing.get_origin(kind) is typing.Annotated:
        kind = typing.get_args(kind)[0]
    if isinstance(kind, type) and issubclass(kind, pydantic.RootModel):
        return False
    plain = typing.get_origin(kind) or kind
    return isinstance(plain, type) and issubclass(plain, (pydantic.BaseModel, Mapping, dict))


def _name(kind: Any) -> str:
    return kind.__name__ if isinstance(kind, type) and not typing.get_args(kind) else str(kind)


def check_preview(
    preview: Callable[..., object], tool: str, takes: set[str], arguments: type[pydantic.BaseModel] | None
) -> None:
    """Refuse a preview that cannot be called with the tool's arguments.

    :raises TypeError: It takes something that the tool does not.
    """
    subject = f"the preview {getattr(preview, '__name__', preview)} of the tool {tool}"
    hints = read_hints(preview, subject)
    check_kind(preview, hints, subject)
    for name in inspect.signature(preview).parameters:
        hint = hints[name]
        if hint in INJECTED or (takes_arguments_whole(hint) and hint is arguments):
            continue
        if takes_arguments_whole(hint):
            raise TypeError(
                f"{subject} takes {name} as {_name(hint)}: let the tool take its arguments as that too"
            )
        if name not in takes:
            names = ", ".join(sorted(takes)) or "none"
            raise TypeError(f"{subject} takes {name}, which the tool does not: its arguments are {names}")
    if "return" in hints:
        read_return(hints["return"], subject, starts_jobs=False)
