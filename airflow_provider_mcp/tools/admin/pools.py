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

from typing import Annotated, ClassVar

from pydantic import BaseModel, Field

from airflow_provider_mcp.sdk import (
    Airflow,
    Arguments,
    Cursor,
    InternalError,
    InvalidArgument,
    JSONObject,
    Limit,
    Page,
    Unsupported,
    tool,
)
from airflow_provider_mcp.tools.admin.stored import Kind
from airflow_provider_mcp.tools.shared.previews import Change, Deleted
from airflow_provider_mcp.tools.shared.rows import drop_empty, pick
from airflow_provider_mcp.tools.shared.versions import is_airflow_2

DEFAULT_POOL = "default_pool"

PoolName = Annotated[str, Field(description="Pool name.")]

POOL = Kind("pool", "pools", "name", "pool_name_pattern", "pool", has_slashes=True)

_SETTINGS = ("name", "slots", "description", "include_deferred", "team_name")

_USE = (
    "occupied_slots",
    "running_slots",
    "queued_slots",
    "scheduled_slots",
    "deferred_slots",
    "open_slots",
)


class Pools(Page):
    items_field: ClassVar[str] = "pools"
    identity: ClassVar[tuple[str, ...]] = ("name",)
    pools: list[JSONObject]


class Pool(BaseModel):
    pool: JSONObject
    created: bool | None = None


@tool(access="read")
async def list_pools(airflow: Airflow, limit: Limit = 25, cursor: Cursor = None) -> Pools:
    """List pools with their slots: how many are free, open, in use or full."""
    try:
        rows, total, offset = await Pools.fetch(
            airflow, "pools", params={"order_by": "name"}, limit=limit, cursor=cursor
        )
    except InternalError:
        if not is_airflow_2(airflow):
            raise
        raise Unsupported(
            "Airflow 2 failed to list its pools, as its API does if one of them has no limit (slots -1).",
            hint="Give such a pool a number of slots on Airflow's page of pools.",
        ) from None
    return Pools.of([pick(row, *_SETTINGS, *_USE) for row in rows], total=total, offset=offset)


class SetPool(Arguments):
    name: PoolName
    slots: Annotated[int, Field(ge=-1, description="-1 for no limit.")]
    description: Annotated[str | None, Field(description="Description.")] = None
    include_deferred: Annotated[bool | None, Field(description="Deferred tasks hold slots.")] = None

    def settings(self, found: JSONObject | None) -> JSONObject:
        """Return the pool as it shall be: what is not given stays as it is."""
        found = found or {}
        description, include_deferred = self.description, self.include_deferred
        return {
            "name": self.name,
            "slots": self.slots,
            "description": found.get("description") if description is None else description,
            "include_deferred": bool(found.get("include_deferred"))
            if include_deferred is None
            else include_deferred,
        }


async def _preview_set_pool(airflow: Airflow, pool: SetPool) -> Change:
    found = await POOL.find(airflow, pool.name)
    return Change(
        action="change a pool" if found else "create a pool",
        before=pick(found, *_SETTINGS) if found else None,
        after=drop_empty(pool.settings(found)),
        now=pick(found, *_USE) if found else None,
    )


@tool(access="write", idempotent=True, preview=_preview_set_pool, replaces=True)
async def set_pool(airflow: Airflow, pool: SetPool) -> Pool:
    """Create a pool or change one: raise its slots to limit or allow more at once."""
    found = await POOL.find(airflow, pool.name)
    body = pool.settings(found)
    if found is None:
        row = (await airflow.post(POOL.route, json=body)).json()
    else:
        # Airflow lets these two alone be changed of its own pool, and wants to be told so.
        only = {"update_mask": ["slots", "include_deferred"]}
        query = only if pool.name == DEFAULT_POOL and pool.description is None else {}
        body["pool"] = body.pop("name")
        row = (await airflow.patch(POOL.build_path(pool.name), params=query, json=body)).json()
    return Pool(pool=pick(row, *_SETTINGS), created=found is None)


def _refuse_default_pool(name: str) -> None:
    if name == DEFAULT_POOL:
        raise InvalidArgument(
            f"Airflow needs the pool `{DEFAULT_POOL}`: it cannot be deleted.",
            hint="Change its slots with set_pool.",
            pool=name,
        )


async def _preview_delete_pool(airflow: Airflow, name: str) -> Change:
    _refuse_default_pool(name)
    found = await POOL.get(airflow, name)
    return Change(
        action="delete a pool: tasks that name it are no longer started",
        before=pick(found, *_SETTINGS),
        now=pick(found, *_USE),
    )


@tool(access="destructive", preview=_preview_delete_pool)
async def delete_pool(airflow: Airflow, name: PoolName) -> Deleted:
    """Delete a pool: remove a slot limit."""
    _refuse_default_pool(name)
    return await POOL.delete(airflow, name)
