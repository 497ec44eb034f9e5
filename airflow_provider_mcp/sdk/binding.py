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
"""From a function marked by ``@tool`` to the tool it is; what cannot work is refused here, not when called.

Each refusal is one sentence that names the function and says what to write instead: its author reads it in
the web server's log, in ``airflow-mcp check`` and in the testing kit.
"""

from __future__ import annotations

import functools
import inspect
import json
import re
import types
import typing
import warnings
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import pydantic

from airflow_provider_mcp.sdk.airflow import Airflow, AirflowSync
from airflow_provider_mcp.sdk.arguments import Arguments
from airflow_provider_mcp.sdk.content import Content
from airflow_provider_mcp.sdk.injection import INJECTED, takes_arguments_whole
from airflow_provider_mcp.sdk.jobs import JobStarted
from airflow_provider_mcp.sdk.json_types import JSON, JSONObject
from airflow_provider_mcp.sdk.plain_schemas import find_untyped
from airflow_provider_mcp.sdk.schemas import build_input_schema, build_output_schema
from airflow_provider_mcp.sdk.tool import OPTIONS, Tool, ToolOptions

Hints: TypeAlias = Mapping[str, Any]
"""The types of a function's parameters, by their names, and of what it returns."""

RESERVED = frozenset(["confirmation_token"])
"""Arguments that the server adds to a tool by itself."""


def bind_tool(function: Callable[..., object], *, toolset: str, owner: str, dynamic: bool = False) -> Tool:
    """Read a function marked by ``@tool`` and return the tool it is.

    :param dynamic: Whether it is made for one caller.
    :raises TypeError: It, or its preview, is not what a tool can be.
    """
    options: ToolOptions | None = getattr(function, OPTIONS, None)
    if options is None:
        raise TypeError(f"{function!r} is not marked with @tool")
    name = options.name or function.__name__
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name):
        raise TypeError(f"{name!r} cannot be the name of a tool: letters, digits, _ and -, at most 64")
    description = inspect.cleandoc(options.description or function.__doc__ or "")
    if not description:
        raise TypeError(f"the tool {name} has no docstring: write one, it is the tool's description")
    hints = _read_hints(function, f"the tool {name}")
    _check_kind(function, hints, f"the tool {name}")
    arguments = None
    if options.input_schema is None:
        arguments, input_schema = _build_arguments(function, name, hints)
    else:
        input_schema = _check_own_schema(function, name, hints, options.input_schema)
    if "return" not in hints:
        raise TypeError(f"the tool {name} does not say what it returns: write -> and a pydantic model")
    returned = _read_return(hints["return"], f"the tool {name}", starts_jobs=options.job is not None)
    output_schema, result = (None, None) if returned is None else _describe_result(name, returned)
    if options.preview is not None:
        takes = set(arguments.model_fields) if arguments is not None else {"arguments"}
        _check_preview(options.preview, name, takes, arguments)
    return Tool(
        name=name,
        title=options.title or _make_title(name),
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
        input_schema=input_schema,
        output_schema=output_schema,
        job=options.job,
        keywords=options.keywords,
        search_hint=options.search_hint,
        replaces=options.replaces or options.access == "destructive",
        open_world=options.open_world,
        dynamic=dynamic,
        warnings=tuple(f"the tool {name}: {fault}" for fault in find_untyped(input_schema)),
        result=result,
    )


def _describe_result(name: str, returned: Any) -> tuple[JSONObject, pydantic.TypeAdapter[Any]]:
    """Return the schema of what a tool returns, and what checks it.

    :raises TypeError: It cannot be a result.
    """
    try:
        # Tools that are made for each caller return the same types again and again.
        return _describe_type(returned)
    except TypeError:
        # A type without a hash; or the fault is told with the name of the tool.
        return build_output_schema(name, returned), pydantic.TypeAdapter(returned)


@functools.lru_cache(maxsize=256)
def _describe_type(returned: Any) -> tuple[JSONObject, pydantic.TypeAdapter[Any]]:
    return build_output_schema("", returned), pydantic.TypeAdapter(returned)


_TITLE_WORDS = {
    "airflow": "Airflow",
    "api": "API",
    "dag": "Dag",
    "dags": "Dags",
    "id": "ID",
    "sla": "SLA",
    "sql": "SQL",
    "ui": "UI",
    "url": "URL",
    "xcom": "XCom",
    "xcoms": "XComs",
}


def _make_title(name: str) -> str:
    """Return a title for people: ``Get XCom`` for ``get_xcom``."""
    words = [_TITLE_WORDS.get(word, word) for word in name.replace("-", "_").split("_") if word]
    title = " ".join(words) or name
    return title[0].upper() + title[1:]


def _read_hints(function: Callable[..., object], subject: str) -> Hints:
    try:
        return typing.get_type_hints(function, include_extras=True)
    except (NameError, AttributeError, TypeError) as unread:
        raise TypeError(
            f"{subject} has a type that cannot be read ({unread}): import it at the top of the module, "
            "not under TYPE_CHECKING and not inside a function"
        ) from None


def _check_kind(function: Callable[..., object], hints: Hints, subject: str) -> None:
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


def _build_arguments(
    function: Callable[..., object], name: str, hints: Hints
) -> tuple[type[pydantic.BaseModel], JSONObject]:
    """Return the model of a tool's arguments, made of its parameters or taken whole, and its schema.

    :raises TypeError: A parameter is not one that a caller can fill in.
    """
    whole: type[Arguments] | None = None
    fields: dict[str, Any] = {}
    for parameter in inspect.signature(function).parameters.values():
        hint = hints[parameter.name]
        if hint in INJECTED:
            continue
        if takes_arguments_whole(hint):
            if hint is Arguments or whole is not None:
                raise TypeError(
                    f"the tool {name} takes {parameter.name} as Arguments: "
                    "take one subclass of it, with a field for each argument"
                )
            whole = hint
            continue
        if parameter.name.startswith("_") or parameter.name == "model_config":
            raise TypeError(
                f"the tool {name} cannot have an argument with the name {parameter.name}: rename it"
            )
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[parameter.name] = (hint, default)
    if whole is not None and fields:
        raise TypeError(
            f"the tool {name} takes {whole.__name__} whole, and {', '.join(fields)} beside it: "
            f"make them fields of {whole.__name__}"
        )
    if reserved := RESERVED & set(fields if whole is None else whole.model_fields):
        raise TypeError(
            f"the argument {min(reserved)} of the tool {name} is one that the server adds: rename it"
        )
    if whole is not None:
        return whole, build_input_schema(whole)
    try:
        return _create_model(name, fields)
    except _UNREADABLE:
        for argument, field in fields.items():
            _check_argument(name, argument, field)
        raise


_UNREADABLE = (pydantic.errors.PydanticUserError, NameError, TypeError)
"""What pydantic raises for a field that it cannot make."""


def _create_model(name: str, fields: Mapping[str, Any]) -> tuple[type[pydantic.BaseModel], JSONObject]:
    model: type[pydantic.BaseModel]
    with warnings.catch_warnings():
        # An argument may have the name of a method of pydantic's models.
        warnings.simplefilter("ignore", UserWarning)
        model = pydantic.create_model(name, __config__=pydantic.ConfigDict(extra="forbid"), **fields)
    return model, build_input_schema(model)


def _check_argument(tool: str, argument: str, field: tuple[Any, Any]) -> None:
    """Refuse an argument that no JSON can be.

    :raises TypeError: pydantic cannot read it, or has no schema for it.
    """
    try:
        _create_model(tool, {argument: field})
    except _UNREADABLE as unread:
        reason = str(unread).splitlines()[0].rstrip(".")
        raise TypeError(
            f"the argument {argument} of the tool {tool} has a type that no JSON can fill in ({reason}): "
            "take a type that pydantic reads, or Airflow, AirflowSync, Caller or Client"
        ) from None


def _check_own_schema(
    function: Callable[..., object], name: str, hints: Hints, schema: Mapping[str, JSON]
) -> dict[str, Any]:
    """Return the schema that a tool brings, if it is one and the function takes what it describes.

    :raises TypeError: It is not a schema of an object, or the function takes something else.
    """
    visible = [
        parameter for parameter in inspect.signature(function).parameters if hints[parameter] not in INJECTED
    ]
    if visible != ["arguments"]:
        raise TypeError(f"the tool {name} brings its own schema: it takes its arguments as `arguments`")
    try:
        fault = _find_schema_fault(json.dumps(schema))
    except (TypeError, ValueError) as not_json:
        fault = str(not_json)
    if fault is not None:
        raise TypeError(f"the input_schema of the tool {name} is no JSON schema: {fault}")
    if schema.get("type") != "object":
        raise TypeError(f"the input_schema of the tool {name} must have the type object")
    return dict(schema)


@functools.lru_cache(maxsize=1024)
def _find_schema_fault(text: str) -> str | None:
    """Return what is wrong with a schema. It takes some milliseconds, and is asked again for each caller."""
    from jsonschema import Draft202012Validator, SchemaError

    try:
        Draft202012Validator.check_schema(json.loads(text))
    except SchemaError as wrong:
        return wrong.message
    return None


def _read_return(hint: Any, subject: str, *, starts_jobs: bool) -> Any | None:
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


def _check_preview(
    preview: Callable[..., object], tool: str, takes: set[str], arguments: type[pydantic.BaseModel] | None
) -> None:
    """Refuse a preview that cannot be called with the tool's arguments.

    :raises TypeError: It takes something that the tool does not.
    """
    subject = f"the preview {getattr(preview, '__name__', preview)} of the tool {tool}"
    hints = _read_hints(preview, subject)
    _check_kind(preview, hints, subject)
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
        _read_return(hints["return"], subject, starts_jobs=False)
