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
"""What joins Dags: the assets that one makes and another waits for, tasks that start Dags, and sensors.

No operation of the REST API says which Dag a task starts or waits for, and none lists the tasks of all Dags.
A task's target is read from the rendered fields of its latest run, or else from the source code. Who starts
or waits for a Dag is found among the latest instances of such tasks, and where there are few Dags, in all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from airflow_provider_mcp.sdk import JSON, Airflow, JSONObject, path
from airflow_provider_mcp.tools.shared.reads import PAGE, Row, Unread, try_get
from airflow_provider_mcp.tools.shared.rows import drop_empty
from airflow_provider_mcp.tools.shared.sources import find_task_argument
from airflow_provider_mcp.tools.shared.versions import read_release

How = Literal["triggers", "awaited_by", "clears", "produces", "schedules", "read_by", "watched"]

OPERATORS = ("TriggerDagRunOperator", "ExternalTaskSensor", "ExternalTaskMarker")
"""Of instances that are looked for in all Dags; within a Dag, a task is known by its template fields."""

WAITING = ("running", "deferred", "up_for_reschedule")
"""The states of a sensor that waits."""

_FILTERS_OPERATORS = (3, 1)
"""The first Airflow that lists task instances by their operator."""

_AT_ONCE = 40
"""Dags whose assets are asked for in one call: an address is only so long."""

_ASSET_PAGES = 3

_INSTANCE_PAGES = 3

_BY_TASK = 3
"""Tasks whose instances are read one by one; of more, the run's instances are paged through."""

_AROUND_RUNS = 3
"""Runs around which tasks are looked for that started or awaited them, where Airflow filters no operator."""


@dataclass(frozen=True)
class Link:
    """A step from a Dag or an asset to the next."""

    how: How
    source: str
    """``dag:ID`` or ``asset:NAME``."""
    target: str
    task: str | None = None
    """``dag_id.task_id`` of the task that does it."""
    known_by: str = "definition"
    awaited_tasks: tuple[str, ...] = ()
    """The tasks of the source that a sensor waits for; none if it waits for the whole run."""

    @property
    def task_id(self) -> str | None:
        return self.task.split(".", 1)[1] if self.task else None


def name_dag(dag_id: str) -> str:
    return f"dag:{dag_id}"


def list_dag_ids(names: Iterable[str]) -> list[str]:
    """Return the IDs of those names that are Dags, each once."""
    return list(dict.fromkeys(name.removeprefix("dag:") for name in names if name.startswith("dag:")))


@dataclass
class LinkReader:
    """Reads what joins Dags, in at most ``calls`` REST calls.

    :ivar missing: By the name of a part why it could not be read.
    :ivar unknown: The tasks that start or wait for a Dag of which nothing says which.
    """

    airflow: Airflow
    calls: int
    missing: dict[str, str] = field(default_factory=dict)
    unknown: list[JSONObject] = field(default_factory=list)
    dags: dict[str, Row] = field(default_factory=dict)
    """The rows of the Dags that were read."""
    tasks: dict[str, list[Row]] = field(default_factory=dict)
    """The tasks of the Dags whose tasks were read."""

    async def get(self, route: str, params: JSONObject | None = None) -> JSON | Unread:
        """GET, if a call is left."""
        if self.calls <= 0:
            return Unread("the call had made as many REST calls as it may")
        self.calls -= 1
        return await try_get(self.airflow, route, params)

    async def list_rows(self, part: str, route: str, key: str, pages: int, **query: JSON) -> list[Row]:
        """Return the rows of at most ``pages`` pages; note what could not be read under ``part``."""
        rows: list[Row] = []
        total = 0
        for _ in range(pages):
            answer = await self.get(route, {**query, "limit": PAGE, "offset": len(rows)})
            if isinstance(answer, Unread):
                self.missing[part] = answer.why
                return rows
            total = answer["total_entries"]
            rows += answer[key]
            if len(rows) >= total or not answer[key]:
                return rows
        self.missing[part] = f"only the first {len(rows)} of {total} were read"
        return rows

    async def read_dag(self, dag_id: str) -> Row | None:
        """Return the row of a Dag, which is read once."""
        if dag_id not in self.dags:
            answer = await self.get(path("dags/{}", dag_id))
            if isinstance(answer, Unread):
                self.missing[f"Dag {dag_id}"] = answer.why
                return None
            self.dags[dag_id] = answer
        return self.dags[dag_id]

    async def read_asset_links(self, dag_ids: Sequence[str]) -> list[Link]:
        """Return the links of the assets that these Dags make or wait for."""
        found: dict[Link, None] = {}
        for at in range(0, len(dag_ids), _AT_ONCE):
            chunk = list(dag_ids[at : at + _AT_ONCE])
            rows = await self.list_rows(
                "assets", "assets", "assets", _ASSET_PAGES, dag_ids=chunk, order_by="id"
            )
            for row in rows:
                found |= dict.fromkeys(list_asset_links(row))
        return list(found)

    async def read_task_links(self, dag_id: str) -> list[Link]:
        """Return the links of a Dag's own tasks: the Dags that they start, await or clear."""
        if dag_id in self.tasks:
            return []
        answer = await self.get(path("dags/{}/tasks", dag_id))
        if isinstance(answer, Unread):
            self.missing[f"tasks of {dag_id}"] = answer.why
            return []
        self.tasks[dag_id] = answer["tasks"]
        linking = {task["task_id"]: how for task in answer["tasks"] if (how := _find_how(task)) is not None}
        if not linking:
            return []
        links = [
            link
            for row in await self._read_latest(dag_id, list(linking))
            for link in list_instance_links(row)
            if link.task_id in linking
        ]
        left = [task_id for task_id in linking if task_id not in {link.task_id for link in links}]
        return list(dict.fromkeys(links)) + await self._read_source_links(
            dag_id, {task_id: linking[task_id] for task_id in left}
        )

    async def _read_latest(self, dag_id: str, task_ids: Sequence[str]) -> list[Row]:
        """Return the instances of tasks in the Dag's latest run."""
        answer = await self.get(path("dags/{}/dagRuns", dag_id), {"order_by": "-run_after", "limit": 1})
        if isinstance(answer, Unread) or not answer["dag_runs"]:
            return []
        route = path("dags/{}/dagRuns/{}/taskInstances", dag_id, answer["dag_runs"][0]["dag_run_id"])
        part = f"instances of {dag_id}"
        if len(task_ids) > _BY_TASK:
            return await self.list_rows(part, route, "task_instances", _INSTANCE_PAGES)
        rows: list[Row] = []
        for task_id in task_ids:
            rows += await self.list_rows(part, route, "task_instances", 1, task_id=task_id)
        return rows

    async def _read_source_links(self, dag_id: str, linking: dict[str, How]) -> list[Link]:
        """Return the links of tasks that have not run, as far as the source code has the target as text."""
        if not linking:
            return []
        answer = await self.get(path("dagSources/{}", dag_id))
        source = "" if isinstance(answer, Unread) else str(answer.get("content") or "")
        why = answer.why if isinstance(answer, Unread) else "the source code does not name it"
        links = []
        for task_id, how in linking.items():
            argument = "trigger_dag_id" if how == "triggers" else "external_dag_id"
            other = find_task_argument(source, dag_id, task_id, argument)
            if other is None or "{{" in other:
                says = "starts" if how == "triggers" else "waits for"
                self.unknown.append(
                    {
                        "dag_id": dag_id,
                        "task_id": task_id,
                        "says": f"Which Dag it {says} is not known: no latest run shows it, and {why}.",
                    }
                )
                continue
            links.append(_make_link(how, dag_id, task_id, other, "source code"))
        return links

    async def read_instance_links(self, dag_id: str | None = None) -> list[Link]:
        """Return the links of the latest instances of such tasks in all Dags.

        :param dag_id: The Dag around whose runs they are looked for, where Airflow filters no operator.
        """
        rows: list[Row] = []
        route = path("dags/{}/dagRuns/{}/taskInstances", "~", "~")
        if read_release(self.airflow) >= _FILTERS_OPERATORS:
            for operator in OPERATORS:
                query: JSONObject = {"operator": operator, "order_by": "-start_date", "limit": PAGE}
                answer = await self.get(route, query)
                if isinstance(answer, Unread):
                    self.missing["other Dags' tasks"] = answer.why
                    break
                rows += answer["task_instances"]
        elif dag_id is not None:
            rows = await self._read_around(route, dag_id)
        return list(dict.fromkeys(link for row in rows for link in list_instance_links(row)))

    async def _read_around(self, route: str, dag_id: str) -> list[Row]:
        """Return the instances that ran when a Dag's latest runs began or ended, and those that wait now."""
        query: JSONObject = {"order_by": "-run_after", "limit": _AROUND_RUNS}
        answer = await self.get(path("dags/{}/dagRuns", dag_id), query)
        runs = [] if isinstance(answer, Unread) else answer["dag_runs"]
        queries: list[JSONObject] = [{"state": list(WAITING)}]
        for run in runs:
            if run.get("run_type") == "manual" and (begun := run.get("queued_at") or run.get("logical_date")):
                # The task that starts a run does so within seconds of its own start.
                queries.append({"start_date_gte": _shift(begun, -60), "start_date_lte": _shift(begun, 1)})
            if ended := run.get("end_date"):
                # A sensor looks again after at most its poke interval, a minute by default.
                queries.append({"end_date_gte": ended, "end_date_lte": _shift(ended, 120)})
        rows: list[Row] = []
        for where in queries:
            answer = await self.get(route, {**where, "limit": PAGE})
            if isinstance(answer, Unread):
                self.missing["other Dags' tasks"] = answer.why
                break
            rows += answer["task_instances"]
        return rows


def _shift(time: str, seconds: int) -> str:
    moment = datetime.fromisoformat(time.replace("Z", "+00:00"))
    return (moment + timedelta(seconds=seconds)).isoformat()


def _find_how(task: Row) -> How | None:
    """Return how a task is joined to another Dag, by the template fields that its operator inherits."""
    fields = task.get("template_fields") or ()
    if "trigger_dag_id" in fields:
        return "triggers"
    if "external_dag_id" in fields:
        return "awaited_by" if "external_task_ids" in fields else "clears"
    return None


def list_instance_links(row: Row) -> list[Link]:
    """Return the links that a task instance's rendered fields show."""
    fields = row.get("rendered_fields") or {}
    how = _find_how({"template_fields": fields})
    if how is None:
        return []
    other = fields["trigger_dag_id" if how == "triggers" else "external_dag_id"]
    if not other or not isinstance(other, str):
        return []
    tasks: list[str] = []
    for task_ids in (fields.get("external_task_id"), fields.get("external_task_ids")):
        tasks += [task_ids] if isinstance(task_ids, str) else task_ids if isinstance(task_ids, list) else []
    awaited = tuple(dict.fromkeys(task for task in tasks if task)) if how == "awaited_by" else ()
    return [_make_link(how, row["dag_id"], row["task_id"], other, "latest run", awaited)]


def _make_link(
    how: How, dag_id: str, task_id: str, other: str, known_by: str, awaited: tuple[str, ...] = ()
) -> Link:
    own, others = name_dag(dag_id), name_dag(other)
    source, target = (others, own) if how == "awaited_by" else (own, others)
    return Link(how, source, target, f"{dag_id}.{task_id}", known_by, awaited)


def list_asset_links(row: Row) -> list[Link]:
    """Return the links of an asset: who makes it, and which Dags it starts or which tasks read it."""
    asset = f"asset:{row['name']}"
    links = [
        Link("produces", name_dag(task["dag_id"]), asset, f"{task['dag_id']}.{task['task_id']}")
        for task in row.get("producing_tasks") or []
    ]
    scheduled = [dag["dag_id"] for dag in row.get("scheduled_dags") or []]
    links += [Link("schedules", asset, name_dag(dag_id)) for dag_id in scheduled]
    links += [
        Link("read_by", asset, name_dag(task["dag_id"]), f"{task['dag_id']}.{task['task_id']}")
        for task in row.get("consuming_tasks") or []
    ]
    links += [Link("watched", f"watcher:{watcher['name']}", asset) for watcher in row.get("watchers") or []]
    return links


def show_link(link: Link) -> JSONObject:
    """Return a link as a result shows it."""
    return drop_empty(
        {
            "from": link.source,
            "how": link.how,
            "to": link.target,
            "task": link.task,
            "awaited_tasks": list(link.awaited_tasks),
            "known_by": None if link.known_by == "definition" else link.known_by,
        }
    )
