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

import json
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from airflow_provider_mcp.endpoint.door import Reply
from airflow_provider_mcp.sdk.errors import ToolError
from airflow_provider_mcp.sdk.json_types import JSONObject
from airflow_provider_mcp.server.request import Request
from airflow_provider_mcp.tools.shared.rows import TOOL_CALL_EVENT
from airflow_provider_mcp.web.host import PageHost
from airflow_provider_mcp.web.rendering import render

MOST_CALLS = 100

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
    query: dict[str, str | int] = {"event": TOOL_CALL_EVENT, "order_by": "-event_log_id", "limit": MOST_CALLS}
    calls: list[Call] = []
    total, refused = 0, ""
    try:
        answer = (await request.reads().get("eventLogs", params=query)).json()
        calls = [read_call(row) for row in answer["event_logs"]]
        total = answer["total_entries"]
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


def read_call(row: JSONObject) -> Call:
    """Return what a row of the audit log tells."""
    try:
        extra = json.loads(row.get("extra") or "{}")
    except ValueError:
        extra = {}
    if not isinstance(extra, dict):
        extra = {}
    duration = extra.get("duration")
    return Call(
        when=str(row.get("when") or "").replace("T", " ")[:19],
        user=str(row.get("owner") or ""),
        client=str(extra.get("client") or ""),
        tool=str(extra.get("tool") or ""),
        dag=str(row.get("dag_id") or ""),
        run=str(row.get("run_id") or ""),
        outcome=str(extra.get("outcome") or ""),
        seconds=float(duration) if isinstance(duration, (int, float)) else 0.0,
    )


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
