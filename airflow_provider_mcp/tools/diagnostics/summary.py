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
"""The sentence that sums up a diagnosis, and the calls that come next."""

from __future__ import annotations

from collections.abc import Sequence

from airflow_provider_mcp.sdk import JSONObject
from airflow_provider_mcp.tools.diagnostics.reading import cut, step, target

Row = JSONObject

# Kinds of failures that may be gone at the next try; others come again until somebody mends the cause.
_MAY_PASS = frozenset({"connection", "killed", "memory", "no_exception_in_log", "other", "timeout"})


def summarise(diagnosis: Row, other_tasks: int) -> str:
    """Return what happened in some sentences.

    :param other_tasks: Failed tasks that are not shown.
    """
    name = f"`{diagnosis['dag_run_id']}` of `{diagnosis['dag_id']}`"
    timeout = diagnosis.get("timeout")
    limit = (
        f" It took {timeout['run_took']:.0f} s, and its dagrun_timeout is {timeout['seconds']:.0f} s."
        if timeout
        else ""
    )
    failures = diagnosis["failures"]
    if not failures:
        return _sum_up_no_failure(diagnosis, name) + limit
    first = failures[0]
    text = f"`{first['task_id']}`{_count(first)} failed first: {_reason(first)}."
    tasks = len(failures) + other_tasks
    if tasks > 1:
        text += f" {tasks - 1} more task(s) failed."
    blocked = diagnosis.get("blocked") or {}
    if blocked.get("task_instances"):
        text += f" {blocked['task_instances']} task instance(s) downstream did not run."
    return text + limit


def _sum_up_no_failure(diagnosis: Row, name: str) -> str:
    task = diagnosis.get("task")
    reason = diagnosis.get("not_run")
    if task and reason:
        cause = reason.get("cause") or {}
        cause_text = cause.get("message") or cause.get("error") or reason.get("message")
        line = reason.get("last_log_line")
        text = f"`{task['task_id']}` is {task['state']}: {reason['says']}"
        if cause_text:
            return f"{text}: {_trim(cause_text, 300)}."
        return f"{text}; its log ends: {cut(line, 300)}" if line else f"{text}."
    if task:
        text = f"`{task['task_id']}` of {name} is {task['state']}."
    elif diagnosis["state"] == "failed":
        return f"{name} failed, but none of its task instances is failed."
    else:
        text = f"{name} is {diagnosis['state']}; none of its task instances failed."
    warned = (diagnosis.get("log_warnings") or {}).get("warned")
    if warned:
        text += f" The log of `{warned[0]['task']}` warns: {cut(warned[0]['log_lines'][0], 300)}"
        if len(warned) > 1:
            text += f" ({len(warned) - 1} more log(s) warn)"
    return text


def _count(failure: Row) -> str:
    if failure.get("of"):
        return f" ({failure['failed']} of {failure['of']} instances)"
    return f" ({failure['failed']} instances)" if failure["failed"] > 1 else ""


def _reason(failure: Row) -> str:
    source = failure.get("source")
    if source:
        return _tell_source(source)
    if not failure["errors"]:
        return "its log could not be read"
    error = failure["errors"][0]
    sentence = _tell_end(error) or str(error.get("message") or error["error"])
    if error.get("exit_code") is not None and failure.get("log_warns"):
        sentence = f"{sentence.rstrip('.')}; its log says: {failure['log_warns'][0]}"
    if error.get("caused_by"):
        sentence = f"{sentence}, caused by {error['caused_by']}"
    if failure.get("timeout", {}).get("seconds") is not None:
        sentence += f" ({failure['timeout']['which']}: {failure['timeout']['seconds']:g} s)"
    return _trim(sentence, 400)


def _tell_end(error: Row) -> str | None:
    """Say how a process was ended by a signal, and that the rest is a guess."""
    if not error.get("signal"):
        return None
    guess = error.get("guess_of_airflow")
    text = f"its process was ended by {error['signal']}"
    return f"{text} (Airflow guesses, without having measured it: {guess})" if guess else text


def _trim(text: str, most: int) -> str:
    """Return a text that a full stop may follow."""
    return cut(text.rstrip(". "), most)


def _tell_source(source: Row) -> str:
    links = []
    for other in source["runs"]:
        run = f"`{other['dag_run_id']}` of " if other.get("dag_run_id") else ""
        state = f" is {other['state']}" if other.get("state") else " could not be found"
        which = "the run" if run else "the run of"
        links.append(f"{which} {run}`{other['dag_id']}` that it {other['relation']}{state}")
    text = ", where ".join(links)
    cause = source.get("cause")
    if cause:
        message = str(cause.get("message") or cause["error"])
        return f"{text}: there `{source['task_id']}` failed: {_trim(message, 300)}"
    if source.get("task_id"):
        return f"{text}: there `{source['task_id']}` failed"
    return text


def list_next_steps(diagnosis: Row, groups: Sequence[Sequence[Row]]) -> list[Row]:
    """Return complete calls, none of which the finding speaks against.

    :param groups: The failed instances of each task.
    """
    where = {"dag_id": diagnosis["dag_id"], "dag_run_id": diagnosis["dag_run_id"]}
    steps: list[Row] = []
    if diagnosis["failures"]:
        source = diagnosis["failures"][0].get("source")
        steps += _after_source(source) if source else _after_failure(diagnosis["failures"][0], where, groups)
    elif diagnosis.get("not_run"):
        steps += _after_not_run(diagnosis["not_run"], where)
    for warned in (diagnosis.get("log_warnings") or {}).get("warned", [])[:1]:
        steps.append(step("get_task_logs", f"what {warned['task']} wrote", **warned["log"]))
    if diagnosis["state"] in {"queued", "running"}:
        steps.append(step("explain_waiting", "what it waits for", **where))
    return steps


def _after_failure(failure: Row, where: Row, groups: Sequence[Sequence[Row]]) -> list[Row]:
    example = groups[0][0]
    errors = failure["errors"]
    call = {**target(example), "try_number": example.get("try_number")}
    if errors:
        call |= errors[0]["example"]
    steps = [step("get_task_logs", "the whole story", **call)]
    kind = errors[0]["kind"] if errors else "no_exception_in_log"
    if kind in _MAY_PASS:
        task_ids = [rows[0]["task_id"] for rows in groups]
        steps.append(
            step(
                "clear_task_instances",
                "run them again, if the cause has passed or is mended",
                **where,
                task_ids=task_ids[:10],
                only_failed=True,
                include_downstream=True,
            )
        )
    if errors and errors[0].get("code"):
        steps.append(step("get_dag", "the code", dag_id=where["dag_id"], include=["source"]))
    return steps


def _after_source(source: Row) -> list[Row]:
    """Go on in the run where the failure began; clearing the task above it would not mend it."""
    other = source["runs"][-1]
    if not other.get("dag_run_id"):
        return [step("list_dag_runs", "the runs that may be meant", dag_id=other["dag_id"])]
    there = {"dag_id": other["dag_id"], "dag_run_id": other["dag_run_id"]}
    if other["state"] in {"queued", "running"}:
        return [step("explain_waiting", "what that run waits for", **there)]
    if not source.get("task_id"):
        return [step("diagnose_dag_run", "why that run ended so", **there)]
    cause = source.get("cause") or {}
    log = {**there, "task_id": source["task_id"], **cause.get("example", {})}
    steps = [step("get_task_logs", "the log of the source", **log)]
    if cause.get("kind") in _MAY_PASS:
        steps.append(
            step(
                "clear_task_instances",
                "run the source again, if its cause has passed or is mended",
                **there,
                task_ids=[source["task_id"]],
                only_failed=True,
                include_downstream=True,
            )
        )
    if cause.get("code"):
        steps.append(step("get_dag", "its code", dag_id=other["dag_id"], include=["source"]))
    return steps


def _after_not_run(reason: Row, where: Row) -> list[Row]:
    if reason.get("source"):
        return _after_source(reason["source"])
    if reason["because"] == "failed_above":
        return [step("diagnose_dag_run", "what failed there", **where)]
    if reason["because"] in {"branch", "short_circuit", "skipped_itself"}:
        return [step("get_task_logs", "what decided it", **where, task_id=reason["task_id"])]
    if reason["because"] == "set_from_outside":
        return [step("list_event_logs", "who set it", **where, task_id=reason["task_id"])]
    return []
