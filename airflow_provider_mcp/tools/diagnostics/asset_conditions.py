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
"""The condition of a Dag that is scheduled by assets, and how far it is met."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from airflow_provider_mcp.sdk import JSON, Airflow, JSONObject, NotFound, ToolError, path
from airflow_provider_mcp.tools.diagnostics.reading import cut
from airflow_provider_mcp.tools.shared.reads import Unread, try_get

Row = JSONObject

MOST_READ = 5
"""Assets whose last event, and producers whose last run, are asked for one by one."""

SHOWN_ASSETS = 10


@dataclass(frozen=True)
class AssetState:
    """One asset of a condition.

    :param last_event: A time; empty if it was never updated; None if that could not be read.
    :param received: Whether an update waits to be used by the Dag's next run.
    :param producers: Names of tasks, ``dag.task``.
    """

    asset_id: int | None
    name: str
    last_event: str | None
    received: bool | None
    producers: tuple[str, ...] = ()

    @property
    def producing_dags(self) -> list[str]:
        return sorted({name.rsplit(".", 1)[0] for name in self.producers})

    def show(self) -> Row:
        row: Row = {"asset": self.name, "last_event": self.last_event or "never"}
        if self.last_event is None:
            row["last_event"] = "not read"
        if self.received is not None:
            row["update_waits"] = self.received
        row["made_by"] = list(self.producers[:5]) or "no Dag"
        return row

    def describe(self) -> str:
        event = f"last updated {self.last_event}" if self.last_event else "never updated"
        if self.last_event is None:
            event = "its last update could not be read"
        makers = ", ".join(f"`{name}`" for name in self.producers[:3])
        return f"`{self.name}` ({event}; " + (f"made by {makers})" if makers else "no Dag makes it)")


@dataclass(frozen=True)
class AssetCondition:
    """What a Dag waits for.

    :param expression: As Airflow gives it: ``{"all": [...]}`` or ``{"any": [...]}``, one in the other.
    :param producers: The last run of each Dag that makes a missing asset, and whether that Dag is paused.
    """

    expression: JSON
    assets: Sequence[AssetState]
    producers: Sequence[Row] = ()

    @property
    def missing(self) -> list[AssetState]:
        """The assets without an update that waits to be used."""
        return [asset for asset in self.assets if not asset.received]

    @property
    def text(self) -> str:
        return _render(self.expression)

    def describe(self) -> str:
        listed = "; ".join(asset.describe() for asset in self.missing[:3])
        more = len(self.missing) - 3
        says = f"It waits for an update of {listed}" + (f" and {more} more" if more > 0 else "") + "."
        if len(self.assets) > 1:
            says += f" It runs on {self.text}."
        for producer in self.producers[:2]:
            says += f" {producer['says']}"
        return says

    def show(self) -> Row:
        row: Row = {
            "condition": cut(self.text, 500),
            "assets": [asset.show() for asset in self.assets[:SHOWN_ASSETS]],
        }
        if len(self.assets) > SHOWN_ASSETS:
            row["assets_listed"] = f"{SHOWN_ASSETS} of {len(self.assets)}"
        if self.producers:
            row["producers"] = [
                {key: value for key, value in producer.items() if key != "says"}
                for producer in self.producers
            ]
        return row


def _render(node: JSON) -> str:
    """Return a condition in words, without the outermost parentheses."""
    if isinstance(node, str):
        return f"`{node}`"
    if not isinstance(node, Mapping):
        return "?"
    for key, word in (("all", " and "), ("any", " or ")):
        if isinstance(node.get(key), list):
            parts = [_render(inner) for inner in node[key]]
            inner = [f"({part})" if " and " in part or " or " in part else part for part in parts]
            return word.join(inner)
    for key in ("asset", "asset_ref", "alias", "dataset"):
        if key in node:
            return f"`{_name(node[key])}`"
    return "?"


def _name(node: JSON) -> str:
    if not isinstance(node, Mapping):
        return str(node)
    return str(node.get("uri") or node.get("name") or node.get("group") or "?")


async def read_condition(airflow: Airflow, dag_id: str, expression: JSON) -> AssetCondition | Unread:
    """Read the assets that a Dag is scheduled by, and the last run of those who make what is missing."""
    answer = await try_get(airflow, "assets", {"dag_ids": dag_id, "limit": 100})
    if isinstance(answer, Unread):
        return answer
    rows = [row for row in answer["assets"] if _is_scheduled_by(row, dag_id)]
    received = await _read_received(airflow, dag_id)
    assets = []
    for number, row in enumerate(rows):
        assets.append(
            AssetState(
                row.get("id"),
                str(row.get("uri") or row.get("name")),
                await _read_last_event(airflow, row, number < MOST_READ),
                None if received is None else bool({str(row.get("id")), str(row.get("uri"))} & received),
                tuple(f"{task['dag_id']}.{task['task_id']}" for task in row.get("producing_tasks") or []),
            )
        )
    condition = AssetCondition(expression, assets)
    dags = list(dict.fromkeys(name for asset in condition.missing for name in asset.producing_dags))
    producers = [await _read_producer(airflow, name) for name in dags[:MOST_READ]]
    return AssetCondition(expression, assets, producers)


def _is_scheduled_by(row: Row, dag_id: str) -> bool:
    return any(dag["dag_id"] == dag_id for dag in row.get("scheduled_dags") or [])


async def _read_received(airflow: Airflow, dag_id: str) -> set[str] | None:
    """Return the IDs, or URIs on Airflow 2, of the assets whose update waits for the Dag's next run."""
    try:
        answer = (await airflow.get(path("dags/{}/assets/queuedEvents", dag_id))).json()
    except NotFound:
        return set()
    except ToolError:
        return None
    return {str(event.get("asset_id", event.get("uri"))) for event in answer["queued_events"]}


async def _read_last_event(airflow: Airflow, row: Row, ask: bool) -> str | None:
    if isinstance(row.get("last_asset_event"), Mapping):
        return str(row["last_asset_event"].get("timestamp") or "")
    if not ask:
        return None
    query = {"asset_id": row.get("id"), "order_by": "-timestamp", "limit": 1}
    answer = await try_get(airflow, "assets/events", query)
    if isinstance(answer, Unread):
        return None
    return str(answer["asset_events"][0]["timestamp"]) if answer["asset_events"] else ""


async def _read_producer(airflow: Airflow, dag_id: str) -> Row:
    dag = await try_get(airflow, path("dags/{}", dag_id))
    query = {"order_by": "-run_after", "limit": 1}
    runs = await try_get(airflow, path("dags/{}/dagRuns", dag_id), query)
    row: Row = {"dag_id": dag_id}
    if not isinstance(dag, Unread) and dag.get("is_paused"):
        row["is_paused"] = True
    if isinstance(runs, Unread):
        return {**row, "not_read": runs.why, "says": f"The runs of `{dag_id}` could not be read."}
    paused = ", and it is paused" if row.get("is_paused") else ""
    if not runs["dag_runs"]:
        return {**row, "says": f"`{dag_id}` has never run{paused}."}
    last = runs["dag_runs"][0]
    row |= {"dag_run_id": last["dag_run_id"], "state": last["state"]}
    return {**row, "says": f"The last run of `{dag_id}`, `{last['dag_run_id']}`, is {last['state']}{paused}."}
