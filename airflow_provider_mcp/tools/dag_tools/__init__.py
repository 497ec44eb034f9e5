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
"""Dags as tools: each Dag with the tag of ``[mcp] dag_tool_tag``, for those who may start it."""

from __future__ import annotations

from airflow_provider_mcp.sdk import Airflow, DynamicTools, Toolset, hookimpl
from airflow_provider_mcp.tools.dag_tools.listing import PREFIX, find_dags, read_dags
from airflow_provider_mcp.tools.dag_tools.running import make_tool
from airflow_provider_mcp.tools.shared.icons import DAG_TOOLS_ICON

_TOOLSET = "dag_tools"


@hookimpl
def register_toolsets() -> list[Toolset]:
    description = "Run the Dags that have the tag mcp (or that of dag_tool_tag): one tool each."
    return [Toolset(_TOOLSET, description, [], icon=DAG_TOOLS_ICON, dynamic_prefix=PREFIX)]


@hookimpl
async def register_dynamic_tools(airflow: Airflow, name: str | None, may_write: bool) -> DynamicTools | None:
    if not may_write or not airflow.site.dag_tool_tag:
        return None
    dags, left_out = await find_dags(airflow)
    if name is not None:
        dags = {tool: row for tool, row in dags.items() if tool == name}
    found, unusable = await read_dags(airflow, dags)
    return DynamicTools(_TOOLSET, [make_tool(dag) for dag in found], [*left_out, *unusable])
