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

import contextlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, ClassVar, Literal

import anyio.to_thread
from pydantic import Field

from airflow_provider_mcp.sdk import (
    Airflow,
    Conflict,
    Cursor,
    JSONObject,
    Limit,
    Page,
    Result,
    ToolError,
    Toolset,
    Unsupported,
    hookimpl,
    path,
    tool,
)
from airflow_provider_mcp.tools.shared.arguments import DagId, RunState
from airflow_provider_mcp.tools.shared.icons import DAGS_ICON
from airflow_provider_mcp.tools.shared.matching import fetch_matching
from airflow_provider_mcp.tools.shared.reach import read_reach
from airflow_provider_mcp.tools.shared.reads import Parts
from airflow_provider_mcp.tools.shared.rows import (
    TOOL_CALL_EVENT,
    drop_empty,
    page_template,
    pick,
    seconds_only,
)
from airflow_provider_mcp.tools.shared.sources import find_dag_source

Part = Literal["tasks", "params", "source", "file", "runs", "versions", "import_errors", "warnings", "assets"]
RECENT_RUNS = 5


class Dags(Page):
    items_field: ClassVar[str] = "dags"
    identity: ClassVar[tuple[str, ...]] = ("dag_id",)
    dags: list[JSONObject]
    ui_url: str


class Dag(Result, extra="allow"):
    """A Dag with what all have, and the parts that were asked for."""

    dag_id: str
    is_paused: bool
    tasks: list[JSONObject] | None = None
    params: JSONObject | None = None
    source: str | None = None
    source_lines: dict[str, int] | None = None
    """Which lines of the file these are: ``first`` and ``last`` of so many."""
    runs: list[JSONObject] | None = None
    versions: list[JSONObject] | None = None
    import_errors: list[JSONObject] | None = None
    warnings: list[JSONObject] | None = None
    assets: list[JSONObject] | None = None
    totals: dict[str, int] | None = None
    """How many there are in all, of a part of which only the latest or first are shown."""
    missing: dict[str, str] | None = None
    """The parts that could not be read, and why."""
    ui_url: str


class PausedState(Result):
    dag_id: str
    is_paused: bool
    reaches: JSONObject | None = None
    """What a pause reaches: the Dags that are fed no more, the runs that wait, and who starts this one."""
    ui_url: str


class Reparsed(Result):
    dag_id: str
    fileloc: str | None = None
    ui_url: str


class DeletedDag(Result):
    dag_id: str
    deleted: bool = True


def _show_common(row: JSONObject) -> JSONObject:
    return drop_empty(
        {
            "dag_id": row["dag_id"],
            "is_paused": bool(row.get("is_paused")),
            "schedule": row.get("timetable_summary"),
            "tags": [tag["name"] for tag in row.get("tags") or []],
            "owners": row.get("owners"),
            "next_run": seconds_only(row.get("next_dagrun_run_after")),
            "has_import_errors": row.get("has_import_errors") or None,
            # Of Airflow 3.4: paused and active are told by is_paused.
            "scheduling_state": "draining" if row.get("scheduling_state") == "draining" else None,
            "team_name": row.get("team_name"),
        }
    )


@tool(access="read", search_hint="which pipelines, workflows or jobs do we have, whose are they")
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
    """List Dags: which pipelines, workflows or jobs there are, whose, by tag, paused, or last failed."""
    params = {
        "tags": tags,
        "owners": owner,
        "paused": paused,
        "last_dag_run_state": last_run_state,
        "order_by": "dag_id",
    }
    try:
        rows, total, offset, hint = await fetch_matching(
            Dags,
            airflow,
            "dags",
            text=pattern,
            field="dag_id",
            parameter="dag_id_pattern",
            params=params,
            limit=limit,
            cursor=cursor,
        )
    except Unsupported:
        raise Unsupported(
            "Airflow 2 cannot filter Dags by owner or last_run_state.",
            hint="Leave owner out: each Dag is listed with its owners. "
            "For last_run_state, use list_dag_runs with that state.",
        ) from None
    template = page_template(airflow, "dag")
    listed = Dags.of([_show_common(row) for row in rows], total=total, offset=offset, ui_url=template)
    listed.hint = listed.hint or hint
    return listed


_Read = tuple[object, int]
"""A part, and how many rows it has in all."""


async def _read_tasks(airflow: Airflow, dag: JSONObject) -> _Read:
    tasks = (await airflow.get(path("dags/{}/tasks", dag["dag_id"]))).json()["tasks"]
    return [_show_task(task) for task in tasks], 0


def _show_task(task: JSONObject) -> JSONObject:
    """Return what is worth reading of a task: what is as it is by default is left out."""
    return drop_empty(
        {
            "task_id": task["task_id"],
            "operator": task.get("operator_name") or (task.get("class_ref") or {}).get("class_name"),
            "downstream": task.get("downstream_task_ids"),
            "is_mapped": task.get("is_mapped") or None,
            "pool": task.get("pool") if task.get("pool") != "default_pool" else None,
            "trigger_rule": task.get("trigger_rule") if task.get("trigger_rule") != "all_success" else None,
            "retries": task.get("retries") or None,
        }
    )


async def _read_params(airflow: Airflow, dag: JSONObject) -> _Read:
    params = {}
    for name, param in (dag.get("params") or {}).items():
        masked = {**param, "value": airflow.redact(param.get("value"), name)}
        row = {key: masked[key] for key in ("value", "description", "schema") if masked.get(key) is not None}
        if row.get("schema") == {}:
            del row["schema"]
        params[name] = row or {"value": None}
    return params, 0


async def _read_runs(airflow: Airflow, dag: JSONObject) -> _Read:
    query: JSONObject = {"order_by": "-run_after", "limit": RECENT_RUNS}
    answer = (await airflow.get(path("dags/{}/dagRuns", dag["dag_id"]), params=query)).json()
    names = ("dag_run_id", "state", "run_type", "start_date", "end_date")
    return [pick(run, *names) for run in answer["dag_runs"]], answer.get("total_entries", 0)


async def _read_file(airflow: Airflow, dag: JSONObject) -> _Read:
    return {"source": await _get_file(airflow, dag)}, 0


async def _read_source(airflow: Airflow, dag: JSONObject) -> _Read:
    found = await anyio.to_thread.run_sync(find_dag_source, await _get_file(airflow, dag), dag["dag_id"])
    hint = found.note
    if hint is None and found.last - found.first + 1 < found.of:
        hint = "source is the lines that make this Dag; include file shows all of the file."
    lines = {"first": found.first, "last": found.last, "of": found.of}
    return {"source": found.text, "source_lines": lines, "hint": hint}, 0


async def _get_file(airflow: Airflow, dag: JSONObject) -> str:
    content = (await airflow.get(path("dagSources/{}", dag["dag_id"]))).json().get("content")
    return str(content or "")


async def _read_versions(airflow: Airflow, dag: JSONObject) -> _Read:
    query: JSONObject = {"order_by": "-version_number", "limit": 10}
    answer = (await airflow.get(path("dags/{}/dagVersions", dag["dag_id"]), params=query)).json()
    names = ("version_number", "bundle_name", "bundle_version", "created_at")
    return [pick(version, *names) for version in answer["dag_versions"]], answer.get("total_entries", 0)


async def _read_import_errors(airflow: Airflow, dag: JSONObject) -> _Read:
    file = dag.get("relative_fileloc") or dag.get("fileloc") or ""
    query: JSONObject = {"limit": 100, "order_by": "-timestamp"}
    try:
        answer = await airflow.get("importErrors", params={**query, "filename_pattern": file})
    except Unsupported:
        # Airflow 2 cannot be asked for one file's.
        answer = await airflow.get("importErrors", params=query)
    rows = [
        {"filename": row["filename"], "stack_trace": row["stack_trace"], "timestamp": row["timestamp"]}
        for row in answer.json()["import_errors"]
        if file and row["filename"].endswith(file)
    ]
    return rows, 0


async def _read_warnings(airflow: Airflow, dag: JSONObject) -> _Read:
    query: JSONObject = {"dag_id": dag["dag_id"], "limit": 100}
    answer = (await airflow.get("dagWarnings", params=query)).json()
    rows = [{"type": row["warning_type"], "message": row["message"]} for row in answer["dag_warnings"]]
    return rows, answer.get("total_entries", 0)


async def _read_assets(airflow: Airflow, dag: JSONObject) -> _Read:
    answer = (await airflow.get("assets", params={"dag_ids": dag["dag_id"], "limit": 100})).json()
    rows = [
        {
            "id": row["id"],
            "uri": row["uri"],
            **({"name": row["name"]} if row.get("name") != row["uri"] else {}),
        }
        for row in answer["assets"]
    ]
    return rows, answer.get("total_entries", 0)


_READ_PART: Mapping[Part, Callable[[Airflow, JSONObject], Awaitable[_Read]]] = {
    "tasks": _read_tasks,
    "params": _read_params,
    "source": _read_source,
    "file": _read_file,
    "runs": _read_runs,
    "versions": _read_versions,
    "import_errors": _read_import_errors,
    "warnings": _read_warnings,
    "assets": _read_assets,
}


@tool(access="read", search_hint="what is the schedule of this pipeline or job")
async def get_dag(
    airflow: Airflow,
    dag_id: DagId,
    include: Annotated[list[Part], Field(description="What to show.")] = ["tasks", "params", "runs"],  # noqa: B006
) -> Dag:
    """Get a Dag (pipeline) with its tasks.

    Params and latest runs, or its schedule, source code, owner and versions.
    """
    row: JSONObject = (await airflow.get(path("dags/{}/details", dag_id))).json()
    parts = Parts()
    details: JSONObject = {}
    totals: dict[str, int] = {}
    # The whole file has the Dag's own lines in it.
    parts_wanted = [name for name in dict.fromkeys(include) if name != "source" or "file" not in include]
    for name in parts_wanted:
        part, total = await parts.read(name, _READ_PART[name](airflow, row)) or (None, 0)
        details |= part if name in ("source", "file") and part else {name: part}
        if isinstance(part, list) and total > len(part):
            totals[name] = total
    return Dag(
        **_show_common(row),
        **pick(row, "description", "doc_md", "fileloc", "catchup", "max_active_runs"),
        **details,
        totals=totals or None,
        missing=parts.missing or None,
        ui_url=airflow.page_url(dag_id),
    )


async def _set_paused(airflow: Airflow, dag_id: str, is_paused: bool) -> PausedState:
    row = (await airflow.patch(path("dags/{}", dag_id), json={"is_paused": is_paused})).json()
    return PausedState(dag_id=dag_id, is_paused=row["is_paused"], ui_url=airflow.page_url(dag_id))


@tool(access="write", idempotent=True, search_hint="turn off the schedule of this pipeline")
async def pause_dag(airflow: Airflow, dag_id: DagId) -> PausedState:
    """Pause a Dag: disable or turn off a pipeline's schedule; no new runs start, running ones go on."""
    paused = await _set_paused(airflow, dag_id, True)
    paused.reaches = await read_reach(airflow, dag_id, starters=True)
    return paused


@tool(access="write", idempotent=True, search_hint="turn the job back on, enable the pipeline again")
async def unpause_dag(airflow: Airflow, dag_id: DagId) -> PausedState:
    """Unpause a Dag.

    Enable, resume or turn a pipeline or job back on; with catchup this may start missed runs at once.
    """
    return await _set_paused(airflow, dag_id, False)


@tool(access="write", idempotent=True)
async def reparse_dag(airflow: Airflow, dag_id: DagId) -> Reparsed:
    """Ask for a Dag's file to be parsed again soon: reload or refresh it after its code changed."""
    dag = (await airflow.get(path("dags/{}", dag_id))).json()
    # Airflow 3 keeps one request a file, and answers a second one with a conflict.
    with contextlib.suppress(Conflict):
        await airflow.put(path("parseDagFile/{}", dag["file_token"]))
    return Reparsed(
        dag_id=dag_id,
        fileloc=dag.get("fileloc"),
        ui_url=airflow.page_url(dag_id),
        hint="It is parsed within some seconds; get_dag with include import_errors tells how it went.",
    )


async def _preview_delete_dag(airflow: Airflow, dag_id: str) -> JSONObject:
    dag = (await airflow.get(path("dags/{}", dag_id))).json()
    runs = (await airflow.get(path("dags/{}/dagRuns", dag_id), params={"limit": 1})).json()["total_entries"]
    try:
        counted: dict[str, str | int] = {
            "dag_id": dag_id,
            "excluded_events": TOOL_CALL_EVENT,
            "limit": 1,
        }
        events = (await airflow.get("eventLogs", params=counted)).json()
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
        "now": {"reaches": await read_reach(airflow, dag_id, starters=True)},
    }


@tool(access="destructive", preview=_preview_delete_dag)
async def delete_dag(airflow: Airflow, dag_id: DagId) -> DeletedDag:
    """Delete a Dag: remove a pipeline for good with all its runs and history; its file stays."""
    await airflow.delete(path("dags/{}", dag_id))
    return DeletedDag(dag_id=dag_id)


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
