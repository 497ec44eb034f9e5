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
"""``airflow-mcp grants``, ``revoke`` and ``token``, on the Airflow that is installed here."""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_mcp.cli import logins
from airflow_provider_mcp.cli.arguments import FAULTY, MISUSED, OK
from airflow_provider_mcp.cli.commands import main
from airflow_provider_mcp.oauth.grants import Grants, Person
from tests.unit.oauth.conversing import ADA, CALLBACK, SECRET, Conversation

BOB = Person("8", "bob")


@pytest.fixture
def talk(monkeypatch: pytest.MonkeyPatch) -> Conversation:
    """A login whose grants the commands find in place of those of a real Airflow."""
    talk = Conversation()
    talk.clock.now = 1_900_000_000.0
    rows = talk.rows
    people = {"ada": ADA, "bob": BOB}
    pretended = SimpleNamespace(
        open_grants=lambda: Grants(SECRET, talk.store, talk.addresses.resource, talk.clock),
        record=lambda event, user, details: rows.append((event, user, details)),
        explain_off=lambda: None,
        find_person=people.get,
    )
    monkeypatch.setitem(sys.modules, "airflow_provider_mcp.hosts.logins", pretended)  # type: ignore[arg-type]
    monkeypatch.setattr(logins, "installed_airflow", lambda: "3.3.2")
    return talk


def test_grants_are_listed(talk: Conversation, capsys: pytest.CaptureFixture[str]) -> None:
    talk.log_in(talk.register())
    assert main(["grants"]) == OK
    text = capsys.readouterr().out
    assert "A client" in text
    assert "amcp_" not in text
    assert main(["grants", "--json"]) == OK
    (grant,) = json.loads(capsys.readouterr().out)
    assert (grant["user"], grant["target"]) == ("ada", CALLBACK.split("/")[2])


@pytest.mark.parametrize(
    ("words", "left"),
    [
        (["--user", "ada"], ["bob"]),
        (["--client", "CI"], ["ada"]),
        (["--all"], []),
        (["--grant", "?"], ["ada"]),
    ],
)
def test_grants_are_ended(talk: Conversation, words: list[str], left: list[str]) -> None:
    talk.log_in(talk.register())
    talk.grants.issue_to_machine(BOB, frozenset({"airflow:read"}), 3600, "CI")
    mine = next(grant.id for grant in talk.grants.all() if grant.user == "bob")
    assert main(["revoke", *(mine if word == "?" else word for word in words)]) == OK
    assert [grant.user for grant in talk.grants.all()] == left
    ended: list[Any] = [row for row in talk.rows if row[0] == "mcp.login_revoked"]
    assert len(ended) == 2 - len(left)
    assert all(row[2]["by"] for row in ended)


def test_what_is_to_be_ended_is_named_once(talk: Conversation) -> None:
    assert main(["revoke"]) == MISUSED
    assert main(["revoke", "--all", "--user", "ada"]) == MISUSED
    assert main(["revoke", "--user", "nobody"]) == FAULTY
    assert main(["revoke", "--all"]) == OK


@pytest.mark.parametrize("scope", ["read", "write"])
def test_a_machine_gets_a_token(talk: Conversation, capsys: pytest.CaptureFixture[str], scope: str) -> None:
    assert main(["token", "--user", "bob", "--scope", scope, "--days", "2", "--note", "CI"]) == OK
    token = capsys.readouterr().out.strip()
    access = talk.grants.check(token)
    assert (access.person, access.scopes) == (BOB, {f"airflow:{scope}"} | {"airflow:read"})
    assert talk.rows[-1][0] == "mcp.token_made"
    assert token not in str(talk.rows)


@pytest.mark.parametrize(
    "words", [["--user", "nobody"], ["--user", "bob", "--days", "0"], ["--user", "bob", "--days", "9999"]]
)
def test_a_token_that_cannot_be_is_refused(talk: Conversation, words: list[str]) -> None:
    assert main(["token", *words]) == MISUSED
    assert list(talk.grants.all()) == []


def test_no_token_is_made_where_none_is_taken(talk: Conversation, capsys: pytest.CaptureFixture[str]) -> None:
    module: Any = sys.modules["airflow_provider_mcp.hosts.logins"]
    module.explain_off = lambda: "[mcp] oauth_enabled is False"
    assert main(["token", "--user", "bob"]) == MISUSED
    assert "oauth_enabled is False" in capsys.readouterr().err


def test_the_commands_run_beside_airflow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logins, "installed_airflow", lambda: None)
    assert main(["grants"]) == MISUSED
