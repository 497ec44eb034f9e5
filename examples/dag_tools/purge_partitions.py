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
"""A Dag as a tool that asks before it acts: its second tag says that it deletes something."""

from __future__ import annotations

from datetime import datetime

try:
    from airflow.sdk import Param, dag, get_current_context, task
except ImportError:
    from airflow.decorators import dag, task
    from airflow.models.param import Param
    from airflow.operators.python import get_current_context


@dag(
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    is_paused_upon_creation=False,
    tags=["mcp", "mcp:destructive"],
    description="Delete the partitions of a table that are older than so many days.",
    params={
        "table": Param("orders", type="string", enum=["orders", "customers", "returns"]),
        # Two tasks are last: this one has the result.
        "keep_days": Param(
            90, type="integer", minimum=30, description="Days to keep.", mcp_result_task="delete_partitions"
        ),
    },
)
def purge_partitions():
    @task
    def delete_partitions() -> dict:
        params = get_current_context()["params"]
        return {"table": params["table"], "deleted": max(0, 120 - params["keep_days"])}

    @task
    def tell_the_team() -> str:
        return "The team was told."

    delete_partitions()
    tell_the_team()


purge_partitions()
