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
"""The tool that reads an XCom."""

from __future__ import annotations

import contextlib
import json
from typing import Annotated, Any

from pydantic import Field

from airflow_provider_mcp.sdk import (
    Airflow,
    Result,
    ToolError,
    path,
    tool,
)
from airflow_provider_mcp.tools.shared.arguments import (
    DagId,
    MapIndex,
    RunId,
    TaskId,
)
from airflow_provider_mcp.tools.shared.reads import _instance


class XCom(Result):
    key: str
    value: Any
    timestamp: str | None = None
    map_index: int | None = None


@tool(access="read")
async def get_xcom(
    airflow: Airflow,
    dag_id: DagId,
    dag_run_id: RunId,
    task_id: TaskId,
    key: Annotated[str, Field(description="Key.")] = "return_value",
    map_index: MapIndex = -1,
) -> XCom:
    """Get a value that a task instance pushed."""
    route = f"{_instance(dag_id, dag_run_id, task_id)}/xcomEntries/{path('{}', key, slashes=True)}"
    query: dict[str, Any] = {"map_index": map_index, "stringify": "false"}
    try:
        entry = (await airflow.get(route, params=query)).json()
    except ToolError as refused:
        if refused.code != "invalid_argument":
            raise
        # Before 2.10, Airflow knows no `stringify`, and always does.
        entry = (await airflow.get(route, params={"map_index": map_index})).json()
    value = entry.get("value")
    if isinstance(value, str):
        # As it is stored: JSON in a text.
        with contextlib.suppress(ValueError, RecursionError):
            value = json.loads(value)
    return XCom(
        key=entry["key"],
        value=airflow.redact(value, key),
        timestamp=entry.get("timestamp"),
        map_index=map_index if map_index >= 0 else None,
    )
