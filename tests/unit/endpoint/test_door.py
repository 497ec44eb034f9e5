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
"""What the door says about one request by its headers alone."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_mcp.endpoint import door
from airflow_provider_mcp.endpoint.door import HTTPRequest, Reply, Unauthenticated
from airflow_provider_mcp.server.policy import Policy

INSPECTOR = "https://inspector.example.com"


async def read_nothing(_most: int, _seconds: float) -> bytes:
    return b""


def make(*headers: tuple[str, str], method: str = "POST") -> HTTPRequest:
    return HTTPRequest(method, headers, read_nothing)


def error(reply: Reply | None) -> dict[str, Any]:
    assert reply is not None
    found: dict[str, Any] = json.loads(reply.body)["error"]
    return found


def test_headers_and_cookies_of_a_request() -> None:
    request = make(
        ("host", "a"),
        ("cookie", 'session=one; theme="dark"; session = "two" ;flag'),
        ("x-cookie", "session=none"),
        ("x", "1"),
        ("x", "2"),
        ("cookie", "session=three"),
    )
    assert request.cookies("session") == ["one", "two", "three"]
    assert request.cookies("theme") == ["dark"]
    assert request.cookies("flag") == [""]
    assert request.cookies("host") == []
    assert request.header("x") == "2"
    assert request.header("y") is None


@pytest.mark.parametrize(
    ("headers", "named"),
    [
        ([("authorization", "Bearer a"), ("authorization", "Bearer a")], "Authorization"),
        ([("authorization", "Bearer a,Bearer b")], "Authorization"),
        ([("authorization", "basic YTph,Basic Yjpi")], "Authorization"),
        ([("host", "a"), ("host", "a")], "Host"),
        ([("host", "a,b")], "Host"),
        ([("origin", INSPECTOR), ("origin", "https://evil.example")], "Origin"),
        ([("origin", f"{INSPECTOR},https://evil.example")], "Origin"),
    ],
)
def test_what_must_come_once(headers: list[tuple[str, str]], named: str) -> None:
    refused = door.refuse_headers(make(*headers))
    assert refused is not None
    assert refused.status == 400
    assert error(refused)["message"] == f"The header {named} came more than once."


def test_what_may_come_twice_or_with_commas() -> None:
    assert door.refuse_headers(make(("accept", "a,b"), ("accept", "c"))) is None
    assert door.refuse_headers(make(("authorization", 'Digest a="1", b="2"'), ("host", "a"))) is None
    assert door.refuse_headers(make()) is None


def test_which_origins_may_call() -> None:
    policy = Policy(allowed_origins=frozenset({INSPECTOR}))
    own = {"http://localhost:8080", None}
    for origin in (INSPECTOR, f"{INSPECTOR}/", "http://localhost:8080", "http://localhost:8080/"):
        assert door.refuse_origin(make(("origin", origin)), policy, own) is None
    assert door.refuse_origin(make(), policy, set()) is None
    for origin in ("https://evil.example", "null", "", f"{INSPECTOR}.evil.example"):
        refused = door.refuse_origin(make(("origin", origin)), policy, own)
        assert refused is not None
        assert refused.status == 403
        assert "[mcp] allowed_origins" in error(refused)["message"]


ORIGIN, ASKS = ("origin", INSPECTOR), ("access-control-request-method", "POST")


def test_what_is_a_preflight() -> None:
    assert door.answer_preflight(make(ORIGIN, ASKS)) is None
    assert door.answer_preflight(make(ORIGIN, method="OPTIONS")) is None
    assert door.answer_preflight(make(ASKS, method="OPTIONS")) is None
    reply = door.answer_preflight(make(ORIGIN, ASKS, method="OPTIONS"))
    assert reply == Reply(204, b"", {"Access-Control-Allow-Methods": "POST", "Access-Control-Max-Age": "600"})
    named = door.answer_preflight(
        make(ORIGIN, ASKS, ("access-control-request-headers", "x-a"), method="OPTIONS")
    )
    assert named is not None
    assert named.headers["Access-Control-Allow-Headers"] == "x-a"


def test_what_a_page_may_read() -> None:
    assert door.allow_origin(make()) == {}
    assert door.allow_origin(make(ORIGIN)) == {
        "Access-Control-Allow-Origin": INSPECTOR,
        "Access-Control-Expose-Headers": "WWW-Authenticate, Mcp-Session-Id, MCP-Protocol-Version",
        "Vary": "Origin",
    }


def test_only_post_is_served() -> None:
    assert door.refuse_method(make()) is None
    assert door.refuse_method(make(method="GET")) == Reply(
        405, b"Only POST is served here.", {"Allow": "POST", "Content-Type": "text/plain"}
    )


def test_the_challenge_names_each_scheme_and_the_login() -> None:
    login = {"resource_metadata": "https://airflow.example.com/m", "scope": "airflow:read"}
    told = 'resource_metadata="https://airflow.example.com/m", scope="airflow:read"'
    reply = door.challenge(("Bearer", "Basic"), Unauthenticated("Expired."), login)
    assert reply.status == 401
    assert error(reply)["message"] == str(Unauthenticated("Expired.")) == "Expired."
    assert reply.headers == {
        "Content-Type": "application/json",
        "WWW-Authenticate": f'Bearer realm="Airflow", error="invalid_token", {told}, Basic realm="Airflow"',
    }
    nothing = door.challenge(("Basic", "Bearer"), Unauthenticated("None.", sent=False), login)
    assert nothing.headers["WWW-Authenticate"] == f'Basic realm="Airflow", Bearer realm="Airflow", {told}'
    bare = door.challenge(("Bearer",), Unauthenticated("None.", sent=False))
    assert bare.headers["WWW-Authenticate"] == 'Bearer realm="Airflow"'


JSON = ("content-type", "application/json")


@pytest.mark.parametrize("length", ["100", "", "-1", "x", "²", "٩٩٩٩", "+101", "101.0"])
def test_a_body_that_may_be_read(length: str) -> None:
    assert door.refuse_body(make(JSON, ("content-length", length)), Policy(max_request_bytes=100)) is None


def test_a_body_that_is_refused_by_its_headers() -> None:
    policy = Policy(max_request_bytes=100)
    assert door.refuse_body(make(("content-type", "Application/JSON ; charset=utf-8")), policy) is None
    for length in ("101", "9" * 20, "9" * 5000):
        large = door.refuse_body(make(JSON, ("content-length", length)), policy)
        assert large is not None
        assert large.status == 413
        assert error(large)["message"] == "The body is larger than 100 bytes ([mcp] max_request_bytes)."
    for headers in ([], [("content-type", "text/plain")], [("content-type", "application/jsonp")]):
        wrong = door.refuse_body(make(*headers), policy)
        assert wrong is not None
        assert wrong.status == 415


def test_a_refusal_is_a_json_rpc_error_without_an_id() -> None:
    assert json.loads(door.refuse(400, "No.").body) == {
        "jsonrpc": "2.0",
        "id": None,
        "error": {"code": -32600, "message": "No."},
    }
    unavailable = door.unavailable("Later.")
    assert unavailable.status == 503
    assert error(unavailable) == {
        "code": -32603,
        "message": "Later.",
        "data": {"code": "unavailable", "retryable": True},
    }
    assert json.loads(door.rpc_error(404, -32601, "No.", request_id=7, data={}).body) == {
        "jsonrpc": "2.0",
        "id": 7,
        "error": {"code": -32601, "message": "No.", "data": {}},
    }


def test_an_answer_in_json_is_compact_and_in_letters_that_people_read() -> None:
    assert door.json_reply(200, {"a": ["é"], "b": 1}) == Reply(
        200, '{"a":["é"],"b":1}'.encode(), {"Content-Type": "application/json"}
    )


@pytest.mark.parametrize("name", ["localhost", "LOCALHOST", "127.0.0.1", "[::1]"])
def test_names_of_this_machine(name: str) -> None:
    for host in (name, f"{name}:8080"):
        assert door.is_loopback(host)
        assert door.own_origins("", "http", host) == {None, f"http://{host}"}


@pytest.mark.parametrize(
    "host",
    ["", "example.com", "localhost.example.com", "127.0.0.2", "[::2]", "localhost:123456", "a@localhost"],
)
def test_names_that_are_not_this_machine(host: str) -> None:
    assert not door.is_loopback(host)
    assert door.own_origins("https://airflow.example.com/x", "http", host) == {
        "https://airflow.example.com",
        None,
    }


def test_no_host_header_is_no_name() -> None:
    assert door.own_origins("", "http", None) == {None}
    assert door.names_host("airflow.example.com:8080")
    assert not door.names_host("a b")
    assert not door.names_host("")


@pytest.mark.parametrize("url", ["", "/path", "//host/path", "https:", "mailto:a@b.example"])
def test_an_address_without_an_origin(url: str) -> None:
    assert door.parse_origin(url) is None


def test_the_status_of_a_client_that_went_away_is_the_one_that_proxies_know() -> None:
    assert door.CLIENT_GONE == 499
