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
"""Logins of real clients, with a person in Chromium: they know the address of the endpoint and nothing else.

Each logs in once, calls, sees its first access token expire, and goes on without asking anybody.
They are large and slow, so `make login` alone runs this.
"""

from __future__ import annotations

import io
import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import anyio
import httpx2
import pytest
from mcp.client import Client
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientMetadata

from devtools.airflow_process import ROOT, AirflowHome, AirflowSite
from devtools.clients import CLAUDE_CODE
from devtools.models.script import Call, Play, Script
from devtools.models.server import ScriptedModel
from scripts.demo import explain
from tests.browser.driving import drive, waiting_for_answers
from tests.live.logging_in import Storage
from tests.live.opening import NODE, Desktop
from tests.live.plugins import offer_plugins
from tests.live.site import LINE, TLS, WORKERS, Site

pytestmark = pytest.mark.skipif("LOGIN" not in os.environ, reason="make login")
SECONDS = 20
"""How long access tokens live here; tests/fixtures/plugins/short_logins.py."""
EXPIRED = str(SECONDS + 2)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> AirflowHome:
    home = AirflowHome(tmp_path_factory.mktemp("airflow"))
    home.prepare(ROOT / "examples" / "dags")
    if LINE == 2:
        # It allows five logins in forty seconds.
        (home.folder / "webserver_config.py").write_text("AUTH_RATE_LIMITED = False\n", encoding="utf-8")
    return home


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    paths = offer_plugins(tmp_path_factory.mktemp("packages"), short_logins="short_logins")
    return {"PYTHONPATH": paths}


@pytest.fixture(scope="module")
def below(home: AirflowHome, options: dict[str, str]) -> Iterator[Site]:
    """An Airflow below a path of its host."""
    with Site(home, prefix="/air/flow", options=options).serving(WORKERS) as running:
        yield running


@pytest.fixture(scope="module")
def plain(home: AirflowHome, options: dict[str, str]) -> Iterator[Site]:
    """An Airflow at http://localhost, as ``make demo`` starts it."""
    site = Site(home, options=options)
    section = "API" if LINE == 3 else "WEBSERVER"
    site.env[f"AIRFLOW__{section}__BASE_URL"] = f"http://localhost:{site.port}"
    with site.serving(WORKERS) as running:
        yield running


def localhost(site: AirflowSite) -> str:
    return f"http://localhost:{site.port}"


def agree(site: AirflowSite, url: str, access: str = "write") -> str:
    """Let the person log in and agree to what a client has opened; return where the answer went."""
    root = url.partition("/mcp/oauth/")[0]
    return drive("login.mjs", site, root=root, url=url, access=access).strip()


def administer(site: Site, *words: str) -> str:
    """Run a command of the administrator's; return what it prints."""
    command = [sys.executable, "-m", "airflow_provider_mcp.cli", *words]
    done = subprocess.run(command, env=site.env, capture_output=True, text=True, check=True, cwd=site.folder)
    return done.stdout


@pytest.mark.parametrize("sdk", ["1", "2"])
def test_the_typescript_sdk(below: Site, tmp_path: Path, sdk: str) -> None:
    script = (ROOT / "tests" / "fixtures" / "clients" / "typescript_login.mjs").read_text(encoding="utf-8")
    desktop = Desktop(tmp_path)
    # Bare imports are resolved from the folder that node runs in.
    (tmp_path / "node_modules").symlink_to(ROOT / ".node" / "node_modules")
    node = [str(NODE / "node"), "--input-type=module", "-"]
    running = desktop.start(node, MCP_URL=below.url, MCP_SDK=sdk, MCP_SECONDS=EXPIRED)
    assert running.process.stdin is not None
    running.process.stdin.write(script)
    running.process.stdin.close()
    running.process.stdin = None
    agree(below, running.wait_for_address())
    found = json.loads(running.finish())
    assert (found["opened"], found["refreshed"]) == (1, 2)
    for result in (found["first"], found["second"]):
        assert not result.get("isError"), result


def test_the_python_sdk(plain: Site) -> None:
    storage = Storage()
    pages = []

    with waiting_for_answers() as (callback, answers):

        async def open_browser(url: str) -> None:
            pages.append(url)
            await anyio.to_thread.run_sync(agree, plain, url, "read")

        async def take_answer() -> AuthorizationCodeResult:
            answer = {name: values[0] for name, values in parse_qs(answers.pop()).items()}
            return AuthorizationCodeResult(code=answer["code"], state=answer["state"], iss=answer["iss"])

        login = OAuthClientProvider(
            f"{localhost(plain)}/mcp/v1",
            OAuthClientMetadata(client_name="Python", redirect_uris=[callback]),
            storage,
            open_browser,
            take_answer,
        )

        async def run() -> None:
            async with (
                httpx2.AsyncClient(auth=login, verify=TLS, timeout=60) as http,
                Client(streamable_http_client(f"{localhost(plain)}/mcp/v1", http_client=http)) as client,
            ):
                assert not (await client.call_tool("list_dags", {})).is_error
                first = storage.tokens.refresh_token
                await anyio.sleep(int(EXPIRED))
                assert not (await client.call_tool("list_dags", {})).is_error
                assert storage.tokens.refresh_token != first
                # The person has allowed reading alone.
                assert (await client.call_tool("set_variable", {"key": "python", "value": "1"})).is_error

        anyio.run(run)
    assert len(pages) == 1


def test_the_inspector(below: Site, tmp_path: Path) -> None:
    desktop = Desktop(tmp_path)
    base = [str(NODE / "mcp-inspector"), "--cli", below.url, "--transport", "http", "--format", "json"]
    call = ["--method", "tools/call", "--tool-name", "list_dags"]
    variables = {"MCP_AUTO_OPEN_ENABLED": "true", "MCP_INSPECTOR_SECRET_STORE": "file"}
    running = desktop.start([*base, *call], **variables)
    agree(below, running.wait_for_address())
    assert '"total"' in running.finish()
    time.sleep(int(EXPIRED))
    # It may ask nobody: it has a refresh token.
    again = desktop.start([*base, *call, "--stored-auth-only"], **variables)
    assert '"total"' in again.finish()


def speak(running: Any, *messages: dict[str, Any]) -> list[dict[str, Any]]:
    """Send messages to a server on standard input; return the answers to those that have an ID."""
    answers = []
    for message in messages:
        running.process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        running.process.stdin.flush()
        while "id" in message:
            line = running.process.stdout.readline()
            assert line, running.explain()
            answer = json.loads(line)
            if answer.get("id") == message["id"] and "method" not in answer:
                answers.append(answer)
                break
    return answers


def test_mcp_remote(plain: Site, tmp_path: Path) -> None:
    desktop = Desktop(tmp_path)
    command = ["mcp-remote", f"{localhost(plain)}/mcp/v1"]
    running = desktop.start(command, MCP_REMOTE_CONFIG_DIR=str(tmp_path / "kept"))
    try:
        agree(plain, running.wait_for_address())
        hello = {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "t", "version": "1"},
        }
        call = {"method": "tools/call", "params": {"name": "list_dags", "arguments": {}}}
        first, second = speak(
            running,
            {"id": 1, "method": "initialize", "params": hello},
            {"method": "notifications/initialized"},
            {"id": 2, **call},
        )
        assert first["result"]["serverInfo"]["name"]
        assert not second["result"].get("isError"), second
        time.sleep(int(EXPIRED))
        (third,) = speak(running, {"id": 3, **call})
        assert not third["result"].get("isError"), third
    finally:
        running.stop()
    assert len(desktop.opened.read_text(encoding="utf-8").splitlines()) == 1


def demo_line(site: AirflowSite) -> Sequence[str]:
    """Return the line without any token that ``make demo`` prints."""
    printed = io.StringIO()
    with redirect_stdout(printed):
        explain(site)
    lines = [line.strip() for line in printed.getvalue().splitlines()]
    return shlex.split(
        next(line for line in lines if line.startswith("claude mcp add") and "--header" not in line)
    )


def test_claude_code_by_the_line_of_the_demo(plain: Site, tmp_path: Path) -> None:
    results: dict[str, str] = {}

    def play() -> Play:
        spelled = CLAUDE_CODE.spell
        results["first"] = yield Call(spelled("list_dags"), {"limit": 2})
        time.sleep(int(EXPIRED))
        results["second"] = yield Call(spelled("set_variable"), {"key": "claude", "value": "1"})
        return "All is well."

    script = Script(play())
    desktop = Desktop(tmp_path)
    with ScriptedModel(CLAUDE_CODE.wire(), script).serving() as model:
        CLAUDE_CODE.install(tmp_path, '{"mcpServers": {}}', model.url)
        variables = {k: v for k, v in desktop.environment.items() if k in ("PATH", "BROWSER", "HOME")}
        CLAUDE_CODE.execute(demo_line(plain), tmp_path, model.url, **variables)
        project = tmp_path / "project"
        own = {name: value.replace("{MODEL}", model.url) for name, value in CLAUDE_CODE.environment.items()}
        # It wants a terminal.
        login = f"cd {project} && claude mcp login airflow"
        running = desktop.start(["script", "-qec", login, "/dev/null"], **own)
        agree(plain, running.wait_for_address())
        running.finish()
        output = CLAUDE_CODE.run(tmp_path, model.url, **variables)
    assert script.fault is None, script.fault
    assert '"total"' in results.get("first", "").replace("\\", ""), output
    assert "claude" in results.get("second", ""), output
    assert len(desktop.opened.read_text(encoding="utf-8").splitlines()) == 1


def test_an_administrator_sees_and_ends_the_logins(plain: Site) -> None:
    """The last test: it ends what the others have left."""
    assert "Python" in administer(plain, "grants")
    administer(plain, "revoke", "--all")
    assert "Python" not in administer(plain, "grants")
