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

from typing import Annotated, ClassVar

from pydantic import Field

from airflow_provider_mcp.sdk import (
    Airflow,
    Conflict,
    Cursor,
    JSONObject,
    Limit,
    Page,
    PermissionDenied,
    Result,
    ToolError,
    path,
    tool,
)
from airflow_provider_mcp.tools.shared.arguments import (
    AnyDagId,
    AnyRunId,
    DagId,
    Iteration,
    MapIndex,
    RegionId,
    RegionIndex,
    RunId,
    TaskId,
)
from airflow_provider_mcp.tools.shared.latest import find_run_filter, refuse_latest
from airflow_provider_mcp.tools.shared.regions import find_region
from airflow_provider_mcp.tools.shared.rows import drop_empty, page_template, pick, pick_instance

_QUESTION = ("subject", "body", "options", "multiple", "defaults", "created_at")


_INSTANCE = ("dag_id", "dag_run_id", "task_id", "map_index", "region_id", "region_index", "loop_iteration")


class Hitls(Page):
    items_field: ClassVar[str] = "hitl"
    identity: ClassVar[tuple[str, ...]] = ()
    hitl: list[JSONObject]
    dag_run_id: str | None = None
    ui_url: str


class HitlAnswer(Result):
    dag_id: str
    dag_run_id: str
    task_id: str
    chosen_options: list[str]
    responded_at: str | None = None
    ui_url: str


def _name_assigned(row: JSONObject) -> list[str]:
    """Return whom a question is assigned to; none if everybody may answer."""
    return [str(user.get("name") or user.get("id")) for user in row.get("assigned_users") or []]


def _show(airflow: Airflow, row: JSONObject) -> JSONObject:
    return {
        **pick_instance(row["task_instance"], *_INSTANCE),
        **pick(row, *_QUESTION),
        **drop_empty({"params": airflow.redact(row.get("params")), "assigned_users": _name_assigned(row)}),
    }


@tool(access="read", since="3.1", title="List pending approvals")
async def list_hitl(
    airflow: Airflow,
    dag_id: AnyDagId = None,
    dag_run_id: AnyRunId = None,
    limit: Limit = 25,
    cursor: Cursor = None,
) -> Hitls:
    """List what is waiting for a human's answer: pending approvals, decisions and input."""
    run_id = await find_run_filter(airflow, dag_id, dag_run_id)
    rows, total, offset = await Hitls.fetch(
        airflow,
        path("dags/{}/dagRuns/{}/hitlDetails", dag_id or "~", run_id or "~"),
        "hitl_details",
        params={"response_received": "false", "order_by": "-created_at"},
        limit=limit,
        cursor=cursor,
        newest_first=True,
    )
    template = page_template(airflow, "task")
    listed = Hitls.of([_show(airflow, row) for row in rows], total=total, offset=offset, ui_url=template)
    listed.dag_run_id = run_id if run_id != dag_run_id else None
    return listed


@tool(
    access="write",
    since="3.1",
    title="Answer a pending approval",
    search_hint="approve or reject the request of a waiting task",
)
async def respond_to_hitl(
    airflow: Airflow,
    dag_id: DagId,
    dag_run_id: RunId,
    task_id: TaskId,
    chosen_options: Annotated[list[str], Field(min_length=1, description="Of its options.")],
    map_index: MapIndex = -1,
    region_id: RegionId = None,
    region_index: RegionIndex = None,
    iteration: Iteration = None,
    params_input: Annotated[JSONObject | None, Field(description="Values for its params.")] = None,
) -> HitlAnswer:
    """Answer a waiting task, once: approve or reject what the task asks a human, or give input."""
    await refuse_latest(airflow, dag_id, dag_run_id)
    route = path("dags/{}/dagRuns/{}/taskInstances/{}/{}/hitlDetails", dag_id, dag_run_id, task_id, map_index)
    region = await find_region(
        airflow,
        dag_id,
        dag_run_id,
        task_id,
        region_id=region_id,
        region_index=region_index,
        iteration=iteration,
    )
    body = {"chosen_options": chosen_options, "params_input": params_input or {}}
    try:
        answer = (await airflow.patch(route, params=region, json=body)).json()
    except Conflict as refused:
        refused.hint = "It was answered before; get_task_instance shows how the task went on."
        raise
    except PermissionDenied as refused:
        raise await _explain_refusal(airflow, route, refused, task_id) from None
    return HitlAnswer(
        dag_id=dag_id,
        dag_run_id=dag_run_id,
        task_id=task_id,
        chosen_options=answer["chosen_options"],
        responded_at=answer.get("responded_at"),
        ui_url=airflow.page_url(dag_id, dag_run_id, task_id, map_index),
    )


async def _explain_refusal(
    airflow: Airflow, route: str, refused: PermissionDenied, task_id: str
) -> PermissionDenied:
    """Return the error that says who may answer, if the question is assigned to others."""
    try:
        assigned = _name_assigned((await airflow.get(route)).json())
    except ToolError:
        return refused
    if not assigned or airflow.caller.name in assigned:
        return refused
    names = ", ".join(assigned)
    return PermissionDenied(
        f"`{task_id}` waits for the answer of {names}; you ({airflow.caller.name}) cannot give it.",
        hint=f"Ask {names} to answer it, on Airflow's page of the task or by their own client.",
        **{**refused.identifiers, "task_id": task_id, "assigned_users": assigned},
    )
