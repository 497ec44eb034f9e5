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
"""Who an Airflow 3 finds in a token, whatever its auth manager does."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import anyio
import pytest

pytest.importorskip("fastapi")
pytest.importorskip("airflow.api_fastapi")

from jwt import ExpiredSignatureError, InvalidTokenError
from sqlalchemy.exc import NoResultFound, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from airflow_provider_mcp.endpoint.door import AuthenticationUnavailable, HTTPRequest, Unauthenticated
from airflow_provider_mcp.hosts.airflow3 import serving
from airflow_provider_mcp.hosts.airflow3.serving import Host, Serving
from airflow_provider_mcp.oauth.errors import Refused
from airflow_provider_mcp.oauth.grants import Access, Person
from airflow_provider_mcp.server.policy import Policy
from airflow_provider_mcp.server.request import Identity


class User:
    def get_id(self) -> int:
        return 7

    def get_name(self) -> str:
        return "ada"


def authenticate(
    monkeypatch: pytest.MonkeyPatch, answer: Any, authorization: str | None, **options: bool
) -> Identity:
    async def get_user_from_token(token: str) -> Any:
        assert token == "token"
        if isinstance(answer, Exception):
            raise answer
        return answer

    def open_transport(_user: Any, authorize: Any, _queries: Any) -> None:
        # What was sent goes to no other place: calls within carry a token that was made for them.
        assert authorize() == "Bearer minted"

    def generate_jwt(_user: Any, *, expiration_time_in_seconds: int) -> str:
        assert expiration_time_in_seconds == 60
        return "minted"

    manager = SimpleNamespace(get_user_from_token=get_user_from_token, generate_jwt=generate_jwt)
    monkeypatch.setattr(serving, "get_auth_manager", lambda: manager)
    inner = SimpleNamespace(open_transport=open_transport, base_url="http://airflow.in-process/api/v2/")
    source = SimpleNamespace(options=Policy(**options))
    service = SimpleNamespace(base_url="", version="3.3.2", login=None, policy_source=source)
    pretended = cast(Serving, SimpleNamespace(service=service, inner=lambda _: inner))
    host = Host(pretended, {"headers": [], "scheme": "http", "app": None})
    headers = [] if authorization is None else [("authorization", authorization)]

    async def no_body(_most: int, _seconds: float) -> bytes:
        return b""

    return anyio.run(host.authenticate, HTTPRequest("POST", headers, no_body))


def test_a_token_names_its_user(monkeypatch: pytest.MonkeyPatch) -> None:
    caller = authenticate(monkeypatch, User(), "Bearer token").caller
    assert (caller.id, caller.name) == ("7", "ada")


@pytest.mark.parametrize("authorization", [None, "Bearer token", "Basic YTph"])
def test_where_nothing_but_the_login_counts_airflows_token_does_not(
    monkeypatch: pytest.MonkeyPatch, authorization: str | None
) -> None:
    with pytest.raises(Unauthenticated, match="accept_airflow_tokens is False") as refused:
        authenticate(monkeypatch, User(), authorization, accept_airflow_tokens=False)
    assert refused.value.sent is (authorization is not None)


def test_keycloaks_manager_makes_tokens_for_its_api_by_a_method_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    manager = SimpleNamespace(generate_jwt=None, generate_api_jwt=lambda user, **_: f"for {user}")
    monkeypatch.setattr(serving, "get_auth_manager", lambda: manager)
    assert serving.mint_token(cast(Any, "ada")) == "for ada"


@pytest.mark.parametrize(
    ("answer", "authorization", "reason", "sent"),
    [
        (User(), None, "No credential", False),
        (User(), "", "No credential", False),
        (User(), "Basic token", "send Bearer", True),
        (ExpiredSignatureError(), "Bearer token", "expired", True),
        (InvalidTokenError(), "Bearer token", "not accepted", True),
        # A deleted user (the FAB provider 2.4), a manager that takes no tokens (Keycloak's), anything.
        (NoResultFound(), "Bearer token", "not accepted", True),
        (None, "Bearer token", "not accepted", True),
        (KeyError("sub"), "Bearer token", "not accepted", True),
        (RuntimeError("Keycloak is away"), "Bearer token", "not accepted", True),
    ],
)
def test_what_is_no_credential_is_told_apart(
    monkeypatch: pytest.MonkeyPatch, answer: Any, authorization: str | None, reason: str, sent: bool
) -> None:
    with pytest.raises(Unauthenticated, match=reason) as refused:
        authenticate(monkeypatch, answer, authorization)
    assert refused.value.sent is sent
    assert "Keycloak" not in refused.value.reason


@pytest.mark.parametrize(
    "failure", [OperationalError("select", {}, Exception("locked")), PoolTimeoutError("the pool is empty")]
)
def test_a_database_that_does_not_answer_is_no_wrong_credential(
    monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    with pytest.raises(AuthenticationUnavailable):
        authenticate(monkeypatch, failure, "Bearer token")


def authenticate_login(monkeypatch: pytest.MonkeyPatch, checked: Any, user: Any = None) -> Identity:
    """Authenticate a token of the login, of which ``checked`` is known."""

    async def check(token: str) -> Access:
        assert token == "amcp_a_token"
        if isinstance(checked, Exception):
            raise checked
        access: Access = checked
        return access

    def find_user(person: Person) -> Any:
        assert person == Person("7", "ada")
        if isinstance(user, Exception):
            raise user
        return user

    login = None if checked is None else SimpleNamespace(check=check)
    monkeypatch.setattr(serving.users, "find_user", find_user)
    inner = SimpleNamespace(open_transport=lambda *_: None, base_url="http://airflow.in-process/api/v2/")
    service = SimpleNamespace(login=login, version="3.3.2", base_url="https://airflow.example.com")
    pretended = cast(Serving, SimpleNamespace(service=service, inner=lambda _: inner))
    host = Host(pretended, {"headers": [], "scheme": "http", "app": None})

    async def no_body(_most: int, _seconds: float) -> bytes:
        return b""

    headers = [("authorization", "Bearer amcp_a_token")]
    return anyio.run(host.authenticate, HTTPRequest("POST", headers, no_body))


ACCESS = Access("grant", Person("7", "ada"), "A client", frozenset({"airflow:read"}))


def test_a_token_of_the_login_is_its_users_with_its_scopes(monkeypatch: pytest.MonkeyPatch) -> None:
    identity = authenticate_login(monkeypatch, ACCESS, User())
    assert (identity.caller.id, identity.caller.name) == ("7", "ada")
    assert identity.scopes == {"airflow:read"}


@pytest.mark.parametrize(
    ("checked", "user", "reason"),
    [
        (None, None, "no login by OAuth"),
        (Refused("invalid_token", "The access token has expired."), None, "has expired"),
        (ACCESS, None, "no longer knows the user"),
    ],
)
def test_a_token_of_the_login_that_is_not_good_is_told(
    monkeypatch: pytest.MonkeyPatch, checked: Any, user: Any, reason: str
) -> None:
    with pytest.raises(Unauthenticated, match=reason):
        authenticate_login(monkeypatch, checked, user)


@pytest.mark.parametrize("where", ["grant", "user"])
def test_a_login_that_cannot_be_looked_up_is_no_wrong_one(
    monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    failure = OperationalError("select", {}, Exception("locked"))
    with pytest.raises(AuthenticationUnavailable):
        authenticate_login(monkeypatch, failure if where == "grant" else ACCESS, failure)
