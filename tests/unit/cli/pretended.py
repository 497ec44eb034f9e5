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
"""A pretended Airflow with an endpoint, for ``airflow-mcp check``."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import anyio
import httpx

from airflow_provider_mcp.cli import check as check_module
from airflow_provider_mcp.cli.report import Report
from airflow_provider_mcp.remote import http
from airflow_provider_mcp.remote.client import Remote
from airflow_provider_mcp.remote.instance import Instance
from airflow_provider_mcp.remote.target import Target
from airflow_provider_mcp.server.build import CALLER_KEY
from airflow_provider_mcp.server.policy import Policy
from airflow_provider_mcp.server.policy_source import PolicySource

ROOT = "https://airflow.example.com/air"
CHALLENGE = {"WWW-Authenticate": 'Bearer realm="Airflow", Basic realm="Airflow"'}
HEALTHY = {"metadatabase": {"status": "healthy"}, "scheduler": {"status": "healthy"}}
HERE = Target("airflow", ROOT)
Endpoint = Callable[[httpx.Request], httpx.Response]


def refusal(text: str = "No credential.", **headers: str) -> httpx.Response:
    message = {"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": text}}
    return httpx.Response(401, json=message, headers={**CHALLENGE, **headers})


def endpoint(request: httpx.Request) -> httpx.Response:
    """Answer as our endpoint does."""
    if request.headers.get("authorization") != "Bearer good":
        return refusal()
    message = json.loads(request.content)
    if message["method"] == "initialize":
        result: Any = {
            "serverInfo": {"name": "apache-airflow", "version": "0.1.0"},
            "_meta": {CALLER_KEY: "ada"},
        }
    else:
        result = {
            "tools": [{"annotations": {"readOnlyHint": True}}, {"annotations": {"readOnlyHint": False}}]
        }
    return httpx.Response(200, json={"jsonrpc": "2.0", "id": message["id"], "result": result})


def check_at(
    mcp: Endpoint = endpoint,
    version: str = "3.3.2",
    token: str = "good",
    rest: Endpoint | None = None,
    target: Target = HERE,
    **policy: Any,
) -> Report:
    """Return the report on an Airflow whose endpoint ``mcp`` answers, and whose REST API ``rest`` does."""

    def handle(request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/air")
        if rest is not None and path != "/mcp/v1":
            return rest(request)
        if path == "/mcp/v1":
            return mcp(request)
        if path == f"/api/v{2 if version[0] == '3' else 1}/version":
            return httpx.Response(200, json={"version": version})
        if path.endswith("/version"):
            return httpx.Response(404, json={})
        if request.headers.get("authorization") != "Bearer good":
            return httpx.Response(401, json={"detail": "no"})
        return httpx.Response(
            200, json=HEALTHY if path.endswith(("/health", "monitor/health")) else {"dags": []}
        )

    remote = Remote(replace(target, token=token) if token else target)
    remote._client = http.AsyncRemoteClient(transport=httpx.MockTransport(handle), follow_redirects=False)
    instance = Instance(remote, PolicySource(lambda _: None, Policy(**policy)))
    report = Report("airflow")
    anyio.run(check_module._check_instance, instance, report)
    return report


def text_of(report: Report) -> str:
    return "\n".join(f"{finding.level} {finding.text} {finding.cure}" for finding in report.findings)
