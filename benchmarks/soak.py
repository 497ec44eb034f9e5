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
"""Twenty minutes of mixed calls, with a scheduler running: what the web processes hold before and after."""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import httpx

from benchmarks.airflow_home import LINE, prepared, serving
from devtools.airflow_process import AirflowHome, AirflowSite
from devtools.processes import open_files, resident, threads

MINUTES = float(os.environ.get("SOAK_MINUTES", "20"))
WARM_UP_MINUTES = min(3.0, MINUTES / 4)
CLIENTS = 3
SAMPLES = 3
"""How many samples, half a minute apart, make the beginning and the end."""


def message(method: str, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


def tool(name: str, **arguments: Any) -> dict[str, Any]:
    return message("tools/call", name=name, arguments=arguments)


MIXED = [
    tool("list_dags"),
    tool("get_dag", dag_id="demo_params"),
    tool("list_dag_runs"),
    tool("trigger_dag", dag_id="demo_succeeds", unpause=True),
    tool("list_task_instances", dag_id="demo_succeeds"),
    tool("find_failures"),
    tool("analyze_dag", dag_id="demo_succeeds"),
    tool("get_system_health"),
    tool("list_event_logs"),
    tool("list_import_errors"),
    message("tools/list"),
    message("resources/read", uri="airflow://version"),
]
REFUSED = [tool("get_dag", dag_id="no_such_dag"), tool("list_dags", nonsense=1)]


def work(site: AirflowSite, until: float, authorization: str, faults: list[str], counts: list[int]) -> None:
    """Send the mixed calls in turn; keep what went wrong."""
    number = 0
    with httpx.Client(headers={"Authorization": authorization}, timeout=60) as client:
        while time.monotonic() < until:
            number += 1
            wrong = number % 10 == 0
            asked = REFUSED[number // 10 % 2] if wrong else MIXED[number % len(MIXED)]
            try:
                answer = client.post(site.url, json=asked)
                refused = '"isError":true' in answer.text
                if answer.status_code != 200 or refused != wrong:
                    faults.append(f"{asked['params']}: {answer.status_code} {answer.text[:300]}")
            except httpx.HTTPError as failure:
                faults.append(f"{asked['params']}: {failure!r}")
            counts[0] += 1
            if number % 25 == 0:
                assert httpx.post(site.url, json=asked, timeout=60).status_code == 401
            time.sleep(0.2)


def connections(home: AirflowHome) -> int:
    return int(home.execute("select count(*) from pg_stat_activity where datname = 'airflow'"))


def sample(home: AirflowHome, site: AirflowSite) -> dict[str, float]:
    return {
        "MiB": resident(site),
        "threads": threads(site),
        "file handles": open_files(site),
        "database connections": connections(home),
    }


def soak(home: AirflowHome, site: AirflowSite) -> dict[str, Any]:
    """Return each figure at the beginning (after a warm-up) and at the end, the calls and their faults."""
    faults: list[str] = []
    counts = [0]
    until = time.monotonic() + MINUTES * 60
    workers = [
        threading.Thread(target=work, args=(site, until, site.authorization("admin"), faults, counts))
        for _ in range(CLIENTS)
    ]
    for worker in workers:
        worker.start()
    time.sleep(WARM_UP_MINUTES * 60)
    samples = []
    while time.monotonic() < until:
        samples.append(sample(home, site))
        print(f"{LINE}: {counts[0]} calls, {len(faults)} faults, {samples[-1]}", flush=True)
        time.sleep(30)
    for worker in workers:
        worker.join()
    return {
        "minutes": MINUTES,
        "calls": counts[0],
        "faults": len(faults),
        "first faults": faults[:5],
        "held": {
            name: {
                "begin": statistics.median(each[name] for each in samples[:SAMPLES]),
                "end": statistics.median(each[name] for each in samples[-SAMPLES:]),
            }
            for name in samples[0]
        },
        "samples": samples,
    }


def main() -> None:
    target = Path(sys.argv[1])
    with (
        tempfile.TemporaryDirectory() as folder,
        prepared(Path(folder)) as home,
        serving(home) as site,
    ):
        site.start_scheduling()
        results = {"line": LINE, "soak": soak(home, site)}
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
