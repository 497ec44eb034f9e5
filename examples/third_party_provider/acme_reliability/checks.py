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
"""A tool for each Dag with the tag ``sla``, offered to those who may see that Dag."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from acme_reliability.mcp import SuccessRate, get_success_rate
from airflow_provider_mcp.sdk import Airflow, AirflowSync, DynamicTools, Toolset, hookimpl, tool


@hookimpl
def register_toolsets() -> list[Toolset]:
    return [Toolset("sla_checks", "Check the Dags with a promise.", [], dynamic_prefix="check_")]


@hookimpl
async def register_dynamic_tools(airflow: Airflow) -> DynamicTools:
    query = {"tags": "sla", "order_by": "dag_id", "limit": 20}
    dags = (await airflow.get("dags", params=query)).json()
    hidden = dags["total_entries"] - len(dags["dags"])
    return DynamicTools(
        "sla_checks",
        [make_check(dag["dag_id"]) for dag in dags["dags"]],
        left_out=[f"{hidden} more Dags have the tag sla"] if hidden > 0 else [],
    )


def make_check(dag_id: str) -> Callable[..., Any]:
    name = f"check_{re.sub('[^A-Za-z0-9_-]', '_', dag_id)}"[:64]

    @tool(access="read", name=name, description=f"Check whether {dag_id} keeps its promise.")
    def check(airflow: AirflowSync) -> SuccessRate:
        return get_success_rate(dag_id, airflow)

    return check
