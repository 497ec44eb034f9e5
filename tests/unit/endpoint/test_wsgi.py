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
"""How Airflow 2's synchronous workers drive an exchange."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable

import pytest

from airflow_provider_mcp.endpoint import wsgi
from airflow_provider_mcp.endpoint.door import Reply
from airflow_provider_mcp.endpoint.wsgi import Exchange, is_gone

Work = Callable[[Exchange], Awaitable[Reply | None]]


@pytest.fixture
def loop() -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop()


def stays() -> bool:
    """Say that the client is there."""
    return False


def test_an_answer_without_events(loop: asyncio.AbstractEventLoop) -> None:
    given_back: list[asyncio.AbstractEventLoop] = []
    exchange = Exchange(loop, given_back.append, stays)

    async def work() -> Reply:
        await asyncio.sleep(0)
        return Reply(200, b"{}")

    assert exchange.begin(work()) == Reply(200, b"{}")
    assert given_back == [loop]


def test_events_come_one_by_one(loop: asyncio.AbstractEventLoop) -> None:
    given_back: list[asyncio.AbstractEventLoop] = []
    exchange = Exchange(loop, given_back.append, stays)
    said: list[str] = []

    async def work() -> None:
        for event in (b"one", b"two"):
            said.append(event.decode())
            await exchange.emit(event)
            await asyncio.sleep(0.01)

    assert exchange.begin(work()) is None
    assert next(exchange) == b"one"
    assert said == ["one"]
    assert list(exchange) == [b"two"]
    exchange.close()
    assert given_back == [loop]


@pytest.mark.parametrize("read", [0, 1])
def test_closing_stops_the_work(loop: asyncio.AbstractEventLoop, read: int) -> None:
    given_back: list[asyncio.AbstractEventLoop] = []
    exchange = Exchange(loop, given_back.append, stays)
    ended: list[str] = []

    async def work() -> None:
        try:
            await exchange.emit(b"one")
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ended.append("stopped")
            raise

    assert exchange.begin(work()) is None
    for _ in range(read):
        next(exchange)
    exchange.close()
    assert ended == ["stopped"]
    assert given_back == [loop]


def test_a_fault_is_raised_and_the_loop_is_given_back(loop: asyncio.AbstractEventLoop) -> None:
    given_back: list[asyncio.AbstractEventLoop] = []
    exchange = Exchange(loop, given_back.append, stays)

    async def work() -> None:
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        exchange.begin(work())
    assert given_back == [loop]


@pytest.mark.parametrize("key", ["gunicorn.socket", "werkzeug.socket"])
@pytest.mark.parametrize("unread", [b"", b"a pipelined request"])
def test_a_closed_connection_is_seen(key: str, unread: bytes) -> None:
    ours, theirs = socket.socketpair()
    with ours:
        theirs.sendall(unread)
        assert not is_gone({key: ours})
        theirs.close()
        assert is_gone({key: ours})
        # Nothing was taken from the server.
        assert ours.recv(100) == unread


def test_where_nothing_tells_the_client_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not is_gone({})
    ours, theirs = socket.socketpair()
    theirs.close()
    monkeypatch.delattr("select.POLLRDHUP")
    with ours:
        assert not is_gone({"gunicorn.socket": ours})


@pytest.mark.parametrize("events", [0, 1])
def test_a_client_that_goes_away_stops_the_work(
    loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch, events: int
) -> None:
    monkeypatch.setattr(wsgi, "LOOK_SECONDS", 0.05)
    ours, theirs = socket.socketpair()
    given_back: list[asyncio.AbstractEventLoop] = []
    exchange = Exchange(loop, given_back.append, lambda: is_gone({"gunicorn.socket": ours}))
    ended: list[str] = []

    async def work() -> None:
        for _ in range(events):
            await exchange.emit(b"one")
        loop.call_later(0.2, theirs.close)
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ended.append("stopped")
            raise

    began = time.monotonic()
    reply = exchange.begin(work())
    if events:
        assert reply is None
        assert list(exchange) == [b"one"]
        exchange.close()
    else:
        assert reply == Reply(wsgi.CLIENT_GONE)
    assert ended == ["stopped"]
    assert given_back == [loop]
    assert time.monotonic() - began < 10
    ours.close()


def test_a_fast_call_does_not_look(loop: asyncio.AbstractEventLoop) -> None:
    looked: list[bool] = []

    def is_gone() -> bool:
        looked.append(True)
        return True

    async def work() -> Reply:
        await asyncio.sleep(0.01)
        return Reply(200)

    assert Exchange(loop, lambda loop: None, is_gone).begin(work()) == Reply(200)
    assert looked == []
