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
"""Two agents that know nothing of a server but its list of tools, and no model.

The explorer finds the cheapest plan there is, breadth first; the searcher goes by the words of the tools.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Protocol

import anyio

from benchmarks.questions.knowledge import Answer, Call, Tool, Values, find_identifiers
from benchmarks.questions.oracle import Question, plain
from devtools.ranking import rank_by_bm25, words

MOST_CALLS = 6
LEVELS = 4
LEVEL_CALLS = 40
"""So many calls with what earlier answers said are tried at each level."""
AT_ONCE = 4
BATCH = 8
MOST_ROWS = 40


class Server(Protocol):
    """An MCP server that is asked."""

    name: str
    tools: Sequence[Tool]
    session: Values
    """What an agent learns once a session."""

    async def call(self, call: Call) -> Answer: ...


@dataclass(frozen=True)
class Outcome:
    """What an agent did for a question.

    :param calls: What it had to call, in order; nothing if the answer was not found.
    """

    calls: tuple[Call, ...] = ()
    answered: bool = False


_Calls = Mapping[Call, tuple[Call, ...]]
"""Calls, each with those that were made for its arguments."""


@dataclass(frozen=True)
class _Step:
    call: Call
    answer: Answer
    facts: frozenset[int]
    before: tuple[Call, ...]
    """What was called for its arguments."""

    @property
    def chain(self) -> tuple[Call, ...]:
        return (*self.before, self.call)


def _facts_in(question: Question, answer: Answer) -> frozenset[int]:
    if answer.is_error:
        return frozenset()
    text = plain(answer.text)
    return frozenset(number for number, fact in enumerate(question.facts) if fact.is_in(text))


def _rank_rows(question: Question, steps: Sequence[_Step]) -> list[tuple[Values, tuple[Call, ...]]]:
    """Return the things that answers named, by their identifiers: first what speaks of what was asked."""
    asked = set(words(" ".join([question.text, *(fact.label for fact in question.facts)])))
    ranked: dict[str, tuple[tuple[int, int, int], Values, tuple[Call, ...]]] = {}
    for step in steps:
        for row in step.answer.rows(step.call):
            thing = find_identifiers(row)
            others = sum(key in thing and str(thing[key]) != value for key, value in question.known.items())
            alike = len(
                asked & set(words(" ".join(str(value) for value in row.values() if len(str(value)) < 100)))
            )
            entry = ((others, -alike, len(ranked)), thing, step.chain)
            key = json.dumps(thing, sort_keys=True)
            ranked[key] = min(ranked.get(key, entry), entry, key=lambda each: each[0])
    best = sorted(ranked.values(), key=lambda entry: entry[0])[:MOST_ROWS]
    return [(thing, chain) for _, thing, chain in best]


def _form(
    server: Server, question: Question, rows: Sequence[tuple[Values, tuple[Call, ...]]]
) -> Iterator[tuple[Call, tuple[Call, ...]]]:
    for row, chain in rows:
        for tool in server.tools:
            if tool.reads:
                for call in tool.form(question.text, {**server.session, **question.known}, row):
                    yield call, chain


async def explore(server: Server, question: Question) -> Outcome:
    """Return the cheapest plan that was found: fewest calls, then fewest characters."""
    made: dict[Call, _Step] = {}
    everything = frozenset(range(len(question.facts)))
    wanted = list(_form(server, question, [({}, ())]))
    for level in range(LEVELS):
        new = {call: chain for call, chain in reversed(wanted) if call not in made}
        # Where nothing is known but the question, what may answer by itself is asked first.
        for batch in _split(server, question, new) if level == 0 else [new]:
            await _make(server, question, batch, made)
            if any(step.facts >= everything for step in made.values()):
                break
        if frozenset().union(*(step.facts for step in made.values())) >= everything:
            return Outcome(_find_cheapest(made, everything), answered=True)
        rows = _rank_rows(question, [made[call] for call in new])
        wanted = []
        for call, chain in _form(server, question, rows):
            if call not in made and all(call != other for other, _ in wanted) and len(chain) < MOST_CALLS:
                wanted.append((call, chain))
            if len(wanted) >= LEVEL_CALLS:
                break
    return Outcome()


def _split(server: Server, question: Question, calls: _Calls) -> list[_Calls]:
    """Return calls in batches: first those of the tools whose words are most like the question's."""
    place = _rank_tools(server, _ask_for(question))
    ordered = sorted(calls, key=lambda call: place.get(call.tool, len(place)))
    return [{call: calls[call] for call in ordered[at : at + BATCH]} for at in range(0, len(ordered), BATCH)]


async def _make(server: Server, question: Question, calls: _Calls, made: dict[Call, _Step]) -> None:
    """Make calls, some at once; keep them in their order."""
    answers: dict[Call, Answer] = {}
    limit = anyio.CapacityLimiter(AT_ONCE)

    async def ask(call: Call) -> None:
        async with limit:
            answers[call] = await server.call(call)

    async with anyio.create_task_group() as group:
        for call in calls:
            group.start_soon(ask, call)
    for call, chain in calls.items():
        made[call] = _Step(call, answers[call], _facts_in(question, answers[call]), chain)


def _find_cheapest(made: Mapping[Call, _Step], everything: frozenset[int]) -> tuple[Call, ...]:
    useful = [step for step in made.values() if step.facts]
    best: tuple[tuple[int, int], tuple[Call, ...]] | None = None
    for size in range(1, len(everything) + 1):
        for steps in combinations(useful, size):
            if frozenset().union(*(step.facts for step in steps)) >= everything:
                calls = tuple(dict.fromkeys(call for step in steps for call in step.chain))
                cost = (len(calls), sum(len(made[call].answer.text) for call in calls))
                if best is None or cost < best[0]:
                    best = (cost, calls)
    assert best is not None
    return best[1]


async def search(server: Server, question: Question) -> Outcome:
    """Call what BM25 ranks first for the question and the open facts; six times at most.

    A tool that brought no open fact comes after those that were not tried.
    """
    steps: list[_Step] = []
    found: frozenset[int] = frozenset()
    fruitless: dict[str, int] = {}
    while len(steps) < MOST_CALLS:
        rows = [({}, ()), *_rank_rows(question, steps)]
        made = {step.call for step in steps}
        calls = dict.fromkeys(call for call, _ in _form(server, question, rows) if call not in made)
        if not calls:
            break
        call = _choose(server, _ask_for(question, found), list(calls), fruitless)
        answer = await server.call(call)
        facts = _facts_in(question, answer)
        steps.append(_Step(call, answer, facts, ()))
        if not facts - found:
            fruitless[call.tool] = fruitless.get(call.tool, 0) + 1
        found |= facts
        if len(found) == len(question.facts):
            return Outcome(tuple(step.call for step in steps), answered=True)
    return Outcome(tuple(step.call for step in steps))


def _ask_for(question: Question, found: frozenset[int] = frozenset()) -> str:
    """Return the words of a question and of what is open."""
    still = [fact.label for number, fact in enumerate(question.facts) if number not in found]
    return " ".join([question.text, *still])


def _rank_tools(server: Server, query: str) -> dict[str, int]:
    """Return the place of each tool that has words of the query, singular or plural."""
    texts = {tool.name: _singular(tool.text) for tool in server.tools if tool.reads}
    return {name: place for place, name in enumerate(rank_by_bm25(_singular(query), texts))}


def _singular(text: str) -> str:
    return " ".join(re.sub(r"(?<=[a-rt-z])s$", "", word) if len(word) > 3 else word for word in words(text))


def _choose(server: Server, query: str, calls: Sequence[Call], fruitless: Mapping[str, int]) -> Call:
    place = _rank_tools(server, query)
    # Of the calls of one tool: the one that says most of what is known, as they were formed.
    return min(
        calls,
        key=lambda call: (
            fruitless.get(call.tool, 0),
            place.get(call.tool, len(place)),
            -len(call.arguments),
        ),
    )


# ---- mistakes ------------------------------------------------------------------------------------------


def mutate(call: Call, question: Question) -> list[tuple[Call, str]]:
    """Return calls with a mistake and what mends it: a misspelled identifier, a misnamed argument."""
    arguments = call.arguments
    found: list[tuple[Call, str]] = []
    for name, value in arguments.items():
        if (
            isinstance(value, str)
            and value in question.known.values()
            and len(value) > 4
            and "://" not in value
        ):
            middle = len(value) // 2
            wrong: dict[str, Any] = {**arguments, name: value[:middle] + value[middle + 1 :]}
            found.append((Call.of(call.tool, wrong), value))
            others = {key: other for key, other in arguments.items() if key != name}
            head, *tail = name.split("_")
            misnamed = head + "".join(map(str.title, tail)) if tail else f"{name}_value"
            found.append((Call.of(call.tool, {**others, misnamed: value}), name))
            break
    return found


async def repairs(server: Server, question: Question, call: Call) -> list[bool]:
    """Tell of each mistake whether what comes back names what mends it, or answers all the same."""
    outcomes = []
    for wrong, cure in mutate(call, question):
        answer = await server.call(wrong)
        text = plain(answer.text)
        cured = f"`{cure}`" in text or any(cure == word.strip("'\"`.,:;?()[]{}") for word in text.split())
        outcomes.append(cured if answer.is_error else len(_facts_in(question, answer)) == len(question.facts))
    return outcomes
