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
"""Tools about connections."""

from __future__ import annotations

import json
from typing import Annotated, ClassVar

from pydantic import BaseModel, Field

from airflow_provider_mcp.sdk import (
    JSON,
    MASK,
    Airflow,
    Arguments,
    Cursor,
    InvalidArgument,
    JSONObject,
    Limit,
    Page,
    PermissionDenied,
    Result,
    Unsupported,
    tool,
)
from airflow_provider_mcp.tools.admin.stored import Kind, refuse_mask
from airflow_provider_mcp.tools.shared.arguments import Pattern
from airflow_provider_mcp.tools.shared.matching import fetch_matching
from airflow_provider_mcp.tools.shared.previews import Change, Deleted, summarize
from airflow_provider_mcp.tools.shared.rows import drop_empty
from airflow_provider_mcp.tools.shared.versions import read_release

_ADDS_SECRETS = (3, 1, 7)
"""The first Airflow whose connection test adds the stored secrets to what it is sent."""

ConnId = Annotated[str, Field(description="Connection ID.")]

CONNECTION = Kind("connection", "connections", "connection_id", "connection_id_pattern", "conn_id")


class Connections(Page):
    items_field: ClassVar[str] = "connections"
    identity: ClassVar[tuple[str, ...]] = ("connection_id",)
    connections: list[JSONObject]


class StoredConnection(BaseModel):
    connection: JSONObject
    created: bool


class ConnectionTest(Result):
    connection_id: str
    status: bool
    message: str


_SHOWN = ("connection_id", "conn_type", "description", "host", "port", "schema", "login", "team_name")


def _show(airflow: Airflow, row: JSONObject) -> JSONObject:
    """Return a connection without its password, and with the secrets of its other fields masked."""
    fields = airflow.redact({key: row.get(key) for key in _SHOWN})
    return drop_empty({**fields, "extra": _mask_extra(airflow, row.get("extra"))})


def _preview(airflow: Airflow, row: JSONObject) -> JSONObject:
    """Return a connection as a preview shows it."""
    return {name: summarize(value) for name, value in _show(airflow, row).items()}


def _mask_extra(airflow: Airflow, extra: str | None) -> JSON:
    """Return what an extra says, masked; what is no JSON object cannot be told apart and is hidden."""
    if not extra:
        return None
    try:
        fields = json.loads(extra)
    except (ValueError, RecursionError):
        return MASK
    return airflow.redact(fields) if isinstance(fields, dict) else MASK


@tool(access="read", search_hint="which databases are set up")
async def list_connections(
    airflow: Airflow, pattern: Pattern = None, limit: Limit = 25, cursor: Cursor = None
) -> Connections:
    """List connections: which databases, hosts and credentials are set up, without passwords."""
    rows, total, offset, hint = await fetch_matching(
        Connections,
        airflow,
        "connections",
        text=pattern,
        field=CONNECTION.field,
        parameter=CONNECTION.pattern,
        params={"order_by": "connection_id"},
        limit=limit,
        cursor=cursor,
    )
    listed = Connections.of([_show(airflow, row) for row in rows], total=total, offset=offset)
    if rows and not any("extra" in row for row in rows):
        hint = "Airflow 2 lists connections without their extra."
    listed.hint = listed.hint or hint
    return listed


class SetConnection(Arguments):
    conn_id: ConnId
    conn_type: Annotated[str | None, Field(description="Required for a new one.")] = None
    description: Annotated[str | None, Field(description="Description.")] = None
    host: Annotated[str | None, Field(description="Host.")] = None
    port: Annotated[int | None, Field(ge=0, le=65535, description="Port.")] = None
    schema_: Annotated[str | None, Field(alias="schema", description="Schema.")] = None
    login: Annotated[str | None, Field(description="Login.")] = None
    password: Annotated[str | None, Field(description="Password.")] = None
    extra: Annotated[JSONObject | None, Field(description="Replaces the whole extra.")] = None

    async def find(self, airflow: Airflow) -> tuple[JSONObject | None, JSONObject]:
        """Return the connection as it is, if it is there, and the fields that are given.

        :raises ToolError: ``invalid_argument`` if one is the mask of a secret, or they are too few.
        """
        fields = self.model_dump(by_alias=True, exclude_none=True, exclude={"conn_id"})
        for name, value in fields.items():
            hint = f"Give {name} with the secret itself, or leave {name} out to keep it as it is."
            refuse_mask(name, value, hint)
        found = await CONNECTION.find(airflow, self.conn_id)
        if found is None and "conn_type" not in fields:
            raise InvalidArgument(
                f"There is no connection `{self.conn_id}`, and a new one needs conn_type.",
                hint="Give conn_type, or the ID of a connection that list_connections shows.",
                conn_id=self.conn_id,
            )
        if found is not None and not fields:
            raise InvalidArgument(
                f"Nothing to change in the connection `{self.conn_id}` was given.",
                hint="Give the fields to change.",
                conn_id=self.conn_id,
            )
        if self.extra is not None:
            fields["extra"] = json.dumps(self.extra)
        return found, fields


async def _preview_set_connection(airflow: Airflow, connection: SetConnection) -> Change:
    found, fields = await connection.find(airflow)
    after = _preview(airflow, {"connection_id": connection.conn_id, **(found or {}), **fields})
    if "password" in fields:
        after["password"] = MASK
    return Change(
        action="change a connection: the fields given replace what is there"
        if found
        else "create a connection",
        before=_preview(airflow, found) if found else None,
        after=after,
    )


@tool(access="destructive", idempotent=True, preview=_preview_set_connection)
async def set_connection(airflow: Airflow, connection: SetConnection) -> StoredConnection:
    """Create a connection to a database.

    Host or service, or update its login, password, port or other fields.
    """
    found, fields = await connection.find(airflow)
    conn_id = connection.conn_id
    body = {"connection_id": conn_id, "conn_type": (found or {}).get("conn_type"), **fields}
    if found is None:
        row = (await airflow.post(CONNECTION.route, json=body)).json()
    else:
        row = (await airflow.patch(CONNECTION.build_path(conn_id), json=body)).json()
    return StoredConnection(connection=_show(airflow, row), created=found is None)


async def _preview_delete_connection(airflow: Airflow, conn_id: str) -> Change:
    return Change(
        action="delete a connection, with its password",
        before=_preview(airflow, await CONNECTION.get(airflow, conn_id)),
    )


@tool(access="destructive", preview=_preview_delete_connection)
async def delete_connection(airflow: Airflow, conn_id: ConnId) -> Deleted:
    """Delete a connection: remove its credentials."""
    return await CONNECTION.delete(airflow, conn_id)


async def _preview_test_connection(airflow: Airflow, conn_id: str) -> Change:
    return Change(
        action="connect to what the connection names, from Airflow's web process",
        before=_preview(airflow, await CONNECTION.get(airflow, conn_id)),
    )


@tool(access="write", idempotent=True, preview=_preview_test_connection, open_world=True)
async def test_connection(airflow: Airflow, conn_id: ConnId) -> ConnectionTest:
    """Test a connection: can Airflow reach and log in to the database or host."""
    found = await CONNECTION.get(airflow, conn_id)
    body: JSONObject = {"connection_id": conn_id, "conn_type": found["conn_type"]}
    version = airflow.site.version
    bare = read_release(airflow) < _ADDS_SECRETS
    if bare:
        # Airflow 2 does not tell whether there is a password; with a login there should be.
        guarded = found.get("password", found.get("login")) or MASK in (found.get("extra") or "")
        if guarded:
            raise Unsupported(
                f"The API of Airflow {version} tests without stored secrets, which `{conn_id}` needs.",
                hint="Use the Test button of Airflow's page of the connection.",
                conn_id=conn_id,
            )
        body |= drop_empty({key: found.get(key) for key in ("host", "port", "schema", "login", "extra")})
    try:
        answer = (await airflow.post("connections/test", json=body)).json()
    except PermissionDenied as refused:
        if "disabled" not in refused.message:
            raise
        raise Unsupported(
            "Testing connections is switched off in this Airflow.",
            hint="An administrator can set [core] test_connection = Enabled.",
            conn_id=conn_id,
        ) from None
    return ConnectionTest(
        connection_id=conn_id,
        status=answer["status"],
        message=airflow.redact(answer["message"]),
        hint=f"Tested without a password: the API of Airflow {version} adds no stored one." if bare else None,
    )
