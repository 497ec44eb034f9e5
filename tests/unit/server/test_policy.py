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
"""What the options of a file, a connection and a client may say, and what is made of mistakes."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from airflow_provider_mcp.connection_fields import POLICY_KEYS
from airflow_provider_mcp.server.catalogue import Catalogue, load_catalogue
from airflow_provider_mcp.server.policy import _STRICTEST, Policy, check_option, parse_options

ROOT = Path(__file__).resolve().parents[3]

BUILT_IN = load_catalogue("3.3.2", found=[])


@cache
def load_airflow2() -> Catalogue:
    return load_catalogue("2.11.2", found=[])


def test_a_connection_narrows() -> None:
    narrow = Policy().narrowed(
        {
            "read_only": "true",
            "toolsets": "dags,runs",
            "disabled_tools": ["get_dag"],
            "confirm": "write",
            "max_result_chars": 500,
        }
    )
    tools = BUILT_IN.tools
    assert {name for name, tool in tools.items() if narrow.offers(tool)} == {
        "list_dags",
        "list_dag_runs",
        "get_dag_run",
        "wait_for_dag_run",
    }
    assert narrow.needs_confirmation("write")
    assert narrow.max_result_chars == 500


def test_the_hooks_own_fields_and_empty_ones_narrow_nothing() -> None:
    hook = {"token": "t", "insecure": True, "verify": False, "ca_bundle": "/ca.pem", "timeout": 5}
    empty = {
        "toolsets": "",
        "disabled_tools": None,
        "confirm": None,
        "max_result_chars": None,
        "read_only": False,
    }
    assert Policy().narrowed({**hook, **empty}) == Policy()


def test_what_is_stricter_wins_whoever_says_it() -> None:
    file = Policy(toolsets=frozenset({"dags", "runs"}), disabled_tools=frozenset({"get_dag"}))
    both = file.narrowed({"toolsets": "runs,tasks", "disabled_tools": "list_dags", "confirm": "none"})
    assert both.toolsets == {"runs"}
    assert both.disabled_tools == {"get_dag", "list_dags"}
    assert both.confirm == "destructive"


def test_a_connection_never_widens() -> None:
    strict = Policy(read_only=True, toolsets=frozenset({"dags"}), confirm="write", max_result_chars=100)
    wide = {"read_only": False, "toolsets": "all", "confirm": "none", "max_result_chars": 10**9}
    assert strict.narrowed(wide) == strict
    assert strict.narrowed({"toolsets": "dags,runs"}).toolsets == {"dags"}


MALFORMED = [
    {"read_only": "maybe"},
    {"read_only": "yes"},
    {"read_only": []},
    {"confirm": "often"},
    {"confirm": "always"},
    {"confirm": True},
    {"max_result_chars": "x"},
    {"max_result_chars": "20k"},
    {"max_result_chars": 0},
    {"max_result_chars": -1},
    {"max_result_chars": 1.5},
    {"max_result_chars": True},
    json.loads('{"max_result_chars": 1e999}'),
    json.loads('{"max_result_chars": -Infinity}'),
    json.loads('{"max_result_chars": NaN}'),
    {"max_result_chars": {}},
    {"readonly": True},
    {"": True},
    {"toolsets": 3},
    {"toolsets": ["dags", 1]},
    {"disabled_tools": {"a": 1}},
]


@pytest.mark.parametrize("extra", MALFORMED, ids=str)
def test_a_malformed_extra_closes_and_names_the_option(extra: dict[str, Any]) -> None:
    (name,) = extra
    with pytest.raises(ValueError, match=f"^{name} is "):
        Policy().narrowed(extra)
    closed = Policy(conn_id="c").narrowed_or_closed(extra)
    assert closed.read_only
    assert closed.problem is not None
    assert closed.problem.startswith(f"the connection c is malformed: {name} is ")


@pytest.mark.parametrize("extra", MALFORMED, ids=str)
def test_beside_a_mistake_the_rest_still_narrows(extra: dict[str, Any]) -> None:
    rest = {"disabled_tools": "get_variable", "toolsets": "dags"}
    closed = Policy().narrowed_or_closed({**rest, **extra})
    assert closed.read_only
    assert "disabled_tools" in extra or closed.disabled_tools == {"get_variable"}
    assert "toolsets" in extra or closed.toolsets == {"dags"}


def test_no_mistake_allows_more_than_the_file() -> None:
    file = Policy(
        toolsets=frozenset({"dags"}),
        disabled_tools=frozenset({"get_dag"}),
        confirm="write",
        max_result_chars=9,
    )
    for extra in MALFORMED:
        closed = file.narrowed_or_closed(extra)
        assert (closed.toolsets, closed.disabled_tools) == (file.toolsets, file.disabled_tools)
        assert (closed.confirm, closed.max_result_chars) == ("write", 9)


def test_a_misspelt_option_is_told_with_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"readonly is no option \(did you mean read_only\?\)"):
        Policy().narrowed({"readonly": True})


def test_a_number_may_be_text_as_a_form_stores_it() -> None:
    assert Policy().narrowed({"max_result_chars": " 500 "}).max_result_chars == 500
    assert Policy().narrowed({"max_result_chars": 500.0}).max_result_chars == 500
    assert Policy().narrowed({"max_result_chars": "9" * 5000}) == Policy()


def test_a_message_quotes_little_of_a_value() -> None:
    closed = Policy().narrowed_or_closed({"confirm": "x" * 10_000})
    assert closed.problem is not None
    assert len(closed.problem) < 200


def test_the_file_is_read_as_airflow_reads_it() -> None:
    section = {
        "enabled": "True",
        "read_only": "t  # for now",
        "toolsets": "dags, runs",
        "disabled_tools": "get_dag,",
        "confirm": "Write",
        "max_result_chars": "20000",
        "max_request_bytes": "1000",
        "allowed_origins": "https://a.example.com",
        "conn_id": "other",
        "accept_airflow_tokens": "False",
        "oauth_enabled": "False",
        "oauth_client_metadata": "Fetch",
        "oauth_redirect_targets": "https://a.example.com/callback",
        "dag_tool_tag": "mcp",
    }
    assert parse_options(section) == Policy(
        read_only=True,
        toolsets=frozenset({"dags", "runs"}),
        disabled_tools=frozenset({"get_dag"}),
        confirm="write",
        max_result_chars=20_000,
        max_request_bytes=1000,
        allowed_origins=frozenset({"https://a.example.com"}),
        conn_id="other",
        accept_airflow_tokens=False,
        oauth_enabled=False,
        oauth_client_metadata="fetch",
        oauth_redirect_targets=frozenset({"https://a.example.com/callback"}),
    )
    assert parse_options({}) == Policy()
    assert parse_options({"toolsets": "ALL"}) == Policy()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("read_only", "yes"),
        ("read_only", ""),
        ("readonly", "True"),
        ("confirm", "always"),
        ("max_result_chars", "20k"),
        ("max_result_chars", "1e999"),
        ("max_request_bytes", "4 MB"),
        ("accept_airflow_tokens", "no"),
        ("oauth_enabled", "yes"),
        ("oauth_client_metadata", "all"),
    ],
)
def test_a_malformed_file_closes(name: str, value: str) -> None:
    policy = parse_options({"toolsets": "dags", name: value})
    assert policy.read_only
    assert policy.toolsets == {"dags"}
    assert policy.problem is not None
    assert policy.problem.startswith(f"[mcp] is malformed: {name} is ")
    # A connection that is in order mends nothing, and both problems are told.
    assert policy.narrowed_or_closed({"read_only": False}) == policy
    both = policy.narrowed_or_closed({"confirm": "never"}).problem
    assert both is not None
    assert both.startswith(policy.problem)
    assert "confirm is 'never'" in both


def test_whether_airflows_tokens_are_taken_must_be_clear() -> None:
    assert not parse_options({"accept_airflow_tokens": "no"}).accept_airflow_tokens


def test_whether_it_is_enabled_must_be_clear() -> None:
    policy = parse_options({"enabled": "ture"})
    assert not policy.enabled
    assert policy.problem == "[mcp] is malformed: enabled is 'ture'; write True or False"


def test_names_that_there_are_not_are_told_with_the_nearest() -> None:
    catalogue = load_airflow2()
    # `materialize_asset` is a tool of Airflow 3.
    wanted = {"toolsets": "dags,taks", "disabled_tools": "delete_dagg,get_dag,materialize_asset,quux"}
    assert catalogue.describe_unknown(Policy().narrowed(wanted)) == [
        "toolsets names taks, which there is not (did you mean tasks?)",
        "disabled_tools names delete_dagg, which there is not (did you mean delete_dag?)",
        "disabled_tools names quux, which there is not",
    ]
    assert catalogue.describe_unknown(Policy()) == []


def test_what_a_client_wants_for_itself_narrows() -> None:
    file = Policy(toolsets=frozenset({"dags", "runs"}))
    client = file.narrowed({"toolsets": "runs,tasks", "read_only": "true"})
    assert client.toolsets == {"runs"}
    assert client.read_only
    assert file.narrowed({"read_only": "false", "toolsets": "all"}) == file


def test_every_option_of_a_connection_can_be_narrowed() -> None:
    for name in POLICY_KEYS:
        with pytest.raises(ValueError, match=f"^{name} is "):
            Policy().narrowed({name: {"a": 1}})


def test_the_defaults_are_those_that_the_documentation_names() -> None:
    options = yaml.safe_load((ROOT / "provider.yaml").read_text())["config"]["mcp"]["options"]
    assert parse_options({name: option["default"] for name, option in options.items()}) == Policy()


@pytest.mark.parametrize(
    ("confirm", "asks"),
    [("none", set()), ("destructive", {"destructive"}), ("write", {"write", "destructive"})],
)
def test_which_levels_need_a_confirmation(confirm: str, asks: set[str]) -> None:
    policy = parse_options({"confirm": confirm})
    levels: list[Any] = ["read", "write", "destructive"]
    assert {level for level in levels if policy.needs_confirmation(level)} == asks


@pytest.mark.parametrize(
    ("name", "strictest"),
    [
        ("enabled", False),
        ("read_only", True),
        ("confirm", "write"),
        ("confirm_by", "person"),
        ("untrusted_text", "lockdown"),
        ("remember_credentials", False),
        ("accept_airflow_tokens", False),
        ("oauth_enabled", False),
        ("oauth_client_metadata", "off"),
    ],
)
def test_a_value_that_cannot_be_understood_counts_as_the_strictest(name: str, strictest: object) -> None:
    assert getattr(parse_options({name: "perhaps"}), name) == strictest
    # Whatever the default is.
    assert name == "read_only" or _STRICTEST[name] == strictest
    if name in POLICY_KEYS:
        lax = Policy(confirm="none", untrusted_text="off")
        assert getattr(lax.narrowed_or_closed({name: "perhaps"}), name) == strictest


def test_what_is_taken_for_a_flag() -> None:
    for value in (True, 1, "True", "t", "T # for now # and later", " 1 "):
        assert Policy().narrowed({"read_only": value}).read_only
    for value in (False, 0, "False", "f", "F # for now", " 0 "):
        assert not Policy().narrowed({"read_only": value}).read_only
        assert Policy(read_only=True).narrowed({"read_only": value}).read_only


@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("calls_per_minute", 0),
        ("writes_per_minute", 0),
        ("max_result_chars", 1),
        ("max_request_bytes", 1),
        ("max_dag_tools", 1),
    ],
)
def test_what_is_taken_for_a_number(name: str, least: int) -> None:
    assert getattr(parse_options({name: str(least)}), name) == least
    for text in (str(least - 1), "٣", "²", "1 0", "1_0", "-1", ""):
        assert parse_options({name: text}).problem == (
            f"[mcp] is malformed: {name} is {text!r}; write a whole number of at least {least}"
        )
    # What is compared with it is a number of 64 bits, if not less.
    assert getattr(parse_options({name: "9" * 5000}), name) == 10**18 - 1


@pytest.mark.parametrize(
    ("mine", "wanted", "stricter"), [(600, 5, 5), (5, 600, 5), (0, 5, 5), (5, 0, 5), (0, 0, 0)]
)
def test_of_two_rates_the_lower_one_wins_and_none_is_no_limit(mine: int, wanted: int, stricter: int) -> None:
    for name in ("calls_per_minute", "writes_per_minute"):
        assert getattr(Policy(**{name: mine}).narrowed({name: wanted}), name) == stricter  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "lax_to_strict"),
    [
        ("confirm", ["none", "destructive", "write"]),
        ("confirm_by", ["any", "person"]),
        ("untrusted_text", ["off", "fence", "lockdown"]),
    ],
)
def test_of_two_levels_the_stricter_one_wins(name: str, lax_to_strict: list[str]) -> None:
    for first, mine in enumerate(lax_to_strict):
        for second, wanted in enumerate(lax_to_strict):
            both = parse_options({name: mine}).narrowed({name: wanted.upper()})
            assert getattr(both, name) == lax_to_strict[max(first, second)]


def test_of_two_sizes_the_smaller_one_wins() -> None:
    assert Policy(max_result_chars=100).narrowed({"max_result_chars": 99}).max_result_chars == 99
    assert Policy(max_result_chars=100).narrowed({"max_result_chars": 101}).max_result_chars == 100


def test_one_value_can_be_checked_before_it_is_stored() -> None:
    assert check_option("confirm", "often") == "confirm is 'often'; write none, destructive or write"
    assert check_option("max_result_chars", "20k") == (
        "max_result_chars is '20k'; write a whole number of at least 1"
    )
    for value in (None, "", 5):
        assert check_option("max_result_chars", value) is None


def test_a_value_is_quoted_whole_if_it_is_short() -> None:
    for length, quoted in ((38, "'" + "x" * 38 + "'"), (39, "'" + "x" * 39 + "…")):
        assert check_option("confirm", "x" * length) == (
            f"confirm is {quoted}; write none, destructive or write"
        )


def test_a_tool_is_offered_by_its_toolset_its_name_and_its_access() -> None:
    tools = BUILT_IN.tools
    pause, list_dags = tools["pause_dag"], tools["list_dags"]
    for policy, offered, switched_on in (
        (Policy(), {pause.name, list_dags.name}, True),
        (Policy(read_only=True), {list_dags.name}, True),
        (Policy(toolsets=frozenset({"runs"})), set(), False),
        (Policy(toolsets=frozenset({"runs", "dags"})), {pause.name, list_dags.name}, True),
        (Policy(disabled_tools=frozenset({"pause_dag"})), {list_dags.name}, False),
        (Policy(toolsets=frozenset({"dags"}), disabled_tools=frozenset({"pause_dag"})), {"list_dags"}, False),
    ):
        assert {tool.name for tool in (pause, list_dags) if policy.offers(tool)} == offered
        assert policy.switches_on(pause) == switched_on


def test_a_connections_id_that_is_empty_is_the_default() -> None:
    assert parse_options({"conn_id": " "}).conn_id == "mcp_default"
    assert parse_options({"conn_id": " mine "}).conn_id == "mine"
    assert parse_options({"dag_tool_tag": " "}).dag_tool_tag == ""
