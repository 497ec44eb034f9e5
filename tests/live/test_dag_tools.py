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
"""Dags as tools on a running Airflow with a scheduler: added, listed, called, and gone again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from typing import Any

import anyio
import httpx2 as httpx
import pytest
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client

from devtools.airflow_process import ROOT
from tests.documentation import named_block
from tests.live.calling import until
from tests.live.messages import PATIENCE, TASKS, VERSION, modern
from tests.live.offering import CHECK, DAGS, PURGE, list_tools, offering_dags
from tests.live.site import WORKERS, Site

NODE = ROOT / ".node"


@pytest.fixture(scope="module")
def offering(site: Site) -> Iterator[Site]:
    with offering_dags(site, ["check_data_quality.py", "purge_partitions.py"]):
        yield site


def result(site: Site, tool: str, **arguments: Any) -> dict[str, Any]:
    answer = site.call(tool, **arguments)
    assert not answer.get("isError"), answer
    shown: dict[str, Any] = answer["structuredContent"]
    while shown["state"] not in {"success", "failed"}:
        # On a slow machine; the same key waits for the same run.
        shown = site.call(tool, **arguments)["structuredContent"]
    return shown


def test_they_are_listed_for_those_who_may_start_them(offering: Site) -> None:
    tool = list_tools(offering)[CHECK]
    assert tool["description"].startswith("Check whether a table of the warehouse has arrived")
    assert tool["inputSchema"]["required"] == ["table"]
    assert tool["inputSchema"]["properties"]["table"] == {
        "type": "string",
        "enum": ["orders", "customers", "returns"],
        "description": "Which table.",
    }
    assert tool["inputSchema"]["properties"]["day"]["format"] == "date"
    assert list_tools(offering)[PURGE]["annotations"]["destructiveHint"] is True
    assert list_tools(offering, "viewer") == {}
    assert list_tools(offering, X_MCP_Readonly="true") == {}
    assert list_tools(offering, X_MCP_Toolsets="dags") == {}


def test_who_may_not_start_it_cannot_call_it_either(offering: Site) -> None:
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}
    refused = offering.post(
        {**message, "params": {"name": CHECK, "arguments": {"table": "orders"}}}, "viewer"
    )
    assert refused.json()["error"]["message"] == f"Unknown tool: {CHECK}"


def test_a_wrong_argument_starts_nothing(offering: Site) -> None:
    for arguments, why in (
        ({"table": "oders"}, "table: 'oders' is not one of"),
        ({}, "table: is required"),
        ({"table": "orders", "day": "yesterday"}, "day: 'yesterday' is not a 'date'"),
    ):
        error = offering.call(CHECK, **arguments)["structuredContent"]["error"]
        assert error["code"] == "invalid_argument"
        assert why in error["message"]
    runs = offering.call("list_dag_runs", dag_id=DAGS[CHECK])["structuredContent"]
    assert runs["total"] == 0


def test_a_run_to_success_has_its_result_and_a_repeat_starts_no_second_one(offering: Site) -> None:
    arguments: dict[str, Any] = json.loads(named_block("dag-tools", "arguments"))
    shown = result(offering, CHECK, **arguments)
    expected = json.loads(named_block("dag-tools", "result"))
    assert {name: shown[name] for name in expected} == expected
    assert f"/dags/{DAGS[CHECK]}/" in shown["ui_url"]
    assert result(offering, CHECK, **arguments)["dag_run_id"] == shown["dag_run_id"]
    other = offering.call(CHECK, **{**arguments, "table": "customers"})["structuredContent"]
    assert other["error"]["code"] == "conflict"


def test_a_run_to_failure_says_why(offering: Site) -> None:
    shown = result(offering, CHECK, table="returns", idempotency_key="two")
    assert (shown["state"], shown["failed_tasks"]) == ("failed", ["count_rows"])
    assert "returns has 0 rows, fewer than 1" in shown["diagnosis"][0]
    assert len(shown["diagnosis"]) <= 3


def test_one_that_deletes_asks_first(offering: Site) -> None:
    arguments: dict[str, Any] = {"keep_days": 100, "idempotency_key": "three"}
    first = offering.call(PURGE, **arguments)["structuredContent"]
    assert first["error"]["code"] == "confirmation_required"
    assert first["preview"]["conf"] == {"keep_days": 100}
    token = first["confirmation_token"]
    shown = offering.call(PURGE, **arguments, confirmation_token=token)["structuredContent"]
    run = shown["dag_run_id"]
    waited = offering.call("wait_for_dag_run", dag_id=DAGS[PURGE], dag_run_id=run, timeout_seconds=45)
    assert waited["structuredContent"]["state"] == "success"
    # The second task is last as well: the Dag says which one has the result.
    assert shown["state"] != "success" or shown["result"] == {"table": "orders", "deleted": 20}


def test_the_python_sdk_gets_progress_by_tasks(offering: Site) -> None:
    told: list[tuple[float, float | None]] = []

    async def watch(progress: float, total: float | None, message: str | None) -> None:
        told.append((progress, total))

    async def run() -> Any:
        headers = {"Authorization": offering.authorization()}
        async with (
            httpx.AsyncClient(headers=headers, timeout=60) as http,
            Client(streamable_http_client(offering.url, http_client=http)) as client,
        ):
            return await client.call_tool(CHECK, {"table": "customers"}, progress_callback=watch)

    answer = anyio.run(run)
    assert not answer.is_error
    assert answer.structured_content["state"] in {"success", "running", "queued"}
    assert told
    assert sorted(told) == told


@pytest.mark.parametrize(("sdk", "mode"), [("1", ""), ("2", "auto")])
def test_the_typescript_sdks(offering: Site, sdk: str, mode: str) -> None:
    env = {
        **os.environ,
        "MCP_URL": offering.url,
        "MCP_AUTHORIZATION": offering.authorization(),
        "MCP_SDK": sdk,
        "MCP_MODE": mode,
        "MCP_RESOURCE": "airflow://version",
        "MCP_PROMPT": "daily_health_check",
        "MCP_TOOL": CHECK,
        "MCP_ARGUMENTS": json.dumps({"table": "orders", "idempotency_key": "typescript"}),
    }
    with (ROOT / "tests" / "fixtures" / "clients" / "typescript.mjs").open() as script:
        done = subprocess.run(
            [str(NODE / "node_modules" / ".bin" / "node"), "--input-type=module"],
            stdin=script,
            env=env,
            cwd=NODE,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
    assert done.returncode == 0, done
    found = json.loads(done.stdout)
    assert set(DAGS) <= {tool["name"] for tool in found["tools"]}
    assert found["result"]["structuredContent"]["dag_id"] == DAGS[CHECK]
    assert found["progress"] == sorted(found["progress"])


def test_a_task_outlives_the_process_that_started_it(offering: Site) -> None:
    def send(site: Site, method: str, named: str, **params: Any) -> dict[str, Any]:
        message = modern(method, capabilities={"extensions": {TASKS: {}}}, **params)
        headers = {"MCP_Protocol_Version": VERSION, "Mcp_Method": method, "Mcp_Name": named}
        answer = site.post(message, **headers).json()
        assert "result" in answer, answer
        found: dict[str, Any] = answer["result"]
        return found

    with Site(offering.home).serving(WORKERS) as other:
        created = send(other, "tools/call", CHECK, name=CHECK, arguments={"table": "customers"})
        os.killpg(other.web.pid, signal.SIGKILL)
    assert (created["resultType"], created["status"]) == ("task", "working")
    states: list[dict[str, Any]] = []

    def over() -> bool:
        states.append(send(offering, "tasks/get", created["taskId"], taskId=created["taskId"]))
        return bool(states[-1]["status"] != "working")

    until(over, PATIENCE)
    assert states[-1]["status"] == "completed"
    assert states[-1]["result"]["structuredContent"]["result"]["rows"] == 980
