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
"""Reaching an Airflow elsewhere: addresses, credentials, repetition, and what goes wrong."""

from __future__ import annotations

import base64
import json
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from airflow_provider_mcp.remote import http, token_command
from airflow_provider_mcp.remote.auth import TokenAuth, build_auth
from airflow_provider_mcp.remote.client import Remote
from airflow_provider_mcp.remote.target import Target, build_target
from airflow_provider_mcp.remote.tokens import find_lifetime
from airflow_provider_mcp.sdk.errors import ToolError

ROOT = "https://airflow.example.com/air"
Handler = Callable[[httpx.Request], httpx.Response]


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "PAUSES", (0.0, 0.0))


def jwt(lasts: float, name: str = "a") -> str:
    now = time.time()
    claims = {"iat": now, "exp": now + lasts, "sub": name}
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{payload}.eA"


def answered(handler: Handler, target: Target, version: str | None = "3.3.2") -> Remote:
    """Return a remote whose requests ``handler`` answers; the version is answered for it, if given."""

    def handle(request: httpx.Request) -> httpx.Response:
        if version is not None and request.url.path.endswith("/version"):
            there = f"/air/api/v{2 if version[0] == '3' else 1}/version"
            return (
                httpx.Response(200, json={"version": version}) if request.url.path == there else NOT_FOUND()
            )
        return handler(request)

    remote = Remote(target)
    remote._client = http.AsyncRemoteClient(
        transport=httpx.MockTransport(handle), timeout=5, follow_redirects=False
    )
    return remote


def NOT_FOUND() -> httpx.Response:  # noqa: N802
    return httpx.Response(404, json={"detail": "Not Found"})


def ask(remote: Remote, method: str = "GET", path: str = "dags", **options: Any) -> httpx.Response:
    async def run() -> httpx.Response:
        airflow = remote.open_airflow("write")
        return await airflow.request(method, path, **options)

    return anyio.run(run)


def refusal(remote: Remote, method: str = "GET", path: str = "dags", **options: Any) -> ToolError:
    with pytest.raises(ToolError) as refused:
        ask(remote, method, path, **options)
    return refused.value


# ---- addresses ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parts", "url"),
    [
        ({"host": "https://a.example.com"}, "https://a.example.com"),
        ({"host": "https://a.example.com/air/flow/"}, "https://a.example.com/air/flow"),
        (
            {"host": "https://a.example.com", "port": 8443, "schema": "air/flow"},
            "https://a.example.com:8443/air/flow",
        ),
        ({"host": "https://a.example.com:1", "port": 2}, "https://a.example.com:1"),
        ({"host": "a.example.com"}, "https://a.example.com"),
        ({"host": "a.example.com", "schema": "http", "port": 80}, "http://a.example.com:80"),
        ({"host": "localhost", "port": 8080}, "http://localhost:8080"),
        ({"host": "127.0.0.1:8080", "schema": "air"}, "http://127.0.0.1:8080/air"),
        ({"host": "https://a.example.com/air/mcp/v1"}, "https://a.example.com/air"),
        ({"host": "https://a.example.com/mcp/v1/"}, "https://a.example.com"),
        ({"host": "https://a.example.com/mcp/api/v2"}, "https://a.example.com/mcp"),
    ],
)
def test_where_a_connection_leads(parts: dict[str, Any], url: str) -> None:
    assert build_target("c", **parts).url == url


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"host": None}, "no host"),
        ({"host": "ftp://a"}, "no http or https"),
        ({"host": "https://u:p@a"}, "more than an address"),
        ({"host": "https://a/?x=1"}, "more than an address"),
        ({"host": "a", "extra": {"tokn": "x"}}, "unknown options tokn"),
        ({"host": "a", "extra": {"token": 1}}, "not text"),
        ({"host": "a", "extra": {"token": "Bearer x"}}, "without 'Bearer ' before it"),
        ({"host": "a", "password": "bearer x"}, "without 'Bearer ' before it"),
        ({"host": "a", "extra": {"timeout": "soon"}}, "no number"),
        ({"host": "a", "extra": {"timeout": 0}}, "no number"),
        ({"host": "a", "extra": {"insecure": "perhaps"}}, "neither true nor false"),
        ({"host": "a", "extra": {"verify": 3}}, "verify is"),
        ({"host": "a", "extra": {"ca_bundle": 3}}, "no path"),
    ],
)
def test_an_unusable_connection_is_refused(parts: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        build_target("c", **parts)


def test_what_a_connection_says_beside_the_address() -> None:
    target = build_target(
        "c",
        host="a",
        login="u",
        password="secret-p",
        extra={"timeout": "5", "ca_bundle": "/ca.pem", "insecure": None, "token": "", "read_only": True},
    )
    assert (target.timeout, target.verify, target.token) == (5.0, "/ca.pem", "")
    assert build_target("c", host="a", extra={"insecure": True, "ca_bundle": "/ca.pem"}).verify is False
    assert build_target("c", host="a", extra={"verify": "false"}).verify is False
    assert build_target("c", host="a", extra={"verify": "/ca.pem"}).verify == "/ca.pem"
    assert build_target("c", host="a", password="t").token == "t"
    assert "secret-p" not in repr(target)


def test_a_ca_bundle_that_is_not_there_is_told() -> None:
    with pytest.raises(ValueError, match="CA bundle of c cannot be read"):
        http.build_client_options(Target("c", ROOT, verify="/nowhere.pem"))


# ---- credentials -------------------------------------------------------------------------------------


def test_no_credential_sends_none() -> None:
    seen: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"dags": []})

    ask(answered(handle, Target("c", ROOT)))
    assert "authorization" not in seen[0].headers
    assert seen[0].url.path == "/air/api/v2/dags"


def test_airflow_2_gets_the_password_and_its_own_terms() -> None:
    seen: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"dags": [{"dag_id": "d", "is_active": True}], "total_entries": 1})

    answer = ask(answered(handle, Target("c", ROOT, login="u", password="p"), "2.11.2"))
    assert seen[0].headers["authorization"] == "Basic " + base64.b64encode(b"u:p").decode()
    assert seen[0].url.path == "/air/api/v1/dags"
    assert answer.json()["dags"][0]["is_stale"] is False


class Issuer:
    """Airflow 3: tokens for a password, and an API that takes only the last one."""

    def __init__(self, lasts: float) -> None:
        self.lasts = lasts
        self.issued = 0
        self.valid = ""
        self.asked: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(f"{request.method} {request.url.path}")
        if request.url.path == "/air/auth/token":
            if json.loads(request.content) != {"username": "u", "password": "p"}:
                return httpx.Response(401, json={"detail": "Invalid credentials"})
            self.issued += 1
            self.valid = jwt(self.lasts, str(self.issued))
            return httpx.Response(201, json={"access_token": self.valid})
        if request.headers.get("authorization") != f"Bearer {self.valid}":
            return httpx.Response(401, json={"detail": "Not authenticated"})
        return httpx.Response(200, json={"dags": [], "dag_run_id": "r"})


USER = Target("c", ROOT, login="u", password="p")


def test_a_password_is_exchanged_once_while_the_token_lasts() -> None:
    issuer = Issuer(3600)
    remote = answered(issuer, USER)
    ask(remote)
    ask(remote)
    assert issuer.issued == 1


def test_a_token_is_renewed_before_it_expires() -> None:
    issuer = Issuer(0)
    remote = answered(issuer, USER)
    ask(remote)
    ask(remote)
    assert issuer.issued == 2
    assert issuer.asked.count("GET /air/api/v2/dags") == 2


def test_a_refused_token_is_renewed_once_and_the_write_made_once() -> None:
    issuer = Issuer(3600)
    remote = answered(issuer, USER)
    ask(remote)
    issuer.valid = "revoked"
    answer = ask(remote, "POST", "dags/d/dagRuns", json={"logical_date": None})
    assert answer.json()["dag_run_id"] == "r"
    assert issuer.issued == 2
    assert issuer.asked[-3:] == [
        "POST /air/api/v2/dags/d/dagRuns",
        "POST /air/auth/token",
        "POST /air/api/v2/dags/d/dagRuns",
    ]


def test_a_wrong_password_is_told_without_it() -> None:
    error = refusal(answered(Issuer(60), Target("c", ROOT, login="u", password="wrong-password")))
    assert error.code == "permission_denied"
    assert "username or password is wrong" in error.message
    assert "wrong-password" not in error.as_text()


def test_an_auth_manager_without_passwords_is_told() -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        return httpx.Response(404, text="no")

    error = refusal(answered(handle, USER))
    assert "gave no token (HTTP 404)" in error.message
    assert "Give a bearer token" in error.hint


def test_a_login_that_cannot_be_served_now_is_unavailable() -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        return httpx.Response(503, text="no")

    assert refusal(answered(handle, USER)).code == "unavailable"


def test_a_credential_that_is_missing_is_asked_for() -> None:
    error = refusal(answered(lambda _: httpx.Response(401, json={}), Target("c", ROOT)))
    assert "none is given" in error.message
    assert "a token, or a username and a password" in error.hint


REFUSED = [(401, "Token Expired"), (403, "Invalid JWT token")]
"""How Airflow 3 answers a token that is no longer good, and one that it did not sign."""


@pytest.mark.parametrize(("status", "detail"), REFUSED)
def test_an_expired_bearer_token_is_told(status: int, detail: str) -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        assert request.headers["authorization"] == "Bearer old-token"
        return httpx.Response(status, json={"detail": detail})

    error = refusal(answered(handle, Target("c", ROOT, token="old-token")))
    assert error.code == "permission_denied"
    assert "expired" in error.message
    assert "old-token" not in error.as_text()


def command(program: str) -> tuple[str, ...]:
    return (sys.executable, "-c", program)


@pytest.mark.parametrize(("status", "detail"), REFUSED)
def test_a_command_gives_the_token_and_is_run_again_when_it_is_refused(
    status: int, detail: str, tmp_path: Any
) -> None:
    count = tmp_path / "count"
    count.write_text("")
    program = f"p={str(count)!r}; open(p,'a').write('x'); print('token', len(open(p).read()), sep='-')"
    sent: list[str] = []

    def handle(request: httpx.Request) -> httpx.Response:
        sent.append(request.headers["authorization"])
        good = sent[-1] != "Bearer token-1" or len(sent) == 1
        return httpx.Response(200 if good else status, json={"detail": detail})

    remote = answered(handle, Target("c", ROOT, token_command=command(program)), None)
    remote._version = remote.known_version = "3.3.2"
    ask(remote)
    ask(remote)
    assert sent == ["Bearer token-1", "Bearer token-1", "Bearer token-2"]


def test_what_a_user_may_not_do_is_asked_once(tmp_path: Any) -> None:
    sent: list[str] = []

    def handle(request: httpx.Request) -> httpx.Response:
        sent.append(request.headers["authorization"])
        return httpx.Response(403, json={"detail": "Forbidden"})

    remote = answered(handle, Target("c", ROOT, token_command=command("print('a-token')")), None)
    remote._version = remote.known_version = "3.3.2"
    for _ in range(2):
        with pytest.raises(ToolError, match="You may not"):
            ask(remote)
    assert len(sent) == 2


def test_a_command_that_prints_bearer_before_the_token_is_told() -> None:
    target = Target("c", ROOT, token_command=command("print('Bearer secret-token')"))
    error = refusal(answered(lambda _: NOT_FOUND(), target, None))
    assert "'Bearer ' before it" in error.message
    assert "secret-token" not in error.as_text()


@pytest.mark.parametrize("program", ["import sys; sys.exit(3)", "print()", "print('two words')"])
def test_a_command_without_a_token_is_told(program: str) -> None:
    target = Target("c", ROOT, token_command=command(program))
    error = refusal(answered(lambda _: NOT_FOUND(), target, None))
    assert error.code == "permission_denied"
    assert "printed no token" in error.message


def test_a_command_that_is_not_there_is_told_without_it() -> None:
    """It may be a token that stands where a command belongs."""
    target = Target("c", ROOT, token_command=("/nowhere/token",))
    error = refusal(answered(lambda _: NOT_FOUND(), target, None))
    assert "the token command failed to start: No such file or directory" in error.message
    assert "nowhere" not in error.as_text()


SLEEPS = """
import os, pathlib, subprocess, sys, time
child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])
pathlib.Path({file!r}).write_text(f'{{os.getpid()}} {{child.pid}}')
time.sleep(60)
"""


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def wait_for_end(file: Path) -> None:
    """Wait until the command, and what it started, no longer run."""
    pids = [int(pid) for pid in file.read_text().split()]
    assert len(pids) == 2
    until = time.monotonic() + 5
    while any(map(is_running, pids)):
        assert time.monotonic() < until, "the command still runs"
        time.sleep(0.02)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="it looks at processes in /proc")
@pytest.mark.parametrize("way", ["async", "sync"])
def test_a_command_that_takes_too_long_is_stopped_with_what_it_started(
    way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(token_command, "COMMAND_SECONDS", 2)
    file = tmp_path / "pids"
    target = Target("c", ROOT, token_command=command(SLEEPS.format(file=str(file))))
    if way == "async":
        error = refusal(answered(lambda _: NOT_FOUND(), target, None))
        assert "printed no token within 2 s and was stopped" in error.message
    else:
        transport = httpx.MockTransport(lambda _: NOT_FOUND())
        with (
            httpx.Client(transport=transport, auth=build_auth(target, 3)) as client,
            pytest.raises(httpx.RequestError, match="within 2 s and was stopped"),
        ):
            client.get(ROOT)
    wait_for_end(file)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="it looks at processes in /proc")
def test_a_command_ends_with_the_request_that_needs_it(tmp_path: Path) -> None:
    file = tmp_path / "pids"
    target = Target("c", ROOT, token_command=command(SLEEPS.format(file=str(file))))
    remote = answered(lambda _: NOT_FOUND(), target, None)

    async def run() -> None:
        with anyio.move_on_after(2) as scope:
            await remote.version()
        assert scope.cancelled_caught

    anyio.run(run)
    wait_for_end(file)


def test_a_login_has_the_time_limits_of_the_request_that_needs_it() -> None:
    limits: list[Any] = []

    def handle(request: httpx.Request) -> httpx.Response:
        limits.append(request.extensions["timeout"])
        return httpx.Response(201, json={"access_token": "t", "dags": []})

    ask(answered(handle, USER))
    assert limits[0] == limits[1]
    assert limits[0]["read"] == 5


def test_the_same_flow_serves_a_plain_client() -> None:
    issuer = Issuer(3600)
    with httpx.Client(transport=httpx.MockTransport(issuer), auth=build_auth(USER, 3)) as client:
        assert client.get(f"{ROOT}/api/v2/dags").status_code == 200
        issuer.valid = "revoked"
        assert client.get(f"{ROOT}/api/v2/dags").status_code == 200
    assert issuer.issued == 2


def test_a_token_that_tells_no_time_lasts_an_hour() -> None:
    assert find_lifetime("opaque") == 3600
    assert find_lifetime("a.b.c") == 3600
    assert 59 < find_lifetime(jwt(60)) < 61
    assert isinstance(build_auth(USER, 3), TokenAuth)


def test_who_the_caller_is() -> None:
    assert Remote(USER).caller.name == "u"
    assert Remote(Target("c", ROOT, token=jwt(60, "someone"))).caller.name == "someone"
    assert Remote(Target("c", ROOT, token="opaque")).caller.name == "a bearer token"


# ---- repetition --------------------------------------------------------------------------------------


class Failing:
    """Fails in turn as told, then answers."""

    def __init__(self, *failures: Any) -> None:
        self.failures = list(failures)
        self.asked = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        failure = self.failures.pop(0) if self.failures else 200
        if isinstance(failure, int):
            return httpx.Response(failure, json={"dags": []})
        raise failure("broken", request=request)


@pytest.mark.parametrize(
    "failures", [(503, 502), (httpx.ConnectError, 504), (httpx.ReadError,), (httpx.RemoteProtocolError,)]
)
def test_a_get_that_did_not_get_through_is_repeated(failures: tuple[Any, ...]) -> None:
    failing = Failing(*failures)
    assert ask(answered(failing, Target("c", ROOT))).status_code == 200
    assert failing.asked == len(failures) + 1


def test_repetition_ends() -> None:
    failing = Failing(*[httpx.ConnectError] * 9)
    error = refusal(answered(failing, Target("c", ROOT)))
    assert failing.asked == 3
    assert error.code == "unavailable"
    assert error.retryable
    assert "cannot be reached" in error.message


@pytest.mark.parametrize("failure", [503, httpx.ConnectError, httpx.ReadError, httpx.ReadTimeout])
@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
def test_a_write_is_never_sent_twice(method: str, failure: Any) -> None:
    failing = Failing(failure)
    error = refusal(answered(failing, Target("c", ROOT)), method, "dags/d")
    assert failing.asked == 1
    assert error.code == "unavailable"


def test_a_write_that_may_have_been_made_is_not_called_retryable() -> None:
    error = refusal(
        answered(Failing(httpx.ReadTimeout), Target("c", ROOT)), "POST", "dags/d/dagRuns", json={}
    )
    assert not error.retryable
    assert "may have been done or not" in error.hint


def test_a_slow_airflow_is_asked_once() -> None:
    failing = Failing(httpx.ReadTimeout)
    error = refusal(answered(failing, Target("c", ROOT, timeout=7)))
    assert failing.asked == 1
    assert "did not answer within 7 s" in error.message


def test_the_plain_client_repeats_a_get_alone() -> None:
    failing = Failing(503, httpx.ConnectError)
    with http.RemoteClient(transport=httpx.MockTransport(failing)) as client:
        assert client.get(ROOT).status_code == 200
        failing.failures = [503]
        assert client.post(ROOT).status_code == 503
    assert failing.asked == 4


# ---- wrong answers -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "<html>400 The plain HTTP request was sent to HTTPS port</html>",
        "Client sent an HTTP request to an HTTPS server.",
    ],
)
def test_http_at_an_https_port_is_told(text: str) -> None:
    error = refusal(answered(lambda _: httpx.Response(400, text=text), Target("c", ROOT), None))
    assert "speaks https, not http" in error.message
    assert "Write https://" in error.hint


def test_https_at_an_http_port_is_told() -> None:
    server = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        for _ in range(3):
            connection, _address = server.accept()
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
            connection.close()

    threading.Thread(target=answer, daemon=True).start()
    with server:
        remote = Remote(Target("c", f"https://127.0.0.1:{server.getsockname()[1]}", timeout=5))
        assert "it speaks http, not https" in refusal(remote).message


def html(status: int = 200) -> httpx.Response:
    return httpx.Response(status, html="<title>Sign in</title>")


@pytest.mark.parametrize(
    ("answer", "code", "said"),
    [
        (html(), "unavailable", "a web page"),
        (html(404), "unavailable", "a web page"),
        (
            httpx.Response(302, headers={"Location": "https://login.example.com/?next=x"}),
            "unavailable",
            "login.example.com",
        ),
        (httpx.Response(200, json={"hello": 1}), "unavailable", "does not answer as Airflow"),
        (httpx.Response(200, json=[]), "unavailable", "does not answer as Airflow"),
        (httpx.Response(403, text="IAP"), "permission_denied", "before Airflow saw it"),
        (httpx.Response(500, text="no"), "unavailable", "cannot answer now"),
    ],
)
def test_an_address_that_is_no_airflow_is_told(answer: httpx.Response, code: str, said: str) -> None:
    error = refusal(answered(lambda _: answer, Target("c", ROOT), None))
    assert error.code == code
    assert said in error.message
    assert ROOT in error.message
    assert error.identifiers["instance"] == "c"


@pytest.mark.parametrize("answer", [html(), httpx.Response(307, headers={"Location": "/login"})])
def test_a_login_page_in_the_middle_is_told_and_the_version_asked_again(answer: httpx.Response) -> None:
    remote = answered(lambda _: answer, Target("c", ROOT))
    assert refusal(remote).code == "unavailable"
    assert remote._version is None
    assert remote.known_version == "3.3.2"


def test_an_airflow_2_that_became_3_is_noticed() -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path.startswith("/air/api/v1/"):
            return httpx.Response(404, json={"error": "/api/v1 has been removed in Airflow 3, please ..."})
        return httpx.Response(200, json={"version": "3.3.2"} if path.endswith("version") else {"dags": []})

    remote = answered(handle, Target("c", ROOT), None)
    remote._version = remote.known_version = "2.11.2"
    error = refusal(remote)
    assert "no longer Airflow 2" in error.message
    assert error.retryable
    assert ask(remote).status_code == 200


def test_a_half_migrated_airflow_is_told() -> None:
    error = refusal(answered(lambda _: httpx.Response(500, text="Internal Server Error"), Target("c", ROOT)))
    assert error.code == "internal"
    assert "HTTP 500" in error.message


def test_what_airflow_2_cannot_do_is_told() -> None:
    error = refusal(answered(lambda _: NOT_FOUND(), Target("c", ROOT), "2.11.2"), path="hitlDetails")
    assert error.code == "unsupported"


def test_the_openapi_document_is_found_on_both() -> None:
    seen: list[str] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.path)
        return httpx.Response(200, json={"openapi": "3"})

    for version in ("2.11.2", "3.3.2"):
        remote = answered(handle, Target("c", ROOT), version)
        anyio.run(remote.open_airflow("read").call_native, "GET", "openapi.json")
    assert seen == ["/air/api/v1/openapi.json", "/air/openapi.json"]


def test_pages_are_those_of_its_version() -> None:
    remote = Remote(Target("c", ROOT))
    remote.known_version = "2.11.2"
    assert remote.open_airflow("read").page_url("d") == f"{ROOT}/dags/d/grid"
    remote.known_version = "3.3.2"
    assert remote.open_airflow("read").page_url("d", "r") == f"{ROOT}/dags/d/runs/r"


def test_a_client_for_reading_writes_nothing() -> None:
    async def run() -> None:
        await answered(lambda _: NOT_FOUND(), Target("c", ROOT)).open_airflow("read").delete("dags/d")

    with pytest.raises(ToolError) as refused:
        anyio.run(run)
    assert refused.value.code == "read_only"
