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
"""What the administrator's tools share."""

from __future__ import annotations

import difflib
from typing import Annotated, Any

from pydantic import BaseModel, Field

from airflow_provider_mcp.sdk import (
    Airflow,
    NotFound,
    Result,
    ToolError,
    Unsupported,
)

MAX_LISTED = 100

MOST_PAGES = 10

Pattern = Annotated[str | None, Field(description="Part of the name (Airflow 3).")]


class Deleted(BaseModel):
    deleted: str


class Preview(Result):
    action: str
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None
    now: dict[str, Any] | None = None


def _filled(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if value not in (None, "", {}, [])}


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
    return NotFound(
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
        raise Unsupported(
            f"Airflow 2 cannot filter {route} by a pattern.",
            hint="Leave pattern out and choose from the whole list.",
        ) from None


async def _all(airflow: Airflow, route: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for _ in range(MOST_PAGES):
        answer = (await airflow.get(route, params={"limit": MAX_LISTED, "offset": len(rows)})).json()
        rows += answer[route]
        if not answer[route] or len(rows) >= answer["total_entries"]:
            break
    return rows
