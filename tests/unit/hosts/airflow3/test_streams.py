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
"""The way into Airflow 3's app: answers that are read while they are made."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import anyio
import httpx
import pytest

from airflow_provider_mcp.hosts.airflow3 import calls, turns

NDJSON = {"Accept": calls.STREAMED}


def app_of(sent: list[int], count: int, breaks: bool = False) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for number in range(count):
            await send({"type": "http.response.body", "body": b"%d\n" % number, "more_body": True})
            sent.append(number)
        if breaks:
            raise ValueError("broken")
        await send({"type": "http.response.body", "body": b""})

    return app


class App:
    """As much of a Starlette app as calls into it need."""

    user_middleware: ClassVar[list[Any]] = []
    exception_handlers: ClassVar[dict[Any, Any]] = {}

    def __init__(self, serve: Any) -> None:
        self.serve = serve

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.serve(scope, receive, send)


def client(app: Any) -> tuple[httpx.AsyncClient, anyio.Semaphore]:
    inner = calls.InnerApp(App(app))
    return httpx.AsyncClient(
        transport=inner.open_transport("ada", lambda: "Bearer a"), base_url="http://in"
    ), inner.limit


def test_an_answer_is_made_no_faster_than_it_is_read() -> None:
    sent: list[int] = []

    async def run() -> list[str]:
        http, limit = client(app_of(sent, 50))
        seen = []
        async with http.stream("GET", "/x", headers=NDJSON) as answer:
            assert len(sent) <= 1
            async for line in answer.aiter_lines():
                seen.append(line)
                assert len(sent) <= len(seen) + 2
        assert limit.value == turns.NESTED_CALLS
        return seen

    assert anyio.run(run) == [str(number) for number in range(50)]


def test_who_reads_no_further_stops_the_app() -> None:
    sent: list[int] = []

    async def run() -> None:
        http, limit = client(app_of(sent, 50))
        async with http.stream("GET", "/x", headers=NDJSON) as answer:
            async for line in answer.aiter_lines():
                if line == "3":
                    break
        assert limit.value == turns.NESTED_CALLS

    anyio.run(run)
    assert len(sent) < 10


def test_an_answer_that_breaks_off_is_an_error() -> None:
    async def run() -> None:
        http, _ = client(app_of([], 3, breaks=True))
        async with http.stream("GET", "/x", headers=NDJSON) as answer:
            await answer.aread()

    with pytest.raises(httpx.ReadError):
        anyio.run(run)


def test_an_app_that_does_not_answer_is_an_error() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise ValueError("broken")

    async def run() -> None:
        http, _ = client(app)
        await http.get("/x", headers=NDJSON)

    with pytest.raises(httpx.ReadError):
        anyio.run(run)


def test_blocked_calls_of_one_user_hold_up_nobody_else() -> None:
    async def run() -> tuple[int, str]:
        free = anyio.Event()
        blocked: list[str] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            if scope["path"] == "/blocked":
                blocked.append(scope["path"])
                await free.wait()
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"done"})

        inner = calls.InnerApp(App(app))

        def open_for(user: str) -> httpx.AsyncClient:
            transport = inner.open_transport(user, lambda: "Bearer a")
            return httpx.AsyncClient(transport=transport, base_url="http://in")

        async with anyio.create_task_group() as group:
            for _ in range(2 * turns.NESTED_CALLS):
                # Each request opens a client of its own.
                group.start_soon(open_for("ada").get, "/blocked")
            await anyio.sleep(0.05)
            with anyio.fail_after(5):
                answer = await open_for("bob").get("/x")
            waiting = len(blocked)
            free.set()
        assert len(blocked) == 2 * turns.NESTED_CALLS
        assert inner.limit.value == turns.NESTED_CALLS
        return waiting, answer.text

    assert anyio.run(run) == (turns.NESTED_CALLS_A_USER, "done")


def test_other_answers_come_whole() -> None:
    async def run() -> str:
        http, _ = client(app_of([], 3))
        return (await http.get("/x")).text

    assert anyio.run(run) == "0\n1\n2\n"


def test_a_call_that_nobody_waits_for_ends_by_itself_and_keeps_its_turn_until_then() -> None:
    async def run() -> None:
        free = anyio.Event()
        ended: list[str] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            try:
                await free.wait()
            except BaseException as failure:
                ended.append(type(failure).__name__)
                raise
            ended.append("by itself")
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b""})

        http, limit = client(app)
        asked = asyncio.ensure_future(http.get("/x"))
        await anyio.wait_all_tasks_blocked()
        asked.cancel()
        await asyncio.wait([asked])
        assert asked.cancelled()
        assert (ended, limit.value) == ([], turns.NESTED_CALLS - 1)
        free.set()
        await anyio.wait_all_tasks_blocked()
        assert (ended, limit.value) == (["by itself"], turns.NESTED_CALLS)

    anyio.run(run)
