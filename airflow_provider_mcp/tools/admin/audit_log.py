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

from typing import Annotated, ClassVar

from pydantic import Field

from airflow_provider_mcp.sdk import Airflow, Cursor, JSONObject, Limit, Page, Time, tool
from airflow_provider_mcp.tools.shared.arguments import AnyDagId, AnyRunId
from airflow_provider_mcp.tools.shared.latest import LATEST, find_run_filter
from airflow_provider_mcp.tools.shared.rows import pick_instance

_SHOWN = ("event_log_id", "when", "event", "owner", "dag_id", "run_id", "task_id", "map_index", "extra")


class EventLogs(Page):
    items_field: ClassVar[str] = "event_logs"
    identity: ClassVar[tuple[str, ...]] = ("event_log_id",)
    event_logs: list[JSONObject]
    dag_run_id: str | None = None


def _show(airflow: Airflow, row: JSONObject) -> JSONObject:
    extra = row.get("extra")
    return pick_instance({**row, "extra": airflow.redact(extra) if isinstance(extra, str) else None}, *_SHOWN)


@tool(access="read")
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
    """List the audit log, newest first: who did what, who changed, paused, triggered or deleted it."""
    latest = dag_run_id in LATEST
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
    return listed
