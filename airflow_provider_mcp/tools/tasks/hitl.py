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
"""Tools about tasks that wait for a person."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import Field

from airflow_provider_mcp.sdk import (
    Airflow,
    Cursor,
    InvalidArgument,
    Limit,
    Page,
    Result,
    ToolError,
    fetch_page,
    path,
    tool,
)
from airflow_provider_mcp.tools.shared.arguments import (
    DagId,
    MapIndex,
    RunId,
    TaskId,
    page_template,
    present,
)


class Hitls(Page):
    items_field: ClassVar[str] = "hitl"
    hitl: list[dict[str, Any]]
    ui_url: str


@tool(access="read", since="3.1")
async def list_hitl(
    airflow: Airflow,
    dag_id: Annotated[str | None, Field(description="Dag ID; all if left out.")] = None,
    dag_run_id: Annotated[str | None, Field(description="Dag run ID; all if left out.")] = None,
    limit: Limit = 25,
    cursor: Cursor = None,
) -> Hitls:
    """List task instances that wait for a human's answer."""
    if dag_run_id is not None and dag_id is None:
        raise InvalidArgument("dag_run_id needs dag_id.", hint="Give dag_id too.")
    rows, total, offset = await fetch_page(
        airflow,
        path("dags/{}/dagRuns/{}/hitlDetails", dag_id or "~", dag_run_id or "~"),
        "hitl_details",
        params={"response_received": "false", "order_by": "-created_at"},
        limit=limit,
        cursor=cursor,
        newest_first=True,
    )
    shown = []
    for row in rows:
        asked = present(row["task_instance"], "dag_id", "dag_run_id", "task_id", "map_index")
        if asked.get("map_index") == -1:
            del asked["map_index"]
        asked |= present(row, "subject", "body", "options", "multiple", "defaults", "created_at")
        shown.append({**asked, **({"params": airflow.redact(row["params"])} if row.get("params") else {})})
    template = page_template(airflow, "task")
    return Hitls.of(shown, total=total, offset=offset, ui_url=template)


class HitlAnswer(Result):
    dag_id: str
    dag_run_id: str
    task_id: str
    chosen_options: list[str]
    responded_at: str | None = None
    ui_url: str


@tool(access="write", since="3.1")
async def respond_to_hitl(
    airflow: Airflow,
    dag_id: DagId,
    dag_run_id: RunId,
    task_id: TaskId,
    chosen_options: Annotated[list[str], Field(min_length=1, description="Of its options.")],
    map_index: MapIndex = -1,
    params_input: Annotated[dict[str, Any] | None, Field(description="Values for its params.")] = None,
) -> HitlAnswer:
    """Answer a task that waits for a human, once."""
    route = path("dags/{}/dagRuns/{}/taskInstances/{}/{}/hitlDetails", dag_id, dag_run_id, task_id, map_index)
    body = {"chosen_options": chosen_options, "params_input": params_input or {}}
    try:
        answer = (await airflow.patch(route, json=body)).json()
    except ToolError as refused:
        if refused.code == "conflict":
            refused.hint = "It was answered before; get_task_instance shows how the task went on."
        raise
    return HitlAnswer(
        dag_id=dag_id,
        dag_run_id=dag_run_id,
        task_id=task_id,
        chosen_options=answer["chosen_options"],
        responded_at=answer.get("responded_at"),
        ui_url=airflow.page_url(dag_id, dag_run_id, task_id, map_index),
    )
