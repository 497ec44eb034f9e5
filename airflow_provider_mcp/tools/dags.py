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
"""Tools that read and switch Dags."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from airflow_provider_mcp.sdk import (
    Airflow,
    Cursor,
    Limit,
    Page,
    Result,
    ToolError,
    Toolset,
    Unsupported,
    fetch_page,
    hookimpl,
    path,
    tool,
)
from airflow_provider_mcp.tools.shared.arguments import DagId, RunState, page_template, present, seconds_only
from airflow_provider_mcp.tools.shared.icons import DAGS_ICON

Part = Literal["tasks", "params", "source", "runs", "versions", "import_errors", "warnings", "assets"]
RECENT_RUNS = 5


class Dags(Page):
    items_field: ClassVar[str] = "dags"
    dags: list[dict[str, Any]]
    ui_url: str


class Dag(Result, extra="allow"):
    """A Dag with what all have, and the parts that were asked for."""

    dag_id: str
    is_paused: bool
    tasks: list[dict[str, Any]] | None = None
    params: dict[str, Any] | None = None
    source: str | None = None
    runs: list[dict[str, Any]] | None = None
    versions: list[dict[str, Any]] | None = None
    import_errors: list[dict[str, Any]] | None = None
    warnings: list[dict[str, Any]] | None = None
    assets: list[dict[str, Any]] | None = None
    ui_url: str


class PausedState(Result):
    dag_id: str
    is_paused: bool
    ui_url: str


def _common(row: dict[str, Any]) -> dict[str, Any]:
    shown = {
        "dag_id": row["dag_id"],
        "is_paused": bool(row.get("is_paused")),
        "schedule": row.get("timetable_summary"),
        "tags": [tag["name"] for tag in row.get("tags") or []],
        "owners": row.get("owners"),
        "next_run": seconds_only(row.get("next_dagrun_run_after")),
        "has_import_errors": row.get("has_import_errors"),
    }
    return {key: value for key, value in shown.items() if value or key == "is_paused"}


@tool(access="read")
async def list_dags(
    airflow: Airflow,
    pattern: Annotated[str | None, Field(description="Part of the Dag ID.")] = None,
    tags: Annotated[list[str] | None, Field(description="Any of these tags.")] = None,
    owner: Annotated[str | None, Field(description="Owner.")] = None,
    paused: Annotated[bool | None, Field(description="Only paused, or only active.")] = None,
    last_run_state: Annotated[RunState | None, Field(description="State of the last run.")] = None,
    limit: Limit = 25,
    cursor: Cursor = None,
) -> Dags:
    """List Dags."""
    params = {
        "dag_id_pattern": pattern,
        "tags": tags,
        "owners": owner,
        "paused": paused,
        "last_dag_run_state": last_run_state,
        "order_by": "dag_id",
    }
    try:
        rows, total, offset = await fetch_page(
            airflow, "dags", "dags", params=params, limit=limit, cursor=cursor
        )
    except ToolError as refused:
        if refused.code != "unsupported":
            raise
        raise Unsupported(
            "Airflow 2 cannot filter Dags by owner or last_run_state.",
            hint="Leave owner out: each Dag is listed with its owners. "
            "For last_run_state, use list_dag_runs with that state.",
        ) from None
    return Dags.of(
        [_common(row) for row in rows], total=total, offset=offset, ui_url=page_template(airflow, "dag")
    )


async def _import_errors(airflow: Airflow, file: str) -> list[dict[str, Any]]:
    query: dict[str, Any] = {"limit": 100, "order_by": "-timestamp"}
    try:
        answer = await airflow.get("importErrors", params={**query, "filename_pattern": file})
    except ToolError as refused:
        if refused.code != "unsupported":
            raise
        # Airflow 2 cannot be asked for one file's.
        answer = await airflow.get("importErrors", params=query)
    rows = answer.json()["import_errors"]
    return [
        {"filename": row["filename"], "stack_trace": row["stack_trace"], "timestamp": row["timestamp"]}
        for row in rows
        if file and row["filename"].endswith(file)
    ]


def _param(value: Any) -> dict[str, Any]:
    kept = {key: value[key] for key in ("value", "description", "schema") if value.get(key) not in (None, {})}
    return kept or {"value": None}


def _task(task: dict[str, Any]) -> dict[str, Any]:
    """Return what is worth reading of a task: what is as it is by default is left out."""
    shown = {
        "task_id": task["task_id"],
        "operator": task.get("operator_name") or (task.get("class_ref") or {}).get("class_name"),
        "downstream": task.get("downstream_task_ids"),
        "is_mapped": task.get("is_mapped"),
        "pool": task.get("pool") if task.get("pool") != "default_pool" else None,
        "trigger_rule": task.get("trigger_rule") if task.get("trigger_rule") != "all_success" else None,
        "retries": task.get("retries"),
    }
    return {key: value for key, value in shown.items() if value}


@tool(access="read")
async def get_dag(
    airflow: Airflow,
    dag_id: DagId,
    include: Annotated[list[Part], Field(description="What to show.")] = ["tasks", "params", "runs"],  # noqa: B006
) -> Dag:
    """Get a Dag with its tasks, params and latest runs, or other parts."""
    row = (await airflow.get(path("dags/{}/details", dag_id))).json()
    file = row.get("relative_fileloc") or row.get("fileloc") or ""
    dag = Dag(
        **_common(row),
        **present(row, "description", "doc_md", "fileloc", "catchup", "max_active_runs"),
        ui_url=airflow.page_url(dag_id),
    )
    if "tasks" in include:
        tasks = (await airflow.get(path("dags/{}/tasks", dag_id))).json()["tasks"]
        dag.tasks = [_task(task) for task in tasks]
    if "params" in include:
        dag.params = {
            name: _param({**value, "value": airflow.redact(value.get("value"), name)})
            for name, value in (row.get("params") or {}).items()
        }
    if "runs" in include:
        query: dict[str, Any] = {"order_by": "-run_after", "limit": RECENT_RUNS}
        runs = (await airflow.get(path("dags/{}/dagRuns", dag_id), params=query)).json()["dag_runs"]
        dag.runs = [present(run, "dag_run_id", "state", "run_type", "start_date", "end_date") for run in runs]
    if "source" in include:
        dag.source = (await airflow.get(path("dagSources/{}", dag_id))).json().get("content")
    if "versions" in include:
        query = {"order_by": "-version_number", "limit": 10}
        versions = (await airflow.get(path("dags/{}/dagVersions", dag_id), params=query)).json()
        dag.versions = [
            present(version, "version_number", "bundle_name", "bundle_version", "created_at")
            for version in versions["dag_versions"]
        ]
    if "import_errors" in include:
        dag.import_errors = await _import_errors(airflow, file)
    if "warnings" in include:
        warnings = (await airflow.get("dagWarnings", params={"dag_id": dag_id})).json()["dag_warnings"]
        dag.warnings = [{"type": w["warning_type"], "message": w["message"]} for w in warnings]
    if "assets" in include:
        assets = (await airflow.get("assets", params={"dag_ids": dag_id, "limit": 100})).json()["assets"]
        dag.assets = [
            {"id": a["id"], "uri": a["uri"], **({"name": a["name"]} if a.get("name") != a["uri"] else {})}
            for a in assets
        ]
    return dag


async def _set_paused(airflow: Airflow, dag_id: str, is_paused: bool) -> PausedState:
    row = (await airflow.patch(path("dags/{}", dag_id), json={"is_paused": is_paused})).json()
    return PausedState(dag_id=dag_id, is_paused=row["is_paused"], ui_url=airflow.page_url(dag_id))


@tool(access="write", idempotent=True)
async def pause_dag(airflow: Airflow, dag_id: DagId) -> PausedState:
    """Pause a Dag: no new runs are scheduled; running ones go on."""
    return await _set_paused(airflow, dag_id, True)


@tool(access="write", idempotent=True)
async def unpause_dag(airflow: Airflow, dag_id: DagId) -> PausedState:
    """Unpause a Dag; with catchup this may start missed runs at once."""
    return await _set_paused(airflow, dag_id, False)


class Reparsed(Result):
    dag_id: str
    fileloc: str | None = None
    ui_url: str


@tool(access="write", idempotent=True)
async def reparse_dag(airflow: Airflow, dag_id: DagId) -> Reparsed:
    """Ask for a Dag's file to be parsed again soon, as after a change."""
    dag = (await airflow.get(path("dags/{}", dag_id))).json()
    try:
        await airflow.put(path("parseDagFile/{}", dag["file_token"]))
    except ToolError as refused:
        # Airflow 3 keeps one request a file, and answers a second one with a conflict.
        if refused.code != "conflict":
            raise
    return Reparsed(
        dag_id=dag_id,
        fileloc=dag.get("fileloc"),
        ui_url=airflow.page_url(dag_id),
        hint="It is parsed within some seconds; get_dag with include import_errors tells how it went.",
    )


async def _preview_delete_dag(airflow: Airflow, dag_id: str) -> dict[str, Any]:
    dag = (await airflow.get(path("dags/{}", dag_id))).json()
    runs = (await airflow.get(path("dags/{}/dagRuns", dag_id), params={"limit": 1})).json()["total_entries"]
    try:
        events = (await airflow.get("eventLogs", params={"dag_id": dag_id, "limit": 1})).json()
        # Each deletion is one event more: the same preview is never shown again.
        as_of = events["total_entries"]
    except ToolError:
        as_of = None
    return {
        "deletes": f"the Dag {dag_id} with all that Airflow knows of it",
        "dag_runs": runs,
        "stays": "its file: a Dag that is still in one comes back, without its history",
        "fileloc": dag.get("fileloc"),
        "audit_events": as_of,
    }


class Deleted(Result):
    dag_id: str
    deleted: bool = True


@tool(access="destructive", preview=_preview_delete_dag)
async def delete_dag(airflow: Airflow, dag_id: DagId) -> Deleted:
    """Delete a Dag with all its runs and history; its file stays."""
    await airflow.delete(path("dags/{}", dag_id))
    return Deleted(dag_id=dag_id)


@hookimpl
def register_toolsets() -> list[Toolset]:
    return [
        Toolset(
            "dags",
            "Find, read, pause, reparse and delete Dags.",
            [list_dags, get_dag, pause_dag, unpause_dag, reparse_dag, delete_dag],
            icon=DAGS_ICON,
        )
    ]
