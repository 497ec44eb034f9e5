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
from typing import Any

import pytest

from airflow_provider_mcp.connection_fields import POLICY_KEYS
from airflow_provider_mcp.server.catalogue import load_catalogue
from airflow_provider_mcp.server.policy import Policy, parse_options


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
    tools = load_catalogue("3.3.2", found=[]).tools
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
    catalogue = load_catalogue("2.11.2", found=[])
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
