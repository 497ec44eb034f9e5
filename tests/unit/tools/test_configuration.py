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
"""The configuration is told the same, and without its secrets, by each way to read it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import anyio
import httpx

from airflow_provider_mcp.testing import call_tool, open_airflow
from airflow_provider_mcp.tools.admin.config import get_config
from airflow_provider_mcp.tools.api.calls import call_api_read
from airflow_provider_mcp.tools.resources import read_config

SECTIONS: dict[str, dict[str, str]] = {
    "core": {"fernet_key": "hunter2", "executor": "LocalExecutor", "parallelism": "32"},
    "database": {"sql_alchemy_conn": "postgresql://ada:hunter2@db/airflow"},
    "celery": {
        "broker_url": "redis://:hunter2@redis:6379/0",
        "result_backend": "db+postgresql://ada:hunter2@db/results",
        "worker_concurrency": "16",
    },
    "mine": {
        "url": "db://ada:hunter2@h",
        "password": "hunter2",
        "use_password": "True",
        "key": "AKIA" + "A2" * 8,
    },
}
CONFIG = {
    "sections": [
        {"name": name, "options": [{"key": key, "value": value} for key, value in options.items()]}
        for name, options in SECTIONS.items()
    ]
}
ROUTES = {"/api/v2/config": {"get": {"operationId": "get_config", "summary": "Get Config"}}}


def answer(request: httpx.Request) -> httpx.Response:
    if request.url.path.endswith("openapi.json"):
        return httpx.Response(200, json={"paths": ROUTES})
    return httpx.Response(200, json=CONFIG)


def read_three_ways(hides: Any = None) -> list[dict[str, dict[str, Any]]]:
    airflow = open_airflow(answer, "read")
    if hides is not None:
        airflow.site = replace(airflow.site, hides_option=hides)
    by_tool = anyio.run(get_config, airflow).config
    by_resource = call_tool(read_config, airflow)
    sections = anyio.run(call_api_read, airflow, "config").answer["sections"]
    by_api = {s["name"]: {row["key"]: row["value"] for row in s["options"]} for s in sections}
    return [by_tool, by_resource, by_api]


def test_tool_resource_and_api_agree_where_no_airflow_can_be_asked() -> None:
    told = read_three_ways()
    assert told[0] == told[1] == told[2]
    assert "hunter2" not in json.dumps(told)
    assert told[0]["core"] == {"fernet_key": "< hidden >", "executor": "LocalExecutor", "parallelism": "32"}
    assert told[0]["database"]["sql_alchemy_conn"] == "< hidden >"
    assert told[0]["mine"] == {
        "url": "db://ada:***@h",
        "password": "***",
        "use_password": "True",
        "key": "***",
    }


def test_they_agree_on_what_airflow_calls_sensitive() -> None:
    told = read_three_ways(lambda section, option: (section, option) == ("core", "fernet_key"))
    assert told[0] == told[1] == told[2]
    assert "hunter2" not in json.dumps(told)
    assert told[0]["celery"] == {
        "broker_url": "redis://:***@redis:6379/0",
        "result_backend": "db+postgresql://ada:***@db/results",
        "worker_concurrency": "16",
    }
