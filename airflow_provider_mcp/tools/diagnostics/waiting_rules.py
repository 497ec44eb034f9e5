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
"""Why a Dag, a run or a task waits: one rule for each possible cause, in order. Pure functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone

from airflow_provider_mcp.sdk import JSON, JSONObject
from airflow_provider_mcp.tools.diagnostics.statistics import seconds
from airflow_provider_mcp.tools.diagnostics.waiting_facts import NOT_STARTED, Check, Facts, Row, Verdict
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


def explain(facts: Facts) -> list[Check]:
    """Return what each rule that applies found, in the order in which Airflow comes to them."""
    found = []
    for rule in RULES:
        check = rule(facts)
        if check is not None:
            found.append(check)
        if facts.dag is None:
            break
    return found


def conclude(facts: Facts, checks: Sequence[Check]) -> str:
    """Return the reason in a sentence: the first rule that blocks, or what is known if none does."""
    blocking = [check for check in checks if check.verdict == "blocks"]
    if blocking:
        return blocking[0].says
    unknown = [check.name for check in checks if check.verdict == "unknown"]
    rest = f" Could not check: {', '.join(unknown)}." if unknown else ""
    state = facts.state
    if facts.instance is not None:
        if state == "running":
            return f"It is not waiting: it runs since {facts.instance.get('start_date')}.{rest}"
        if state not in NOT_STARTED | {
            "queued",
            "deferred",
            "awaiting_input",
            "up_for_retry",
            "up_for_reschedule",
        }:
            return f"It is not waiting: its state is {state}.{rest}"
    elif facts.run is not None and facts.run.get("state") in {"success", "failed"}:
        return f"It is not waiting: the run is over ({facts.run.get('state')}).{rest}"
    return f"Nothing that could be checked holds it back; the scheduler should take it up shortly.{rest}"


def last_line(trace: str | None) -> str:
    """Return the last line of a traceback that is not empty: the exception."""
    return next((line.strip() for line in reversed((trace or "").splitlines()) if line.strip()), "")


def _shown_errors(errors: Sequence[Row]) -> list[JSONObject]:
    return [
        {"filename": row.get("filename"), "error": last_line(row.get("stack_trace"))[:300]}
        for row in errors[:5]
    ]


def _dag_is_there(facts: Facts) -> Check | None:
    name = "dag"
    errors = facts.import_errors
    if facts.dag is None:
        if isinstance(errors, Unread):
            return Check(name, "blocks", f"There is no Dag `{facts.dag_id}`. Import errors: {errors.why}")
        own = [row for row in errors if _stem(row.get("filename")) == facts.dag_id]
        shown = _shown_errors(own or errors)
        if own:
            says = f"The file named after the Dag could not be imported: {shown[0]['error']}"
        elif errors:
            says = (
                f"There is no Dag `{facts.dag_id}`. {len(errors)} file(s) could not be imported: "
                "if it is defined in one of them, that is why."
            )
        else:
            says = f"There is no Dag `{facts.dag_id}`, and no file failed to import."
        return Check(name, "blocks", says, {"import_errors": shown})
    if facts.dag.get("has_import_errors"):
        if isinstance(errors, Unread):
            says = f"Its file could not be imported. The error could not be read: {errors.why}"
            return Check(name, "blocks", says)
        own = [row for row in errors if _same_file(facts.dag, row)]
        shown = _shown_errors(own)
        error = f": {shown[0]['error']}" if shown else ""
        return Check(name, "blocks", f"Its file could not be imported{error}.", {"import_errors": shown})
    if facts.dag.get("is_stale"):
        return Check(
            name,
            "blocks",
            "Airflow no longer finds the Dag in its file: it was removed, renamed or is not being parsed.",
            {"fileloc": facts.dag.get("fileloc"), "last_parsed_time": facts.dag.get("last_parsed_time")},
        )
    return Check(name, "ok", "The Dag is there and its file was imported.")


def _stem(filename: JSON) -> str:
    return str(filename or "").replace("\\", "/").rsplit("/", 1)[-1].removesuffix(".py")


def _same_file(dag: Row, error: Row) -> bool:
    name = str(error.get("filename") or "")
    known = {str(dag.get(key)) for key in ("fileloc", "relative_fileloc") if dag.get(key)}
    return bool(name) and (name in known or any(loc.endswith(f"/{name}") for loc in known))


def _paused(facts: Facts) -> Check | None:
    if _is_over(facts) or facts.dag is None:
        return None
    if facts.dag.get("is_paused"):
        return Check("paused", "blocks", f"The Dag `{facts.dag_id}` is paused.", {"is_paused": True})
    if facts.dag.get("scheduling_state") == "draining":
        drains = (
            f"The Dag `{facts.dag_id}` is draining: its unfinished runs go on, no scheduled run is created, "
            "and it is paused when they have ended."
        )
        verdict: Verdict = "blocks" if facts.run is None else "ok"
        return Check("paused", verdict, drains, {"scheduling_state": "draining"})
    return Check("paused", "ok", "The Dag is not paused.")


def _is_over(facts: Facts) -> bool:
    return facts.run is not None and facts.run.get("state") in {"success", "failed"}


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, timezone.utc).isoformat(timespec="seconds")


def _schedule(facts: Facts) -> Check | None:
    name = "schedule"
    dag = facts.dag
    if dag is None:
        return None
    if facts.run is not None:
        due = seconds(facts.run.get("run_after"))
        if facts.run.get("state") == "queued" and due is not None and due > facts.now:
            says = f"The run is not due: it may start after {facts.run.get('run_after')}."
            return Check(name, "blocks", says, {"run_after": facts.run.get("run_after")})
        return None
    summary = dag.get("timetable_summary")
    start, due = seconds(dag.get("start_date")), seconds(dag.get("next_dagrun_run_after"))
    evidence = {
        "schedule": summary,
        "start_date": dag.get("start_date"),
        "next_run_after": dag.get("next_dagrun_run_after"),
        "now": _iso(facts.now),
    }
    if start is not None and start > facts.now:
        due_text = f", and its first run is due at {dag.get('next_dagrun_run_after')}" if due else ""
        says = f"The Dag's start date is in the future ({dag.get('start_date')}){due_text}."
        return Check(name, "blocks", says, evidence)
    if not summary:
        says = "The Dag has no schedule: it runs only when it is triggered."
        return Check(name, "blocks", says, evidence)
    if due is None:
        if dag.get("asset_expression") or dag.get("dataset_expression"):
            says = "The Dag is scheduled by assets: it runs when they are updated."
            return Check(name, "blocks", says, {"schedule": summary})
        end = seconds(dag.get("end_date"))
        if end is not None and end < facts.now:
            says = f"The Dag's end date has passed ({dag.get('end_date')})."
            return Check(name, "blocks", says, {"end_date": dag.get("end_date")})
        says = "Airflow has planned no next run for it."
        return Check(name, "blocks", says, evidence)
    if due > facts.now:
        says = f"The next run is due at {dag.get('next_dagrun_run_after')}."
        return Check(name, "blocks", says, evidence)
    return Check(name, "ok", f"A run is due since {dag.get('next_dagrun_run_after')}.", evidence)


def _max_active_runs(facts: Facts) -> Check | None:
    name = "max_active_runs"
    if facts.dag is None or facts.running is None or _is_over(facts):
        return None
    if facts.run is not None and facts.run.get("state") != "queued":
        return None
    most = facts.dag.get("max_active_runs")
    if isinstance(facts.running, Unread):
        return Check(name, "unknown", facts.running.why)
    total, some = facts.running
    evidence = {
        "max_active_runs": most,
        "running": total,
        "runs": [row.get("dag_run_id") for row in some[:5]],
    }
    if most and total >= most:
        says = f"{total} run(s) of the Dag are running, and max_active_runs is {most}."
        return Check(name, "blocks", says, evidence)
    return Check(name, "ok", f"{total} of at most {most} runs are running.", evidence)


def _run_started(facts: Facts) -> Check | None:
    if facts.instance is None or facts.run is None or facts.run.get("state") != "queued":
        return None
    says = "The task's run has not started: ask about the run, without task_id."
    return Check("run", "blocks", says, {"run_state": "queued", "queued_at": facts.run.get("queued_at")})


def _dependencies(facts: Facts) -> Check | None:
    name = "dependencies"
    if not facts.not_started or facts.dependencies is None:
        return None
    if isinstance(facts.dependencies, Unread):
        return Check(name, "unknown", facts.dependencies.why)
    unmet = [row for row in facts.dependencies if row.get("name") not in _ELSEWHERE]
    if unmet:
        shown = [{"name": row.get("name"), "reason": str(row.get("reason"))[:400]} for row in unmet[:5]]
        says = f"A dependency is not met: {shown[0]['name']}: {shown[0]['reason']}"
        return Check(name, "blocks", says, {"unmet": shown})
    return Check(name, "ok", "Airflow reports no unmet dependency of the task itself.")


def _reported(facts: Facts, name: str) -> str | None:
    """Return the reason that Airflow's own dependency check gives under a name."""
    if facts.dependencies is None or isinstance(facts.dependencies, Unread):
        return None
    return next((str(row.get("reason")) for row in facts.dependencies if row.get("name") == name), None)


def _pool(facts: Facts) -> Check | None:
    name = "pool"
    if facts.instance is None or not facts.not_started:
        return None
    pool_name = facts.instance.get("pool")
    said = _reported(facts, _POOL)
    if isinstance(facts.pool, Unread):
        if said:
            return Check(name, "blocks", said[:400])
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


def _concurrency(facts: Facts) -> Check | None:
    name = "concurrency"
    if facts.dag is None or not facts.not_started:
        return None
    for dependency in (_DAG_LIMIT, _TASK_LIMIT):
        said = _reported(facts, dependency)
        if said:
            return Check(name, "blocks", said[:400], {"dependency": dependency})
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


def _retry(facts: Facts) -> Check | None:
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
    delay = _timedelta((facts.task or {}).get("retry_delay"))
    if delay is None or ended is None:
        return Check("retry", "blocks", "A try failed, and the task waits for its next.", evidence)
    if (facts.task or {}).get("retry_exponential_backoff"):
        evidence["retry_delay_seconds"] = delay
        says = f"A try failed; the next comes after a delay that grows with each try from {delay:g} s."
        return Check("retry", "blocks", says, evidence)
    evidence["next_try_after"] = _iso(ended + delay)
    if ended + delay > facts.now:
        says = f"A try failed, and the next one is due at {evidence['next_try_after']}."
        return Check("retry", "blocks", says, evidence)
    return Check("retry", "ok", f"The next try is due since {evidence['next_try_after']}.", evidence)


def _timedelta(value: JSON) -> float | None:
    if not isinstance(value, Mapping):
        return None
    return float(
        (value.get("days") or 0) * 86400
        + (value.get("seconds") or 0)
        + (value.get("microseconds") or 0) / 1e6
    )


def _deferred(facts: Facts) -> Check | None:
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


def _input(facts: Facts) -> Check | None:
    if facts.instance is None or facts.state not in {"awaiting_input", "deferred"}:
        return None
    trigger = str((facts.instance.get("trigger") or {}).get("classpath") or "")
    if facts.state == "deferred" and trigger.rsplit(".", 1)[-1] != "HITLTrigger":
        return None
    return Check("input", "blocks", "The task waits for a person's answer.", {"state": facts.state})


def _sensor(facts: Facts) -> Check | None:
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


def _heartbeats(facts: Facts) -> Check | None:
    name = "heartbeats"
    if facts.health is None or _is_over(facts):
        return None
    if isinstance(facts.health, Unread):
        return Check(name, "unknown", facts.health.why)
    needed = ["scheduler"]
    if facts.state == "deferred":
        needed.append("triggerer")
    if facts.run is None:
        needed.append("dag_processor")
    evidence = {}
    sick = []
    for component in needed:
        part = facts.health.get(component) or {}
        status = part.get("status")
        beat = next((value for key, value in part.items() if key.startswith("latest_") and value), None)
        # A part that does not run on its own has no status. A deferred task must have a triggerer.
        if status is None and component != "triggerer":
            continue
        evidence[component] = {"status": status or "not running", "latest_heartbeat": beat}
        if status != "healthy":
            sick.append(f"the {component.replace('_', ' ')} (last seen {beat or 'never'})")
    if sick:
        return Check(name, "blocks", f"No heartbeat of {' and '.join(sick)}.", evidence)
    return Check(name, "ok", "The processes it needs are alive.", evidence)


def _executor(facts: Facts) -> Check | None:
    name = "executor"
    if facts.instance is None or facts.state not in NOT_STARTED | {"queued"}:
        return None
    evidence = {
        "parallelism": facts.parallelism if not isinstance(facts.parallelism, Unread) else None,
        "queued_or_running": facts.executing if not isinstance(facts.executing, Unread) else None,
        "schedulers": facts.schedulers if not isinstance(facts.schedulers, Unread) else None,
        "queue": facts.instance.get("queue"),
        "queued_when": facts.instance.get("queued_when"),
    }
    evidence = {key: value for key, value in evidence.items() if value is not None}
    if facts.state == "queued":
        says = (
            f"The executor has the task since {facts.instance.get('queued_when')}, and no worker has started "
            f"it yet (queue `{facts.instance.get('queue')}`)."
        )
        return Check(name, "blocks", says, evidence)
    for fact in (facts.parallelism, facts.executing):
        if isinstance(fact, Unread):
            return Check(name, "unknown", fact.why, evidence)
    if not isinstance(facts.parallelism, int) or not isinstance(facts.executing, int):
        return None
    if facts.parallelism <= 0 or facts.executing < facts.parallelism:
        return Check(name, "ok", "The executor has free slots.", evidence)
    if not isinstance(facts.schedulers, int):
        why = facts.schedulers.why if isinstance(facts.schedulers, Unread) else "it was not asked."
        return Check(name, "unknown", f"How many schedulers share the work: {why}", evidence)
    if facts.executing >= facts.parallelism * max(1, facts.schedulers):
        says = f"The executor is full: {facts.executing} tasks, and parallelism is {facts.parallelism}."
        return Check(name, "blocks", says, evidence)
    return Check(name, "ok", "The executor has free slots.", evidence)


RULES: Sequence[Callable[[Facts], Check | None]] = (
    _dag_is_there,
    _paused,
    _schedule,
    _max_active_runs,
    _run_started,
    _dependencies,
    _pool,
    _concurrency,
    _retry,
    _input,
    _deferred,
    _sensor,
    _heartbeats,
    _executor,
)
