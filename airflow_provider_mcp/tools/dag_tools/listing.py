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
"""Which Dags one caller is offered as tools, and what is left out."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass

from airflow_provider_mcp.sdk import Airflow, JSONObject, PermissionDenied, ToolError, path
from airflow_provider_mcp.tools.dag_tools.schemas import Unusable, build_schema, find_result_task, shorten
from airflow_provider_mcp.tools.shared.reads import read_pages

PREFIX = "run_"

DESTRUCTIVE = "destructive"
"""With this behind the tag and a colon, a second tag of a Dag asks for a confirmation."""

MOST_PAGES = 10
"""Pages of a hundred Dags that are looked at."""

READ_AT_ONCE = 4

MOST_DESCRIPTION = 300

MOST_NAME = 64


@dataclass(frozen=True)
class DagTool:
    """A Dag that is offered as a tool."""

    dag_id: str
    name: str
    title: str
    description: str
    input_schema: JSONObject
    is_destructive: bool
    result_task: str | None


async def find_dags(airflow: Airflow) -> tuple[dict[str, str], list[str]]:
    """Return the Dags that the caller may start, by the names of their tools, and why others are left out."""
    tag, most = airflow.site.dag_tool_tag, airflow.site.max_dag_tools
    try:
        rows, total = await read_pages(airflow, "dags", "dags", MOST_PAGES, tags=tag, order_by="dag_id")
    except PermissionDenied:
        return {}, []
    dag_ids = [row["dag_id"] for row in rows]
    triggerable = await airflow.find_triggerable(dag_ids) if dag_ids else frozenset()
    by_name: dict[str, list[str]] = {}
    for dag_id in dag_ids:
        if dag_id in triggerable:
            by_name.setdefault(name_tool(dag_id), []).append(dag_id)
    left_out = [
        f"the Dags {' and '.join(same)} are left out: each would be the tool {name}; rename one"
        for name, same in by_name.items()
        if len(same) > 1
    ]
    names = [name for name, same in by_name.items() if len(same) == 1]
    more = len(names[most:]) + total - len(rows)
    if more:
        left_out.append(f"{more} more Dags have the tag {tag}: [mcp] max_dag_tools is {most}")
    return {name: by_name[name][0] for name in names[:most]}, left_out


def name_tool(dag_id: str) -> str:
    """Return the name of the tool that runs a Dag."""
    return (PREFIX + re.sub(r"[^A-Za-z0-9_-]", "_", dag_id))[:MOST_NAME]


async def read_dags(airflow: Airflow, dags: Mapping[str, str]) -> tuple[list[DagTool], list[str]]:
    """Return Dags as tools, and a sentence for each that cannot be one.

    :param dags: Their IDs, by the names of their tools.
    """
    turns = asyncio.Semaphore(READ_AT_ONCE)

    async def read(name: str, dag_id: str) -> DagTool | str | None:
        try:
            async with turns:
                row = (await airflow.get(path("dags/{}/details", dag_id))).json()
            return build_tool(airflow, name, row)
        except Unusable as why:
            return f"the Dag {dag_id} is left out: {why}"
        except (ToolError, ValueError) as failure:
            reason = failure.message if isinstance(failure, ToolError) else "they are no JSON"
            return f"the Dag {dag_id} is left out: its details could not be read ({reason})"

    found = await asyncio.gather(*(read(name, dag_id) for name, dag_id in dags.items()))
    return [one for one in found if isinstance(one, DagTool)], [one for one in found if isinstance(one, str)]


def build_tool(airflow: Airflow, name: str, row: JSONObject) -> DagTool:
    """Return the tool of a Dag, given its details.

    :raises Unusable: It cannot be one.
    """
    dag_id, params = row["dag_id"], row.get("params") or {}
    return DagTool(
        dag_id,
        name,
        title=str(airflow.redact(row.get("dag_display_name") or dag_id)),
        description=str(airflow.redact(describe(row))),
        input_schema=build_schema(airflow, params),
        is_destructive=is_destructive(row, airflow.site.dag_tool_tag),
        result_task=find_result_task(params),
    )


def is_destructive(row: JSONObject, tag: str) -> bool:
    """Say whether a Dag's second tag asks for a confirmation."""
    return f"{tag}:{DESTRUCTIVE}" in read_tags(row)


def read_tags(row: JSONObject) -> set[str]:
    """Return the names of a Dag's tags."""
    return {tag["name"] for tag in row.get("tags") or []}


def describe(row: JSONObject) -> str:
    """Return what a Dag says about itself: the first paragraph of its docs, or its description."""
    paragraphs = re.split(r"\n\s*\n", str(row.get("doc_md") or ""))
    lines = [
        "\n".join(line for line in paragraph.splitlines() if not line.lstrip().startswith("#"))
        for paragraph in paragraphs
    ]
    text = next((line for line in lines if line.strip()), None) or row.get("description")
    return shorten(str(text or f"Run the Dag {row['dag_id']}."), MOST_DESCRIPTION)
