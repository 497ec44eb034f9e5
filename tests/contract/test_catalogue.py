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
"""What every tool, prompt and resource of ours has to hold, what they cost, and their snapshots."""

from __future__ import annotations

import base64
import importlib.util
import inspect
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import anyio
import httpx
import jsonschema
import pytest

from airflow_provider_mcp.sdk.airflow import Airflow, Caller, Site
from airflow_provider_mcp.sdk.binding import bind_tool
from airflow_provider_mcp.sdk.injection import run_function
from airflow_provider_mcp.sdk.schemas import outline
from airflow_provider_mcp.sdk.tool import Tool
from airflow_provider_mcp.server.build import INSTRUCTIONS
from airflow_provider_mcp.server.calls import describe_tool
from airflow_provider_mcp.server.catalogue import load_catalogue
from airflow_provider_mcp.server.shaping import shape_result
from devtools.tokens import tokens

ROOT = Path(__file__).resolve().parents[2]
VERBS = {
    *(
        "list",
        "get",
        "find",
        "search",
        "resolve",
        "analyze",
        "compare",
        "diagnose",
        "explain",
        "wait",
        "call",
        "trace",
    ),
    *("trigger", "clear", "set", "create", "update", "delete", "pause", "unpause", "reparse", "respond"),
    *("materialize", "test"),
}
MAX_TOKENS = 10_500
CATALOGUE = load_catalogue("3.3.2", found=[])
REPLACE = {"set_dag_run_note", "set_pool", "set_variable", "update_backfill"}
"""Tools of the access level write that replace a stored value."""
OPEN_WORLD = {
    *("analyze_dag", "call_api", "call_api_read", "explain_waiting", "test_connection"),
    *("diagnose_dag_run", "find_failures", "get_task_instance", "get_task_logs", "get_xcom", "search_logs"),
    *("trigger_dag", "wait_for_dag_run"),
}
"""Tools that reach beyond Airflow, or bring in text from beyond it: logs, XComs, rendered fields."""
TOOLS = sorted(CATALOGUE.tools.values(), key=lambda tool: tool.name)
each_tool = pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)


def load_generator() -> Any:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "scripts" / "generate_tools_ref.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GENERATOR = load_generator()


def listed(tool: Tool) -> dict[str, Any]:
    definition: dict[str, Any] = GENERATOR.definition(tool)
    return definition


def compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


# ---- snapshots and the page --------------------------------------------------------------------------


def test_what_is_generated_is_current() -> None:
    """Each tool's definition in snapshots/, the tools of Airflow 2, docs/tools-ref.rst."""
    assert GENERATOR.stale(GENERATOR.files()) == [], "run `make generate` and read the difference"


def test_a_changed_definition_is_noticed() -> None:
    files = GENERATOR.files()
    name = f"{GENERATOR.SNAPSHOTS}/list_dags.json"
    changed = {**files, name: files[name].replace("List Dags", "List all Dags")}
    assert GENERATOR.stale(changed) == [name]
    del files[name]
    assert GENERATOR.stale(files) == [name]


def test_the_page_names_everything() -> None:
    page = (ROOT / "docs" / "tools-ref.rst").read_text()
    for name in (*CATALOGUE.tools, *CATALOGUE.prompts, *CATALOGUE.resources):
        assert name in page
    # The index lists every page there is.
    index = (ROOT / "docs" / "index.rst").read_text()
    for file in (ROOT / "docs").glob("*.rst"):
        assert file.stem == "index" or f"\n   {file.stem}\n" in index, file.name


def test_every_toolset_has_a_small_icon_of_its_own() -> None:
    icons = CATALOGUE.toolset_icons
    assert set(icons) == set(CATALOGUE.toolsets)
    assert len(set(icons.values())) == len(icons)
    for icon in icons.values():
        drawing = base64.b64decode(icon.removeprefix("data:image/svg+xml;base64,"))
        assert ElementTree.fromstring(drawing).tag == "{http://www.w3.org/2000/svg}svg"
        assert len(icon) <= 400


def test_no_tool_is_only_on_airflow_2() -> None:
    assert set(load_catalogue("2.11.2", found=[]).tools) <= set(CATALOGUE.tools)


# ---- invariants --------------------------------------------------------------------------------------


@each_tool
def test_its_name_begins_with_a_verb(tool: Tool) -> None:
    assert tool.name.split("_")[0] in VERBS
    assert tool.title
    assert tool.toolset in CATALOGUE.toolsets


@each_tool
def test_its_description_is_an_imperative_sentence(tool: Tool) -> None:
    first = tool.description.splitlines()[0]
    assert first.endswith(".")
    word = first.split()[0]
    assert word[0].isupper()
    assert not word.endswith("ing")
    assert not word.endswith("s") or word.endswith("ss"), f"{word} is no imperative"
    assert len(tool.description) <= 400


@each_tool
def test_its_arguments_are_described(tool: Tool) -> None:
    schema = listed(tool)["inputSchema"]
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["type"] == "object"
    for name, argument in schema.get("properties", {}).items():
        assert argument.get("description"), name
        assert argument["description"].endswith("."), name
    assert ("confirmation_token" in schema.get("properties", {})) == (tool.access == "destructive")


@each_tool
def test_its_hints_follow_from_its_access(tool: Tool) -> None:
    hints = listed(tool)["annotations"]
    assert hints["readOnlyHint"] is (tool.access == "read")
    assert hints["destructiveHint"] is (tool.access == "destructive" or tool.name in REPLACE)
    assert hints["openWorldHint"] is (tool.name in OPEN_WORLD)
    assert hints.get("idempotentHint", False) is (tool.idempotent and tool.access != "read")


@each_tool
def test_its_output_has_properties(tool: Tool) -> None:
    shown = listed(tool)["outputSchema"]
    jsonschema.Draft202012Validator.check_schema(shown)
    assert shown["type"] == "object"
    assert shown["properties"]
    assert tool.output_schema
    assert set(shown["properties"]) <= set(tool.output_schema["properties"])


@each_tool
def test_a_list_can_be_continued(tool: Tool) -> None:
    arguments = tool.input_schema.get("properties", {})
    if "cursor" in arguments and "limit" in arguments:
        assert (arguments["limit"]["default"], arguments["limit"]["maximum"]) == (25, 100)
        assert {"total", "next_cursor"} <= set(tool.output_schema["properties"])


@pytest.mark.parametrize("prompt", CATALOGUE.prompts.values(), ids=lambda prompt: prompt.name)
def test_a_prompt_describes_its_arguments(prompt: Any) -> None:
    hints = inspect.get_annotations(prompt.function, eval_str=True)
    for name in inspect.signature(prompt.function).parameters:
        assert hints[name].__metadata__[0].description
    assert prompt.title
    assert prompt.description.endswith(".")


def test_an_outline_promises_what_every_result_has() -> None:
    whole = {
        "$defs": {"Row": {"type": "object"}},
        "properties": {
            "truncated": {"type": "boolean"},
            "dag_id": {"type": "string"},
            "rows": {"type": "array", "items": {"$ref": "#/$defs/Row"}},
            "row": {"$ref": "#/$defs/Row"},
            "any": {},
            "note": {"type": "string"},
        },
        "required": ["dag_id", "rows", "row", "any"],
    }
    inputs = {"properties": {"dag_id": {"type": "string"}}}
    assert outline(whole, inputs) == {
        "type": "object",
        "properties": {"rows": {"type": "array"}, "row": {"type": "object"}, "any": {}},
    }
    assert outline({"properties": {"dag_id": {"type": "string"}}, "required": ["dag_id"]}, inputs) == {
        "type": "object",
        "properties": {"dag_id": {"type": "string"}},
    }
    assert outline({"properties": {"a": {"type": "string"}, "hint": {}}}, {}) == {
        "type": "object",
        "properties": {"a": {"type": "string"}},
    }
    assert outline(None, {}) is None


# ---- cost --------------------------------------------------------------------------------------------


def test_the_list_of_tools_is_cheap() -> None:
    tools = [listed(tool) for tool in TOOLS]
    whole, *single = tokens(compact({"tools": tools}), *(compact(tool) for tool in tools))
    dearest = sorted(zip(single, (tool.name for tool in TOOLS), strict=True), reverse=True)[:8]
    assert whole <= MAX_TOKENS, (
        f"tools/list has {whole} tokens in {len(tools)} tools, {whole / len(tools):.0f} each; "
        f"the dearest: {dearest}"
    )


def test_the_instructions_are_short() -> None:
    assert tokens(INSTRUCTIONS)[0] <= 150


def test_a_list_of_dags_is_cheap_and_fits_its_schemas() -> None:
    recorded = json.loads((ROOT / "tests" / "fixtures" / "api" / "dag_of_airflow3.json").read_text())
    subjects = ("orders", "customers", "invoices", "shipments", "payments", "returns", "sessions")
    names = [f"{team}_{subject}_daily" for team in ("sales", "ops", "web", "bi") for subject in subjects]
    names += [name.replace("daily", "backfill") for name in names]
    rows = [
        {
            **recorded,
            "dag_id": name,
            "is_paused": number % 3 == 0,
            "tags": [{"name": tag, "dag_id": name} for tag in (name.split("_")[0], "warehouse")],
        }
        for number, name in enumerate(names)
    ]
    assert len(rows) == 56

    def handle(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"dags": rows, "total_entries": len(rows)})

    airflow = Airflow(
        transport=httpx.MockTransport(handle),
        base_url="http://airflow.in-process/api/v2/",
        site=Site(
            "3.3.2", lambda dag_id, *_: f"http://airflow.example/dags/{dag_id}", lambda value, _: value
        ),
        caller=Caller("1", "ada"),
        access="read",
    )
    tool = CATALOGUE.tools["list_dags"]
    result = anyio.run(run_function, tool.function, tool.check({"limit": 100}), airflow)
    shaped = shape_result(result, 40_000)
    assert len(shaped.data["dags"]) == 56
    jsonschema.validate(shaped.data, tool.output_schema)
    jsonschema.validate(shaped.data, listed(tool)["outputSchema"])
    whole, *each = tokens(shaped.text, *(compact(row) for row in shaped.data["dags"]))
    assert whole <= 3_400, f"56 Dags have {whole} tokens, {whole / 56:.0f} each"
    assert max(each) <= 60, f"a Dag has {max(each)} tokens"


def test_a_stranger_s_tool_gets_the_same_treatment() -> None:
    tool = bind_tool(CATALOGUE.tools["list_dags"].function, toolset="acme", owner="acme")
    assert describe_tool(tool).output_schema == listed(CATALOGUE.tools["list_dags"])["outputSchema"]
