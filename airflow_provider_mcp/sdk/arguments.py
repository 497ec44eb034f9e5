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
"""The arguments of a call: as one object, and checked against what the tool takes."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import pydantic

from airflow_provider_mcp.sdk.coercion import parse_time
from airflow_provider_mcp.sdk.errors import InvalidArgument
from airflow_provider_mcp.sdk.json_types import JSON, JSONObject

if TYPE_CHECKING:
    from jsonschema import ValidationError

Time = Annotated[
    str,
    pydantic.AfterValidator(parse_time),
    pydantic.Field(description="ISO 8601 time.", json_schema_extra={"format": "date-time"}),
]
"""A time as text: without an offset it is UTC, a date is its midnight."""


class Arguments(pydantic.BaseModel):
    """All arguments of a tool as one object: the fields of a subclass are what callers give.

    A tool and its preview that take the same subclass build what they send from the same values::

        class Clear(Arguments):
            dag_id: Annotated[str, Field(description="Dag ID.")]
            only_failed: Annotated[bool, Field(description="Leave the others.")] = True

            def body(self, *, dry_run: bool) -> JSONObject:
                return {"only_failed": self.only_failed, "dry_run": dry_run}
    """

    model_config = pydantic.ConfigDict(extra="forbid")


def check_arguments(
    tool: str, model: type[pydantic.BaseModel], schema: Mapping[str, JSON], arguments: Mapping[str, JSON]
) -> JSONObject:
    """Return the arguments of a call by name, checked and converted.

    :raises ToolError: ``invalid_argument`` that names each argument at fault, and what to send instead.
    """
    try:
        checked = model.model_validate(arguments)
    except pydantic.ValidationError as invalid:
        raise _refuse(tool, [_describe_fault(e, schema) for e in invalid.errors()], schema) from None
    return {name: getattr(checked, name) for name in model.model_fields}


def check_by_schema(tool: str, schema: Mapping[str, JSON], arguments: Mapping[str, JSON]) -> JSONObject:
    """Return the arguments of a tool that brings its own schema, if they fit it.

    :raises ToolError: ``invalid_argument`` that names each argument at fault.
    """
    from jsonschema import Draft202012Validator

    errors = sorted(Draft202012Validator(schema).iter_errors(dict(arguments)), key=lambda e: e.json_path)
    if errors:
        faults = list(dict.fromkeys(fault for error in errors for fault in _describe_error(error)))
        raise _refuse(tool, faults, schema)
    return dict(arguments)


def _describe_error(error: ValidationError) -> list[str]:
    """Return the arguments at fault by JSON schema, as those of other tools are described."""
    where = [str(part) for part in error.absolute_path]
    schema: JSON = error.schema
    instance: JSON = error.instance
    if error.validator == "required":
        missing = [name for name in schema["required"] if name not in instance]
        return [f"{'.'.join([*where, name])}: is required" for name in missing]
    closed = error.validator == "additionalProperties" and schema["additionalProperties"] is False
    if closed and "patternProperties" not in schema:
        known = schema.get("properties", {})
        unknown = [name for name in instance if name not in known]
        return [_describe_unknown(".".join([*where, name]), name, known) for name in unknown]
    place = ".".join(where) or "arguments"
    meant = _suggest(instance, schema["enum"]) if error.validator == "enum" else ""
    return [f"{place}: {error.message}{meant}"]


def _refuse(tool: str, faults: Sequence[str], schema: Mapping[str, JSON]) -> InvalidArgument:
    most = 10
    more = f"; and {len(faults) - most} more" if len(faults) > most else ""
    required = schema.get("required", ())
    names = [f"{name} (required)" if name in required else name for name in schema.get("properties", {})]
    wrong = f"{'; '.join(faults[:most])}{more}"
    return InvalidArgument(
        f"{tool} was called with wrong arguments: {wrong}{'' if wrong.endswith('?') else '.'}",
        hint=f"Its arguments are: {', '.join(names) or 'none'}.",
    )


def _describe_fault(error: Mapping[str, JSON], schema: Mapping[str, JSON]) -> str:
    """Return the argument at fault and what is wrong with it, without its value: that may be a secret."""
    where = ".".join(str(part) for part in error["loc"]) or "arguments"
    kind = error["type"]
    if kind == "missing" or (error["input"] is None and len(error["loc"]) == 1):
        return f"{where}: is required"
    if error["input"] is None:
        return f"{where}: is null; leave it out"
    if kind == "string_type":
        return f"{where}: must be one text" + (", not a list" if isinstance(error["input"], list) else "")
    if kind == "extra_forbidden":
        return _describe_unknown(where, where, schema.get("properties", {}))
    if kind in {"literal_error", "enum"}:
        expected = error["ctx"]["expected"]
        choices = [choice.strip("' ") for choice in expected.replace(" or ", ", ").split(",")]
        return f"{where}: must be {expected}{_suggest(error['input'], choices)}"
    return f"{where}: {error['msg'].removeprefix('Input ').removeprefix('Value error, ')}"


def _suggest(value: JSON, choices: Iterable[JSON]) -> str:
    """Return the question whether one of the choices was meant; an empty text if none is near."""
    nearest = _find_nearest(str(value), [str(choice) for choice in choices if choice is not None])
    return f"; did you mean {nearest}?" if nearest else ""


def _describe_unknown(where: str, name: str, known: Iterable[str]) -> str:
    return f"{where}: is not an argument of this tool{_suggest(name, known)}"


def _find_nearest(name: str, names: Iterable[str]) -> str | None:
    """Return the name that was meant: ``dagId`` and ``dag`` for ``dag_id``."""
    plain = {other.replace("_", "").casefold(): other for other in names}
    nearest = difflib.get_close_matches(name.replace("_", "").replace("-", "").casefold(), plain, 1)
    return plain[nearest[0]] if nearest else None
