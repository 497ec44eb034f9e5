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
"""What it costs that each call is observed, and how long pages take; writes one JSON file.

A web process that writes the audit log of all calls and sends metrics stands beside one that does neither, on
the same database. They are asked in turn, each for long enough that its writing falls into its own time.
"""

from __future__ import annotations

import json
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

from benchmarks.airflow_home import LINE, prepared, serving
from benchmarks.measure import Figure, Pair, calls_of, figure, p95, seconds
from devtools.airflow_process import AirflowHome, AirflowSite
from devtools.sessions import open_browser

BLOCKS = 12
CALLS = 200 if LINE == 3 else 60
AT_ONCE = 1.0
"""Seconds after which what was called is written: rows are gathered for half a second."""

ROWS = 1000
"""Calls in the audit log, beside a hundred times as many other rows."""

PAGES = ("", "tools", "calls", "faults")
LOADS = 15


def compare(watched: AirflowSite, bare: AirflowSite) -> dict[str, Figure]:
    """Return the ratios of a call's time with audit row and metrics to that without."""
    headers = {"Authorization": watched.authorization()}
    figures: dict[str, Figure] = {}
    with httpx.Client(headers=headers, timeout=60) as client:

        def send(request: dict[str, Any]) -> None:
            answer = client.request(**request)
            assert answer.status_code == 200, answer.text
            assert '"isError":true' not in answer.text, answer.text

        sides: list[dict[str, Pair]] = [calls_of(watched), calls_of(bare)]
        for name in sides[0]:
            ratios: dict[str, list[float]] = {"median": [], "mean": [], "95th percentile": []}
            for block in range(-1, BLOCKS):
                took: tuple[list[float], list[float]] = ([], [])
                for side in random.sample((0, 1), 2):
                    request = sides[side][name][1]
                    for _ in range(CALLS):
                        took[side].append(seconds(lambda request=request: send(request)))
                    time.sleep(AT_ONCE)
                if block >= 0:
                    ratios["median"].append(statistics.median(took[0]) / statistics.median(took[1]))
                    ratios["mean"].append(statistics.mean(took[0]) / statistics.mean(took[1]))
                    ratios["95th percentile"].append(p95(took[0]) / p95(took[1]))
            for kind, found in ratios.items():
                figures[f"{name}, {kind}"] = figure(found)
                print(f"{name}, {kind}: {figures[f'{name}, {kind}']}", flush=True)
    return figures


def fill(home: AirflowHome) -> None:
    """Write the audit log of a busy Airflow."""
    home.execute(
        f"""
        insert into log (dttm, event, owner) select now() - n * interval '1 s', 'trigger', 'admin'
        from generate_series(1, {100 * ROWS}) n;
        insert into log (dttm, event, owner, dag_id, run_id, extra)
        select now() - n * interval '1 s', 'mcp.tool_call', 'admin', 'demo_params', 'manual__' || n,
            json_build_object('client', 'claude-code/2.1.332', 'tool', 'tool_' || n % 40, 'access', 'read',
                'outcome', case when n % 9 = 0 then 'not_found' else 'ok' end, 'duration', 0.25)
        from generate_series(1, {ROWS}) n;
        """  # noqa: S608
    )


def time_pages(site: AirflowSite) -> dict[str, Figure]:
    """Return the milliseconds that each page takes."""
    figures: dict[str, Figure] = {}
    with open_browser(site.root) as browser:
        for page in PAGES:
            took = []
            for _ in range(LOADS + 3):
                began = time.perf_counter()
                answer = browser.get(f"/mcp/{page}")
                took.append((time.perf_counter() - began) * 1000)
                assert answer.status_code == 200, answer.text
            if page == "calls":
                assert answer.text.count('<tr class="call">') == ROWS
            figures[f"/mcp/{page}"] = figure(took[3:])
            print(f"/mcp/{page}: {figures[f'/mcp/{page}']}", flush=True)
    return figures


def main() -> None:
    target = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder, prepared(Path(folder)) as home:
        if LINE == 2:
            home.cheapen_passwords()
        metrics = {"AIRFLOW__METRICS__STATSD_ON": "True", "AIRFLOW__METRICS__STATSD_HOST": "127.0.0.1"}
        with (
            serving(home, AIRFLOW__MCP__AUDIT_LOG="all", **metrics) as watched,
            serving(home, AIRFLOW__MCP__AUDIT_LOG="none") as bare,
        ):
            results: dict[str, Any] = {"line": LINE, "observed over not": compare(watched, bare)}
            fill(home)
            results["milliseconds of a page"] = time_pages(bare)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
