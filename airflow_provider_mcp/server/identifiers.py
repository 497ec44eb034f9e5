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
"""What a caller may have meant by the name of a Dag, a run or a task that is not there."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from airflow_provider_mcp.sdk.airflow import Airflow
from airflow_provider_mcp.sdk.errors import NotFound, ToolError
from airflow_provider_mcp.sdk.guards import path

MAX_COMPLETIONS = 100

MAX_SUGGESTIONS = 3


async def suggest_close_matches(
    airflow: Airflow, error: ToolError, arguments: Mapping[str, Any]
) -> ToolError:
    """Return the error with what the caller may have meant, for a Dag, run or task that is not there.

    :param arguments: The tool's arguments; ``dag_id``, ``dag_run_id`` and ``task_id`` are looked at.
    """
    # The error knows which of several tasks it is about.
    arguments = {**arguments, **error.identifiers}
    dag_id, run_id, task_id = (arguments.get(name) for name in ("dag_id", "dag_run_id", "task_id"))
    known = {
        name: value
        for name, value in (("dag_id", dag_id), ("dag_run_id", run_id), ("task_id", task_id))
        if isinstance(value, str)
    }
    if "dag_id" not in known or error.identifiers.get("did_you_mean"):
        return error

    async def names(route: str, key: str, field: str, **params: Any) -> list[str] | None:
        """Return the names listed at ``route``; None if Airflow does not list them to this caller."""
        try:
            rows = (await airflow.get(route, params=params)).json()[key]
        except ToolError:
            return None
        return [row[field] for row in rows]

    async def missing(route: str) -> bool:
        try:
            await airflow.get(route)
        except ToolError as absent:
            return absent.code == "not_found"
        return False

    if await missing(path("dags/{}", known["dag_id"])):
        thing, asked = "Dag", known["dag_id"]
        # A misspelling rarely touches the first letters and the last at once.
        candidates: list[str] = []
        for pattern in dict.fromkeys((asked[:4], asked[-4:], asked[:2], "")):
            candidates += await names("dags", "dags", "dag_id", dag_id_pattern=pattern, limit=100) or []
            if difflib.get_close_matches(asked, candidates, MAX_SUGGESTIONS, 0.7):
                break
    elif "dag_run_id" in known and await missing(
        path("dags/{}/dagRuns/{}", known["dag_id"], known["dag_run_id"])
    ):
        thing, asked = "Dag run", known["dag_run_id"]
        candidates = (
            await names(
                path("dags/{}/dagRuns", known["dag_id"]),
                "dag_runs",
                "dag_run_id",
                order_by="-start_date",
                limit=100,
            )
            or []
        )
    elif "task_id" in known:
        thing, asked = "task", known["task_id"]
        candidates = await names(path("dags/{}/tasks", known["dag_id"]), "tasks", "task_id") or []
        if asked in candidates:
            return error
    else:
        return error
    close = difflib.get_close_matches(asked, dict.fromkeys(candidates), MAX_SUGGESTIONS, 0.7)
    message = f"No {thing} `{asked}`" + (f" in `{known['dag_id']}`" if thing != "Dag" else "")
    hint = error.hint
    more: dict[str, Any] = {}
    if close:
        message += f"; did you mean {' or '.join(f'`{name}`' for name in close)}?"
        hint, more = "", {"did_you_mean": close}
    else:
        message += "."
    return NotFound(message, hint=hint, **{**error.identifiers, **known, **more})
