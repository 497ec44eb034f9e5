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

import difflib
import json
import re
from typing import Annotated, Any, ClassVar, Literal

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
    path,
    tool,
)
from airflow_provider_mcp.tools.arguments import Time
from airflow_provider_mcp.tools.icons import ADMIN_ICON
from airflow_provider_mcp.tools.secrets import (
    MASK,
    holds_mask,
    is_secret_name,
    mask_json,
    mask_secrets,
    mask_text,
)

Part = Literal["version", "providers", "plugins", "jobs"]
MAX_LISTED = 100
MOST_PAGES = 10
HIDDEN = "< hidden >"
"""What Airflow shows in place of a sensitive option."""
DEFAULT_POOL = "default_pool"
_ADDS_STORED = (3, 1, 7)
"""The first Airflow whose connection test adds the stored secrets to what it is sent."""
_SWITCH = re.compile(r"true|false|\d{1,2}", re.IGNORECASE)

PoolName = Annotated[str, Field(description="Pool name.")]
Key = Annotated[str, Field(description="Variable key.")]
ConnId = Annotated[str, Field(description="Connection ID.")]
Pattern = Annotated[str | None, Field(description="Part of the name (Airflow 3).")]


class AirflowInfo(Result):
    version: str | None = None
    git_version: str | None = None
    providers: dict[str, str] | None = None
    plugins: list[str] | None = None
    jobs: list[dict[str, Any]] | None = None
    missing: dict[str, str] | None = None


class Pools(Page):
    items_field: ClassVar[str] = "pools"
    pools: list[dict[str, Any]]


class Pool(BaseModel):
    pool: dict[str, Any]
    created: bool | None = None


class Variables(Page):
    items_field: ClassVar[str] = "variables"
    variables: list[dict[str, Any]]


class Variable(Result):
    key: str
    value: str | None = None
    description: str | None = None


class Stored(BaseModel):
    key: str
    created: bool


class Connections(Page):
    items_field: ClassVar[str] = "connections"
    connections: list[dict[str, Any]]


class StoredConnection(BaseModel):
    connection: dict[str, Any]
    created: bool


class ConnectionTest(Result):
    connection_id: str
    status: bool
    message: str


class Config(Result):
    config: dict[str, dict[str, Any]]


class EventLogs(Page):
    items_field: ClassVar[str] = "event_logs"
    event_logs: list[dict[str, Any]]


class Deleted(BaseModel):
    deleted: str


class Preview(Result):
    action: str
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None
    now: dict[str, Any] | None = None


def _filled(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if value not in (None, "", {}, [])}


# ---- what is not there -------------------------------------------------------------------------------


async def _missed(
    airflow: Airflow, kind: str, asked: str, route: str, field: str, pattern: str, **identifiers: Any
) -> ToolError:
    """Return the error for a thing that is not there, with those of nearly its name."""
    names: dict[str, None] = {}
    close: list[str] = []
    # A misspelling rarely touches the first letters and the last at once.
    for part in (asked[:4], asked[-4:], None):
        query: dict[str, Any] = {"limit": MAX_LISTED, **({pattern: part} if part else {})}
        try:
            rows = (await airflow.get(route, params=query)).json()[route]
        except ToolError as unserved:
            # Not filtered on Airflow 2, or not listed to this caller.
            if unserved.code not in {"unsupported", "permission_denied"}:
                raise
            continue
        names |= dict.fromkeys(row[field] for row in rows)
        close = difflib.get_close_matches(asked, names, 3, 0.6)
        if close:
            break
    said = f"; did you mean {' or '.join(f'`{name}`' for name in close)}?" if close else "."
    return ToolError(
        "not_found",
        f"No {kind} `{asked}`{said}",
        hint="" if close else f"list_{route} shows what there is.",
        did_you_mean=close,
        **identifiers,
    )


async def _found(airflow: Airflow, route: str) -> dict[str, Any] | None:
    """Return what is at a route; None if there is nothing."""
    try:
        row: dict[str, Any] = (await airflow.get(route)).json()
    except ToolError as missing:
        if missing.code != "not_found":
            raise
        return None
    return row


async def _filtered(route: str, page: Any) -> Any:
    """Await a page of a list whose ``pattern`` an Airflow may not know how to filter by."""
    try:
        return await page
    except ToolError as unserved:
        if unserved.code != "unsupported":
            raise
        raise ToolError(
            "unsupported",
            f"Airflow 2 cannot filter {route} by a pattern.",
            hint="Leave pattern out and choose from the whole list.",
        ) from None


# ---- Airflow itself ----------------------------------------------------------------------------------


async def _all(airflow: Airflow, route: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for _ in range(MOST_PAGES):
        answer = (await airflow.get(route, params={"limit": MAX_LISTED, "offset": len(rows)})).json()
        rows += answer[route]
        if not answer[route] or len(rows) >= answer["total_entries"]:
            break
    return rows


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


def _not_exposed(airflow: Airflow, refused: ToolError) -> ToolError:
    section = "webserver" if airflow.site.version.startswith("2.") else "api"
    return ToolError(
        "permission_denied",
        "This Airflow does not show its configuration.",
        hint=f"An administrator can set [{section}] expose_config = True.",
        **refused.identifiers,
    )


def _option(airflow: Airflow, section: str, option: str, value: Any) -> Any:
    if airflow.site.hides_option(section, option):
        return HIDDEN
    # What is on or off, or a small number, is no secret, whatever it is called.
    plain = value in (None, "") or _SWITCH.fullmatch(str(value))
    return value if plain else mask_secrets(airflow, value, option)


@tool(access="read")
async def get_config(
    airflow: Airflow,
    section: Annotated[str | None, Field(description="Section; all if left out.")] = None,
    option: Annotated[str | None, Field(description="Option of the section.")] = None,
) -> Config:
    """Get Airflow's configuration: an option, a section or all of it."""
    if option is not None and section is None:
        raise ToolError("invalid_argument", "option needs section.", hint="Give section too.")
    try:
        if section is None:
            answer = (await airflow.get("config")).json()
        elif option is None:
            path("{}", section)
            answer = (await airflow.get("config", params={"section": section})).json()
        else:
            answer = (await airflow.get(path("config/section/{}/option/{}", section, option))).json()
    except ToolError as refused:
        if refused.code == "permission_denied" and "expose" in refused.message:
            raise _not_exposed(airflow, refused) from None
        if refused.code != "not_found" or section is None:
            raise
        raise await _missed_option(airflow, section, option) from None
    return Config(
        config={
            held["name"]: {
                row["key"]: _option(airflow, held["name"], row["key"], row["value"])
                for row in held["options"]
            }
            for held in answer["sections"]
        }
    )


async def _missed_option(airflow: Airflow, section: str, option: str | None) -> ToolError:
    sections = {
        held["name"]: [row["key"] for row in held["options"]]
        for held in (await airflow.get("config")).json()["sections"]
    }
    if option is not None and section in sections:
        asked, names, message = option, sections[section], f"No option `{option}` in [{section}]"
    else:
        asked, names, message = section, list(sections), f"No section [{section}]"
    close = difflib.get_close_matches(asked, names, 3, 0.6)
    said = f"; did you mean {' or '.join(f'`{name}`' for name in close)}?" if close else "."
    return ToolError(
        "not_found",
        message + said,
        hint="" if close else "Leave option, or section too, out to see what there is.",
        did_you_mean=close,
        section=section,
        option=option,
    )


def _event_log(airflow: Airflow, row: dict[str, Any]) -> dict[str, Any]:
    index = row.get("map_index")
    extra = row.get("extra")
    return _filled(
        {
            **{key: row.get(key) for key in ("event_log_id", "when", "event", "owner")},
            **{key: row.get(key) for key in ("dag_id", "run_id", "task_id")},
            "map_index": index if isinstance(index, int) and index >= 0 else None,
            "extra": mask_text(airflow, extra) if isinstance(extra, str) else None,
        }
    )


@tool(access="read")
async def list_event_logs(
    airflow: Airflow,
    dag_id: Annotated[str | None, Field(description="Dag ID.")] = None,
    dag_run_id: Annotated[str | None, Field(description="Dag run ID.")] = None,
    task_id: Annotated[str | None, Field(description="Task ID.")] = None,
    event: Annotated[str | None, Field(description="Event name, exactly.")] = None,
    owner: Annotated[str | None, Field(description="User name.")] = None,
    after: Time = None,
    before: Time = None,
    limit: Limit = 25,
    cursor: Cursor = None,
) -> EventLogs:
    """List the audit log, newest first: who did what."""
    params = {
        "dag_id": dag_id,
        "run_id": dag_run_id,
        "task_id": task_id,
        "event": event,
        "owner": owner,
        "after": after,
        "before": before,
        "order_by": "-event_log_id",
    }
    rows, total, offset = await fetch_page(
        airflow, "eventLogs", "event_logs", params=params, limit=limit, cursor=cursor, newest_first=True
    )
    return EventLogs.of([_event_log(airflow, row) for row in rows], total=total, offset=offset)


# ---- pools -------------------------------------------------------------------------------------------

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
        raise ToolError(
            "unsupported",
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
        raise ToolError(
            "invalid_argument",
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


# ---- variables ---------------------------------------------------------------------------------------


def _variable_route(key: str) -> str:
    return path("variables/{}", key, slashes=True)


async def _variable_at(airflow: Airflow, key: str) -> dict[str, Any]:
    found = await _found(airflow, _variable_route(key))
    if found is None:
        raise await _missed(airflow, "variable", key, "variables", "key", "variable_key_pattern", key=key)
    return found


def _shown_value(airflow: Airflow, key: str, value: str | None) -> str | None:
    """Return a variable's value masked as Airflow masks it: by its key, or by the keys within it."""
    if value is None:
        return None
    return MASK if is_secret_name(airflow, key) else mask_text(airflow, value)


def _variable(airflow: Airflow, row: dict[str, Any]) -> dict[str, Any]:
    return _filled(
        {
            "key": row["key"],
            "value": _shown_value(airflow, row["key"], row.get("value")),
            "description": row.get("description"),
        }
    )


@tool(access="read")
async def list_variables(
    airflow: Airflow, pattern: Pattern = None, limit: Limit = 25, cursor: Cursor = None
) -> Variables:
    """List variables' keys and descriptions."""
    page = fetch_page(
        airflow,
        "variables",
        "variables",
        params={"variable_key_pattern": pattern, "order_by": "key"},
        limit=limit,
        cursor=cursor,
    )
    rows, total, offset = await _filtered("variables", page)
    shown = [_filled({key: row.get(key) for key in ("key", "description")}) for row in rows]
    return Variables.of(shown, total=total, offset=offset)


@tool(access="read")
async def get_variable(airflow: Airflow, key: Key) -> Variable:
    """Get a variable; Airflow masks it if its key sounds secret."""
    row = await _variable_at(airflow, key)
    return Variable(
        key=row["key"],
        value=_shown_value(airflow, row["key"], row.get("value")),
        description=row.get("description") or None,
    )


def _as_text(value: Any) -> str:
    """Return a value as it is stored.

    :raises ToolError: ``invalid_argument`` if it is the mask of a secret, which would replace the secret.
    """
    if holds_mask(value):
        raise ToolError(
            "invalid_argument",
            f"The value holds {MASK}, which stands for a secret that was masked. Nothing was changed.",
            hint="Give the whole value, with the secret itself.",
        )
    return value if isinstance(value, str) else json.dumps(value, indent=2)


async def _preview_set_variable(
    airflow: Airflow, key: str, value: Any, description: str | None = None
) -> Preview:
    text = _as_text(value)
    found = await _found(airflow, _variable_route(key))
    kept = (found or {}).get("description") if description is None else description
    return Preview(
        action="change a variable" if found else "create a variable",
        before=_variable(airflow, found) if found else None,
        after=_variable(airflow, {"key": key, "value": text, "description": kept}),
    )


@tool(access="write", idempotent=True, preview=_preview_set_variable)
async def set_variable(
    airflow: Airflow,
    key: Key,
    value: Annotated[Any, Field(description="Text, or JSON to be stored as text.")],
    description: Annotated[str | None, Field(description="Description.")] = None,
) -> Stored:
    """Create or change a variable."""
    body: dict[str, Any] = {"key": key, "value": _as_text(value)}
    if description is not None:
        body["description"] = description
    found = await _found(airflow, _variable_route(key))
    if found is None:
        await airflow.post("variables", json=body)
    else:
        await airflow.patch(_variable_route(key), json=body)
    return Stored(key=key, created=found is None)


async def _preview_delete_variable(airflow: Airflow, key: str) -> Preview:
    return Preview(action="delete a variable", before=_variable(airflow, await _variable_at(airflow, key)))


@tool(access="destructive", preview=_preview_delete_variable)
async def delete_variable(airflow: Airflow, key: Key) -> Deleted:
    """Delete a variable."""
    await _variable_at(airflow, key)
    await airflow.delete(_variable_route(key))
    return Deleted(deleted=key)


# ---- connections -------------------------------------------------------------------------------------

_CONNECTION = ("connection_id", "conn_type", "description", "host", "port", "schema", "login")


def _connection(airflow: Airflow, row: dict[str, Any]) -> dict[str, Any]:
    """Return a connection without its password, and with the secrets of its other fields masked."""
    shown = mask_secrets(airflow, {key: row.get(key) for key in _CONNECTION})
    return _filled({**shown, "extra": mask_json(airflow, row.get("extra"))})


async def _connection_at(airflow: Airflow, conn_id: str) -> dict[str, Any]:
    found = await _found(airflow, path("connections/{}", conn_id))
    if found is None:
        raise await _missed(
            airflow,
            "connection",
            conn_id,
            "connections",
            "connection_id",
            "connection_id_pattern",
            conn_id=conn_id,
        )
    return found


@tool(access="read")
async def list_connections(
    airflow: Airflow, pattern: Pattern = None, limit: Limit = 25, cursor: Cursor = None
) -> Connections:
    """List connections, without passwords."""
    page = fetch_page(
        airflow,
        "connections",
        "connections",
        params={"connection_id_pattern": pattern, "order_by": "connection_id"},
        limit=limit,
        cursor=cursor,
    )
    rows, total, offset = await _filtered("connections", page)
    listed = Connections.of([_connection(airflow, row) for row in rows], total=total, offset=offset)
    if rows and not any("extra" in row for row in rows):
        listed.hint = "Airflow 2 lists connections without their extra."
    return listed


def _fields(
    conn_type: str | None,
    description: str | None,
    host: str | None,
    port: int | None,
    schema: str | None,
    login: str | None,
    password: str | None,
    extra: dict[str, Any] | None,
) -> dict[str, Any]:
    """Return the given fields of a connection as Airflow takes them.

    :raises ToolError: ``invalid_argument`` if one is the mask of a secret.
    """
    given = {
        "conn_type": conn_type,
        "description": description,
        "host": host,
        "port": port,
        "schema": schema,
        "login": login,
        "password": password,
    }
    fields: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    for name, value in {**fields, "extra": extra}.items():
        if holds_mask(value):
            raise ToolError(
                "invalid_argument",
                f"{name} holds {MASK}, which stands for a secret that was masked. Nothing was changed.",
                hint=f"Give {name} with the secret itself, or leave {name} out to keep it as it is.",
            )
    return fields if extra is None else {**fields, "extra": json.dumps(extra)}


def _type_needed(found: dict[str, Any] | None, conn_id: str, fields: dict[str, Any]) -> None:
    if found is None and "conn_type" not in fields:
        raise ToolError(
            "invalid_argument",
            f"There is no connection `{conn_id}`, and a new one needs conn_type.",
            hint="Give conn_type, or the ID of a connection that list_connections shows.",
            conn_id=conn_id,
        )
    if found is not None and not fields:
        raise ToolError(
            "invalid_argument",
            f"Nothing to change in the connection `{conn_id}` was given.",
            hint="Give the fields to change.",
            conn_id=conn_id,
        )


async def _preview_set_connection(
    airflow: Airflow,
    conn_id: str,
    conn_type: str | None = None,
    description: str | None = None,
    host: str | None = None,
    port: int | None = None,
    schema_: str | None = None,
    login: str | None = None,
    password: str | None = None,
    extra: dict[str, Any] | None = None,
) -> Preview:
    fields = _fields(conn_type, description, host, port, schema_, login, password, extra)
    found = await _found(airflow, path("connections/{}", conn_id))
    _type_needed(found, conn_id, fields)
    after = _connection(airflow, {"connection_id": conn_id, **(found or {}), **fields})
    if "password" in fields:
        after["password"] = MASK
    return Preview(
        action="change a connection: the fields given replace what is there"
        if found
        else "create a connection",
        before=_connection(airflow, found) if found else None,
        after=after,
    )


@tool(access="destructive", idempotent=True, preview=_preview_set_connection)
async def set_connection(
    airflow: Airflow,
    conn_id: ConnId,
    conn_type: Annotated[str | None, Field(description="Required for a new one.")] = None,
    description: Annotated[str | None, Field(description="Description.")] = None,
    host: Annotated[str | None, Field(description="Host.")] = None,
    port: Annotated[int | None, Field(ge=0, le=65535, description="Port.")] = None,
    schema_: Annotated[str | None, Field(alias="schema", description="Schema.")] = None,
    login: Annotated[str | None, Field(description="Login.")] = None,
    password: Annotated[str | None, Field(description="Password.")] = None,
    extra: Annotated[dict[str, Any] | None, Field(description="Replaces the whole extra.")] = None,
) -> StoredConnection:
    """Create a connection or change the fields that are given."""
    fields = _fields(conn_type, description, host, port, schema_, login, password, extra)
    route = path("connections/{}", conn_id)
    found = await _found(airflow, route)
    _type_needed(found, conn_id, fields)
    body = {"connection_id": conn_id, "conn_type": (found or {}).get("conn_type"), **fields}
    if found is None:
        row = (await airflow.post("connections", json=body)).json()
    else:
        row = (await airflow.patch(route, json=body)).json()
    return StoredConnection(connection=_connection(airflow, row), created=found is None)


async def _preview_delete_connection(airflow: Airflow, conn_id: str) -> Preview:
    return Preview(
        action="delete a connection, with its password",
        before=_connection(airflow, await _connection_at(airflow, conn_id)),
    )


@tool(access="destructive", preview=_preview_delete_connection)
async def delete_connection(airflow: Airflow, conn_id: ConnId) -> Deleted:
    """Delete a connection."""
    await _connection_at(airflow, conn_id)
    await airflow.delete(path("connections/{}", conn_id))
    return Deleted(deleted=conn_id)


async def _preview_test_connection(airflow: Airflow, conn_id: str) -> Preview:
    return Preview(
        action="connect to what the connection names, from Airflow's web process",
        before=_connection(airflow, await _connection_at(airflow, conn_id)),
    )


@tool(access="write", idempotent=True, preview=_preview_test_connection)
async def test_connection(airflow: Airflow, conn_id: ConnId) -> ConnectionTest:
    """Test whether a connection connects."""
    found = await _connection_at(airflow, conn_id)
    body: dict[str, Any] = {"connection_id": conn_id, "conn_type": found["conn_type"]}
    version = airflow.site.version
    bare = tuple(int(number) for number in re.findall(r"\d+", version)[:3]) < _ADDS_STORED
    if bare:
        # Airflow 2 does not tell whether there is a password; with a login there should be.
        guarded = found.get("password", found.get("login")) or MASK in (found.get("extra") or "")
        if guarded:
            raise ToolError(
                "unsupported",
                f"The API of Airflow {version} tests without stored secrets, which `{conn_id}` needs.",
                hint="Use the Test button of Airflow's page of the connection.",
                conn_id=conn_id,
            )
        body |= _filled({key: found.get(key) for key in ("host", "port", "schema", "login", "extra")})
    try:
        answer = (await airflow.post("connections/test", json=body)).json()
    except ToolError as refused:
        if refused.code != "permission_denied" or "disabled" not in refused.message:
            raise
        raise ToolError(
            "unsupported",
            "Testing connections is switched off in this Airflow.",
            hint="An administrator can set [core] test_connection = Enabled.",
            conn_id=conn_id,
        ) from None
    return ConnectionTest(
        connection_id=conn_id,
        status=answer["status"],
        message=mask_text(airflow, answer["message"]),
        hint=f"Tested without a password: the API of Airflow {version} adds no stored one." if bare else None,
    )


@hookimpl
def register_toolsets() -> list[Toolset]:
    return [
        Toolset(
            "admin",
            "What this Airflow is and is set to.",
            [
                get_airflow_info,
                get_config,
                list_event_logs,
                list_pools,
                set_pool,
                delete_pool,
                list_variables,
                get_variable,
                set_variable,
                delete_variable,
                list_connections,
                set_connection,
                delete_connection,
                test_connection,
            ],
            icon=ADMIN_ICON,
        )
    ]
