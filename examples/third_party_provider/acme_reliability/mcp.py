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
"""Three MCP tools, contributed by the entry point in pyproject.toml."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from airflow_provider_mcp.sdk import (
    Airflow,
    AirflowSync,
    Arguments,
    JSONObject,
    Toolset,
    hookimpl,
    path,
    tool,
)


class FailedRuns(BaseModel):
    dag_id: str
    failed: int


class SuccessRate(BaseModel):
    dag_id: str
    runs: int
    success_rate: float | None


@tool(access="read")
async def count_failed_runs(
    dag_id: Annotated[str, Field(description="The Dag ID.")], airflow: Airflow
) -> FailedRuns:
    """Count a Dag's failed runs."""
    answer = await airflow.get(path("dags/{}/dagRuns", dag_id), params={"state": "failed", "limit": 1})
    return FailedRuns(dag_id=dag_id, failed=answer.json()["total_entries"])


@tool(access="read")
def get_success_rate(
    dag_id: Annotated[str, Field(description="The Dag ID.")], airflow: AirflowSync
) -> SuccessRate:
    """Get the share of a Dag's finished runs that succeeded."""
    counts = {}
    for state in ("success", "failed"):
        answer = airflow.get(path("dags/{}/dagRuns", dag_id), params={"state": state, "limit": 1})
        counts[state] = answer.json()["total_entries"]
    runs = sum(counts.values())
    return SuccessRate(dag_id=dag_id, runs=runs, success_rate=counts["success"] / runs if runs else None)


class Mark(Arguments):
    dag_id: Annotated[str, Field(description="The Dag ID.")]
    dag_run_id: Annotated[str, Field(description="The Dag run ID.")]
    finding: Annotated[str, Field(description="What was found.")] = "no fault"

    def route(self) -> str:
        return path("dags/{}/dagRuns/{}", self.dag_id, self.dag_run_id)

    def body(self) -> JSONObject:
        return {"note": f"Checked: {self.finding}."}


class Marked(BaseModel):
    dag_run_id: str
    note: str


async def preview_mark(mark: Mark, airflow: Airflow) -> JSONObject:
    run = (await airflow.get(mark.route())).json()
    return {"before": run.get("note"), "after": mark.body()["note"]}


@tool(access="write", replaces=True, preview=preview_mark, keywords=["annotate", "comment"])
async def mark_dag_run(mark: Mark, airflow: Airflow) -> Marked:
    """Note on a Dag run that it was checked; a note that it has is replaced."""
    run = (await airflow.patch(mark.route(), json=mark.body())).json()
    return Marked(dag_run_id=run["dag_run_id"], note=run["note"])


@hookimpl
def register_toolsets() -> list[Toolset]:
    tools = [count_failed_runs, get_success_rate, mark_dag_run]
    return [Toolset("reliability", "How reliable Dags are.", tools)]
