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
"""The params of Dags as arguments that every client takes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from airflow_provider_mcp.sdk import plain_schema
from airflow_provider_mcp.sdk.plain_schemas import find_untyped
from airflow_provider_mcp.testing import Recording, open_airflow
from airflow_provider_mcp.tools.dag_tools.schemas import Unusable, build_schema, find_result_task

AIRFLOW = open_airflow(Recording())


def param(value: Any = None, description: str | None = None, **schema: Any) -> dict[str, Any]:
    """Return a param as Airflow's API shows it."""
    return {"value": value, "description": description, "schema": schema}


def build(**params: Any) -> dict[str, Any]:
    return build_schema(AIRFLOW, params)


def built(given: Any) -> dict[str, Any]:
    described: dict[str, Any] = build(it=given)["properties"]["it"]
    return described


@pytest.mark.parametrize(
    ("given", "argument"),
    [
        (param("eu", "Which.", type="string", enum=["eu", "us"]), {"default": "eu", "enum": ["eu", "us"]}),
        (param(7, type="integer", minimum=1, maximum=31), {"minimum": 1, "maximum": 31, "default": 7}),
        (param(type=["null", "string"], format="date"), {"type": "string", "format": "date"}),
        (param(type=["null", "integer", "number"]), {"type": "number"}),
        (param(3, type=["string", "integer"], minimum=1), {"type": "string", "default": 3}),
        (param(True), {"type": "boolean", "default": True}),
        (param(1.5), {"type": "number", "default": 1.5}),
        (param(), {"type": "string"}),
        (param([1, 2]), {"type": "array", "items": {"type": "integer"}, "default": [1, 2]}),
        (param(["a"], type="array"), {"type": "array", "items": {"type": "string"}, "default": ["a"]}),
        (param(type="array", items={"type": "object"}), {"type": "array", "items": {"type": "object"}}),
        (param({"a": 1}), {"type": "object", "default": {"a": 1}}),
        (param(type=["array", "null"], items={"type": "string"}, examples=["x"]), {"type": "array"}),
        (param("x", type="string", format="multiline", section="s", title="A title."), {"default": "x"}),
        (param("a", type="string", enum=["a", None]), {"enum": ["a"], "default": "a"}),
        (param("a", const="a"), {"type": "string", "enum": ["a"], "default": "a"}),
        (param(anyOf=[{"type": "string"}, {"type": "integer"}]), {"type": "string"}),
        (param(2, **{"$ref": "#/$defs/n", "$defs": {"n": {"type": "integer"}}}), {"type": "integer"}),
    ],
)
def test_a_param_is_an_argument_of_one_type(given: Any, argument: dict[str, Any]) -> None:
    schema = build(it=given)
    assert find_untyped(schema) == []
    assert argument.items() <= schema["properties"]["it"].items()
    Draft202012Validator.check_schema(schema)
    assert "format" not in schema["properties"]["it"] or argument.get("format")


def test_the_limits_of_one_type_are_not_put_on_another() -> None:
    assert built(param(3, type=["string", "integer"], minimum=1)) == {"type": "string", "default": 3}


@pytest.mark.parametrize(
    ("given", "required"),
    [
        (param(type="string"), True),
        (param(enum=["a", "b"]), True),
        (param(anyOf=[{"type": "string"}, {"type": "integer"}]), True),
        (param(type=["null", "string"]), False),
        (param(enum=["a", None]), False),
        (param(""), False),
        (param(0, type="integer"), False),
        (param(), False),
    ],
)
def test_what_a_run_needs_is_required(given: Any, required: bool) -> None:
    assert build(it=given).get("required", []) == (["it"] if required else [])


def test_a_secret_default_is_not_shown() -> None:
    assert built(param("hunter2hunter2", type="string")).get("default") == "hunter2hunter2"
    shown = build(password=param("hunter2hunter2", type="string"))
    assert "hunter2" not in json.dumps(shown)
    assert "required" not in shown


def test_a_long_default_costs_nothing() -> None:
    assert "default" not in built(param("x" * 500, type="string"))
    assert len(built(param("x", "y" * 500))["description"]) == 200


@pytest.mark.parametrize(
    ("params", "why"),
    [
        ({"wait_seconds": param(1)}, "has the name of an argument that each tool has"),
        ({"idempotency_key": param("a")}, "has the name of an argument that each tool has"),
        ({"two words": param("a")}, "has a name that clients refuse"),
        ({"x" * 65: param("a")}, "has a name that clients refuse"),
        ({"a": param("a", enum=[f"choice {n}" for n in range(1000)])}, "more than 8,192"),
        ({"a": param([float("nan")])}, "NaN or infinity"),
    ],
)
def test_what_no_client_can_use_is_refused(params: dict[str, Any], why: str) -> None:
    with pytest.raises(Unusable, match=why):
        build_schema(AIRFLOW, params)


def test_the_task_of_the_result_is_named_by_a_param_or_in_its_schema() -> None:
    assert find_result_task({"a": param("x", mcp_result_task="sum_up")}) == "sum_up"
    named = {"a": param("x"), "mcp_result_task": param("sum_up")}
    assert find_result_task(named) == "sum_up"
    assert set(build_schema(AIRFLOW, named)["properties"]) == {"a", "idempotency_key", "wait_seconds"}
    assert find_result_task({"a": param("x")}) is None


def test_a_schema_of_others_says_only_what_all_clients_know() -> None:
    written = {
        "type": "object",
        "title": "T",
        "properties": {"a": {"type": ["null", "string"], "x-secret": 1}, "b": {"enum": [1, 2]}, "c": True},
        "required": ["a"],
        "if": {},
    }
    assert plain_schema(written) == {
        "type": "object",
        "required": ["a"],
        "properties": {
            "a": {"type": "string"},
            "b": {"type": "integer", "enum": [1, 2]},
            "c": {"type": "string"},
        },
    }
