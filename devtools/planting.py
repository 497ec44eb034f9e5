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
"""Plant faults in an Airflow: run the Dags of ``tests/fixtures/dags/faults``, and read what became of them.

The truth is read from the metadata database, never through a tool.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Collection
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from devtools.airflow_process import ROOT, AirflowHome, AirflowSite

FAULTS = ROOT / "tests" / "fixtures" / "dags" / "faults"
WAIT_SECONDS = 600
DATE, LATER = "2026-11-01T00:00:00+00:00", "2026-11-02T00:00:00+00:00"


def prepare(folder: Path, *dags: Path, **options: str) -> AirflowHome:
    """Make an Airflow that has the faults, with room for tasks that wait for others.

    :param dags: Folders of further Dags.
    :param options: Environment variables of its processes.
    """
    settings = {
        "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
        "AIRFLOW__CORE__PARALLELISM": "8",
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "600",
        "AIRFLOW__SCHEDULER__MIN_FILE_PROCESS_INTERVAL": "600",
        **options,
    }
    home = AirflowHome(folder, options=settings)
    if home.line == 2:
        # A task that waits for another needs an executor that runs both at once, which Airflow 2 keeps from
        # SQLite outside of its own tests.
        settings["AIRFLOW__CORE__EXECUTOR"] = "LocalExecutor"
        settings["_AIRFLOW__SKIP_DATABASE_EXECUTOR_COMPATIBILITY_CHECK"] = "1"
    home.prepare(FAULTS, *dags)
    if home.line == 2:
        home.cheapen_passwords()
    return home


def plant(site: AirflowSite, names: Collection[str]) -> None:
    """Start the runs of these faults, named without ``fault_``."""
    site.airflow("pools", "set", "fault_pool", "0", "closed")
    for name in sorted({*names, "child", "external_upstream"}):
        wait(site, f"the Dag fault_{name}", partial(has_dag, site, f"fault_{name}"))
    for dag_id in ("fault_external_upstream", "fault_external_task"):
        start(site, dag_id, logical_date=DATE)
    for name in names:
        if name not in {"external_task", "waiting_child", "behind_another", "past"}:
            start(site, f"fault_{name}")
    start(site, "fault_waiting_child")
    for run_id in ("first", "second", "third"):
        start(site, "fault_behind_another", run_id)
    # A run without a logical date has no run before it on Airflow 3.
    start(site, "fault_past", logical_date=DATE)
    wait(site, "a failure", lambda: read_states(site, "fault_past", "append") == {"failed"})
    start(site, "fault_past", "second", logical_date=LATER)


def read(site: AirflowSite, query: str, *values: str) -> list[tuple[Any, ...]]:
    """Return the rows of a query of the metadata database."""
    with closing(sqlite3.connect(site.folder / "airflow.db", timeout=60)) as database:
        return database.execute(query, values).fetchall()


def has_dag(site: AirflowSite, dag_id: str) -> bool:
    return bool(read(site, "SELECT 1 FROM serialized_dag WHERE dag_id = ?", dag_id))


def read_states(site: AirflowSite, dag_id: str, task_id: str, run_id: str = "first") -> set[str]:
    query = "SELECT state FROM task_instance WHERE dag_id = ? AND task_id = ? AND run_id = ?"
    return {str(state) for (state,) in read(site, query, dag_id, task_id, run_id)}


def wait(site: AirflowSite, what: str, ready: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < end:
        site.check()
        if ready():
            return
        time.sleep(1)
    raise AssertionError(f"{what} did not come about")


def start(site: AirflowSite, dag_id: str, run_id: str = "first", **more: Any) -> None:
    """Start a run, again if Airflow's SQLite was locked by the scheduler."""

    def begun() -> bool:
        try:
            answer = site.call("trigger_dag", dag_id=dag_id, dag_run_id=run_id, unpause=True, **more)
        except OSError:
            return False
        return not answer.get("isError") or answer["structuredContent"]["error"]["code"] == "conflict"

    wait(site, f"a run of {dag_id}", begun)
