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
"""Tools that say how Airflow is and why something does not run."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, Field

from airflow_provider_mcp.sdk import (
    Airflow,
    Cursor,
    Limit,
    Page,
    Result,
    ToolError,
    Toolset,
    fetch_page,
    hookimpl,
    tool,
)


class Component(BaseModel):
    status: str | None = None
    latest_heartbeat: str | None = None


class SystemHealth(Result):
    healthy: bool | None = Field(default=None, description="Left out if a check could not be made.")
    components: dict[str, Component] | None = None
    import_errors: int | None = None
    full_pools: list[str] | None = None
    unchecked: dict[str, str] | None = None


class ImportErrorRow(BaseModel):
    import_error_id: int | None = None
    filename: str | None = None
    timestamp: str | None = None
    stack_trace: str | None = None


class ImportErrors(Page):
    items_field: ClassVar[str] = "import_errors"
    import_errors: list[ImportErrorRow]


@tool(access="read")
async def get_system_health(airflow: Airflow) -> SystemHealth:
    """Check the database, scheduler, triggerer and Dag processor, import errors and full pools."""
    unchecked: dict[str, str] = {}

    async def ask(what: str, route: str, **params: Any) -> dict[str, Any] | None:
        try:
            answer: dict[str, Any] = (await airflow.get(route, params=params)).json()
        except ToolError as refused:
            unchecked[what] = refused.message
            return None
        return answer

    health = await ask("components", "monitor/health")
    errors = await ask("import_errors", "importErrors", limit=1)
    pools = await ask("pools", "pools", limit=100)
    components = None
    if health is not None:
        components = {
            name: Component(
                status=part.get("status"),
                latest_heartbeat=next((v for k, v in part.items() if k.startswith("latest_") and v), None),
            )
            for name, part in health.items()
            # A component that is not deployed has no status; that is not a fault.
            if isinstance(part, dict) and part.get("status")
        }
    full = None
    if pools is not None:
        full = [pool["name"] for pool in pools["pools"] if pool["slots"] >= 0 and pool["open_slots"] <= 0]
    sick = bool(components and any(part.status != "healthy" for part in components.values()))
    return SystemHealth(
        healthy=False if sick else None if "components" in unchecked or not components else True,
        components=components,
        import_errors=None if errors is None else errors["total_entries"],
        full_pools=full,
        unchecked=unchecked or None,
    )


@tool(access="read")
async def list_import_errors(
    airflow: Airflow,
    pattern: Annotated[str | None, Field(description="Part of the file name (Airflow 3).")] = None,
    limit: Limit = 25,
    cursor: Cursor = None,
) -> ImportErrors:
    """List Dag files that could not be imported, with the traceback."""
    rows, total, offset = await fetch_page(
        airflow,
        "importErrors",
        "import_errors",
        params={"filename_pattern": pattern, "order_by": "-timestamp"},
        limit=limit,
        cursor=cursor,
        newest_first=True,
    )
    shown = [
        ImportErrorRow(**{k: row.get(k) for k in ImportErrorRow.model_fields if k in row}) for row in rows
    ]
    return ImportErrors.of(shown, total=total, offset=offset)


@hookimpl
def register_toolsets() -> list[Toolset]:
    return [Toolset("diagnostics", "Say what is wrong.", [get_system_health, list_import_errors])]
