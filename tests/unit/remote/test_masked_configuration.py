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
"""Under ``serve``, each way to the configuration gives the same answer, without secrets."""

from __future__ import annotations

import json
from typing import Any

import anyio
import httpx
import pytest
from mcp.client import Client
from mcp_types import TextResourceContents

from airflow_provider_mcp.remote import http
from airflow_provider_mcp.remote.build import build_gateway
from airflow_provider_mcp.remote.client import Remote
from airflow_provider_mcp.remote.instance import Instance
from airflow_provider_mcp.remote.target import Target
from airflow_provider_mcp.server.policy import Policy
from airflow_provider_mcp.server.policy_source import PolicySource

SECRETS = ("a-fernet-key", "db-passw0rd", "broker-passw0rd", "s3cret-key")
OPTIONS = {
    "core": {"fernet_key": SECRETS[0], "parallelism": "32", "executor": "LocalExecutor"},
    "database": {"sql_alchemy_conn": f"postgresql://airflow:{SECRETS[1]}@db/airflow"},
    "celery": {"broker_url": f"redis://:{SECRETS[2]}@redis:6379/0"},
    "webserver": {"secret_key": SECRETS[3]},
}


def answer(request: httpx.Request) -> httpx.Response:
    path = request.url.path
    if path.endswith("/version"):
        line = "/api/v2/" if "three" in request.url.host else "/api/v1/"
        version = "3.3.2" if "three" in request.url.host else "2.11.2"
        return httpx.Response(200 if line in path else 404, json={"version": version})
    if path.endswith("/openapi.json"):
        operation = {"get": {"summary": "Get Config", "operationId": "get_config", "responses": {}}}
        route = "/api/v2/config" if "three" in request.url.host else "/config"
        return httpx.Response(200, json={"openapi": "3.1.0", "paths": {route: operation}})
    if path.endswith("/config"):
        sections = [
            {"name": name, "options": [{"key": key, "value": value} for key, value in options.items()]}
            for name, options in OPTIONS.items()
        ]
        return httpx.Response(200, json={"sections": sections})
    return httpx.Response(404, json={"detail": "Not Found"})


@pytest.mark.parametrize("line", ["three", "two"])
def test_tool_resource_and_api_give_one_answer(line: str) -> None:
    remote = Remote(Target("a", f"http://{line}.example.com"))
    remote._client = http.AsyncRemoteClient(transport=httpx.MockTransport(answer))
    gateway = build_gateway([Instance(remote, PolicySource(lambda _: None, Policy()))])

    async def ask() -> tuple[Any, Any, Any]:
        async with Client(gateway.server) as client:
            by_tool = await client.call_tool("get_config", {})
            (content,) = (await client.read_resource("airflow://config")).contents
            by_api = await client.call_tool("call_api_read", {"path": "config"})
        assert isinstance(content, TextResourceContents)
        assert not by_tool.is_error
        assert not by_api.is_error, by_api
        return by_tool.structured_content, json.loads(content.text), by_api.structured_content

    by_tool, by_resource, by_api = anyio.run(ask)
    for found in (by_tool, by_resource, by_api):
        assert not [secret for secret in SECRETS if secret in json.dumps(found)]
        assert "LocalExecutor" in json.dumps(found)
    assert by_tool["config"] == by_resource
    sections = (by_api.get("body") or by_api.get("answer") or by_api)["sections"]
    rows = {each["name"]: {row["key"]: row["value"] for row in each["options"]} for each in sections}
    assert rows == by_resource
