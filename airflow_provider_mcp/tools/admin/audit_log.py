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
"""The tool that reads the audit log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, get_args

from pydantic import Field

from airflow_provider_mcp.sdk import (
    JSON,
    Airflow,
    Cursor,
    JSONObject,
    Limit,
    Page,
    Time,
    find_close_names,
    tool,
)
from airflow_provider_mcp.tools.shared.arguments import AnyDagId, AnyRunId, TaskState
from airflow_provider_mcp.tools.shared.latest import find_run_filter, read_latest
from airflow_provider_mcp.tools.shared.reads import PAGE, Unread, try_get
from airflow_provider_mcp.tools.shared.rows import pick_instance

_SHOWN = (
    "event_log_id",
    "when",
    "event",
    "acted_by",
    "owner",
    "dag_id",
    "run_id",
    "task_id",
    "map_index",
    "extra",
)


class EventLogs(Page):
    items_field: ClassVar[str] = "event_logs"
    identity: ClassVar[tuple[str, ...]] = ("event_log_id",)
    event_logs: list[JSONObject]
    events: dict[str, int] | None = None
    """How often each event is among the newest 100, where not all are listed."""
    dag_run_id: str | None = None


def _find_actor(row: JSONObject) -> Literal["user", "command_line", "airflow"]:
    """Return who acted. Of a task instance Airflow writes with its try, and with the owner of its Dag."""
    event = str(row.get("event"))
    if event.startswith("cli_"):
        return "command_line"
    if "try_number" in row:
        of_instance = row["try_number"] is not None
    else:
        # Airflow before 2.10 shows no try; what a user does has fields in extra.
        of_instance = event in get_args(TaskState) and not row.get("extra")
    by_airflow = of_instance or " " in event or row.get("owner") in (None, "scheduler")
    return "airflow" if by_airflow else "user"


def _show(airflow: Airflow, row: JSONObject) -> JSONObject:
    extra = airflow.redact(row["extra"]) if isinstance(row.get("extra"), str) else None
    return pick_instance({**row, "acted_by": _find_actor(row), "extra": extra}, *_SHOWN)


async def _count_events(airflow: Airflow, params: Mapping[str, JSON]) -> dict[str, int]:
    """Return how often each event is among the newest that the other filters leave; nothing if unread."""
    query = {name: value for name, value in params.items() if value is not None and name != "event"}
    answer = await try_get(airflow, "eventLogs", {**query, "limit": PAGE})
    rows = [] if isinstance(answer, Unread) else answer["event_logs"]
    return dict(Counter(row["event"] for row in rows).most_common())


def _suggest(event: str, events: Mapping[str, int]) -> str:
    """Say which events there are, in place of one that there is not."""
    close = find_close_names(event, events)
    close = close or [name for name in events if event.lower() in name.lower()]
    meant = f" Did you mean {' or '.join(close[:3])}?" if close else ""
    there = ", ".join(f"{name} ({count})" for name, count in list(events.items())[:20])
    return f"No event `{event}`.{meant} Among the newest {PAGE} there are: {there or 'none'}."


@tool(access="read", search_hint="who did this, who paused this")
async def list_event_logs(
    airflow: Airflow,
    dag_id: AnyDagId = None,
    dag_run_id: AnyRunId = None,
    task_id: Annotated[str | None, Field(description="Task ID.")] = None,
    event: Annotated[str | None, Field(description="Event name, exactly.")] = None,
    owner: Annotated[str | None, Field(description="User name.")] = None,
    after: Time | None = None,
    before: Time | None = None,
    limit: Limit = 25,
    cursor: Cursor = None,
) -> EventLogs:
    """List the audit log, newest first: who did what, who changed, paused, triggered or deleted it.

    owner is who acted where acted_by is user; where it is airflow, the Dag's owner.
    """
    latest = dag_run_id is not None and read_latest(dag_run_id) is not None
    run_id = await find_run_filter(airflow, dag_id, dag_run_id) if latest else dag_run_id
    params = {
        "dag_id": dag_id,
        "run_id": run_id,
        "task_id": task_id,
        "event": event,
        "owner": owner,
        "after": after,
        "before": before,
        "order_by": "-event_log_id",
    }
    rows, total, offset = await EventLogs.fetch(
        airflow, "eventLogs", params=params, limit=limit, cursor=cursor, newest_first=True
    )
    listed = EventLogs.of([_show(airflow, row) for row in rows], total=total, offset=offset)
    listed.dag_run_id = run_id if latest else None
    if event is not None and not total:
        listed.hint = _suggest(event, await _count_events(airflow, params))
    elif event is None and cursor is None and total > len(rows):
        listed.events = await _count_events(airflow, params)
    return listed
