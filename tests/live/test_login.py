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
"""Logins by OAuth on a real Airflow, below a path prefix: by the MCP SDK's client and by hostile requests."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio
import httpx
import httpx2
import pytest
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client

from tests.live.logging_in import Browser, Storage, sdk_login
from tests.live.login_requests import address, post, redeem, register
from tests.live.site import LINE, TLS, Site


@pytest.fixture(scope="module")
def tokens(prefixed: Site) -> dict[str, dict[str, Any]]:
    """The tokens of logins by hand, by user and access, with the client of each."""
    found = {}
    for user, access in (("admin", "write"), ("admin", "read"), ("viewer", "write")):
        client = register(prefixed)
        code = Browser(prefixed, user, access).visit(address(prefixed, client))["code"]
        found[f"{user} {access}"] = {**redeem(prefixed, client, code).json(), "client": client}
    return found


def use(site: Site, token: str, tool: str, **arguments: Any) -> dict[str, Any]:
    """Call a tool with a token."""
    params = {"name": tool, "arguments": arguments}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    answer = site.post(message, None, Authorization=f"Bearer {token}")
    assert answer.status_code == 200, answer.text
    result: dict[str, Any] = answer.json()["result"]
    return result


def status(site: Site, token: str) -> int:
    listing = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    return site.post(listing, None, Authorization=f"Bearer {token}").status_code


def test_the_sdk_logs_in_and_refreshes_by_itself(prefixed: Site) -> None:
    storage = Storage()
    browser = Browser(prefixed)
    login = sdk_login(prefixed, browser, storage)

    async def run() -> None:
        async with (
            httpx2.AsyncClient(auth=login, verify=TLS, timeout=60) as http,
            Client(streamable_http_client(prefixed.url, http_client=http)) as client,
        ):
            result = await client.call_tool("set_variable", {"key": "by_login", "value": "1"})
            assert not result.is_error, result
            first = storage.tokens
            assert set(first.scope.split()) == {"airflow:read", "airflow:write"}
            shown = len(browser.pages)
            login.context.token_expiry_time = 1.0
            assert not (await client.call_tool("list_dags", {})).is_error
            assert storage.tokens.refresh_token != first.refresh_token
            assert len(browser.pages) == shown

    anyio.run(run)
    assert any("The SDK" in page.text for page in browser.pages)


def test_a_stranger_is_told_where_to_log_in(prefixed: Site) -> None:
    answer = httpx.get(prefixed.url, verify=TLS, timeout=60)
    assert answer.status_code == 401
    challenge = answer.headers["www-authenticate"]
    assert 'scope="airflow:read airflow:write"' in challenge
    metadata = challenge.split('resource_metadata="')[1].split('"')[0]
    resource = httpx.get(metadata, verify=TLS, timeout=60).json()
    assert resource["resource"] == prefixed.url
    issuer = resource["authorization_servers"][0]
    host = prefixed.root.removesuffix("/air/flow")
    for url in (
        f"{host}/.well-known/oauth-protected-resource/air/flow/mcp/v1",
        f"{prefixed.root}/.well-known/oauth-protected-resource",
    ):
        assert httpx.get(url, verify=TLS, timeout=60).json() == resource
    for url in (
        f"{host}/.well-known/oauth-authorization-server/air/flow/mcp/oauth",
        f"{host}/.well-known/openid-configuration/air/flow/mcp/oauth",
        f"{issuer}/.well-known/openid-configuration",
    ):
        assert httpx.get(url, verify=TLS, timeout=60).json()["issuer"] == issuer
    for url in (f"{host}/.well-known/oauth-authorization-server/other", f"{prefixed.root}/mcp/oauth/x"):
        unknown = httpx.get(url, verify=TLS, timeout=60)
        assert (unknown.status_code, unknown.headers["content-type"]) == (404, "application/json")


def test_a_read_token_of_an_admin_writes_by_no_tool(prefixed: Site, tokens: Any) -> None:
    token = tokens["admin read"]["access_token"]
    assert not use(prefixed, token, "list_dags").get("isError")
    listing = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    offered = prefixed.post(listing, None, Authorization=f"Bearer {token}").json()["result"]["tools"]
    assert all(tool["annotations"]["readOnlyHint"] for tool in offered)
    body = {"key": "by_login", "value": "2"}
    for tool, arguments in (
        ("set_variable", body),
        ("delete_variable", {"key": "by_login"}),
        ("call_api", {"method": "POST", "path": "variables", "body": body}),
        ("pause_dag", {"dag_id": "demo_succeeds"}),
    ):
        assert use(prefixed, token, tool, **arguments)["isError"], tool


def test_a_viewer_who_may_write_is_refused_by_airflow(prefixed: Site, tokens: Any) -> None:
    token = tokens["viewer write"]["access_token"]
    assert not use(prefixed, token, "list_dags").get("isError")
    refused = use(prefixed, token, "set_variable", key="by_login", value="3")
    assert refused["structuredContent"]["error"]["code"] == "permission_denied"


def test_airflow_itself_takes_no_token_of_ours(prefixed: Site, tokens: Any) -> None:
    token = tokens["admin write"]["access_token"]
    for path in ("/api/v2/dags", "/api/v1/dags"):
        answer = httpx.get(
            f"{prefixed.root}{path}", headers={"Authorization": f"Bearer {token}"}, verify=TLS, timeout=60
        )
        assert answer.status_code in {401, 403, 404}


def test_tokens_of_another_kind_or_place_open_nothing(prefixed: Site, site: Site, tokens: Any) -> None:
    mine = tokens["admin write"]
    assert status(prefixed, mine["access_token"]) == 200
    for token in (mine["refresh_token"], mine["client"], mine["access_token"][:-2], "amcp_a_", "amcp_a_x"):
        assert status(prefixed, token) == 401
    # The other web process is at another address, and has no login.
    assert status(site, mine["access_token"]) == 401


def test_a_revoked_login_is_over_at_once(prefixed: Site) -> None:
    client = register(prefixed)
    code = Browser(prefixed, "viewer", "read").visit(address(prefixed, client))["code"]
    mine = redeem(prefixed, client, code).json()
    assert status(prefixed, mine["access_token"]) == 200
    assert post(prefixed, "revoke", token=mine["refresh_token"], client_id=client).status_code == 200
    assert status(prefixed, mine["access_token"]) == 401
    assert (
        post(
            prefixed,
            "token",
            grant_type="refresh_token",
            refresh_token=mine["refresh_token"],
            client_id=client,
        ).json()["error"]
        == "invalid_grant"
    )


def test_of_many_who_redeem_a_code_at_once_one_wins_and_none_keeps_it(prefixed: Site) -> None:
    client = register(prefixed)
    code = Browser(prefixed).visit(address(prefixed, client))["code"]
    with ThreadPoolExecutor(24) as pool:
        answers = list(pool.map(lambda _: redeem(prefixed, client, code), range(24)))
    won = [answer for answer in answers if answer.status_code == 200]
    assert len(won) == 1, [answer.text for answer in answers]
    assert {answer.status_code for answer in answers} == {200, 400}
    assert status(prefixed, won[0].json()["access_token"]) == 401


@pytest.mark.parametrize(
    "changed",
    [
        {"redirect_uri": "http://evil.example/callback"},
        {"redirect_uri": "http://127.0.0.1:1@evil.example/callback"},
        {"redirect_uri": "javascript:alert(1)"},
        {"client_id": "unknown"},
    ],
)
def test_nobody_is_sent_to_a_stranger(prefixed: Site, changed: dict[str, str]) -> None:
    answer = httpx.get(address(prefixed, register(prefixed), **changed), verify=TLS, timeout=60)
    assert answer.status_code == 400
    assert "location" not in answer.headers
    assert answer.headers["x-frame-options"] == "DENY"


def test_the_host_header_moves_nothing(prefixed: Site) -> None:
    headers = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example"}
    answer = httpx.get(prefixed.url, headers=headers, verify=TLS, timeout=60)
    assert "evil" not in answer.headers["www-authenticate"]
    url = f"{prefixed.root}/mcp/oauth/.well-known/openid-configuration"
    assert "evil" not in httpx.get(url, headers=headers, verify=TLS, timeout=60).text
    away = httpx.get(address(prefixed, register(prefixed)), headers=headers, verify=TLS, timeout=60)
    assert away.status_code == 302
    assert "evil" not in away.headers["location"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Cookie": ""},
    ],
)
def test_an_answer_from_elsewhere_counts_for_nothing(prefixed: Site, headers: dict[str, str]) -> None:
    browser = Browser(prefixed, "viewer")
    url = address(prefixed, register(prefixed))
    browser.log_in(browser.http.get(f"{prefixed.root}/login/?next={prefixed.root}/mcp/oauth/resume"))
    page = browser.http.get(url)
    assert browser.allow(page, **headers).status_code == 400


def test_a_bearer_token_is_no_login_in_a_browser(prefixed: Site) -> None:
    headers = {"Authorization": prefixed.authorization("admin")}
    answer = httpx.get(address(prefixed, register(prefixed)), headers=headers, verify=TLS, timeout=60)
    assert (answer.status_code, "login" in answer.headers["location"]) == (302, True)


def test_logins_are_in_the_audit_log_and_no_token_is_in_any(prefixed: Site, tokens: Any) -> None:
    path = "/api/v2/eventLogs" if LINE == 3 else "/api/v1/eventLogs"
    answer = httpx.get(
        f"{prefixed.root}{path}",
        params={"event": "mcp.login_allowed", "limit": 5},
        headers={"Authorization": prefixed.authorization("admin")},
        verify=TLS,
        timeout=60,
    )
    rows = answer.json()["event_logs"]
    assert rows
    said = json.loads(rows[-1]["extra"])
    assert {"grant", "client", "scope", "target"} == set(said)
    log = prefixed.log()
    for name in ("access_token", "refresh_token"):
        for mine in tokens.values():
            assert mine[name][7:] not in log
            assert mine[name][7:] not in answer.text
