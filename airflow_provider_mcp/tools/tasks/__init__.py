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
"""Tools about task instances: their states, logs, XComs and what a person must answer."""

from __future__ import annotations

from airflow_provider_mcp.sdk import (
    Toolset,
    hookimpl,
)
from airflow_provider_mcp.tools.shared.icons import TASKS_ICON
from airflow_provider_mcp.tools.tasks.changes import clear_task_instances, set_task_instance_state
from airflow_provider_mcp.tools.tasks.hitl import list_hitl, respond_to_hitl
from airflow_provider_mcp.tools.tasks.instances import get_task_instance, list_task_instances
from airflow_provider_mcp.tools.tasks.log_search import search_logs
from airflow_provider_mcp.tools.tasks.logs import get_task_logs
from airflow_provider_mcp.tools.tasks.xcom import get_xcom


@hookimpl
def register_toolsets() -> list[Toolset]:
    return [
        Toolset(
            "tasks",
            "Read task instances, their logs and XComs; clear them, set their state, answer them.",
            [
                list_task_instances,
                get_task_instance,
                get_task_logs,
                search_logs,
                get_xcom,
                clear_task_instances,
                set_task_instance_state,
                list_hitl,
                respond_to_hitl,
            ],
            icon=TASKS_ICON,
        )
    ]
