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
"""The rules of the house that a machine can check."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml

from airflow_provider_mcp.get_provider_info import get_provider_info
from airflow_provider_mcp.server.calls import describe_tool
from airflow_provider_mcp.server.catalogue import load_catalogue

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "airflow_provider_mcp"
VERBS = frozenset(
    [
        "list",
        "get",
        "search",
        "wait",
        "diagnose",
        "explain",
        "find",
        "analyze",
        "compare",
        "resolve",
        "trigger",
        "set",
        "create",
        "update",
        "pause",
        "unpause",
        "reparse",
        "respond",
        "materialize",
        "test",
        "clear",
        "delete",
        "call",
        "trace",
    ]
)
CATALOGUE = load_catalogue("3.3.2", found=[])


def test_an_import_of_the_plugin_is_light() -> None:
    heavy = ("mcp", "starlette", "fastapi", "flask", "pydantic", "httpx")
    program = (
        "import sys, airflow.plugins_manager\n"
        f"heavy = {heavy!r}\n"
        "before = set(heavy) & set(sys.modules)\n"
        "import airflow.providers.mcp.plugin, airflow.providers.mcp.get_provider_info\n"
        "print(sorted(set(heavy) & set(sys.modules) - before))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]"


def test_the_metadata_is_that_of_provider_yaml() -> None:
    source = yaml.safe_load((ROOT / "provider.yaml").read_text())
    info = get_provider_info()
    assert {key: value for key, value in source.items() if key in info} == info
    assert set(source) - set(info) == {"state", "source-date-epoch", "versions"}


def test_the_metadata_fits_airflows_schema() -> None:
    import airflow

    for folder in airflow.__path__:
        schema = Path(folder) / "provider_info.schema.json"
        if schema.exists():
            jsonschema.validate(get_provider_info(), json.loads(schema.read_text()))
            return
    raise AssertionError("Airflow ships no provider_info.schema.json")


@pytest.mark.parametrize("name", sorted(CATALOGUE.tools))
def test_every_tool_is_complete(name: str) -> None:
    described = describe_tool(CATALOGUE.tools[name])
    assert name.split("_")[0] in VERBS
    assert described.description
    for argument, schema in described.input_schema.get("properties", {}).items():
        if argument not in {"start_after", "start_before", "logical_after", "logical_before"}:
            assert schema.get("description"), argument
    assert described.output_schema
    assert described.annotations is not None
    assert described.annotations.read_only_hint == (CATALOGUE.tools[name].access == "read")


def test_nothing_of_ours_is_left_out() -> None:
    assert CATALOGUE.problems == []


def steps() -> list[tuple[str, str, list[str]]]:
    """Return every next step that a tool may name: where, the tool, and its arguments."""
    found = []
    for module in sorted((PACKAGE / "tools").rglob("*.py")):
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "step":
                (name, *_) = node.args
                assert isinstance(name, ast.Constant), ast.unparse(node)
                given = [keyword.arg for keyword in node.keywords if keyword.arg is not None]
                found.append((f"{module.name}:{node.lineno}", str(name.value), given))
    return found


def test_next_steps_are_tools_with_these_arguments() -> None:
    assert len(steps()) > 15
    for where, name, given in steps():
        assert name in CATALOGUE.tools, where
        assert set(given) <= set(CATALOGUE.tools[name].input_schema["properties"]), where


# ---- the tests themselves ------------------------------------------------------------------------------


TESTS = [file for file in sorted((ROOT / "tests").rglob("*.py")) if "dags" not in file.parts]


def imports(module: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


@pytest.mark.parametrize("module", TESTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_helpers_are_modules_of_their_own(module: Path) -> None:
    """Nothing imports a test file, or a conftest: pytest loads these, and by other names."""
    for name in imports(module):
        last = name.split(".")[-1]
        assert not (name.startswith("tests.") and (last == "conftest" or last.startswith("test_"))), name
