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
"""Tasks in loops, as Airflow 3.4.0b2 answers about them.

The fixture is what it answered about the first pass of a loop; the other two passes are made from that.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from airflow_provider_mcp.tools.shared.rows import name_instance
from airflow_provider_mcp.tools.tasks import changes, hitl, instances, logs, xcom
from tests.unit.answers import SENT, Answer, failing, listing, run

RECORDED = json.loads((Path(__file__).parents[3] / "fixtures" / "api" / "loop-3.4.json").read_text())
PASSES = RECORDED["instances"]["task_instances"]
WHERE = {"dag_id": "looped", "dag_run_id": "r", "task_id": PASSES[0]["task_id"]}
RUN = "dags/looped/dagRuns/r"
TASK = f"{RUN}/taskInstances/{PASSES[0]['task_id']}"
SECOND = next(row for row in PASSES if row["loop_iteration"]["iteration"] == 1)
REGION = {"region_id": SECOND["region_id"], "region_index": SECOND["region_index"]}
QUERIES: list[dict[str, str]] = []


def of_pass(value: Any) -> Any:
    """Answer for the second pass; without a region, refuse as Airflow does."""

    def answer(request: httpx.Request) -> Answer:
        query = dict(request.url.params)
        QUERIES.append(query)
        if query.get("region_id") != REGION["region_id"]:
            return RECORDED["unselected"]["status"], RECORDED["unselected"]["body"]
        assert query["region_index"] == str(REGION["region_index"])
        return 200, value

    return answer


ANSWERS: dict[str, Any] = {
    f"GET {RUN}": (200, {"dag_id": "looped", "dag_run_id": "r"}),
    f"GET {RUN}/taskInstances": listing("task_instances", PASSES),
    f"GET {TASK}": of_pass(SECOND),
    f"GET {TASK}/tries": of_pass({"task_instances": [SECOND], "total_entries": 1}),
    f"GET {TASK}/links": of_pass({"extra_links": {}, "total_entries": 0}),
    f"GET {TASK}/dependencies": of_pass({"dependencies": []}),
    f"GET {TASK}/xcomEntries": of_pass({"xcom_entries": [{"key": "return_value", "map_index": -1}]}),
    f"GET {TASK}/xcomEntries/return_value": of_pass({"key": "return_value", "value": {"value": 1}}),
    f"GET {TASK}/logs/1": of_pass({"event": "measuring"}),
}


def act(function: Any, **arguments: Any) -> Any:
    QUERIES.clear()
    return run(function, ANSWERS, version="3.4.0b2", **WHERE, **arguments)


@pytest.mark.parametrize("named", [{"iteration": 1}, REGION], ids=["iteration", "region"])
def test_a_pass_is_read_by_its_number_or_its_region(named: dict[str, Any]) -> None:
    parts = ["tries", "dependencies", "xcom", "links"]
    shown = act(instances.get_task_instance, include=parts, **named).model_dump()
    assert shown["loop_iteration"] == {"loop_id": SECOND["loop_iteration"]["loop_id"], "iteration": 1}
    assert {name: shown[name] for name in REGION} == REGION
    assert shown["xcom"] == ["return_value"]
    assert not shown["missing"]
    assert len(QUERIES) == 5
    assert act(xcom.get_xcom, **named).value == {"value": 1}
    log = act(logs.get_task_logs, **named)
    assert ([line["event"] for line in log.lines], log.iteration) == (["measuring"], 1)


def test_a_task_in_a_loop_asked_for_without_a_pass_names_its_passes() -> None:
    for function in (instances.get_task_instance, logs.get_task_logs):
        error = failing(function, ANSWERS, version="3.4.0b2", **WHERE)
        assert (error.code, "give iteration" in error.message) == ("invalid_argument", True)
        assert "passes are 0, 1, 2" in error.hint


def test_a_pass_that_does_not_exist_names_those_that_do() -> None:
    error = failing(instances.get_task_instance, ANSWERS, version="3.4.0b2", **WHERE, iteration=9)
    assert (error.code, "0, 1, 2" in error.hint) == ("not_found", True)


def test_a_pass_of_several_loops_asks_for_the_region() -> None:
    other = {**SECOND, "region_id": "019a0000-0000-7000-8000-000000000000"}
    answers = {**ANSWERS, f"GET {RUN}/taskInstances": listing("task_instances", [*PASSES, other])}
    error = failing(instances.get_task_instance, answers, version="3.4.0b2", **WHERE, iteration=1)
    assert error.code == "conflict"
    assert REGION in error.identifiers["regions"]


@pytest.mark.parametrize("half", [{"region_id": "x"}, {"region_index": 0}])
def test_half_a_region_is_refused(half: dict[str, Any]) -> None:
    error = failing(instances.get_task_instance, ANSWERS, version="3.4.0b2", **WHERE, **half)
    assert (error.code, "go together" in error.message) == ("invalid_argument", True)


def test_an_airflow_without_loops_says_so() -> None:
    error = failing(instances.get_task_instance, ANSWERS, version="3.3.2", **WHERE, iteration=1)
    assert (error.code, "no loops" in error.message) == ("unsupported", True)


def test_lists_and_previews_tell_the_passes_apart() -> None:
    listed = run(instances.list_task_instances, ANSWERS, version="3.4.0b2", dag_id="looped", dag_run_id="r")
    assert {row["loop_iteration"]["iteration"] for row in listed.task_instances} == {0, 1, 2}
    assert name_instance(SECOND) == f"{SECOND['task_id']}[iteration 1]"


def test_the_state_of_one_pass_is_set() -> None:
    def patched(request: httpx.Request) -> Answer:
        return 200, {"task_instances": [SECOND], "total_entries": 1}

    answers = {**ANSWERS, f"PATCH {TASK}": patched, f"PATCH {TASK}/dry_run": patched}
    arguments = {"dag_id": "looped", "dag_run_id": "r", "task_ids": [WHERE["task_id"]], "iteration": 1}
    preview = run(changes._preview_set_state, answers, version="3.4.0b2", **arguments, state="success")
    assert (preview["count"], list(preview["missing"])) == (1, ["clears_downstream"])
    sent = [request for request in SENT if request[0] != "GET"]
    assert sent[-1] == ("PATCH", f"{TASK}/dry_run", {"new_state": "success", **REGION})
    changed = run(changes.set_task_instance_state, answers, version="3.4.0b2", **arguments, state="success")
    assert changed.changed == 1
    assert SENT[-1] == ("PATCH", TASK, {"new_state": "success", **REGION})


def test_a_question_of_one_pass_is_answered() -> None:
    answers = {**ANSWERS, f"PATCH {TASK}/-1/hitlDetails": of_pass({"chosen_options": ["yes"]})}
    answer = run(
        hitl.respond_to_hitl, answers, version="3.4.0b2", **WHERE, iteration=1, chosen_options=["yes"]
    )
    assert answer.chosen_options == ["yes"]
