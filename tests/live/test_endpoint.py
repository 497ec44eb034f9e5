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
"""Exchanges with a real Airflow: what a client, a viewer, a stranger and a broken client see."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio
import httpx
import pytest
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client

from devtools.airflow_process import ROOT
from tests.live.messages import INITIALIZE, parse_text
from tests.live.site import LINE, Site

TOOLS = {
    "list_dags",
    "get_dag",
    "list_dag_runs",
    "get_dag_run",
    "list_task_instances",
    "get_task_logs",
    "trigger_dag",
    "pause_dag",
    "unpause_dag",
    "get_system_health",
    "get_airflow_info",
    "count_failed_runs",
    "get_success_rate",
}


def rpc(method: str, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 7, "method": method, "params": params}


@pytest.fixture(scope="module")
def finished(site: Site) -> dict[str, str]:
    """A run that succeeded and one that failed."""
    states = {}
    for dag_id in ("demo_succeeds", "demo_fails"):
        result = site.call("trigger_dag", dag_id=dag_id, dag_run_id="once", unpause=True, wait_seconds=45)
        for _ in range(5):
            assert "isError" not in result or not result["isError"], result
            if result["structuredContent"]["done"]:
                break
            result = site.call("wait_for_dag_run", dag_id=dag_id, dag_run_id="once", timeout_seconds=45)
        states[dag_id] = result["structuredContent"]["state"]
    return states


def test_a_triggered_dag_runs_and_its_log_is_read_back(site: Site, finished: dict[str, str]) -> None:
    assert finished == {"demo_succeeds": "success", "demo_fails": "failed"}
    log = site.call("get_task_logs", dag_id="demo_fails", dag_run_id="once", task_id="transform", tail=40)
    shown = log["structuredContent"]
    text = json.dumps(shown["lines"])
    assert "KeyError" in text
    assert "customer_id" in text
    assert shown["total"] > 3000
    earlier = site.call(
        "get_task_logs",
        dag_id="demo_fails",
        dag_run_id="once",
        task_id="transform",
        tail=40,
        cursor=shown["next_cursor"],
    )["structuredContent"]
    assert earlier["lines"][-1] != shown["lines"][-1]
    found = site.call(
        "get_task_logs", dag_id="demo_fails", dag_run_id="once", task_id="transform", grep="row 1234 is fine"
    )["structuredContent"]
    assert [line["event"] for line in found["lines"]] == ["row 1234 is fine"]
    assert found["lines"][0]["level"] == "info"


def test_a_large_log_fits_the_budget_and_keeps_its_end(site: Site, finished: dict[str, str]) -> None:
    result = site.call(
        "get_task_logs", dag_id="demo_fails", dag_run_id="once", task_id="transform", tail=5000
    )
    assert len(result["content"][0]["text"]) <= 40_000
    shown = result["structuredContent"]
    assert shown["truncated"] is True
    assert "KeyError" in json.dumps(shown["lines"][-30:])


async def each_tool(client: Client) -> dict[str, Any]:
    listed = {tool.name for tool in (await client.list_tools()).tools}
    assert listed >= TOOLS
    calls: dict[str, dict[str, Any]] = {
        "list_dags": {},
        "get_dag": {"dag_id": "demo_params"},
        "list_dag_runs": {"dag_id": "demo_fails"},
        "get_dag_run": {"dag_id": "demo_fails", "dag_run_id": "latest"},
        "list_task_instances": {"dag_id": "demo_fails", "dag_run_id": "once"},
        "get_task_logs": {"dag_id": "demo_fails", "dag_run_id": "once", "task_id": "transform"},
        "unpause_dag": {"dag_id": "demo_params"},
        "trigger_dag": {"dag_id": "demo_params", "conf": {"region": "us"}},
        "pause_dag": {"dag_id": "demo_params"},
        "get_system_health": {},
        "get_airflow_info": {"include": ["version", "providers", "plugins"]},
        "count_failed_runs": {"dag_id": "demo_fails"},
        "get_success_rate": {"dag_id": "demo_fails"},
    }
    assert set(calls) == TOOLS
    results = {}
    for name, arguments in calls.items():
        result = await client.call_tool(name, arguments)
        assert not result.is_error, (name, result)
        # The client has checked the structured content against the output schema.
        assert parse_text(result.content[0].text) == result.structured_content  # type: ignore[union-attr]
        results[name] = result.structured_content
    return results


async def read_and_get(client: Client) -> None:
    """Read a resource, by its address and by a template, and get prompts."""
    assert "airflow://version" in {str(one.uri) for one in (await client.list_resources()).resources}
    (version,) = (await client.read_resource("airflow://version")).contents
    assert json.loads(version.text)["version"].startswith(f"{LINE}.")  # type: ignore[union-attr]
    (source,) = (await client.read_resource("airflow://dags/demo_fails/source")).contents
    assert "KeyError" in source.text  # type: ignore[union-attr]
    assert "daily_health_check" in {prompt.name for prompt in (await client.list_prompts()).prompts}
    prompt = await client.get_prompt("troubleshoot_failed_dag", {"dag_id": "demo_fails"})
    assert "demo_fails" in prompt.messages[0].content.text  # type: ignore[union-attr]


@pytest.mark.parametrize("mode", ["legacy", "auto"])
def test_the_python_sdk_calls_each_tool(site: Site, finished: dict[str, str], mode: Any) -> None:
    async def run() -> tuple[dict[str, Any], str]:
        headers = {"Authorization": site.authorization("admin")}
        async with (
            httpx.AsyncClient(headers=headers, timeout=60) as http,
            Client(streamable_http_client(site.url, http_client=http), mode=mode) as client,
        ):
            await read_and_get(client)
            return await each_tool(client), client.protocol_version

    results, protocol = anyio.run(run)
    assert protocol == ("2026-07-28" if mode == "auto" else "2025-11-25")
    assert results["get_airflow_info"]["version"].startswith(f"{LINE}.")
    assert "mcp" in results["get_airflow_info"]["plugins"]
    assert results["count_failed_runs"]["failed"] >= 1
    assert results["get_dag"]["params"]["region"]["value"] == "eu"


def test_the_inspector_lists_and_calls(site: Site, finished: dict[str, str]) -> None:
    binaries = ROOT / ".node" / "node_modules" / ".bin"
    env = {**os.environ, "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}"}
    base = [str(binaries / "mcp-inspector"), "--cli", site.url, "--transport", "http"]
    base += ["--header", f"Authorization: {site.authorization('admin')}"]

    def inspect(*arguments: str) -> dict[str, Any]:
        done = subprocess.run(
            [*base, *arguments],
            env=env,
            capture_output=True,
            timeout=240,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        assert done.returncode == 0, done
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    assert {tool["name"] for tool in inspect("--method", "tools/list")["tools"]} >= TOOLS
    for name, arguments in {
        "get_airflow_info": [],
        "list_dags": [],
        "get_dag": ["dag_id=demo_fails"],
        "list_dag_runs": [],
        "get_dag_run": ["dag_id=demo_fails", "dag_run_id=once"],
        "list_task_instances": ["dag_id=demo_fails"],
        "get_task_logs": ["dag_id=demo_fails", "dag_run_id=once", "task_id=transform"],
        "unpause_dag": ["dag_id=demo_params"],
        "trigger_dag": ["dag_id=demo_params"],
        "pause_dag": ["dag_id=demo_params"],
        "get_system_health": [],
        "count_failed_runs": ["dag_id=demo_fails"],
        "get_success_rate": ["dag_id=demo_fails"],
    }.items():
        given = [part for argument in arguments for part in ("--tool-arg", argument)]
        result = inspect("--method", "tools/call", "--tool-name", name, *given)
        assert not result.get("isError"), (name, result)


def test_a_viewer_reads_and_may_not_trigger(site: Site) -> None:
    assert site.call("list_dags", user="viewer")["structuredContent"]["total"] >= 5
    result = site.call("trigger_dag", user="viewer", dag_id="demo_succeeds", unpause=True)
    assert result["isError"] is True
    error = result["structuredContent"]["error"]
    assert error["code"] == "permission_denied"
    assert error["action"]
    assert error["resource"]


@pytest.mark.parametrize("method", ["initialize", "server/discover", "tools/list", "tools/call"])
def test_a_stranger_gets_401(site: Site, method: str) -> None:
    message = INITIALIZE if method == "initialize" else rpc(method)
    wrong = "Basic YWRtaW46d3Jvbmc=" if LINE == 2 else "Bearer wrong"
    for headers in ({}, {"Authorization": wrong}):
        answer = site.post(message, None, **headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")
    assert site.post(b"not json", None).status_code == 401


def test_a_session_cookie_is_no_credential(site: Site, prefixed: Site) -> None:
    with httpx.Client(follow_redirects=True) as browser:
        if LINE == 3:
            token = site.authorization("admin").removeprefix("Bearer ")
            browser.cookies.set("_token", token)
            assert browser.get(f"{site.root}/api/v2/dags").status_code == 200
        else:
            page = browser.get(f"{site.root}/login/")
            csrf = page.text.split('name="csrf_token"')[1].split('value="')[1].split('"')[0]
            browser.post(
                f"{site.root}/login/", data={"username": "admin", "password": "admin", "csrf_token": csrf}
            )
            assert browser.get(f"{site.root}/api/v1/dags").status_code == 200
        assert browser.post(site.url, json=INITIALIZE).status_code == 401
        junk = {"Authorization": "Bearer junk"}
        assert browser.post(site.url, json=INITIALIZE, headers=junk).status_code == 401
        # The cookie is good for the second web process too: same secret, same host.
        cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in browser.cookies.jar)
        assert (
            httpx.post(prefixed.url, json=INITIALIZE, headers={**junk, "Cookie": cookies}).status_code == 401
        )


def test_arguments_and_credentials_stay_out_of_the_log(site: Site) -> None:
    site.call("list_dags", pattern="a-word-of-the-caller")
    site.call("get_dag", dag_id="an-identifier-of-the-caller")
    log = site.log()
    assert "a-word-of-the-caller" not in log
    assert "an-identifier-of-the-caller" not in log
    assert site.authorization("admin").split()[1] not in log


@pytest.mark.skipif(LINE != 2, reason="Airflow 3 keeps no sessions")
def test_calls_leave_no_session_rows(site: Site) -> None:
    def rows() -> int:
        with sqlite3.connect(site.folder / "airflow.db") as database:
            return int(database.execute("select count(*) from session").fetchone()[0])

    before = rows()
    for _ in range(3):
        site.call("list_dags")
    site.post(b"{")
    assert rows() == before


def test_only_post_with_and_without_the_slash(site: Site) -> None:
    headers = {"Authorization": site.authorization("admin"), "Content-Type": "application/json"}
    for method in ("GET", "DELETE", "PUT"):
        for url in (site.url, f"{site.url}/"):
            answer = httpx.request(method, url, headers=headers)
            assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert httpx.post(f"{site.url}/", headers=headers, json=INITIALIZE).status_code == 200


BAD = [
    (b"{not json", {}, 400, -32700),
    (b'"\xff\xfe"', {}, 400, -32700),
    (b"[" * 100_000, {}, 400, -32700),
    (json.dumps([INITIALIZE]).encode(), {}, 400, -32600),
    (b'"text"', {}, 400, -32600),
    (b'{"jsonrpc":"2.0","id":1}', {}, 400, -32600),
    (b'{"jsonrpc":"2.0","id":{},"method":"ping"}', {}, 400, -32600),
    (b"x" * 10_000_000, {}, 413, -32600),
    (b"{}", {"Content_Type": "text/plain"}, 415, -32600),
    (json.dumps(INITIALIZE).encode(), {"Origin": "https://evil.example"}, 403, -32600),
    (json.dumps(rpc("tools/list")).encode(), {"MCP_Protocol_Version": "1999-01-01"}, 400, -32022),
    (json.dumps(rpc("tools/call", name="nope")).encode(), {}, 200, -32602),
    (json.dumps(rpc("no/such")).encode(), {}, 200, -32601),
]


@pytest.mark.parametrize(("body", "headers", "status", "code"), BAD)
def test_bad_messages(site: Site, body: bytes, headers: dict[str, str], status: int, code: int) -> None:
    answer = site.post(body, **headers)
    assert answer.status_code == status
    assert answer.json()["error"]["code"] == code
    assert "Traceback" not in answer.text
    assert httpx.get(site.health).status_code == 200


@pytest.mark.parametrize(
    ("tool", "arguments", "code", "names"),
    [
        ("get_dag", {}, "invalid_argument", "dag_id"),
        ("get_dag", {"dag_id": "demo_fails", "colour": "red"}, "invalid_argument", "colour"),
        ("get_dag", {"dag_id": {"a": 1}}, "invalid_argument", "dag_id"),
        # A whole number is taken for text, as models send it.
        ("get_dag", {"dag_id": 7}, "not_found", "7"),
        ("get_dag", {"dag_id": "../connections"}, "invalid_argument", "../connections"),
        ("get_dag", {"dag_id": ".."}, "invalid_argument", ".."),
        ("get_dag", {"dag_id": "demo_fails?limit=1"}, "not_found", "demo_fails"),
        ("get_dag", {"dag_id": "demo_suceeds"}, "not_found", "demo_succeeds"),
        ("get_dag_run", {"dag_id": "demo_fails", "dag_run_id": "onse"}, "not_found", "onse"),
        ("list_dags", {"limit": 1000}, "invalid_argument", "limit"),
        ("list_dags", {"cursor": "!"}, "invalid_argument", "cursor"),
        ("trigger_dag", {"dag_id": "demo_params", "conf": {"days": 99}}, "invalid_argument", "days"),
        ("trigger_dag", {"dag_id": "demo_mapped"}, "conflict", "paused"),
    ],
)
def test_bad_arguments(site: Site, tool: str, arguments: dict[str, Any], code: str, names: str) -> None:
    result = site.call(tool, **arguments)
    assert result["isError"] is True
    error = result["structuredContent"]["error"]
    assert error["code"] == code, error
    assert names in result["content"][0]["text"]
    assert {"message", "hint", "retryable"} <= set(error)


def test_the_same_run_id_twice_is_a_conflict(site: Site, finished: dict[str, str]) -> None:
    result = site.call("trigger_dag", dag_id="demo_succeeds", dag_run_id="once")
    assert result["structuredContent"]["error"]["code"] == "conflict"
    listed = site.call("list_dag_runs", dag_id="demo_succeeds")["structuredContent"]
    assert [run["dag_run_id"] for run in listed["dag_runs"]].count("once") == 1


def test_sixteen_callers_at_once(site: Site, finished: dict[str, str]) -> None:
    def call(number: int) -> bool:
        user = "viewer" if number % 2 else "admin"
        if number % 4 == 3:
            result = site.call("trigger_dag", user=user, dag_id="demo_succeeds")
            return bool(result["structuredContent"]["error"]["code"] == "permission_denied")
        return not site.call("get_dag", user=user, dag_id="demo_fails").get("isError")

    with ThreadPoolExecutor(17) as pool:
        healthy = pool.submit(lambda: [httpx.get(site.health, timeout=30) for _ in range(5)])
        assert all(pool.map(call, range(16)))
        assert {answer.status_code for answer in healthy.result()} == {200}


def test_the_audit_log_names_the_caller(site: Site, finished: dict[str, str]) -> None:
    with sqlite3.connect(site.folder / "airflow.db") as database:
        query = (
            "select distinct owner from log where dag_id = 'demo_succeeds' "
            "and (event like '%trigger%' or event like '%dag_run%')"
        )
        owners = {row[0] for row in database.execute(query)}
    assert "admin" in owners


def test_under_a_path_prefix(prefixed: Site) -> None:
    assert prefixed.post(INITIALIZE, None).status_code == 401
    assert prefixed.post(INITIALIZE).status_code == 200
    dag = prefixed.call("get_dag", dag_id="demo_fails")["structuredContent"]
    assert dag["ui_url"].startswith(f"{prefixed.root}/dags/demo_fails")
    assert prefixed.call("list_dags")["structuredContent"]["total"] >= 5
