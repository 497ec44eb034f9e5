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
"""Tools about what this Airflow is, is set to and did."""

from __future__ import annotations

from airflow_provider_mcp.sdk import (
    Toolset,
    hookimpl,
)
from airflow_provider_mcp.tools.admin.audit_log import list_event_logs
from airflow_provider_mcp.tools.admin.config import get_config
from airflow_provider_mcp.tools.admin.connections import (
    delete_connection,
    list_connections,
    set_connection,
    test_connection,
)
from airflow_provider_mcp.tools.admin.info import get_airflow_info
from airflow_provider_mcp.tools.admin.pools import delete_pool, list_pools, set_pool
from airflow_provider_mcp.tools.admin.variables import (
    delete_variable,
    get_variable,
    list_variables,
    set_variable,
)
from airflow_provider_mcp.tools.shared.icons import ADMIN_ICON


@hookimpl
def register_toolsets() -> list[Toolset]:
    return [
        Toolset(
            "admin",
            "What this Airflow is and is set to.",
            [
                get_airflow_info,
                get_config,
                list_event_logs,
                list_pools,
                set_pool,
                delete_pool,
                list_variables,
                get_variable,
                set_variable,
                delete_variable,
                list_connections,
                set_connection,
                delete_connection,
                test_connection,
            ],
            icon=ADMIN_ICON,
        )
    ]
