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
"""What is shown of a failure's source in another run, and of the task that kept another from running."""

from __future__ import annotations

from airflow_provider_mcp.sdk import Airflow, JSONObject
from airflow_provider_mcp.tools.diagnostics.clusters import cluster
from airflow_provider_mcp.tools.diagnostics.failures import add_source_code, show_error
from airflow_provider_mcp.tools.diagnostics.other_runs import Chain, OtherRun, follow
from airflow_provider_mcp.tools.diagnostics.reading import LogBudget, cut, read_failures, target
from airflow_provider_mcp.tools.diagnostics.skips import NotRun

Row = JSONObject


async def show_source(airflow: Airflow, run: Row, instance: Row, budget: LogBudget) -> Row | None:
    """Follow a failed task into other runs; return these, nearest first, and the cause in the last one."""
    chain = await follow(airflow, run, instance, budget)
    if chain is None:
        return None
    row: Row = {"runs": [_show_run(other) for other in chain.runs]}
    if chain.why:
        row["note" if chain.read else "not_known_because"] = cut(chain.why, 200)
    if chain.rows:
        row |= {"task_id": chain.rows[0]["task_id"], "failed": len(chain.rows)}
    if chain.read:
        row |= await _show_cause(airflow, chain)
    return row


def _show_run(other: OtherRun) -> Row:
    row: Row = {"dag_id": other.dag_id, "relation": other.relation}
    if other.tasks:
        row["tasks"] = list(other.tasks[:5])
    if other.run is not None:
        row |= {"dag_run_id": other.run["dag_run_id"], "state": other.run["state"]}
    return row


async def _show_cause(airflow: Airflow, chain: Chain) -> Row:
    unchecked: dict[str, str] = {}
    read = list(chain.read)
    if chain.last.run is not None:
        read = await add_source_code(airflow, chain.last.run, read, unchecked)
    error = show_error(airflow, cluster(read)[0])
    del error["count"]
    return {"cause": error, **({"code_not_read": unchecked["code"]} if unchecked else {})}


async def show_not_run(airflow: Airflow, run: Row, reason: NotRun, budget: LogBudget) -> Row:
    """Return why a task did not run, with the error of the failed task that kept it from running."""
    row: Row = {"because": reason.because, "says": reason.says, "task_id": reason.task_id}
    if len(reason.through) > 1:
        row["through"] = list(reason.through[:10])
    row |= reason.evidence
    if reason.because != "failed_above" or reason.instance is None:
        return row
    read, _, why = await read_failures(airflow, [reason.instance], budget)
    source = await show_source(airflow, run, reason.instance, budget)
    if source is not None:
        row["source"] = source
    if not read:
        return {**row, "error_not_read": cut(why or "", 200)}
    unchecked: dict[str, str] = {}
    error = show_error(airflow, cluster(await add_source_code(airflow, run, read, unchecked))[0])
    del error["count"]
    return {**row, "cause": error, "failed": target(reason.instance)}
