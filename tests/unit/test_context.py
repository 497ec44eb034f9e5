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
"""Prompts and resources."""

from __future__ import annotations

import re
from typing import Any

import anyio
import httpx
import pytest

from airflow_provider_mcp.airflow_api import Airflow, Caller, Site
from airflow_provider_mcp.tools.context import register_prompts, register_resources

# CONTRACT section 5, all toolsets: prompts may name nothing else.
TOOLS = set(
    re.findall(
        r"\w+",
        """list_dags get_dag pause_dag unpause_dag reparse_dag delete_dag list_dag_runs get_dag_run
    wait_for_dag_run trigger_dag set_dag_run_note clear_dag_run set_dag_run_state delete_dag_run
    list_task_instances get_task_instance get_task_logs get_xcom clear_task_instances
    set_task_instance_state respond_to_hitl list_hitl list_assets list_asset_events create_asset_event
    materialize_asset list_backfills create_backfill update_backfill list_pools list_variables get_variable
    list_connections get_config list_event_logs get_airflow_info set_pool set_variable test_connection
    delete_pool delete_variable set_connection delete_connection get_system_health list_import_errors
    diagnose_dag_run explain_waiting find_failures analyze_dag compare_dag_runs resolve_url search_api
    call_api_read call_api""",
    )
)
PROMPTS = {prompt.name: prompt for prompt in register_prompts()}
RESOURCES = {resource.uri: resource for resource in register_resources()}


def client(answers: dict[str, Any]) -> Airflow:
    def handle(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=answers[request.url.path.removeprefix("/api/v2/")])

    return Airflow(
        transport=httpx.MockTransport(handle),
        base_url="http://airflow.in-process/api/v2/",
        site=Site(
            "3.3.2", lambda *_: "http://ui", lambda value, name: "***" if name == "fernet_key" else value
        ),
        caller=Caller("1", "ada"),
        access="read",
    )


@pytest.mark.parametrize("name", sorted(PROMPTS))
def test_a_prompt_names_our_tools_in_order(name: str) -> None:
    prompt = PROMPTS[name]
    text = prompt.function() if name == "daily_health_check" else prompt.function("sales_daily")
    assert isinstance(text, str)
    called = re.findall(r"\b[a-z]+(?:_[a-z]+)+\b", text)
    named = [word for word in called if word in TOOLS]
    assert len(set(named)) >= 4
    verbs = {tool.split("_")[0] for tool in TOOLS}
    arguments = {"order_by", "start_date"}
    assert [w for w in called if w.split("_")[0] in verbs and w not in TOOLS | arguments] == []
    assert ("`sales_daily`" in text) == (name != "daily_health_check")
    assert prompt.title
    assert prompt.description
    assert len(text) < 2000


def test_the_addresses_of_the_resources() -> None:
    assert set(RESOURCES) == {
        "airflow://version",
        "airflow://config",
        "airflow://dags/{dag_id}",
        "airflow://dags/{dag_id}/source",
        "airflow://dags/{dag_id}/runs/{dag_run_id}",
    }
    assert all(resource.title and resource.description for resource in RESOURCES.values())


def test_the_configuration_is_masked() -> None:
    options = [{"key": "fernet_key", "value": "x"}, {"key": "parallelism", "value": "32"}]
    airflow = client({"config": {"sections": [{"name": "core", "options": options}]}})
    read = anyio.run(lambda: RESOURCES["airflow://config"].read(airflow))
    assert read == {"core": {"fernet_key": "***", "parallelism": "32"}}


def test_source_and_version() -> None:
    airflow = client(
        {
            "dagSources/a%20b": {"content": "x = 1"},
            "dagSources/a b": {"content": "x = 1"},
            "version": {"version": "3.3.2"},
        }
    )
    source = RESOURCES["airflow://dags/{dag_id}/source"]
    assert anyio.run(lambda: source.read(airflow, dag_id="a b")) == "x = 1"
    assert source.mime_type == "text/x-python"
    assert anyio.run(lambda: RESOURCES["airflow://version"].read(airflow)) == {"version": "3.3.2"}
