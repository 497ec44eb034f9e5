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
"""What a call of a Dag's tool returns."""

from __future__ import annotations

from airflow_provider_mcp.sdk import JSON, Airflow, JSONObject, Result
from airflow_provider_mcp.tools.dag_tools.schemas import shorten
from airflow_provider_mcp.tools.diagnostics.runs import diagnose_dag_run
from airflow_provider_mcp.tools.runs.results import WaitedRun
from airflow_provider_mcp.tools.shared.reads import Parts

MOST_LINE = 400


class DagToolResult(Result):
    """How a run stands, and what came of it."""

    dag_id: str
    dag_run_id: str
    state: str
    result: JSON = None
    """The return value of the Dag's last task, or of the one that it names."""
    ui_url: str
    task_counts: dict[str, int] | None = None
    failed_tasks: list[str] | None = None
    diagnosis: list[str] | None = None
    """Why the run failed, in up to three lines."""
    missing: dict[str, str] | None = None
    """The parts that could not be read, and why."""


async def build_result(airflow: Airflow, run: WaitedRun, seconds: float = 10) -> DagToolResult:
    """Return the result for a run as it stands; for one that failed, with the reason.

    :param seconds: How long finding the reason may take.
    """
    parts = Parts(max(0.0, seconds))
    diagnosis = None
    if run.state == "failed":
        diagnosis = await parts.read("diagnosis", _diagnose(airflow, run.dag_id, run.dag_run_id))
    return DagToolResult(
        dag_id=run.dag_id,
        dag_run_id=run.dag_run_id,
        state=run.state,
        result=run.result,
        ui_url=run.ui_url,
        task_counts=run.task_counts,
        failed_tasks=run.failed_tasks,
        diagnosis=diagnosis,
        missing={**(run.missing or {}), **parts.missing} or None,
        hint=run.hint,
    )


async def _diagnose(airflow: Airflow, dag_id: str, dag_run_id: str) -> list[str]:
    """Return what ``diagnose_dag_run`` finds: what failed, where, and what to do next."""
    found: JSONObject = (await diagnose_dag_run(airflow, dag_id, dag_run_id)).model_dump(exclude_none=True)
    lines = [found["summary"]]
    errors = next((failure.get("errors") for failure in found.get("failures") or []), None) or [{}]
    where = [errors[0].get("caused_by") or errors[0].get("error"), *errors[0].get("code", [])[-1:]]
    if any(where):
        lines.append(" at ".join(str(part).strip() for part in where if part))
    step = next(iter(found.get("next_steps") or []), None)
    if step:
        lines.append(f"Next: {step['tool']}, {step.get('why') or 'for more'}.")
    return [shorten(line, MOST_LINE) for line in lines]
