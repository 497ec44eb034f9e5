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
"""Start Airflow with the example Dags and the MCP endpoint, and print how to connect a client."""

from __future__ import annotations

import base64
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
AIRFLOW = str(Path(sys.executable).with_name("airflow"))
START_SECONDS = 240
SUCCEEDING = ("demo_succeeds", "demo_params")
DAGS = (*SUCCEEDING, "demo_fails", "demo_mapped", "demo_waiting")


def line() -> int:
    try:
        return int(version("apache-airflow-core").split(".")[0])
    except PackageNotFoundError:
        return int(version("apache-airflow").split(".")[0])


LINE = line()
HOME = ROOT / ".demo" / f"airflow{LINE}"


def say(text: str) -> None:
    print(text, flush=True)


def free_port(first: int) -> int:
    for port in range(first, first + 100):
        with socket.socket() as probe:
            # As Airflow will bind it: a port that was in use a moment ago is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise SystemExit(f"No free port from {first} to {first + 99}.")


class Failed(Exception):  # noqa: N818
    """The demo cannot go on."""


class Demo:
    """The Airflow processes of the demo."""

    def __init__(self) -> None:
        self.port = free_port(8080)
        self.root = f"http://localhost:{self.port}"
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.password = "admin"  # noqa: S105
        self.env = self.environment()

    def environment(self) -> dict[str, str]:
        env = {k: v for k, v in os.environ.items() if not k.startswith("AIRFLOW_")}
        secret = secrets.token_hex(32)
        env |= {
            "AIRFLOW_HOME": str(HOME),
            # Several processes write to one SQLite file: on a busy machine one waits for more than 5 s.
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{HOME}/airflow.db?timeout=60",
            "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "examples" / "dags"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "PATH": f"{Path(AIRFLOW).parent}{os.pathsep}{env.get('PATH', '')}",
        }
        if LINE == 3:
            env |= {
                "AIRFLOW__API__BASE_URL": self.root,
                "AIRFLOW__API__SECRET_KEY": secret,
                "AIRFLOW__API_AUTH__JWT_SECRET": secret,
                "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.root}/execution/",
                "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin",
                "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(HOME / "passwords.json"),
            }
        else:
            backends = "airflow.api.auth.backend.basic_auth,airflow.api.auth.backend.session"
            env |= {
                "AIRFLOW__API__AUTH_BACKENDS": backends,
                "AIRFLOW__WEBSERVER__BASE_URL": self.root,
                "AIRFLOW__WEBSERVER__SECRET_KEY": secret,
            }
        return env

    def run(self, *arguments: str) -> None:
        done = subprocess.run(
            [AIRFLOW, *arguments], env=self.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
        if done.returncode:
            raise Failed(f"airflow {' '.join(arguments[:2])} failed:\n{done.stdout.decode()[-3000:]}")

    def start(self, name: str, *arguments: str) -> None:
        say(f"  starting {name}")
        with (HOME / f"{name}.log").open("wb") as log:
            self.processes[name] = subprocess.Popen(
                [AIRFLOW, name, *arguments],
                env=self.env,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def check(self) -> None:
        for name, process in self.processes.items():
            if process.poll() is not None:
                log = (HOME / f"{name}.log").read_text(errors="replace")[-3000:]
                raise Failed(f"airflow {name} has stopped:\n{log}")

    def post(self, url: str, body: Any, authorization: str | None = None) -> Any:
        headers = {"Content-Type": "application/json"}
        if authorization:
            headers["Authorization"] = authorization
        request = urllib.request.Request(url, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def until(self, what: str, attempt: Any) -> Any:
        say(f"  waiting for {what}")
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            self.check()
            try:
                result = attempt()
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                result = None
            if result:
                return result
            time.sleep(1)
        raise Failed(f"Gave up waiting for {what}; the logs are in {HOME}.")

    def authorization(self) -> str:
        if LINE == 2:
            return "Basic " + base64.b64encode(f"admin:{self.password}".encode()).decode()
        user = {"username": "admin", "password": self.password}
        return "Bearer " + self.post(f"{self.root}/auth/token", user)["access_token"]

    def call(self, authorization: str, tool: str, **arguments: Any) -> Any:
        message = {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "tools/call",
            "params": {"name": tool, "arguments": arguments},
        }
        return self.post(f"{self.root}/mcp/v1", message, authorization)["result"]

    def listed(self, authorization: str) -> set[str]:
        """Return the Dags that are there by now."""
        answer = self.call(authorization, "list_dags", pattern="demo_", limit=100)["structuredContent"]
        return {row["dag_id"] for row in answer["dags"]}

    def up(self) -> None:
        shutil.rmtree(HOME, ignore_errors=True)
        HOME.mkdir(parents=True)
        say(f"Airflow {LINE}, SQLite, home {HOME}")
        if LINE == 3:
            (HOME / "passwords.json").write_text(json.dumps({"admin": self.password}))
        say("  creating the database")
        self.run("db", "migrate")
        self.run("pools", "set", "demo_full_pool", "0", "A pool without slots.")
        if LINE == 2:
            self.run("sync-perm")
            person = ["-f", "Ada", "-l", "Min", "-e", "admin@example.org", "-r", "Admin"]
            self.run("users", "create", "-u", "admin", "-p", self.password, *person)
            self.start("webserver", "--hostname", "127.0.0.1", "--port", str(self.port))
        else:
            self.start("api-server", "--host", "127.0.0.1", "--port", str(self.port))
            self.start("dag-processor")
        self.start("scheduler")
        self.start("triggerer")
        authorization = self.until(
            "the MCP endpoint",
            lambda: (a := self.authorization()) and not self.call(a, "get_airflow_info").get("isError") and a,
        )
        self.until(
            "the example Dags",
            lambda: set(DAGS) <= self.listed(authorization),
        )
        for dag_id in DAGS:
            say(f"  triggering {dag_id}")
            result = self.call(authorization, "trigger_dag", dag_id=dag_id, unpause=True)
            if result.get("isError"):
                raise Failed(result["content"][0]["text"])
        self.explain(authorization)

    def explain(self, authorization: str) -> None:
        url = f"{self.root}/mcp/v1"
        server = {"url": url, "headers": {"Authorization": authorization}}
        code = json.dumps({"name": "airflow", "type": "http", **server})
        say(f"""
Airflow       {self.root}  (admin / {self.password})
MCP endpoint  {url}
Credential    Authorization: {authorization}

Claude Code:
  claude mcp add --transport http airflow {url} --header "Authorization: {authorization}"

Cursor (.cursor/mcp.json):
  {json.dumps({"mcpServers": {"airflow": server}})}

VS Code:
  code --add-mcp '{code}'

Try: "Why did demo_fails fail?"   Ctrl-C stops everything.""")

    def down(self) -> None:
        for process in self.processes.values():
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
        for process in self.processes.values():
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    demo = Demo()
    try:
        demo.up()
        while True:
            demo.check()
            time.sleep(1)
    except KeyboardInterrupt:
        say("\nStopping Airflow.")
        return 0
    except Failed as failure:
        print(failure, file=sys.stderr)
        return 1
    finally:
        demo.down()


if __name__ == "__main__":
    sys.exit(main())
