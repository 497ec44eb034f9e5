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
"""Write the table of what ``benchmarks.measure`` found on each line."""

from __future__ import annotations

import json
import os
import platform
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

LICENCE = "\n".join(line.lstrip("# ") for line in Path(__file__).read_text().splitlines()[:16])
# The budgets of the project, by measure and line; None where there is none for that line.
LATENCY = {3: 1.15, 2: 1.05}
THROUGHPUT = 0.9
HEALTH = 2.0
FIRST_CALL = 1.5
IMPORT_MS = 15
IMPORT_MIB = 1
WORKER_MIB = 40


def row(line: int, measure: str, found: dict[str, float], budget: float, *, at_least: bool = False) -> str:
    met = found["median"] >= budget if at_least else found["median"] <= budget
    spread = f"{found['min']:.2f} to {found['max']:.2f}"
    sign = ">=" if at_least else "<="
    verdict = "met" if met else "**not met**"
    return f"| {line} | {measure} | {found['median']:.2f} | {spread} | {sign} {budget} | {verdict} |"


def rows_of(results: dict[str, Any]) -> list[str]:
    line = results["line"]
    rows = [
        row(line, f"tool call over REST call: {name}", found, LATENCY[line])
        for name, found in results["latency"].items()
    ]
    for clients, found in results["throughput"].items():
        many = f"{clients} client{'s' if clients != '1' else ''}"
        rows.append(row(line, f"throughput over REST, {many}", found["ratio"], THROUGHPUT, at_least=True))
        rows.append(row(line, f"health check's p95 over that under REST, {many}", found["health"], HEALTH))
        errors = {"median": found["errors"], "min": found["errors"], "max": found["errors"]}
        rows.append(row(line, f"errors, {many}", errors, 0))
    rows.append(row(line, "first call over steady", results["first call over steady"], FIRST_CALL))
    rows.append(row(line, "MiB added to a web worker", results["MiB added to a web worker"], WORKER_MIB))
    for name, found in results["footprint"].items():
        rows.append(row(line, f"added to {name}", found, IMPORT_MS if name.endswith("ms") else IMPORT_MIB))
    return rows


def main() -> None:
    found = [json.loads(file.read_text()) for file in sorted(Path(sys.argv[1]).glob("airflow*.json"))]
    when = datetime.now(timezone.utc).date().isoformat()
    out = [
        f"<!--\n{LICENCE}\n-->",
        "# Results",
        "",
        "Written by `make bench`; each figure is the median of interleaved blocks of one run.",
        f"Measured on {when}, {os.cpu_count()} processors, Python {platform.python_version()}.",
        "",
        "| Airflow | measure | figure | spread | budget | |",
        "| --- | --- | --- | --- | --- | --- |",
        *(line for results in found for line in rows_of(results)),
    ]
    Path(sys.argv[2]).write_text("\n".join(out) + "\n")
    print("\n".join(out[3:]))


if __name__ == "__main__":
    main()
