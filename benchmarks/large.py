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
"""A large Airflow in PostgreSQL: every list and diagnosis tool beside the REST calls that it makes.

1,000 Dags of ten tasks, 100,000 Dag runs and a million task instances. The REST calls of a tool are found out
by ``airflow-mcp serve``, which runs the same tools by HTTP, and are then sent bare.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

from benchmarks.airflow_home import API, LINE, prepared, serving
from devtools.airflow_process import AirflowHome, AirflowSite
from devtools.ports import hold_port
from devtools.processes import resident

DAGS, RUNS, TASKS = int(os.environ.get("LARGE_DAGS", "1000")), 100, 10
BLOCKS = 5
ROUNDS = 8
MAPPED, MAPPED_FAILED = 150, 15

DAG_FILE = f"""
from datetime import datetime

try:
    from airflow.sdk import DAG
except ImportError:
    from airflow import DAG
try:
    from airflow.providers.standard.operators.empty import EmptyOperator
except ImportError:
    from airflow.operators.empty import EmptyOperator

for number in range({DAGS}):
    name = f"large_{{number:04d}}"
    with DAG(name, schedule=None, start_date=datetime(2026, 1, 1), catchup=False, tags=["large"]) as dag:
        before = None
        for task in range({TASKS}):
            each = EmptyOperator(task_id=f"task_{{task}}")
            if before is not None:
                before >> each
            before = each
    globals()[name] = dag
"""

# The rows of one real run are copied with other identifiers, so that no column needs to be known here. The
# newest run of every tenth Dag has failed, by its last task.
COPIES = """
-- What is copied refers to what is there: to check each of a million rows takes longer than to write it.
set session_replication_role = replica;
set synchronous_commit = off;
create temp table base_run as select * from dag_run where dag_id = 'large_0000';
create temp table base_ti as select * from task_instance where dag_id = 'large_0000';
delete from task_instance where dag_id = 'large_0000';
delete from dag_run where dag_id = 'large_0000';
create temp table made as
  select d.dag_id, n, 'run_' || lpad(n::text, 3, '0') as run_id,
         now() - interval '{runs} days 12 hours' + n * interval '1 day' as at,
         (n = {runs} and right(d.dag_id, 1) = '0') as failed, {version} as version_id
  from (select dag_id from dag where dag_id like 'large\\_%') d, generate_series(1, {runs}) n;
insert into dag_run
  select r.* from base_run b, made m, jsonb_populate_record(b, jsonb_build_object(
    'id', nextval('dag_run_id_seq'), 'dag_id', m.dag_id, 'run_id', m.run_id, 'logical_date', m.at,
    'execution_date', m.at, 'run_after', m.at, 'data_interval_start', m.at, 'data_interval_end', m.at,
    'queued_at', m.at, 'start_date', m.at, 'end_date', m.at + interval '5 minutes',
    'created_dag_version_id', m.version_id, 'state', case when m.failed then 'failed' else 'success' end)) r;
insert into task_instance
  select r.* from base_ti t, made m, jsonb_populate_record(t, jsonb_build_object(
    'id', gen_random_uuid(), 'dag_id', m.dag_id, 'run_id', m.run_id, 'queued_dttm', m.at,
    'start_date', m.at, 'end_date', m.at + interval '30 seconds', 'duration', 30, 'try_number', 1,
    'dag_version_id', m.version_id,
    'state', case when m.failed and t.task_id = 'task_9' then 'failed' else 'success' end)) r;
create temp table mapped as select * from task_instance where dag_id = 'demo_mapped' limit 1;
delete from task_instance where dag_id = 'demo_mapped';
insert into task_instance
  select r.* from mapped t, generate_series(0, {mapped} - 1) n, jsonb_populate_record(t, jsonb_build_object(
    'id', gen_random_uuid(), 'map_index', n, 'try_number', 1, 'duration', 30,
    'start_date', now() - interval '1 hour', 'end_date', now() - interval '1 hour' + interval '30 seconds',
    'state', case when n % 10 = 0 then 'failed' else 'success' end)) r;
update dag_run set state = 'failed', start_date = now() - interval '1 hour',
  end_date = now() - interval '1 hour' + interval '1 minute' where dag_id = 'demo_mapped';
analyze;
"""

FAILED = {"dag_id": "large_0010", "dag_run_id": "run_100"}
PASSED = {"dag_id": "large_0010", "dag_run_id": "run_099"}
EARLY = (datetime.now(timezone.utc) - timedelta(days=30)).isoformat(timespec="seconds")
CALLS: dict[str, list[dict[str, Any]]] = {
    "list_dags": [{}, {"pattern": "large_09", "limit": 100}],
    "list_dag_runs": [
        {},
        {"dag_id": "large_0010"},
        {"state": "failed"},
        {"start_after": EARLY, "limit": 100},
    ],
    "list_task_instances": [{}, FAILED, {"dag_id": "large_0010", "state": "failed"}, {"state": "failed"}],
    "list_assets": [{}],
    "list_asset_events": [{}],
    "list_pools": [{}],
    "list_variables": [{}],
    "list_connections": [{}],
    "list_event_logs": [{}],
    "list_import_errors": [{}],
    "get_system_health": [{}],
    "diagnose_dag_run": [FAILED, {"dag_id": "large_0010", "dag_run_id": "latest_failed"}],
    "explain_waiting": [{"dag_id": "large_0010"}],
    "find_failures": [{"since": "24h"}, {"since": "90d"}],
    "analyze_dag": [{"dag_id": "large_0010"}],
    "compare_dag_runs": [FAILED, {**FAILED, "other_dag_run_id": "run_050"}],
    **({"list_backfills": [{"dag_id": "large_0010"}], "list_hitl": [{}]} if LINE == 3 else {}),
}


def fill(home: AirflowHome, site: AirflowSite) -> None:
    """Make the runs, and the logs of those that failed."""
    headers = {"Authorization": site.authorization("admin")}
    with httpx.Client(base_url=f"{site.root}{API}/", headers=headers, timeout=60) as rest:
        for dag_id in ("large_0000", "demo_mapped"):
            body = {"logical_date": "2026-05-01T00:00:00Z", "dag_run_id": "run_of_rest"}
            made = rest.post(f"dags/{dag_id}/dagRuns", json=body)
            assert made.status_code in {200, 201}, made.text
    version = "(select max(v.id::text)::uuid from dag_version v where v.dag_id = d.dag_id)"
    home.execute(COPIES.format(runs=RUNS, mapped=MAPPED, version=version if LINE == 3 else "null::int"))
    for number in range(0, MAPPED, MAPPED // MAPPED_FAILED):
        log = home.folder / "logs" / "dag_id=demo_mapped" / "run_id=run_of_rest" / "task_id=halve"
        write_log(log / f"map_index={number}" / "attempt=1.log", 30)
    write_log(
        home.folder / "logs" / f"dag_id={FAILED['dag_id']}" / f"run_id={FAILED['dag_run_id']}"
        "/task_id=task_9/attempt=1.log",
        5 * 1024 * 1024 // 110,
    )


def write_log(file: Path, lines: int) -> None:
    """Write a task's log, about 110 bytes a line, that ends in an exception."""
    file.parent.mkdir(parents=True, exist_ok=True)
    told = [f"row {number:08d} of the batch was read, checked and written" for number in range(lines)]
    if LINE == 3:
        entries: list[dict[str, Any]] = [
            {"timestamp": "2026-06-01T00:00:00.000000Z", "level": "info", "event": text} for text in told
        ]
        failure = {
            "exc_type": "ValueError",
            "exc_value": "3 is odd",
            "frames": [{"filename": "/dags/halve.py", "lineno": 7, "name": "halve"}],
        }
        entries.append({**entries[-1], "level": "error", "event": "Task failed", "error_detail": [failure]})
        file.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    else:
        stamp = "[2026-06-01T00:00:00.000+0000] {halve.py:7}"
        place = 'File "/dags/halve.py", line 7, in halve'
        trace = f"Traceback (most recent call last):\n  {place}\nValueError: 3 is odd"
        iterate_lines = [*(f"{stamp} INFO - {text}" for text in told), f"{stamp} ERROR - Task failed", trace]
        file.write_text("\n".join(iterate_lines) + "\n")


Request = tuple[str, str, bytes, dict[str, str], int]
"""Method, path, body, headers, and the status of the answer."""


@contextmanager
def recording(port: int) -> Iterator[tuple[int, list[Request]]]:
    """Pass on to ``port`` what comes; yield the port to send to, and what has come."""
    seen: list[Request] = []
    kept = ("accept", "content-type", "authorization")

    class Forward(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _forward(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name: self.headers[name] for name in kept if self.headers[name]}
            answer = httpx.request(
                self.command, f"http://127.0.0.1:{port}{self.path}", content=body, headers=headers, timeout=60
            )
            seen.append((self.command, self.path, body, headers, answer.status_code))
            self.send_response_only(answer.status_code)
            self.send_header("Content-Type", answer.headers.get("content-type", "application/json"))
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        do_GET = do_POST = _forward  # noqa: N815 - names of its base

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its base's name
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Forward)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1], seen
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def beside(home: AirflowHome, port: int) -> Iterator[str]:
    """Run ``airflow-mcp serve`` for the Airflow at ``port``; yield its address."""
    own = hold_port()
    code = "import sys; from airflow_provider_mcp.cli.commands import main; sys.exit(main())"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "serve", "--transport", "http", "--port", str(own)],
        env={
            **home.environment(port),
            "AIRFLOW_MCP_URL": f"http://127.0.0.1:{port}",
            "AIRFLOW_MCP_USERNAME": "admin",
            "AIRFLOW_MCP_PASSWORD": "admin",
        },
    )
    url = f"http://127.0.0.1:{own}/mcp/v1"
    try:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            assert process.poll() is None, "airflow-mcp serve did not start"
            try:
                httpx.get(url)
                break
            except httpx.HTTPError:
                time.sleep(0.3)
        yield url
    finally:
        process.terminate()
        process.wait(20)


def seconds(action: Callable[[], Any]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def call(client: httpx.Client, url: str, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Call a tool; return its result."""
    params = {"name": tool, "arguments": arguments}
    answer = client.post(url, json={"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
    assert answer.status_code == 200, answer.text
    result: dict[str, Any] = answer.json()["result"]
    assert not result.get("isError"), f"{tool} {arguments}: {result}"
    return result


def compare(home: AirflowHome, site: AirflowSite) -> dict[str, Any]:
    """Return each tool's time over that of its REST calls, how many those are, and the memory's growth."""
    figures: dict[str, Any] = {}
    headers = {"authorization": site.authorization("admin")}
    with (
        recording(site.port) as (through, seen),
        beside(home, through) as serve,
        httpx.Client(headers=headers, timeout=60) as client,
        httpx.Client(timeout=60) as plain,
    ):
        memory = []
        for tool, variants in CALLS.items():
            for arguments in variants:
                call(plain, serve, tool, arguments)
                seen.clear()
                call(plain, serve, tool, arguments)
                wanted = [each for each in seen if "/auth/token" not in each[1]]

                def send_bare(wanted: list[Request] = wanted) -> None:
                    for method, path, body, sent, status in wanted:
                        url = f"{site.root}{path}"
                        answer = client.request(method, url, content=body, headers={**sent, **headers})
                        assert answer.status_code == status, answer.text

                send_bare()
                call(client, site.url, tool, arguments)
                ratios = []
                for _ in range(BLOCKS):
                    rest = seconds(send_bare)
                    ours = seconds(lambda t=tool, a=arguments: call(client, site.url, t, a))
                    ratios.append(ours / rest)
                shown = ", ".join(f"{name}={value}" for name, value in arguments.items())
                figures[f"{tool}({shown})"] = {
                    "median": statistics.median(ratios),
                    "min": min(ratios),
                    "max": max(ratios),
                    "calls": len(wanted),
                }
        # Again, all of them: what is kept grows with each round. The first ones still warm up each worker.
        for _ in range(ROUNDS):
            for tool, variants in CALLS.items():
                for arguments in variants:
                    call(client, site.url, tool, arguments)
            memory.append(resident(site))
    return {"tools": figures, "MiB": memory}


def texts(site: AirflowSite) -> dict[str, str]:
    """Return the answers whose tokens have a budget."""
    headers = {"Authorization": site.authorization("admin")}
    with httpx.Client(headers=headers, timeout=60) as client:
        listed = client.post(site.url, json={"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).json()[
            "result"
        ]

        def text(tool: str, **arguments: Any) -> str:
            result: str = call(client, site.url, tool, arguments)["content"][0]["text"]
            return result

        return {
            "tools/list": json.dumps(listed, ensure_ascii=False, separators=(",", ":")),
            "list_dags of 56 Dags": text("list_dags", limit=56),
            "get_task_logs of 5 MB": text("get_task_logs", **FAILED, task_id="task_9"),
            "diagnose_dag_run of 150 mapped": text(
                "diagnose_dag_run", dag_id="demo_mapped", dag_run_id="run_of_rest"
            ),
        }


def measured(home: AirflowHome) -> dict[str, Any]:
    with serving(home) as site:
        began = time.monotonic()
        fill(home, site)
        print(f"filled in {time.monotonic() - began:.0f} s", flush=True)
        return {"large": compare(home, site), "texts": texts(site)}


def main() -> None:
    target = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "dags").mkdir()
        (Path(folder) / "dags" / "large.py").write_text(DAG_FILE)
        with prepared(Path(folder)) as home:
            if LINE == 2:
                # To hash a password for each REST call would hide what else a tool costs.
                home.cheapen_passwords()
            results = {"line": LINE, **measured(home)}
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
