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
"""Tools that run a Dag for a range of past dates."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from airflow_provider_mcp.sdk import (
    Airflow,
    Conflict,
    Cursor,
    JSONObject,
    Limit,
    NotFound,
    Page,
    Result,
    Time,
    Toolset,
    hookimpl,
    path,
    tool,
)
from airflow_provider_mcp.tools.shared.arguments import DagId
from airflow_provider_mcp.tools.shared.icons import BACKFILLS_ICON
from airflow_provider_mcp.tools.shared.reads import PAGE, Unread, try_get
from airflow_provider_mcp.tools.shared.rows import drop_empty, pick
from airflow_provider_mcp.tools.shared.versions import read_release

SHOWN_DATES = 20

_LISTS_RUNS = (3, 4)
"""The first Airflow that lists the runs of one backfill."""

MOST_COUNTED = 5
"""Backfills of which the runs are counted: they are the newest that are not over."""
_SHOWN = (
    "id",
    "dag_id",
    "from_date",
    "to_date",
    "is_paused",
    "reprocess_behavior",
    "max_active_runs",
    "created_at",
    "completed_at",
)

Day = Annotated[Time, Field(description="ISO 8601 date or time, included.")]
Reprocess = Literal["none", "failed", "completed"]
BackfillId = Annotated[int, Field(ge=0, description="Backfill ID.")]
Action = Literal["pause", "unpause", "cancel"]
_EFFECTS = {
    "pause": "no new runs of it are started",
    "unpause": "its runs go on",
    "cancel": "its queued runs are marked failed, its running ones go on, and it cannot be resumed",
}


class Backfills(Page):
    items_field: ClassVar[str] = "backfills"
    backfills: list[JSONObject]


class Backfill(Result):
    backfill: JSONObject
    ui_url: str


class BackfillPreview(Result):
    dag_id: str
    runs: int
    dates: list[str]
    last_date: str | None = None


class UpdatePreview(Result):
    action: Action
    effect: str
    backfill: JSONObject


def _show(airflow: Airflow, row: JSONObject) -> JSONObject:
    return {**pick(row, *_SHOWN), **drop_empty({"dag_run_conf": airflow.redact(row.get("dag_run_conf"))})}


@tool(access="read", since="3.0")
async def list_backfills(
    airflow: Airflow, dag_id: DagId, limit: Limit = 25, cursor: Cursor = None
) -> Backfills:
    """List a Dag's backfills, newest first, and how far each is: in progress, paused or completed."""
    # Airflow answers an unknown Dag with an empty list.
    await airflow.get(path("dags/{}", dag_id))
    rows, total, offset = await Backfills.fetch(
        airflow,
        "backfills",
        params={"dag_id": dag_id, "order_by": "-id"},
        limit=limit,
        cursor=cursor,
        newest_first=True,
    )
    shown = [_show(airflow, row) for row in rows]
    if read_release(airflow) >= _LISTS_RUNS:
        for backfill in [row for row in shown if "completed_at" not in row][:MOST_COUNTED]:
            backfill["runs"] = await _count_runs(airflow, backfill["id"])
    return Backfills.of(shown, total=total, offset=offset)


async def _count_runs(airflow: Airflow, backfill_id: int) -> JSONObject:
    """Return how many runs of a backfill there are in which state, and why dates were left out."""
    answer = await try_get(airflow, path("backfills/{}/dag_runs", backfill_id), {"limit": PAGE})
    if isinstance(answer, Unread):
        return {"missing": answer.why}
    rows = answer["backfill_dag_runs"]
    states = Counter(row.get("dag_run_state") or "not_created" for row in rows)
    reasons = Counter(str(row["exception_reason"]) for row in rows if row.get("exception_reason"))
    counted: JSONObject = {"total": answer["total_entries"], "states": dict(states)}
    if len(rows) < answer["total_entries"]:
        counted["counted"] = len(rows)
    return {**counted, **drop_empty({"left_out": dict(reasons)})}


def _body(
    dag_id: str,
    from_date: str,
    to_date: str,
    run_conf: JSONObject | None,
    reprocess_behavior: Reprocess,
    max_active_runs: int,
    run_backwards: bool,
) -> JSONObject:
    path("{}", dag_id)
    body: JSONObject = {
        "dag_id": dag_id,
        "from_date": from_date,
        "to_date": to_date,
        "reprocess_behavior": reprocess_behavior,
        "max_active_runs": max_active_runs,
        "run_backwards": run_backwards,
    }
    return body if run_conf is None else {**body, "dag_run_conf": run_conf}


async def _preview_create(
    airflow: Airflow,
    dag_id: str,
    from_date: str,
    to_date: str,
    run_conf: JSONObject | None = None,
    reprocess_behavior: Reprocess = "none",
    max_active_runs: int = 10,
    run_backwards: bool = False,
) -> BackfillPreview:
    body = _body(dag_id, from_date, to_date, run_conf, reprocess_behavior, max_active_runs, run_backwards)
    answer = (await airflow.post("backfills/dry_run", json=body)).json()
    dates = [str(row.get("logical_date") or row.get("partition_key")) for row in answer["backfills"]]
    return BackfillPreview(
        dag_id=dag_id,
        runs=answer["total_entries"],
        dates=dates[:SHOWN_DATES],
        last_date=dates[-1] if len(dates) > SHOWN_DATES else None,
        hint="Only the first dates are shown." if len(dates) > SHOWN_DATES else None,
    )


@tool(access="write", since="3.0", preview=_preview_create)
async def create_backfill(
    airflow: Airflow,
    dag_id: DagId,
    from_date: Day,
    to_date: Day,
    run_conf: Annotated[JSONObject | None, Field(description="conf of the runs.")] = None,
    reprocess_behavior: Annotated[
        Reprocess, Field(description="Which dates that have a run are run again.")
    ] = "none",
    max_active_runs: Annotated[int, Field(ge=1, description="Runs at once.")] = 10,
    run_backwards: Annotated[bool, Field(description="Latest date first.")] = False,
) -> Backfill:
    """Backfill a scheduled Dag: run it for past dates, reprocess last week, catch up missed days."""
    body = _body(dag_id, from_date, to_date, run_conf, reprocess_behavior, max_active_runs, run_backwards)
    dag = (await airflow.get(path("dags/{}", dag_id))).json()
    try:
        row = (await airflow.post("backfills", json=body)).json()
    except Conflict:
        raise Conflict(
            f"`{dag_id}` has a backfill that is not over yet. No second one was created.",
            hint="list_backfills shows it; wait for its end, or cancel it with update_backfill.",
            dag_id=dag_id,
        ) from None
    return Backfill(
        backfill=_show(airflow, row),
        ui_url=airflow.page_url(dag_id),
        hint=f"`{dag_id}` is paused: the runs wait until it is unpaused." if dag.get("is_paused") else None,
    )


async def _get_row(airflow: Airflow, backfill_id: int) -> JSONObject:
    try:
        row: JSONObject = (await airflow.get(path("backfills/{}", backfill_id))).json()
    except NotFound:
        raise NotFound(
            f"No backfill {backfill_id}.",
            hint="list_backfills shows a Dag's backfills.",
            backfill_id=backfill_id,
        ) from None
    return row


async def _preview_update(airflow: Airflow, backfill_id: int, action: Action) -> UpdatePreview:
    row = await _get_row(airflow, backfill_id)
    return UpdatePreview(action=action, effect=_EFFECTS[action], backfill=_show(airflow, row))


@tool(access="write", since="3.0", idempotent=True, preview=_preview_update, replaces=True)
async def update_backfill(
    airflow: Airflow,
    backfill_id: BackfillId,
    action: Annotated[Action, Field(description="cancel fails its queued runs for good.")],
) -> Backfill:
    """Pause, unpause, stop or cancel a backfill."""
    found = await _get_row(airflow, backfill_id)
    if found.get("completed_at"):
        raise Conflict(
            f"The backfill {backfill_id} of `{found['dag_id']}` was over at {found['completed_at']}.",
            hint="Nothing was changed; create_backfill starts a new one.",
            backfill_id=backfill_id,
            dag_id=found["dag_id"],
        )
    row = (await airflow.put(path(f"backfills/{{}}/{action}", backfill_id))).json()
    return Backfill(backfill=_show(airflow, row), ui_url=airflow.page_url(row["dag_id"]))


@hookimpl
def register_toolsets() -> list[Toolset]:
    return [
        Toolset(
            "backfills",
            "Run Dags for past dates.",
            [list_backfills, create_backfill, update_backfill],
            icon=BACKFILLS_ICON,
        )
    ]
