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
"""How many statements a tool call sends to the database over those of its REST calls; writes one JSON file.

PostgreSQL's own log is read. What begins and ends transactions is not counted, nor questions for settings,
nor the ``SELECT 1`` by which a pool looks whether a connection lives. Nothing is written to the audit log,
which takes one statement for the calls of half a second.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from benchmarks.airflow_home import LINE, prepared, serving
from benchmarks.large import Request, beside, call, recording
from devtools.airflow_process import AirflowHome, AirflowSite

TIMES = 5
DAG = {"dag_id": "demo_params"}
CALLS: dict[str, dict[str, Any]] = {
    "list_dags": {},
    "get_dag": {**DAG, "include": ["params"]},
    "list_dag_runs": {},
    "get_dag_run": {**DAG, "dag_run_id": "counted"},
    "list_task_instances": {**DAG, "dag_run_id": "counted"},
    "list_pools": {},
    "list_variables": {},
    "list_connections": {},
    "list_event_logs": {},
    "get_system_health": {},
    "explain_waiting": {**DAG, "dag_run_id": "counted"},
    "find_failures": {"since": "24h"},
}
_STATEMENT = re.compile(
    r"LOG:  (?:statement|execute [^:]{0,100}): ?((?:SELECT|INSERT|UPDATE|DELETE|WITH)\b.*)", re.IGNORECASE
)
_SETTING = re.compile(r"select (?:pg_catalog\.version|current_schema|1\s*$)", re.IGNORECASE)


def read_statements(text: str) -> list[str]:
    """Return the statements in a piece of PostgreSQL's log, each by its first line."""
    return [found for found in _STATEMENT.findall(text) if not _SETTING.match(found)]


def count_statements(log: Path, action: Callable[[], object]) -> Counter[str]:
    """Return the statements that are sent meanwhile, and how often each."""
    # What came before has been written by now.
    time.sleep(0.5)
    began = log.stat().st_size
    action()
    time.sleep(0.5)
    with log.open("rb") as file:
        file.seek(began)
        return Counter(read_statements(file.read().decode(errors="replace")))


def compare(home: AirflowHome, site: AirflowSite) -> dict[str, Any]:
    """Return by tool how many statements a call sends, those of its REST calls, and the difference."""
    headers = {"authorization": site.authorization()}
    log = home.folder / "postgres" / "log"
    figures: dict[str, Any] = {}
    with (
        recording(site.port) as (through, seen),
        beside(home, through) as serve,
        httpx.Client(headers=headers, timeout=60) as client,
        httpx.Client(timeout=60) as plain,
    ):
        for tool, arguments in CALLS.items():
            call(plain, serve, tool, arguments)
            seen.clear()
            call(plain, serve, tool, arguments)
            wanted = [each for each in seen if "/auth/token" not in each[1]]

            def send_bare(wanted: list[Request] = wanted, times: int = TIMES) -> None:
                for method, path, body, sent, status in wanted * times:
                    answer = client.request(
                        method, f"{site.root}{path}", content=body, headers={**sent, **headers}
                    )
                    assert answer.status_code == status, answer.text

            def send_tool(tool: str = tool, arguments: Any = arguments, times: int = TIMES) -> None:
                for _ in range(times):
                    call(client, site.url, tool, arguments)

            # Each of several workers has to have its caches filled.
            send_bare(times=2 * TIMES)
            send_tool(times=2 * TIMES)
            rest, ours = count_statements(log, send_bare), count_statements(log, send_tool)
            figures[tool] = {
                "REST calls": len(wanted),
                "of REST": rest.total() / TIMES,
                "of the tool": ours.total() / TIMES,
                "more": (ours.total() - rest.total()) / TIMES,
                "added": {text[:200]: count / TIMES for text, count in (ours - rest).items()},
            }
            print(f"{tool}: {figures[tool]}", flush=True)
    return figures


def main() -> None:
    target = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder, prepared(Path(folder)) as home:
        home.execute("alter system set log_statement = 'all'; select pg_reload_conf();")
        with serving(home, 1, AIRFLOW__MCP__AUDIT_LOG="none") as site:
            site.call("trigger_dag", **DAG, dag_run_id="counted", unpause=True)
            results = {"line": LINE, "tools": compare(home, site)}
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
