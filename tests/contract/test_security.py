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
"""SECURITY.md names a test for each promise: each of them is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAMED = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", (ROOT / "SECURITY.md").read_text())


def test_every_line_of_the_table_names_tests() -> None:
    table = re.search(
        r"^\| risk or demand .*?(?=\n\n)", (ROOT / "SECURITY.md").read_text(), re.MULTILINE | re.DOTALL
    )
    assert table
    _, _, *rows = table[0].splitlines()
    assert len(rows) >= 16
    for row in rows:
        _, risk, defence, tests, _ = (cell.strip() for cell in row.split("|"))
        assert risk
        assert defence
        assert re.search(r"`tests/[\w/]+\.py::test_\w+`", tests), risk


def test_every_risk_and_demand_has_a_line() -> None:
    table = (ROOT / "SECURITY.md").read_text()
    for risk in [
        *(f"MCP{number:02}" for number in range(1, 11)),
        "MUST rate limit",
        "MUST sanitise",
        "AIP-91",
    ]:
        assert re.search(rf"^\| [^|]*{risk}[^|]*\|[^|]+\| `tests/", table, re.MULTILINE), risk


@pytest.mark.parametrize(("file", "name"), sorted(set(NAMED)))
def test_the_named_test_is_there(file: str, name: str) -> None:
    module = ast.parse((ROOT / file).read_text())
    assert name in {node.name for node in module.body if isinstance(node, ast.FunctionDef)}
