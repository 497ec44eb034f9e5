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
"""Tools about variables."""

from __future__ import annotations

import json
from typing import Annotated, ClassVar

from pydantic import BaseModel, Field

from airflow_provider_mcp.sdk import (
    JSON,
    Airflow,
    Arguments,
    Cursor,
    JSONObject,
    Limit,
    Page,
    Result,
    tool,
)
from airflow_provider_mcp.tools.admin.stored import Kind, refuse_mask
from airflow_provider_mcp.tools.shared.arguments import Pattern
from airflow_provider_mcp.tools.shared.masking import redact_off_loop
from airflow_provider_mcp.tools.shared.matching import fetch_matching
from airflow_provider_mcp.tools.shared.previews import Change, Deleted, summarize_redacted
from airflow_provider_mcp.tools.shared.rows import drop_empty, pick

Key = Annotated[str, Field(description="Variable key.")]

VARIABLE = Kind("variable", "variables", "key", "variable_key_pattern", "key", has_slashes=True)


class Variables(Page):
    items_field: ClassVar[str] = "variables"
    identity: ClassVar[tuple[str, ...]] = ("key",)
    variables: list[JSONObject]


class Variable(Result):
    key: str
    value: str | None = None
    description: str | None = None
    team_name: str | None = None


class Stored(BaseModel):
    key: str
    created: bool


async def _show(airflow: Airflow, row: JSONObject) -> JSONObject:
    """Return a variable as a preview shows it: its value masked by its key, or by the keys within it."""
    value = await summarize_redacted(airflow, row.get("value"), row["key"])
    return drop_empty({"key": row["key"], "value": value, "description": row.get("description")})


@tool(access="read")
async def list_variables(
    airflow: Airflow, pattern: Pattern = None, limit: Limit = 25, cursor: Cursor = None
) -> Variables:
    """List variables: their keys (names) and descriptions, never values."""
    rows, total, offset, hint = await fetch_matching(
        Variables,
        airflow,
        "variables",
        text=pattern,
        field=VARIABLE.field,
        parameter=VARIABLE.pattern,
        params={"order_by": "key"},
        limit=limit,
        cursor=cursor,
    )
    listed = Variables.of(
        [pick(row, "key", "description", "team_name") for row in rows], total=total, offset=offset
    )
    listed.hint = listed.hint or hint
    return listed


@tool(access="read")
async def get_variable(airflow: Airflow, key: Key) -> Variable:
    """Get a variable: read the value stored in one; Airflow masks it if its key sounds secret."""
    row = await VARIABLE.get(airflow, key)
    return Variable(
        key=row["key"],
        value=await redact_off_loop(airflow, row.get("value"), row["key"]),
        description=row.get("description") or None,
        team_name=row.get("team_name"),
    )


class SetVariable(Arguments):
    key: Key
    value: Annotated[JSON, Field(description="Text, or JSON as text.", json_schema_extra={"type": "string"})]
    description: Annotated[str | None, Field(description="Description.")] = None

    def body(self) -> JSONObject:
        """Return the variable as it is sent.

        :raises ToolError: ``invalid_argument`` if its value is the mask of a secret.
        """
        refuse_mask("The value", self.value, "Give the whole value, with the secret itself.")
        value = self.value if isinstance(self.value, str) else json.dumps(self.value, indent=2)
        body: JSONObject = {"key": self.key, "value": value}
        return body if self.description is None else {**body, "description": self.description}


async def _preview_set_variable(airflow: Airflow, variable: SetVariable) -> Change:
    body = variable.body()
    found = await VARIABLE.find(airflow, variable.key)
    return Change(
        action="change a variable" if found else "create a variable",
        before=await _show(airflow, found) if found else None,
        after=await _show(airflow, {**(found or {}), **body}),
    )


@tool(access="write", idempotent=True, preview=_preview_set_variable, replaces=True)
async def set_variable(airflow: Airflow, variable: SetVariable) -> Stored:
    """Create a variable or change, update or overwrite its value."""
    body = variable.body()
    found = await VARIABLE.find(airflow, variable.key)
    if found is None:
        await airflow.post(VARIABLE.route, json=body)
    else:
        await airflow.patch(VARIABLE.build_path(variable.key), json=body)
    return Stored(key=variable.key, created=found is None)


async def _preview_delete_variable(airflow: Airflow, key: Key) -> Change:
    return Change(action="delete a variable", before=await _show(airflow, await VARIABLE.get(airflow, key)))


@tool(access="destructive", preview=_preview_delete_variable)
async def delete_variable(airflow: Airflow, key: Key) -> Deleted:
    """Delete a variable: remove its key and value."""
    return await VARIABLE.delete(airflow, key)
