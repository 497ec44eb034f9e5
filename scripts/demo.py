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
"""Start Airflow with the example Dags and the MCP endpoint, and print how to connect a client.

``make demo`` installs an Airflow for it; ``python -m scripts.demo`` takes the one that this Python has.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from types import FrameType

from devtools.airflow_process import ROOT, AirflowError, AirflowHome, AirflowSite, installed_line
from devtools.ports import hold_port

TOKEN_VARIABLE = "AIRFLOW_MCP_TOKEN"  # noqa: S105
DAGS = ("demo_succeeds", "demo_params", "demo_fails", "demo_mapped", "demo_waiting")
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def say(text: str) -> None:
    print(text, flush=True)


def stop_on_signals() -> None:
    """Let the first of these signals end the demo, also in the background, where a shell ignores SIGINT."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        ignore_signals()
        raise KeyboardInterrupt

    for each in STOPPING:
        signal.signal(each, stop)


def ignore_signals() -> None:
    """Let nothing disturb the stopping: make, too, passes on what the whole group got."""
    for each in STOPPING:
        signal.signal(each, signal.SIG_IGN)


def caught_by_parent() -> int:
    """Return which signals the parent, make as a rule, catches. After one, it catches it no more.

    Make waits for this process when it alone is told to stop, and passes nothing on but SIGTERM.
    """
    try:
        status = Path(f"/proc/{os.getppid()}/status").read_text(encoding="utf-8")
    except OSError:
        return 0
    return int(next(line for line in status.splitlines() if line.startswith("SigCgt")).split()[1], 16)


def create_home(line: int) -> AirflowHome:
    folder = ROOT / ".demo" / f"airflow{line}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    options = {
        # The default, 32, keeps as many processes.
        "AIRFLOW__CORE__PARALLELISM": "4",
        "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
        "AIRFLOW__SCHEDULER__PARSING_PROCESSES": "1",
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "examples" / "dags"),
    }
    say(f"Airflow {line}, SQLite, home {folder}")
    home = AirflowHome(folder, line=line, users=["admin"], options=options)
    say("  creating the database")
    home.prepare()
    home.airflow("pools", "set", "demo_full_pool", "0", "A pool without slots.")
    return home


def create_site(home: AirflowHome) -> AirflowSite:
    port = hold_port(8080)
    section = "API" if home.line == 3 else "WEBSERVER"
    options = {f"AIRFLOW__{section}__BASE_URL": f"http://localhost:{port}"}
    return AirflowSite(home, port, options=options)


def start(site: AirflowSite) -> None:
    say(f"  starting Airflow on port {site.port}")
    # On Airflow 2, half of the workers serve calls that wait.
    site.start_web(workers=1 if site.home.line == 3 else 2)
    site.start_scheduling()
    site.start("triggerer")
    say("  waiting for the example Dags")
    site.wait("the example Dags", lambda: site.has_dags(set(DAGS)))
    for dag_id in DAGS:
        say(f"  triggering {dag_id}")
        result = site.call("trigger_dag", dag_id=dag_id, unpause=True)
        if result.get("isError"):
            raise AirflowError(result["content"][0]["text"])


def explain(site: AirflowSite) -> None:
    root = f"http://localhost:{site.port}"
    url = f"{root}/mcp/v1"
    scheme, credential = site.authorization().split(" ", 1)

    def server(reference: str) -> dict[str, object]:
        return {"url": url, "headers": {"Authorization": f"{scheme} {reference}"}}

    cursor = json.dumps({"mcpServers": {"airflow": server(f"${{env:{TOKEN_VARIABLE}}}")}})
    code = json.dumps({"name": "airflow", "type": "http", **server(f"${{env:{TOKEN_VARIABLE}}}")})
    header = f'--header "Authorization: {scheme} ${TOKEN_VARIABLE}"'
    say(f"""
Airflow       {root}  (user admin, password admin)
MCP endpoint  {url}

Claude Code, which logs in by your browser (in it, /mcp):
  claude mcp add --transport http airflow {url}

A credential, for the lines below:
  export {TOKEN_VARIABLE}={credential}

Claude Code:
  claude mcp add --transport http airflow {url} {header}

Cursor (.cursor/mcp.json):
  {cursor}

VS Code:
  code --add-mcp '{code}'

MCP Inspector:
  npx @modelcontextprotocol/inspector --cli {url} --transport http {header} --method tools/list

Try: "Why did demo_fails fail?"   Ctrl-C stops everything.""")


def main() -> int:
    stop_on_signals()
    caught = caught_by_parent()
    site = None
    try:
        site = create_site(create_home(installed_line()))
        start(site)
        explain(site)
        while caught_by_parent() & caught == caught:
            site.check()
            time.sleep(1)
    except KeyboardInterrupt:
        pass
    except AirflowError as failure:
        print(failure, file=sys.stderr)
        return 1
    finally:
        ignore_signals()
        say("\nStopping Airflow.")
        if site is not None:
            site.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
