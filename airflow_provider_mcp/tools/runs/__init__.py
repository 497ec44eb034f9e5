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
"""Tools that read, start, change and delete Dag runs."""

from __future__ import annotations

from airflow_provider_mcp.sdk import Toolset, hookimpl
from airflow_provider_mcp.tools.runs.changes import (
    clear_dag_run,
    delete_dag_run,
    set_dag_run_note,
    set_dag_run_state,
)
from airflow_provider_mcp.tools.runs.reading import get_dag_run, list_dag_runs, wait_for_dag_run
from airflow_provider_mcp.tools.runs.trigger import trigger_dag
from airflow_provider_mcp.tools.shared.icons import RUNS_ICON


@hookimpl
def register_toolsets() -> list[Toolset]:
    return [
        Toolset(
            "runs",
            "Read, start, change and delete Dag runs.",
            [
                list_dag_runs,
                get_dag_run,
                wait_for_dag_run,
                trigger_dag,
                set_dag_run_note,
                clear_dag_run,
                set_dag_run_state,
                delete_dag_run,
            ],
            icon=RUNS_ICON,
        )
    ]
