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
"""A Dag as a tool: it checks one day of a table, and says what it found."""

from __future__ import annotations

from datetime import datetime

try:
    from airflow.sdk import Param, dag, get_current_context, task
except ImportError:
    from airflow.decorators import dag, task
    from airflow.models.param import Param
    from airflow.operators.python import get_current_context

ROWS = {"orders": 4210, "customers": 980, "returns": 0}
"""In place of a warehouse: the rows of each table."""


@dag(
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    is_paused_upon_creation=False,
    tags=["mcp", "quality"],
    params={
        "table": Param(type="string", enum=list(ROWS), description="Which table."),
        "day": Param(None, type=["null", "string"], format="date", description="Which day; else today."),
        "min_rows": Param(1, type="integer", minimum=0, description="Fail with fewer rows than that."),
    },
    doc_md="""
# Data quality

Check whether a table of the warehouse has arrived and is complete for one day. Returns the number of rows.

It reads, and changes nothing.
""",
)
def check_data_quality():
    @task
    def count_rows() -> dict:
        params = get_current_context()["params"]
        rows = ROWS[params["table"]]
        if rows < params["min_rows"]:
            raise ValueError(f"{params['table']} has {rows} rows, fewer than {params['min_rows']}")
        return {"table": params["table"], "day": params["day"], "rows": rows}

    @task
    def judge(counted: dict) -> dict:
        return {**counted, "verdict": "complete"}

    judge(count_rows())


check_data_quality()
