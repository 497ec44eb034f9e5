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
"""Tools that say what is wrong."""

from __future__ import annotations

from airflow_provider_mcp.sdk import (
    Toolset,
    hookimpl,
)
from airflow_provider_mcp.tools.diagnostics.comparison import compare_dag_runs
from airflow_provider_mcp.tools.diagnostics.health import get_system_health
from airflow_provider_mcp.tools.diagnostics.history import find_failures
from airflow_provider_mcp.tools.diagnostics.import_errors import list_import_errors
from airflow_provider_mcp.tools.diagnostics.lineage import trace_lineage
from airflow_provider_mcp.tools.diagnostics.resolve import resolve_url
from airflow_provider_mcp.tools.diagnostics.runs import diagnose_dag_run
from airflow_provider_mcp.tools.diagnostics.trends import analyze_dag
from airflow_provider_mcp.tools.diagnostics.waiting import explain_waiting
from airflow_provider_mcp.tools.shared.icons import DIAGNOSTICS_ICON


@hookimpl
def register_toolsets() -> list[Toolset]:
    return [
        Toolset(
            "diagnostics",
            "Say what is wrong.",
            [
                get_system_health,
                list_import_errors,
                diagnose_dag_run,
                explain_waiting,
                find_failures,
                analyze_dag,
                compare_dag_runs,
                trace_lineage,
                resolve_url,
            ],
            icon=DIAGNOSTICS_ICON,
        )
    ]
