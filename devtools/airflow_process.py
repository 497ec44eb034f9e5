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
"""Start and stop Airflow: the one launcher of the demo, the live tests, the smoke test and the benchmarks.

It needs the standard library alone, since the smoke test runs it without Airflow's packages around it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeVar

from devtools.ports import hold_port

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 240
STOP_SECONDS = 20

T = TypeVar("T")
Site = TypeVar("Site", bound="AirflowSite")


class AirflowError(AssertionError):
    """Airflow did not do what it was started for."""


def installed_line() -> int:
    """Return the major version of the Airflow that this Python has."""
    try:
        return int(version("apache-airflow-core").split(".")[0])
    except PackageNotFoundError:
        return int(version("apache-airflow").split(".")[0])


# ---- a home --------------------------------------------------------------------------------------------


@dataclass
class AirflowHome:
    """An AIRFLOW_HOME: its environment variables, its database and its users.

    Each user's password is the user's name. The first user is an admin, the others are viewers.
    """

    folder: Path
    binaries: Path = Path(sys.executable).parent
    """Where the program ``airflow`` is."""
    line: int = field(default_factory=installed_line)
    """Airflow 2 or 3."""
    users: Sequence[str] = ("admin", "viewer")
    database: str = ""
    """SQLAlchemy's address of the metadata database; without one, an SQLite file in the folder."""
    inherited: Mapping[str, str] = field(default_factory=lambda: dict(os.environ), repr=False)
    options: Mapping[str, str] = field(default_factory=dict)
    """Environment variables of every process."""
    secret: str = field(default_factory=lambda: secrets.token_hex(32), repr=False)

    @property
    def dags(self) -> Path:
        return self.folder / "dags"

    def environment(self, port: int = 0) -> dict[str, str]:
        """Return the environment variables of a process whose web process is on ``port``."""
        inherited = {k: v for k, v in self.inherited.items() if not k.startswith("AIRFLOW")}
        # Several processes write to one SQLite file: on a busy machine one waits for more than 5 s.
        database = self.database or f"sqlite:///{self.folder}/airflow.db?timeout=60"
        env = inherited | {
            "AIRFLOW_HOME": str(self.folder),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database,
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.dags),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
            "PATH": f"{self.binaries}{os.pathsep}{inherited.get('PATH', os.defpath)}",
            "NO_PROXY": "*",
        }
        if self.line == 2:
            backends = (f"airflow.api.auth.backend.{name}" for name in ("basic_auth", "session"))
            env |= {
                "AIRFLOW__API__AUTH_BACKENDS": ",".join(backends),
                "AIRFLOW__WEBSERVER__SECRET_KEY": self.secret,
            }
        else:
            roles = (f"{name}:{'viewer' if number else 'admin'}" for number, name in enumerate(self.users))
            env |= {
                "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(roles),
                "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(self.folder / "passwords.json"),
                "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
                # The default, 5 s, fails tasks on a busy machine.
                "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",
                "AIRFLOW__API__SECRET_KEY": self.secret,
                "AIRFLOW__API_AUTH__JWT_SECRET": self.secret,
            }
        return env | dict(self.options)

    def airflow(self, *arguments: str, **options: str) -> str:
        """Run an ``airflow`` command with ``options`` as further environment variables.

        :return: What it prints, on both streams.
        """
        done = subprocess.run(
            [str(self.binaries / "airflow"), *arguments],
            env=self.environment() | options,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            raise AirflowError(f"`airflow {' '.join(arguments)}` failed:\n{done.stdout[-4000:]}")
        return done.stdout

    def prepare(self, *dags: Path) -> None:
        """Create the database, the users, and copies of the Dags of these folders."""
        self.dags.mkdir(parents=True, exist_ok=True)
        for source in dags:
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, self.dags, dirs_exist_ok=True, ignore=ignored)
        if self.line == 3:
            passwords = json.dumps({name: name for name in self.users})
            (self.folder / "passwords.json").write_text(passwords, encoding="utf-8")
        self.airflow("db", "migrate")
        if not self.database:
            with closing(sqlite3.connect(self.folder / "airflow.db")) as database:
                # Who reads does not wait for who writes. It stays in the database.
                database.execute("pragma journal_mode = wal")
        if self.line == 2:
            self.airflow("sync-perm")
            self.create_users()

    def create_users(self, **options: str) -> None:
        """Create the users in Flask-AppBuilder's tables."""
        for number, name in enumerate(self.users):
            role = "Viewer" if number else "Admin"
            person = ["-f", role, "-l", "Test", "-e", f"{name}@example.org", "-r", role]
            self.airflow("users", "create", "-u", name, "-p", name, *person, **options)

    def cheapen_passwords(self) -> None:
        """Make passwords as cheap to check as a token: basic authentication checks one at each request."""
        for name in self.users:
            digest = hashlib.pbkdf2_hmac("sha256", name.encode(), b"salt", 1).hex()
            self.execute(
                f"update ab_user set password = 'pbkdf2:sha256:1$salt${digest}' where username = '{name}'"  # noqa: S608
            )

    def execute(self, script: str) -> str:
        """Run SQL in the metadata database; return what ``psql`` prints, of PostgreSQL."""
        if not self.database:
            with closing(sqlite3.connect(self.folder / "airflow.db", timeout=60)) as database:
                database.executescript(script)
            return ""
        address = self.database.replace("+psycopg2", "", 1)
        command = ["psql", "-qAt", "-v", "ON_ERROR_STOP=1", address]
        return subprocess.run(command, input=script, text=True, check=True, stdout=subprocess.PIPE).stdout


# ---- a running Airflow ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    """An HTTP answer: header names in lower case, the body parsed where it is JSON."""

    status: int
    headers: dict[str, str]
    body: Any


@dataclass
class AirflowSite:
    """A web process on a loopback port, and the other processes of its Airflow."""

    home: AirflowHome
    port: int = field(default_factory=hold_port)
    prefix: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    """Further environment variables of its processes."""
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        # The default ports of these are the same for every Airflow of a machine.
        ports = {
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(hold_port()),
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(hold_port()),
        }
        self.env = self.home.environment(self.port) | ports | dict(self.options)
        if self.prefix:
            section = "API" if self.home.line == 3 else "WEBSERVER"
            self.env.setdefault(f"AIRFLOW__{section}__BASE_URL", self.root)

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.prefix}"

    @property
    def url(self) -> str:
        """The MCP endpoint."""
        return f"{self.root}/mcp/v1"

    @property
    def health(self) -> str:
        return f"{self.root}{'/api/v2/monitor/health' if self.home.line == 3 else '/health'}"

    @property
    def folder(self) -> Path:
        return self.home.folder

    def airflow(self, *arguments: str, **options: str) -> str:
        """Run an ``airflow`` command as its processes run; return what it prints."""
        return self.home.airflow(*arguments, **{**self.env, **options})

    # -- its processes

    def start(self, *command: str) -> None:
        """Start an ``airflow`` command, in a session of its own: no signal of ours reaches it by itself."""
        with self._log_file(command[0]).open("wb") as log:
            self.processes[command[0]] = subprocess.Popen(
                [str(self.home.binaries / "airflow"), *command],
                env=self.env,
                cwd=self.home.folder,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def start_web(self, workers: int = 1) -> None:
        """Start the web process and wait until it is healthy."""
        where = ("--port", str(self.port), "--workers", str(workers))
        if self.home.line == 3:
            self.start("api-server", "--host", "127.0.0.1", *where)
        else:
            pid = self.home.folder / f"web-{self.port}.pid"
            # A killed webserver leaves its own behind.
            pid.unlink(missing_ok=True)
            self.start("webserver", "--hostname", "127.0.0.1", *where, "--pid", str(pid))
        self.wait("the web process", self.is_healthy, pause=0.5)

    def start_scheduling(self) -> None:
        """Start what parses and runs Dags."""
        self.start("scheduler")
        if self.home.line == 3:
            self.start("dag-processor")

    @property
    def web(self) -> subprocess.Popen[bytes]:
        return self.processes["api-server" if self.home.line == 3 else "webserver"]

    @contextmanager
    def serving(self: Site, workers: int = 1) -> Iterator[Site]:
        """Run the web process meanwhile."""
        try:
            self.start_web(workers)
            yield self
        finally:
            self.stop()

    def check(self) -> None:
        """Fail if one of its processes has ended."""
        for name, process in self.processes.items():
            if process.poll() is not None:
                log = self._read(name)[-6000:]
                raise AirflowError(f"`airflow {name}` has ended with {process.returncode}:\n{log}")

    def stop(self) -> None:
        for process in self.processes.values():
            if process.poll() is None:
                _signal_group(process, signal.SIGTERM)
        end = time.monotonic() + STOP_SECONDS
        for process in self.processes.values():
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0, end - time.monotonic()))
            # What outlived the leader of its group, or all of it.
            _signal_group(process, signal.SIGKILL)
            process.wait()
        self.processes.clear()

    def wait(self, what: str, look: Callable[[], T], pause: float = 1) -> T:
        """Return what ``look`` returns, once it is true; what it cannot reach yet is waited for."""
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            self.check()
            try:
                if found := look():
                    return found
            except OSError:
                pass
            time.sleep(pause)
        raise AirflowError(f"gave up waiting for {what}:\n{self.log()[-6000:]}")

    def log(self) -> str:
        """Return what its processes wrote."""
        names = sorted(file.name.removesuffix(f"-{self.port}.log") for file in self._log_files())
        return "\n".join(self._read(name) for name in names)

    def _log_file(self, name: str) -> Path:
        return self.home.folder / f"{name}-{self.port}.log"

    def _log_files(self) -> Iterator[Path]:
        return self.home.folder.glob(f"*-{self.port}.log")

    def _read(self, name: str) -> str:
        return self._log_file(name).read_text(encoding="utf-8", errors="replace")[-200_000:]

    # -- its answers

    def request(
        self, method: str, url: str, message: Any = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send a request to an address, or to a path below the root.

        :raises OSError: Nobody answers.
        """
        request = urllib.request.Request(  # noqa: S310 - loopback
            url if url.startswith("http") else self.root + url,
            None if message is None else json.dumps(message).encode(),
            {
                "Content-Type": "application/json",
                "Accept": "application/json, text/event-stream",
                **(headers or {}),
            },
            method=method,
        )
        try:
            with _opener.open(request, timeout=60) as answer:
                status, got, body = answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as refused:
            status, got, body = refused.code, refused.headers, refused.read()
        is_json = "json" in got.get("Content-Type", "")
        return Answer(
            status, {k.lower(): v for k, v in got.items()}, json.loads(body) if is_json else body.decode()
        )

    def is_healthy(self) -> bool:
        return self.request("GET", self.health).status == 200

    def authorization(self, user: str = "admin") -> str:
        """Return the Authorization header of a user."""
        if self.home.line == 2:
            return "Basic " + base64.b64encode(f"{user}:{user}".encode()).decode()
        answer = self.request("POST", "/auth/token", {"username": user, "password": user})
        if answer.status not in (200, 201):
            raise AirflowError(f"POST /auth/token answered {answer.status}: {answer.body}")
        return f"Bearer {answer.body['access_token']}"

    def rpc(
        self,
        method: str,
        params: Mapping[str, Any],
        user: str = "admin",
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """Send an MCP request; return its result."""
        message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        sent = {"Authorization": self.authorization(user), **(headers or {})}
        answer = self.request("POST", self.url, message, sent)
        if answer.status != 200 or "result" not in answer.body:
            raise AirflowError(
                f"{method} {params} answered {answer.status} {answer.body}\n{self.log()[-6000:]}"
            )
        result: dict[str, Any] = answer.body["result"]
        return result

    def call(self, tool: str, user: str = "admin", **arguments: Any) -> dict[str, Any]:
        """Call a tool; return its result, which may be an error."""
        return self.rpc("tools/call", {"name": tool, "arguments": arguments}, user)

    def has_dags(self, names: set[str]) -> bool:
        """Tell whether these Dags have been parsed."""
        listed = self.call("list_dags", limit=100)["structuredContent"]
        return {row["dag_id"] for row in listed["dags"]} >= names


_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    # macOS answers with the second for a group of which nothing is left but a zombie.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
