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
"""Asks an Airflow, this one or another, for its failed runs: how a Dag uses an ``airflow_mcp`` connection.

It needs the connection ``demo_airflow``, for example

    export AIRFLOW_CONN_DEMO_AIRFLOW='{"conn_type": "airflow_mcp", "host": "http://localhost:8080",
                                       "login": "admin", "password": "admin"}'
"""

from __future__ import annotations

from datetime import datetime

try:
    from airflow.sdk import dag, task
except ImportError:
    from airflow.decorators import dag, task


@dag(schedule=None, start_date=datetime(2026, 1, 1), catchup=False, tags=["demo"])
def demo_hook():
    @task
    def count_failed_runs() -> int:
        from airflow.providers.mcp.hooks.airflow_mcp import AirflowMCPHook

        with AirflowMCPHook("demo_airflow").get_conn() as airflow:
            answer = airflow.get("dags/~/dagRuns", params={"state": "failed", "limit": 1})
            answer.raise_for_status()
        failed = answer.json()["total_entries"]
        print(f"{failed} runs have failed")
        return failed

    count_failed_runs()


demo_hook()
