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

from collections.abc import Mapping
from typing import Any

import pydantic
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode

from airflow_provider_mcp.sdk.json_types import JSON, JSONObject
from airflow_provider_mcp.sdk.plain_schemas import flatten_schema

_IN_ALL = ("truncated", "hint")
"""Fields that any result may have: the server's instructions and the results themselves explain them."""


class _Schema(GenerateJsonSchema):
    """JSON Schema without what only costs tokens: titles, null alternatives and what is so by default."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        return False

    def nullable_schema(self, schema: Any) -> JSONObject:
        return self.generate_inner(schema["schema"])

    def dict_schema(self, schema: Any) -> JSONObject:
        built = super().dict_schema(schema)
        if built.get("additionalProperties") is True:
            del built["additionalProperties"]
        return built

    def default_schema(self, schema: Any) -> JSONObject:
        built = super().default_schema(schema)
        if built.get("default", ...) is None:
            del built["default"]
        return built

    def generate(self, schema: Any, mode: JsonSchemaMode = "validation") -> JSONObject:
        built = super().generate(schema, mode)
        built.pop("title", None)
        built.pop("description", None)
        for definition in built.get("$defs", {}).values():
            definition.pop("title", None)
            definition.pop("description", None)
        return built


def build_input_schema(arguments: type[pydantic.BaseModel]) -> JSONObject:
    """Return the schema of a tool's arguments."""
    return flatten_schema(arguments.model_json_schema(schema_generator=_Schema))


def build_output_schema(tool: str, returned: Any) -> JSONObject:
    """Return the schema of what a tool returns.

    :raises TypeError: It is no object, or has a field that no JSON can be.
    """
    try:
        schema = pydantic.TypeAdapter(returned).json_schema(schema_generator=_Schema, mode="serialization")
    except pydantic.errors.PydanticUserError as unread:
        reason = str(unread).splitlines()[0]
        raise TypeError(f"the result of the tool {tool} has no JSON schema: {reason}") from None
    if schema.get("type") != "object":
        raise TypeError(f"the tool {tool} returns no object: return a pydantic model")
    return schema


def outline(output: Mapping[str, JSON] | None, inputs: Mapping[str, JSON]) -> JSONObject | None:
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
    outlined = {}
    for name in new or certain or fields:
        kind = "object" if "$ref" in fields[name] else fields[name].get("type")
        outlined[name] = {"type": kind} if kind else {}
    return {"type": "object", "properties": outlined}
