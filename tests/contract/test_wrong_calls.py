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
from typing import Any

import pytest

from airflow_provider_mcp.sdk import InvalidArgument, JSONObject
from airflow_provider_mcp.sdk.tool import Tool
from airflow_provider_mcp.server.catalogue import load_catalogue

CATALOGUE = load_catalogue("3.3.2", found=[])


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
    return {"a": 1}


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
        else:
            yield "missing", rest
        if not isinstance(value, str):
            yield "text for JSON", {**call, name: json.dumps(value)}
        if isinstance(value, list) and len(value) == 1:
            yield "one for a list", {**call, name: value[0]}
        if isinstance(value, str) and "enum" in schema:
            yield "other letters", {**call, name: value.upper()}
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
    for name, choice in re.findall(r"(\w+)(?:\.\d+)?: must be [^;]*; did you mean (\w+)\?", error.message):
        value = repaired.get(name)
        repaired[name] = [choice] if isinstance(value, list) else choice
    for name in re.findall(r"(\w+): is required", error.message):
        repaired.setdefault(name, call.get(name))
    return repaired


@pytest.mark.parametrize("seed", range(3))
def test_nine_of_ten_wrong_calls_are_right_at_the_second(seed: int) -> None:
    chance = random.Random(seed)
    results: list[tuple[bool, str, str, JSONObject]] = []
    for tool in CATALOGUE.tools.values():
        call = valid_call(tool)
        wanted = tool.check(call)
        for kind, sent in mutations(tool, call, chance):
            try:
                checked = tool.check(sent)
            except InvalidArgument as error:
                try:
                    checked = tool.check(follow(error, sent, call))
                except InvalidArgument:
                    checked = {}
            if kind == "null":
                # A default is right in place of the value that was left out.
                (name,) = (name for name, value in sent.items() if value is None)
                right = {**wanted, **{k: v for k, v in checked.items() if k == name}} == checked
            else:
                right = checked == wanted
            results.append((right, kind, tool.name, sent))
    assert len(results) > 600
    wrong = [(kind, name, sent) for right, kind, name, sent in results if not right]
    share = 1 - len(wrong) / len(results)
    assert share >= 0.90, f"{share:.3f}: {wrong[:20]}"
