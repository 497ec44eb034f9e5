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
"""What callers who wait, and one who floods, cost the others; writes one JSON file.

What is timed is asked for in turn without them and beside them. They are in a process of their own, so that
the clock is not slowed by their clients; the processors are the same.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx

from benchmarks.airflow_home import LINE, WORKERS, prepared, serving
from benchmarks.measure import calls_of, figure, p95, seconds, settle
from devtools.airflow_process import AirflowHome, AirflowSite

TURNS = 2
ALONE = 20.0
"""Seconds of a turn without the others."""

WAIT = 45
"""For so many seconds a call waits, the most it may."""

AGAIN = 5.0
"""Seconds after which a caller who could not wait any longer calls again, as the answer says."""

FLOOD = 64
FLOOD_SECONDS = 20.0
LONGEST = 120.0
"""For so many seconds at most is the one caller timed: a flood by REST may end much later."""

PAUSE = 0.12
"""Seconds between the calls of one caller, who stays below the own limit, 600 a minute."""

ALLOWED = 120
"""Calls a minute, where the flood is to be refused: a slow machine would take minutes to use up 600."""

PAUSE_OF_ALLOWED = 0.9

AT_ONCE = 40
"""So many calls are made at once under gevent's workers."""

AT_ONCE_ROUNDS = 10


@dataclass(frozen=True)
class Crowd:
    """Clients that send the same request in closed loops.

    :param pause: Seconds that each lets go by after an answer.
    :param rounds: How often each calls; 0 for as long as ``seconds`` say.
    """

    request: dict[str, Any]
    authorization: str
    clients: int = 1
    pause: float = 0.0
    seconds: float = 0.0
    rounds: int = 0

    async def send_all(self) -> Counter[str]:
        """Send until it is over; return how many answers there were of each kind."""
        until = time.monotonic() + self.seconds
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=self.clients)
        headers = {"Authorization": self.authorization}
        answers: Counter[str] = Counter()
        async with httpx.AsyncClient(headers=headers, timeout=120, limits=limits, trust_env=False) as http:

            async def loop() -> None:
                done = 0
                while time.monotonic() < until or done < self.rounds:
                    try:
                        answer = await http.request(**self.request)
                        answers[name_answer(answer.status_code, answer.text)] += 1
                    except httpx.HTTPError as failure:
                        answers[type(failure).__name__] += 1
                    done += 1
                    if self.pause:
                        await asyncio.sleep(self.pause)

            await asyncio.gather(*(loop() for _ in range(self.clients)))
        return answers


def name_answer(status: int, text: str) -> str:
    """Say in a word what came of a call."""
    if status != 200:
        return f"HTTP {status}"
    if '"isError":true' not in text:
        return "ok"
    return "rate_limited" if '"code":"rate_limited"' in text else "error"


def tool_call(site: AirflowSite, tool: str, **arguments: Any) -> dict[str, Any]:
    """Return a tool call as httpx takes it."""
    params = {"name": tool, "arguments": arguments}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    return {"method": "POST", "url": site.url, "json": message}


def _run(crowd: Crowd, answers: Any) -> None:
    answers.send(asyncio.run(crowd.send_all()))


@contextmanager
def beside(crowd: Crowd, answers: Counter[str]) -> Iterator[Callable[[], bool]]:
    """Run a crowd meanwhile, to its end; yield what says whether it goes on. ``answers`` counts."""
    context = multiprocessing.get_context("spawn")
    take, give = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(crowd, give))
    process.start()
    try:
        # It has an interpreter to start.
        time.sleep(2)
        yield process.is_alive
        if take.poll(180):
            answers.update(take.recv())
    finally:
        process.join(10)
        process.kill()


def time_each(
    send: Callable[[], None], pause: float, goes_on: Callable[[], bool], length: float = 1e9
) -> list[float]:
    """Return the seconds of each ``send``, until it is over."""
    took = []
    until = time.monotonic() + length
    while time.monotonic() < until and goes_on():
        took.append(seconds(send))
        time.sleep(pause)
    return took


@contextmanager
def asking_health(site: AirflowSite) -> Iterator[Callable[[], None]]:
    with httpx.Client(timeout=60, trust_env=False) as http:

        def ask() -> None:
            answer = http.get(site.health)
            assert answer.status_code == 200, answer.text

        yield ask


def start_run(site: AirflowSite) -> dict[str, Any]:
    """Start a run that does not end: nothing schedules it."""
    started = site.call("trigger_dag", dag_id="demo_waiting", unpause=True)["structuredContent"]
    return {"dag_id": "demo_waiting", "dag_run_id": started["dag_run_id"]}


def beside_waiting(site: AirflowSite, workers: int) -> dict[str, Any]:
    """Return the health check's p95 while twice as many calls wait as there are workers, over idle."""
    crowd = Crowd(
        tool_call(site, "wait_for_dag_run", **start_run(site), timeout_seconds=WAIT),
        site.authorization(),
        clients=2 * workers,
        pause=AGAIN,
        seconds=WAIT - 5,
    )
    ratios, answers = [], Counter[str]()
    idle_ms, waiting_ms = [], []
    with asking_health(site) as ask:
        time_each(ask, 0, lambda: True, 3)
        for _ in range(TURNS):
            idle = p95(time_each(ask, 0.1, lambda: True, ALONE))
            with beside(crowd, answers) as goes_on:
                waiting = p95(time_each(ask, 0.1, goes_on))
            ratios.append(waiting / idle)
            idle_ms.append(1000 * idle)
            waiting_ms.append(1000 * waiting)
    return {
        "clients": crowd.clients,
        "ratio": figure(ratios),
        "ms idle": figure(idle_ms),
        "ms": figure(waiting_ms),
        "errors": answers.total() - answers["ok"],
        "answers": dict(answers),
    }


def beside_floods(site: AirflowSite, crowds: Mapping[str, Crowd], pause: float) -> dict[str, Any]:
    """Return the p95 of one caller's list of Dags beside each of these, in turn, over that alone."""
    listing = calls_of(site)["list"][1]
    found: dict[str, list[float]] = defaultdict(list)
    answers: dict[str, Counter[str]] = {name: Counter() for name in crowds}
    own = Counter[str]()
    with httpx.Client(headers={"Authorization": site.authorization()}, timeout=120, trust_env=False) as http:

        def ask() -> None:
            try:
                answer = http.request(**listing)
                own[name_answer(answer.status_code, answer.text)] += 1
            except httpx.HTTPError as failure:
                own[type(failure).__name__] += 1

        time_each(ask, pause, lambda: True, 3)
        for _ in range(TURNS):
            alone = p95(time_each(ask, pause, lambda: True, ALONE))
            found["ms alone"].append(1000 * alone)
            for name, crowd in crowds.items():
                with beside(crowd, answers[name]) as goes_on:
                    took = p95(time_each(ask, pause, goes_on, LONGEST))
                found[f"ms {name}"].append(1000 * took)
                found[name].append(took / alone)
                print(f"flood: {name} {dict(found)} {answers[name]} {own}", flush=True)
            settle(site)
    figures: dict[str, Any] = {name: figure(values) for name, values in found.items()}
    counts = {name: dict(each) for name, each in answers.items()}
    return {**figures, "errors": own.total() - own["ok"], "answers": counts}


def beside_flood(home: AirflowHome) -> dict[str, Any]:
    """Return what a flood costs that is answered, one that is refused, and one by REST."""
    with serving(home, AIRFLOW__MCP__CALLS_PER_MINUTE="600") as site:
        rest, listing = calls_of(site)["list"]
        crowd = Crowd(listing, site.authorization("viewer"), FLOOD, seconds=FLOOD_SECONDS)
        answered = beside_floods(site, {"answered": crowd, "by REST": replace(crowd, request=rest)}, PAUSE)
    # Each worker counts for itself.
    allowed = str(ALLOWED // WORKERS)
    with serving(home, AIRFLOW__MCP__CALLS_PER_MINUTE=allowed) as site:
        listing = calls_of(site)["list"][1]
        crowd = Crowd(listing, site.authorization("viewer"), FLOOD, seconds=FLOOD_SECONDS)
        # What is wrong counts as a call, too, and soon uses up what a minute allows.
        spending = replace(crowd, request=tool_call(site, "list_dags", limit="all"))
        crowds = {"spending": spending, "refused": crowd}
        refused = beside_floods(site, crowds, PAUSE_OF_ALLOWED)
    return {"answered": answered, "refused": refused}


def under_gevent(home: AirflowHome) -> dict[str, Any]:
    """Return the health check's seconds while many calls are made at once under gevent's workers."""
    with serving(home, WORKERS, AIRFLOW__WEBSERVER__WORKER_CLASS="gevent") as site:
        waiting = {**start_run(site), "timeout_seconds": WAIT}
        found: dict[str, Any] = {}
        for tool, arguments, rounds in (
            ("wait_for_dag_run", waiting, 1),
            ("list_dags", {}, AT_ONCE_ROUNDS),
        ):
            crowd = Crowd(
                tool_call(site, tool, **arguments), site.authorization(), AT_ONCE, pause=2, rounds=rounds
            )
            answers = Counter[str]()
            with asking_health(site) as ask:
                idle = time_each(ask, 0.1, lambda: True, ALONE)
                with beside(crowd, answers) as goes_on:
                    took = time_each(ask, 0.02, goes_on)
            found[tool] = {
                "clients": AT_ONCE,
                "s idle": p95(idle),
                "s": {"median": p95(took), "min": min(took), "max": max(took)},
                "errors": answers.total() - answers["ok"],
                "answers": dict(answers),
            }
            print(f"gevent: {found}", flush=True)
    return found


def main() -> None:
    target = Path(sys.argv[1])
    parts = sys.argv[2:] or ["waiting", "flood", "gevent"]
    results: dict[str, Any] = {"line": LINE}
    with tempfile.TemporaryDirectory() as folder, prepared(Path(folder)) as home:
        if "waiting" in parts:
            with serving(home) as site:
                results["waiting"] = beside_waiting(site, WORKERS)
                print(f"waiting: {results['waiting']}", flush=True)
        if "flood" in parts:
            results["flood"] = beside_flood(home)
        if LINE == 2 and "gevent" in parts:
            results["gevent"] = under_gevent(home)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
