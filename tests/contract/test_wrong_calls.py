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
"""Calls as models get them wrong: taken as meant, or right at the second call by the error's own words."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from airflow_provider_mcp.sdk import Arguments, InvalidArgument, JSONObject, Time, tool
from airflow_provider_mcp.sdk.tool import Tool
from airflow_provider_mcp.server.catalogue import load_catalogue
from airflow_provider_mcp.testing import load_plugin


class Window(BaseModel):
    begin: int
    width: int = 1


class Region(Arguments):
    region_name: Annotated[str, Field(description="Name.")]
    kind: Annotated[Literal["North", "South East"], Field(description="Kind.")] = "North"
    windows: Annotated[list[Window], Field(description="Windows.")] = []  # noqa: RUF012
    since: Annotated[Time | None, Field(description="Since.")] = None


class Measured(BaseModel):
    ok: bool = True


@tool(access="read")
async def measure_region(region: Region) -> Measured:
    """Measure a region."""
    return Measured()


@tool(access="destructive")
def drop_rows(
    row_ids: Annotated[list[int], Field(description="Rows.")],
    ratio: Annotated[float, Field(description="Share.")] = 0.5,
    only_old: Annotated[bool, Field(description="Old ones.")] = False,
    filters: Annotated[dict[str, str], Field(description="Filters.")] = {},  # noqa: B006
) -> Measured:
    """Drop rows."""
    return Measured()


@tool(
    access="write",
    input_schema={
        "type": "object",
        "properties": {
            "city_name": {"type": "string"},
            "size_class": {"type": "string", "enum": ["small", "very_large"]},
            "floors": {"type": "array", "items": {"type": "integer"}},
            "open_on": {"type": "string", "format": "date-time"},
            "is_open": {"type": "boolean"},
            "address": {"type": "object", "properties": {"street": {"type": "string"}}},
        },
        "required": ["city_name", "floors"],
        "additionalProperties": False,
    },
)
async def open_shop(arguments: dict[str, Any]) -> Measured:
    """Open a shop."""
    return Measured()


TOOLS: dict[str, Tool] = {
    **load_catalogue("3.3.2", found=[]).tools,
    # Of others: with arguments whole, plain ones, and with a schema that they bring.
    **load_plugin([measure_region, drop_rows, open_shop]).catalogue.tools,
    # Those of the example, as installed.
    **load_plugin("acme_reliability").catalogue.tools,
}


def sample(name: str, schema: JSONObject) -> Any:
    """Return a value that fits an argument."""
    kind = schema["type"]
    if "enum" in schema:
        return schema["enum"][-1]
    if kind == "string":
        return "2026-11-01T00:00:00+00:00" if schema.get("format") == "date-time" else f"some_{name}"
    if kind in {"integer", "number"}:
        return max(schema.get("minimum", 1), 1)
    if kind == "boolean":
        return True
    if kind == "array":
        return [sample(name, schema.get("items", {"type": "string"}))]
    if schema.get("properties"):
        return {inner: sample(inner, part) for inner, part in schema["properties"].items()}
    return {"a": sample("a", schema.get("additionalProperties") or {"type": "integer"})}


def valid_call(tool: Tool) -> JSONObject:
    return {name: sample(name, schema) for name, schema in tool.input_schema.get("properties", {}).items()}


def misspell(text: str, chance: random.Random) -> str:
    place = chance.randrange(1, len(text)) if len(text) > 1 else 0
    return text[:place] + text[place + 1 :] if len(text) > 3 else text + text[-1]


def mutations(tool: Tool, call: JSONObject, chance: random.Random) -> Iterator[tuple[str, JSONObject]]:
    """Yield calls that a model may send in place of a valid one, and what each has wrong."""
    required = tool.input_schema.get("required", ())
    for name, schema in tool.input_schema.get("properties", {}).items():
        value = call[name]
        rest = {key: item for key, item in call.items() if key != name}
        camel = re.sub(r"_(\w)", lambda found: found[1].upper(), name)
        if name not in required:
            yield "null", {**call, name: None}
            if not isinstance(value, str) or "enum" in schema or schema.get("format") == "date-time":
                yield "null", {**call, name: "None"}
        else:
            yield "missing", rest
        if not isinstance(value, str):
            yield "text for JSON", {**call, name: json.dumps(value)}
            yield "text of Python", {**call, name: repr(value)}
        if schema["type"] not in {"string", "array"}:
            yield "a list of one", {**call, name: [value]}
        if isinstance(value, list) and len(value) == 1:
            yield "one for a list", {**call, name: value[0]}
        if isinstance(value, str) and "enum" in schema:
            yield "other letters", {**call, name: value.upper()}
            yield "other letters", {**call, name: value.replace("_", " ").title()}
            yield "other letters", {**call, name: value.replace("_", "-")}
            yield "misspelt choice", {**call, name: misspell(value, chance)}
        if schema.get("format") == "date-time":
            yield "a date", {**call, name: "2026-11-01"}
        yield "misspelt name", {**rest, misspell(name, chance): value}
        if camel != name:
            yield "other style", {**rest, camel: value}
    yield "added", {**call, "toolCallId": "call_1", "chatInput": "?"}


def follow(error: InvalidArgument, sent: JSONObject, call: JSONObject) -> JSONObject:
    """Do what the message says, and nothing else: add what is required, rename, choose what was meant."""
    repaired = dict(sent)
    for wrong, meant in re.findall(
        r"(\S+): is not an argument of this tool; did you mean (\w+)\?", error.message
    ):
        if wrong in repaired:
            repaired[meant] = repaired.pop(wrong)
    choices = re.findall(
        r"(\w+)(?:\.\d+)?: (?:must be|\S+ is not one of) [^;]*; did you mean ([^?]+)\?", error.message
    )
    for name, choice in choices:
        value = repaired.get(name)
        repaired[name] = [choice] if isinstance(value, list) else choice
    for name in re.findall(r"(\w+): is required", error.message):
        repaired.setdefault(name, call.get(name))
    return repaired


def check(one: Tool, sent: JSONObject) -> JSONObject:
    """Return the arguments as the tool gets them, by name."""
    checked = one.check(sent)
    if one.arguments is None:
        return dict(checked["arguments"])
    return checked


@pytest.mark.parametrize("seed", range(3))
def test_nine_of_ten_wrong_calls_are_right_at_the_second(seed: int) -> None:
    chance = random.Random(seed)
    results: list[tuple[bool, str, str, JSONObject]] = []
    for name, one in TOOLS.items():
        call = valid_call(one)
        wanted = check(one, call)
        for kind, sent in mutations(one, call, chance):
            try:
                checked = check(one, sent)
            except InvalidArgument as error:
                try:
                    checked = check(one, follow(error, sent, call))
                except InvalidArgument:
                    checked = {}
            if kind == "null":
                # A default is right in place of the value that was left out.
                (null,) = (key for key, value in sent.items() if value is None or value == "None")
                others = {key: value for key, value in wanted.items() if key != null}
                right = bool(checked) and {k: v for k, v in checked.items() if k != null} == others
            else:
                right = checked == wanted
            results.append((right, kind, name, sent))
    assert len(results) > 600
    wrong = [(kind, name, sent) for right, kind, name, sent in results if not right]
    share = 1 - len(wrong) / len(results)
    assert share >= 0.90, f"{share:.3f}: {wrong[:20]}"
