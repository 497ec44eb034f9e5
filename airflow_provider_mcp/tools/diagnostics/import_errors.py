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
"""The tool that lists import errors."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from airflow_provider_mcp.sdk import (
    Airflow,
    Cursor,
    JSONObject,
    Limit,
    Page,
    tool,
)
from airflow_provider_mcp.tools.diagnostics.health import Part
from airflow_provider_mcp.tools.diagnostics.reading import cut
from airflow_provider_mcp.tools.diagnostics.waiting_dag_rules import find_last_line

TRACE_CHARS = 3000


class ImportErrors(Page):
    items_field: ClassVar[str] = "import_errors"
    identity: ClassVar[tuple[str, ...]] = ("import_error_id",)
    import_errors: list[JSONObject]


@tool(access="read", search_hint="why is my dag missing, not showing up, which files are broken")
async def list_import_errors(
    airflow: Airflow,
    pattern: Annotated[str | None, Field(description="Part of the file name (Airflow 3).")] = None,
    limit: Limit = 25,
    cursor: Cursor = None,
) -> ImportErrors:
    """List import errors.

    Dag files that are broken, do not parse or load, so that a Dag is missing or not showing up.
    """
    rows, total, offset = await ImportErrors.fetch(
        airflow,
        "importErrors",
        params={"filename_pattern": pattern, "order_by": "-timestamp"},
        limit=limit,
        cursor=cursor,
        newest_first=True,
    )
    return ImportErrors.of([_import_error(row) for row in rows], total=total, offset=offset)


def _import_error(row: Part) -> Part:
    trace = str(row.get("stack_trace") or "").strip()
    if len(trace) > TRACE_CHARS:
        trace = "…" + trace[1 - TRACE_CHARS :]
    fields = {
        "import_error_id": row.get("import_error_id"),
        "filename": row.get("filename"),
        "bundle_name": row.get("bundle_name"),
        "timestamp": row.get("timestamp"),
        "error": cut(find_last_line(trace), 500),
        "stack_trace": trace,
    }
    return {key: value for key, value in fields.items() if value is not None}
