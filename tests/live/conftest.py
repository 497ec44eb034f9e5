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
"""Real Airflow processes of the installed line on loopback ports, stopped when the tests end."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import httpx
import pytest

ROOT = Path(__file__).resolve().parents[2]
AIRFLOW = str(Path(sys.executable).with_name("airflow"))
START_SECONDS = 180
TLS = ssl.create_default_context()
"""For ``verify``: httpx reads all authorities' certificates for each request that is not given one."""


def line() -> int:
    try:
        return int(version("apache-airflow-core").split(".")[0])
    except PackageNotFoundError:
        return int(version("apache-airflow").split(".")[0])


LINE = line()
WORKERS = 1 if LINE == 3 else 4


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@dataclass
class Site:
    """A running Airflow."""

    home: Path
    port: int
    prefix: str = ""
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict)

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.prefix}"

    @property
    def url(self) -> str:
        return f"{self.root}/mcp/v1"

    def start(self, *command: str) -> None:
        log = (self.home / f"{command[0]}-{self.port}.log").open("wb")
        self.processes.append(
            subprocess.Popen(
                [AIRFLOW, *command],
                env=self.env,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        )

    @contextmanager
    def served(self, workers: int = WORKERS) -> Iterator[Site]:
        """Run its web process meanwhile, with as many workers."""
        try:
            self.start_web(workers)
            yield self
        finally:
            self.stop()

    def start_web(self, workers: int = WORKERS) -> None:
        where = ("--port", str(self.port), "--workers", str(workers))
        if LINE == 3:
            self.start("api-server", "--host", "127.0.0.1", *where)
        else:
            pid = str(self.home / f"web-{self.port}.pid")
            self.start("webserver", "--hostname", "127.0.0.1", *where, "--pid", pid)
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            assert self.processes[-1].poll() is None, self.log()
            try:
                if httpx.get(f"{self.root}{HEALTH}", timeout=5, verify=TLS).status_code == 200:
                    return
            except httpx.HTTPError:
                pass
            time.sleep(0.5)
        raise AssertionError(self.log())

    def log(self) -> str:
        return "\n".join(
            file.read_text(errors="replace")[-200_000:] for file in self.home.glob(f"*-{self.port}.log")
        )

    def stop(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(10)

    def authorization(self, user: str) -> str:
        """Return the Authorization header of a user, whose password is the user's name."""
        if LINE == 2:
            return "Basic " + base64.b64encode(f"{user}:{user}".encode()).decode()
        named = {"username": user, "password": user}
        answer = httpx.post(f"{self.root}/auth/token", json=named, timeout=60, verify=TLS)
        return "Bearer " + answer.json()["access_token"]

    def post(self, message: Any, user: str | None = "admin", **headers: str) -> httpx.Response:
        """POST a message (or raw bytes) to the endpoint."""
        content = message if isinstance(message, bytes) else json.dumps(message).encode()
        sent = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
        if user is not None:
            sent["Authorization"] = self.authorization(user)
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        return httpx.post(self.url, content=content, headers=sent, timeout=60, verify=TLS)

    def call(self, tool: str, user: str = "admin", **arguments: Any) -> dict[str, Any]:
        """Call a tool; return the result."""
        message = {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "tools/call",
            "params": {"name": tool, "arguments": arguments},
        }
        answer = self.post(message, user)
        assert answer.status_code == 200, answer.text
        result: dict[str, Any] = answer.json()["result"]
        return result


DEMO_DAGS = {"demo_succeeds", "demo_params", "demo_fails", "demo_mapped", "demo_waiting"}
HEALTH = "/api/v2/monitor/health" if LINE == 3 else "/health"


def environment(home: Path, port: int) -> dict[str, str]:
    env = {k: v for k, v in os.environ.items() if not k.startswith("AIRFLOW")}
    secret = "0123456789abcdef" * 4
    env |= {
        "AIRFLOW_HOME": str(home),
        # Several processes write to one SQLite file: on a busy machine one waits for more than 5 s.
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db?timeout=60",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}",
        "NO_PROXY": "*",
    }
    if LINE == 3:
        passwords = home / "passwords.json"
        passwords.write_text(json.dumps({"admin": "admin", "viewer": "viewer"}))
        env |= {
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin,viewer:viewer",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
            "AIRFLOW__API__SECRET_KEY": secret,
            "AIRFLOW__API_AUTH__JWT_SECRET": secret,
        }
    else:
        env |= {
            "AIRFLOW__API__AUTH_BACKENDS": ",".join(
                f"airflow.api.auth.backend.{backend}" for backend in ("basic_auth", "session")
            ),
            "AIRFLOW__WEBSERVER__SECRET_KEY": secret,
        }
    return env


def airflow(env: dict[str, str], *arguments: str) -> str:
    """Run an ``airflow`` command; return what it prints."""
    done = subprocess.run(
        [AIRFLOW, *arguments],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def create_users(env: dict[str, str]) -> None:
    """Create an admin and a viewer whose passwords are their names."""
    for role in ("Admin", "Viewer"):
        name = role.lower()
        who = ["-u", name, "-p", name, "-f", role, "-l", "Test", "-e", f"{name}@example.org", "-r", role]
        airflow(env, "users", "create", *who)


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An AIRFLOW_HOME with a database and, on Airflow 2, users."""
    folder = tmp_path_factory.mktemp("airflow")
    # A copy: a test may change a Dag's file.
    for source in (ROOT / "examples" / "dags", ROOT / "tests" / "fixtures" / "dags"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(source, folder / "dags", dirs_exist_ok=True, ignore=ignored)
    env = environment(folder, 0)
    airflow(env, "db", "migrate")
    with closing(sqlite3.connect(folder / "airflow.db")) as database:
        # Who reads does not wait for who writes, and a commit writes to one file. It stays in the database.
        database.execute("pragma journal_mode = wal")
    if LINE == 2:
        airflow(env, "sync-perm")
        create_users(env)
        cheapen_passwords(folder)
    return folder


def cheapen_passwords(home: Path) -> None:
    """Hash the passwords cheaply: each request checks one, and the conformance suite waits only so long."""
    from werkzeug.security import generate_password_hash

    with sqlite3.connect(home / "airflow.db") as database:
        for name in ("admin", "viewer"):
            hashed = generate_password_hash(name, "pbkdf2:sha256:1")
            database.execute("update ab_user set password = ? where username = ?", (hashed, name))


@pytest.fixture(scope="session")
def site(home: Path) -> Iterator[Site]:
    """Airflow with its scheduler, running the example Dags."""
    port = free_port()
    running = Site(home, port, env=environment(home, port))
    try:
        running.start_web()
        running.start("scheduler")
        if LINE == 3:
            running.start("dag-processor")
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            listed = running.call("list_dags", pattern="demo_", limit=100)["structuredContent"]
            if {row["dag_id"] for row in listed["dags"]} >= DEMO_DAGS:
                break
            time.sleep(1)
        else:
            raise AssertionError(f"the example Dags were not parsed: {listed}")
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="session")
def prefixed(home: Path, site: Site) -> Iterator[Site]:
    """A second web process on the same database, under a path prefix."""
    port = free_port()
    env = environment(home, port)
    section = "API" if LINE == 3 else "WEBSERVER"
    env[f"AIRFLOW__{section}__BASE_URL"] = f"http://127.0.0.1:{port}/air/flow"
    with Site(home, port, "/air/flow", env=env).served() as running:
        yield running


@pytest.fixture(scope="session")
def provisioned(home: Path, site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A second web process, with the plugins of ``tests/fixtures/plugins``."""
    packages = tmp_path_factory.mktemp("packages")
    metadata = packages / "conformance_plugin-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: conformance-plugin\nVersion: 1\n")
    plugins = ("conformance = conformance_plugin", "by_hook = hook_plugin")
    (metadata / "entry_points.txt").write_text("\n".join(["[airflow_provider_mcp]", *plugins]) + "\n")
    port = free_port()
    env = environment(home, port)
    paths = [str(packages), str(ROOT / "tests" / "fixtures" / "plugins")]
    paths.append(env.get("PYTHONPATH", ""))
    env["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    jobs = tmp_path_factory.mktemp("jobs")
    env["MCP_CONFORMANCE_JOBS"] = str(jobs)
    if LINE == 3:
        # Spans go to the log. (Airflow 2 keeps a tracer provider of its own, apart from OpenTelemetry's.)
        env |= {"AIRFLOW__TRACES__OTEL_ON": "True", "OTEL_TRACES_EXPORTER": "console"}
    with Site(home, port, env=env).served() as running:
        yield running
