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
"""Patterns that are matched in bounded time."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_mcp.sdk.errors import ToolError
from airflow_provider_mcp.tools import patterns
from airflow_provider_mcp.tools.patterns import MAX_CACHED, compile_pattern

ATOMS = ["a", "b", ".", "[ab]", "[^a]", r"\w", r"\s", r"\D", r"\b", "^", "$", "(a|b)", "(?:ab)", "(?i:A)"]
REPEATS = ["", "", "*", "+", "?", "{2}", "{1,3}", "*?", "{2,}"]


@pytest.mark.parametrize(
    ("pattern", "found", "not_found"),
    [
        ("Error|Exception", "ValueError: x", "fine"),
        ("^Traceback", "Traceback (most recent", " Traceback"),
        (r"\bfoo\b", "a foo.", "food"),
        ("a.*b", "xaxxb", "bxa"),
        ("(?i)error", "An ERROR", "err"),
        (r"row \d{3,4} is (fine|bad)$", "row 123 is bad", "row 12 is bad"),
        ("[A-Z][a-z]+Error", "KeyError", "keyerror"),
        (r"(\w+\s?)*!", "so it is!", "so it is"),
        (r"\[2026-\d\d-\d\d", "[2026-01-02", "2026-01-02"),
        ("ü|ß", "Straße", "Strasse"),
    ],
)
def test_ordinary_patterns(pattern: str, found: str, not_found: str) -> None:
    compiled = compile_pattern(pattern)
    assert compiled.search(found)
    assert not compiled.search(not_found)


@given(
    parts=st.lists(st.tuples(st.sampled_from(ATOMS), st.sampled_from(REPEATS)), min_size=1, max_size=5),
    text=st.text("abAB 1_-", max_size=8),
)
def test_it_finds_what_pythons_own_finds(parts: list[tuple[str, str]], text: str) -> None:
    pattern = "".join(atom + repeat for atom, repeat in parts)
    try:
        expected = re.compile(pattern)
    except re.error:
        with pytest.raises(ToolError):
            compile_pattern(pattern)
        return
    assert compile_pattern(pattern).search(text) == bool(expected.search(text)), pattern


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+$",
        "(a|a)*b",
        "(a*)*b",
        "(a|aa)+$",
        "a*a*a*a*a*a*b",
        "(.*a){20}b",
        "(.*)(.*)(.*)(.*)(.*)(.*)(.*)=b",
        "(a?){60}a{60}b",
        "(?:a?|b?)*?c",
        "(a|a)(a|a)(a|a)(a|a)(a|a)(a|a)(a|a)(a|a)(a|a)(a|a)(a|a)(a|a)(a|a)(a|a)(a|a)(a|a)(a|a)(a|a)(a|a)(a|a)b",
    ],
)
def test_patterns_that_would_never_end_end(pattern: str) -> None:
    compiled = compile_pattern(pattern)
    for _ in range(20):
        assert compiled.search("a" * 1000) == pattern.endswith("$")


def test_the_states_that_are_remembered_are_bounded() -> None:
    compiled = compile_pattern("(a|b)*a(a|b){14}c")
    text = "".join("ab"[(number * number // 7) % 2] for number in range(20_000))
    assert not compiled.search(text)
    assert compiled._cached <= MAX_CACHED
    assert len(compiled._states) <= MAX_CACHED + 1


@pytest.mark.parametrize(
    "pattern",
    [
        "(",
        "a{1000000}",
        "(?=a)",
        "(?<!a)b",
        r"(a)\1",
        "(?P<x>a)(?P=x)",
        "a" * 201,
        "(?m)^a",
        "[z-a]",
        "(" * 150,
    ],
)
def test_what_cannot_be_matched_so_is_refused(pattern: str) -> None:
    with pytest.raises(ToolError) as refused:
        compile_pattern(pattern)
    assert refused.value.code == "invalid_argument"
    assert refused.value.hint


def test_pythons_parser_returns_what_this_is_built_on() -> None:
    """The parser has no public name: this fails when another Python returns something else."""
    parsed = patterns.parser.parse(r"^a[b-d\d]*(?:e|f){2,3}?[^g].\b$")
    assert [str(code) for code, _ in parsed] == [
        "AT",
        "LITERAL",
        "MAX_REPEAT",
        "MIN_REPEAT",
        "NOT_LITERAL",
        "ANY",
        "AT",
        "AT",
    ]
    least, most, items = parsed[2][1]
    assert (least, most) == (0, patterns.sre.MAXREPEAT)
    ((code, members),) = items
    assert (code, [str(member[0]) for member in members]) == (patterns.sre.IN, ["RANGE", "CATEGORY"])
    assert parsed[3][1][:2] == (2, 3)
    assert parsed.state.flags & re.UNICODE


def test_no_other_module_uses_the_parser() -> None:
    package = Path(patterns.__file__).parents[1]
    users = [
        file.name for file in package.rglob("*.py") if re.search(r"\b(_parser|sre_parse)\b", file.read_text())
    ]
    assert users == ["patterns.py"]
