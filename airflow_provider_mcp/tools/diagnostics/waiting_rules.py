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
"""The causes for which something waits, in the order in which Airflow comes to them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from airflow_provider_mcp.tools.diagnostics import (
    waiting_dag_rules,
    waiting_process_rules,
    waiting_task_rules,
)
from airflow_provider_mcp.tools.diagnostics.statistics import seconds
from airflow_provider_mcp.tools.diagnostics.waiting_facts import ENDED, Check, Facts, to_iso

LATE_SECONDS = 300
"""After so long, a run that is due and not created was missed."""


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
        if state in ENDED:
            outcome = "".join(f" {check.says}" for check in checks if check.name == "outcome")
            return f"It is not waiting: its state is {state}.{outcome}{rest}"
    elif facts.run is not None and facts.run.get("state") in {"success", "failed"}:
        return f"It is not waiting: the run is over ({facts.run.get('state')}).{rest}"
    due = seconds((facts.dag or {}).get("next_dagrun_run_after"))
    if facts.run is None and due is not None and facts.now - due > LATE_SECONDS:
        return (
            f"Nothing that could be checked holds it back, but a run is due since {to_iso(due)} and the "
            f"scheduler has not created it: look at the scheduler's log.{rest}"
        )
    return f"Nothing that could be checked holds it back; the scheduler should take it up shortly.{rest}"


RULES: Sequence[Callable[[Facts], Check | None]] = (
    waiting_dag_rules.check_dag_is_there,
    waiting_dag_rules.check_paused,
    waiting_dag_rules.check_schedule,
    waiting_dag_rules.check_backfill,
    waiting_dag_rules.check_max_active_runs,
    waiting_task_rules.check_run_started,
    waiting_task_rules.check_dependencies,
    waiting_task_rules.check_pool,
    waiting_task_rules.check_concurrency,
    waiting_task_rules.check_retry,
    waiting_task_rules.check_input,
    waiting_task_rules.check_other_run,
    waiting_task_rules.check_deferred,
    waiting_task_rules.check_sensor,
    waiting_task_rules.check_outcome,
    waiting_process_rules.check_heartbeats,
    waiting_process_rules.check_executor,
)
