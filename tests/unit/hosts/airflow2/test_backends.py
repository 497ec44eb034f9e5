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
"""Which of the configured backends an MCP request may be authenticated by."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

pytest.importorskip("flask")

import flask
from sqlalchemy.exc import OperationalError

from airflow_provider_mcp.endpoint.door import Unauthenticated
from airflow_provider_mcp.hosts.airflow2.backends import Backends


def backend(name: str, answer: Any = 200) -> Any:
    module = ModuleType(name)

    def requires_authentication(function: Any) -> Any:
        def decorated() -> flask.Response:
            if isinstance(answer, Exception):
                raise answer
            return function() if answer == 200 else flask.Response("Unauthorized", answer)

        return decorated

    module.requires_authentication = requires_authentication  # type: ignore[attr-defined]
    return module


BASIC = "airflow.providers.fab.auth_manager.api.auth.backend.basic_auth"
SESSION = "airflow.api.auth.backend.session"


def test_a_session_never_authenticates() -> None:
    backends = Backends([backend(SESSION), backend("airflow.api.auth.backend.default")])
    assert not backends.accept()
    assert backends.schemes == ("Bearer",)


@pytest.mark.parametrize("authorization", ["Basic YTph", "Bearer x"])
def test_the_setting_that_stands_in_the_way_is_named(authorization: str) -> None:
    backends = Backends([backend(SESSION)])
    with pytest.raises(Unauthenticated, match=r"auth_backends \(airflow.api.auth.backend.session\)"):
        backends.check_header(authorization)


def test_where_clients_log_in_by_oauth_nothing_stands_in_the_way() -> None:
    backends = Backends([backend(SESSION)], by_login=True)
    assert backends.hint is None
    with pytest.raises(Unauthenticated, match=r"send Bearer with a token of the login") as refused:
        backends.check_header("Basic YTph")
    assert "auth_backends" not in refused.value.reason


def test_missing_and_wrong_scheme_are_told_apart() -> None:
    backends = Backends([backend(BASIC), backend(SESSION)])
    assert backends.schemes == ("Bearer", "Basic")
    with pytest.raises(Unauthenticated, match="No credential was sent") as missing:
        backends.check_header(None)
    assert not missing.value.sent
    with pytest.raises(Unauthenticated, match="send Basic") as wrong:
        backends.check_header("Bearer x")
    assert wrong.value.sent
    backends.check_header("basic YTph")


def test_an_unknown_backend_may_take_any_scheme() -> None:
    backends = Backends([backend("company.sso")])
    backends.check_header("Company x")
    assert backends.accept()


def test_a_backend_that_fails_does_not_take_a_credential() -> None:
    failing = backend(BASIC, UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid"))
    assert not Backends([failing]).accept()
    assert Backends([failing, backend("company.sso")]).accept()
    assert not Backends([backend(BASIC, 401)]).accept()


def test_a_database_that_does_not_answer_is_no_wrong_credential() -> None:
    with pytest.raises(OperationalError):
        Backends([backend(BASIC, OperationalError("select", {}, Exception("locked")))]).accept()
