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
"""What a connection may narrow, and what a confirmation token is good for."""

from __future__ import annotations

import time
from typing import Any

import pytest

from airflow_provider_mcp.sdk.errors import ToolError
from airflow_provider_mcp.server import policy, signing
from airflow_provider_mcp.server.catalogue import load_catalogue
from airflow_provider_mcp.server.policy import ConnectionUnreadable, Policy, PolicySource
from airflow_provider_mcp.server.signing import Confirmations


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


@pytest.mark.parametrize(
    "extra",
    [
        {"read_only": "maybe"},
        {"confirm": "often"},
        {"max_result_chars": "x"},
        {"readonly": True},
        {"toolsets": 3},
    ],
)
def test_a_malformed_extra_leaves_the_options_and_is_told(extra: dict[str, Any], monkeypatch: Any) -> None:
    monkeypatch.setattr(policy, "read_options", lambda: Policy(read_only=True))
    current = PolicySource(lambda _: extra).current()
    assert current.read_only
    assert current.problem


def test_the_connection_is_read_again_only_when_stale(monkeypatch: Any) -> None:
    monkeypatch.setattr(policy, "read_options", Policy)
    reads: list[str] = []

    def read(conn_id: str) -> None:
        reads.append(conn_id)

    source = PolicySource(read)
    source.current()
    source.current()
    assert reads == ["mcp_default"]
    assert not source.stale


def test_a_change_shows_after_thirty_seconds_at_most(monkeypatch: Any) -> None:
    monkeypatch.setattr(policy, "read_options", Policy)
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    extra: dict[str, Any] | None = {"read_only": True}
    source = PolicySource(lambda _: extra)
    assert source.current().read_only
    extra = None
    now += 29
    assert source.current().read_only
    now += 1
    assert not source.current().read_only


def test_a_connection_that_cannot_be_read_never_widens(monkeypatch: Any) -> None:
    monkeypatch.setattr(policy, "read_options", Policy)
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    said: Any = ConnectionUnreadable("down")

    def read(_: str) -> Any:
        if isinstance(said, Exception):
            raise said
        return said

    source = PolicySource(read)
    assert source.current().read_only
    assert source.current().problem == "down"
    said, now = {"disabled_tools": "get_dag"}, now + 31
    assert source.current() == Policy(disabled_tools=frozenset({"get_dag"}))
    said, now = ConnectionUnreadable("down"), now + 31
    assert source.current() == Policy(disabled_tools=frozenset({"get_dag"}), problem="down")


ARGUMENTS = {"dag_id": "a"}
PREVIEW = {"state": "failed"}


def redeem(confirmations: Confirmations, token: str, **changed: Any) -> None:
    bound = {"user": "1", "tool": "t", "arguments": ARGUMENTS, "preview": PREVIEW, **changed}
    confirmations.redeem(token, **bound)


def test_a_token_acts_once() -> None:
    confirmations = Confirmations(b"secret")
    token = confirmations.issue("1", "t", ARGUMENTS, PREVIEW)
    redeem(Confirmations(b"secret"), token)
    redeem(confirmations, token)
    with pytest.raises(ToolError, match="already used"):
        redeem(confirmations, token)


@pytest.mark.parametrize(
    "changed",
    [{"user": "2"}, {"tool": "u"}, {"arguments": {"dag_id": "b"}}, {"preview": {"state": "queued"}}],
)
def test_a_token_is_for_one_call_only(changed: dict[str, Any]) -> None:
    confirmations = Confirmations(b"secret")
    token = confirmations.issue("1", "t", ARGUMENTS, PREVIEW)
    with pytest.raises(ToolError, match="not for this call") as refused:
        redeem(confirmations, token, **changed)
    assert refused.value.code == "confirmation_required"


@pytest.mark.parametrize("token", ["", "1", "x.y", "9999999999.00", "é.é"])
def test_a_made_up_token_is_refused(token: str) -> None:
    with pytest.raises(ToolError):
        redeem(Confirmations(b"secret"), token)


def test_an_old_token_is_refused(monkeypatch: Any) -> None:
    confirmations = Confirmations(b"secret")
    token = confirmations.issue("1", "t", ARGUMENTS, PREVIEW)
    later = time.time() + signing.TOKEN_SECONDS + 1
    monkeypatch.setattr(time, "time", lambda: later)
    with pytest.raises(ToolError, match="older"):
        redeem(confirmations, token)
