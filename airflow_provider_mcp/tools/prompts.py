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
"""Resources and prompts: what a person puts before a model without the model having to ask."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from airflow_provider_mcp.sdk import Prompt, hookimpl

DagToRead = Annotated[str, Field(description="The Dag's ID.")]


def troubleshoot_failed_dag(dag_id: DagToRead) -> str:
    return f"""Find out why the Airflow Dag `{dag_id}` failed, and what to do about it.

1. Call diagnose_dag_run with dag_id `{dag_id}` and dag_run_id `latest_failed`: it names the task that \
failed first and the end of its log.
2. If the log does not explain it, call get_task_logs for that task with a larger tail or with grep, and \
get_dag with include source for the code.
3. Call find_failures with dag_pattern `{dag_id}`: is it the first time, or does it fail regularly? If \
runs before it succeeded, call compare_dag_runs to see what is different.
4. If it did not fail but waits, call explain_waiting.

Tell me the root cause with the log lines that prove it, what it affects, and the next step. Change \
nothing before I agree. Then use clear_task_instances or clear_dag_run to run it again, and \
wait_for_dag_run to see how it ends."""


def daily_health_check() -> str:
    return """Check the health of this Airflow for the last 24 hours.

1. Call get_system_health: are the scheduler, the triggerer, the Dag processor and the database healthy?
2. Call list_import_errors: which Dag files do not load, and why?
3. Call find_failures with since `24h`: which Dags failed, how often, with which common cause?
4. For what failed more than once, call diagnose_dag_run with dag_run_id `latest_failed`.
5. Call list_dag_runs with state `running`, order_by `start_date`: does anything run much longer than \
usual? If so call analyze_dag. With state `queued`: does anything wait? If so call explain_waiting.
6. Call list_pools: is any pool full?

Report in a table what needs a person, the most urgent first, each with its cause, its link and one next \
step. End with one line on what is fine. Change nothing."""


def onboard_new_dag(dag_id: DagToRead) -> str:
    return f"""Check whether the new Airflow Dag `{dag_id}` is ready for production.

1. Call list_import_errors. If the file of `{dag_id}` does not load, stop and explain how to mend it.
2. Call get_dag with dag_id `{dag_id}` and include tasks, params, source, warnings. Look at: owner, tags, \
doc_md, schedule, catchup, max_active_runs, retries, pools, params without a default.
3. For each connection, variable and pool that the source names, call list_connections, list_variables \
and list_pools: does it exist?
4. Show me what is missing. When I agree to a test, call trigger_dag with dag_id `{dag_id}`, unpause true \
if it is paused, and conf for its params, and then wait_for_dag_run.
5. If the run failed, call diagnose_dag_run. If it succeeded, call get_dag_run and tell how long each \
part took.

End with a list: ready, to be mended before production, to be improved later."""


def explain_dag_to_oncall(dag_id: DagToRead) -> str:
    return f"""Explain the Airflow Dag `{dag_id}` to a colleague who is on call and has never seen it.

1. Call get_dag with dag_id `{dag_id}` and include tasks, params, source, runs, assets.
2. Call analyze_dag with dag_id `{dag_id}`: how long does a run take, how often does it fail, which task \
is the slowest?
3. Call find_failures with dag_pattern `{dag_id}` and since `7d`: what went wrong lately?
4. If it has failed, call diagnose_dag_run with dag_run_id `latest_failed`.

Write one page: what it does and for whom; when it runs and what it waits for; its tasks in order, each \
in a line; what depends on it; how it usually fails and what helped; when to run it again by \
clear_dag_run, and when to wake whom (its owner). Change nothing."""


@hookimpl
def register_prompts() -> list[Prompt]:
    return [
        Prompt(
            "troubleshoot_failed_dag",
            "Find out why a Dag failed and what to do about it.",
            troubleshoot_failed_dag,
            title="Troubleshoot a failed Dag",
            tools=("diagnose_dag_run",),
        ),
        Prompt(
            "daily_health_check",
            "Check the health of this Airflow for the last 24 hours.",
            daily_health_check,
            title="Daily health check",
            tools=("get_system_health", "find_failures"),
        ),
        Prompt(
            "onboard_new_dag",
            "Check whether a new Dag is ready for production.",
            onboard_new_dag,
            title="Onboard a new Dag",
            tools=("get_dag",),
        ),
        Prompt(
            "explain_dag_to_oncall",
            "Explain a Dag to a colleague on call.",
            explain_dag_to_oncall,
            title="Explain a Dag to the person on call",
            tools=("get_dag",),
        ),
    ]
