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
"""The tool that says what this Airflow is and runs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from airflow_provider_mcp.sdk import Airflow, JSONObject, Result, tool
from airflow_provider_mcp.tools.shared.reads import PAGE, Parts, read_pages

Part = Literal["version", "providers", "plugins", "jobs"]

MOST_PAGES = 10

_JOB = ("id", "job_type", "hostname", "state", "latest_heartbeat")


class AirflowInfo(Result):
    version: str | None = None
    git_version: str | None = None
    providers: dict[str, str] | None = None
    plugins: list[str] | None = None
    jobs: list[JSONObject] | None = None
    missing: dict[str, str] | None = None
    """The parts that could not be read, and why."""


async def _read(airflow: Airflow, part: Part) -> JSONObject:
    if part == "version":
        answer = (await airflow.get("version")).json()
        return {"version": answer["version"], "git_version": answer.get("git_version")}
    if part == "providers":
        rows, _ = await read_pages(airflow, "providers", "providers", MOST_PAGES)
        return {"providers": {row["package_name"]: row["version"] for row in rows}}
    if part == "plugins":
        rows, _ = await read_pages(airflow, "plugins", "plugins", MOST_PAGES)
        return {"plugins": [row["name"] for row in rows]}
    # Airflow looks for the living ones on the page alone: the latest heartbeats must be on it.
    query: JSONObject = {"is_alive": True, "order_by": "-latest_heartbeat", "limit": PAGE}
    rows = (await airflow.get("jobs", params=query)).json()["jobs"]
    return {"jobs": [{key: row.get(key) for key in _JOB} for row in rows]}


@tool(access="read", search_hint="which version is this, which providers are installed")
async def get_airflow_info(
    airflow: Airflow,
    include: Annotated[list[Part], Field(description="What to show.")] = ["version"],  # noqa: B006
) -> AirflowInfo:
    """Get Airflow's version.

    Installed providers and packages, plugins and running scheduler, triggerer and worker jobs.
    """
    parts = Parts()
    fields: JSONObject = {}
    for part in dict.fromkeys(include):
        fields |= await parts.read(part, _read(airflow, part)) or {}
    parts.raise_if_none()
    return AirflowInfo(**fields, missing=parts.missing or None)
