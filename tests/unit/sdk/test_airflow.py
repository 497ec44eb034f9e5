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
"""The client a tool receives: what it refuses and what errors it raises."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any

import anyio
import anyio.from_thread
import anyio.to_thread
import httpx
import pytest

from airflow_provider_mcp.sdk import NotFound
from airflow_provider_mcp.sdk.airflow import Airflow, current_airflow, serving
from airflow_provider_mcp.sdk.errors import ToolError
from airflow_provider_mcp.sdk.injection import run_function
from airflow_provider_mcp.server.identifiers import suggest_close_matches
from airflow_provider_mcp.testing import open_airflow


def send(
    method: str, route: str, access: str = "read", status: int = 200, answer: Any = None, **options: Any
) -> Any:
    async def run() -> httpx.Response:
        airflow = open_airflow(lambda _: httpx.Response(status, json=answer or {}), access)
        return await airflow.request(method, route, **options)

    return anyio.run(run)


@pytest.mark.parametrize(
    ("method", "route", "body"),
    [
        ("POST", "dags/a/dagRuns", {}),
        ("PATCH", "dags/a", {"is_paused": True}),
        ("DELETE", "dags/a", None),
        ("POST", "dags/a/clearTaskInstances", {"dry_run": False}),
        ("POST", "dags/a/clearTaskInstances", {}),
        ("POST", "dags/a/dagRuns/r/clear", {"dry_run": "yes"}),
        ("PUT", "parseDagFile/x", None),
        ("PATCH", "variables/a/dry_run", {"value": "x"}),
        ("PATCH", "variables/a%2Fdry_run", {"value": "x"}),
        ("POST", "variables/dry_run", {}),
        ("PATCH", "pools/a/dry_run", {}),
        ("PATCH", "connections/dry_run", {}),
        ("POST", "dags/a/dagRuns/r/taskInstances/t/dry_run", {}),
        ("PATCH", "dags/a/dagRuns/r/taskInstances/t/x/dry_run", {}),
        ("PATCH", "dags/dry_run", {"is_paused": True}),
        ("PATCH", "dags/a/dagRuns/dry_run", {"state": "failed"}),
        ("PATCH", "dags/a/dagRuns/r/taskInstances/dry_run", {"new_state": "failed"}),
    ],
)
def test_a_reading_client_refuses_to_write(method: str, route: str, body: Any) -> None:
    with pytest.raises(ToolError) as refused:
        send(method, route, json=body)
    assert refused.value.code == "read_only"


@pytest.mark.parametrize(
    ("method", "route", "body"),
    [
        ("GET", "dags", None),
        ("POST", "dags/~/dagRuns/list", {}),
        ("POST", "dags/a/clearTaskInstances", {"dry_run": True}),
        ("PATCH", "dags/a/dagRuns/r/taskInstances/t/dry_run", {}),
        ("PATCH", "dags/a/dagRuns/r/taskInstances/t/3/dry_run", {}),
        ("PATCH", "dags/a/dagRuns/r/taskGroupInstances/g/dry_run", {}),
        ("POST", "dags/~/dagRuns/~/taskInstances/list", {}),
        ("POST", "backfills/dry_run", {}),
    ],
)
def test_a_reading_client_may_read_and_rehearse(method: str, route: str, body: Any) -> None:
    assert send(method, route, json=body).status_code == 200


@pytest.mark.parametrize(
    "route", ["dags/../connections", "dags/%2e%2e/x", "http://other/x", "//other/x", "a/./b"]
)
def test_no_path_leaves_the_api(route: str) -> None:
    with pytest.raises(ToolError) as refused:
        send("GET", route)
    assert refused.value.code == "invalid_argument"


@pytest.mark.parametrize(
    ("status", "code", "retryable"),
    [
        (400, "invalid_argument", False),
        (403, "permission_denied", False),
        (404, "not_found", False),
        (409, "conflict", False),
        (422, "invalid_argument", False),
        (429, "rate_limited", True),
        (500, "internal", False),
        (503, "unavailable", True),
        (302, "internal", False),
    ],
)
def test_answers_become_tool_errors(status: int, code: str, retryable: bool) -> None:
    with pytest.raises(ToolError) as raised:
        send("GET", "dags/a", status=status, answer={"detail": "so it is"})
    assert (raised.value.code, raised.value.retryable) == (code, retryable)
    if code == "permission_denied":
        assert raised.value.identifiers["resource"] == "Dags"
        assert raised.value.identifiers["action"] == "read"


DAGS = [f"sales_{word}" for word in ("daily", "weekly", "hourly")] + ["etl"]


class Names:
    """An Airflow of a few names, which counts what it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def handle(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        route = request.url.path.removeprefix("/api/v2/")
        pattern = request.url.params.get("dag_id_pattern", "")
        found: dict[str, Any] = {
            "dags": {"dags": [{"dag_id": name} for name in DAGS if pattern in name]},
            "dags/etl": {},
            "dags/etl/dagRuns": {"dag_runs": [{"dag_run_id": f"manual__{n}"} for n in range(3)]},
            "dags/etl/dagRuns/manual__1": {},
            "dags/etl/tasks": {"tasks": [{"task_id": "extract"}, {"task_id": "load"}]},
        }
        if route not in found:
            return httpx.Response(404, json={"detail": "not there"})
        return httpx.Response(200, json=found[route])

    def suggest(self, arguments: dict[str, Any], **identifiers: Any) -> ToolError:
        async def run() -> ToolError:
            error = NotFound("not there", **identifiers)
            return await suggest_close_matches(open_airflow(self.handle), error, arguments)

        return anyio.run(run)


@pytest.mark.parametrize(
    ("arguments", "identifiers", "meant"),
    [
        ({"dag_id": "sales_dayly"}, {}, "sales_daily"),
        ({"dag_id": "salesdaily"}, {}, "sales_daily"),
        ({"dag_id": "etl", "dag_run_id": "manual_1"}, {}, "manual__1"),
        ({"dag_id": "etl", "dag_run_id": "manual__1", "task_id": "extrakt"}, {}, "extract"),
        ({"dag_id": "etl", "task_ids": ["load", "lod"]}, {"task_id": "lod"}, "load"),
        ({"dag_id": "etl", "task_ids": ["zzz"]}, {"task_id": "zzz"}, None),
        ({"dag_id": "quite_another"}, {}, None),
    ],
)
def test_a_near_miss_names_what_was_meant(
    arguments: dict[str, Any], identifiers: dict[str, Any], meant: str | None
) -> None:
    names = Names()
    error = names.suggest(arguments, **identifiers)
    assert error.code == "not_found"
    if meant is None:
        assert "did_you_mean" not in error.identifiers
    else:
        assert meant in error.identifiers["did_you_mean"]
        assert f"`{meant}`" in error.message
    assert names.asked <= 5


def test_what_is_there_is_not_suggested_instead() -> None:
    error = Names().suggest({"dag_id": "etl", "dag_run_id": "manual__1", "task_id": "load"})
    assert error.message == "not there"


@pytest.mark.parametrize(
    ("body", "said"),
    [("Switched off here.", "Switched off here."), ("<html>Switched off</html>", "Forbidden")],
)
def test_a_refusal_in_plain_text_is_told_and_a_page_is_not(body: str, said: str) -> None:
    async def run() -> None:
        await open_airflow(lambda _: httpx.Response(403, text=body)).get("connections")

    with pytest.raises(ToolError) as raised:
        anyio.run(run)
    assert f"({said})" in raised.value.message


@pytest.mark.parametrize(
    ("method", "route", "body"),
    [
        ("PATCH", "connections/mcp_default", {"connection_id": "mcp_default", "conn_type": "airflow_mcp"}),
        ("PATCH", "connections/mcp%5Fdefault", {}),
        ("DELETE", "connections/mcp_default", None),
        ("POST", "connections", {"connection_id": "mcp_default", "conn_type": "airflow_mcp"}),
        ("PATCH", "connections", {"actions": [{"action": "delete", "entities": ["mcp_default"]}]}),
        # What a database may take for the same: MySQL compares without case, accents or spaces at the end.
        ("PATCH", "connections/MCP_Default", {}),
        ("DELETE", "connections/mcp_default%20", None),
        ("DELETE", "connections/mcp_default%20%20", None),
        ("DELETE", "connections/mcp_default%E2%80%8B", None),
        ("POST", "connections", {"connection_id": "MCP_DEFAULT\t", "conn_type": "airflow_mcp"}),
        ("POST", "connections", {"connection_id": "mcp_d\u00e9fault"}),
        ("POST", "connections", {"connection_id": "mcp_de\u0301fault"}),
        ("POST", "connections", {"connection_id": "\uff4dcp_default"}),
        ("POST", "connections", {"connection_id": "mcp_default\u00a0\u200b"}),
        ("PATCH", "connections", {"actions": [{"entities": [{"connection_id": "Mcp_Default "}]}]}),
        # Of those that a real MariaDB takes for it: tests/live/test_collations.py asks for all.
        ("POST", "connections", {"connection_id": "mcp_default\u0345"}),
        ("POST", "connections", {"connection_id": "mcp_default\u06de"}),
        ("POST", "connections", {"connection_id": "mcp_default\ufe73"}),
        ("POST", "connections", {"connection_id": "mcp_default\U000e0041"}),
        ("POST", "connections", {"connection_id": "mcp_\u0111efault"}),
        ("POST", "connections", {"connection_id": "mcp_defau\u0142t"}),
        ("POST", "connections", {"connection_id": "mcp_\xf0efault"}),
        ("POST", "connections", {"connection_id": "\u036bcp_default"}),
        ("POST", "connections", {"connection_id": "mcp_def\ua737lt"}),
        ("POST", "connections", {"connection_id": "mc\U0001f17f_default"}),
        ("POST", "connections", {"connection_id": "mcp_default" + " " * 5000}),
    ],
)
def test_no_tool_changes_the_connection_that_limits_it(method: str, route: str, body: Any) -> None:
    sent: list[httpx.Request] = []

    async def run() -> None:
        airflow = open_airflow(lambda request: sent.append(request) or httpx.Response(200, json={}), "write")
        airflow.site = replace(airflow.site, policy_conn_ids=frozenset({"a", "mcp_default"}))
        await airflow.get("connections/mcp_default")
        await airflow.post("connections/test", json={"connection_id": "mcp_default"})
        await airflow.patch("connections/another", json={"connection_id": "another"})
        await airflow.post("connections", json={"connection_id": "\u8d44\u6599\u5e93", "description": ""})
        with pytest.raises(ToolError) as refused:
            await airflow.request(method, route, json=body)
        assert refused.value.code == "permission_denied"

    anyio.run(run)
    assert len(sent) == 4


def test_a_filter_that_this_airflow_does_not_know_is_unsupported() -> None:
    detail = {"detail": "Extra query parameter(s) dag_ids not in spec"}
    with pytest.raises(ToolError) as refused:
        send("GET", "assets", status=400, answer=detail)
    assert refused.value.code == "unsupported"
    assert "cannot filter assets by dag_ids" in refused.value.message
    assert refused.value.hint


def test_a_call_into_airflow_is_not_a_part_of_the_mcp_call() -> None:
    """What Airflow runs in this process for a tool must not reach back by the tool's own client."""
    seen: list[Any] = []

    async def run() -> None:
        airflow = open_airflow(lambda _: seen.append(current_airflow()) or httpx.Response(200, json={}))
        with serving(airflow):
            await airflow.get("dags")
            await anyio.to_thread.run_sync(lambda: airflow.for_thread().get("dags"))
            assert current_airflow() is airflow
            assert await anyio.to_thread.run_sync(current_airflow) is airflow
        assert current_airflow() is None

    anyio.run(run)
    assert seen == [None, None]


def test_calls_at_once_have_clients_of_their_own() -> None:
    async def run() -> None:
        both = [open_airflow(lambda _: httpx.Response(200)) for _ in range(2)]
        inside = [anyio.Event() for _ in both]

        def look() -> Airflow | None:
            # Both are inside their call by now.
            anyio.from_thread.run(inside[0].wait)
            anyio.from_thread.run(inside[1].wait)
            return current_airflow()

        async def serve(index: int) -> None:
            async def in_call() -> Any:
                inside[index].set()
                return await anyio.to_thread.run_sync(look)

            assert await run_function(in_call, {}, both[index]) is both[index]

        async with anyio.create_task_group() as calls:
            calls.start_soon(serve, 0)
            calls.start_soon(serve, 1)

    anyio.run(run)


@pytest.mark.parametrize("in_thread", [False, True])
def test_each_call_stands_for_itself(in_thread: bool, caplog: pytest.LogCaptureFixture) -> None:
    """A call goes as the caller, without cookies of the call before, to one address, and is not logged."""
    caplog.set_level("INFO")
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        moved = request.url.path.endswith("/moved")
        headers = {"Set-Cookie": "_token=abc; Path=/", **({"Location": "/elsewhere"} if moved else {})}
        return httpx.Response(307 if moved else 200, json={}, headers=headers)

    async def run() -> None:
        airflow = open_airflow(answer)
        options = {"auth": ("other", "user"), "follow_redirects": True}
        get = functools.partial(airflow.get, **options)
        if in_thread:
            sync_get = functools.partial(airflow.for_thread().get, **options)
            get = functools.partial(anyio.to_thread.run_sync, sync_get)
        await get("dags/sales")
        with pytest.raises(ToolError):
            await get("dags/moved")

    anyio.run(run)
    assert [request.url.path.rsplit("/", 1)[1] for request in seen] == ["sales", "moved"]
    assert not any("cookie" in request.headers or "authorization" in request.headers for request in seen)
    assert "sales" not in caplog.text


@pytest.mark.parametrize(
    ("route", "params", "target"),
    [
        ("dags", {"limit": 5, "tags": ["a", "b"]}, b"dags?limit=5&tags=a&tags=b"),
        ("/dags/a%2Fb", None, b"dags/a%2Fb"),
        ("dags?limit=1", None, b"dags?limit=1"),
        ("dags?limit=1", {"offset": 2}, b"dags?offset=2"),
        ("dags/größe x", None, b"dags/gr%C3%B6%C3%9Fe%20x"),
    ],
)
def test_addresses_are_below_the_root(route: str, params: Any, target: bytes) -> None:
    seen: list[bytes] = []

    async def run() -> None:
        airflow = open_airflow(lambda request: seen.append(request.url.raw_path) or httpx.Response(200))
        await airflow.get(route, params=params)
        await anyio.to_thread.run_sync(lambda: airflow.for_thread().get(route, params=params))

    anyio.run(run)
    assert [path.split(b"/api/v2/")[1] for path in seen] == [target, target]


@pytest.mark.parametrize("status", [200, 500])
def test_an_answer_that_breaks_off_is_closed(status: int) -> None:
    closed: list[bool] = []

    class Broken(httpx.AsyncByteStream):
        async def __aiter__(self) -> Any:
            yield b"{"
            raise httpx.ReadError("gone")

        async def aclose(self) -> None:
            closed.append(True)

    async def run() -> None:
        await open_airflow(lambda _: httpx.Response(status, stream=Broken())).get("dags")

    with pytest.raises(httpx.ReadError):
        anyio.run(run)
    assert closed
