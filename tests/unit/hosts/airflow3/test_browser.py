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
"""Whom an Airflow 3 finds in the cookies of a browser, and where it sends those whom it does not."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import anyio
import pytest

pytest.importorskip("fastapi")
pytest.importorskip("airflow.api_fastapi")

from jwt import ExpiredSignatureError, InvalidTokenError
from sqlalchemy.exc import OperationalError

from airflow_provider_mcp.endpoint.door import HTTPRequest
from airflow_provider_mcp.hosts.airflow3 import browser, serving
from airflow_provider_mcp.hosts.airflow3.serving import Host, Serving


class User:
    def get_id(self) -> int:
        return 7

    def get_name(self) -> str:
        return "ada"


TOKENS: dict[str, Any] = {
    "hers": User(),
    "old": ExpiredSignatureError(),
    "forged": InvalidTokenError(),
    "gone": KeyError("sub"),
    "nobody": None,
}


def request_with(*headers: tuple[str, str]) -> HTTPRequest:
    async def no_body(_most: int, _seconds: float) -> bytes:
        return b""

    return HTTPRequest("GET", headers, no_body)


def manager(tokens: dict[str, Any] = TOKENS) -> Any:
    async def get_user_from_token(token: str) -> Any:
        answer = tokens[token]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def generate_jwt(user: User, *, expiration_time_in_seconds: int) -> str:
        return f"{user.get_name()} for {expiration_time_in_seconds} s"

    return SimpleNamespace(
        get_user_from_token=get_user_from_token,
        generate_jwt=generate_jwt,
        get_url_login=lambda next_url: f"/auth/login?next={next_url}",
    )


@pytest.mark.parametrize(
    ("headers", "name"),
    [
        ([], None),
        ([("cookie", "other=hers")], None),
        ([("cookie", "a=b; _token=hers")], "ada"),
        ([("cookie", "_token=old; _token=hers")], "ada"),
        ([("cookie", "_token=forged"), ("cookie", "_token=hers")], "ada"),
        ([("cookie", "_token=old; _token=forged; _token=gone; _token=nobody")], None),
        ([("authorization", "Bearer hers")], None),
    ],
)
def test_the_cookie_of_a_login_names_its_user(
    monkeypatch: pytest.MonkeyPatch, headers: list[tuple[str, str]], name: str | None
) -> None:
    monkeypatch.setattr(browser, "get_auth_manager", manager)
    user = anyio.run(browser.find_user, request_with(*headers))
    assert (None if user is None else user.get_name()) == name


def test_a_database_that_does_not_answer_is_no_missing_login(monkeypatch: pytest.MonkeyPatch) -> None:
    failing = manager({"hers": OperationalError("select", {}, Exception("locked"))})
    monkeypatch.setattr(browser, "get_auth_manager", lambda: failing)
    with pytest.raises(OperationalError):
        anyio.run(browser.find_user, request_with(("cookie", "_token=hers")))


def test_who_is_logged_in_calls_airflow_by_a_token_made_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browser, "get_auth_manager", manager)
    monkeypatch.setattr(serving, "get_auth_manager", manager)
    opened = []
    inner = SimpleNamespace(
        open_transport=lambda user, authorize, _queries: opened.append((user, authorize())),
        base_url="http://in/",
    )
    host = Host(
        cast(
            Serving,
            SimpleNamespace(service=SimpleNamespace(base_url="", version="3.3.2"), inner=lambda _: inner),
        ),
        {"headers": [], "scheme": "http", "app": None},
    )
    identity = anyio.run(host.identify, request_with(("cookie", "_token=hers")))
    assert identity is not None
    assert (identity.caller.id, identity.caller.name) == ("7", "ada")
    assert opened == [(TOKENS["hers"], "Bearer ada for 60 s")]
    assert anyio.run(host.identify, request_with()) is None


@pytest.mark.parametrize(
    ("base_url", "back"),
    [("http://localhost:8080", "/mcp/"), ("https://example.com/air/flow/", "/air/flow/mcp/"), ("", "/mcp/")],
)
def test_a_login_leads_back(monkeypatch: pytest.MonkeyPatch, base_url: str, back: str) -> None:
    monkeypatch.setattr(browser, "get_auth_manager", manager)
    monkeypatch.setattr(browser, "conf", SimpleNamespace(get=lambda *_, **__: base_url))
    assert browser.find_login("/mcp/") == f"/auth/login?next={back}"
