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
"""Tools about this Airflow itself."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from airflow_provider_mcp.sdk import Airflow, Result, Toolset, hookimpl, tool

Part = Literal["version", "providers", "plugins", "jobs"]
MAX_LISTED = 100


class AirflowInfo(Result):
    version: str | None = None
    git_version: str | None = None
    providers: dict[str, str] | None = None
    plugins: list[str] | None = None
    jobs: list[dict[str, Any]] | None = None


async def _all(airflow: Airflow, route: str, key: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    while True:
        answer = (await airflow.get(route, params={"limit": MAX_LISTED, "offset": len(rows)})).json()
        rows += answer[key]
        if not answer[key] or len(rows) >= answer["total_entries"]:
            return rows


@tool(access="read")
async def get_airflow_info(
    airflow: Airflow,
    include: Annotated[list[Part], Field(description="What to show.")] = ["version"],  # noqa: B006
) -> AirflowInfo:
    """Get Airflow's version, providers, plugins and running jobs."""
    info = AirflowInfo()
    if "version" in include:
        answer = (await airflow.get("version")).json()
        info.version, info.git_version = answer["version"], answer.get("git_version")
    if "providers" in include:
        rows = await _all(airflow, "providers", "providers")
        info.providers = {row["package_name"]: row["version"] for row in rows}
    if "plugins" in include:
        info.plugins = [row["name"] for row in await _all(airflow, "plugins", "plugins")]
    if "jobs" in include:
        query = {"is_alive": True, "limit": MAX_LISTED}
        rows = (await airflow.get("jobs", params=query)).json()["jobs"]
        shown = ("id", "job_type", "hostname", "state", "latest_heartbeat")
        info.jobs = [{key: row.get(key) for key in shown} for row in rows]
    return info


@hookimpl
def register_toolsets() -> list[Toolset]:
    return [Toolset("admin", "What this Airflow is and is set to.", [get_airflow_info])]
