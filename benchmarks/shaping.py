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
"""What a result costs on its way out: cutting it, and cleaning it. Run ``python -m benchmarks.shaping``.

Cutting is linear: twice the input takes about twice the time, whatever its shape. Cleaning is paid for what
goes out alone, at most ``max_result_chars``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from airflow_provider_mcp.server.foreign_text import Cleaner
from airflow_provider_mcp.server.shaping import shape_result
from tests.fixtures.foreign_text.logs import build_logs

LIMIT = 40_000

SHAPES: dict[str, Callable[[int], Any]] = {
    "short keys": lambda size: {f"key_{number}": f"value {number}" for number in range(size // 30)},
    "rows": lambda size: [{"id": number, "name": f"row {number}"} for number in range(size // 30)],
    "one huge key": lambda size: {"k" * size: 1},
    "one text": lambda size: "x" * size,
    "numbers": lambda size: [0] * (size // 2),
    "empty lists": lambda size: [[] for _ in range(size // 3)],
    "lists of lists": lambda size: {f"l{k}": [[0] for _ in range(size // 400)] for k in range(100)},
}


def measure(work: Callable[[], object]) -> float:
    """Return the shortest of three times, in seconds."""
    times = []
    for _ in range(3):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times)


def main() -> None:
    print("| what | 2 MB | 4 MB | ratio |\n| --- | --- | --- | --- |")
    for name, build in SHAPES.items():
        half, whole = ({"value": build(size)} for size in (2_000_000, 4_000_000))
        first = measure(lambda data=half: shape_result(data, LIMIT))  # type: ignore[misc]
        second = measure(lambda data=whole: shape_result(data, LIMIT))  # type: ignore[misc]
        print(f"| cut: {name} | {first * 1000:.0f} ms | {second * 1000:.0f} ms | {second / first:.1f} |")
    data = {"lines": [{"event": line} for line in build_logs(LIMIT).split("\n")]}
    for mode in ("off", "fence", "lockdown"):
        cost = measure(lambda mode=mode: Cleaner(mode).clean(data))  # type: ignore[arg-type, misc]
        print(f"| clean 40,000 characters of logs, {mode} | {cost * 1000:.1f} ms | | |")


if __name__ == "__main__":
    main()
