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
"""Tools about pools."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, Field

from airflow_provider_mcp.sdk import (
    Airflow,
    Cursor,
    InvalidArgument,
    Limit,
    Page,
    ToolError,
    Unsupported,
    fetch_page,
    path,
    tool,
)
from airflow_provider_mcp.tools.admin.reading import Deleted, Preview, _filled, _found, _missed

DEFAULT_POOL = "default_pool"

PoolName = Annotated[str, Field(description="Pool name.")]


class Pools(Page):
    items_field: ClassVar[str] = "pools"
    pools: list[dict[str, Any]]


class Pool(BaseModel):
    pool: dict[str, Any]
    created: bool | None = None


_POOL = ("name", "slots", "description", "include_deferred")

_POOL_NOW = (
    "occupied_slots",
    "running_slots",
    "queued_slots",
    "scheduled_slots",
    "deferred_slots",
    "open_slots",
)


def _pool(row: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: row[key] for key in keys if row.get(key) is not None}


async def _pool_at(airflow: Airflow, name: str) -> dict[str, Any] | None:
    return await _found(airflow, path("pools/{}", name, slashes=True))


async def _no_pool(airflow: Airflow, name: str) -> ToolError:
    return await _missed(airflow, "pool", name, "pools", "name", "pool_name_pattern", pool=name)


@tool(access="read")
async def list_pools(airflow: Airflow, limit: Limit = 25, cursor: Cursor = None) -> Pools:
    """List pools with their slots in use."""
    try:
        rows, total, offset = await fetch_page(
            airflow, "pools", "pools", params={"order_by": "name"}, limit=limit, cursor=cursor
        )
    except ToolError as failed:
        if failed.code != "internal" or not airflow.site.version.startswith("2."):
            raise
        raise Unsupported(
            "Airflow 2 failed to list its pools, as its API does if one of them has no limit (slots -1).",
            hint="Give such a pool a number of slots on Airflow's page of pools.",
        ) from None
    return Pools.of([_pool(row, *_POOL, *_POOL_NOW) for row in rows], total=total, offset=offset)


def _wanted_pool(
    found: dict[str, Any] | None,
    name: str,
    slots: int,
    description: str | None,
    include_deferred: bool | None,
) -> dict[str, Any]:
    """Return the pool as it shall be: what is not given stays as it is."""
    found = found or {}
    return {
        "name": name,
        "slots": slots,
        "description": found.get("description") if description is None else description,
        "include_deferred": bool(found.get("include_deferred"))
        if include_deferred is None
        else include_deferred,
    }


async def _preview_set_pool(
    airflow: Airflow,
    name: str,
    slots: int,
    description: str | None = None,
    include_deferred: bool | None = None,
) -> Preview:
    found = await _pool_at(airflow, name)
    return Preview(
        action="change a pool" if found else "create a pool",
        before=_pool(found, *_POOL) if found else None,
        after=_filled(_wanted_pool(found, name, slots, description, include_deferred)),
        now=_pool(found, *_POOL_NOW) if found else None,
    )


@tool(access="write", idempotent=True, preview=_preview_set_pool)
async def set_pool(
    airflow: Airflow,
    name: PoolName,
    slots: Annotated[int, Field(ge=-1, description="-1 for no limit.")],
    description: Annotated[str | None, Field(description="Description.")] = None,
    include_deferred: Annotated[bool | None, Field(description="Deferred tasks hold slots.")] = None,
) -> Pool:
    """Create or change a pool."""
    route = path("pools/{}", name, slashes=True)
    found = await _pool_at(airflow, name)
    wanted = _wanted_pool(found, name, slots, description, include_deferred)
    if found is None:
        row = (await airflow.post("pools", json=wanted)).json()
    else:
        query: dict[str, Any] = {}
        if name == DEFAULT_POOL and description is None:
            # Airflow lets these two alone be changed, and wants to be told so.
            query = {"update_mask": ["slots", "include_deferred"]}
        wanted["pool"] = wanted.pop("name")
        row = (await airflow.patch(route, params=query, json=wanted)).json()
    return Pool(pool=_pool(row, *_POOL), created=found is None)


async def _preview_delete_pool(airflow: Airflow, name: str) -> Preview:
    found = await _pool_to_delete(airflow, name)
    return Preview(
        action="delete a pool: tasks that name it are no longer started",
        before=_pool(found, *_POOL),
        now=_pool(found, *_POOL_NOW),
    )


async def _pool_to_delete(airflow: Airflow, name: str) -> dict[str, Any]:
    if name == DEFAULT_POOL:
        raise InvalidArgument(
            f"Airflow needs the pool `{DEFAULT_POOL}`: it cannot be deleted.",
            hint="Change its slots with set_pool.",
            pool=name,
        )
    found = await _pool_at(airflow, name)
    if found is None:
        raise await _no_pool(airflow, name)
    return found


@tool(access="destructive", preview=_preview_delete_pool)
async def delete_pool(airflow: Airflow, name: PoolName) -> Deleted:
    """Delete a pool."""
    await _pool_to_delete(airflow, name)
    await airflow.delete(path("pools/{}", name, slashes=True))
    return Deleted(deleted=name)
