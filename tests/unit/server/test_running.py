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
"""Tools that block, hang or end the process: they hurt their caller alone, and that one not for long."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import anyio
import pytest

from airflow_provider_mcp.sdk import Airflow, AirflowSync, Content, tool
from airflow_provider_mcp.server import running
from airflow_provider_mcp.testing import ToolTester, load_plugin

FREE = threading.Event()
"""Ends what hangs, when a test is over."""

REACHED: list[str] = []


@tool(access="read")
def wait_in_a_thread() -> Content:
    """Block in a plain function."""
    FREE.wait(20)
    return Content(["late"])


@tool(access="read")
async def block_the_loop() -> Content:
    """Block in an async function."""
    FREE.wait(20)
    return Content(["late"])


@tool(access="read")
async def swallow_cancellation() -> Content:
    """Go on, whoever wants it to stop."""
    while not FREE.is_set():
        try:
            await asyncio.sleep(0.05)
        except asyncio.CancelledError:
            continue
    return Content(["late"])


@tool(access="read")
async def go_on_with_airflow(airflow: Airflow) -> Content:
    """Go on, and reach for Airflow."""
    try:
        await asyncio.sleep(20)
    except asyncio.CancelledError:
        try:
            await airflow.get("dags/a")
            REACHED.append("Airflow")
        except running.CallIsOver:
            REACHED.append("nothing")
    return Content(["late"])


@tool(access="read")
async def raise_it(kind: str) -> Content:
    """Raise what ends processes."""
    raise KINDS[kind]


@tool(access="read")
def raise_it_in_a_thread(kind: str) -> Content:
    """Raise what ends processes."""
    raise KINDS[kind]


@tool(access="read")
async def get_a_dag(airflow: Airflow) -> Content:
    """Reach for Airflow."""
    return Content([(await airflow.get("dags/a")).json()["dag_id"]])


@tool(access="read")
def get_a_dag_in_a_thread(airflow: AirflowSync) -> Content:
    """Reach for Airflow."""
    return Content([airflow.get("dags/a").json()["dag_id"]])


KINDS: dict[str, BaseException] = {
    "exit": SystemExit(3),
    "interrupt": KeyboardInterrupt(),
    "cancelled": asyncio.CancelledError(),
    "base": BaseException("bare"),
}
HANGING = [wait_in_a_thread, block_the_loop, swallow_cancellation]
TOOLS = [*HANGING, go_on_with_airflow, raise_it, raise_it_in_a_thread, get_a_dag, get_a_dag_in_a_thread]


@pytest.fixture
def tester(monkeypatch: pytest.MonkeyPatch) -> Any:
    FREE.clear()
    REACHED.clear()
    monkeypatch.setattr(running, "CALL_SECONDS", 0.3)
    monkeypatch.setattr(running, "STOP_SECONDS", 0.1)
    loaded = load_plugin(TOOLS)
    loaded.recording.reply("GET dags/a", {"dag_id": "a"})
    yield loaded
    FREE.set()


@pytest.mark.parametrize("name", [function.__name__ for function in HANGING])
def test_what_hangs_is_answered_and_its_owner_named(
    tester: ToolTester, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    began = time.monotonic()
    error = tester.error(name)
    assert (error["code"], error["retryable"]) == ("unavailable", True)
    assert time.monotonic() - began < 10
    assert f"{name} of the MCP plugin under_test does not stop" in caplog.text


@pytest.mark.parametrize("name", [function.__name__ for function in HANGING])
def test_other_callers_are_served_meanwhile(
    tester: ToolTester, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(running, "CALL_SECONDS", 10)

    async def call_both() -> list[str]:
        finished: list[str] = []

        async def call(tool_name: str) -> None:
            async with tester.connect() as client:
                await client.call_tool(tool_name, {})
                finished.append(tool_name)

        async with anyio.create_task_group() as group:
            group.start_soon(call, name)
            await anyio.sleep(0.1)
            await call("get_a_dag")
            FREE.set()
        return finished

    assert anyio.run(call_both) == ["get_a_dag", name]


def test_a_call_that_is_over_does_not_reach_airflow(tester: ToolTester) -> None:
    assert tester.error("go_on_with_airflow")["code"] == "unavailable"
    until = time.monotonic() + 5
    while not REACHED and time.monotonic() < until:
        time.sleep(0.02)
    assert REACHED == ["nothing"]
    assert tester.recording.calls == []


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("name", ["raise_it", "raise_it_in_a_thread"])
def test_what_would_end_the_process_is_a_tool_error(
    tester: ToolTester, monkeypatch: pytest.MonkeyPatch, name: str, kind: str
) -> None:
    monkeypatch.setattr(running, "CALL_SECONDS", 10)
    error = tester.error(name, kind=kind)
    assert error["code"] == "internal"
    assert name in error["message"]


@pytest.mark.parametrize("name", ["get_a_dag", "get_a_dag_in_a_thread"])
def test_code_of_another_package_reaches_airflow_from_its_thread(
    tester: ToolTester, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(running, "CALL_SECONDS", 10)
    answer = tester.call(name)
    (text,) = [block.text for block in answer.content if block.type == "text"]
    assert text.split("\n")[2] == "a"
    assert [call.route for call in tester.recording.calls] == ["dags/a"]
