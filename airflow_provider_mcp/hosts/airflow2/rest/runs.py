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
"""Dag runs: list, trigger, change, clear; and the source of a Dag."""

from __future__ import annotations

from urllib.parse import quote

from airflow_provider_mcp.hosts.airflow2.rest.filters import DATES, LISTING, UPDATES, in_utc, rename_query
from airflow_provider_mcp.hosts.airflow2.rest.requests import Rewriting, V2Request, get, patch, post
from airflow_provider_mcp.hosts.airflow2.rest.rows import convert_dag_run, convert_list, list_task_instances
from airflow_provider_mcp.hosts.airflow2.rest.task_instances import preview_clear
from airflow_provider_mcp.sdk.errors import Unsupported


def get_source(call: V2Request) -> Rewriting:
    """Read a Dag's source, which v1 keeps by a token of the file."""
    dag = yield get(f"dags/{call.parts['dag']}")
    source = yield get(f"dagSources/{quote(dag['file_token'], safe='')}")
    content = source.get("content") if isinstance(source, dict) else source
    return {"content": content, "dag_id": call.identifier("dag"), "version_number": None}


def list_dag_runs(call: V2Request) -> Rewriting:
    """List runs. v1 has none of a Dag that does not exist, where v2 says that it does not exist."""
    query = rename_query(call, {**LISTING, "state": "state", **DATES, **UPDATES})
    content = yield get(call.path, query)
    if not content["total_entries"] and call.parts["dag"] != "~":
        yield get(f"dags/{call.parts['dag']}")
    return convert_list(content, "dag_runs", "dag_runs", convert_dag_run)


def trigger_dag(call: V2Request) -> Rewriting:
    """Start a run."""
    body = call.fields
    if "run_after" in body:
        raise Unsupported("Airflow 2 cannot start a Dag run with run_after; leave it out.")
    if isinstance(body.get("logical_date"), str):
        body["logical_date"] = in_utc(body["logical_date"])
    run = yield post(call.path, body)
    return convert_dag_run(run)


def patch_dag_run(call: V2Request) -> Rewriting:
    """Change a run's state and its note, which are two operations of v1."""
    body = call.fields
    note = body.pop("note", None)
    if note is None:
        return convert_dag_run((yield patch(call.path, body)))
    if body:
        yield patch(call.path, body)
    return convert_dag_run((yield patch(f"{call.path}/setNote", {"note": note})))


def clear_dag_run(call: V2Request) -> Rewriting:
    """Clear a run, or the failed tasks of it."""
    body = call.fields
    dry_run, only_failed = bool(body.get("dry_run", True)), bool(body.get("only_failed"))
    dag_id, run_id = call.identifier("dag"), call.identifier("run")
    if only_failed:
        # v1 clears whole runs only here; the Dag-wide operation can be told to clear failed ones.
        moved = {"dag_run_id": run_id, "dry_run": dry_run, "only_failed": True, "reset_dag_runs": True}
        cleared = yield post(f"dags/{call.parts['dag']}/clearTaskInstances", moved)
    else:
        cleared = yield post(call.path, {"dry_run": dry_run})
    if dry_run:
        return (yield from preview_clear(dag_id, run_id, cleared["task_instances"], only_failed))
    return list_task_instances(cleared["task_instances"]) if only_failed else convert_dag_run(cleared)
