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
"""What Airflow says about something that waits, and what a rule finds in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Literal

from airflow_provider_mcp.sdk import JSON, JSONObject
from airflow_provider_mcp.tools.diagnostics.asset_conditions import AssetCondition
from airflow_provider_mcp.tools.shared.reads import Unread

Row = Mapping[str, JSON]

Verdict = Literal["blocks", "ok", "unknown"]

NOT_STARTED = frozenset({None, "none", "scheduled"})
"""States in which the scheduler has not yet handed the task to the executor."""


ENDED = frozenset({"success", "failed", "skipped", "upstream_failed", "removed"})
"""States of a task instance that is not going to run."""


def to_iso(moment: float) -> str:
    """Return seconds since the epoch as an ISO 8601 time."""
    return datetime.fromtimestamp(moment, timezone.utc).isoformat(timespec="seconds")


@dataclass(frozen=True)
class Check:
    """What one rule found.

    :param says: The finding in words; of ``unknown``, why it could not be checked.
    """

    name: str
    verdict: Verdict
    says: str
    evidence: Mapping[str, JSON] = field(default_factory=dict)


@dataclass(frozen=True)
class Facts:
    """What Airflow says about that which waits. A field that is None does not apply.

    :param dag: The Dag's details; None if there is no such Dag.
    :param import_errors: Files that could not be imported.
    :param bundles: When the bundle of a Dag that is missing or broken was last refreshed, or each bundle.
    :param running: Running runs of the Dag: ``(total, some of them)``.
    :param pool: The task's pool; None if there is no such pool.
    :param holders: Task instances that hold slots of that pool.
    :param active_tasks: How many tasks count against the Dag's ``max_active_tasks``.
    :param executing: How many tasks the executor has, of all Dags.
    :param schedulers: How many schedulers are alive.
    :param assets: The assets that the Dag is scheduled by.
    :param backfill: The backfill that the run belongs to.
    :param behind: What the oldest running run waits for, of a run behind it.
    :param other: The run of another Dag that the task waits for, and what that waits for.
    :param not_run: Why the task did not run, of one that was skipped.
    :param before: How the task ended in the run before, of one that depends on it.
    """

    now: float
    dag_id: str
    airflow_2: bool = False
    dag: Row | None = None
    import_errors: Sequence[Row] | Unread = ()
    bundles: Sequence[JSONObject] = ()
    run: Row | None = None
    running: tuple[int, Sequence[Row]] | Unread | None = None
    instance: Row | None = None
    task: Row | Unread | None = None
    dependencies: Sequence[Row] | Unread | None = None
    pool: Row | Unread | None = None
    holders: Sequence[Row] | Unread = ()
    active_tasks: int | Unread | None = None
    health: Row | Unread | None = None
    parallelism: int | Unread | None = None
    executing: int | Unread | None = None
    schedulers: int | Unread | None = None
    assets: AssetCondition | Unread | None = None
    backfill: Row | None = None
    behind: Row | None = None
    other: Row | None = None
    not_run: Row | Unread | None = None
    before: Row | None = None

    @property
    def is_over(self) -> bool:
        return self.run is not None and self.run.get("state") in {"success", "failed"}

    @property
    def state(self) -> str | None:
        return self.instance.get("state") if self.instance is not None else None

    @property
    def not_started(self) -> bool:
        return self.instance is not None and self.state in NOT_STARTED
