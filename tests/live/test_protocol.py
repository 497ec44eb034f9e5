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
"""The protocol on the wire of a real Airflow: streams, cancellation, tasks, and other people's clients."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from devtools.airflow_process import ROOT
from tests.live.messages import PATIENCE, TASKS, VERSION, events, modern, streaming
from tests.live.site import LINE, Site

BINARIES = ROOT / ".node" / "node_modules" / ".bin"


def send(
    site: Site, message: dict[str, Any], user: str = "admin", **headers: str
) -> tuple[int, dict[str, Any]]:
    """Send a request of 2026-07-28 with the headers that it must have; return status and answer."""
    params = message["params"]
    named = params.get("name") or params.get("uri") or params.get("taskId")
    sent = {"MCP_Protocol_Version": VERSION, "Mcp_Method": message["method"]}
    if named is not None:
        sent["Mcp_Name"] = named
    answer = site.post(message, user, **{**sent, **headers})
    body: dict[str, Any] = answer.json()
    return answer.status_code, body


def call(site: Site, tool: str, user: str = "admin", **arguments: Any) -> dict[str, Any]:
    """Call a tool as a client that takes tasks; return the result."""
    message = modern("tools/call", capabilities={"extensions": {TASKS: {}}}, name=tool, arguments=arguments)
    status, answer = send(site, message, user)
    assert status == 200, answer
    result: dict[str, Any] = answer["result"]
    return result


def task(site: Site, method: str, task_id: str, user: str = "admin") -> tuple[int, dict[str, Any]]:
    message = modern(method, capabilities={"extensions": {TASKS: {}}}, taskId=task_id)
    return send(site, message, user)


@pytest.fixture(scope="module")
def waiting(site: Site) -> str:
    """A run that does not end: its task's pool is not there."""
    started = site.call("trigger_dag", dag_id="demo_waiting", unpause=True)
    return str(started["structuredContent"]["dag_run_id"])


def test_waiting_reports_progress_on_a_stream(site: Site, waiting: str) -> None:
    arguments = {"dag_id": "demo_waiting", "dag_run_id": waiting, "timeout_seconds": 5}
    with streaming(site, "wait_for_dag_run", "mine", **arguments) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-store"
        came = list(events(answer.iter_lines()))
    reports = [event["params"] for event in came[:-1]]
    assert len(reports) >= 2
    assert {report["progressToken"] for report in reports} == {"mine"}
    done = [report["progress"] for report in reports]
    assert done == sorted(set(done))
    assert reports[0]["total"] == 5
    assert waiting in reports[0]["message"]
    assert came[-1]["id"] == 1
    assert came[-1]["result"]["structuredContent"]["done"] is False


def test_without_a_token_the_answer_is_json(site: Site, waiting: str) -> None:
    arguments = {"dag_id": "demo_waiting", "dag_run_id": waiting, "timeout_seconds": 1}
    with streaming(site, "wait_for_dag_run", None, **arguments) as answer:
        assert answer.headers["content-type"] == "application/json"
        assert answer.read()


@pytest.mark.parametrize("token", ["mine", None])
def test_a_client_that_goes_away_stops_the_work(provisioned: Site, token: str | None) -> None:
    note = Path(provisioned.env["MCP_CONFORMANCE_JOBS"]) / f"gone-{token}.json"
    if token:
        with streaming(provisioned, "wait_until_gone", token, note=note.stem) as answer:
            next(events(answer.iter_lines()))
    else:
        with httpx.Client(timeout=3) as client, pytest.raises(httpx.ReadTimeout):
            client.post(
                provisioned.url,
                json={
                    "jsonrpc": "2.0",
                    "id": 1,
                    "method": "tools/call",
                    "params": {"name": "wait_until_gone", "arguments": {"note": note.stem}},
                },
                headers={"Authorization": provisioned.authorization("admin")},
            )
    # Well before the tool would have ended by itself.
    until = time.monotonic() + 15
    while not note.exists() and time.monotonic() < until:
        time.sleep(0.2)
    assert note.read_text() == "stopped"
    assert provisioned.call("list_dags")["structuredContent"]["total"] >= 5


def test_a_run_is_a_task_until_it_ends(site: Site, prefixed: Site) -> None:
    created = call(site, "trigger_dag", dag_id="demo_succeeds", unpause=True)
    assert created["resultType"] == "task"
    assert created["status"] == "working"
    assert created["ttlMs"] is None
    until = time.monotonic() + PATIENCE
    while True:
        # Any replica answers.
        status, answer = task(prefixed, "tasks/get", created["taskId"])
        assert status == 200, answer
        state = answer["result"]
        assert state["taskId"] == created["taskId"]
        if state["status"] != "working" or time.monotonic() > until:
            break
        assert "result" not in state
        time.sleep(1)
    assert state["status"] == "completed"
    assert state["result"]["isError"] is False
    summary = state["result"]["structuredContent"]
    assert (summary["dag_id"], summary["state"], summary["done"]) == ("demo_succeeds", "success", True)
    # It is over: cancelling changes nothing.
    assert task(site, "tasks/cancel", created["taskId"])[1]["result"]["resultType"] == "complete"
    assert task(site, "tasks/get", created["taskId"])[1]["result"]["status"] == "completed"


def test_a_run_that_failed_is_a_completed_task_with_an_error(site: Site) -> None:
    created = call(site, "trigger_dag", dag_id="demo_fails", unpause=True)
    until = time.monotonic() + PATIENCE
    while (state := task(site, "tasks/get", created["taskId"])[1]["result"])["status"] == "working":
        assert time.monotonic() < until
        time.sleep(1)
    assert state["status"] == "completed"
    assert state["result"]["isError"] is True
    assert state["result"]["structuredContent"]["state"] == "failed"


def confirm_cancel(site: Site, task_id: str) -> tuple[int, dict[str, Any]]:
    """Cancel a task in the two steps that it takes; return the answer to the second."""
    _, answer = task(site, "tasks/cancel", task_id)
    asked = answer["error"]["data"]
    assert (asked["code"], asked["preview"]["sets"]) == ("confirmation_required", "failed"), answer
    meta = {"org.apache.airflow/confirmation_token": asked["confirmation_token"]}
    capabilities = {"extensions": {TASKS: {}}}
    return send(site, modern("tasks/cancel", capabilities=capabilities, taskId=task_id, _meta=meta))


def test_a_cancelled_task_ends_its_run(site: Site) -> None:
    created = call(site, "trigger_dag", dag_id="demo_waiting", unpause=True, note="Kept.")
    # A confirmation is for the run as the preview showed it: queued, or running.
    until = time.monotonic() + PATIENCE
    while "running" not in task(site, "tasks/get", created["taskId"])[1]["result"]["statusMessage"]:
        assert time.monotonic() < until
        time.sleep(0.5)
    # SQLite locks no rows: a scheduler that looks after the run at this moment undoes its end.
    site.call("pause_dag", dag_id="demo_waiting")
    time.sleep(3)
    status, answer = confirm_cancel(site, created["taskId"])
    assert (status, answer.get("result", {}).get("resultType")) == (200, "complete"), answer
    assert task(site, "tasks/get", created["taskId"])[1]["result"]["status"] == "cancelled"
    listed = site.call("list_dag_runs", dag_id="demo_waiting", limit=1)["structuredContent"]["dag_runs"]
    assert listed[0]["state"] == "failed"
    assert listed[0]["note"].startswith("Kept.\n")


def test_a_task_is_its_users_alone(site: Site) -> None:
    created = call(site, "trigger_dag", dag_id="demo_waiting", unpause=True)
    for method in ("tasks/get", "tasks/cancel"):
        for user, task_id in (("viewer", created["taskId"]), ("admin", "x" + created["taskId"])):
            status, answer = task(site, method, task_id, user)
            assert (status, answer["error"]["code"]) == (400, -32602), answer
    assert task(site, "tasks/get", created["taskId"])[1]["result"]["status"] == "working"
    status, answer = send(site, modern("tasks/get", taskId=created["taskId"]))
    assert (status, answer["error"]["code"]) == (400, -32021)
    assert answer["error"]["data"]["requiredCapabilities"] == {"extensions": {TASKS: {}}}
    confirm_cancel(site, created["taskId"])


def test_a_client_that_takes_no_tasks_gets_the_run(site: Site) -> None:
    message = modern("tools/call", name="trigger_dag", arguments={"dag_id": "demo_succeeds", "unpause": True})
    _, answer = send(site, message)
    assert answer["result"]["resultType"] == "complete"
    assert answer["result"]["structuredContent"]["dag_run_id"]


def test_discovery(site: Site) -> None:
    _, answer = send(site, modern("server/discover"))
    found = answer["result"]
    assert found["supportedVersions"] == [VERSION]
    assert found["capabilities"]["extensions"] == {TASKS: {}}
    assert (
        "subscribe" not in found["capabilities"]["resources"]
        or not found["capabilities"]["resources"]["subscribe"]
    )
    assert found["cacheScope"] == "private"
    assert found["resultType"] == "complete"
    server = found["_meta"]["io.modelcontextprotocol/serverInfo"]
    assert server["title"] == "Apache Airflow"
    assert server["icons"][0]["src"].startswith("data:image/svg+xml;base64,")
    assert len(found["instructions"].split()) <= 120
    assert_toolsets(site, found)


def assert_toolsets(site: Site, told: dict[str, Any]) -> None:
    """Assert that the answer to who the server is names every listed tool in its toolset."""
    toolsets = told["_meta"]["org.apache.airflow/toolsets"]
    assert all(toolset["description"] for toolset in toolsets)
    drawn = {toolset["name"] for toolset in toolsets if "icons" in toolset}
    # A stranger's toolset need not have one.
    assert drawn >= {"dags", "runs", "tasks", "assets", "admin", "diagnostics", "api"}
    listed = send(site, modern("tools/list"))[1]["result"]["tools"]
    named = [tool for toolset in toolsets for tool in toolset["tools"]]
    assert sorted(named) == sorted(tool["name"] for tool in listed)


@pytest.mark.parametrize("version", ["2025-11-25", "2025-06-18", "2025-03-26"])
def test_the_handshake_of_2025(site: Site, version: str) -> None:
    params = {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    answer = site.post({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params})
    assert "mcp-session-id" not in answer.headers
    result = answer.json()["result"]
    assert result["protocolVersion"] == version
    assert result["capabilities"]["resources"]["subscribe"] is False
    assert "extensions" not in result["capabilities"]
    assert_toolsets(site, result)
    acknowledged = site.post({"jsonrpc": "2.0", "method": "notifications/initialized"})
    assert (acknowledged.status_code, acknowledged.content) == (202, b"")
    listed = site.post({"jsonrpc": "2.0", "id": 2, "method": "tools/list"}, MCP_Protocol_Version=version)
    assert len(listed.json()["result"]["tools"]) >= 10
    unknown = site.post(
        {"jsonrpc": "2.0", "id": 3, "method": "tasks/get", "params": {"taskId": "x"}},
        MCP_Protocol_Version=version,
    )
    assert unknown.json()["error"]["code"] == -32601


@pytest.mark.parametrize(
    "headers",
    [{"Mcp_Method": "prompts/list"}, {"Mcp_Name": "list_dags"}, {"MCP_Protocol_Version": "2025-11-25"}],
)
def test_headers_that_contradict_the_body(site: Site, headers: dict[str, str]) -> None:
    message = modern("tools/call", name="get_dag", arguments={"dag_id": "demo_fails"})
    status, answer = send(site, message, **headers)
    assert (status, answer["error"]["code"]) == (400, -32020)


def test_an_unserved_version_is_told_what_is_served(site: Site) -> None:
    message = modern("tools/list", _meta={"io.modelcontextprotocol/protocolVersion": "2030-01-01"})
    status, answer = send(site, message, MCP_Protocol_Version="2030-01-01")
    assert (status, answer["error"]["code"]) == (400, -32022)
    assert VERSION in answer["error"]["data"]["supported"]
    assert answer["error"]["data"]["requested"] == "2030-01-01"
    assert answer["id"] == 7


def test_the_version_that_older_clients_open_with_is_served(site: Site) -> None:
    old = "2024-11-05"
    params = {"protocolVersion": old, "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    answer = site.post({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params})
    assert answer.json()["result"]["protocolVersion"] == old
    listed = site.post({"jsonrpc": "2.0", "id": 2, "method": "tools/list"}, MCP_Protocol_Version=old)
    assert "list_dags" in {tool["name"] for tool in listed.json()["result"]["tools"]}


def test_a_version_that_there_never_was_is_refused(site: Site) -> None:
    never = "2024-01-01"
    refused = site.post({"jsonrpc": "2.0", "id": 2, "method": "tools/list"}, MCP_Protocol_Version=never)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, -32022)
    assert refused.json()["error"]["data"] == {
        "requested": never,
        "supported": ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", VERSION],
    }


def test_an_unknown_method_of_2026_is_404(site: Site) -> None:
    status, answer = send(site, modern("no/such"))
    assert (status, answer["error"]["code"]) == (404, -32601)


def test_lists_keep_their_order(site: Site) -> None:
    for method, key in (
        ("tools/list", "tools"),
        ("prompts/list", "prompts"),
        ("resources/list", "resources"),
    ):
        lists = [send(site, modern(method))[1]["result"][key] for _ in range(6)]
        assert all(one == lists[0] for one in lists)


def test_a_strangers_origin_is_refused_under_a_strangers_host(site: Site) -> None:
    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    own = f"127.0.0.1:{site.port}"
    assert site.post(ping, Origin=f"http://{own}", Host=own).status_code == 200
    assert site.post(ping, Origin="http://evil.example", Host="evil.example").status_code == 403


@pytest.mark.skipif(LINE != 3, reason="Airflow 2 has no tracer provider that others can use")
@pytest.mark.parametrize("where", ["meta", "headers"])
def test_a_trace_goes_on_in_airflows_own_tracing(provisioned: Site, where: str) -> None:
    trace = "0af7651916cd43dd8448eb211c8031" + ("9c" if where == "meta" else "9d")
    parent = f"00-{trace}-b7ad6b7169203331-01"
    message = modern(
        "tools/call", name="list_dags", arguments={}, _meta={"traceparent": parent} if where == "meta" else {}
    )
    assert send(provisioned, message, **({} if where == "meta" else {"traceparent": parent}))[0] == 200
    until = time.monotonic() + PATIENCE
    while f"0x{trace}" not in provisioned.log() and time.monotonic() < until:
        time.sleep(0.5)
    logged = provisioned.log()
    span = logged[: logged.index(f"0x{trace}")].rsplit('"name":', 1)[1]
    assert "tools/call list_dags" in span


@pytest.mark.parametrize(
    ("sdk", "mode", "version"),
    [("1", "", "2025-11-25"), ("2", "legacy", "2025-11-25"), ("2", "auto", "2026-07-28")],
)
def test_the_typescript_sdks(provisioned: Site, sdk: str, mode: str, version: str) -> None:
    env = {
        **os.environ,
        "MCP_URL": provisioned.url,
        "MCP_AUTHORIZATION": provisioned.authorization("admin"),
        "MCP_SDK": sdk,
        "MCP_MODE": mode,
        "MCP_RESOURCE": "airflow://version",
        "MCP_PROMPT": "daily_health_check",
        "MCP_TOOL": "test_tool_with_progress",
        "MCP_ARGUMENTS": "{}",
    }
    with (ROOT / "tests" / "fixtures" / "clients" / "typescript.mjs").open() as script:
        done = subprocess.run(
            [str(BINARIES / "node"), "--input-type=module"],
            stdin=script,
            env=env,
            cwd=BINARIES.parents[1],
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
    assert done.returncode == 0, done
    found = json.loads(done.stdout)
    assert found["version"] == version
    assert found["server"]["name"] == "apache-airflow"
    assert {"list_dags", "test_simple_text"} <= {tool["name"] for tool in found["tools"]}
    assert {"airflow://version", "test://static-text"} <= {one["uri"] for one in found["resources"]}
    assert {"daily_health_check", "test_simple_prompt"} <= {prompt["name"] for prompt in found["prompts"]}
    assert found["result"]["content"] == [{"type": "text", "text": "Done."}]
    assert found["progress"] == [0, 50, 100]
    assert json.loads(found["contents"][0]["text"])["version"].startswith(f"{LINE}.")
    assert "get_system_health" in found["messages"][0]["content"]["text"]


def test_the_inspector(provisioned: Site) -> None:
    env = {**os.environ, "PATH": f"{BINARIES}{os.pathsep}{os.environ['PATH']}"}
    base = [str(BINARIES / "mcp-inspector"), "--cli", provisioned.url, "--transport", "http"]
    base += ["--header", f"Authorization: {provisioned.authorization('admin')}"]

    def inspect(*arguments: str) -> dict[str, Any]:
        done = subprocess.run(
            [*base, "--method", *arguments],
            env=env,
            capture_output=True,
            timeout=PATIENCE,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        assert done.returncode == 0, done
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    assert "list_dags" in {tool["name"] for tool in inspect("tools/list")["tools"]}
    assert inspect("tools/call", "--tool-name", "list_dags")["structuredContent"]["total"] >= 5
    assert "airflow://version" in {resource["uri"] for resource in inspect("resources/list")["resources"]}
    read = inspect("resources/read", "--uri", "airflow://version")["contents"][0]["text"]
    assert json.loads(read)["version"].startswith(f"{LINE}.")
    assert "troubleshoot_failed_dag" in {prompt["name"] for prompt in inspect("prompts/list")["prompts"]}
    arguments = ("--prompt-name", "troubleshoot_failed_dag", "--prompt-args", "dag_id=demo_fails")
    assert "demo_fails" in inspect("prompts/get", *arguments)["messages"][0]["content"]["text"]
