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
"""Tools about assets: what Airflow 2 calls datasets."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import BaseModel, Field

from airflow_provider_mcp.sdk import (
    Airflow,
    Conflict,
    Cursor,
    InternalError,
    InvalidArgument,
    JSONObject,
    Limit,
    Page,
    Result,
    ToolError,
    Toolset,
    Unavailable,
    hookimpl,
    near_miss,
    path,
    search_close_names,
    tool,
)
from airflow_provider_mcp.tools.shared.arguments import AnyRunId
from airflow_provider_mcp.tools.shared.icons import ASSETS_ICON
from airflow_provider_mcp.tools.shared.latest import find_run_filter, read_latest
from airflow_provider_mcp.tools.shared.matching import fetch_matching
from airflow_provider_mcp.tools.shared.previews import summarize
from airflow_provider_mcp.tools.shared.reads import find_row, read_pages
from airflow_provider_mcp.tools.shared.rows import drop_empty

MOST_PAGES = 5
"""Pages of 100 assets that are searched, at most, for the one that a name means."""

MOST_NAMED = 5
"""Assets that a hint names."""

AssetName = Annotated[str, Field(description="Name, URI or ID.")]


class Assets(Page):
    items_field: ClassVar[str] = "assets"
    assets: list[JSONObject]


class AssetEvents(Page):
    items_field: ClassVar[str] = "asset_events"
    asset_events: list[JSONObject]
    dag_run_id: str | None = None


class AssetEvent(BaseModel):
    event: JSONObject


class Materialization(Result):
    asset: str
    dag_id: str
    dag_run_id: str
    state: str
    ui_url: str


class AssetPreview(Result):
    action: str
    asset: str
    uri: str
    starts: list[str]
    extra: JSONObject | None = None


def _show_asset(airflow: Airflow, row: JSONObject) -> JSONObject:
    def tasks(key: str) -> list[str]:
        return [f"{task['dag_id']}.{task['task_id']}" for task in row.get(key) or []]

    return drop_empty(
        {
            "id": row["id"],
            "name": row["name"],
            "uri": row["uri"] if row["uri"] != row["name"] else None,
            "group": row.get("group") if row.get("group") != "asset" else None,
            "producing_tasks": tasks("producing_tasks"),
            "consuming_tasks": tasks("consuming_tasks"),
            "scheduled_dags": [dag["dag_id"] for dag in row.get("scheduled_dags") or []],
            "aliases": [alias["name"] for alias in row.get("aliases") or []],
            "last_event": _show_last_event(row),
            "extra": airflow.redact(row.get("extra")),
        }
    )


def _show_last_event(row: JSONObject) -> str | None:
    """Return when an asset was last updated, or "never"; None if Airflow does not say."""
    if not isinstance(row.get("last_asset_event"), dict):
        return None
    return row["last_asset_event"].get("timestamp") or "never"


async def _add_last_events(airflow: Airflow, rows: list[JSONObject]) -> str | None:
    """Add the last event to assets that Airflow 2 lists without one; return what to know of the others."""
    bare = [row for row in rows if "last_asset_event" not in row]
    if not bare:
        return None
    try:
        events, total = await read_pages(airflow, "assets/events", "asset_events", 1, order_by="-timestamp")
    except ToolError as refused:
        return f"When they were last updated could not be read: {refused.message}"
    last: dict[int, str] = {}
    for event in events:
        last.setdefault(event["asset_id"], event["timestamp"])
    for row in bare:
        if row["id"] in last or total <= len(events):
            row["last_asset_event"] = {"timestamp": last.get(row["id"])}
    if all("last_asset_event" in row for row in bare):
        return None
    return f"Without last_event: not among the last {len(events)} events; list_asset_events tells."


async def _find_awaited(airflow: Airflow, dag_id: str) -> str | None:
    """Say which assets a Dag waits for, in case it makes none."""
    rows, _ = await read_pages(airflow, "assets", "assets", 1, dag_ids=dag_id)
    waits = [row for row in rows if any(dag["dag_id"] == dag_id for dag in row.get("scheduled_dags") or [])]
    if not waits:
        return None
    await _add_last_events(airflow, waits[:MOST_NAMED])
    dags = [f"`{row['uri']}` (last event {_show_last_event(row) or 'unknown'})" for row in waits[:MOST_NAMED]]
    more = len(waits) - MOST_NAMED
    listed = ", ".join(dags) + (f" and {more} more" if more > 0 else "")
    return (
        f"`{dag_id}` has made no such event: dag_id means the Dag that makes them. "
        f"It is started by {listed}; give asset for the events of one."
    )


def _show_event(airflow: Airflow, row: JSONObject) -> JSONObject:
    index = row.get("source_map_index")
    return drop_empty(
        {
            "id": row["id"],
            "asset_id": row.get("asset_id"),
            "name": row.get("name"),
            "uri": row.get("uri") if row.get("uri") != row.get("name") else None,
            "timestamp": row.get("timestamp"),
            "source_dag_id": row.get("source_dag_id"),
            "source_run_id": row.get("source_run_id"),
            "source_task_id": row.get("source_task_id"),
            "source_map_index": index if isinstance(index, int) and index >= 0 else None,
            "extra": airflow.redact(row.get("extra")),
            "created_dagruns": [
                {key: run.get(key) for key in ("dag_id", "run_id", "state")}
                for run in row.get("created_dagruns") or []
            ],
        }
    )


async def find_asset(airflow: Airflow, asset: str) -> JSONObject:
    """Return the asset that a name, a URI or an ID means.

    :raises ToolError: ``not_found`` with close matches, or ``conflict`` if it means several.
    """
    if not asset:
        raise InvalidArgument("asset is empty.", hint="Give a name, a URI or an ID.")
    exact: dict[int, JSONObject] = {}
    whole = True
    for field in ("name", "uri"):
        rows, total = await read_pages(
            airflow, "assets", "assets", MOST_PAGES, **{f"{field}_pattern": asset, "order_by": "id"}
        )
        exact |= {row["id"]: row for row in rows if row[field] == asset}
        whole = whole and len(rows) >= total
    if len(exact) == 1:
        return next(iter(exact.values()))
    if exact:
        meant = [{key: row[key] for key in ("id", "name", "uri")} for row in exact.values()]
        listed = "; ".join(f"{row['id']}: `{row['name']}`, {row['uri']}" for row in meant)
        raise Conflict(
            f"`{asset}` means several assets ({listed}).",
            hint="Give the ID of the one you mean.",
            asset=asset,
            assets=meant,
        )
    if asset.isascii() and asset.isdigit():
        found = await find_row(airflow, path("assets/{}", asset))
        if found is not None:
            return found
    if not whole:
        raise InvalidArgument(
            f"Over {MOST_PAGES * 100} assets hold `{asset}` in their name or URI.",
            hint="Give the asset's whole URI, or its ID from list_assets.",
            asset=asset,
        )
    field = "uri" if "://" in asset else "name"
    close = await search_close_names(airflow, asset, "assets", field, pattern=f"{field}_pattern")
    raise near_miss(f"No asset `{asset}`", close, hint="list_assets shows what there is.", asset=asset)


@tool(access="read", search_hint="who produces and who consumes this table")
async def list_assets(
    airflow: Airflow,
    pattern: Annotated[str | None, Field(description="Part of the name, or with :// of the URI.")] = None,
    dag_id: Annotated[str | None, Field(description="Dag that makes or uses them.")] = None,
    limit: Limit = 25,
    cursor: Cursor = None,
) -> Assets:
    """List assets (datasets).

    Which tables or files there are, which tasks and Dags produce and consume them.
    """
    field = "uri" if pattern and "://" in pattern else "name"
    rows, total, offset, hint = await fetch_matching(
        Assets,
        airflow,
        "assets",
        text=pattern,
        field=field,
        parameter=f"{field}_pattern",
        params={"dag_ids": dag_id, "order_by": "id"},
        limit=limit,
        cursor=cursor,
    )
    unknown = await _add_last_events(airflow, rows)
    listed = Assets.of([_show_asset(airflow, row) for row in rows], total=total, offset=offset)
    listed.hint = " ".join(filter(None, (listed.hint or hint, unknown))) or None
    return listed


@tool(access="read", search_hint="which task updated the dataset")
async def list_asset_events(
    airflow: Airflow,
    asset: Annotated[str | None, Field(description="Name, URI or ID.")] = None,
    dag_id: Annotated[str | None, Field(description="Dag that made them.")] = None,
    task_id: Annotated[str | None, Field(description="Task that made them.")] = None,
    dag_run_id: AnyRunId = None,
    limit: Limit = 25,
    cursor: Cursor = None,
) -> AssetEvents:
    """List asset events, newest first.

    When a dataset was last updated, by which task, and which Dag runs that started.
    """
    latest = dag_run_id is not None and read_latest(dag_run_id) is not None
    run_id = await find_run_filter(airflow, dag_id, dag_run_id) if latest else dag_run_id
    params = {
        "asset_id": (await find_asset(airflow, asset))["id"] if asset is not None else None,
        "source_dag_id": dag_id,
        "source_task_id": task_id,
        "source_run_id": run_id,
        "order_by": "-timestamp",
    }
    try:
        rows, total, offset = await AssetEvents.fetch(
            airflow,
            "assets/events",
            params=params,
            limit=limit,
            cursor=cursor,
            newest_first=True,
        )
    except InternalError as failed:
        # Its answer wants a start date of each run that an event started.
        raise Unavailable(
            "Airflow failed to list these events, as it does while a Dag run that one started is queued.",
            hint="Try again when the run has started; if none is queued, the web server's log has the cause.",
            retryable=True,
            **failed.identifiers,
        ) from None
    listed = AssetEvents.of([_show_event(airflow, row) for row in rows], total=total, offset=offset)
    listed.dag_run_id = run_id if latest else None
    if not total and dag_id is not None and asset is None:
        listed.hint = await _find_awaited(airflow, dag_id)
    return listed


async def _preview_event(airflow: Airflow, asset: str, extra: JSONObject | None = None) -> AssetPreview:
    found = await find_asset(airflow, asset)
    return AssetPreview(
        action="record an event of this asset, which may start Dags that wait for it",
        asset=found["name"],
        uri=found["uri"],
        starts=[dag["dag_id"] for dag in found.get("scheduled_dags") or []],
        extra=summarize(airflow.redact(extra)),
    )


@tool(access="write", preview=_preview_event)
async def create_asset_event(
    airflow: Airflow,
    asset: AssetName,
    extra: Annotated[JSONObject | None, Field(description="What consumers may read of it.")] = None,
) -> AssetEvent:
    """Record that an asset (dataset) was updated, so that the Dags that wait for it start."""
    found = await find_asset(airflow, asset)
    body = {"asset_id": found["id"], "extra": extra or {}}
    answer = (await airflow.post("assets/events", json=body)).json()
    return AssetEvent(
        event=_show_event(airflow, {"name": found["name"], "uri": found["uri"], **drop_empty(answer)})
    )


def _producers(found: JSONObject) -> list[str]:
    return sorted({task["dag_id"] for task in found.get("producing_tasks") or []})


def _one_producer(found: JSONObject) -> str:
    """Return the Dag that makes the asset.

    :raises ToolError: ``conflict`` if no Dag or more than one does.
    """
    dags = _producers(found)
    if len(dags) == 1:
        return dags[0]
    if not dags:
        raise Conflict(
            f"No Dag makes the asset `{found['name']}`. Nothing was started.",
            hint="create_asset_event records an update that was made elsewhere.",
            asset=found["name"],
        )
    raise Conflict(
        f"Several Dags make the asset `{found['name']}`: {', '.join(dags)}. Nothing was started.",
        hint="Start the one you mean with trigger_dag.",
        asset=found["name"],
        dag_ids=dags,
    )


async def _preview_materialize(airflow: Airflow, asset: str) -> AssetPreview:
    found = await find_asset(airflow, asset)
    return AssetPreview(
        action="start a run of the Dag that makes this asset",
        asset=found["name"],
        uri=found["uri"],
        starts=[_one_producer(found)],
    )


@tool(access="write", since="3.0", preview=_preview_materialize)
async def materialize_asset(airflow: Airflow, asset: AssetName) -> Materialization:
    """Materialize an asset: start the Dag that makes it, to refresh or rebuild a dataset."""
    found = await find_asset(airflow, asset)
    dag_id = _one_producer(found)
    # Airflow 3.4 asks for a body.
    run = (await airflow.post(path("assets/{}/materialize", found["id"]), json={})).json()
    paused = (await airflow.get(path("dags/{}", dag_id))).json().get("is_paused")
    return Materialization(
        asset=found["name"],
        dag_id=run["dag_id"],
        dag_run_id=run["dag_run_id"],
        state=run["state"],
        ui_url=airflow.page_url(run["dag_id"], run["dag_run_id"]),
        hint=f"`{dag_id}` is paused: the run waits until it is unpaused."
        if paused
        else "wait_for_dag_run waits for its end.",
    )


@hookimpl
def register_toolsets() -> list[Toolset]:
    return [
        Toolset(
            "assets",
            "Read, update and make assets.",
            [list_assets, list_asset_events, create_asset_event, materialize_asset],
            icon=ASSETS_ICON,
        )
    ]
