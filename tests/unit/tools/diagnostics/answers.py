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
"""Recorded answers of the REST API about Dags, runs and logs, put together by what differs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.unit.fake_airflow import FakeAirflow

LOGGERS = {"airflow": "task", "user": "fault"}


def instance(dag_id: str, task_id: str, state: str | None, **more: Any) -> dict[str, Any]:
    return {
        "dag_id": dag_id,
        "dag_run_id": "r",
        "task_id": task_id,
        "map_index": -1,
        "state": state,
        "try_number": 1,
        "max_tries": 0,
        "start_date": "2026-11-27T10:00:00Z",
        "end_date": "2026-11-27T10:00:05Z",
        "operator_name": "PythonOperator",
        "rendered_fields": {},
        **more,
    }


def run(dag_id: str, state: str, run_id: str = "r", **more: Any) -> dict[str, Any]:
    return {
        "dag_id": dag_id,
        "dag_run_id": run_id,
        "state": state,
        "run_type": "manual",
        "logical_date": "2026-11-27T10:00:00Z",
        "run_after": "2026-11-27T10:00:00Z",
        "start_date": "2026-11-27T10:00:00Z",
        "end_date": "2026-11-27T10:00:10Z",
        "conf": {},
        **more,
    }


def raised(kind: str, message: str, line: int = 1, **more: Any) -> dict[str, Any]:
    """Return the line of Airflow 3's log that has an exception."""
    frames = [{"filename": "/opt/dags/d.py", "lineno": line, "name": "work"}]
    stack = {"exc_type": kind, "exc_value": message, "frames": frames, **more}
    return {"event": "Task failed with exception", "level": "error", "error_detail": [stack]}


def line(event: str, logger: str = "fault", level: str = "info", **more: Any) -> dict[str, Any]:
    return {"event": event, "logger": logger, "level": level, **more}


def listed(key: str, rows: Sequence[Any]) -> dict[str, Any]:
    return {key: list(rows), "total_entries": len(rows)}


def add_dag(
    airflow: FakeAirflow,
    dag_id: str,
    state: str,
    instances: Sequence[Mapping[str, Any]],
    logs: Mapping[str, Sequence[Any]] | None = None,
    tasks: Mapping[str, Mapping[str, Any]] | None = None,
    **details: Any,
) -> FakeAirflow:
    """Add a Dag with one run.

    :param logs: By task ID.
    :param tasks: What is known of each task, with the IDs of those below it under ``below``.
    """
    here = f"GET dags/{dag_id}/dagRuns"
    rows = listed("task_instances", instances)
    replies: dict[str, Any] = {
        f"GET dags/{dag_id}": {"dag_id": dag_id, "fileloc": "/opt/dags/d.py"},
        f"GET dags/{dag_id}/details": {"dag_id": dag_id, "fileloc": "/opt/dags/d.py", **details},
        f"GET dagSources/{dag_id}": {"content": "first()\nsecond(timeout=7)\nthird()"},
        f"{here}/r": run(dag_id, state),
        f"{here}?state=success": listed("dag_runs", []),
        f"{here}?state=failed": listed("dag_runs", [run(dag_id, state)]),
        f"{here}?limit=1": listed("dag_runs", [run(dag_id, state)]),
        f"{here}/r/taskInstances": rows,
        f"{here}/r/taskInstances?state=failed": listed(
            "task_instances", [row for row in instances if row["state"] == "failed"]
        ),
        f"GET dags/{dag_id}/tasks": listed(
            "tasks",
            [
                {
                    "task_id": name,
                    "trigger_rule": "all_success",
                    "is_mapped": False,
                    "downstream_task_ids": known.get("below", []),
                    **known,
                }
                for name, known in (tasks or {}).items()
            ],
        ),
        "GET assets": listed("assets", []),
        "GET eventLogs": listed("event_logs", []),
    }
    for task_id, entries in (logs or {}).items():
        name = f"{here}/r/taskInstances/{task_id}/logs/1"
        replies[name] = {"content": list(entries), "continuation_token": None}
    return airflow.on(**replies)
