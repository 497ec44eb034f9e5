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
"""Codes and tokens: for whom they are good, how long, and how often."""

from __future__ import annotations

import json
import threading

import anyio
import pytest

from airflow_provider_mcp.oauth.errors import Refused
from airflow_provider_mcp.oauth.grants import Access, Grants
from tests.unit.oauth.conversing import ADA, CALLBACK, RESOURCE, SECRET, Conversation, error_of
from tests.unit.oauth.memory_store import MemoryStore

DAY = 86_400


@pytest.fixture
def talk() -> Conversation:
    return Conversation()


def is_good(talk: Conversation, token: str) -> bool:
    try:
        return isinstance(anyio.run(talk.login.check, token), Access)
    except Refused:
        return False


# ---- codes ---------------------------------------------------------------------------------------------


def test_a_code_is_the_clients_and_needs_its_verifier(talk: Conversation) -> None:
    client, other = talk.register(), talk.register("http://127.0.0.1/callback")
    code = talk.obtain_code(client)
    assert error_of(talk.redeem(other, code)) == "invalid_grant"
    assert error_of(talk.redeem(client, code, redirect_uri="http://127.0.0.1:1/callback")) == "invalid_grant"
    for verifier in ("", "w" * 43, "v" * 42, "v" * 129, "\u00e9" * 43):
        assert error_of(talk.redeem(client, code, code_verifier=verifier)) == "invalid_grant"
    assert error_of(talk.redeem(client, code, resource="https://evil.example/")) == "invalid_target"
    assert error_of(talk.redeem("", code)) == "invalid_client"
    # What went wrong has cost the client nothing.
    assert talk.redeem(client, code).status == 200


def test_a_code_lives_a_minute(talk: Conversation) -> None:
    client = talk.register()
    code = talk.obtain_code(client)
    talk.clock.now += 60
    assert error_of(talk.redeem(client, code)) == "invalid_grant"
    assert list(talk.grants.all()) == []


def test_a_second_use_of_a_code_ends_the_login(talk: Conversation) -> None:
    client = talk.register()
    code = talk.obtain_code(client)
    tokens = json.loads(talk.redeem(client, code).body)
    assert is_good(talk, tokens["access_token"])
    assert error_of(talk.redeem(client, code)) == "invalid_grant"
    assert not is_good(talk, tokens["access_token"])
    assert error_of(talk.refresh(client, tokens["refresh_token"])) == "invalid_grant"


def test_of_many_who_redeem_a_code_at_once_one_wins_and_none_keeps_it(talk: Conversation) -> None:
    client = talk.register()
    code = talk.obtain_code(client)
    replies = []
    start = threading.Barrier(24)

    def redeem() -> None:
        start.wait()
        replies.append(talk.redeem(client, code))

    threads = [threading.Thread(target=redeem) for _ in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    won = [json.loads(reply.body) for reply in replies if reply.status == 200]
    assert len(won) == 1
    assert not is_good(talk, won[0]["access_token"])


# ---- refreshing ----------------------------------------------------------------------------------------


def test_a_login_goes_on_as_long_as_its_client_comes_back(talk: Conversation) -> None:
    client = talk.register()
    tokens = talk.log_in(client)
    for _ in range(3):
        talk.clock.now += 29 * DAY
        assert not is_good(talk, tokens["access_token"])
        reply = talk.refresh(client, tokens["refresh_token"], resource=RESOURCE)
        assert reply.status == 200
        tokens = json.loads(reply.body)
        assert is_good(talk, tokens["access_token"])
    talk.clock.now += 3 * DAY
    assert error_of(talk.refresh(client, tokens["refresh_token"])) == "invalid_grant"
    assert not is_good(talk, tokens["access_token"])


def test_a_client_that_stays_away_for_a_month_asks_again(talk: Conversation) -> None:
    client = talk.register()
    tokens = talk.log_in(client)
    talk.clock.now += 30 * DAY
    assert error_of(talk.refresh(client, tokens["refresh_token"])) == "invalid_grant"


def test_two_windows_of_a_client_may_refresh_at_once(talk: Conversation) -> None:
    client = talk.register()
    old = talk.log_in(client)["refresh_token"]
    first = json.loads(talk.refresh(client, old).body)
    talk.clock.now += 29
    second = json.loads(talk.refresh(client, old).body)
    assert is_good(talk, first["access_token"])
    assert is_good(talk, second["access_token"])
    assert talk.refresh(client, first["refresh_token"]).status == 200


@pytest.mark.parametrize("late", [31, DAY])
def test_a_refresh_token_that_was_replaced_ends_the_login(talk: Conversation, late: int) -> None:
    client = talk.register()
    old = talk.log_in(client)["refresh_token"]
    new = json.loads(talk.refresh(client, old).body)
    talk.clock.now += late
    assert error_of(talk.refresh(client, old)) == "invalid_grant"
    assert not is_good(talk, new["access_token"])
    assert error_of(talk.refresh(client, new["refresh_token"])) == "invalid_grant"


def test_a_refresh_token_older_than_the_last_one_ends_the_login_at_once(talk: Conversation) -> None:
    client = talk.register()
    first = talk.log_in(client)["refresh_token"]
    second = json.loads(talk.refresh(client, first).body)["refresh_token"]
    third = json.loads(talk.refresh(client, second).body)["refresh_token"]
    assert error_of(talk.refresh(client, first)) == "invalid_grant"
    assert error_of(talk.refresh(client, third)) == "invalid_grant"


def test_a_refresh_token_is_the_clients(talk: Conversation) -> None:
    client = talk.register()
    tokens = talk.log_in(client)
    other = talk.register()
    for token, by in (
        (tokens["refresh_token"], other),
        (tokens["access_token"], client),
        (tokens["refresh_token"].removeprefix("amcp_r_"), client),
        ("amcp_r_x", client),
        ("", client),
    ):
        assert error_of(talk.refresh(by, token)) == "invalid_grant"
    assert talk.refresh(client, tokens["refresh_token"]).status == 200


def test_a_refresh_never_widens_what_was_allowed(talk: Conversation) -> None:
    client = talk.register()
    token = talk.log_in(client, access="read")["refresh_token"]
    assert error_of(talk.refresh(client, token, scope="airflow:write")) == "invalid_scope"
    tokens = json.loads(talk.refresh(client, token, scope="airflow:read airflow:write").body)
    assert tokens["scope"] == "airflow:read"


def test_a_refresh_may_narrow_and_the_next_one_has_all_again(talk: Conversation) -> None:
    client = talk.register()
    tokens = talk.log_in(client)
    narrow = json.loads(talk.refresh(client, tokens["refresh_token"], scope="airflow:read").body)
    assert talk.grants.check(narrow["access_token"]).scopes == {"airflow:read"}
    again = json.loads(talk.refresh(client, narrow["refresh_token"]).body)
    assert again["scope"] == "airflow:read airflow:write"


def test_a_user_who_is_gone_is_refreshed_no_more(talk: Conversation) -> None:
    client = talk.register()
    tokens = talk.log_in(client)
    talk.known.clear()
    assert error_of(talk.refresh(client, tokens["refresh_token"])) == "invalid_grant"
    talk.known.add(ADA)
    assert error_of(talk.refresh(client, tokens["refresh_token"])) == "invalid_grant"


@pytest.mark.parametrize("grant_type", ["", "password", "client_credentials", "implicit"])
def test_other_grants_are_not_served(talk: Conversation, grant_type: str) -> None:
    fields = {"grant_type": grant_type, "client_id": talk.register(), "username": "ada", "password": "x"}
    assert error_of(talk.post("token", fields)) == "unsupported_grant_type"


def test_a_token_request_is_a_form(talk: Conversation) -> None:
    assert error_of(talk.post("token", "{}", content_type="application/json")) == "invalid_request"
    assert error_of(talk.post("token", "x" * 20_000)) == "invalid_request"


# ---- what tokens are good for --------------------------------------------------------------------------


def test_only_an_access_token_opens_the_endpoint(talk: Conversation) -> None:
    client = talk.register()
    code = talk.obtain_code(client)
    tokens = json.loads(talk.redeem(client, code).body)
    access = tokens["access_token"]
    assert is_good(talk, access)
    changed = access[:-3] + ("aaa" if not access.endswith("aaa") else "bbb")
    for token in (
        code,
        tokens["refresh_token"],
        client,
        access[7:],
        f"amcp_r_{access[7:]}",
        changed,
        "",
        "amcp_a_",
    ):
        assert not is_good(talk, token)
    talk.clock.now += 900
    assert not is_good(talk, access)


def test_a_token_of_another_server_or_secret_is_worth_nothing(talk: Conversation) -> None:
    token = talk.log_in(talk.register())["access_token"]
    for grants in (
        Grants(SECRET, talk.store, "https://other.example/mcp/v1", talk.clock),
        Grants(b"another secret", talk.store, RESOURCE, talk.clock),
        Grants(SECRET, MemoryStore(talk.clock), RESOURCE, talk.clock),
    ):
        with pytest.raises(Refused):
            grants.check(token)


# ---- ending --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["access_token", "refresh_token"])
def test_a_client_ends_its_login(talk: Conversation, which: str) -> None:
    client, other = talk.register(), talk.register()
    tokens = talk.log_in(client)
    assert talk.post("revoke", {"token": tokens[which], "client_id": other}).status == 200
    assert is_good(talk, tokens["access_token"])
    assert talk.post("revoke", {"token": tokens[which], "client_id": client}).status == 200
    assert not is_good(talk, tokens["access_token"])
    assert [row[0] for row in talk.rows] == ["mcp.login_allowed", "mcp.login_revoked"]
    for token in (tokens[which], "amcp_a_x", "", "unknown"):
        assert talk.post("revoke", {"token": token}).status == 200


def test_an_administrator_sees_and_ends_logins(talk: Conversation) -> None:
    client = talk.register()
    first = talk.log_in(client, access="read")
    talk.clock.now += 10
    second = talk.log_in(client)
    found = list(talk.grants.all())
    assert [(grant.user, grant.client, grant.scope) for grant in found] == [
        ("ada", "A client", "airflow:read airflow:write"),
        ("ada", "A client", "airflow:read"),
    ]
    assert found[0].target == CALLBACK.split("/")[2]
    assert talk.grants.revoke(found[0].id)
    assert not talk.grants.revoke(found[0].id)
    assert not talk.grants.revoke("unknown")
    assert is_good(talk, first["access_token"])
    assert not is_good(talk, second["access_token"])
    assert len(list(talk.grants.all())) == 1


def test_a_machine_has_a_token_that_lasts_and_can_be_ended(talk: Conversation) -> None:
    token = talk.grants.issue_to_machine(ADA, frozenset({"airflow:read"}), 30 * DAY, "CI")
    assert token.startswith("amcp_m_")
    talk.clock.now += 29 * DAY
    access = talk.grants.check(token)
    assert (access.person, access.client, access.scopes) == (ADA, "CI", {"airflow:read"})
    assert error_of(talk.refresh(talk.register(), token)) == "invalid_grant"
    assert [grant.kind for grant in talk.grants.all()] == ["machine"]
    talk.clock.now += DAY
    assert not is_good(talk, token)
    other = talk.grants.issue_to_machine(ADA, frozenset({"airflow:write"}), DAY, "CI")
    assert talk.grants.revoke(next(talk.grants.all()).id)
    assert not is_good(talk, other)
