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
"""What a client of the REST API refuses before anything is sent."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from airflow_provider_mcp.sdk.errors import InvalidArgument, PermissionDenied, ReadOnly
from airflow_provider_mcp.sdk.guards import (
    build_url,
    only_reads,
    path,
    refuse_policy_change,
    refuse_unsendable,
    refuse_write,
)

ROOT = "/api/v2/"


@pytest.mark.parametrize(
    "url",
    [
        "../x",
        "dags/..",
        "dags/../x",
        "dags/./x",
        ".",
        "dags/%2e%2e/x",
        "dags/%2E/x",
        "dags\\..\\x",
        "dags/%5c../x",
        "//evil.example/x",
        "https://evil.example/x",
        "dags/https://x",
    ],
)
def test_an_address_that_leaves_the_api(url: str) -> None:
    with pytest.raises(InvalidArgument, match=r"leaves Airflow's REST API"):
        build_url(ROOT, url)


def test_an_address_below_the_api() -> None:
    assert build_url(ROOT, "dags") == httpx.URL("/api/v2/dags")
    assert build_url(ROOT, "/dags/a..b/.c") == httpx.URL("/api/v2/dags/a..b/.c")
    # A query may say anything.
    assert build_url(ROOT, "dags?a=../x?&b=https://x") == httpx.URL("/api/v2/dags?a=../x?&b=https://x")
    assert build_url(ROOT, "dags?a=1", {"b": "2"}) == httpx.URL("/api/v2/dags?b=2")
    assert build_url(ROOT, httpx.URL("dags"), {}) == httpx.URL("/api/v2/dags", params={})


def reads(method: str, route: str, body: bytes = b"") -> bool:
    """Say whether a client that may only read sends a request."""
    request = httpx.Request(method, f"http://airflow{ROOT}{route}", content=body)
    if only_reads(method, route, lambda: body):
        refuse_write("read", request, ROOT)
        return True
    refuse_write("write", request, ROOT)
    with pytest.raises(ReadOnly) as refused:
        refuse_write("read", request, ROOT)
    assert refused.value.message == (
        f"{method} {route} would change something, and this client may only read."
    )
    return False


def test_what_reads() -> None:
    assert reads("GET", "dags")
    assert reads("HEAD", "dags")
    assert reads("POST", "dags/~/dagRuns/list")
    assert reads("POST", "dags/~/dagRuns/~/taskInstances/list")
    assert reads("POST", "backfills/dry_run")
    assert reads("PATCH", "dags/a/dagRuns/r/taskInstances/t/dry_run")
    assert reads("PATCH", "dags/a/dagRuns/r/taskInstances/t/-1/dry_run")
    assert reads("PATCH", "dags/a/dagRuns/r/taskGroupInstances/g/dry_run")


@pytest.mark.parametrize("route", ["dags", "backfills", "variables/a/dry_run", "dags/a/dagRuns"])
@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT", "DELETE", "OPTIONS", "get"])
def test_what_does_not_read(method: str, route: str) -> None:
    assert not only_reads(method, route, lambda: b'{"dry_run": true}')


SWITCHED = ["dags/a/clearTaskInstances", "dags/a/dagRuns/r/clear", "dags/a/updateTaskInstancesState"]


@pytest.mark.parametrize("route", SWITCHED)
def test_a_dry_run_by_a_switch_in_its_body(route: str) -> None:
    assert reads("POST", route, b'{"dry_run": true}')
    for body in (
        b"",
        b"not json",
        b"{}",
        b"[]",
        b"null",
        b'{"dry_run": false}',
        b'{"dry_run": 1}',
        b'{"dry_run": "true"}',
        b"[" * 200_000,
    ):
        assert not reads("POST", route, body)
        assert only_reads("POST", route, lambda body=body: body) is False  # type: ignore[misc]
    assert not reads("PATCH", route, b'{"dry_run": true}')


def may_change(
    method: str, route: str, body: Any = None, conn_ids: frozenset[str] = frozenset({"mcp_default"})
) -> bool:
    """Say whether a tool may send what might change the connection that limits it."""
    content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    request = httpx.Request(method, f"http://airflow{ROOT}{route}", content=content)
    try:
        refuse_policy_change(conn_ids, request, ROOT)
    except PermissionDenied as refused:
        return refused.identifiers != {"conn_id": min(conn_ids)}
    return True


def test_the_connection_that_limits_may_be_read_and_others_changed() -> None:
    assert may_change("GET", "connections/mcp_default")
    assert may_change("HEAD", "connections/mcp_default")
    assert may_change("POST", "connections/test", {"connection_id": "mcp_default"})
    assert may_change("POST", "connections", {"connection_id": "other"})
    assert may_change("POST", "connections")
    assert may_change("PATCH", "connections/other", {"host": "h", "port": 5432, "extra": None})
    assert may_change("POST", "variables", {"key": "mcp_default"})
    assert may_change("DELETE", "connections/mcp_default", conn_ids=frozenset())
    assert may_change("PATCH", "connections/mcp_default2")


@pytest.mark.parametrize(
    ("method", "route", "body"),
    [
        ("DELETE", "connections/mcp_default", None),
        ("PATCH", "connections/mcp_default/", {"extra": "{}"}),
        ("PATCH", "connections/mcp%5Fdefault", {"extra": "{}"}),
        ("PUT", "connections/MCP_Default%20", None),
        ("POST", "connections", {"connection_id": "mcp_default"}),
        ("PATCH", "connections", {"actions": [{"action": "delete", "entities": ["a", "mcp_default"]}]}),
        ("PATCH", "connections", {"mcp_default": {}}),
        ("POST", "connections", b"not json"),
        ("POST", "connections", b"[" * 200_000),
    ],
)
def test_the_connection_that_limits_may_not_be_changed(method: str, route: str, body: Any) -> None:
    assert not may_change(method, route, body)


@pytest.mark.parametrize(
    ("conn_id", "taken"),
    [
        ("mcp_default", "Mcp_DEFAULT"),
        ("mcp_default", " mcp_default\t"),
        ("mcp_default", "mcp_\u0111efault"),
        ("mcp_default", "mcp_\u00f0efault"),
        ("mcp_default", "mcp_d\u00e9fau\u0142t"),
        ("mcp_default", "mcp\u200b_default\u0345"),
        ("mcp_default", "mcp_default\x7f\x00"),
        ("mcp_default", "mcp_default\U000e0041"),
        ("mcp_default", "mcp_default\u4e00"),
        ("mcp_default", "\uff4dcp_default"),
        ("mcp_default", "mcp_de\u1da0ault"),
        ("mcp_default", "mcp_default" + "\u200b" * 5000),
        ("mcp_default", "mcp_default\u0259"),
        ("airflow", "a\u1d4erflow"),
        ("maestro", "m\u00e6stro"),
        ("\u043c\u0446\u043f", "\u041c\u0426\u041f"),
        ("\u043c\u0446\u043f", "\u043c\u0301\u0446\u2019\u043f"),
    ],
)
def test_what_a_lax_database_takes_for_the_connection(conn_id: str, taken: str) -> None:
    body = {"connection_id": taken}
    assert not may_change("POST", "connections", body, frozenset({conn_id}))


@pytest.mark.parametrize(
    ("conn_id", "other"),
    [
        ("mcp_default", "mcp-default"),
        ("mcp_default", "mcp_default_"),
        ("mcp_default", "mcp default x"),
        ("mcp_default", "x" * 2000 + "mcp_default"),
        ("\u043c\u0446\u043f", "\u043c\u0446"),
        ("\u043c\u0446\u043f1", "\u043c\u0446\u043f2"),
    ],
)
def test_what_no_database_takes_for_the_connection(conn_id: str, other: str) -> None:
    assert may_change("POST", "connections", {"connection_id": other}, frozenset({conn_id}))


@pytest.mark.parametrize("identifier", ["", ".", "..", "a/b", "/", "a/", "a\\b", "../connections"])
def test_what_is_no_identifier(identifier: str) -> None:
    with pytest.raises(InvalidArgument):
        path("dags/{}", identifier)


@pytest.mark.parametrize("identifier", ["", ".", "..", "a/..", "a//b", "/a", "a/", "a\\b", "a/./b"])
def test_what_is_none_where_a_slash_may_be_part_of_it(identifier: str) -> None:
    with pytest.raises(InvalidArgument, match="cannot be an identifier"):
        path("variables/{}", identifier, slashes=True)


def test_an_identifier_stays_in_its_place() -> None:
    assert path("dags/{}/dagRuns/{}", "a b?", 7) == "dags/a%20b%3F/dagRuns/7"
    assert path("variables/{}", "a/b c", slashes=True) == "variables/a/b%20c"
    with pytest.raises(InvalidArgument, match="takes no name with a slash"):
        path("variables/{}", "a/b")
    with pytest.raises(InvalidArgument, match="half of a character"):
        path("dags/{}", "\ud800")


def test_only_what_cannot_be_sent_is_taken_for_it() -> None:
    with pytest.raises(ValueError, match="another fault"), refuse_unsendable():
        raise ValueError("another fault")
    with pytest.raises(InvalidArgument, match="NaN or infinity"), refuse_unsendable():
        json.dumps(float("nan"), allow_nan=False)
    with pytest.raises(InvalidArgument, match="nested too deeply"), refuse_unsendable():
        raise RecursionError
    with pytest.raises(InvalidArgument, match=r"cannot be sent \(no\)"), refuse_unsendable():
        raise httpx.InvalidURL("no")
    with refuse_unsendable():
        pass
