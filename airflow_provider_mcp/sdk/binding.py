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
"""From a function marked by ``@tool`` to the tool it is; what cannot work is refused here, not at a call."""

from __future__ import annotations

import functools
import inspect
import json
import re
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import pydantic

from airflow_provider_mcp.sdk.arguments import Arguments
from airflow_provider_mcp.sdk.injection import INJECTED, takes_arguments_whole
from airflow_provider_mcp.sdk.json_types import JSON, JSONObject
from airflow_provider_mcp.sdk.plain_schemas import find_untyped
from airflow_provider_mcp.sdk.schemas import build_input_schema, build_output_schema
from airflow_provider_mcp.sdk.signatures import Hints, check_kind, check_preview, read_hints, read_return
from airflow_provider_mcp.sdk.tool import OPTIONS, Tool, ToolOptions

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
    hints = read_hints(function, f"the tool {name}")
    check_kind(function, hints, f"the tool {name}")
    arguments = None
    if options.input_schema is None:
        arguments, input_schema = _build_arguments(function, name, hints)
    else:
        input_schema = _check_own_schema(function, name, hints, options.input_schema)
    if "return" not in hints:
        raise TypeError(f"the tool {name} does not say what it returns: write -> and a pydantic model")
    returned = read_return(hints["return"], f"the tool {name}", starts_jobs=options.job is not None)
    output_schema, result = (None, None) if returned is None else _describe_result(name, returned)
    if options.preview is not None:
        takes = set(arguments.model_fields) if arguments is not None else {"arguments"}
        check_preview(options.preview, name, takes, arguments)
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
