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
"""Write ``benchmarks/QUESTIONS.md`` from what the runs found.

``python -m benchmarks.questions.report build/questions benchmarks/QUESTIONS.md``
"""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from benchmarks.questions.agents import LEVEL_CALLS
from benchmarks.questions.servers import WorsenedServer

Found = dict[str, Any]

LICENCE = "\n".join(line.lstrip("# ") for line in Path(__file__).read_text().splitlines()[:16])
WITHIN = (1, 3, 6)
EXPLORER_GOAL, SEARCHER_GOAL, TOKENS_GOAL = 0.95, 0.80, 0.10
INTRODUCTION = """\
# Questions

What an answer costs, from a person's question to its facts, without a model. Written by `make questions`:
sixty questions in people's words are asked of an Airflow with planted faults (`tests/fixtures/dags/faults`)
and the demo's Dags. The facts that an answer must contain are read from the metadata database and the logs.

Two agents know nothing of a server but its list of tools, and call no tool that writes. The **explorer**
finds the cheapest plan there is: fewest calls, then fewest characters, breadth first over the calls whose
arguments the question names, its words choose, or an earlier answer says; four levels deep, {level} calls
a level. The **searcher** calls what BM25 ranks first for the question and what is still open; six calls at
most. Calls, characters, tokens (o200k) and milliseconds are means over the answered questions. The battery
is the twenty questions about faults: how many were answered, with the calls and characters of these.
Mended: of a misspelled identifier and a misnamed argument, how often the error names the right one, or the
answer is there all the same. The worsened copy has no descriptions and shows the first {shown} characters
of each answer: it must lose.
"""
LIMITS = """\
## What this does not show

That a model reasons well with it: no model is asked. The explorer knows the facts that it looks for, as no
model does; the searcher is only as good as the words of descriptions. A fact counts where its words stand,
whether or not they say what it means there. The questions and the Dags were written by the authors of one
of these servers. The peers run beside Airflow and are reached by stdio, ours runs within Airflow and is
reached by HTTP; Airflow's database is SQLite.
"""


def share(rows: Sequence[Found], agent: str, most: int) -> float:
    """Return the share of questions that an agent answered within so many calls."""
    return sum(row[agent]["answered"] and len(row[agent]["calls"]) <= most for row in rows) / len(rows)


def mean(rows: Sequence[Found], agent: str, what: str) -> float:
    """Return the mean of the answered questions."""
    answered = [row[agent] for row in rows if row[agent]["answered"]]
    values = [len(each[what]) if what == "calls" else each.get(what, 0) for each in answered]
    return sum(values) / len(values) if values else 0


def battery(rows: Sequence[Found], agent: str) -> str:
    asked = [row[agent] for row in rows if row["battery"]]
    answered = [each for each in asked if each["answered"]]
    calls = sum(len(each["calls"]) for each in answered)
    return f"{len(answered)} of {len(asked)}, {calls}, {sum(each['characters'] for each in answered):,}"


def compare_tokens(ours: Sequence[Found], peer: Sequence[Found]) -> float:
    """Return our tokens over the peer's, on the questions that both answered."""
    both = [
        (own["explorer"]["tokens"], other["explorer"]["tokens"])
        for own, other in zip(ours, peer, strict=True)
        if own["explorer"]["answered"] and other["explorer"]["answered"]
    ]
    return sum(own for own, _ in both) / max(sum(other for _, other in both), 1)


def table(found: Found) -> Iterator[str]:
    yield f"## Airflow {found['airflow']}\n"
    busy = found["load"] > 1.5 * (os.cpu_count() or 1)
    warned = " The machine had other work: milliseconds say little." if busy else ""
    yield f"{found['seconds']:.0f} seconds in all, at a load of {found['load']:.1f}.{warned}\n"
    for agent in ("explorer", "searcher"):
        within = " | ".join(f"within {most}" for most in WITHIN)
        yield f"| {agent} | tools | {within} | calls | characters | tokens | ms | battery |"
        yield "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
        for server in found["servers"]:
            rows = server["rows"]
            shares = " | ".join(f"{share(rows, agent, most):.0%}" for most in WITHIN)
            figures = " | ".join(
                f"{mean(rows, agent, what):,.{digits}f}"
                for what, digits in (("calls", 1), ("characters", 0), ("tokens", 0), ("milliseconds", 0))
            )
            name = f"{server['server']} {server['version']}"
            yield f"| {name} | {server['tools']} | {shares} | {figures} | {battery(rows, agent)} |"
        yield ""
    yield "| server | mistakes mended | not answered by the explorer |"
    yield "| --- | --- | --- |"
    for server in found["servers"]:
        open_ = [row["question"] for row in server["rows"] if not row["explorer"]["answered"]]
        some = " ".join(open_[:4]) + (f" And {len(open_) - 4} more." if len(open_) > 4 else "")
        mended = server["mended"]
        yield f"| {server['server']} | {sum(mended)} of {len(mended)} | {some} |"
    yield ""
    yield from goals(found)


def goals(found: Found) -> Iterator[str]:
    by_name = {server["server"]: server["rows"] for server in found["servers"]}
    ours = by_name["ours"]
    peers = {name: rows for name, rows in by_name.items() if not name.startswith("ours")}
    measured = [
        ("answered within 3 calls by the explorer", share(ours, "explorer", 3), EXPLORER_GOAL, True),
        ("answered by the searcher", share(ours, "searcher", WITHIN[-1]), SEARCHER_GOAL, True),
    ]
    if peers:
        best = max(peers, key=lambda name: share(peers[name], "explorer", 3))
        ratio = compare_tokens(ours, peers[best])
        measured.append((f"tokens over those of {best}, where both answer", ratio, TOKENS_GOAL, False))
    yield "| goal for ours | found | goal | |"
    yield "| --- | --- | --- | --- |"
    for what, value, goal, at_least in measured:
        met = value >= goal if at_least else value <= goal
        sign = ">=" if at_least else "<="
        yield f"| {what} | {value:.0%} | {sign} {goal:.0%} | {'met' if met else '**not met**'} |"
    yield ""


def main() -> None:
    folder, target = Path(sys.argv[1]), Path(sys.argv[2])
    runs = [
        json.loads(file.read_text(encoding="utf-8")) for file in sorted(folder.glob("*.json"), reverse=True)
    ]
    when = f"{datetime.now(timezone.utc):%Y-%m-%d}"
    today = f"{when}, {os.cpu_count()} processors, Python {platform.python_version()}.\n"
    introduction = INTRODUCTION.format(level=LEVEL_CALLS, shown=WorsenedServer.SHOWN)
    lines = [f"<!--\n{LICENCE}\n-->", introduction, today]
    lines += [line for run in runs for line in table(run)]
    target.write_text("\n".join([*lines, LIMITS]), encoding="utf-8")


if __name__ == "__main__":
    main()
