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
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, Field

from airflow_provider_mcp.sdk import (
    MASK,
    Airflow,
    Cursor,
    InvalidArgument,
    Limit,
    Page,
    Result,
    fetch_page,
    holds_mask,
    path,
    tool,
)
from airflow_provider_mcp.tools.admin.reading import (
    Deleted,
    Pattern,
    Preview,
    _filled,
    _filtered,
    _found,
    _missed,
)

Key = Annotated[str, Field(description="Variable key.")]


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


def _variable_route(key: str) -> str:
    return path("variables/{}", key, slashes=True)


async def _variable_at(airflow: Airflow, key: str) -> dict[str, Any]:
    found = await _found(airflow, _variable_route(key))
    if found is None:
        raise await _missed(airflow, "variable", key, "variables", "key", "variable_key_pattern", key=key)
    return found


def _variable(airflow: Airflow, row: dict[str, Any]) -> dict[str, Any]:
    return _filled(
        {
            "key": row["key"],
            "value": airflow.redact(row.get("value"), row["key"]),
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
        value=airflow.redact(row.get("value"), row["key"]),
        description=row.get("description") or None,
    )


def _as_text(value: Any) -> str:
    """Return a value as it is stored.

    :raises ToolError: ``invalid_argument`` if it is the mask of a secret, which would replace the secret.
    """
    if holds_mask(value):
        raise InvalidArgument(
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
