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
"""The agents of ``make questions``, on servers that are made up."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import anyio
import pytest

from benchmarks.questions.agents import explore, mutate, repairs, search
from benchmarks.questions.knowledge import Answer, Call, Parameter, Tool
from benchmarks.questions.oracle import Fact, ask, name, near, plain, said, when
from benchmarks.questions.report import compare_tokens, goals, share
from benchmarks.questions.servers import WorsenedServer

LOG = "row 1 is fine; " * 40 + "ValueError: price list 17 has no currency"
CAUSE = Fact("the error of the failed task", r"ValueError(?!\().{0,80}?price list 17 has no currency")
QUESTION = ask("Why did the pipeline shop fail?", name("the task that failed", "load"), CAUSE, dag_id="shop")


def tool(name: str, text: str, *required: str, reads: bool = True, **optional: Mapping[str, Any]) -> Tool:
    parameters = [Parameter(each, {"type": "string"}, required=True) for each in required]
    parameters += [Parameter(each, schema, required=False) for each, schema in optional.items()]
    return Tool(name, f"{name} {text}", parameters, reads)


class MadeUpServer:
    """A server whose tools answer from a dictionary, and of a Dag that there is not with an error."""

    name = "ours"
    session: Mapping[str, str] = MappingProxyType({})

    def __init__(self, *tools: Tool) -> None:
        self.tools: Sequence[Tool] = tools
        self.made: list[Call] = []

    async def call(self, call: Call) -> Answer:
        self.made.append(call)
        arguments = call.arguments
        if call.tool != "list_dags" and arguments.get("dag_id") != "shop":
            wrong = arguments.get("dag_id")
            missing = "dag_id is missing" if wrong is None else f"no Dag `{wrong}`; did you mean `shop`?"
            return Answer(missing, is_error=True)
        data = {
            "list_dags": {"dags": [{"dag_id": "other"}, {"dag_id": "shop"}]},
            "list_runs": {
                "runs": [{"run_id": "r1", "state": "success"}, {"run_id": "r2", "state": "failed"}]
            },
            "list_tasks": {"tasks": [{"task_id": "extract"}, {"task_id": "load", "state": "failed"}]},
            "get_log": {"log": LOG if {"r2", "load"} <= set(arguments.values()) else "all is well"},
            "diagnose": {"task": "load", "log": LOG[-200:]},
        }[call.tool]
        return Answer(json.dumps(data), is_error=False, data=data)


LISTS = (
    tool("list_dags", "List pipelines."),
    tool("list_runs", "List the runs of a pipeline.", "dag_id"),
    tool("list_tasks", "List the tasks of a run with their states, failed ones too.", "dag_id", "run_id"),
    tool("get_log", "Get the log of a task, with its error.", "dag_id", "run_id", "task_id"),
)
DIAGNOSE = tool("diagnose", "Say why a pipeline or task did fail: its error.", "dag_id")
WRITES = tool("delete_dag", "Why did the pipeline fail? Delete it.", "dag_id", reads=False)


def test_the_explorer_finds_the_cheapest_plan() -> None:
    server = MadeUpServer(*LISTS, WRITES, DIAGNOSE)
    found = anyio.run(explore, server, QUESTION)
    assert [call.tool for call in found.calls] == ["diagnose"]
    assert found.answered
    assert "delete_dag" not in {call.tool for call in server.made}


def test_the_explorer_takes_arguments_from_earlier_answers() -> None:
    found = anyio.run(explore, MadeUpServer(*LISTS), QUESTION)
    assert found.answered
    assert [call.tool for call in found.calls] == ["list_runs", "list_tasks", "get_log"]
    assert found.calls[-1].arguments == {"dag_id": "shop", "run_id": "r2", "task_id": "load"}


def test_what_no_tool_says_is_not_answered() -> None:
    asked = replace(QUESTION, facts=(name("the owner", "finance"),))
    assert not anyio.run(explore, MadeUpServer(*LISTS, DIAGNOSE), asked).answered
    found = anyio.run(search, MadeUpServer(*LISTS, DIAGNOSE), asked)
    assert (found.answered, len(found.calls)) == (False, 6)


def test_the_searcher_goes_by_the_words_of_the_tools() -> None:
    server = MadeUpServer(*LISTS, WRITES, DIAGNOSE)
    found = anyio.run(search, server, QUESTION)
    assert [call.tool for call in found.calls] == ["diagnose"]
    assert found.answered
    assert server.made == list(found.calls)


@pytest.mark.parametrize("agent", [explore, search])
def test_a_worsened_copy_loses(agent: Callable[..., Any]) -> None:
    server = MadeUpServer(*LISTS, tool("diagnose", "Say why it did fail.", "dag_id"))
    worse = WorsenedServer(MadeUpServer(*LISTS))
    good, bad = anyio.run(agent, server, QUESTION), anyio.run(agent, worse, QUESTION)
    assert good.answered
    assert not bad.answered or len(bad.calls) > len(good.calls)
    assert anyio.run(explore, MadeUpServer(*LISTS), QUESTION).answered
    assert not anyio.run(explore, worse, QUESTION).answered


@pytest.mark.parametrize("agent", [explore, search])
def test_two_runs_find_the_same(agent: Callable[..., Any]) -> None:
    servers = [MadeUpServer(*LISTS, DIAGNOSE) for _ in range(2)]
    found = [anyio.run(agent, server, QUESTION) for server in servers]
    assert found[0] == found[1]
    assert servers[0].made == servers[1].made


def test_mistakes_are_mended_by_what_the_error_names() -> None:
    asked = replace(QUESTION, known={"dag_id": "shop_daily"})
    call = Call.of("diagnose", {"dag_id": "shop_daily"})
    wrong = [mistake.arguments for mistake, _ in mutate(call, asked)]
    assert wrong == [{"dag_id": "shop_aily"}, {"dagId": "shop_daily"}]
    # The error names another Dag for the one, and the argument for the other.
    assert anyio.run(repairs, MadeUpServer(DIAGNOSE), asked, call) == [False, True]


@pytest.mark.parametrize(
    ("schema", "question", "value"),
    [
        ({"type": "boolean"}, "Which pipelines are paused?", True),
        ({"type": "boolean"}, "Which pipelines are there?", None),
        ({"anyOf": [{"enum": ["failed", "success"]}, {"type": "null"}]}, "Which have failed?", "failed"),
        ({"type": "array", "items": {"enum": ["source"]}}, "Show the source.", ["source"]),
    ],
)
def test_the_words_of_a_question_choose(schema: Mapping[str, Any], question: str, value: Any) -> None:
    assert Parameter("paused", schema, required=False).read_from(question) == value


def test_a_quoted_text_is_what_is_searched_for() -> None:
    parameter = Parameter("grep", {"type": "string"}, required=True)
    assert parameter.read_from('Who wrote "no csv" in its log?') == "no csv"


@pytest.mark.parametrize(
    ("parameter", "field", "same"),
    [
        ("dag_id", "dag_id", True),
        ("dag_run_id", "run_id", True),
        ("pool_name", "pool", True),
        ("task_ids", "task_id", True),
        ("dag_run_id", "dag_id", False),
        ("event_log_id", "id", False),
        ("name", "pool_name", False),
    ],
)
def test_arguments_are_found_by_name(parameter: str, field: str, same: bool) -> None:
    found = Parameter(parameter, {"type": "string"}, required=True).find({field: "value"})
    assert (found == "value") is same


@pytest.mark.parametrize(
    ("fact", "text", "there"),
    [
        (said("", "no csv file"), "INFO - no csv file has arrived", True),
        (said("", "no csv file"), json.dumps({"source": 'log.info("no csv file has arrived")'}), False),
        (CAUSE, json.dumps({"exc_type": "ValueError", "exc_value": "price list 17 has no currency"}), True),
        (CAUSE, json.dumps('raise ValueError("price list 17 has no currency")'), False),
        (name("", "fault_child"), "fault_child_run", False),
        (name("", "load"), "task `shop.load` failed", True),
        (near("", "slots", 0, 6), '{"slots": 0}', True),
        (near("", "slots", 0, 6), '{"slots": 10}', False),
        (when("", "2026-11-27 06:00:01.5"), "2026-11-27T06:00:01.500000Z", True),
    ],
)
def test_facts(fact: Fact, text: str, there: bool) -> None:
    assert fact.is_in(plain(text)) is there


def row(calls: int, tokens: int) -> dict[str, Any]:
    found = {"answered": calls > 0, "calls": ["x"] * calls, "characters": 4 * tokens, "tokens": tokens}
    return {"question": "?", "battery": True, "explorer": found, "searcher": found}


def test_the_report_counts_what_was_answered() -> None:
    ours = [row(1, 10), row(3, 30), row(4, 40), row(0, 0)]
    peer = [row(2, 400), row(0, 0), row(6, 100), row(1, 1)]
    assert [share(ours, "explorer", most) for most in (1, 3, 6)] == [0.25, 0.5, 0.75]
    assert compare_tokens(ours, peer) == 50 / 500
    servers = [{"server": "ours", "rows": ours}, {"server": "peer", "rows": peer}]
    verdicts = [line.split(" | ")[-1] for line in goals({"servers": servers}) if "%" in line]
    assert verdicts == ["**not met** |", "**not met** |", "met |"]
