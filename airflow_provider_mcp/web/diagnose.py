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
"""The page about one Dag run: what the diagnostic tools say of it, for people."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl

from airflow_provider_mcp.endpoint.door import HTTPRequest, Reply
from airflow_provider_mcp.sdk.json_types import JSONObject
from airflow_provider_mcp.server.request import Request
from airflow_provider_mcp.web.host import PageHost
from airflow_provider_mcp.web.rendering import render
from airflow_provider_mcp.web.tools import call_tool

_TOOLS = {"diagnose_dag_run": "What happened", "explain_waiting": "What it waits for"}


async def show_diagnosis(http: HTTPRequest, host: PageHost, request: Request) -> Reply:
    """Return the page about the run that the address names; without one, a form that asks for it."""
    # An address may have a run's ID in it as it is: a plus there is no space.
    query = dict(parse_qsl(http.query.replace("+", "%2B")))
    run = {"dag_id": query.get("dag_id", ""), "dag_run_id": query.get("dag_run_id", "")}
    findings: list[tuple[str, str, JSONObject]] = []
    if all(run.values()):
        for tool, title in _TOOLS.items():
            if await request.offers(tool):
                result = await call_tool(host, request, tool, run)
                findings.append((title, _tell_error(result), _find(result)))
    return render("diagnose.html", host, framed=True, here="diagnose", run=run, findings=findings)


def _find(result: JSONObject) -> JSONObject:
    found = result.get("structuredContent")
    return found if isinstance(found, dict) and not result.get("isError") else {}


def _tell_error(result: JSONObject) -> str:
    """Return the error in sentences; empty if there is none."""
    if not result.get("isError"):
        return ""
    error = (result.get("structuredContent") or {}).get("error")
    if not isinstance(error, Mapping):
        return "It failed."
    return f"{error.get('message', '')} {error.get('hint', '')}".strip()
