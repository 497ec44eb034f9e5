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

from typing import Annotated, Any, ClassVar

from pydantic import Field

from airflow_provider_mcp.sdk import (
    Airflow,
    Cursor,
    Limit,
    Page,
    fetch_page,
    tool,
)
from airflow_provider_mcp.tools.admin.reading import _filled
from airflow_provider_mcp.tools.shared.arguments import Time


class EventLogs(Page):
    items_field: ClassVar[str] = "event_logs"
    event_logs: list[dict[str, Any]]


def _event_log(airflow: Airflow, row: dict[str, Any]) -> dict[str, Any]:
    index = row.get("map_index")
    extra = row.get("extra")
    return _filled(
        {
            **{key: row.get(key) for key in ("event_log_id", "when", "event", "owner")},
            **{key: row.get(key) for key in ("dag_id", "run_id", "task_id")},
            "map_index": index if isinstance(index, int) and index >= 0 else None,
            "extra": airflow.redact(extra) if isinstance(extra, str) else None,
        }
    )


@tool(access="read")
async def list_event_logs(
    airflow: Airflow,
    dag_id: Annotated[str | None, Field(description="Dag ID.")] = None,
    dag_run_id: Annotated[str | None, Field(description="Dag run ID.")] = None,
    task_id: Annotated[str | None, Field(description="Task ID.")] = None,
    event: Annotated[str | None, Field(description="Event name, exactly.")] = None,
    owner: Annotated[str | None, Field(description="User name.")] = None,
    after: Time = None,
    before: Time = None,
    limit: Limit = 25,
    cursor: Cursor = None,
) -> EventLogs:
    """List the audit log, newest first: who did what."""
    params = {
        "dag_id": dag_id,
        "run_id": dag_run_id,
        "task_id": task_id,
        "event": event,
        "owner": owner,
        "after": after,
        "before": before,
        "order_by": "-event_log_id",
    }
    rows, total, offset = await fetch_page(
        airflow, "eventLogs", "event_logs", params=params, limit=limit, cursor=cursor, newest_first=True
    )
    return EventLogs.of([_event_log(airflow, row) for row in rows], total=total, offset=offset)
