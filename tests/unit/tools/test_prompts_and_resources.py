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

import pytest

from airflow_provider_mcp.server.catalogue import load_catalogue
from airflow_provider_mcp.testing import call_tool, open_airflow
from airflow_provider_mcp.tools.prompts import register_prompts
from airflow_provider_mcp.tools.resources import register_resources
from tests.unit.fake_airflow import FakeAirflow

# Prompts may name nothing else.
TOOLS = set(load_catalogue("3.3.2", found=[]).tools)
PROMPTS = {prompt.name: prompt for prompt in register_prompts()}
RESOURCES = {resource.uri: resource for resource in register_resources()}


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
    options = [{"key": "secret_key", "value": "x"}, {"key": "parallelism", "value": "32"}]
    airflow = FakeAirflow(**{"GET config": {"sections": [{"name": "core", "options": options}]}})
    read = call_tool(RESOURCES["airflow://config"].read, open_airflow(airflow))
    assert read == {"core": {"secret_key": "***", "parallelism": "32"}}


def test_source_and_version() -> None:
    airflow = open_airflow(
        FakeAirflow(**{"GET dagSources/a b": {"content": "x = 1"}, "GET version": {"version": "3.3.2"}})
    )
    source = RESOURCES["airflow://dags/{dag_id}/source"]
    assert call_tool(source.read, airflow, dag_id="a b") == "x = 1"
    assert source.mime_type == "text/x-python"
    assert call_tool(RESOURCES["airflow://version"].read, airflow) == {"version": "3.3.2"}
