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
"""``airflow-mcp serve`` in front of real Airflows, the connection type, and the hook."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp_types import TextContent, TextResourceContents

from devtools.airflow_process import ROOT, START_SECONDS, AirflowHome, AirflowSite
from devtools.ports import hold_port
from tests.live.calling import until
from tests.live.messages import INITIALIZE, TASKS, VERSION, modern
from tests.live.site import LINE, WORKERS, Site

CLI = ("-m", "airflow_provider_mcp.cli")
USER = {"AIRFLOW_MCP_USERNAME": "admin", "AIRFLOW_MCP_PASSWORD": "admin"}
WAYS = ("embedded", "stdio", "stdio of 2025", "http")
Exchange = Callable[[Client], Awaitable[Any]]


def bare_environment(**more: str) -> dict[str, str]:
    """Return the environment of a machine where no Airflow is configured."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("AIRFLOW")}
    return {**kept, "PYTHONPATH": str(ROOT), "AIRFLOW_HOME": "/nowhere", **more}


def by_stdio(*arguments: str, **env: str) -> StdioServerParameters:
    return StdioServerParameters(
        command=sys.executable, args=[*CLI, "serve", *arguments], env=bare_environment(**env)
    )


@contextmanager
def http_server(*arguments: str, **env: str) -> Iterator[str]:
    """Run ``serve --transport http``; yield its endpoint."""
    port = hold_port()
    process = subprocess.Popen(
        [sys.executable, *CLI, "serve", "--transport", "http", "--port", str(port), *arguments],
        env=bare_environment(**env),
    )
    url = f"http://127.0.0.1:{port}/mcp/v1"
    try:
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            assert process.poll() is None
            try:
                httpx.get(url, timeout=5)
                break
            except httpx.HTTPError:
                time.sleep(0.2)
        yield url
    finally:
        process.terminate()
        process.wait(20)


@asynccontextmanager
async def connected(site: Site, way: str) -> AsyncIterator[Client]:
    if way == "embedded":
        headers = {"Authorization": site.authorization("admin")}
        async with (
            httpx.AsyncClient(headers=headers, timeout=60) as http,
            Client(streamable_http_client(site.url, http_client=http)) as client,
        ):
            yield client
    elif way == "http":
        with http_server("--url", site.root, **USER) as url:
            async with Client(url) as client:
                yield client
    else:
        mode = "legacy" if "2025" in way else "auto"
        async with Client(by_stdio("--url", site.root, **USER), mode=mode) as client:
            yield client


def answers(site: Site, way: str, *exchanges: Exchange) -> list[Any]:
    async def run() -> list[Any]:
        async with connected(site, way) as client:
            return [await exchange(client) for exchange in exchanges]

    return anyio.run(run)


def call(tool: str, **arguments: Any) -> Exchange:
    async def exchange(client: Client) -> Any:
        result = await client.call_tool(tool, arguments)
        return {"is_error": bool(result.is_error), "data": result.structured_content}

    return exchange


async def list_tools(client: Client) -> Any:
    return [tool.model_dump(mode="json", exclude_none=True) for tool in (await client.list_tools()).tools]


async def list_prompts(client: Client) -> Any:
    return [prompt.name for prompt in (await client.list_prompts()).prompts]


async def list_templates(client: Client) -> Any:
    return [t.uri_template for t in (await client.list_resource_templates()).resource_templates]


READING: tuple[Exchange, ...] = (
    list_tools,
    list_prompts,
    list_templates,
    call("list_dags", limit=3, tags=["demo"]),
    call("get_dag", dag_id="demo_params", include=["tasks", "params", "source"]),
    call("get_dag", dag_id="demo_fial"),
    call("get_dag", dag_id="../connections"),
    call("list_dags", colour="red"),
    call("list_dag_runs", dag_id="demo_params"),
    call("get_airflow_info", include=["version"]),
)


@pytest.fixture(scope="module", autouse=True)
def parsed(site: Site) -> None:
    """All Dags that these tests name are there, however slow the machine is."""
    until = time.monotonic() + START_SECONDS
    for dag_id in ("demo_fails", "demo_hook", "demo_mapped", "demo_params", "demo_succeeds"):
        while site.call("get_dag", dag_id=dag_id).get("isError"):
            assert time.monotonic() < until, f"{dag_id} was not parsed"
            time.sleep(1)


def without_address(site: Site, value: Any) -> Any:
    """Return an answer without the address that links begin with: the two may know different ones."""
    text = json.dumps(value, sort_keys=True)
    for root in (site.root, "http://localhost:8080"):
        text = text.replace(root, "<root>")
    return json.loads(text)


@pytest.mark.parametrize("way", WAYS)
def test_the_core_exchanges(site: Site, way: str) -> None:
    dag_run_id = f"by-{way}".replace(" ", "-")
    tools, _, _, dags, dag, near, escape, unknown, _, info, unpaused, paused, triggered, read, _ = answers(
        site,
        way,
        *READING,
        call("unpause_dag", dag_id="demo_params"),
        call("pause_dag", dag_id="demo_params"),
        call("trigger_dag", dag_id="demo_mapped", dag_run_id=dag_run_id, unpause=True),
        call("get_dag_run", dag_id="demo_mapped", dag_run_id=dag_run_id),
        # The next test writes too, and SQLite takes one writer at a time.
        call("wait_for_dag_run", dag_id="demo_mapped", dag_run_id=dag_run_id, timeout_seconds=45),
    )
    assert {"list_dags", "trigger_dag", "get_task_logs"} <= {tool["name"] for tool in tools}
    assert len(dags["data"]["dags"]) == 3
    assert dag["data"]["params"]["region"]["value"] == "eu"
    assert near["is_error"]
    assert near["data"]["error"]["did_you_mean"] == ["demo_fails"]
    assert escape["data"]["error"]["code"] == "invalid_argument"
    assert "colour" in unknown["data"]["error"]["message"]
    assert info["data"]["version"].startswith(f"{LINE}.")
    assert not triggered["is_error"], triggered
    assert read["data"]["dag_run_id"] == dag_run_id
    assert not unpaused["is_error"], unpaused
    assert not paused["is_error"], paused


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_progress_by_http(site: Site, mode: Any) -> None:
    """A run that waits is reported until the client has waited enough; one that gives up stops the asking."""
    told: list[float] = []

    async def note(progress: float, _total: float | None, _message: str | None) -> None:
        told.append(progress)

    async def run(url: str) -> None:
        async with Client(url, mode=mode) as client:
            started = await client.call_tool(
                "trigger_dag", {"dag_id": "demo_waiting", "unpause": True, "dag_run_id": f"by-http-{mode}"}
            )
            assert started.structured_content is not None
            asked = {"dag_id": "demo_waiting", "dag_run_id": f"by-http-{mode}", "timeout_seconds": 5}
            waited = await client.call_tool("wait_for_dag_run", asked, progress_callback=note)
            assert waited.structured_content is not None
            assert waited.structured_content["done"] is False

    with http_server("--url", site.root, **USER) as url:
        anyio.run(run, url)
        looks = f"dagRuns/by-http-{mode}"
        message = json.loads(WAIT)
        message["params"]["arguments"]["dag_run_id"] = f"by-http-{mode}"
        accept = {"Accept": "application/json, text/event-stream"}
        with httpx.stream("POST", url, json=message, headers=accept, timeout=60) as answer:
            assert next(answer.iter_lines()) == "event: message"
        time.sleep(3)
        looked = site.log().count(looks)
        time.sleep(6)
        assert site.log().count(looks) == looked
    assert looked
    assert told
    assert told == sorted(told)


def stdio_server(*arguments: str, **env: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, *CLI, "serve", *arguments],
        env=bare_environment(**env),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


@contextmanager
def asking(way: str, *arguments: str, **env: str) -> Iterator[Callable[..., Any]]:
    """Serve; yield a function that sends a request of 2026-07-28 as a client that takes tasks does."""

    def message(method: str, params: dict[str, Any]) -> dict[str, Any]:
        return modern(method, capabilities={"extensions": {TASKS: {}}}, **params)

    if way == "http":
        with http_server(*arguments, **env) as url:

            def post(method: str, **params: Any) -> Any:
                headers = {
                    "Accept": "application/json, text/event-stream",
                    "MCP-Protocol-Version": VERSION,
                    "Mcp-Method": method,
                    "Mcp-Name": params.get("name") or params.get("taskId") or "",
                }
                return httpx.post(url, json=message(method, params), headers=headers, timeout=60).json()

            yield post
        return
    process = stdio_server(*arguments, **env)
    assert process.stdin is not None
    assert process.stdout is not None
    output, entry = process.stdout, process.stdin

    def write(method: str, **params: Any) -> Any:
        entry.write(json.dumps(message(method, params)).encode() + b"\n")
        entry.flush()
        return json.loads(output.readline())

    try:
        yield write
    finally:
        entry.close()
        process.wait(20)
        output.close()


SCHEDULED_SECONDS = 3
"""After them the scheduler has put aside a Dag that was paused."""


@pytest.mark.parametrize("way", ["stdio", "http"])
@pytest.mark.parametrize("several", [False, True])
def test_a_run_is_a_task(site: Site, way: str, several: bool) -> None:
    """By its handle it is found and cancelled; of several instances, that which made it answers for it."""
    there = {"conn_type": "airflow_mcp", "host": site.root, "login": "admin", "password": "admin"}
    env = {"AIRFLOW_CONN_A": json.dumps(there), "AIRFLOW_CONN_B": json.dumps(there)}
    where = ("--conn-id", "a", "--conn-id", "b") if several else ("--url", site.root)
    env = {**env, "AIRFLOW_HOME": str(site.folder)} if several else USER
    which = {"instance": "b"} if several else {}
    with asking(way, *where, **env) as ask:
        run = {"dag_id": "demo_waiting", "dag_run_id": f"task-{way}-{several}", "unpause": True}
        created = ask("tools/call", name="trigger_dag", arguments={**run, **which})["result"]
        assert created["resultType"] == "task", created
        task_id = created["taskId"]
        assert ask("tasks/get", taskId=task_id)["result"]["status"] == "working"
        assert ask("tasks/get", taskId="nothing")["error"]["code"] == -32602
        # SQLite locks no rows: a scheduler that looks after the run at this moment undoes its end.
        until(lambda: "running" in ask("tasks/get", taskId=task_id)["result"]["statusMessage"])
        ask("tools/call", name="pause_dag", arguments={"dag_id": "demo_waiting", **which})
        time.sleep(SCHEDULED_SECONDS)
        token = ask("tasks/cancel", taskId=task_id)["error"]["data"]["confirmation_token"]
        meta = {"org.apache.airflow/confirmation_token": token}
        assert ask("tasks/cancel", taskId=task_id, _meta=meta)["result"]["resultType"] == "complete"
        assert ask("tasks/get", taskId=task_id)["result"]["status"] == "cancelled"


WAIT = json.dumps(
    {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {
            "name": "wait_for_dag_run",
            "arguments": {"dag_id": "demo_waiting", "timeout_seconds": 45},
            "_meta": {"progressToken": "p"},
        },
    }
)


def test_serve_answers_as_the_embedded_endpoint(site: Site) -> None:
    embedded, served = (without_address(site, answers(site, way, *READING)) for way in ("embedded", "stdio"))
    assert served == embedded


# ---- one Airflow that is stopped, started, and told otherwise ------------------------------------------

FAB = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"


class Mortal(Site):
    """A web process of its own on the test database."""

    def restart(self, **env: str) -> None:
        self.stop()
        self.env |= env
        self.start_web(WORKERS)


@pytest.fixture(scope="module")
def mortal(home: AirflowHome, site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mortal]:
    secrets = tmp_path_factory.mktemp("secrets") / "connections.json"
    secrets.write_text("{}")
    options = {
        "AIRFLOW__MCP__CONN_ID": "mcp_narrow",
        "AIRFLOW__SECRETS__BACKEND": "airflow.secrets.local_filesystem.LocalFilesystemBackend",
        "AIRFLOW__SECRETS__BACKEND_KWARGS": json.dumps({"connections_file_path": str(secrets)}),
        "AIRFLOW__API_AUTH__JWT_EXPIRATION_TIME": "16",
    }
    running = Mortal(home, options=options)
    connection = ["--conn-type", "airflow_mcp", "--conn-extra", json.dumps({"disabled_tools": "list_dags"})]
    running.airflow("connections", "add", "mcp_narrow", *connection)
    try:
        running.start_web(WORKERS)
        yield running
    finally:
        running.stop()
        running.airflow("connections", "delete", "mcp_narrow")


def embedded_tools(site: Site) -> set[str]:
    answer = site.post({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}})
    return {tool["name"] for tool in answer.json()["result"]["tools"]}


def test_a_connection_narrows_the_embedded_server_while_it_runs(mortal: Mortal) -> None:
    """In the metadata database first, then in a secrets backend, which Airflow asks before the database."""
    there = embedded_tools(mortal)
    assert "list_dags" not in there
    assert "pause_dag" in there
    refused = mortal.post(
        {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "list_dags", "arguments": {}}}
    )
    assert refused.json()["error"]["code"] == -32602
    file = Path(json.loads(mortal.env["AIRFLOW__SECRETS__BACKEND_KWARGS"])["connections_file_path"])
    narrower = {"conn_type": "airflow_mcp", "extra": {"read_only": True, "timeout": 5}}
    file.write_text(json.dumps({"mcp_narrow": narrower}))
    until = time.monotonic() + 60
    while "pause_dag" in there and time.monotonic() < until:
        time.sleep(1)
        there = embedded_tools(mortal)
    assert "pause_dag" not in there
    assert "list_dags" in there


def test_a_connection_narrows_what_is_served_while_it_is_served(site: Site) -> None:
    """A connection of the metadata database, by which it is also reached."""
    where = {"conn_type": "airflow_mcp", "host": site.root, "login": "admin", "password": "admin"}
    env = {key: value for key, value in site.env.items() if key.startswith("AIRFLOW")}

    def store(**extra: Any) -> None:
        site.airflow("connections", "add", "served", "--conn-json", json.dumps({**where, "extra": extra}))

    async def run() -> None:
        async with Client(by_stdio("--conn-id", "served", **env)) as client:
            assert "pause_dag" in await offered(client)
            change = {"conn_id": "served", "extra": {}}
            asked = (await client.call_tool("set_connection", change)).structured_content or {}
            confirmed = {**change, "confirmation_token": asked["confirmation_token"]}
            refused = (await client.call_tool("set_connection", confirmed)).structured_content or {}
            assert refused["error"]["code"] == "permission_denied"
            assert "served" in refused["error"]["message"]
            site.airflow("connections", "delete", "served")
            store(read_only=True)
            until = time.monotonic() + 60
            while "pause_dag" in await offered(client):
                assert time.monotonic() < until
                await anyio.sleep(1)
            assert "list_dags" in await offered(client)

    store()
    try:
        anyio.run(run)
    finally:
        site.airflow("connections", "delete", "served")


async def offered(client: Client) -> set[str]:
    return {tool.name for tool in (await client.list_tools()).tools}


def test_a_session_outlives_its_token_and_its_server(mortal: Mortal) -> None:
    """The token expires; the server dies, and returns with other keys, an environment variable's policy
    and, on Airflow 3, FAB's users in place of the simple auth manager's."""
    env = {"AIRFLOW__MCP__CONN_ID": "mcp_from_env"}
    env["AIRFLOW_CONN_MCP_FROM_ENV"] = json.dumps(
        {"conn_type": "airflow_mcp", "extra": {"disabled_tools": "pause_dag"}}
    )
    if LINE == 3:
        env |= {"AIRFLOW__API_AUTH__JWT_SECRET": "fedcba9876543210" * 4, "AIRFLOW__CORE__AUTH_MANAGER": FAB}
        mortal.airflow("db", "migrate", **env)
        mortal.home.create_users(**env)

    async def run() -> None:
        async with Client(by_stdio("--url", mortal.root, **USER)) as client:
            listed = call("list_dags", limit=1)
            exchanged = mortal.log().count("/auth/token")
            assert not (await listed(client))["is_error"]
            await anyio.sleep(18)
            assert not (await listed(client))["is_error"]
            if LINE == 3:
                assert mortal.log().count("/auth/token") == exchanged + 2
            mortal.stop()
            gone = await listed(client)
            assert gone["data"]["error"]["code"] == "unavailable"
            assert gone["data"]["error"]["retryable"] is True
            lost = await call("pause_dag", dag_id="demo_params")(client)
            assert lost["data"]["error"]["code"] == "unavailable"
            assert {tool.name for tool in (await client.list_tools()).tools} >= {"list_dags"}
            await anyio.to_thread.run_sync(lambda: mortal.restart(**env))
            assert not (await listed(client))["is_error"]

    anyio.run(run)
    if LINE == 3:
        assert mortal.log().count("/auth/token") == 1
    assert "pause_dag" not in embedded_tools(mortal)


TOKEN_COMMAND = """
import json, pathlib, sys, time, urllib.request
root, log = sys.argv[1:]
who = json.dumps({"username": "admin", "password": "admin"}).encode()
asked = urllib.request.Request(f"{root}/auth/token", who, {"Content-Type": "application/json"})
with urllib.request.urlopen(asked, timeout=60) as answer:
    print(json.load(answer)["access_token"])
with pathlib.Path(log).open("a") as file:
    file.write(f"{time.time()}\\n")
"""


@pytest.mark.skipif(LINE != 3, reason="Airflow 2 issues no tokens")
def test_a_session_outlives_the_tokens_of_a_command(mortal: Mortal, tmp_path: Path) -> None:
    """Tokens of sixteen seconds: run again before one expires, and when a token is refused."""
    script, runs = tmp_path / "print_token.py", tmp_path / "runs"
    script.write_text(TOKEN_COMMAND)
    command = shlex.join([sys.executable, str(script), mortal.root, str(runs)])

    def count() -> int:
        return len(runs.read_text().splitlines())

    def too_early() -> list[float]:
        """Return how many seconds after the run before it a run was, where the token was good for longer."""
        times = [float(line) for line in runs.read_text().splitlines()]
        return [gap for before, after in pairwise(times) if (gap := after - before) < 4]

    async def run() -> None:
        async with Client(by_stdio("--url", mortal.root, "--token-command", command)) as client:
            listed = call("list_import_errors")
            assert not (await listed(client))["is_error"]
            assert not (await listed(client))["is_error"]
            first = count()
            await anyio.sleep(18)
            assert not (await listed(client))["is_error"]
            assert count() > first
            assert too_early() == []
            script.write_text("raise SystemExit(3)")
            await anyio.sleep(18)
            refused = (await listed(client))["data"]["error"]
            assert refused["code"] == "permission_denied"
            assert "printed no token (exit status 3)" in refused["message"]
            script.write_text(TOKEN_COMMAND)
            # A token that is good for long, until Airflow returns with another key.
            by_then = count()
            for secret, runs_by_then in (
                ("0f1e2d3c4b5a6978", by_then + 1),
                ("f0e1d2c3b4a59687", by_then + 2),
            ):
                env = {"AIRFLOW__API_AUTH__JWT_SECRET": secret * 4}
                env["AIRFLOW__API_AUTH__JWT_EXPIRATION_TIME"] = "3600"
                await anyio.to_thread.run_sync(lambda env=env: mortal.restart(**env))
                answer = await listed(client)
                assert not answer["is_error"], answer
                assert count() == runs_by_then

    anyio.run(run)


def test_the_standard_output_carries_only_the_protocol(site: Site) -> None:
    where = {"conn_type": "airflow_mcp", "host": site.root, "login": "admin", "password": "admin"}
    env = bare_environment(
        AIRFLOW_HOME=str(site.folder),
        AIRFLOW__LOGGING__LOGGING_LEVEL="DEBUG",
        AIRFLOW_CONN_A=json.dumps(where),
    )
    messages = (
        INITIALIZE,
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "list_dags", "arguments": {}}},
        {"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": {"name": "get_dag", "arguments": {}}},
    )
    process = subprocess.Popen(
        [sys.executable, *CLI, "serve", "--conn-id", "a"],
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"".join(json.dumps(message).encode() + b"\n" for message in messages))
    process.stdin.flush()
    lines = [process.stdout.readline() for _ in range(3)]
    process.stdin.close()
    lines += process.stdout.readlines()
    assert process.wait(60) == 0
    assert sorted(json.loads(line)["id"] for line in lines) == [1, 2, 3]


# ---- the http transport --------------------------------------------------------------------------------


def test_http_keeps_strangers_out(site: Site) -> None:
    ping = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
    env = {**USER, "TEST_BEARER": "s3cret-of-the-door"}
    with http_server("--url", site.root, "--bearer-token-env", "TEST_BEARER", **env) as url:
        accept = {"Accept": "application/json, text/event-stream"}
        door = {**accept, "Authorization": "Bearer s3cret-of-the-door"}
        assert httpx.post(url, json=ping, headers=door, timeout=60).status_code == 200
        assert httpx.post(url, json=ping, headers=accept).status_code == 401
        assert httpx.post(url, json=ping, headers={**accept, "Authorization": "Bearer x"}).status_code == 401
        assert httpx.post(url, json=ping, headers={**door, "Host": "evil.example"}).status_code == 421
        assert (
            httpx.post(url, json=ping, headers={**door, "Origin": "http://evil.example"}).status_code == 403
        )
        assert httpx.get(url, headers=door).status_code == 405
        assert httpx.post(url.replace("/v1", "/"), json=ping, headers=door).status_code == 404


# ---- the command -----------------------------------------------------------------------------------------


def run_cli(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *CLI, *arguments],
        env=bare_environment(**env),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_check_says_what_works(site: Site) -> None:
    done = run_cli("check", "--url", site.root, **USER)
    assert done.returncode == 0, done
    assert f"Airflow {LINE}." in done.stdout
    assert "you are admin" in done.stdout
    assert "the scheduler is healthy" in done.stdout
    assert "the MCP endpoint /mcp/v1 is mounted" in done.stdout
    assert "login: " in done.stdout
    assert "the endpoint takes the credential: you are admin" in done.stdout
    assert "tools are offered to you" in done.stdout


def test_check_says_what_does_not_work(site: Site) -> None:
    done = run_cli("check", "--url", site.root, **{**USER, "AIRFLOW_MCP_PASSWORD": "wrong-one"})
    assert done.returncode == 1
    assert "FAIL" in done.stdout
    assert ("public role" in done.stdout) == (LINE == 2)
    assert "wrong-one" not in done.stdout + done.stderr
    gone = run_cli("check", "--url", f"http://127.0.0.1:{hold_port()}", **USER)
    assert gone.returncode == 1
    assert "cannot be reached" in gone.stdout
    document = json.loads(run_cli("check", "--json", "--url", f"{site.root}/mcp/v1", **USER).stdout)
    assert document["faults"] == 0
    assert document["reports"][0]["place"] == f"airflow: {site.root}"


def test_airflows_own_page_is_no_api(site: Site) -> None:
    """A path prefix that is not there: Airflow 3 answers any path with its page."""
    done = run_cli("check", "--url", f"{site.root}/no/such/prefix", **USER)
    assert done.returncode == 1
    assert "REST API" in done.stdout


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The root of an Airflow 2, beside the Airflow 3 of this run."""
    binaries = Path(sys.executable).parents[2] / "airflow2" / "bin"
    assert (binaries / "airflow").exists(), "this test needs both lines: make airflow2 airflow3"
    home = AirflowHome(tmp_path_factory.mktemp("airflow2"), binaries, line=2, users=["admin"])
    home.prepare(ROOT / "examples" / "dags")
    home.airflow("dags", "reserialize")
    with AirflowSite(home).serving() as running:
        yield running.root


def connections_to(site: Site, second: str) -> dict[str, str]:
    """Return the environment in which ``three`` and ``two`` are connections."""
    return {
        "AIRFLOW_HOME": str(site.folder),
        "AIRFLOW_CONN_THREE": json.dumps(
            {"conn_type": "airflow_mcp", "host": site.root, "login": "admin", "password": "admin"}
        ),
        "AIRFLOW_CONN_TWO": second.replace("http://", "airflow-mcp://http://admin:admin@"),
    }


BOTH = ("--conn-id", "three", "--conn-id", "two")


def both_versions(listed: Any) -> dict[str, str]:
    return {row["instance"]: row["airflow_version"].split(".")[0] for row in listed["instances"]}


def of_both_lines(site: Site, second: str) -> None:
    async def run(mode: Any) -> None:
        async with Client(by_stdio(*BOTH, **connections_to(site, second)), mode=mode) as client:
            tools = {tool.name: tool for tool in (await client.list_tools()).tools}
            assert tools["list_dags"].input_schema["properties"]["instance"]["enum"] == ["three", "two"]
            assert "instance" in tools["list_dags"].input_schema["required"]
            listed = await client.call_tool("list_instances", {})
            assert both_versions(listed.structured_content) == {"three": "3", "two": "2"}
            shown = []
            for instance in ("three", "two"):
                dag = await client.call_tool("get_dag", {"instance": instance, "dag_id": "demo_params"})
                assert dag.structured_content is not None
                assert not dag.is_error
                shown.append({key: dag.structured_content[key] for key in ("dag_id", "tags", "tasks")})
                info = await client.call_tool("get_airflow_info", {"instance": instance})
                assert info.structured_content is not None
                assert info.structured_content["version"][0] == {"three": "3", "two": "2"}[instance]
                content = (await client.read_resource(f"airflow://version?instance={instance}")).contents[0]
                assert isinstance(content, TextResourceContents)
                assert json.loads(content.text)["version"] == info.structured_content["version"]
                prompt = await client.get_prompt(
                    "onboard_new_dag", {"instance": instance, "dag_id": "demo_params"}
                )
                assert isinstance(prompt.messages[0].content, TextContent)
                assert f"`{instance}`" in prompt.messages[0].content.text
            assert shown[0] == shown[1]
            listed_resources = {r.uri for r in (await client.list_resources()).resources}
            assert {"airflow://config?instance=three", "airflow://config?instance=two"} <= listed_resources
            with pytest.raises(MCPError, match="there are: three, two"):
                await client.read_resource("airflow://version")
            unnamed = await client.call_tool("list_dags", {})
            assert unnamed.is_error

    for mode in ("auto", "legacy"):
        anyio.run(run, mode)

    binaries = ROOT / ".node" / "node_modules" / ".bin"
    env = bare_environment(**connections_to(site, second))
    env["PATH"] = f"{binaries}{os.pathsep}{env['PATH']}"

    def inspect(*arguments: str) -> dict[str, Any]:
        passed = [f"{name}={env[name]}" for name in sorted(env) if name.startswith(("AIRFLOW", "PYTHONPATH"))]
        patient = ("--connect-timeout", "110000")
        inspector = [
            str(binaries / "mcp-inspector"),
            "--cli",
            *patient,
            *(part for p in passed for part in ("-e", p)),
        ]
        done = subprocess.run(
            [*inspector, sys.executable, *CLI, "serve", *BOTH, *arguments],
            env=env,
            capture_output=True,
            timeout=120,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        assert done.returncode == 0, done
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    assert {tool["name"] for tool in inspect("--method", "tools/list")["tools"]} >= {
        "list_instances",
        "get_dag",
    }
    for instance in ("three", "two"):
        result = inspect(
            "--method",
            "tools/call",
            "--tool-name",
            "get_dag",
            "--tool-arg",
            f"instance={instance}",
            "dag_id=demo_params",
        )
        assert result["structuredContent"]["dag_id"] == "demo_params"


if LINE == 3:
    # One line's run starts both lines; the other's would only do it again.
    def test_one_process_serves_both_lines(site: Site, second: str) -> None:
        of_both_lines(site, second)


# ---- the hook --------------------------------------------------------------------------------------------


def test_a_dag_uses_the_hook(site: Site) -> None:
    """That of examples/dags/demo_hook.py."""
    where = {"conn_type": "airflow_mcp", "host": site.root, "login": "admin", "password": "admin"}
    site.airflow("connections", "add", "demo_airflow", "--conn-json", json.dumps(where))
    result = site.call("trigger_dag", dag_id="demo_hook", dag_run_id="once", unpause=True, wait_seconds=45)
    for _ in range(5):
        assert not result.get("isError"), result
        if result["structuredContent"]["done"]:
            break
        result = site.call("wait_for_dag_run", dag_id="demo_hook", dag_run_id="once", timeout_seconds=45)
    assert result["structuredContent"]["state"] == "success"


def test_the_hook_tests_its_connection(site: Site) -> None:
    program = (
        "import json\n"
        "from airflow.providers.mcp.hooks.airflow_mcp import AirflowMCPHook\n"
        "print(json.dumps([AirflowMCPHook(c).test_connection() for c in ('good', 'bad', 'gone', 'here')]))\n"
    )
    user = {"conn_type": "airflow_mcp", "login": "admin"}
    env = site.env | {
        "AIRFLOW_CONN_GOOD": json.dumps({**user, "host": site.root, "password": "admin"}),
        "AIRFLOW_CONN_BAD": json.dumps({**user, "host": site.root, "password": "wrong-one"}),
        "AIRFLOW_CONN_GONE": json.dumps({**user, "host": f"http://127.0.0.1:{hold_port()}"}),
        "AIRFLOW_CONN_HERE": json.dumps(user),
    }
    done = subprocess.run(
        [sys.executable, "-c", program], env=env, capture_output=True, text=True, check=True
    )
    good, bad, gone, here = json.loads(done.stdout.strip().splitlines()[-1])
    assert good[0] is True, good
    assert f"Airflow {LINE}." in good[1]
    assert bad[0] is False
    assert "wrong-one" not in bad[1]
    assert gone[0] is False
    assert "cannot be reached" in gone[1]
    assert here[0] is False
    assert "has no host" in here[1]


def test_the_connection_form(site: Site) -> None:
    """The fields as Airflow's own form shows them."""
    labels = ("Airflow URL", "Username", "Bearer token", "Skip TLS verification", "Disabled tools")
    if LINE == 3:
        headers = {"Authorization": site.authorization("admin")}
        metas = httpx.get(f"{site.root}/ui/connections/hook_meta", headers=headers, timeout=60).json()
        form = next(meta for meta in metas if meta["connection_type"] == "airflow_mcp")
        assert form["extra_fields"]["token"]["schema"]["format"] == "password"
        assert form["standard_fields"]["port"]["hidden"] is True
        shown = json.dumps(form)
    else:
        with httpx.Client(follow_redirects=True, timeout=60) as browser:
            page = browser.get(f"{site.root}/login/")
            csrf = page.text.split('name="csrf_token"')[1].split('value="')[1].split('"')[0]
            browser.post(
                f"{site.root}/login/", data={"username": "admin", "password": "admin", "csrf_token": csrf}
            )
            shown = browser.get(f"{site.root}/connection/add").text
        assert "extra__airflow_mcp__token" in shown
    for label in labels:
        assert label in shown


def test_airflow_says_nothing_of_the_connection_type_but_lists_it(home: AirflowHome) -> None:
    hooks = home.airflow("providers", "hooks", "--output", "plain")
    assert "airflow_mcp" in hooks
    for said in (hooks, home.airflow("providers", "widgets", "--output", "plain")):
        for printed in said.splitlines():
            if "warn" in printed.lower() or "error" in printed.lower():
                assert "mcp" not in printed.lower()
