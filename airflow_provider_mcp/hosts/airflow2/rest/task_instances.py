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
"""Task instances: list, clear, set their state."""

from __future__ import annotations

from collections.abc import Sequence

from airflow_provider_mcp.hosts.airflow2.rest.filters import (
    DATES,
    PAGING,
    UPDATES,
    Filters,
    refuse_unknown_states,
    rename_fields,
    rename_query,
)
from airflow_provider_mcp.hosts.airflow2.rest.requests import (
    Rewriting,
    V1Request,
    V2Request,
    get,
    patch,
    post,
)
from airflow_provider_mcp.hosts.airflow2.rest.rows import (
    convert_list,
    convert_task_instance,
    list_task_instances,
)
from airflow_provider_mcp.sdk.errors import Unsupported
from airflow_provider_mcp.sdk.json_types import JSON, JSONObject

MOST_INSTANCES = 5000
"""Map indexes of a task that are looked at, at most, to set its state."""

MOST_MAPPED = 200
"""Map indexes that are set one by one, at most: v1 sets a mapped task's state in no other way."""

_BATCH = "dags/~/dagRuns/~/taskInstances/list"

_PLACES: Filters = {
    # v1 lists task instances in its own order and refuses to be told another.
    "order_by": None,
    "state": "state",
    "pool": "pool",
    "queue": "queue",
    "executor": "executor",
}

_QUERY_FILTERS: Filters = {
    **PAGING,
    **_PLACES,
    **DATES,
    **UPDATES,
    "duration_gte": "duration_gte",
    "duration_lte": "duration_lte",
    "task_id": "task_id",
}

_BATCH_FILTERS: Filters = {
    **_PLACES,
    **DATES,
    "dag_ids": "dag_ids",
    "dag_run_ids": "dag_run_ids",
    "task_ids": "task_ids",
    "page_limit": "page_limit",
    "page_offset": "page_offset",
}

_FAILED = ("failed", "upstream_failed")


def list_instances(call: V2Request) -> Rewriting:
    """List task instances. v1 has none of a run that does not exist, where v2 says that it does not exist."""
    query = rename_query(call, _QUERY_FILTERS)
    refuse_unknown_states(value for name, value in query if name == "state")
    by_task = any(name == "task_id" for name, _ in query)
    content = yield _batch_listing(call, query) if by_task else get(call.path, query)
    if not content["total_entries"] and call.parts["dag"] != "~":
        run = "" if call.parts["run"] == "~" else f"/dagRuns/{call.parts['run']}"
        yield get(f"dags/{call.parts['dag']}{run}")
    return convert_list(content, "task_instances", "task_instances", convert_task_instance)


def _batch_listing(call: V2Request, query: Sequence[tuple[str, str]]) -> V1Request:
    """Return the same listing as v1's batch listing, the only one that filters by task."""
    names = {"task_id": "task_ids", "limit": "page_limit", "offset": "page_offset"}
    body: JSONObject = {}
    for name, value in query:
        if name in PAGING:
            body[names[name]] = int(value)
        elif name.endswith(("_gte", "_lte")):
            body[name] = value
        else:
            body.setdefault(names.get(name, name), []).append(value)
    if not body.get("page_offset"):
        body.pop("page_offset", None)
    if call.parts["dag"] != "~":
        body["dag_ids"] = [call.identifier("dag")]
    if call.parts["run"] != "~":
        body["dag_run_ids"] = [call.identifier("run")]
    return post(_BATCH, body)


def batch_instances(call: V2Request) -> Rewriting:
    """List task instances of several Dags."""
    body = rename_fields(call.fields, _BATCH_FILTERS)
    refuse_unknown_states(body.get("state") or ())
    content = yield post(call.path, body)
    return convert_list(content, "task_instances", "task_instances", convert_task_instance)


def _instances(
    dag_id: str, run_id: str, task_ids: Sequence[str], count: int, states: Sequence[str] = ()
) -> V1Request:
    """Return a request for at most ``count`` instances of tasks of a run."""
    body: JSONObject = {
        "dag_ids": [dag_id],
        "dag_run_ids": [run_id],
        "task_ids": task_ids,
        "page_limit": count,
    }
    if states:
        body["state"] = list(states)
    return post(_BATCH, body)


def preview_clear(
    dag_id: str, run_id: str | None, cleared: Sequence[JSONObject], only_failed: bool
) -> Rewriting:
    """Return the instances that a dry run names: v1's names their tasks alone, v2's has them as they are."""
    if not cleared or run_id is None:
        return list_task_instances(cleared)
    task_ids = sorted({row["task_id"] for row in cleared})
    states = _FAILED if only_failed else ()
    content = yield _instances(dag_id, run_id, task_ids, len(cleared), states)
    return list_task_instances(content["task_instances"])


def clear_instances(call: V2Request) -> Rewriting:
    """Clear tasks of a Dag; as in v2, of failed ones and as a dry run, unless told otherwise."""
    body = call.fields
    for flag in ("dry_run", "only_failed", "reset_dag_runs"):
        body.setdefault(flag, True)
    if any(isinstance(task, list) for task in body.get("task_ids", ())):
        raise Unsupported("Airflow 2 cannot clear single map indexes; clear the whole task.")
    content = yield post(call.path, body)
    cleared = content.get("task_instances", [])
    if not body["dry_run"]:
        return list_task_instances(cleared)
    return (
        yield from preview_clear(
            call.identifier("dag"), body.get("dag_run_id"), cleared, bool(body["only_failed"])
        )
    )


def set_state(call: V2Request) -> Rewriting:
    """Set the state of a task's instances, or return as a dry run those that this would change."""
    body = call.fields
    if "note" in body:
        raise Unsupported("Airflow 2 sets a task instance's note by another operation.")
    state, task_id, run_id = body.get("new_state"), call.identifier("task"), call.identifier("run")
    content = yield _instances(call.identifier("dag"), run_id, [task_id], MOST_INSTANCES)
    if content.get("total_entries", 0) > MOST_INSTANCES:
        raise Unsupported(
            f"The task has over {MOST_INSTANCES} map indexes; on Airflow 2, use Airflow's page of the task."
        )
    changing = [row for row in content["task_instances"] if row["state"] != state]
    if call.parts.get("dry"):
        return list_task_instances(changing)
    mapped = [row["map_index"] for row in changing if row["map_index"] >= 0]
    if mapped:
        yield from _set_mapped(call, mapped, state)
        return list_task_instances(changing)
    flags = ("include_upstream", "include_downstream", "include_future", "include_past")
    moved = {
        "dry_run": False,
        "task_id": task_id,
        "dag_run_id": run_id,
        "new_state": state,
        **{flag: bool(body.get(flag)) for flag in flags},
    }
    changed = yield post(f"dags/{call.parts['dag']}/updateTaskInstancesState", moved)
    return list_task_instances(changed.get("task_instances", []))


def _set_mapped(call: V2Request, map_indexes: Sequence[int], state: JSON) -> Rewriting:
    """Set the state of mapped instances, which v1 does one by one, and only so."""
    if len(map_indexes) > MOST_MAPPED:
        raise Unsupported(
            f"Airflow 2 sets map indexes one by one, and `{call.identifier('task')}` has {len(map_indexes)} "
            f"to set, over {MOST_MAPPED}; use Airflow's page of the task."
        )
    for map_index in map_indexes:
        yield patch(f"{call.path}/{map_index}", {"dry_run": False, "new_state": state})
