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
"""On which Airflow 3 clients may log in, and whom it finds for a token later."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import anyio
import pytest

pytest.importorskip("airflow.api_fastapi.app", reason="Airflow 3's")

from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager

from airflow_provider_mcp.hosts.airflow3 import users
from airflow_provider_mcp.oauth.grants import Person


class Keycloaked(SimpleNamespace):
    """As Keycloak's auth manager: it ignores `next`, keeps tokens beside the claims, for five minutes."""

    generate_jwt = deserialize_user = get_url_login = lambda *_, **__: None


class FabAuthManager:
    """As FAB's auth manager."""

    generate_jwt = None

    def deserialize_user(self, token: dict[str, str]) -> Any:
        if token != {"sub": "7"}:
            raise ValueError("User is not active")
        return SimpleNamespace(get_id=lambda: 7, get_name=lambda: "ada")


FabAuthManager.__module__ = "airflow.providers.fab.auth_manager.fab_auth_manager"


class OfACompany(FabAuthManager):
    """One that a company has made of FAB's."""

    generate_jwt = lambda *_, **__: "jwt"  # noqa: E731


class TooOld(FabAuthManager):
    """One that lacks what the login needs."""


def explain(monkeypatch: pytest.MonkeyPatch, manager: type, version: str = "3.3.2") -> str | None:
    monkeypatch.setattr(users, "get_auth_manager_cls", lambda: manager)
    monkeypatch.setattr(users, "__version__", version)
    return users.explain_unsupported()


def test_the_simple_and_the_fab_auth_manager_are_supported(monkeypatch: pytest.MonkeyPatch) -> None:
    assert explain(monkeypatch, SimpleAuthManager) is None
    assert explain(monkeypatch, OfACompany) is None


@pytest.mark.parametrize(
    ("manager", "version", "reason"),
    [
        (SimpleAuthManager, "3.0.6", "3.1"),
        (Keycloaked, "3.3.2", "Keycloaked is not supported"),
        (TooOld, "3.3.2", "no generate_jwt"),
    ],
)
def test_the_others_are_told(
    monkeypatch: pytest.MonkeyPatch, manager: type, version: str, reason: str
) -> None:
    assert reason in (explain(monkeypatch, manager, version) or "")


def test_where_everybody_is_an_administrator_nobody_logs_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(users, "conf", SimpleNamespace(getboolean=lambda *_, **__: True))
    assert "all_admins" in (explain(monkeypatch, SimpleAuthManager) or "")


def test_a_login_kept_elsewhere_switches_it_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(users.base_auth_manager, "COOKIE_NAME_JWT_TOKEN", "_other")
    assert "cookie" in (explain(monkeypatch, SimpleAuthManager) or "")


@pytest.mark.parametrize(
    ("person", "known"),
    [(Person("7", "ada"), True), (Person("7", "renamed"), False), (Person("8", "ada"), False)],
)
def test_a_user_is_looked_up_again(monkeypatch: pytest.MonkeyPatch, person: Person, known: bool) -> None:
    monkeypatch.setattr(users, "get_auth_manager", OfACompany)
    assert (users.find_user(person) is not None) is known

    async def in_thread() -> bool:
        return await anyio.to_thread.run_sync(users.is_known, person)

    assert anyio.run(in_thread) is known


def test_a_role_of_the_simple_auth_manager_is_the_one_of_now(monkeypatch: pytest.MonkeyPatch) -> None:
    ada = SimpleNamespace(get_id=lambda: "ada", get_name=lambda: "ada", role="VIEWER")

    class Simple(SimpleAuthManager):  # type: ignore[misc]
        @staticmethod
        def get_users() -> list[Any]:
            return [ada]

    monkeypatch.setattr(users, "get_auth_manager", lambda: Simple.__new__(Simple))
    assert users.find_user(Person("ada", "ada")) is ada
    assert users.find_user(Person("bob", "bob")) is None
