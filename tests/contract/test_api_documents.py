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
"""What the REST API of each supported Airflow 3 has of what the tools use."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.contract.api_operations import IDENTITIES, NO_IDENTITIES, OPERATIONS

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / "airflow_provider_mcp" / "tools"
RECORDS = {
    path.stem.removeprefix("airflow-"): json.loads(path.read_text())["operations"]
    for path in sorted((ROOT / "tests" / "fixtures" / "api").glob("airflow-*.json"))
}


def number(minor: str) -> tuple[int, ...]:
    return tuple(int(part) for part in minor.split("."))


CASES = [
    pytest.param(RECORDS[minor].get(name), use, id=f"{minor} {name}")
    for minor in RECORDS
    for name, use in OPERATIONS.items()
    if number(minor) >= number(use.since)
]


def test_each_supported_minor_is_recorded() -> None:
    minors = {path.stem.removeprefix("airflow-") for path in (ROOT / "constraints" / "versions").iterdir()}
    assert {minor for minor in minors if minor.startswith("3.")} <= set(RECORDS)


@pytest.mark.parametrize(("operation", "use"), CASES)
def test_an_operation_takes_and_gives_what_the_tools_use(operation: Any, use: Any) -> None:
    assert operation is not None, "this Airflow does not have it"
    assert use.body <= set(operation["body"])
    assert use.sends or use.body or not operation["needs_body"], "it requires a body"
    assert set(operation["required"]) <= use.body, "it requires a field that the tools do not send"
    assert use.reads <= set(operation["fields"])


IDENTITY = re.compile(r".*_(id|ids|index|key|number|token)|.*_name|id|key|uri|iteration|loop_iteration")


@pytest.mark.parametrize("minor", RECORDS)
def test_the_tools_know_every_field_that_tells_one_thing_from_another(minor: str) -> None:
    known = IDENTITIES | NO_IDENTITIES
    unknown = {
        name: sorted(fields)
        for name, operation in RECORDS[minor].items()
        if (
            fields := {
                field
                for field in (*operation["parameters"], *operation["fields"])
                if IDENTITY.fullmatch(field) and field not in known
            }
        )
    }
    assert not unknown, "decide for each whether the tools must take and show it"


def routes_of_tools() -> set[str]:
    """Return the routes that ``path`` is called with, each part that is an identifier as ``{}``."""
    routes = set()
    for module in TOOLS.rglob("*.py"):
        for node in ast.walk(ast.parse(module.read_text())):
            called = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "path"
            if called and isinstance(node.args[0], ast.Constant) and "/" in node.args[0].value:
                routes.add(node.args[0].value)
    return routes


def test_every_route_of_the_tools_is_listed() -> None:
    listed = {re.sub(r"\{\w+\}", "{}", name.split(" /", 1)[1]) for name in OPERATIONS}
    routes = routes_of_tools()
    assert len(routes) > 20
    assert routes <= listed
