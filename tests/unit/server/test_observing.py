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
"""Watchers of calls: told in full, and never a delay."""

from __future__ import annotations

import asyncio
import threading
import time
from types import ModuleType
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field

from airflow_provider_mcp.sdk import Airflow, NotFound, ToolCall, Toolset, hookimpl, tool
from airflow_provider_mcp.server import observing
from airflow_provider_mcp.testing import ToolTester, load_plugin


class Run(BaseModel):
    dag_id: str
    dag_run_id: str


@tool(access="write")
async def find_run(
    dag_id: Annotated[str, Field(description="Dag ID.")],
    dag_run_id: Annotated[str, Field(description="Run ID.")] = "latest",
) -> Run:
    """Find a run."""
    if dag_id == "none":
        raise NotFound("No run.", dag_run_id="r0")
    return Run(dag_id=dag_id, dag_run_id="r1" if dag_run_id == "latest" else dag_run_id)


@tool(access="read")
async def do_nothing(airflow: Airflow) -> Run:
    """Do nothing."""
    return Run(dag_id=airflow.caller.id, dag_run_id="")


def watched(watch: Any) -> ToolTester:
    plugin = ModuleType("acme")
    watch.__name__ = "tool_called"
    plugin.tool_called = hookimpl(watch)  # type: ignore[attr-defined]
    plugin.register_toolsets = hookimpl(register_toolsets)  # type: ignore[attr-defined]
    return load_plugin(plugin)


def register_toolsets() -> list[Toolset]:
    return [Toolset("mood", "How Dags are.", [find_run, do_nothing])]


def test_a_call_is_told_in_full() -> None:
    calls: list[ToolCall] = []

    async def watch(call: ToolCall) -> None:
        await asyncio.sleep(0)
        calls.append(call)

    tester = watched(watch)
    tester.result("find_run", dag_id="a")
    tester.error("find_run", dag_id="none", dag_run_id="latest")
    tester.error("find_run", dag_id=["no text"], color="red")
    assert [(c.tool, c.access, c.user, c.dag_id, c.dag_run_id, c.outcome) for c in calls] == [
        ("find_run", "write", "ada", "a", "r1", "ok"),
        ("find_run", "write", "ada", "none", "r0", "not_found"),
        ("find_run", "write", "ada", None, None, "invalid_argument"),
    ]
    assert all(call.client and call.duration >= 0 for call in calls)


def test_a_watcher_that_hangs_delays_no_call(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(observing, "MOST_WAITING", 2)
    free = threading.Event()

    def watch(call: ToolCall) -> None:
        assert call.tool
        free.wait(10)

    tester = watched(watch)
    monkeypatch.setattr(tester.catalogue.watchers, "settle", lambda: False)
    began = time.monotonic()
    try:
        for _ in range(5):
            tester.result("find_run", dag_id="a")
        assert time.monotonic() - began < 5
        assert "is not told of this call of find_run" in caplog.text
        assert "acme" in caplog.text
    finally:
        free.set()


def test_a_watcher_that_raises_is_logged_and_told_again(caplog: pytest.LogCaptureFixture) -> None:
    calls: list[str] = []

    def watch(call: ToolCall) -> None:
        calls.append(call.tool)
        raise RuntimeError("boom")

    tester = watched(watch)
    tester.result("find_run", dag_id="a")
    tester.result("do_nothing")
    assert calls == ["find_run", "do_nothing"]
    assert caplog.text.count("tool_called failed") == 2
