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
"""``trace_lineage``: what feeds a Dag or an asset, and what it feeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field

from airflow_provider_mcp.sdk import Airflow, InvalidArgument, JSONObject, path, tool
from airflow_provider_mcp.tools.assets import find_asset
from airflow_provider_mcp.tools.diagnostics.reading import Report
from airflow_provider_mcp.tools.shared.links import (
    Link,
    LinkReader,
    list_asset_links,
    list_dag_ids,
    name_dag,
    show_link,
)
from airflow_provider_mcp.tools.shared.reads import PAGE, Unread
from airflow_provider_mcp.tools.shared.rows import drop_empty, seconds_only

MOST_CALLS = 120
"""REST calls of one trace, however many Dags there are."""

MOST_DAGS = 30
"""Dags whose tasks are read one by one on the way."""

SCANNED_DAGS = 60
"""Where there are at most so many Dags, the tasks of all are read: then who points to a Dag is known."""

MOST_LINKS = 60
"""Links that are shown of each direction."""

MOST_FOUND = 500
"""Links of a direction after which nothing further away is followed."""

MOST_STATES = 15
"""Dags of which is told whether they are paused and when they run next."""

Direction = Literal["upstream", "downstream"]


class Lineage(Report):
    upstream: list[JSONObject] | None = None
    downstream: list[JSONObject] | None = None
    dags: dict[str, JSONObject] | None = None
    """The other Dags: whether they are paused, and when they run next."""
    unknown: list[JSONObject] | None = None
    """Tasks that start or wait for a Dag of which nothing says which."""
    missing: dict[str, str] | None = None
    """What could not be read, or was not looked at, and why."""


@dataclass
class _Graph:
    """The links that are known, which grow with each Dag that is looked at."""

    reader: LinkReader
    looked_at: set[str] = field(default_factory=set)
    _known: set[tuple[str | None, ...]] = field(default_factory=set)
    _by_end: dict[tuple[Direction, str], list[Link]] = field(default_factory=dict)

    def add(self, links: Sequence[Link]) -> None:
        for link in links:
            # A link that a definition and a run show is one link.
            key = (link.how, link.source, link.target, link.task)
            if key not in self._known:
                self._known.add(key)
                self._by_end.setdefault(("downstream", link.source), []).append(link)
                self._by_end.setdefault(("upstream", link.target), []).append(link)

    async def look_at(self, dag_ids: Sequence[str]) -> None:
        """Read the links of these Dags, as far as calls and the number of Dags allow."""
        new = [dag_id for dag_id in dag_ids if dag_id not in self.looked_at]
        if not new:
            return
        self.add(await self.reader.read_asset_links(new))
        room = max(0, MOST_DAGS - len(self.looked_at))
        for dag_id in new[:room]:
            self.add(await self.reader.read_task_links(dag_id))
        if new[room:]:
            names = ", ".join(new[room : room + 10])
            self.reader.missing["tasks"] = (
                f"The tasks of {len(new) - room} Dags on the way were not read ({names})."
            )
        self.looked_at |= set(new)

    def follow(self, node: str, direction: Direction) -> list[Link]:
        """Return the links from a node to its neighbours."""
        return self._by_end.get((direction, node), [])

    async def walk(self, start: str, direction: Direction, depth: int) -> list[tuple[int, Link]]:
        """Return the links of a direction with their distance, counted in Dags, the nearest first."""
        found: dict[Link, int] = {}
        seen = {start}
        nodes = [start]
        for distance in range(1, depth + 1):
            if len(found) > MOST_FOUND:
                self.reader.missing[direction] = f"What is over {distance - 1} Dags away was not followed."
                break
            await self.look_at(list_dag_ids(nodes))
            # Assets are appended on the way.
            reached: list[str] = []
            for node in nodes:
                for link in self.follow(node, direction):
                    found.setdefault(link, distance)
                    other = link.target if direction == "downstream" else link.source
                    if other in seen:
                        continue
                    seen.add(other)
                    # An asset is no step of its own: what lies behind it is as far as the asset.
                    (nodes if other.startswith("asset:") else reached).append(other)
            nodes = reached
        return [(distance, link) for link, distance in found.items()]


@tool(access="read", search_hint="which pipelines depend on this, what is upstream of it")
async def trace_lineage(
    airflow: Airflow,
    dag_id: Annotated[str | None, Field(description="Dag ID, or give asset.")] = None,
    asset: Annotated[str | None, Field(description="Name, URI or ID.")] = None,
    direction: Annotated[Literal["both", "upstream", "downstream"], Field(description="Where to.")] = "both",
    depth: Annotated[int, Field(ge=1, le=5, description="Dags away.")] = 2,
) -> Lineage:
    """Trace lineage: which pipelines depend on this Dag or dataset, and what is upstream of it.

    What breaks or is affected downstream, by assets, triggered Dags and external task sensors.
    """
    if (dag_id is None) == (asset is None):
        raise InvalidArgument("Give either dag_id or asset.", hint="list_dags and list_assets show them.")
    reader = LinkReader(airflow, MOST_CALLS)
    graph = _Graph(reader)
    if dag_id is not None:
        reader.dags[dag_id] = (await airflow.get(path("dags/{}", dag_id))).json()
        start = name_dag(dag_id)
    else:
        row = await find_asset(airflow, asset or "")
        graph.add(list_asset_links(row))
        start = f"asset:{row['name']}"
    await _read_all_tasks(graph, dag_id)
    answer: JSONObject = {"start": start, "depth": depth}
    others: dict[str, None] = {}
    for way in ("upstream", "downstream"):
        if direction not in ("both", way):
            continue
        steps = await graph.walk(start, "upstream" if way == "upstream" else "downstream", depth)
        answer[way] = [{"distance": distance, **show_link(link)} for distance, link in steps[:MOST_LINKS]]
        if len(steps) > MOST_LINKS:
            answer[f"{way}_total"] = len(steps)
        ends = (name for _, link in steps for name in (link.source, link.target))
        others |= dict.fromkeys(list_dag_ids(ends))
    dags = [other for other in others if other != dag_id]
    states = {other: await _describe_dag(reader, other) for other in dags[:MOST_STATES]}
    if len(dags) > MOST_STATES:
        reader.missing["dags"] = f"{MOST_STATES} of {len(dags)} Dags are described."
    unknown = [row for row in reader.unknown if row["dag_id"] in {dag_id, *dags}]
    others_unknown = [f"{r['dag_id']}.{r['task_id']}" for r in reader.unknown if r not in unknown]
    if others_unknown:
        reader.missing["unknown targets"] = (
            f"{len(others_unknown)} more tasks start or wait for a Dag that is not known, perhaps one of "
            f"these: {', '.join(others_unknown[:5])}."
        )
    return Lineage(**answer, dags=states or None, unknown=unknown or None, missing=reader.missing or None)


async def _read_all_tasks(graph: _Graph, dag_id: str | None) -> None:
    """Read who points to other Dags: in all Dags if they are few, else among the latest instances."""
    reader = graph.reader
    answer = await reader.get("dags", {"limit": PAGE, "order_by": "dag_id"})
    if isinstance(answer, Unread):
        reader.missing["all Dags"] = answer.why
        return
    reader.dags |= {row["dag_id"]: row for row in answer["dags"]}
    total = int(answer["total_entries"])
    graph.add(await reader.read_instance_links(dag_id))
    if total <= SCANNED_DAGS:
        for row in answer["dags"]:
            graph.add(await reader.read_task_links(row["dag_id"]))
        return
    reader.missing["other Dags"] = (
        f"The tasks of all {total} Dags are not read: who starts or waits for a Dag without having run "
        "lately is not known."
    )


async def _describe_dag(reader: LinkReader, dag_id: str) -> JSONObject:
    row = await reader.read_dag(dag_id)
    if row is None:
        return {}
    return drop_empty(
        {
            "is_paused": bool(row.get("is_paused")),
            "schedule": row.get("timetable_summary"),
            "next_run": seconds_only(row.get("next_dagrun_run_after")),
        }
    )
