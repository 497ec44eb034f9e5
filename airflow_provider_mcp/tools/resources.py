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
"""Resources: what a person puts before a model without the model having to ask."""

from __future__ import annotations

from airflow_provider_mcp.sdk import Airflow, JSONObject, Resource, hookimpl, path
from airflow_provider_mcp.tools.dags import Dag, get_dag
from airflow_provider_mcp.tools.runs.reading import get_dag_run
from airflow_provider_mcp.tools.runs.results import CountedRun
from airflow_provider_mcp.tools.shared.configuration import list_options


async def read_dag(airflow: Airflow, dag_id: str) -> Dag:
    return await get_dag(airflow, dag_id)


async def read_source(airflow: Airflow, dag_id: str) -> str:
    return str((await airflow.get(path("dagSources/{}", dag_id))).json()["content"])


async def read_run(airflow: Airflow, dag_id: str, dag_run_id: str) -> CountedRun:
    return await get_dag_run(airflow, dag_id, dag_run_id)


async def read_version(airflow: Airflow) -> JSONObject:
    answer: JSONObject = (await airflow.get("version")).json()
    return answer


async def read_config(airflow: Airflow) -> JSONObject:
    return list_options(airflow, (await airflow.get("config")).json())


@hookimpl
def register_resources() -> list[Resource]:
    return [
        Resource(
            "airflow://version",
            "version",
            "Airflow's version.",
            read_version,
            title="Airflow's version",
            tools=("get_airflow_info",),
        ),
        Resource(
            "airflow://config",
            "config",
            "Airflow's configuration by section and option, as far as Airflow shows it to you.",
            read_config,
            title="Airflow's configuration",
            tools=("get_config",),
        ),
        Resource(
            "airflow://dags/{dag_id}",
            "dag",
            "A Dag with its tasks, params and latest runs.",
            read_dag,
            title="Dag",
            tools=("get_dag",),
        ),
        Resource(
            "airflow://dags/{dag_id}/source",
            "dag_source",
            "The source of the file that defines a Dag.",
            read_source,
            mime_type="text/x-python",
            title="Dag source",
            tools=("get_dag",),
        ),
        Resource(
            "airflow://dags/{dag_id}/runs/{dag_run_id}",
            "dag_run",
            "A Dag run with the count of its task instances by state.",
            read_run,
            title="Dag run",
            tools=("get_dag_run",),
        ),
    ]
