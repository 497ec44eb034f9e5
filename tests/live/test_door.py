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
"""The door of a real Airflow: who is let in by what, what strangers and browsers are told, slow clients."""

from __future__ import annotations

import base64
import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from devtools.airflow_process import AirflowHome
from tests.live.site import LINE, TLS, WORKERS, Site

PREFIX = "/air/flow"
INSPECTOR = "https://inspector.example.com"
PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
LIST_TOOLS = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
SCHEMES = 'Bearer realm="Airflow"' if LINE == 3 else 'Bearer realm="Airflow", Basic realm="Airflow"'


@pytest.fixture(scope="module")
def web(home: AirflowHome) -> Iterator[Site]:
    """A web process under a path prefix, without a login, which a page of another origin may call."""
    options = {"AIRFLOW__MCP__ALLOWED_ORIGINS": INSPECTOR, "AIRFLOW__MCP__OAUTH_ENABLED": "False"}
    with Site(home, prefix=PREFIX, options=options).serving(WORKERS) as running:
        yield running


def send(site: Site, method: str = "POST", path: str = "/mcp/v1", **headers: str) -> httpx.Response:
    sent = {"Content-Type": "application/json"} | {k.replace("_", "-"): v for k, v in headers.items()}
    return httpx.request(
        method, f"{site.root}{path}", headers=sent, content=json.dumps(PING), timeout=60, verify=TLS
    )


def told(answer: httpx.Response) -> str:
    return str(answer.json()["error"]["message"])


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE", "PUT", "OPTIONS"])
def test_a_stranger_is_told_how_to_get_in(web: Site, method: str) -> None:
    answer = send(web, method)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == SCHEMES
    assert "No credential" in told(answer)


def wrong_credentials() -> list[tuple[str, str]]:
    if LINE == 3:
        return [("Bearer junk", "not accepted"), ("Basic YWRtaW46YWRtaW4=", "send Bearer")]
    binary = base64.b64encode(b"\xff\xfe:\xff").decode()
    refused = ["Basic YWRtaW46d3Jvbmc=", "Basic !!!", "Basic", f"Basic {binary}"]
    return [*((credential, "not accepted") for credential in refused), ("Bearer junk", "send Basic")]


@pytest.mark.parametrize(("authorization", "reason"), wrong_credentials())
def test_a_wrong_credential_is_told_apart(web: Site, authorization: str, reason: str) -> None:
    answer = send(web, Authorization=authorization)
    assert answer.status_code == 401
    assert reason in told(answer)
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


@pytest.mark.parametrize("scheme", ["Basic", "Bearer"])
def test_bytes_that_are_no_text_are_no_credential(web: Site, scheme: str) -> None:
    with socket.create_connection(("127.0.0.1", web.port), 60) as connection:
        connection.sendall(
            f"POST {PREFIX}/mcp/v1 HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            f"Content-Length: 2\r\nConnection: close\r\nAuthorization: {scheme} ".encode()
            + b"\xff\xff\r\n\r\n{}"
        )
        status = int(connection.makefile("rb").readline().split()[1])
    assert status == 401


@pytest.mark.skipif(LINE != 3, reason="Airflow 2 has no tokens of its own")
def test_an_expired_token_is_told_so(web: Site) -> None:
    import jwt

    claims = jwt.decode(web.authorization("admin").split()[1], options={"verify_signature": False})
    secret = web.env["AIRFLOW__API_AUTH__JWT_SECRET"]
    now = int(time.time())
    expired = jwt.encode({**claims, "exp": now - 600, "iat": now - 1200, "nbf": now - 1200}, secret, "HS512")
    answer = send(web, Authorization=f"Bearer {expired}")
    assert answer.status_code == 401
    assert "expired" in told(answer)


def test_with_a_credential_only_post(web: Site) -> None:
    for method in ("GET", "DELETE"):
        answer = send(web, method, Authorization=web.authorization("admin"))
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


@pytest.fixture(scope="module")
def cookies(web: Site) -> str:
    """The cookies of a browser in which the admin is logged in."""
    if LINE == 3:
        return "_token=" + web.authorization("admin").removeprefix("Bearer ")
    with httpx.Client(follow_redirects=True, verify=TLS, timeout=60) as browser:
        page = browser.get(f"{web.root}/login/")
        csrf = page.text.split('name="csrf_token"')[1].split('value="')[1].split('"')[0]
        who = {"username": "admin", "password": "admin", "csrf_token": csrf}
        browser.post(f"{web.root}/login/", data=who)
        assert browser.get(f"{web.root}/api/v1/dags").status_code == 200
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in browser.cookies.jar)


@pytest.mark.parametrize("path", ["/mcp/v1", "//mcp/v1", "/mcp//v1", "/./mcp/v1", "/%6dcp/v1"])
@pytest.mark.parametrize("more", [{}, {"Authorization": "Bearer junk"}, {"Authorization": "Basic anVuazpq"}])
def test_a_cookie_authenticates_by_no_spelling_of_the_path(
    web: Site, cookies: str, path: str, more: dict[str, str]
) -> None:
    body = json.dumps(PING)
    raw = "".join(f"{name}: {value}\r\n" for name, value in {"Cookie": cookies, **more}.items())
    with socket.create_connection(("127.0.0.1", web.port), 60) as connection:
        connection.sendall(
            f"POST {PREFIX}{path} HTTP/1.1\r\nHost: 127.0.0.1:{web.port}\r\nConnection: close\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n{raw}\r\n{body}".encode()
        )
        answer = connection.makefile("rb").read()
    assert b'"result"' not in answer
    assert int(answer.split()[1]) in {401, 404, 405, 308}


def test_script_name_opens_no_way_round(web: Site, cookies: str) -> None:
    headers = {"Cookie": cookies, "Script_Name": f"{PREFIX}/mcp", "X-Script-Name": "/x"}
    answer = httpx.post(web.url, json=PING, headers=headers, verify=TLS, timeout=60)
    assert answer.status_code in {401, 404}


@pytest.mark.parametrize("name", ["Authorization", "Origin", "Host"])
def test_doubled_headers_are_refused(web: Site, name: str) -> None:
    body = json.dumps(PING)
    headers = {
        "Host": f"127.0.0.1:{web.port}",
        "Authorization": web.authorization("admin"),
        "Origin": INSPECTOR,
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Connection": "close",
    }
    lines = [f"{key}: {value}" for key, value in [*headers.items(), (name, headers[name])]]
    request = "\r\n".join([f"POST {PREFIX}/mcp/v1 HTTP/1.1", *lines, "", body])
    with socket.create_connection(("127.0.0.1", web.port), 60) as connection:
        connection.sendall(request.encode())
        assert connection.makefile("rb").readline().split()[1] == b"400"


def test_a_page_of_an_allowed_origin_may_call(web: Site) -> None:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    preflight = send(web, "OPTIONS", Origin=INSPECTOR, **{k.replace("-", "_"): v for k, v in asked.items()})
    assert preflight.status_code in {200, 204}
    assert preflight.headers["access-control-allow-origin"] == INSPECTOR
    assert "authorization" in preflight.headers["access-control-allow-headers"].lower()
    for more in ({}, {"Authorization": web.authorization("admin")}):
        answer = send(web, Origin=INSPECTOR, **more)
        assert answer.headers["access-control-allow-origin"] == INSPECTOR
        assert answer.status_code == (200 if more else 401)
    assert (
        send(web, Origin="https://evil.example", Authorization=web.authorization("admin")).status_code == 403
    )
    assert send(web, Origin="http://evil@localhost", Host="evil@localhost").status_code in {400, 403}


@pytest.mark.parametrize(
    "path",
    [
        "/.well-known/oauth-protected-resource",
        "/.well-known/oauth-protected-resource/air/flow/mcp/v1",
        "/.well-known/oauth-authorization-server",
        "/.well-known/openid-configuration",
    ],
)
def test_who_looks_for_a_login_gets_json(web: Site, path: str) -> None:
    for root in (f"http://127.0.0.1:{web.port}", web.root):
        answer = httpx.get(f"{root}{path}", verify=TLS, timeout=60)
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/json")
        assert answer.json()["error"] == "not_found"
        assert answer.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize(
    ("method", "path"),
    [(method, path) for method in ("GET", "POST") for path in ("/mcp", "/mcp/v2", "/mcp/sse")]
    # To GET it is the page for people.
    + [("POST", "/mcp/")],
)
def test_other_paths_tell_the_right_one(web: Site, path: str, method: str) -> None:
    answer = send(web, method, path)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/json")
    assert f"{PREFIX}/mcp/v1" in answer.json()["detail"]


def test_the_oldest_version_is_served(web: Site) -> None:
    client = {"name": "old", "version": "1"}
    params: dict[str, Any] = {"protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": client}
    answer = web.post({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params})
    assert answer.json()["result"]["protocolVersion"] == "2024-11-05"
    listed = web.post(LIST_TOOLS, MCP_Protocol_Version="2024-11-05").json()["result"]["tools"]
    assert "list_dags" in {tool["name"] for tool in listed}


def test_a_lone_surrogate_comes_back_as_utf_8(web: Site) -> None:
    body = b'{"jsonrpc":"2.0","id":"a\\ud83d","method":"tools/call","params":{"name":"x\\ud83d"}}'
    answer = web.post(body)
    assert "\ufffd" in answer.content.decode()


def test_a_client_narrows_for_itself(web: Site) -> None:
    headers = {"Authorization": web.authorization("admin")}

    def offered(query: str, **more: str) -> set[str]:
        sent = {**headers, **{name.replace("_", "-"): value for name, value in more.items()}}
        answer = httpx.post(f"{web.url}{query}", json=LIST_TOOLS, headers=sent, verify=TLS, timeout=60)
        return {tool["name"] for tool in answer.json()["result"]["tools"]}

    narrowed = offered("?toolsets=dags&read_only=true")
    assert "list_dags" in narrowed
    assert not {"pause_dag", "list_dag_runs"} & narrowed
    assert offered("", X_MCP_Toolsets="dags", X_MCP_Readonly="true") == narrowed
    wrong = httpx.post(f"{web.url}?readonly=true", json=LIST_TOOLS, headers=headers, verify=TLS, timeout=60)
    assert wrong.status_code == 400
    assert "read_only" in told(wrong)


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_that_never_ends_is_given_up(web: Site, chunked: bool) -> None:
    """A byte a second, of a body that is said to be long or that says nothing of its length."""
    length = "Transfer-Encoding: chunked" if chunked else "Content-Length: 1000"
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", web.port), 60) as connection:
        connection.sendall(
            f"POST {PREFIX}/mcp/v1 HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            f"Authorization: {web.authorization('admin')}\r\n{length}\r\n\r\n".encode()
        )
        connection.settimeout(1)
        answer = b""
        while not answer and time.monotonic() - began < 55:
            try:
                connection.sendall(b"1\r\n{\r\n" if chunked else b" ")
                answer = connection.recv(4096)
            except TimeoutError:
                continue
            except OSError:
                break
    assert time.monotonic() - began < 40
    assert answer.split()[1:2] in ([b"408"], [])


@pytest.mark.skipif(LINE != 2, reason="a setting of Airflow 2")
def test_the_setting_that_stands_in_the_way_is_named(home: AirflowHome) -> None:
    options = {
        "AIRFLOW__API__AUTH_BACKENDS": "airflow.api.auth.backend.session",
        "AIRFLOW__MCP__OAUTH_ENABLED": "False",
    }
    with Site(home, options=options).serving() as running:
        answer = running.post(PING)
        assert answer.status_code == 401
        assert "auth_backends" in told(answer)
        assert answer.headers["www-authenticate"].startswith('Bearer realm="Airflow"')
        assert "MCP: [api] auth_backends" in running.log()


def test_a_stranger_causes_no_read_of_the_connection(web: Site) -> None:
    extra = ("--conn-extra", '{"readonly": true}')
    web.airflow("connections", "add", "mcp_default", "--conn-type", "generic", *extra)
    try:
        for _ in range(3):
            assert send(web, "GET").status_code == 401
        assert "MCP: the connection mcp_default" not in web.log()
    finally:
        web.airflow("connections", "delete", "mcp_default")
