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
"""Arguments that several tools take, each with its one description."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from airflow_provider_mcp.sdk import Airflow

DagId = Annotated[str, Field(description="Dag ID.")]

RunId = Annotated[str, Field(description="Dag run ID.")]

TaskId = Annotated[str, Field(description="Task ID.")]

MapIndex = Annotated[int, Field(ge=-1, description="Map index of a mapped task.")]

Time = Annotated[str | None, Field(description="ISO 8601 time.")]

Wait = Annotated[int, Field(ge=0, le=45, description="Seconds to wait for its end.")]

RunState = Literal["queued", "running", "success", "failed"]

RunType = Literal["manual", "scheduled", "backfill", "asset_triggered"]

TaskState = Literal[
    "success",
    "failed",
    "running",
    "queued",
    "scheduled",
    "deferred",
    "up_for_retry",
    "up_for_reschedule",
    "upstream_failed",
    "skipped",
    "removed",
    "restarting",
    "awaiting_input",
]

TaskIds = Annotated[list[str], Field(min_length=1, max_length=50, description="Task IDs.")]


def page_template(airflow: Airflow, of: Literal["dag", "run", "task"]) -> str:
    """Return the address of the pages of a list's rows, with ``{dag_id}`` and the like in it.

    One template a list costs a reader less than an address a row.
    """
    names = ("{dag_id}", "{dag_run_id}", "{task_id}")
    run, task = (None, None) if of == "dag" else (names[1], names[2] if of == "task" else None)
    return airflow.page_url(names[0], run, task).replace("%7B", "{").replace("%7D", "}")


def seconds_only(time: str | None) -> str | None:
    """Return a time without its fractions of a second and with a short offset."""
    if time is None:
        return None
    begin, dot, rest = time.partition(".")
    time = begin + rest.lstrip("0123456789") if dot else time
    return time.replace("+00:00", "Z")


def present(row: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Return those of a row's fields that have a value."""
    return {name: row[name] for name in names if row.get(name) is not None}
