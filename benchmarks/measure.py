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
"""Measure MCP beside the bare REST API on the installed line of Airflow; writes one JSON file.

Every figure is a ratio (or a difference) of two things measured in turn in the same run, with the smallest
and the largest of its blocks.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from benchmarks.airflow_home import API, LINE, prepared, serving
from devtools.airflow_process import ROOT, AirflowHome, AirflowSite
from devtools.processes import resident_of_worker

BLOCKS = 5
CALLS = 200 if LINE == 3 else 60
LOADS = {1: (8, 2), 4: (8, 2), 16: (8, 2), 64: (3, 5)}
"""By how many clients: how often each side is loaded, and for how many seconds.

Short turns, since a shared machine's own speed comes and goes; longer ones where REST stands still.
"""
WEB_WORKERS = (1, 2) if LINE == 3 else (4,)
WITHOUT = str(ROOT / "benchmarks" / "without_provider")

Figure = dict[str, float]


def figure(values: list[float]) -> Figure:
    """Return the median of the blocks and their spread."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def p95(values: list[float]) -> float:
    return sorted(values)[int(len(values) * 0.95)]


Pair = tuple[dict[str, Any], dict[str, Any]]
"""A REST request and the tool call that makes just that one, as httpx takes them."""


def calls_of(site: AirflowSite) -> dict[str, Pair]:
    """Return what is compared."""

    def tool(name: str, **arguments: Any) -> dict[str, Any]:
        message = {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "tools/call",
            "params": {"name": name, "arguments": arguments},
        }
        return {"method": "POST", "url": site.url, "json": message}

    def rest(route: str, **params: Any) -> dict[str, Any]:
        return {"method": "GET", "url": f"{site.root}{API}/{route}", "params": params}

    return {
        "list": (rest("dags", limit=25, offset=0, order_by="dag_id"), tool("list_dags")),
        "get": (
            rest("dags/demo_params/details"),
            tool("get_dag", dag_id="demo_params", include=["params"]),
        ),
    }


def seconds(action: Callable[[], Any]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def latency(site: AirflowSite, calls: dict[str, Pair]) -> dict[str, Figure]:
    """Return the ratios of a tool call's time to that of its REST call: median and 95th percentile."""
    headers = {"Authorization": site.authorization("admin")}
    figures: dict[str, Figure] = {}
    with httpx.Client(headers=headers, timeout=60) as client:

        def send(request: dict[str, Any]) -> None:
            answer = client.request(**request)
            assert answer.status_code == 200, answer.text
            assert '"isError":true' not in answer.text, answer.text

        for name, (rest, tool) in calls.items():
            for _ in range(20):
                send(rest)
                send(tool)
            medians, tails = [], []
            for _ in range(BLOCKS):
                took: tuple[list[float], list[float]] = ([], [])
                for number in range(CALLS):
                    pairs = ((0, rest), (1, tool))
                    for which, request in pairs if number % 2 else reversed(pairs):
                        took[which].append(seconds(lambda request=request: send(request)))
                medians.append(statistics.median(took[1]) / statistics.median(took[0]))
                tails.append(p95(took[1]) / p95(took[0]))
            figures[f"{name}, median"] = figure(medians)
            figures[f"{name}, 95th percentile"] = figure(tails)
    return figures


def settle(site: AirflowSite) -> None:
    """Wait until an earlier load has left nothing behind: ten quick answers of the health check on end."""
    until = time.perf_counter() + 180
    quick = 0
    with httpx.Client(timeout=60, trust_env=False) as http:
        while quick < 10:
            assert time.perf_counter() < until, "the web process does not come back from its load"
            try:
                took = seconds(lambda: http.get(site.health))
            except httpx.HTTPError:
                took = 60
            quick = quick + 1 if took < 0.2 else 0
            time.sleep(0.1)


@dataclass
class Load:
    """What came of it: answers a second, errors, and the seconds that each health check took."""

    rate: float
    errors: int
    health: list[float]


async def load(
    site: AirflowSite, request: dict[str, Any], clients: int, duration: float, authorization: str
) -> Load:
    """Send ``request`` in closed loops for ``duration`` seconds."""
    began = time.perf_counter()
    until = began + duration
    counts = [0, 0]
    health: list[float] = []
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=clients)
    async with httpx.AsyncClient(
        headers={"Authorization": authorization}, timeout=60, limits=limits, trust_env=False
    ) as http:

        async def loop() -> None:
            while time.perf_counter() < until:
                try:
                    answer = await http.request(**request)
                    wrong = answer.status_code != 200 or '"isError":true' in answer.text
                except httpx.HTTPError:
                    wrong = True
                counts[wrong] += 1

        async def watch() -> None:
            while time.perf_counter() < until:
                asked = time.perf_counter()
                try:
                    await http.get(site.health, headers={"Authorization": ""})
                except httpx.HTTPError:
                    counts[1] += 1
                health.append(time.perf_counter() - asked)
                await asyncio.sleep(0.1)

        await asyncio.gather(watch(), *(loop() for _ in range(clients)))
        # To the last answer, since what was asked before the end is counted.
        took = time.perf_counter() - began
    return Load(counts[0] / took, counts[1], health)


def throughput(site: AirflowSite, pair: Pair) -> dict[str, Any]:
    """Return the ratios of tool calls to REST calls a second, errors, and the health check's p95."""
    authorization = site.authorization("admin")
    figures: dict[str, Any] = {}
    for clients, (turns, duration) in LOADS.items():
        ratios: list[float] = []
        health: tuple[list[float], list[float]] = ([], [])
        errors = [0, 0]
        for turn in range(turns):
            rates = [0.0, 0.0]
            for side in (0, 1) if turn % 2 else (1, 0):
                settle(site)
                found = asyncio.run(load(site, pair[side], clients, duration, authorization))
                rates[side] = found.rate
                errors[side] += found.errors
                health[side].extend(found.health)
            # Of a REST API that answered none, one answer is assumed: the ratio is more than that.
            ratios.append(rates[1] / (rates[0] or 1 / duration))
        figures[str(clients)] = {
            "ratio": figure(ratios),
            "health": figure([p95(health[1]) / p95(health[0])]),
            "errors": errors[1],
            "errors of REST": errors[0],
        }
        print(f"{clients} clients: {figures[str(clients)]}", flush=True)
    return figures


def fresh_worker(home: AirflowHome) -> dict[str, Figure]:
    """Return first tool call over the steady one, and the memory that serving adds, with one worker."""
    ratios, added = [], []
    for _ in range(3):
        memory = {}
        for enabled in ("False", "True"):
            with serving(home, 1, AIRFLOW__MCP__ENABLED=enabled) as site:
                rest, tool = calls_of(site)["list"]
                with httpx.Client(
                    headers={"Authorization": site.authorization("admin")}, timeout=60
                ) as client:
                    for _ in range(20):
                        client.request(**rest)
                    # What a deployment's first user would wait for, some seconds after the start.
                    time.sleep(3)
                    if enabled == "True":
                        first = seconds(lambda client=client, tool=tool: client.request(**tool))
                        steady = [
                            seconds(lambda client=client, tool=tool: client.request(**tool))
                            for _ in range(50)
                        ]
                        ratios.append(first / statistics.median(steady))
                    for _ in range(100):
                        client.request(**rest)
                memory[enabled] = resident_of_worker(site)
        added.append(memory["True"] - memory["False"])
    return {"first call over steady": figure(ratios), "MiB added to a web worker": figure(added)}


LOADING = "from airflow.plugins_manager import ensure_plugins_loaded; ensure_plugins_loaded()"
"""What a scheduler and a worker do when they start."""
PROCESSES = {
    "airflow version": ("-m", "airflow", "version"),
    "airflow tasks list": ("-m", "airflow", "tasks", "list", "demo_succeeds"),
    "a process that loads plugins": ("-c", LOADING),
}


def footprint(home: AirflowHome) -> dict[str, Figure]:
    """Return what the provider adds to processes that serve no web: import milliseconds and peak MiB."""
    env = home.environment()
    figures: dict[str, Figure] = {}
    for name, arguments in PROCESSES.items():
        imported, memory = [], []
        # The first time is left out: it compiles what has no byte code yet.
        for _ in range(1 + BLOCKS):
            peak = {}
            for where in ("with", "without"):
                path = WITHOUT if where == "without" else ""
                command = [sys.executable, "-X", "importtime", *arguments]
                child = subprocess.Popen(
                    command,
                    env={**env, "PYTHONPATH": path},
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    text=True,
                )
                assert child.stderr is not None
                said = child.stderr.read()
                _, status, usage = os.wait4(child.pid, 0)
                child.returncode = os.waitstatus_to_exitcode(status)
                assert child.returncode == 0, said[-2000:]
                peak[where] = usage.ru_maxrss / 1024
                if where == "with":
                    imported.append(own_imports(said))
            memory.append(peak["with"] - peak["without"])
        figures[f"{name}: ms"] = figure(imported[1:])
        figures[f"{name}: MiB"] = figure(memory[1:])
    return figures


def own_imports(importtime: str) -> float:
    """Return the milliseconds that importing our modules took, with all that they alone pulled in."""
    total = 0.0
    # A line is "self | cumulative | indented name"; an outer module comes after what it imported.
    lines = [line.split("|") for line in importtime.splitlines() if line.startswith("import time:")]
    outer: int | None = None
    for parts in reversed(lines):
        name = parts[2].rstrip()
        depth = len(name) - len(name.lstrip())
        if outer is not None and depth > outer:
            continue
        outer = None
        if name.strip().startswith(("airflow.providers.mcp", "airflow_provider_mcp")):
            total += int(parts[1]) / 1000
            outer = depth
    return total


def main() -> None:
    target = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder, prepared(Path(folder)) as home:
        results: dict[str, Any] = {"line": LINE, "footprint": footprint(home)}
        print("footprint measured", flush=True)
        results |= fresh_worker(home)
        print("fresh worker measured", flush=True)
        results["throughput"] = {}
        for workers in WEB_WORKERS:
            with serving(home, workers) as site:
                if workers == WEB_WORKERS[0]:
                    results["latency"] = latency(site, calls_of(site))
                    print(f"latency measured: {results['latency']}", flush=True)
                results["throughput"][str(workers)] = throughput(site, calls_of(site)["list"])
                print(f"throughput of {workers} measured", flush=True)
        if LINE == 2:
            home.cheapen_passwords()
            with serving(home) as site:
                results["latency, cheap credential"] = latency(site, calls_of(site))
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
