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
"""The page of the newest calls, from Airflow's audit log, as far as the user may read it."""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from urllib.parse import quote

from airflow_provider_mcp.endpoint.door import Reply
from airflow_provider_mcp.sdk.airflow import Airflow
from airflow_provider_mcp.sdk.errors import ToolError
from airflow_provider_mcp.sdk.json_types import JSONObject
from airflow_provider_mcp.server.request import Request
from airflow_provider_mcp.tools.shared.rows import TOOL_CALL_EVENT
from airflow_provider_mcp.web.host import PageHost
from airflow_provider_mcp.web.rendering import render

MOST_CALLS = 1000

READ_AT_ONCE = 4
"""Pages of the audit log: Airflow gives a hundred rows at once, if it is not told otherwise."""

MOST_BARS = 15

BAR_WIDTH = 240


@dataclass(frozen=True)
class Call:
    """One call, as its row of the audit log tells it."""

    when: str
    user: str
    client: str
    tool: str
    dag: str
    run: str
    outcome: str
    seconds: float
    duration: str
    """The seconds, as they are shown."""
    query: str
    """By which the page about the run finds it; empty if there is none."""


@dataclass(frozen=True)
class Bar:
    """How often a tool was called, and how long that took."""

    tool: str
    calls: int
    failed: int
    median: float
    longest: float
    width: int


async def show_calls(host: PageHost, request: Request) -> Reply:
    """Return the page."""
    calls: list[Call] = []
    total, refused = 0, ""
    try:
        rows, total = await read_rows(request.reads())
        calls = [read_call(row) for row in rows]
    except ToolError as failure:
        refused = f"{failure} {failure.hint}".strip()
    return render(
        "calls.html",
        host,
        framed=True,
        here="calls",
        calls=calls,
        total=total,
        refused=refused,
        bars=count_by_tool(calls),
        bar_width=BAR_WIDTH,
    )


async def read_rows(airflow: Airflow) -> tuple[list[JSONObject], int]:
    """Return the newest rows of calls, and how many there are."""
    turns = asyncio.Semaphore(READ_AT_ONCE)

    async def read(offset: int) -> JSONObject:
        query: dict[str, str | int] = {
            "event": TOOL_CALL_EVENT,
            "order_by": "-event_log_id",
            "limit": MOST_CALLS,
            "offset": offset,
        }
        async with turns:
            page: JSONObject = (await airflow.get("eventLogs", params=query)).json()
        return page

    first = await read(0)
    total, size = first["total_entries"], len(first["event_logs"])
    offsets = range(size, min(total, MOST_CALLS), size) if size else ()
    pages = [first, *await asyncio.gather(*map(read, offsets))]
    # What was called meanwhile moves rows to the next page.
    rows = {row["event_log_id"]: row for page in pages for row in page["event_logs"]}
    return [rows[number] for number in sorted(rows, reverse=True)][:MOST_CALLS], total


def read_call(row: JSONObject) -> Call:
    """Return what a row of the audit log tells."""
    try:
        extra = json.loads(row.get("extra") or "{}")
    except ValueError:
        extra = {}
    if not isinstance(extra, dict):
        extra = {}
    duration = extra.get("duration")
    seconds = float(duration) if isinstance(duration, (int, float)) else 0.0
    dag, run = str(row.get("dag_id") or ""), str(row.get("run_id") or "")
    return Call(
        when=str(row.get("when") or "").replace("T", " ")[:19],
        user=str(row.get("owner") or ""),
        client=str(extra.get("client") or ""),
        tool=str(extra.get("tool") or ""),
        dag=dag,
        run=run,
        outcome=str(extra.get("outcome") or ""),
        seconds=seconds,
        duration=f"{seconds:.2f}",
        query=f"dag_id={_quote(dag)}&dag_run_id={_quote(run)}" if dag and run else "",
    )


@functools.lru_cache(maxsize=4096)
def _quote(name: str) -> str:
    # Many calls are about the same Dag.
    return quote(name, safe="")


def count_by_tool(calls: Sequence[Call]) -> list[Bar]:
    """Return the tools that were called most."""
    by_tool: dict[str, list[Call]] = {}
    for call in calls:
        by_tool.setdefault(call.tool, []).append(call)
    most = max(map(len, by_tool.values()), default=1)
    bars = [
        Bar(
            tool=tool,
            calls=len(its),
            failed=sum(call.outcome != "ok" for call in its),
            median=median(call.seconds for call in its),
            longest=max(call.seconds for call in its),
            width=max(2, round(BAR_WIDTH * len(its) / most)),
        )
        for tool, its in by_tool.items()
    ]
    return sorted(bars, key=lambda bar: (-bar.calls, bar.tool))[:MOST_BARS]
