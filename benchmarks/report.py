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
"""Write the table of what the benchmarks found, beside the project's budgets."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from devtools.tokens import tokens

LICENCE = "\n".join(line.lstrip("# ") for line in Path(__file__).read_text().splitlines()[:16])
LATENCY = {3: 1.15, 2: 1.05}
THROUGHPUT = 0.9
HEALTH = 2.0
FIRST_CALL = 1.5
IMPORT_MS = 15
IMPORT_MIB = 1
WORKER_MIB = 40
LARGE = 2.0
WAITING = 2.0
FLOOD = 3.0
GEVENT_SECONDS = 0.2
STATEMENTS = {3: 0, 2: 1}
CLEANING_LOG = 5
CLEANING_LIST = 2
TOKENS = {
    "tools/list": 9_000,
    "list_dags of 56 Dags": 3_400,
    "get_task_logs of 5 MB": 10_000,
    "diagnose_dag_run of 150 mapped": 2_500,
}
# Of what a soak holds at its beginning; so much comes and goes from one minute to the next.
SOAK_SHARE = 0.05
SOAK_COUNT = 2

Figure = dict[str, float]


def one(value: float) -> Figure:
    return {"median": value, "min": value, "max": value}


def row(line: Any, measure: str, found: Figure, budget: float | None, *, at_least: bool = False) -> str:
    shown = f"{found['median']:.2f}" if found["median"] < 100 else f"{found['median']:,.0f}"
    spread = "" if found["min"] == found["max"] else f"{found['min']:.2f} to {found['max']:.2f}"
    if budget is None:
        return f"| {line} | {measure} | {shown} | {spread} | | |"
    met = found["median"] >= budget if at_least else found["median"] <= budget
    sign = ">=" if at_least else "<="
    verdict = "met" if met else "**not met**"
    return f"| {line} | {measure} | {shown} | {spread} | {sign} {budget:,} | {verdict} |"


def loads(line: Any, found: dict[str, Any], where: str) -> Iterator[str]:
    for clients, figures in found.items():
        many = f"{clients} client{'s' if clients != '1' else ''}, {where}"
        yield row(line, f"throughput over REST, {many}", figures["ratio"], THROUGHPUT, at_least=True)
        yield row(line, f"health check's p95 over that under REST, {many}", figures["health"], HEALTH)
        yield row(line, f"errors, {many}", one(figures["errors"]), 0)
        if figures["errors of REST"]:
            yield row(line, f"errors of the bare REST API, {many}", one(figures["errors of REST"]), None)


def measured(results: dict[str, Any]) -> Iterator[str]:
    line = results["line"]
    how = " (basic authentication)" if line == 2 else ""
    for name, found in results["latency"].items():
        yield row(line, f"tool call over REST call, {name}{how}", found, LATENCY[line])
    for name, found in results.get("latency, cheap credential", {}).items():
        yield row(
            line, f"tool call over REST call, {name} (a credential that is cheap to check)", found, None
        )
    for workers, found in results["throughput"].items():
        yield from loads(line, found, f"{workers} worker{'s' if workers != '1' else ''}")
    yield row(line, "first call over steady", results["first call over steady"], FIRST_CALL)
    yield row(line, "MiB added to a web worker", results["MiB added to a web worker"], WORKER_MIB)
    for name, found in results["footprint"].items():
        yield row(line, f"added to {name}", found, IMPORT_MS if name.endswith("ms") else IMPORT_MIB)


def large(results: dict[str, Any]) -> Iterator[str]:
    line = results["line"]
    tools = results["large"]["tools"]
    slowest = max(tools, key=lambda name: tools[name]["median"])
    yield row(
        line,
        f"large: the slowest of {len(tools)} calls over its REST calls, {slowest}",
        tools[slowest],
        LARGE,
    )
    memory = results["large"]["MiB"]
    yield row(
        line,
        f"large: MiB grown in the last {len(memory) // 2} rounds",
        one(memory[-1] - memory[len(memory) // 2 - 1]),
        None,
    )
    for (name, _), count in zip(results["texts"].items(), tokens(*results["texts"].values()), strict=True):
        yield row(line, f"tokens of {name}", one(count), TOKENS[name])


def soaked(results: dict[str, Any]) -> Iterator[str]:
    line, found = results["line"], results["soak"]
    yield row(
        line,
        f"soak of {found['minutes']:.0f} minutes: faults in {found['calls']:,} calls",
        one(found["faults"]),
        0,
    )
    for name, held in found["held"].items():
        allowed = held["begin"] * SOAK_SHARE if name == "MiB" else SOAK_COUNT
        measure = f"soak: {name} more than the {held['begin']:.0f} of the beginning"
        yield row(line, measure, one(held["end"] - held["begin"]), round(allowed, 1))


def crowded(results: dict[str, Any]) -> Iterator[str]:
    line = results["line"]
    if waiting := results.get("waiting"):
        beside = f"while {waiting['clients']} callers wait"
        yield row(line, f"health check's p95 {beside}, over idle", waiting["ratio"], WAITING)
        yield row(line, f"errors {beside}", one(waiting["errors"]), 0)
    if flood := results.get("flood"):
        what = "p95 of one caller's list_dags over that alone, another floods with 64 connections"
        yield row(line, f"{what} and is answered", flood["answered"]["answered"], FLOOD)
        yield row(line, f"{what} and is refused", flood["refused"]["refused"], FLOOD)
        yield row(line, f"{what} by REST", flood["answered"]["by REST"], None)
        refused = sum(answers.get("rate_limited", 0) for answers in flood["refused"]["answers"].values())
        yield row(line, "calls of the flood that were told rate_limited", one(refused), 1, at_least=True)
    for tool, found in results.get("gevent", {}).items():
        beside = f"under gevent, {found['clients']} calls of {tool} at once"
        yield row(line, f"health check's p95 in seconds, {beside}", found["s"], GEVENT_SECONDS)
        yield row(line, f"errors, {beside}", one(found["errors"]), 0)


def counted(results: dict[str, Any]) -> Iterator[str]:
    line, tools = results["line"], results["tools"]
    most = max(tools, key=lambda name: tools[name]["more"])
    measure = f"statements of a tool call over its REST calls', the most of {len(tools)} tools, {most}"
    yield row(line, measure, one(tools[most]["more"]), STATEMENTS[line])


def cleaned(results: dict[str, Any]) -> Iterator[str]:
    for name, found in results["percent"].items():
        measure = f"percent of its time that masking and sanitising take, {name}"
        yield row(results["line"], measure, found, CLEANING_LOG if "MB" in name else CLEANING_LIST)


def huge(results: dict[str, Any]) -> Iterator[str]:
    line, size = results["line"], f"{results['dags']:,} Dags, {results['instances']:,} task instances"
    for kind, calls in (("calls", results["calls"]), ("calls that never end", results["endless"])):
        slowest = max(calls, key=lambda name: calls[name]["seconds"])
        measure = f"{size}: seconds of the slowest of {len(calls)} {kind}, {slowest}"
        yield row(line, measure, one(calls[slowest]["seconds"]), 50)
        active = sum(each["active"] for each in calls.values())
        yield row(line, f"{size}: statements that go on after {kind}", one(active), 0)


def each_call(found: list[dict[str, Any]]) -> Iterator[str]:
    for results in found:
        for name, figures in results["large"]["tools"].items():
            spread = f"{figures['min']:.2f} to {figures['max']:.2f}"
            cells = (
                str(results["line"]),
                f"`{name}`",
                str(figures["calls"]),
                f"{figures['median']:.2f}",
                spread,
            )
            yield f"| {' | '.join(cells)} |"


def main() -> None:
    folder, target, notes = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])

    def read(name: str) -> list[dict[str, Any]]:
        files = [folder / f"{name}{line}.json" for line in (3, 2)]
        return [json.loads(file.read_text()) for file in files if file.exists()]

    rows = [line for results in read("measure") for line in measured(results)]
    rows += [line for results in read("large") for line in large(results)]
    rows += [line for results in read("callers") for line in crowded(results)]
    rows += [line for results in read("statements") for line in counted(results)]
    rows += [line for results in read("cleaning") for line in cleaned(results)]
    rows += [line for results in read("huge") for line in huge(results)]
    rows += [line for results in read("soak") for line in soaked(results)]
    when = datetime.now(timezone.utc).date().isoformat()
    out = [
        f"<!--\n{LICENCE}\n-->",
        "# Results",
        "",
        "Written by `make bench`. Each figure is the median of interleaved blocks of one run, with the least",
        f"and the greatest of them. {when}, {os.cpu_count()} processors, Python {platform.python_version()},",
        "PostgreSQL on the same machine.",
        "",
        "| Airflow | measure | figure | spread | budget | |",
        "| --- | --- | --- | --- | --- | --- |",
        *rows,
    ]
    peer = folder / "peer.json"
    if peer.exists():
        found = json.loads(peer.read_text())
        out += [
            "",
            f"## astro-airflow-mcp {found['version']}, measured in the same way on Airflow 3",
            "",
            "| | measure | figure | spread | | |",
            "| --- | --- | --- | --- | --- | --- |",
        ]
        out += [
            row("peer", f"tool call over REST call, {name}", each, None)
            for name, each in found["latency"].items()
        ]
    out += [
        "",
        "## 1,000 Dags, 100,000 Dag runs, a million task instances: each call over its REST calls",
        "",
        "| Airflow | call | REST calls | figure | spread |",
        "| --- | --- | --- | --- | --- |",
        *each_call(read("large")),
        "",
        notes.read_text().split("-->", 1)[1].strip(),
    ]
    target.write_text("\n".join(out) + "\n")
    print("\n".join(out[3:]))


if __name__ == "__main__":
    main()
