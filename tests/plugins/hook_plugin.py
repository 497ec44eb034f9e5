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
"""A provider whose tools reach Airflow by ``AirflowMCPHook``, as its operators do."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Annotated

import anyio.to_thread
from airflow.providers.mcp.hooks.airflow_mcp import AirflowMCPHook
from pydantic import BaseModel, Field

from airflow_provider_mcp.sdk import ToolError, Toolset, hookimpl, tool

ConnId = Annotated[str, Field(description="An airflow_mcp connection.")]
Rounds = Annotated[int, Field(description="How often to look.")]


class Seen(BaseModel):
    """What one call saw: who its client is for, what Airflow said to it, and the hook's own test."""

    callers: list[str]
    answers: list[str]
    version: str
    tested: bool


def look(conn_id: str, rounds: int) -> Seen:
    """Ask for what an admin may list and a viewer may not, each time by a client of its own."""
    hook = AirflowMCPHook(conn_id)
    callers, answers = [], []
    for _ in range(rounds):
        with hook.get_conn() as client:
            callers.append(getattr(client, "caller").name)  # noqa: B009 - httpx.Client has none
            try:
                answers.append(str(client.get("connections", params={"limit": 1}).status_code))
            except ToolError as refused:
                answers.append(refused.code)
    worked, _ = hook.test_connection()
    return Seen(callers=callers, answers=answers, version=hook.get_airflow_version(), tested=worked)


@tool(access="read")
def look_in_a_thread(conn_id: ConnId, rounds: Rounds) -> Seen:
    """Look by the hook in a plain tool."""
    return look(conn_id, rounds)


@tool(access="read")
async def look_from_the_loop(conn_id: ConnId, rounds: Rounds) -> Seen:
    """Look by the hook in an async tool that starts a worker thread."""
    return await anyio.to_thread.run_sync(look, conn_id, rounds)


@tool(access="read")
async def look_on_the_loop(conn_id: ConnId, rounds: Rounds) -> Seen:
    """Look by the hook where nothing may wait."""
    try:
        return look(conn_id, rounds)
    except ValueError as refused:
        raise ToolError("unsupported", str(refused)) from None


@tool(access="read")
def look_elsewhere(conn_id: ConnId, rounds: Rounds) -> Seen:
    """Look by the hook in a thread that is not the server's, with and without the call's context."""
    faults = []
    with ThreadPoolExecutor(1) as executor:
        for run in (look, copy_context().run):
            asked = (conn_id, rounds) if run is look else (look, conn_id, rounds)
            try:
                executor.submit(run, *asked).result()
            except ValueError as refused:
                faults.append(str(refused))
    raise ToolError("unsupported", " / ".join(faults))


@hookimpl
def register_toolsets() -> list[Toolset]:
    tools = [look_in_a_thread, look_from_the_loop, look_on_the_loop, look_elsewhere]
    return [Toolset("by_hook", "What the hook reaches.", tools)]
