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
"""Vetoes: what hides a tool, and that a plugin that hangs or blocks stops its caller alone."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import anyio
import pytest

from airflow_provider_mcp.sdk import hookimpl
from airflow_provider_mcp.sdk.airflow import Caller
from airflow_provider_mcp.server import vetoes
from airflow_provider_mcp.server.catalogue import load_catalogue
from airflow_provider_mcp.server.plugins import Plugins
from airflow_provider_mcp.server.vetoes import drop_vetoed

TOOLS = [load_catalogue("3.3.2", found=[]).tools[name] for name in ("list_dags", "get_dag")]
ADA, BOB = Caller("1", "ada"), Caller("2", "bob")


class Plugin:
    def __init__(self, allow: Any) -> None:
        self._allow = allow

    @hookimpl
    def tool_allowed(self, tool: Any, user: Any) -> Any:
        return self._allow(tool, user)


def load(*plugins: Plugin) -> Plugins:
    loaded = Plugins()
    for number, plugin in enumerate(plugins):
        loaded._add(f"plugin{number}", plugin, lambda owner, message: pytest.fail(f"{owner}: {message}"))
    return loaded


def names(plugins: Plugins, user: Caller) -> list[str]:
    return [tool.name for tool in anyio.run(drop_vetoed, plugins, TOOLS, user)]


def never(tool: Any, user: Any) -> bool:
    return bool(tool.name != "list_dags" or user.name == "ada")


def fails(tool: Any, user: Any) -> bool:
    raise RuntimeError(f"{tool} {user}")


def test_a_veto_hides_and_a_failing_veto_counts() -> None:
    one = load(Plugin(never))
    assert names(one, ADA) == ["list_dags", "get_dag"]
    assert names(one, BOB) == ["get_dag"]
    assert names(load(Plugin(never), Plugin(fails)), ADA) == []
    assert names(load(), BOB) == ["list_dags", "get_dag"]


def test_who_blocks_is_taken_for_a_veto_and_stops_no_other(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(vetoes, "VETO_SECONDS", 0.3)
    plugins = load(Plugin(lambda *_: time.sleep(3)))
    longest = 0.0

    async def watch() -> None:
        nonlocal longest
        while True:
            began = time.monotonic()
            await asyncio.sleep(0.01)
            longest = max(longest, time.monotonic() - began)

    async def run() -> list[Any]:
        watching = asyncio.ensure_future(watch())
        try:
            return await drop_vetoed(plugins, TOOLS, ADA)
        finally:
            watching.cancel()

    assert anyio.run(run) == []
    assert longest < 2
    assert "tool_allowed of the MCP plugin plugin0" in caplog.text


def test_an_answer_that_is_no_veto_and_a_plugin_that_is_asked_about_nothing() -> None:
    asked: list[str] = []

    def note(tool: Any, user: Any) -> None:
        asked.append(tool.name)

    assert names(load(Plugin(note)), BOB) == asked == ["list_dags", "get_dag"]
    # Plugins are asked about what those before them have left, the last one first.
    assert names(load(Plugin(note), Plugin(fails)), BOB) == []


def test_a_veto_holds_a_call_up_for_a_moment_only() -> None:
    assert vetoes.VETO_SECONDS <= 5
