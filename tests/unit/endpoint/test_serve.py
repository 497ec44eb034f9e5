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
"""The door: what is looked at, in which order, and what each refusal says."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Literal

import anyio
import httpx
import pytest

from airflow_provider_mcp.endpoint import serve as door_sequence
from airflow_provider_mcp.endpoint.door import (
    CLIENT_GONE,
    AuthenticationUnavailable,
    HTTPRequest,
    Reply,
    Unauthenticated,
    json_reply,
    own_origins,
)
from airflow_provider_mcp.endpoint.serve import serve
from airflow_provider_mcp.sdk.airflow import Airflow, Caller
from airflow_provider_mcp.server.build import build_server
from airflow_provider_mcp.server.catalogue import load_catalogue
from airflow_provider_mcp.server.policy import Policy
from airflow_provider_mcp.server.request import Identity
from airflow_provider_mcp.server.signing import Confirmations
from airflow_provider_mcp.testing import open_airflow

PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
LIST_TOOLS = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
SERVER = build_server(load_catalogue("3.3.2", found=[]), Confirmations(b"0123456789abcdef" * 2))
INSPECTOR = "https://inspector.example.com"


def open_empty(access: Literal["read", "write"]) -> Airflow:
    """Return a client of an Airflow that has nothing."""
    return open_airflow(lambda _: httpx.Response(404), access)


class PretendedHost:
    """A host that notes what it was asked."""

    server = SERVER
    schemes: Sequence[str] = ("Bearer", "Basic")
    own_origins = frozenset({"http://localhost:8080"})

    def __init__(self, **options: Any) -> None:
        self.login_parameters: dict[str, str] = {}
        self.options = Policy(allowed_origins=frozenset({INSPECTOR}), **options)
        self.asked: list[str] = []

    async def authenticate(self, request: HTTPRequest) -> Identity:
        self.asked.append("who")
        authorization = request.header("authorization")
        if authorization is None:
            raise Unauthenticated("No credential was sent.", sent=False)
        if authorization == "Bearer old":
            raise Unauthenticated("The token has expired.")
        if authorization == "Bearer unlucky":
            raise AuthenticationUnavailable
        return Identity(Caller("1", "ada"), open_empty)

    async def policy(self) -> Policy:
        self.asked.append("policy")
        return self.options


def ask(
    host: PretendedHost,
    *more: tuple[str, str],
    method: str = "POST",
    body: Any = PING,
    query: str = "",
    authorization: str | None = "Bearer good",
    content_type: str = "application/json",
) -> Reply:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()

    async def read_body(most: int, seconds: float) -> bytes | None:
        host.asked.append("body")
        return content[: most + 1]

    headers = [("content-type", content_type), *more]
    if authorization is not None:
        headers.append(("authorization", authorization))
    request = HTTPRequest(method, headers, read_body, query=query)
    reply = anyio.run(serve, request, host)
    assert reply is not None
    return reply


def message(reply: Reply) -> str:
    return str(json.loads(reply.body)["error"]["message"])


def test_who_is_known_is_answered() -> None:
    host = PretendedHost()
    reply = ask(host)
    assert reply.status == 200
    assert json.loads(reply.body)["result"] == {}
    assert host.asked == ["who", "body", "policy"]


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE", "PUT", "OPTIONS", "HEAD"])
def test_a_stranger_is_refused_before_anything_is_read(method: str) -> None:
    host = PretendedHost()
    reply = ask(host, method=method, body=b"not json", content_type="text/plain", authorization=None)
    assert reply.status == 401
    assert message(reply) == "No credential was sent."
    assert reply.headers["WWW-Authenticate"] == 'Bearer realm="Airflow", Basic realm="Airflow"'
    assert host.asked == ["who"]


def test_a_credential_that_is_not_accepted_is_told_so() -> None:
    reply = ask(PretendedHost(), authorization="Bearer old")
    assert (reply.status, message(reply)) == (401, "The token has expired.")
    assert reply.headers["WWW-Authenticate"].startswith('Bearer realm="Airflow", error="invalid_token"')


def test_a_credential_that_cannot_be_checked_is_no_wrong_one() -> None:
    reply = ask(PretendedHost(), authorization="Bearer unlucky")
    assert reply.status == 503
    assert json.loads(reply.body)["error"]["data"] == {"code": "unavailable", "retryable": True}


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "OPTIONS"])
def test_who_is_known_may_only_post(method: str) -> None:
    host = PretendedHost()
    reply = ask(host, method=method)
    assert (reply.status, reply.headers["Allow"]) == (405, "POST")
    assert host.asked == ["who"]


@pytest.mark.parametrize(
    "headers",
    [
        [("authorization", "Bearer other")],
        [("origin", INSPECTOR), ("origin", INSPECTOR)],
        [("origin", f"{INSPECTOR},{INSPECTOR}")],
        [("host", "localhost:8080"), ("host", "evil.example")],
        [("host", "localhost:8080,evil.example")],
    ],
)
def test_a_doubled_header_is_refused(headers: list[tuple[str, str]]) -> None:
    host = PretendedHost()
    assert ask(host, *headers).status == 400
    assert host.asked == []


def test_credentials_that_wsgi_has_joined_are_refused() -> None:
    assert ask(PretendedHost(), authorization="Basic YTph,Basic Yjpi").status == 400
    # A scheme with parameters has commas of its own.
    assert ask(PretendedHost(), authorization='Digest username="a", realm="b"').status == 200


def test_a_page_of_another_origin_is_refused() -> None:
    host = PretendedHost()
    reply = ask(host, ("origin", "https://evil.example"))
    assert reply.status == 403
    assert "Access-Control-Allow-Origin" not in reply.headers
    preflight = ask(
        host, ("origin", "https://evil.example"), ("access-control-request-method", "POST"), method="OPTIONS"
    )
    assert preflight.status == 403
    assert host.asked == []


@pytest.mark.parametrize("authorization", ["Bearer good", None])
def test_a_page_of_an_allowed_origin_may_read_every_answer(authorization: str | None) -> None:
    reply = ask(PretendedHost(), ("origin", INSPECTOR), authorization=authorization)
    assert reply.headers["Access-Control-Allow-Origin"] == INSPECTOR
    assert "WWW-Authenticate" in reply.headers["Access-Control-Expose-Headers"]
    assert reply.headers["Vary"] == "Origin"
    assert "Access-Control-Allow-Credentials" not in reply.headers


def test_a_preflight_needs_no_credential() -> None:
    host = PretendedHost()
    asked = "authorization,content-type,mcp-protocol-version"
    reply = ask(
        host,
        ("origin", INSPECTOR),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", asked),
        method="OPTIONS",
        authorization=None,
    )
    assert reply.status == 204
    assert reply.headers["Access-Control-Allow-Origin"] == INSPECTOR
    assert reply.headers["Access-Control-Allow-Methods"] == "POST"
    assert reply.headers["Access-Control-Allow-Headers"] == asked
    assert host.asked == []


def test_what_is_wrong_with_a_body() -> None:
    host = PretendedHost(max_request_bytes=100)
    assert ask(host, content_type="text/plain").status == 415
    assert ask(host, ("content-length", "101")).status == 413
    assert ask(host, ("content-length", "9" * 5000)).status == 413
    assert "body" not in host.asked
    assert ask(host, body=b"x" * 101).status == 413
    assert "policy" not in host.asked


def test_a_body_that_does_not_come() -> None:
    async def late(_most: int, _seconds: float) -> bytes | None:
        raise TimeoutError

    async def gone(_most: int, _seconds: float) -> bytes | None:
        return None

    headers = [("content-type", "application/json"), ("authorization", "Bearer good")]
    for read_body, status in ((late, 408), (gone, CLIENT_GONE)):
        reply = anyio.run(serve, HTTPRequest("POST", headers, read_body), PretendedHost())
        assert isinstance(reply, Reply)
        assert reply.status == status


def test_the_call_has_what_is_left_of_the_requests_time(monkeypatch: pytest.MonkeyPatch) -> None:
    deadlines: list[float] = []

    async def note(*_: Any, deadline: float) -> Reply:
        deadlines.append(deadline - anyio.current_time())
        return Reply(200)

    async def slow(_most: int, _seconds: float) -> bytes:
        await anyio.sleep(0.2)
        return b"{}"

    monkeypatch.setattr(door_sequence, "exchange", note)
    headers = [("content-type", "application/json"), ("authorization", "Bearer good")]
    anyio.run(serve, HTTPRequest("POST", headers, slow), PretendedHost())
    assert 40 < deadlines[0] <= door_sequence.REQUEST_SECONDS - 0.2


def test_who_cannot_be_found_out_in_time_is_asked_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door_sequence, "AUTHENTICATION_SECONDS", 0.05)

    class Hangs(PretendedHost):
        async def authenticate(self, request: HTTPRequest) -> Identity:
            await anyio.sleep(20)
            raise AssertionError

    reply = ask(Hangs())
    assert (reply.status, message(reply)) == (
        503,
        "Airflow could not check the credential. Try again in a few seconds.",
    )


def test_a_request_ends_within_55_seconds_and_leaves_time_for_the_call() -> None:
    assert door_sequence.REQUEST_SECONDS < 55
    before_the_call = door_sequence.AUTHENTICATION_SECONDS + door_sequence.BODY_SECONDS
    assert before_the_call + 20 <= door_sequence.REQUEST_SECONDS


def test_a_body_of_just_the_limit_is_taken_and_read_no_further(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, float]] = []
    body = json.dumps(PING).encode()

    async def read_body(most: int, seconds: float) -> bytes:
        asked.append((most, seconds))
        return body

    headers = [("content-type", "application/json"), ("authorization", "Bearer good")]
    host = PretendedHost(max_request_bytes=len(body))
    reply = anyio.run(serve, HTTPRequest("POST", headers, read_body), host)
    assert reply is not None
    assert reply.status == 200
    assert asked == [(len(body), door_sequence.BODY_SECONDS)]


def test_an_answer_that_was_streamed_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    async def stream(*_: Any, deadline: float) -> None:
        pass

    async def read_body(_most: int, _seconds: float) -> bytes:
        return b"{}"

    monkeypatch.setattr(door_sequence, "exchange", stream)
    headers = [("content-type", "application/json"), ("authorization", "Bearer good")]
    assert anyio.run(serve, HTTPRequest("POST", headers, read_body), PretendedHost()) is None


def test_narrowing_to_all_or_to_nothing_named_changes_nothing() -> None:
    for query in ("toolsets=all", "toolsets=", "toolsets=all,dags", "read_only=false"):
        assert offered(query=query) == offered()
    for header in (("x-mcp-toolsets", ""), ("x-mcp-toolsets", "all"), ("x-mcp-readonly", "")):
        assert offered(header) == offered()
    assert (
        offered(query="toolsets=dags,")
        == offered(("x-mcp-toolsets", " ,dags"))
        == offered(query="toolsets=dags")
    )


@pytest.mark.parametrize("header", [("x-mcp-toolsets", "dagz"), ("x-mcp-readonly", "perhaps")])
def test_a_narrowing_by_a_header_that_is_misspelt_is_refused(header: tuple[str, str]) -> None:
    host = PretendedHost()
    reply = ask(host, header, body=LIST_TOOLS)
    assert reply.status == 400
    assert header[1] in message(reply)


def offered(*headers: tuple[str, str], query: str = "") -> set[str]:
    reply = ask(PretendedHost(), *headers, body=LIST_TOOLS, query=query)
    assert reply.status == 200, reply.body
    return {tool["name"] for tool in json.loads(reply.body)["result"]["tools"]}


def test_a_client_narrows_for_itself() -> None:
    dags = offered(query="toolsets=dags")
    assert "list_dags" in dags
    assert "pause_dag" in dags
    assert "list_dag_runs" not in dags
    assert offered(query="toolsets=dags&toolsets=runs") == offered(query="toolsets=dags,runs") > dags
    reads = offered(query="toolsets=dags,runs&read_only=true")
    assert {"list_dags", "list_dag_runs"} <= reads
    assert not {"pause_dag", "trigger_dag"} & reads
    assert offered(("x-mcp-toolsets", "dags")) == dags
    assert offered(("x-mcp-toolsets", "dags, runs"), ("x-mcp-readonly", "true")) == reads
    # Both at once: the narrower of each.
    assert offered(("x-mcp-toolsets", "dags,runs"), query="toolsets=dags") == dags
    assert offered(query="read_only=true&read_only=false") == offered(query="read_only=true")
    assert offered(query="api_key=x") == offered()


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("read_only=perhaps", "read_only"),
        ("readonly=true", "readonly"),
        ("Read_Only=true", "Read_Only"),
        ("toolset=dags", "toolset"),
        ("toolsets=dagz", "dagz"),
    ],
)
def test_a_narrowing_that_is_misspelt_is_refused(query: str, named: str) -> None:
    reply = ask(PretendedHost(), query=query, body=LIST_TOOLS)
    assert reply.status == 400
    assert named in message(reply)


def test_an_answer_is_utf_8_whatever_it_carries() -> None:
    body = json_reply(200, {"lone": "a\ud83db", "pair": "\ud83d\ude00", "\udc00": "é"}).body
    assert json.loads(body.decode()) == {"lone": "a\ufffdb", "pair": "\U0001f600", "\ufffd": "é"}


@pytest.mark.parametrize("host", ["evil@localhost", "localhost:80@evil", "localhost:", "localhost#", "a b"])
def test_a_host_header_that_is_no_host_is_not_this_machine(host: str) -> None:
    assert own_origins("", "http", host) == {None}
