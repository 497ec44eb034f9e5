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
"""The JSON schemas of tools, without what only costs tokens."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from typing import Any

import pydantic
from pydantic.json_schema import GenerateJsonSchema

from airflow_provider_mcp.sdk.content import Content
from airflow_provider_mcp.sdk.jobs import JobStarted


class _Schema(GenerateJsonSchema):
    """JSON Schema without what only costs tokens: titles, null alternatives and what is so by default."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        return False

    def nullable_schema(self, schema: Any) -> dict[str, Any]:
        return self.generate_inner(schema["schema"])

    def dict_schema(self, schema: Any) -> dict[str, Any]:
        built = super().dict_schema(schema)
        if built.get("additionalProperties") is True:
            del built["additionalProperties"]
        return built

    def default_schema(self, schema: Any) -> dict[str, Any]:
        built = super().default_schema(schema)
        if built.get("default", ...) is None:
            del built["default"]
        return built

    def generate(self, schema: Any, mode: Any = "validation") -> dict[str, Any]:
        built = super().generate(schema, mode)
        built.pop("title", None)
        built.pop("description", None)
        for definition in built.get("$defs", {}).values():
            definition.pop("title", None)
            definition.pop("description", None)
        return built


def outline(output: Mapping[str, Any] | None, inputs: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the part of an output schema that every request pays for: what each result surely has.

    Left out are the inside of each field, fields that may be missing, and fields that repeat an argument,
    unless nothing would be left. What fits the whole schema fits its outline too.

    :param output: The whole schema; None for a tool without one.
    :param inputs: The tool's input schema.
    """
    if output is None:
        return None
    fields = {name: field for name, field in output.get("properties", {}).items() if name not in _IN_ALL}
    certain = [name for name in fields if name in output.get("required", ())]
    new = [name for name in certain if name not in inputs.get("properties", {})]
    shown = {}
    for name in new or certain or fields:
        kind = "object" if "$ref" in fields[name] else fields[name].get("type")
        shown[name] = {"type": kind} if kind else {}
    return {"type": "object", "properties": shown}


_IN_ALL = ("truncated", "hint")
"""Fields that any result may have: the server's instructions and the results themselves explain them."""


def _output_schema(name: str, returned: Any) -> dict[str, Any] | None:
    """Return the schema of what a tool returns; None if that is ``Content``."""
    kinds = [kind for kind in typing.get_args(returned) if kind is not JobStarted]
    if isinstance(returned, types.UnionType) or typing.get_origin(returned) is typing.Union:
        returned = kinds[0] if len(kinds) == 1 else typing.Union[tuple(kinds)]  # noqa: UP007
    if returned is Content:
        return None
    output = pydantic.TypeAdapter(returned).json_schema(schema_generator=_Schema)
    if output.get("type") != "object":
        raise TypeError(f"the tool {name} returns no object: return a pydantic model")
    return output
