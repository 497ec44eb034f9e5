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
"""Rows of v1 as rows of v2."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from airflow_provider_mcp.sdk.json_types import JSON, JSONObject

Convert = Callable[[JSONObject], JSONObject]


def convert_list(content: JSONObject, v1_key: str, v2_key: str, convert: Convert) -> JSONObject:
    """Return a v1 list as the v2 list of converted rows."""
    rows = [convert(row) for row in content[v1_key]]
    return {v2_key: rows, "total_entries": content.get("total_entries", len(rows))}


def keep(row: JSON) -> JSON:
    """Return what is the same in both."""
    return row


def convert_dag(row: JSONObject) -> JSONObject:
    new = dict(row)
    schedule = new.pop("schedule_interval", None)
    new["is_stale"] = not new.pop("is_active", True)
    new["timetable_summary"] = schedule.get("value") if isinstance(schedule, dict) else schedule
    new["next_dagrun_logical_date"] = new.pop("next_dagrun", None)
    new["next_dagrun_run_after"] = new.pop("next_dagrun_create_after", None)
    return new


def convert_dag_run(row: JSONObject) -> JSONObject:
    new = dict(row)
    new["logical_date"] = new.pop("execution_date", None) or new.get("logical_date")
    new["run_after"] = new.get("data_interval_end") or new["logical_date"]
    new["duration"] = _seconds(new.get("start_date"), new.get("end_date"))
    new.pop("external_trigger", None)
    new.setdefault("dag_versions", [])
    return new


def _seconds(start: str | None, end: str | None) -> float | None:
    if not start or not end:
        return None
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()


def convert_task_instance(row: JSONObject) -> JSONObject:
    new = dict(row)
    if "execution_date" in new:
        new["logical_date"] = new.pop("execution_date")
    new.setdefault("dag_run_id", row.get("run_id"))
    new.pop("sla_miss", None)
    return new


def list_task_instances(rows: Sequence[JSONObject]) -> JSONObject:
    """Return the v2 list of these instances, which are all that there are."""
    return {"task_instances": [convert_task_instance(row) for row in rows], "total_entries": len(rows)}


def convert_event_log(row: JSONObject) -> JSONObject:
    new = dict(row)
    new["logical_date"] = new.pop("execution_date", None)
    return new


def convert_import_error(row: JSONObject) -> JSONObject:
    return {"bundle_name": None, **row}


def convert_asset(row: JSONObject) -> JSONObject:
    new = dict(row)
    new.setdefault("name", row.get("uri"))
    new["group"] = "asset"
    new["scheduled_dags"] = new.pop("consuming_dags", [])
    new.setdefault("aliases", [])
    return new


def convert_asset_event(row: JSONObject) -> JSONObject:
    new = {key.replace("dataset_", "asset_"): value for key, value in row.items()}
    new["uri"] = new["name"] = new.pop("asset_uri", None)
    new["created_dagruns"] = [
        {**convert_dag_run(run), "run_id": run.get("dag_run_id")} for run in row.get("created_dagruns", [])
    ]
    return new
