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
"""What a change of a Dag or its runs reaches beyond them: the Dags they feed, and the runs that wait."""

from __future__ import annotations

from collections.abc import Collection

import anyio

from airflow_provider_mcp.sdk import Airflow, JSONObject, path
from airflow_provider_mcp.tools.shared.links import WAITING, Link, LinkReader, list_instance_links, name_dag
from airflow_provider_mcp.tools.shared.reads import PAGE, Unread
from airflow_provider_mcp.tools.shared.rows import drop_empty, pick_instance, seconds_only

MOST_CALLS = 24
"""REST calls, however many Dags there are."""

SECONDS = 10
"""A preview is of use without what it reaches: it does not wait longer for it."""

MOST_DAGS = 5
"""Dags of which is told whether they are paused and when they run next."""

MOST_SHOWN = 10

_ASSET_VERBS = {"schedules": "scheduled_on", "read_by": "reads"}


async def read_reach(
    airflow: Airflow, dag_id: str, task_ids: Collection[str] | None = None, *, starters: bool = False
) -> JSONObject:
    """Return what a change reaches, as previews show it; a part that cannot be read is named.

    :param task_ids: The tasks that are changed; None for all of the Dag.
    :param starters: Whether the Dags that start this one are shown too.
    """
    reach = _Reach(LinkReader(airflow, MOST_CALLS), dag_id, task_ids)
    with anyio.move_on_after(SECONDS) as limit:
        await reach.read(starters)
    if limit.cancelled_caught:
        reach.reader.missing["time"] = f"Reading it took longer than {SECONDS} s; what was read is shown."
    return reach.show()


class _Reach:
    def __init__(self, reader: LinkReader, dag_id: str, task_ids: Collection[str] | None) -> None:
        self.reader, self._dag_id, self._task_ids = reader, dag_id, task_ids
        self._fed: dict[str, JSONObject] = {}
        """By the ID of a Dag that is fed how."""
        self._answer: JSONObject = {}

    async def read(self, starters: bool) -> None:
        reader, dag_id = self.reader, self._dag_id
        links = await reader.read_asset_links([dag_id]) + await reader.read_task_links(dag_id)
        if self._task_ids is not None:
            self._answer["tasks_after"] = self._find_tasks_after(self._task_ids)
        others = await reader.read_instance_links(dag_id)
        await self._read_waiting()
        self._find_fed(list(dict.fromkeys(links + others)))
        if starters:
            starting = [link for link in others if link.how == "triggers" and link.target == name_dag(dag_id)]
            self._answer["started_by"] = [link.task for link in starting[:MOST_SHOWN]]
        dag = await reader.read_dag(dag_id)
        self._answer["next_run"] = seconds_only((dag or {}).get("next_dagrun_run_after"))
        await self._read_queued()
        for other in list(self._fed)[:MOST_DAGS]:
            await reader.read_dag(other)

    def _find_fed(self, links: list[Link]) -> None:
        start = name_dag(self._dag_id)
        produced = {
            link.target: link.task_id
            for link in links
            if link.how == "produces" and link.source == start and self._touches(link.task_id)
        }
        for link in links:
            how: JSONObject | None = None
            if link.source in produced and link.how in ("schedules", "read_by"):
                asset = link.source.removeprefix("asset:")
                how = {"how": _ASSET_VERBS[link.how], "asset": asset, "task_id": produced[link.source]}
            elif link.source == start and link.how in ("triggers", "clears") and self._touches(link.task_id):
                how = {"how": "started" if link.how == "triggers" else "cleared", "task_id": link.task_id}
            elif link.source == start and link.how == "awaited_by" and self._awaits(link):
                how = {"how": "awaits", "sensor": link.task_id}
            if how is not None and link.target != start:
                self._fed.setdefault(link.target.removeprefix("dag:"), how)

    def _touches(self, task_id: str | None) -> bool:
        return self._task_ids is None or task_id in self._task_ids

    def _awaits(self, link: Link) -> bool:
        return not link.awaited_tasks or any(self._touches(task) for task in link.awaited_tasks)

    def _find_tasks_after(self, task_ids: Collection[str]) -> JSONObject:
        """Return the tasks of the same Dag that come after the changed ones."""
        after = {
            task["task_id"]: task.get("downstream_task_ids") or []
            for task in self.reader.tasks.get(self._dag_id, [])
        }
        found: dict[str, None] = {}
        queue = list(task_ids)
        while queue:
            for following in after.get(queue.pop(), []):
                if following not in found and following not in task_ids:
                    found[following] = None
                    queue.append(following)
        return {"total": len(found), "task_ids": sorted(found)[:MOST_SHOWN]}

    async def _read_waiting(self) -> None:
        """Find the runs of other Dags whose sensors wait for this one now."""
        route = path("dags/{}/dagRuns/{}/taskInstances", "~", "~")
        answer = await self.reader.get(route, {"state": list(WAITING), "limit": PAGE})
        if isinstance(answer, Unread):
            self.reader.missing["runs_waiting"] = answer.why
            return
        rows, total = answer["task_instances"], answer["total_entries"]
        if total > len(rows):
            self.reader.missing["runs_waiting"] = f"Only {len(rows)} of {total} running tasks were looked at."
        waiting = [
            row
            for row in rows
            for link in list_instance_links(row)
            if link.how == "awaited_by" and link.source == name_dag(self._dag_id) and self._awaits(link)
        ]
        self._answer["runs_waiting"] = [
            pick_instance(row, "dag_id", "dag_run_id", "task_id", "map_index", "state")
            for row in waiting[:MOST_SHOWN]
        ]
        if len(waiting) > MOST_SHOWN:
            self._answer["runs_waiting_total"] = len(waiting)

    async def _read_queued(self) -> None:
        route = path("dags/{}/dagRuns", self._dag_id)
        answer = await self.reader.get(route, {"state": "queued", "limit": 1})
        if isinstance(answer, Unread):
            self.reader.missing["queued_runs"] = answer.why
        else:
            self._answer["queued_runs"] = answer["total_entries"] or None

    def show(self) -> JSONObject:
        fed = [
            drop_empty({"dag_id": dag_id, **how, **self._describe(dag_id)})
            for dag_id, how in list(self._fed.items())[:MOST_SHOWN]
        ]
        unknown = [row for row in self.reader.unknown if self._touches(row["task_id"])]
        return {
            # That nothing is fed is said too.
            "dags_fed": fed,
            **({"dags_fed_total": len(self._fed)} if len(self._fed) > len(fed) else {}),
            **drop_empty({**self._answer, "unknown": unknown[:MOST_SHOWN], "missing": self.reader.missing}),
        }

    def _describe(self, dag_id: str) -> JSONObject:
        row = self.reader.dags.get(dag_id)
        if row is None:
            return {}
        next_run = seconds_only(row.get("next_dagrun_run_after"))
        return {"is_paused": True if row.get("is_paused") else None, "next_run": next_run}
