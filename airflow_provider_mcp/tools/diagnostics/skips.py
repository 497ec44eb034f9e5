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
"""Why a finished task did not run: skipped or upstream_failed is the doing of another task.

A branch or a short circuit leaves what it chose in an XCom of its own; Airflow itself reads it from there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from airflow_provider_mcp.sdk import Airflow, JSONObject, path
from airflow_provider_mcp.tools.diagnostics.log_lines import find_last_line, find_skip_reason, says_skipped
from airflow_provider_mcp.tools.diagnostics.reading import LogBudget, cut, read_tail
from airflow_provider_mcp.tools.diagnostics.timeouts import find_run_timeout
from airflow_provider_mcp.tools.shared.instances import instance_route
from airflow_provider_mcp.tools.shared.reads import Unread, read_pages, try_get

Row = JSONObject

STEPS = 20
"""Tasks upwards that are looked at."""

INSTANCE_PAGES = 3

XCOM_READS = 8

_CHOICE = "skipmixin_key"
"""The XCom in which a branch or a short circuit leaves what it chose."""

_MET_BY_SUCCESS = frozenset(
    {
        "all_done",
        "all_done_min_one_success",
        "all_done_setup_success",
        "all_success",
        "always",
        "none_failed",
        "none_failed_min_one_success",
        "none_skipped",
        "one_done",
        "one_success",
    }
)
"""The trigger rules that are met where all tasks above have succeeded."""


@dataclass(frozen=True)
class NotRun:
    """Why a task did not run.

    :param because: ``branch``, ``short_circuit``, ``skipped_itself``, ``trigger_rule``, ``failed_above``,
        ``empty_mapping``, ``run_timeout``, ``set_from_outside`` or ``unknown``.
    :param task_id: The task that decided it.
    :param instance: An instance of that task, where it ran.
    :param through: The tasks between, from the one asked about.
    """

    because: str
    says: str
    task_id: str
    instance: Row | None = None
    through: tuple[str, ...] = ()
    evidence: Row = field(default_factory=dict)


class _Graph:
    """The tasks of a Dag and their instances in one run."""

    def __init__(self, tasks: Sequence[Row], instances: Sequence[Row]) -> None:
        self.tasks = {task["task_id"]: task for task in tasks}
        self.upstream: dict[str, list[str]] = {}
        for task in tasks:
            for below in task.get("downstream_task_ids") or []:
                self.upstream.setdefault(below, []).append(task["task_id"])
        self.instances: dict[str, list[Row]] = {}
        for row in instances:
            self.instances.setdefault(row["task_id"], []).append(row)

    def states(self, task_id: str) -> set[str]:
        return {row.get("state") or "no_status" for row in self.instances.get(task_id, [])}

    def find(self, task_id: str, state: str) -> Row | None:
        """Return an instance of a task in a state."""
        return next((row for row in self.instances.get(task_id, []) if row.get("state") == state), None)

    def above(self, task_id: str) -> list[str]:
        return self.upstream.get(task_id, [])


async def explain_not_run(
    airflow: Airflow, run: Row, instance: Row, budget: LogBudget
) -> NotRun | Unread | None:
    """Return why a task instance is skipped or upstream_failed; None for any other state."""
    if instance.get("state") not in {"skipped", "upstream_failed"}:
        return None
    answer = await try_get(airflow, path("dags/{}/tasks", run["dag_id"]))
    if isinstance(answer, Unread):
        return answer
    route = path("dags/{}/dagRuns/{}/taskInstances", run["dag_id"], run["dag_run_id"])
    rows, _ = await read_pages(airflow, route, "task_instances", INSTANCE_PAGES)
    graph = _Graph(answer["tasks"], rows)
    if instance["state"] == "upstream_failed":
        return _find_failed(graph, instance["task_id"])
    found = await _find_skipper(airflow, graph, instance, budget)
    return found if found.because != "unknown" else await _look_outside(airflow, run, found)


def _find_failed(graph: _Graph, task_id: str) -> NotRun:
    at, through = task_id, [task_id]
    for _ in range(STEPS):
        for name in graph.above(at):
            failed = graph.find(name, "failed")
            if failed is not None:
                says = f"`{name}` above it failed"
                return NotRun("failed_above", says, name, failed, tuple(through))
        further = [name for name in graph.above(at) if "upstream_failed" in graph.states(name)]
        if not further or further[0] in through:
            break
        at = further[0]
        through.append(at)
    return _name_rule(graph, at, through)


async def _look_outside(airflow: Airflow, run: Row, found: NotRun) -> NotRun:
    """Explain a skip that no task decided: the time of the run was up, or somebody set the state."""
    unchecked: Row = {}
    limit = await find_run_timeout(airflow, run, unchecked) if run.get("state") == "failed" else None
    if limit is not None:
        says = f"the run's dagrun_timeout of {limit['seconds']:.0f} s was up before it had ended"
        return replace(found, because="run_timeout", says=says, evidence=limit)
    says = "no task above is known to have decided it: a person or a program may have set its state"
    evidence = {**found.evidence, **({"not_read": unchecked} if unchecked else {})}
    return replace(found, because="set_from_outside", says=says, evidence=evidence)


async def _find_skipper(airflow: Airflow, graph: _Graph, instance: Row, budget: LogBudget) -> NotRun:
    at, through = instance["task_id"], [instance["task_id"]]
    looked: dict[str, Row] = {}
    for _ in range(STEPS):
        row = instance if at == instance["task_id"] else graph.find(at, "skipped")
        if row is not None and (row.get("hostname") or row.get("pid")):
            return await _skipped_itself(airflow, row, through, budget)
        for name in graph.above(at):
            decider = graph.find(name, "success") or graph.find(name, "skipped")
            if decider is None or (name not in looked and len(looked) >= XCOM_READS):
                continue
            if name not in looked:
                looked[name] = await _read_choice(airflow, decider)
            decided = await _name_choice(airflow, looked[name], decider, at, through, budget)
            if decided is not None:
                return decided
        further = [name for name in graph.above(at) if "skipped" in graph.states(name)]
        if not further or further[0] in through:
            break
        at = further[0]
        through.append(at)
    return _name_rule(graph, at, through)


async def _read_choice(airflow: Airflow, row: Row) -> Row:
    route = instance_route(row["dag_id"], row["dag_run_id"], row["task_id"])
    index = row.get("map_index")
    query = {"map_index": -1 if index is None else index, "stringify": "false"}
    answer = await try_get(airflow, f"{route}/xcomEntries/{_CHOICE}", query)
    value = None if isinstance(answer, Unread) else answer.get("value")
    return value if isinstance(value, dict) else {}


async def _name_choice(
    airflow: Airflow, choice: Row, row: Row, task_id: str, through: Sequence[str], budget: LogBudget
) -> NotRun | None:
    followed, skipped = choice.get("followed"), choice.get("skipped")
    name = row["task_id"]
    if isinstance(followed, list) and task_id not in followed:
        chosen = ", ".join(f"`{one}`" for one in followed[:5]) or "no task"
        because, says = "branch", f"the branch `{name}` chose {chosen}"
    elif isinstance(skipped, list) and task_id in skipped:
        because, says = "short_circuit", f"`{name}` stopped what comes after it (short circuit)"
    else:
        return None
    evidence = await _read_last_line(airflow, row, budget)
    return NotRun(because, says, name, row, tuple(through), evidence)


async def _read_last_line(airflow: Airflow, row: Row, budget: LogBudget) -> Row:
    tail = await read_tail(airflow, row, budget)
    if isinstance(tail, Unread):
        return {"log_not_read": cut(tail.why, 200)}
    line = find_last_line(tail)
    return {} if line is None else {"last_log_line": cut(line, 300)}


async def _skipped_itself(airflow: Airflow, row: Row, through: Sequence[str], budget: LogBudget) -> NotRun:
    name = row["task_id"]
    tail = await read_tail(airflow, row, budget)
    reason = None if isinstance(tail, Unread) else find_skip_reason(tail)
    if not isinstance(tail, Unread) and reason is None and not says_skipped(tail):
        return NotRun("unknown", "what decided it is not recorded", name, row, tuple(through))
    evidence = {"message": cut(reason, 300)} if reason else await _read_last_line(airflow, row, budget)
    says = "it skipped itself" if len(through) == 1 else f"`{name}` above it skipped itself"
    return NotRun("skipped_itself", says, name, row, tuple(through), evidence)


def _name_rule(graph: _Graph, task_id: str, through: Sequence[str]) -> NotRun:
    """Explain by the trigger rule what no single task decided."""
    task = graph.tasks.get(task_id, {})
    states = {name: ", ".join(sorted(graph.states(name))) for name in graph.above(task_id)}
    skipped = {row.get("map_index") for row in graph.instances.get(task_id, [])}
    if task.get("is_mapped") and skipped <= {-1, None}:
        says = f"`{task_id}` is mapped over a list that was empty"
        return NotRun("empty_mapping", says, task_id, None, tuple(through), {"upstream": states})
    rule = task.get("trigger_rule")
    if not states or not rule or (rule in _MET_BY_SUCCESS and set(states.values()) == {"success"}):
        return NotRun("unknown", "what decided it is not recorded", task_id, None, tuple(through))
    listed = "; ".join(f"`{name}` is {state}" for name, state in list(states.items())[:5])
    says = f"the trigger rule `{rule}` of `{task_id}` was not met: {listed}"
    evidence: Row = {"trigger_rule": rule, "upstream": dict(list(states.items())[:10])}
    if len(states) > 10:
        evidence["upstream_tasks"] = len(states)
    return NotRun("trigger_rule", says, task_id, None, tuple(through), evidence)
