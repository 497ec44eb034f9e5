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
"""What a tool is: ``@tool``, ``Toolset``, ``path()``, result pages, prompts and resources."""

from __future__ import annotations

import functools
import inspect
import re
import typing
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import pydantic

from airflow_provider_mcp.sdk.airflow import Airflow, AirflowSync, Caller, serving
from airflow_provider_mcp.sdk.client import Client
from airflow_provider_mcp.sdk.content import Message
from airflow_provider_mcp.sdk.errors import InvalidArgument
from airflow_provider_mcp.sdk.jobs import Job
from airflow_provider_mcp.sdk.schemas import _output_schema, _Schema

Access = Literal["read", "write", "destructive"]

Function = TypeVar("Function", bound=Callable[..., Any])

_OPTIONS = "__airflow_mcp_tool__"

_IMAGE = re.compile(r"data:image/[a-z0-9.+-]+(;[A-Za-z0-9=-]+)*,.")

_INJECTED = (Airflow, AirflowSync, Caller, Client)


@dataclass(frozen=True)
class _ToolOptions:
    access: Access
    title: str | None
    idempotent: bool
    since: str | None
    until: str | None
    preview: Callable[..., Any] | None
    input_schema: Mapping[str, Any] | None
    job: Job | None


def tool(
    *,
    access: Access,
    title: str | None = None,
    idempotent: bool = False,
    since: str | None = None,
    until: str | None = None,
    preview: Callable[..., Any] | None = None,
    input_schema: Mapping[str, Any] | None = None,
    job: Job | None = None,
) -> Callable[[Function], Function]:
    """Mark a function as a tool and return it unchanged.

    The docstring is the description, the type hints are the schemas. A parameter annotated with
    ``Airflow``, ``AirflowSync``, ``Caller`` or ``Client`` is filled in by the server and hidden from
    callers. A tool that returns no data but text, pictures and the like returns ``Content``.

    :param access: ``read`` changes nothing, ``write`` adds or changes what can be changed back,
        ``destructive`` may lose something.
    :param idempotent: Calling it twice has the effect of calling it once.
    :param since: The first Airflow version that can serve it, for example ``3.0``.
    :param until: The first Airflow version that no longer can.
    :param preview: A function with (some of) the same parameters that says what the call would do. A
        confirmation holds while it says the same, but for what it puts under ``now``.
    :param input_schema: The JSON schema (2020-12) of the arguments, for a function that takes them in one
        parameter ``arguments: dict[str, Any]``.
    :param job: How to look after work that goes on after the call; such a tool may return ``JobStarted``
        to a client with ``takes_jobs``.
    """

    def mark(function: Function) -> Function:
        options = _ToolOptions(access, title, idempotent, since, until, preview, input_schema, job)
        setattr(function, _OPTIONS, options)
        return function

    return mark


@dataclass(frozen=True)
class Toolset:
    """A named group of tools that an administrator switches on or off together.

    :param icon: An image that stands for the group in clients, as a ``data:image/...`` URI, at best of a few
        hundred bytes. An address elsewhere is refused: clients would fetch it.
    :raises ValueError: The icon is no such URI.
    """

    name: str
    description: str
    tools: Sequence[Callable[..., Any]]
    icon: str | None = None

    def __post_init__(self) -> None:
        if self.icon is not None and not _IMAGE.match(self.icon):
            raise ValueError(f"the icon of the toolset {self.name!r} must be a data:image/... URI")


@dataclass(frozen=True)
class Tool:
    """A tool as the server offers it."""

    name: str
    title: str
    description: str
    access: Access
    toolset: str
    owner: str
    idempotent: bool
    since: str | None
    until: str | None
    function: Callable[..., Any]
    preview: Callable[..., Any] | None
    arguments: type[pydantic.BaseModel] | None
    """None for a tool that brings its own ``input_schema``."""
    input_schema: Mapping[str, Any]
    output_schema: Mapping[str, Any] | None
    """None for a tool that returns ``Content``."""
    job: Job | None

    def check(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments by name, checked and converted.

        :raises ToolError: ``invalid_argument`` that names each argument at fault.
        """
        if self.arguments is None:
            return {"arguments": self._check_by_schema(arguments)}
        try:
            model = self.arguments.model_validate(arguments)
        except pydantic.ValidationError as invalid:
            faults = []
            for error in invalid.errors(include_url=False, include_context=False, include_input=False):
                where = ".".join(str(part) for part in error["loc"]) or "arguments"
                said = {
                    "extra_forbidden": "is not an argument of this tool",
                    "missing": "is required",
                }.get(error["type"], error["msg"])
                faults.append(f"{where}: {said}")
            raise InvalidArgument(
                f"{self.name} was called with wrong arguments: {'; '.join(faults)}.",
                hint=f"Its arguments are: {', '.join(self.arguments.model_fields) or 'none'}.",
            ) from None
        return {name: getattr(model, name) for name in type(model).model_fields}

    def _check_by_schema(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        from jsonschema import Draft202012Validator

        given = dict(arguments)
        found = sorted(Draft202012Validator(self.input_schema).iter_errors(given), key=lambda e: e.json_path)
        if found:
            faults = "; ".join(f"{fault.json_path}: {fault.message}" for fault in found[:10])
            raise InvalidArgument(f"{self.name} was called with wrong arguments: {faults}.")
        return given


@dataclass(frozen=True)
class ToolCall:
    """What is told about a finished call."""

    tool: str
    access: Access
    user: str
    client: str | None
    """What the client calls itself."""
    dag_id: str | None
    dag_run_id: str | None
    """None for a call that is not about one, or names none that is known."""
    outcome: str
    """``ok``, ``cancelled`` if the client went away, or the code of the error."""
    duration: float
    """Seconds."""


@dataclass(frozen=True)
class Prompt:
    """A prompt: a function from its (string) arguments to the text or the messages that the user sends.

    An argument is described by ``Annotated[str, Field(description=...)]``. ``Airflow``, ``Caller`` and
    ``Client`` are filled in, as for a tool; the function may be ``async``.

    :param tools: The tools that give the same, or that it is about: it is offered while all of them are.
    """

    name: str
    description: str
    function: Callable[..., str | Sequence[Message] | Awaitable[str | Sequence[Message]]]
    title: str | None = None
    tools: Sequence[str] = ()

    def visible_parameters(self) -> list[tuple[inspect.Parameter, str | None]]:
        """Return the parameters that the user fills in, with their descriptions."""
        hints = typing.get_type_hints(self.function, include_extras=True)
        shown = []
        for parameter in inspect.signature(self.function).parameters.values():
            hint = hints.get(parameter.name)
            if hint in _INJECTED:
                continue
            notes = [n for n in getattr(hint, "__metadata__", ()) if isinstance(n, pydantic.fields.FieldInfo)]
            shown.append((parameter, notes[0].description if notes else None))
        return shown


@dataclass(frozen=True)
class Resource:
    """A resource or, with ``{parameters}`` in its URI, a resource template.

    ``read`` takes the client and the parameters and returns JSON-ready data, text or bytes.

    :param tools: The tools that give the same, or that it is about: it is offered while all of them are.
    """

    uri: str
    name: str
    description: str
    read: Callable[..., Awaitable[Any]]
    mime_type: str = "application/json"
    title: str | None = None
    tools: Sequence[str] = ()


def bind_tool(function: Callable[..., Any], *, toolset: str, owner: str) -> Tool:
    """Read a function marked by ``@tool`` and return the tool it is.

    :raises TypeError: The function is not marked, has no docstring, has a parameter without a type, or
        does not say what it returns.
    """
    options: _ToolOptions | None = getattr(function, _OPTIONS, None)
    if options is None:
        raise TypeError(f"{function!r} is not marked with @tool")
    name = function.__name__
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name):
        raise TypeError(f"{name!r} cannot be the name of a tool: letters, digits, _ and -, at most 64")
    description = inspect.cleandoc(function.__doc__ or "")
    if not description:
        raise TypeError(f"the tool {name} has no docstring, which is its description")
    hints = typing.get_type_hints(function, include_extras=True)
    fields: dict[str, Any] = {}
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise TypeError(f"the tool {name} takes *{parameter.name}: name every argument")
        if parameter.name not in hints:
            raise TypeError(f"the argument {parameter.name} of the tool {name} has no type")
        if hints[parameter.name] in _INJECTED:
            continue
        if options.input_schema is not None and parameter.name != "arguments":
            raise TypeError(f"the tool {name} brings its own schema: it takes its arguments as `arguments`")
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[parameter.name] = (hints[parameter.name], default)
    if "return" not in hints:
        raise TypeError(f"the tool {name} does not say what it returns")
    arguments = None
    if options.input_schema is None:
        arguments = pydantic.create_model(
            name, __config__=pydantic.ConfigDict(extra="forbid", arbitrary_types_allowed=True), **fields
        )
    return Tool(
        name=name,
        title=options.title or name.replace("_", " ").capitalize(),
        description=description,
        access=options.access,
        toolset=toolset,
        owner=owner,
        idempotent=options.idempotent,
        since=options.since,
        until=options.until,
        function=function,
        preview=options.preview,
        arguments=arguments,
        input_schema=arguments.model_json_schema(schema_generator=_Schema)
        if arguments is not None
        else dict(options.input_schema or {}),
        output_schema=_output_schema(name, hints["return"]),
        job=options.job,
    )


@functools.lru_cache(maxsize=512)
def _parameters(function: Callable[..., Any]) -> tuple[frozenset[str], Mapping[str, type]]:
    """Return the names of a function's parameters, and the types of those that the server fills in."""
    hints = typing.get_type_hints(function)
    injected = {name: hint for name, hint in hints.items() if hint in _INJECTED}
    return frozenset(inspect.signature(function).parameters), injected


async def run_function(
    function: Callable[..., Any], arguments: Mapping[str, Any], airflow: Airflow, client: Client | None = None
) -> Any:
    """Call a tool's function (or preview) with those of ``arguments`` that it takes.

    A plain ``def`` runs in a worker thread with an ``AirflowSync``.
    """
    import anyio.to_thread

    wanted, injected = _parameters(function)
    given: dict[str, Any] = {name: value for name, value in arguments.items() if name in wanted}
    for name, kind in injected.items():
        if kind is Airflow:
            given[name] = airflow
        elif kind is AirflowSync:
            given[name] = airflow.for_thread()
        elif kind is Caller:
            given[name] = airflow.caller
        elif kind is Client:
            given[name] = client or Client()
    with serving(airflow):
        if inspect.iscoroutinefunction(function):
            return await function(**given)
        return await anyio.to_thread.run_sync(functools.partial(function, **given))
