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
"""What keeps a task back, as Airflow and its own state tell."""

from __future__ import annotations

from collections.abc import Mapping

from airflow_provider_mcp.sdk import JSONObject
from airflow_provider_mcp.tools.diagnostics.previous_runs import describe_before
from airflow_provider_mcp.tools.diagnostics.statistics import seconds
from airflow_provider_mcp.tools.diagnostics.timeouts import read_seconds
from airflow_provider_mcp.tools.diagnostics.waiting_facts import ENDED, Check, Facts, to_iso
from airflow_provider_mcp.tools.shared.reads import Unread

# Dependencies of Airflow that have a rule of their own here, and one that only repeats the state.
_POOL = "Pool Slots Available"

_TASK_LIMIT = "Task Concurrency"

_DAG_LIMIT = "Task Instance Slots Available"

_ELSEWHERE = frozenset(
    {
        _POOL,
        _TASK_LIMIT,
        _DAG_LIMIT,
        "Not In Retry Period",
        "Dag Not Paused",
        "Dagrun Running",
        "Task Instance State",
    }
)


def check_run_started(facts: Facts) -> Check | None:
    if facts.instance is None or facts.run is None or facts.run.get("state") != "queued":
        return None
    says = "The task's run has not started: ask about the run, without task_id."
    return Check("run", "blocks", says, {"run_state": "queued", "queued_at": facts.run.get("queued_at")})


def check_dependencies(facts: Facts) -> Check | None:
    name = "dependencies"
    if not facts.not_started or facts.dependencies is None:
        return None
    if isinstance(facts.dependencies, Unread):
        return Check(name, "unknown", facts.dependencies.why)
    unmet = [row for row in facts.dependencies if row.get("name") not in _ELSEWHERE]
    if unmet:
        first_unmet = [{"name": row.get("name"), "reason": str(row.get("reason"))[:400]} for row in unmet[:5]]
        says = f"A dependency is not met: {first_unmet[0]['name']}: {first_unmet[0]['reason']}"
        if facts.before is not None:
            return Check(
                name,
                "blocks",
                f"{says} {describe_before(dict(facts.before))}",
                {"unmet": first_unmet, "run_before": facts.before},
            )
        return Check(name, "blocks", says, {"unmet": first_unmet})
    return Check(name, "ok", "Airflow reports no unmet dependency of the task itself.")


def _find_reason(facts: Facts, name: str) -> str | None:
    """Return the reason that Airflow's own dependency check gives under a name."""
    if facts.dependencies is None or isinstance(facts.dependencies, Unread):
        return None
    return next((str(row.get("reason")) for row in facts.dependencies if row.get("name") == name), None)


def check_pool(facts: Facts) -> Check | None:
    name = "pool"
    if facts.instance is None or not facts.not_started:
        return None
    pool_name = facts.instance.get("pool")
    reason = _find_reason(facts, _POOL)
    if isinstance(facts.pool, Unread):
        if reason:
            return Check(name, "blocks", reason[:400])
        return Check(name, "unknown", facts.pool.why)
    if facts.pool is None:
        return Check(name, "blocks", f"There is no pool `{pool_name}`: its tasks are never started.")
    needed = int(facts.instance.get("pool_slots") or 1)
    slots, free = int(facts.pool["slots"]), int(facts.pool["open_slots"])
    evidence: JSONObject = {"pool": pool_name, "slots": slots, "open_slots": free, "needs": needed}
    if slots < 0 or free >= needed:
        return Check(name, "ok", f"The pool `{pool_name}` has {_count(free)} free slot(s).", evidence)
    if isinstance(facts.holders, Unread):
        evidence["holders_not_read"] = facts.holders.why
    else:
        evidence["held_by"] = [
            {key: row.get(key) for key in ("dag_id", "dag_run_id", "task_id", "map_index", "state")}
            for row in facts.holders[:10]
        ]
    says = f"The pool `{pool_name}` is full: {free} of {slots} slots are free, and the task needs {needed}."
    return Check(name, "blocks", says, evidence)


def _count(free: int) -> str:
    return "unlimited" if free < 0 else str(free)


def check_concurrency(facts: Facts) -> Check | None:
    name = "concurrency"
    if facts.dag is None or not facts.not_started:
        return None
    for dependency in (_DAG_LIMIT, _TASK_LIMIT):
        reason = _find_reason(facts, dependency)
        if reason:
            return Check(name, "blocks", reason[:400], {"dependency": dependency})
    if facts.active_tasks is None:
        return None
    if isinstance(facts.active_tasks, Unread):
        return Check(name, "unknown", facts.active_tasks.why)
    most = facts.dag.get("max_active_tasks")
    where = "the Dag" if facts.airflow_2 else "the run"
    evidence = {"max_active_tasks": most, "active": facts.active_tasks}
    if most and facts.active_tasks >= most:
        says = f"{facts.active_tasks} tasks of {where} are queued or running, and max_active_tasks is {most}."
        return Check(name, "blocks", says, evidence)
    if isinstance(facts.dependencies, Unread):
        return Check(name, "unknown", f"The task's own limit: {facts.dependencies.why}", evidence)
    return Check(name, "ok", f"{facts.active_tasks} of at most {most} tasks are active in {where}.", evidence)


def check_retry(facts: Facts) -> Check | None:
    if facts.instance is None or facts.state != "up_for_retry":
        return None
    ended = seconds(facts.instance.get("end_date"))
    evidence: JSONObject = {
        "try_number": facts.instance.get("try_number"),
        "ended": facts.instance.get("end_date"),
    }
    if isinstance(facts.task, Unread):
        says = f"A try failed, and the task waits for its next. How long could not be read: {facts.task.why}"
        return Check("retry", "blocks", says, evidence)
    delay = read_seconds((facts.task or {}).get("retry_delay"))
    if delay is None or ended is None:
        return Check("retry", "blocks", "A try failed, and the task waits for its next.", evidence)
    if (facts.task or {}).get("retry_exponential_backoff"):
        evidence["retry_delay_seconds"] = delay
        says = f"A try failed; the next comes after a delay that grows with each try from {delay:g} s."
        return Check("retry", "blocks", says, evidence)
    evidence["next_try_after"] = to_iso(ended + delay)
    if ended + delay > facts.now:
        says = f"A try failed, and the next one is due at {evidence['next_try_after']}."
        return Check("retry", "blocks", says, evidence)
    return Check("retry", "ok", f"The next try is due since {evidence['next_try_after']}.", evidence)


def check_deferred(facts: Facts) -> Check | None:
    if facts.instance is None or facts.state != "deferred":
        return None
    trigger = facts.instance.get("trigger") or {}
    evidence = {
        "trigger": trigger.get("classpath"),
        "since": trigger.get("created_date") or facts.instance.get("start_date"),
        "triggerer_id": trigger.get("triggerer_id"),
    }
    says = f"The task is deferred: it waits for its trigger {trigger.get('classpath') or ''}".rstrip() + "."
    return Check("deferred", "blocks", says, evidence)


def check_input(facts: Facts) -> Check | None:
    if facts.instance is None or facts.state not in {"awaiting_input", "deferred"}:
        return None
    trigger = str((facts.instance.get("trigger") or {}).get("classpath") or "")
    if facts.state == "deferred" and trigger.rsplit(".", 1)[-1] != "HITLTrigger":
        return None
    return Check("input", "blocks", "The task waits for a person's answer.", {"state": facts.state})


def check_sensor(facts: Facts) -> Check | None:
    if facts.instance is None:
        return None
    operator = facts.instance.get("operator_name") or facts.instance.get("operator")
    evidence = {"operator": operator, "since": facts.instance.get("start_date")}
    if facts.state == "up_for_reschedule":
        says = f"The condition that {operator or 'the sensor'} waits for is not met; it is checked again."
        return Check("sensor", "blocks", says, evidence)
    if facts.state == "running" and isinstance(facts.task, Mapping):
        reference = facts.task.get("class_ref") or {}
        class_name = str(reference.get("class_name") or "")
        if class_name.endswith("Sensor") or "sensors" in str(reference.get("module_path") or "").split("."):
            says = f"It runs: {class_name} pokes until its condition is met."
            return Check("sensor", "blocks", says, {**evidence, "class": class_name})
    return None


def check_other_run(facts: Facts) -> Check | None:
    """Say which run of another Dag a task waits for."""
    if facts.instance is None or facts.other is None:
        return None
    run = {key: value for key, value in facts.other.items() if key not in {"says", "reason"}}
    return Check("other_run", "blocks", str(facts.other["says"]), {"run": run})


def check_outcome(facts: Facts) -> Check | None:
    """Say how a task ended."""
    if facts.instance is None or facts.state not in ENDED:
        return None
    name = "outcome"
    evidence = {key: facts.instance.get(key) for key in ("start_date", "end_date", "try_number")}
    ended = facts.instance.get("end_date")
    if isinstance(facts.not_run, Unread):
        return Check(name, "unknown", facts.not_run.why, evidence)
    if facts.not_run is not None:
        # What others wrote stands in the evidence, apart from the sentence.
        return Check(name, "ok", f"Why: {facts.not_run['says']}.", {"why": facts.not_run})
    if facts.state == "failed":
        tries = int(facts.instance.get("try_number") or 1)
        says = f"It failed at {ended}, in try {tries}; diagnose_dag_run says why."
        return Check(name, "ok", says, evidence)
    return Check(name, "ok", f"It ended at {ended}.", evidence) if ended else None
