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
"""Planted faults, run by real schedulers: each is named in one call. The truth is read from the database.

Run by ``make faults``: some minutes a line.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from devtools.planting import plant, prepare, read, read_states, wait
from tests.live.site import LINE, Site

pytestmark = pytest.mark.skipif(not os.environ.get("FAULTS"), reason="run by `make faults`")

BUDGETS = {"diagnose_dag_run": 8800, "explain_waiting": 4400}
"""Characters of an answer: about 2,500 and 1,200 tokens."""


@dataclass(frozen=True)
class Fault:
    """A Dag with a fault.

    :param truth: The states of its tasks' instances, by task; of none if the Dag has no run.
    :param words: What the answer to the one call says.
    :param unsaid: Tools that no next step may propose.
    """

    name: str
    tool: str
    words: tuple[str, ...]
    truth: dict[str, set[str]] = field(default_factory=dict)
    arguments: dict[str, Any] = field(default_factory=dict)
    unsaid: tuple[str, ...] = ()
    run: str = "first"

    @property
    def dag_id(self) -> str:
        return f"fault_{self.name}"


def diagnosed(name: str, *words: str, task_id: str | None = None, **truth: str) -> Fault:
    asked = {} if task_id is None else {"task_id": task_id}
    arguments = {"dag_run_id": "first", **asked}
    states = {task: set(state.split("|")) for task, state in truth.items()}
    return Fault(name, "diagnose_dag_run", words, states, arguments)


def explained(name: str, *words: str, task_id: str | None = None, run: str = "first", **truth: str) -> Fault:
    asked = {} if task_id is None else {"task_id": task_id}
    arguments = {"dag_run_id": run, **asked} if truth else {}
    states = {task: set(state.split("|")) for task, state in truth.items()}
    return Fault(name, "explain_waiting", words, states, arguments, ("trigger_dag",), run)


FAULTS = [
    diagnosed("child_run", "fault_child", "load_prices", "price list 17 has no currency", run_child="failed"),
    diagnosed("grandchild_run", "fault_child_run", "price list 17 has no currency", run_parent="failed"),
    diagnosed(
        "external_task",
        "fault_external_upstream",
        "table orders_raw is not there",
        wait_for_upstream="failed",
        report="upstream_failed",
    ),
    diagnosed(
        "branch",
        "`choose_format` chose `load_json`",
        "no csv file has arrived",
        task_id="archive_csv",
        archive_csv="skipped",
        load_json="success",
    ),
    diagnosed(
        "short_circuit",
        "`is_business_day` stopped what comes after it",
        "today is a holiday",
        task_id="confirm",
        is_business_day="success",
        confirm="skipped",
    ),
    diagnosed(
        "skip_exception",
        "`fetch` above it skipped itself",
        "no new rows since yesterday",
        task_id="store",
        fetch="skipped",
        store="skipped",
    ),
    diagnosed("trigger_rule", "one_failed", "`work` is success", task_id="alert", alert="skipped"),
    diagnosed(
        "failed_above",
        "`download` above it failed",
        "bucket finance-raw refuses this role",
        task_id="publish",
        download="failed",
        publish="upstream_failed",
    ),
    diagnosed("raise_from", "KeyError: 'chf'", "in read_rate: return RATES[currency]", build_report="failed"),
    diagnosed("exception_group", "file a.csv has no header", "file b.csv has no header", check_all="failed"),
    diagnosed("sigkill", "SIGKILL", grow="failed"),
    diagnosed("exit_code", "code 3", '"exit_code": 3', leave="failed"),
    diagnosed(
        "command_not_found", '"exit_code": 127', "no_such_converter: command not found", convert="failed"
    ),
    diagnosed("green_shell", "no_such_converter: command not found", convert="success"),
    diagnosed("execution_timeout", "execution_timeout of the task", '"seconds": 3.0', crunch="failed"),
    diagnosed("dagrun_timeout", "its dagrun_timeout is 10 s", crunch="skipped"),
    diagnosed("sensor_timeout", "timeout of the sensor", '"seconds": 3.0', wait_for_file="failed"),
    diagnosed("http_timeout", "timeout of the client", '"seconds": 1.0', call_partner="failed"),
    diagnosed(
        "mapped",
        "5 of 6",
        '"of": 9',
        "ValueError: partition # is empty",
        check="failed|success",
        other="failed",
    ),
    diagnosed("empty_mapping", "mapped over a list that was empty", task_id="load", load="skipped"),
    diagnosed("missing_connection", "fault_warehouse", "missing_airflow_object", connect="failed"),
    diagnosed("missing_variable", "fault_region", configure="failed"),
    diagnosed("template", "has no attribute", '"template"', render="failed"),
    diagnosed(
        "asset_producer",
        "orders of 2026-11-27 are not complete",
        "fault_asset_condition",
        update_orders="failed",
        update_customers="success",
    ),
    diagnosed("green", "none of its task instances failed", work="success"),
    explained(
        "asset_condition",
        "s3://fault/orders` (never updated; made by `fault_asset_producer.update_orders`)",
        "`s3://fault/orders` and `s3://fault/customers`",
        "is failed",
    ),
    explained("asset_orphan", "never updated; no Dag makes it"),
    explained("not_importable", "fault_package_that_is_not_installed"),
    explained(
        "behind_another",
        "The oldest, `first`: The condition that",
        run="third",
        wait_for_file="up_for_reschedule",
    ),
    explained("full_pool", "The pool `fault_pool` is full", work="scheduled"),
    explained("retrying", "A try failed, and the next one is due at", call_service="up_for_retry"),
    explained("waiting_child", "`fault_full_pool`", "The pool `fault_pool` is full", run_child="running"),
    explained("past", "depends_on_past", run="second", task_id="append", append="None"),
]


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """An Airflow that has nothing but the faults, with room for tasks that wait for others."""
    names = [fault.name for fault in FAULTS if fault.truth]
    with Site(prepare(tmp_path_factory.mktemp("faults"))).serving(1) as running:
        running.start_scheduling()
        plant(running, names)
        yield running


def wait_for(site: Site, fault: Fault) -> None:
    """Wait until a fault has come about, as the database says."""
    run_id = "first" if fault.name == "behind_another" else fault.run
    for task_id, states in fault.truth.items():
        wait(
            site,
            f"{fault.dag_id}.{task_id}: {states}, not {read_states(site, fault.dag_id, task_id, run_id)}",
            lambda task_id=task_id, states=states: (
                read_states(site, fault.dag_id, task_id, run_id) <= states
                and bool(read_states(site, fault.dag_id, task_id, run_id))
            ),
        )
    if fault.name == "asset_condition":
        wait(site, "the update", lambda: bool(read(site, EVENTS)))


@pytest.fixture(scope="module")
def all_faulty(faulty: Site) -> Site:
    """The same, once every fault has come about."""
    for fault in FAULTS:
        wait_for(faulty, fault)
    return faulty


@pytest.mark.parametrize("fault", FAULTS, ids=[fault.name for fault in FAULTS])
def test_a_fault_is_named_in_one_call(faulty: Site, fault: Fault) -> None:
    wait_for(faulty, fault)
    answer = faulty.call(fault.tool, dag_id=fault.dag_id, **fault.arguments)
    assert not answer.get("isError"), answer
    shown = answer["structuredContent"]
    text = json.dumps(shown)
    missing = [word for word in fault.words if word not in text]
    assert not missing, text
    proposed = [call["tool"] for call in shown["next_steps"]]
    assert not set(proposed) & set(fault.unsaid), proposed
    assert len(json.dumps(shown, separators=(",", ":"), ensure_ascii=False)) <= BUDGETS[fault.tool]


EVENTS = f"SELECT 1 FROM {'asset_event' if LINE == 3 else 'dataset_event'}"
"""Is there the one update that comes about?"""


def test_the_failures_are_counted_as_the_database_counts_them(all_faulty: Site) -> None:
    query = "SELECT count(*) FROM task_instance WHERE state = 'failed'"
    for _ in range(5):
        before = read(all_faulty, query)[0][0]
        shown = all_faulty.call("find_failures", since="6h")["structuredContent"]
        if before == read(all_faulty, query)[0][0]:
            break
    assert shown["failed"] == before
    # Of all Dags, more logs might be needed than one call reads; it says so.
    first = all_faulty.call("find_failures", since="6h", dag_pattern="child")["structuredContent"][
        "clusters"
    ][0]
    named = (first["dags_hit"], first["error"])
    assert named == (3, "ValueError: price list # has no currency"), json.dumps(first)
    assert first["failed_because_of_it"] == ["fault_child_run.run_child", "fault_grandchild_run.run_parent"]
    assert "not_importable.py" in shown["beside"]["import_errors"]


FOREIGN = (
    "'chf'",
    "RATES[currency]",
    "are not complete",
    "did not answer",
    "fault_package_that_is_not_installed",
    "has no header",
    "is a holiday",
    "is empty",
    "ledger is locked",
    "no csv file",
    "no new rows",
    "no_such_converter",
    "not of the mapped",
    "orders_raw",
    "price list",
    "refuses this role",
)
"""What logs, errors and sources of the faults say."""


def test_in_lockdown_no_answer_has_a_word_of_the_logs(all_faulty: Site) -> None:
    run = {"dag_run_id": "first"}
    calls: list[tuple[str, dict[str, Any]]] = [
        (fault.tool, {"dag_id": fault.dag_id, **fault.arguments}) for fault in FAULTS
    ]
    calls += [
        ("find_failures", {"since": "6h"}),
        ("list_import_errors", {}),
        ("analyze_dag", {"dag_id": "fault_failed_above"}),
        ("trace_lineage", {"dag_id": "fault_asset_producer"}),
        ("search_logs", {"dag_id": "fault_branch", **run, "grep": "csv"}),
        ("get_task_logs", {"dag_id": "fault_branch", **run, "task_id": "choose_format"}),
        ("get_dag", {"dag_id": "fault_raise_from", "include": ["source"]}),
    ]
    with Site(all_faulty.home, options={"AIRFLOW__MCP__UNTRUSTED_TEXT": "lockdown"}).serving(1) as locked:
        answers = {json.dumps(call): locked.call(call[0], **call[1]) for call in calls}
    for call, answer in answers.items():
        assert not answer.get("isError"), (call, answer)
        text = json.dumps(answer)
        # Asked for is not what came back: an answer repeats the text that was searched for.
        assert not [word for word in FOREIGN if word in text], (call, text)
    kept = json.dumps(answers)
    words = ("PermissionError", "SIGKILL", "KeyError", "choose_format", "never")
    assert [word for word in words if word not in kept] == []
