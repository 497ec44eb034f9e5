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
"""What keeps things back for want of a process or of a place to run."""

from __future__ import annotations

from airflow_provider_mcp.tools.diagnostics.waiting_facts import NOT_STARTED, Check, Facts
from airflow_provider_mcp.tools.shared.reads import Unread


def check_heartbeats(facts: Facts) -> Check | None:
    name = "heartbeats"
    if facts.health is None or facts.is_over:
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


def check_executor(facts: Facts) -> Check | None:
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
