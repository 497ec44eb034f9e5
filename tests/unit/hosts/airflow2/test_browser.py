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
"""Whom an Airflow 2 finds in Flask's session, and where it sends those whom it does not."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import anyio
import pytest

pytest.importorskip("airflow.www.extensions.init_auth_manager", reason="Airflow 2's")

from airflow_provider_mcp.endpoint.door import HTTPRequest
from airflow_provider_mcp.hosts.airflow2 import browser, serving

ADA = SimpleNamespace(id=7)


def manager(user: Any) -> Any:
    return SimpleNamespace(
        is_logged_in=lambda: user is not None,
        get_user=lambda: user,
        get_user_id=lambda: 7,
        get_user_name=lambda: "ada",
        get_url_login=lambda next_url: f"/login/?next={next_url}",
    )


def identify(monkeypatch: pytest.MonkeyPatch, user: Any) -> Any:
    monkeypatch.setattr(browser, "get_auth_manager", lambda: manager(user))
    monkeypatch.setattr(serving, "get_auth_manager", lambda: manager(user))
    monkeypatch.setattr(serving.Host, "act_as", lambda _, user, caller: (user, caller.id, caller.name))
    service = SimpleNamespace(service=SimpleNamespace(base_url="", version="2.11.2"))
    host = serving.Host(cast(serving.Serving, service), {"wsgi.url_scheme": "http"})
    return anyio.run(host.identify, cast(HTTPRequest, None))


@pytest.mark.parametrize("user", [ADA, SimpleNamespace(_get_current_object=lambda: ADA)])
def test_who_is_logged_in_is_the_caller(monkeypatch: pytest.MonkeyPatch, user: Any) -> None:
    assert identify(monkeypatch, user) == (ADA, "7", "ada")


def test_who_is_not_logged_in_is_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    assert identify(monkeypatch, None) is None


@pytest.mark.parametrize(
    ("base_url", "back"),
    [("http://localhost:8080", "/mcp/"), ("https://example.com/air/flow/", "/air/flow/mcp/")],
)
def test_a_login_leads_back(monkeypatch: pytest.MonkeyPatch, base_url: str, back: str) -> None:
    monkeypatch.setattr(browser, "get_auth_manager", lambda: manager(None))
    monkeypatch.setattr(browser, "conf", SimpleNamespace(get=lambda *_, **__: base_url))
    assert browser.find_login("/mcp/") == f"/login/?next={back}"
