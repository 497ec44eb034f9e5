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
"""A task instance with a log."""

from __future__ import annotations

import json
from typing import Any

import httpx

from tests.unit.fake_airflow import FakeAirflow

TASK = "dags/a/dagRuns/r/taskInstances/t"
INSTANCE = {
    "dag_id": "a",
    "dag_run_id": "r",
    "task_id": "t",
    "map_index": -1,
    "state": "failed",
    "try_number": 2,
    "start_date": "2026-01-01T00:00:00Z",
    "end_date": None,
    "duration": 1.5,
    "operator": "PythonOperator",
    "operator_name": "@task",
    "pool": "default_pool",
    "rendered_fields": {"op_kwargs": {"password": "x", "region": "eu"}},
}
LOG = {"dag_id": "a", "dag_run_id": "r", "task_id": "t"}


def log_of(entries: list[Any], state: str = "failed") -> FakeAirflow:
    """A task instance with a log as Airflow 3 sends it."""

    def sent(request: httpx.Request) -> httpx.Response:
        if request.headers["accept"] != "application/x-ndjson":
            return httpx.Response(200, json={"content": entries, "continuation_token": None})
        lines = "".join(json.dumps(entry) + "\n" for entry in entries)
        return httpx.Response(200, content=lines, headers={"Content-Type": "application/x-ndjson"})

    return FakeAirflow(**{f"GET {TASK}": {**INSTANCE, "state": state}, f"GET {TASK}/logs/2": sent})


def entry(event: str, level: str | None = "info", **more: Any) -> dict[str, Any]:
    return {
        "timestamp": "2026-01-01T00:00:00.123456Z",
        "event": event,
        **({"level": level} if level else {}),
        "logger": "l",
        **more,
    }
