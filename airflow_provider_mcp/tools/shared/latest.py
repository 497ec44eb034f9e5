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
"""Dag runs that are meant by ``latest`` and the like."""

from __future__ import annotations

import re
from collections.abc import Mapping

from airflow_provider_mcp.sdk import Airflow, InvalidArgument, JSONObject, NotFound, path

LATEST: Mapping[str, str | None] = {
    "latest": None,
    "latest_failed": "failed",
    "latest_success": "success",
    "latest_running": "running",
}
"""By what a caller may give in place of a Dag run's ID, the state that the run is in."""


def read_latest(dag_run_id: str) -> str | None:
    """Return the name of :data:`LATEST` that is meant, be it in capitals or with hyphens; None for an ID."""
    name = re.sub(r"[\s-]+", "_", dag_run_id.strip().casefold())
    return name if name in LATEST else None


async def find_latest_run(airflow: Airflow, dag_id: str, which: str) -> JSONObject | None:
    """Return the run that one of the names of :data:`LATEST` means; None if there is none."""
    state = LATEST[which]
    query: JSONObject = {"order_by": "-run_after", "limit": 1, **({"state": state} if state else {})}
    runs = (await airflow.get(path("dags/{}/dagRuns", dag_id), params=query)).json()["dag_runs"]
    return runs[0] if runs else None


async def get_run(airflow: Airflow, dag_id: str, dag_run_id: str) -> JSONObject:
    """Return a Dag run by its ID or by one of the names of :data:`LATEST`.

    :raises ToolError: ``not_found``.
    """
    which = read_latest(dag_run_id)
    if which is None:
        run: JSONObject = (await airflow.get(path("dags/{}/dagRuns/{}", dag_id, dag_run_id))).json()
        return run
    found = await find_latest_run(airflow, dag_id, which)
    if found is None:
        state = LATEST[which]
        raise NotFound(
            f"`{dag_id}` has no {f'{state} runs' if state else 'runs yet'}.",
            hint="list_dag_runs shows those it has." if state else "Start one with trigger_dag.",
            dag_id=dag_id,
            dag_run_id=dag_run_id,
        )
    return found


async def find_run_id(airflow: Airflow, dag_id: str, dag_run_id: str) -> str:
    """Return the ID of a Dag run that is to be read; an exact ID costs no call."""
    if read_latest(dag_run_id) is None:
        return dag_run_id
    return str((await get_run(airflow, dag_id, dag_run_id))["dag_run_id"])


async def find_run_filter(airflow: Airflow, dag_id: str | None, dag_run_id: str | None) -> str | None:
    """Return the ID of the Dag run that a list is filtered by, if any.

    :raises ToolError: ``invalid_argument`` for a run without its Dag.
    """
    if dag_run_id is None:
        return None
    if dag_id is None:
        raise InvalidArgument("dag_run_id needs dag_id.", hint="Give dag_id too.")
    return await find_run_id(airflow, dag_id, dag_run_id)


async def refuse_latest(airflow: Airflow, dag_id: str, dag_run_id: str) -> None:
    """Refuse ``latest`` and the like where something is changed: by then it may be another run.

    :raises ToolError: ``invalid_argument`` that names the run.
    """
    which = read_latest(dag_run_id)
    if which is None:
        return
    found = await find_latest_run(airflow, dag_id, which)
    if found is None:
        state = LATEST[which]
        hint = f"`{dag_id}` has no {f'{state} runs' if state else 'runs'}."
    else:
        run_id = found["dag_run_id"]
        hint = f"`{dag_run_id}` is `{run_id}` now; call again with dag_run_id `{run_id}` if you mean that."
    raise InvalidArgument(
        f"What changes a Dag run takes its exact ID, not `{dag_run_id}`. Nothing was changed.",
        hint=hint,
        dag_id=dag_id,
        dag_run_id=dag_run_id if found is None else found["dag_run_id"],
    )
