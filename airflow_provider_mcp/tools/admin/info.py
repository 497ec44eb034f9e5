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
"""Tools about what this Airflow is, is set to and did: pools, variables, connections, options, audit log."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from airflow_provider_mcp.sdk import (
    Airflow,
    Result,
    ToolError,
    tool,
)
from airflow_provider_mcp.tools.admin.reading import MAX_LISTED, _all

Part = Literal["version", "providers", "plugins", "jobs"]


class AirflowInfo(Result):
    version: str | None = None
    git_version: str | None = None
    providers: dict[str, str] | None = None
    plugins: list[str] | None = None
    jobs: list[dict[str, Any]] | None = None
    missing: dict[str, str] | None = None


async def _show(airflow: Airflow, part: Part, info: AirflowInfo) -> None:
    if part == "version":
        answer = (await airflow.get("version")).json()
        info.version, info.git_version = answer["version"], answer.get("git_version")
    elif part == "providers":
        info.providers = {row["package_name"]: row["version"] for row in await _all(airflow, "providers")}
    elif part == "plugins":
        info.plugins = [row["name"] for row in await _all(airflow, "plugins")]
    else:
        # Airflow looks for the living ones on the page alone: the latest heartbeats must be on it.
        query: dict[str, Any] = {"is_alive": True, "order_by": "-latest_heartbeat", "limit": MAX_LISTED}
        rows = (await airflow.get("jobs", params=query)).json()["jobs"]
        shown = ("id", "job_type", "hostname", "state", "latest_heartbeat")
        info.jobs = [{key: row.get(key) for key in shown} for row in rows]


@tool(access="read")
async def get_airflow_info(
    airflow: Airflow,
    include: Annotated[list[Part], Field(description="What to show.")] = ["version"],  # noqa: B006
) -> AirflowInfo:
    """Get Airflow's version, providers, plugins and running jobs."""
    info = AirflowInfo()
    for part in include:
        try:
            await _show(airflow, part, info)
        except ToolError as unserved:
            if unserved.code not in {"unsupported", "permission_denied"}:
                raise
            info.missing = {**(info.missing or {}), part: unserved.as_text()}
    return info
