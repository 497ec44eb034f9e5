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
"""Input schemas in the words that every client takes."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from airflow_provider_mcp.sdk import JSONObject, Toolset, hookimpl, tool
from airflow_provider_mcp.sdk.binding import bind_tool
from airflow_provider_mcp.sdk.tool import Tool
from airflow_provider_mcp.server.catalogue import load_catalogue
from airflow_provider_mcp.testing import assert_definition


class Done(BaseModel):
    ok: bool = True


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Point(BaseModel):
    x: int
    y: int | None = None


class Line(BaseModel):
    kind: Literal["line"] = "line"
    begin: Point
    others: list[Point] = []


class Circle(BaseModel):
    kind: Literal["circle"] = "circle"
    begin: Point
    radius: float


class Tree(BaseModel):
    name: str
    children: list[Tree] = []


def bind(hint: Any) -> Tool:
    async def take(value):  # type: ignore[no-untyped-def]
        """Take."""

    take.__annotations__ = {"value": hint, "return": Done}
    return bind_tool(tool(access="read")(take), toolset="t", owner="acme")


def untyped(schema: Any, path: str = "") -> list[str]:
    """Return where a schema has something that a client may refuse."""
    faults = []
    if isinstance(schema, dict):
        for key in ("anyOf", "oneOf", "allOf", "$ref", "$defs", "const", "prefixItems"):
            if key in schema and not path.endswith("properties"):
                faults.append(f"{path}.{key}")
        if path and not path.endswith("properties") and not isinstance(schema.get("type"), str):
            faults.append(f"{path} has no type")
        if schema.get("type") == "array" and "type" not in schema.get("items", {}):
            faults.append(f"{path}.items")
        for name, value in schema.get("properties", {}).items():
            faults += untyped(value, f"{path}.{name}")
        for key in ("items", "additionalProperties"):
            if isinstance(schema.get(key), dict):
                faults += untyped(schema[key], f"{path}.{key}")
    return faults


@pytest.mark.parametrize(
    ("hint", "schema"),
    [
        (str | None, {"type": "string"}),
        (Literal["a"], {"type": "string", "enum": ["a"]}),
        (Literal["a"] | None, {"type": "string", "enum": ["a"]}),
        (Literal["a", "b"] | Literal["c"], {"type": "string", "enum": ["a", "b", "c"]}),
        (Colour, {"type": "string", "enum": ["red", "blue"]}),
        (int | float, {"type": "number"}),
        (str | datetime, {"type": "string"}),
        (datetime | date, {"type": "string"}),
        (Point, {"type": "object", "properties": {"x": {"type": "integer"}, "y": {"type": "integer"}}}),
        (list[Point] | None, {"type": "array"}),
        (dict[str, Any], {"type": "object"}),
        (dict[str, int | None], {"type": "object", "additionalProperties": {"type": "integer"}}),
        (tuple[int, int], {"type": "array", "items": {"type": "integer"}}),
        (set[str], {"type": "array", "items": {"type": "string"}}),
        (Line | Circle, {"type": "object", "required": ["begin"]}),
        (Annotated[Line | Circle, Field(discriminator="kind")], {"type": "object"}),
        (Tree, {"type": "object", "required": ["name"]}),
    ],
)
def test_each_has_one_type(hint: Any, schema: JSONObject) -> None:
    bound = bind(hint)
    assert untyped(bound.input_schema) == []
    assert bound.warnings == ()
    written = bound.input_schema["properties"]["value"]
    assert {key: written.get(key) for key in schema} == schema


def test_alternatives_keep_what_they_share() -> None:
    written = bind(Line | Circle).input_schema["properties"]["value"]
    assert written["properties"]["kind"] == {
        "type": "string",
        "enum": ["line", "circle"],
        "default": "line",
    } or (written["properties"]["kind"]["enum"] == ["line", "circle"])
    assert written["properties"]["begin"]["properties"]["x"] == {"type": "integer"}
    assert written["properties"]["radius"] == {"type": "number"}


def test_a_description_survives() -> None:
    hint = Annotated[Point | None, Field(description="Where.")]
    assert bind(hint).input_schema["properties"]["value"]["description"] == "Where."


@pytest.mark.parametrize(
    ("hint", "sentence"),
    [
        (Any, "value has no type"),
        (str | int, "value may be of several types"),
        (list[Any], "an item of value has no type"),
        (dict[str, str | int], "a value of value may be of several types"),
        (Decimal, "value may be of several types"),
        (tuple[int, str], "an item of value may be of several types"),
    ],
)
def test_what_has_no_one_type_is_told(hint: Any, sentence: str) -> None:
    bound = bind(hint)
    (warning,) = bound.warnings
    assert warning.startswith(f"the tool take: {sentence}")
    assert "give it one type" in warning
    with pytest.raises(AssertionError, match=sentence):
        assert_definition(bound.function)

    class Plugin:
        @hookimpl
        def register_toolsets(self) -> list[Toolset]:
            return [Toolset("extra", "Extra.", [bound.function])]

    class Entry:
        name = "acme"

        def load(self) -> object:
            return Plugin()

    loaded = load_catalogue("3.3.2", found=[Entry()])  # type: ignore[list-item]
    assert "take" in loaded.tools
    assert [problem.message for problem in loaded.problems] == [warning]


def test_a_schema_of_its_own_is_told_too() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"$ref": "#/$defs/A"}, "b": {"type": ["string", "null"]}},
        "$defs": {"A": {"type": "string"}},
    }

    @tool(access="read", input_schema=schema)
    async def take(arguments: dict[str, Any]) -> Done:
        """Take."""
        return Done()

    bound = bind_tool(take, toolset="t", owner="acme")
    assert bound.input_schema == schema
    assert [warning.split(":")[1].strip() for warning in bound.warnings] == [
        "a is given by a $ref",
        "b has several types",
    ]


CATALOGUE = load_catalogue("3.3.2", found=[])


@pytest.mark.parametrize("name", sorted(CATALOGUE.tools))
def test_each_of_ours_has_one_type_everywhere(name: str) -> None:
    assert untyped(CATALOGUE.tools[name].input_schema) == []


@pytest.mark.parametrize(
    ("name", "title"),
    [("get_xcom", "Get XCom"), ("list_dags", "List Dags"), ("resolve_url", "Resolve URL")],
)
def test_titles_are_for_people(name: str, title: str) -> None:
    assert CATALOGUE.tools[name].title == title


def test_annotations_are_true_by_the_words_of_the_specification() -> None:
    @tool(access="write", replaces=True, open_world=True)
    async def replace_note(note: Annotated[str, Field(description="Note.")]) -> Done:
        """Replace a note."""
        return Done()

    hints = assert_definition(replace_note).annotations
    assert hints is not None
    assert (hints.read_only_hint, hints.destructive_hint, hints.open_world_hint) == (False, True, True)
