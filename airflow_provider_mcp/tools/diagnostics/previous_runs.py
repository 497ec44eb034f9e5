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
"""The run before, of a task that waits for it (``depends_on_past``, ``wait_for_downstream``)."""

from __future__ import annotations

from airflow_provider_mcp.sdk import Airflow, JSONObject, path
from airflow_provider_mcp.tools.diagnostics.reading import LogBudget, cut, read_failures
from airflow_provider_mcp.tools.shared.reads import Unread, try_get

Row = JSONObject

DEPENDENCY = "Previous Dagrun State"
"""Airflow's name of the dependency."""


async def find_before(airflow: Airflow, run: Row, instance: Row) -> Row | None:
    """Return how a task ended in the run before, and the error if it failed; None if no such run is found."""
    date = run.get("logical_date")
    if not date:
        return None
    query = {"logical_date_lte": date, "order_by": "-logical_date", "limit": 2}
    answer = await try_get(airflow, path("dags/{}/dagRuns", run["dag_id"]), query)
    if isinstance(answer, Unread):
        return {"not_read": answer.why}
    others = [row for row in answer["dag_runs"] if row["dag_run_id"] != run["dag_run_id"]]
    if not others:
        return None
    run_id, task_id = others[0]["dag_run_id"], instance["task_id"]
    where: Row = {"dag_id": run["dag_id"], "dag_run_id": run_id, "task_id": task_id}
    route = path("dags/{}/dagRuns/{}/taskInstances", run["dag_id"], run_id)
    listed = await try_get(airflow, route, {"task_id": task_id, "limit": 100})
    if isinstance(listed, Unread):
        return {**where, "not_read": listed.why}
    rows = [row for row in listed["task_instances"] if row["task_id"] == task_id]
    failed = [row for row in rows if row.get("state") == "failed"]
    found: Row = {**where, "state": (failed or rows or [{}])[0].get("state") or "no_status"}
    if failed:
        read, _, why = await read_failures(airflow, failed[:1], LogBudget(1, 3))
        if read and read[0].failure is not None:
            found["exception"] = read[0].failure.source.exception
            found["error"] = cut(read[0].failure.source.text, 300)
        elif why:
            found["error_not_read"] = cut(why, 200)
    return found


def describe_before(before: Row) -> str:
    """Return what is to say of the run before; others wrote its error, so its type alone is named."""
    if "state" not in before:
        return f"The run before could not be read: {cut(str(before['not_read']), 200)}"
    error = f" with {before['exception']} (run_before.error)" if before.get("exception") else ""
    return f"In the run before, `{before['dag_run_id']}`, it is {before['state']}{error}."
