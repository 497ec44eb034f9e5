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
"""When the limiting connection is read, and what holds while it cannot be."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import anyio
import pytest

from airflow_provider_mcp.server import policy_source
from airflow_provider_mcp.server.policy import Policy
from airflow_provider_mcp.server.policy_source import ConnectionUnreadable, PolicySource

UNREAD = "the connection mcp_default has not been read yet"


def test_before_the_first_read_only_reading_is_allowed() -> None:
    go_on = threading.Event()
    source = PolicySource(lambda _: go_on.wait(5) and None, Policy(toolsets=frozenset({"dags"})))
    assert source.current() == Policy(read_only=True, toolsets=frozenset({"dags"}), problem=UNREAD)
    go_on.set()
    assert anyio.run(source.fresh) == Policy(toolsets=frozenset({"dags"}))


def test_making_a_source_reads_nothing() -> None:
    reads: list[str] = []
    source = PolicySource(lambda conn_id: reads.append(conn_id), Policy(conn_id="c"))  # type: ignore[func-returns-value]
    assert source.options == Policy(conn_id="c")
    assert source.conn_id == "c"
    assert reads == []


def test_the_connection_is_read_again_only_when_stale() -> None:
    reads: list[str] = []

    def read(conn_id: str) -> None:
        reads.append(conn_id)

    source = PolicySource(read, Policy())
    anyio.run(source.fresh)
    anyio.run(source.fresh)
    anyio.run(source.fresh)
    assert reads == ["mcp_default"]


def test_a_change_shows_after_thirty_seconds_at_most(monkeypatch: Any) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    extra: dict[str, Any] | None = {"read_only": True}
    source = PolicySource(lambda _: extra, Policy())
    assert anyio.run(source.fresh).read_only
    extra = None
    now += 29
    assert anyio.run(source.fresh).read_only
    now += 1
    assert not anyio.run(source.fresh).read_only


def test_a_connection_that_cannot_be_read_never_widens(monkeypatch: Any) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    said: Any = ConnectionUnreadable("down")

    def read(_: str) -> Any:
        if isinstance(said, Exception):
            raise said
        return said

    source = PolicySource(read, Policy())
    assert anyio.run(source.fresh).read_only
    assert anyio.run(source.fresh).problem == "down"
    said, now = {"disabled_tools": "get_dag"}, now + 31
    assert anyio.run(source.fresh) == Policy(disabled_tools=frozenset({"get_dag"}))
    said, now = ConnectionUnreadable("down"), now + 31
    assert anyio.run(source.fresh) == Policy(disabled_tools=frozenset({"get_dag"}), problem="down")


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[PolicySource, Callable[[], None], list[str]]]:
    """Give a source whose backend hangs, the way to let it go on, and the list of its reads."""
    monkeypatch.setattr(policy_source, "PATIENCE_SECONDS", 0.05)
    monkeypatch.setattr(policy_source, "READING_SECONDS", 0.15)
    go_on, reads = threading.Event(), []

    def read(conn_id: str) -> dict[str, Any]:
        reads.append(conn_id)
        go_on.wait(10)
        return {"disabled_tools": "get_dag"}

    yield PolicySource(read, Policy()), go_on.set, reads
    go_on.set()


def test_a_backend_that_hangs_holds_nobody_up(slow: Any) -> None:
    source, go_on, reads = slow
    assert anyio.run(source.fresh).problem == UNREAD

    async def many() -> list[Policy]:
        return [await source.fresh() for _ in range(200)]

    # Whoever comes later than that first moment does not wait at all, and starts no reader.
    began = time.monotonic()
    assert {policy.read_only for policy in anyio.run(many)} == {True}
    assert time.monotonic() - began < 5
    assert reads == ["mcp_default"]
    time.sleep(0.15)
    assert source.current().problem == "the connection mcp_default could not be read in 0.15 s"
    go_on()
    source._reader.join(5)
    assert source.current() == Policy(disabled_tools=frozenset({"get_dag"}))


def test_one_who_gives_up_waiting_does_not_stop_the_others(slow: Any) -> None:
    source, go_on, _ = slow

    async def impatient() -> None:
        with anyio.move_on_after(0.01):
            await source.fresh()

    anyio.run(impatient)
    go_on()
    assert anyio.run(source.fresh) == Policy(disabled_tools=frozenset({"get_dag"}))


def test_a_problem_is_logged_once_and_again_when_it_comes_back(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    extra: dict[str, Any] = {"readonly": True}
    source = PolicySource(lambda _: extra, Policy())
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            assert source.read().read_only
        assert len(caplog.records) == 1
        assert "readonly is no option (did you mean read_only?)" in caplog.text
        extra = {}
        assert source.read() == Policy()
        extra = {"readonly": True}
        source.read()
    assert len(caplog.records) == 2


def test_the_files_own_problem_is_logged_when_serving_begins(caplog: pytest.LogCaptureFixture) -> None:
    source = PolicySource(lambda _: None, Policy().closed("[mcp] is malformed: x"))
    assert "[mcp] is malformed: x" in caplog.text
    assert source.read().read_only


@pytest.mark.parametrize(
    ("failure", "problem"),
    [
        (ValueError("the extra is no JSON"), "the connection mcp_default is malformed: the extra is no JSON"),
        (RuntimeError("anything"), "the connection mcp_default could not be read: RuntimeError"),
        (ConnectionUnreadable("the backend is down"), "the backend is down"),
    ],
)
def test_whatever_goes_wrong_closes_and_is_logged(
    failure: Exception, problem: str, caplog: pytest.LogCaptureFixture
) -> None:
    def read(_: str) -> None:
        raise failure

    policy = PolicySource(read, Policy()).read()
    assert policy.read_only
    assert policy.problem == problem
    assert f"MCP: {problem}" in [record.getMessage() for record in caplog.records]
    # Where the failure is nobody's we know, the log has its traceback.
    assert ("Traceback" in caplog.text) == isinstance(failure, RuntimeError)


def test_a_connection_that_is_in_order_leaves_nothing_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    assert PolicySource(lambda _: {"read_only": True}, Policy()).read() == Policy(read_only=True)
    assert caplog.records == []


def test_a_backend_that_is_down_is_not_asked_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    reads: list[str] = []

    def read(conn_id: str) -> None:
        reads.append(conn_id)
        raise ConnectionUnreadable("down")

    source = PolicySource(read, Policy())
    for later, count in ((0, 1), (29, 1), (1, 2)):
        now += later
        assert anyio.run(source.fresh).problem == "down"
        source._reader.join(5)  # type: ignore[union-attr]
        assert len(reads) == count


def test_a_reader_that_takes_too_long_is_told_as_soon_as_its_time_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    go_on, reads = threading.Event(), []

    def read(conn_id: str) -> None:
        reads.append(conn_id)
        if len(reads) == 1:
            go_on.wait(10)

    source = PolicySource(read, Policy())
    assert source.current().problem == UNREAD
    now += policy_source.READING_SECONDS - 0.1
    assert source.current().problem == UNREAD
    now = 1000.0 + policy_source.READING_SECONDS
    assert source.current().problem == "the connection mcp_default could not be read in 10 s"
    # What was read meanwhile stands.
    now += 1
    assert source.read() == source.current() == Policy()
    assert source._reader is not None
    # A process that stops does not wait for it.
    assert source._reader.daemon
    go_on.set()
    source._reader.join(5)


def test_a_reader_that_has_read_is_not_waited_for_though_its_thread_lives_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    source = PolicySource(lambda _: None, Policy())
    assert anyio.run(source.fresh) == Policy()
    source._reader = threading.current_thread()
    now += 31
    assert anyio.run(source.fresh) == Policy()
    assert source._reader is not threading.current_thread()


def test_a_forked_process_has_a_reader_of_its_own() -> None:
    source = PolicySource(lambda _: None, Policy())
    dead = threading.Thread(target=lambda: None)
    dead.start()
    dead.join()
    source._reader = dead
    assert anyio.run(source.fresh) == Policy()


def test_nobody_waits_long_and_a_reader_ends_before_the_next_one_is_due() -> None:
    assert policy_source.PATIENCE_SECONDS <= 1
    assert policy_source.READING_SECONDS <= 10 < policy_source.CONNECTION_SECONDS


def test_names_that_there_are_not_are_kept_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    source = PolicySource(
        lambda _: {"toolsets": "taks"}, Policy(), lambda p: [f"no {sorted(p.toolsets or ())}"]
    )
    policy = source.read()
    assert policy.unknown_names == ("no ['taks']",)
    assert not policy.read_only
    assert "no ['taks']" in caplog.text
