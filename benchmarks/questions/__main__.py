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
"""Seed an Airflow, ask every server every question, and write what it cost.

``python -m benchmarks.questions build/questions/airflow3.json``; ``ONLY=ours`` in the environment leaves the
peers out.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import anyio

from benchmarks.questions.agents import Outcome, Server, explore, repairs, search
from benchmarks.questions.knowledge import Call
from benchmarks.questions.oracle import DEMO_DAGS, Question, Truth, plain, seed
from benchmarks.questions.questions import build_questions
from benchmarks.questions.servers import PEERS, ConnectedServer, WorsenedServer, connect_to_ours
from devtools.airflow_process import AirflowSite
from devtools.planting import prepare
from devtools.tokens import tokens

Found = dict[str, Any]


async def examine(server: Server, questions: Sequence[Question]) -> Found:
    """Return what each agent did for each question, and how many mistakes an error mended."""
    rows: list[Found] = []
    mended: list[bool] = []
    for question in questions:
        cheapest = await explore(server, question)
        rows.append(
            {
                "question": question.text,
                "battery": question.battery,
                "explorer": await _describe(server, cheapest),
                "searcher": await _describe(server, await search(server, question)),
            }
        )
        if cheapest.calls:
            mended += await repairs(server, question, cheapest.calls[0])
    return {"server": server.name, "tools": len(server.tools), "rows": rows, "mended": mended}


async def _describe(server: Server, outcome: Outcome) -> Found:
    texts = [(await server.call(call)).text for call in outcome.calls]
    return {
        "answered": outcome.answered,
        "calls": [f"{call.tool} {call.text}" for call in outcome.calls],
        "characters": sum(map(len, texts)),
        "texts": texts,
    }


async def _measure(server: ConnectedServer, found: Found) -> None:
    """Add the milliseconds and the tokens of the calls that were needed."""
    times: dict[str, float] = {}
    for row in found["rows"]:
        for agent in ("explorer", "searcher"):
            for text in row[agent]["calls"]:
                tool, _, arguments = text.partition(" ")
                if text not in times:
                    times[text] = await server.measure(Call(tool, arguments))
            row[agent]["milliseconds"] = sum(times[text] for text in row[agent]["calls"])


def _count_tokens(found: Found) -> None:
    described = [row[agent] for row in found["rows"] for agent in ("explorer", "searcher")]
    texts = sorted({text for each in described for text in each["texts"]})
    counts = dict(zip(texts, tokens(*texts), strict=True))
    for each in described:
        each["tokens"] = sum(counts[text] for text in each.pop("texts"))


async def _compare(site: AirflowSite, questions: Sequence[Question]) -> list[Found]:
    results: list[Found] = []

    async def add(server: ConnectedServer, number: str, *others: Server) -> None:
        found = await examine(server, questions)
        await _measure(server, found)
        results.append({**found, "version": number})
        results.extend([{**await examine(other, questions), "version": number} for other in others])

    async with connect_to_ours(site) as ours:
        await _timed(
            ours.name, lambda: add(ours, version("apache-airflow-providers-mcp"), WorsenedServer(ours))
        )
    for peer in [] if os.environ.get("ONLY") == "ours" else PEERS:
        async with peer.connect(site) as server:
            await _timed(
                peer.name, lambda server=server, peer=peer: add(server, peer.version(site.home.line))
            )
    for found in results:
        _count_tokens(found)
    return results


async def _timed(name: str, act: Callable[[], Awaitable[None]]) -> None:
    begun = time.monotonic()
    await act()
    print(f"{name}: {time.monotonic() - begun:.0f} s", flush=True)


def main() -> None:
    target = Path(sys.argv[1])
    begun = time.monotonic()
    # One user sends more here than one is allowed to; and who asks for the configuration may see it.
    options = {
        "AIRFLOW__MCP__CALLS_PER_MINUTE": "0",
        "AIRFLOW__MCP__WRITES_PER_MINUTE": "0",
        "AIRFLOW__API__EXPOSE_CONFIG": "True",
        "AIRFLOW__WEBSERVER__EXPOSE_CONFIG": "True",
    }
    with tempfile.TemporaryDirectory() as folder:
        home = prepare(Path(folder), DEMO_DAGS, **options)
        with AirflowSite(home).serving(2) as site:
            site.start_scheduling()
            seed(site)
            print(f"seeded: {time.monotonic() - begun:.0f} s", flush=True)
            truth = Truth(site)
            questions = build_questions(truth)
            for question in questions:
                asked = plain(f"{question.text} {json.dumps(question.known)}")
                assert not any(fact.is_in(asked) for fact in question.facts), question
            results = anyio.run(_compare, site, questions)
            found = {"line": home.line, "airflow": truth.version, "servers": results}
            found["load"] = os.getloadavg()[2]
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps({**found, "seconds": time.monotonic() - begun}, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
