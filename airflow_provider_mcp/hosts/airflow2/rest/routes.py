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
"""The operations of Airflow 3's API that Airflow 2 can serve, and the rewrite of each."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from airflow_provider_mcp.hosts.airflow2.rest import admin, assets, logs, runs, task_instances
from airflow_provider_mcp.hosts.airflow2.rest.filters import LISTING, PAGING, Filters, rename_query
from airflow_provider_mcp.hosts.airflow2.rest.requests import Rewrite, Rewriting, V1Request, V2Request, get
from airflow_provider_mcp.hosts.airflow2.rest.rows import (
    Convert,
    convert_asset_event,
    convert_dag,
    convert_dag_run,
    convert_event_log,
    convert_import_error,
    convert_list,
    convert_task_instance,
    keep,
)
from airflow_provider_mcp.sdk.errors import Unsupported
from airflow_provider_mcp.sdk.json_types import JSON


def translate(call: V2Request) -> Rewriting:
    """Return the rewrite that serves a v2 request.

    :raises Unsupported: There is none, or not with this filter; the latter when the rewrite begins.
    """
    for method, pattern, rewrite in ROUTES:
        match = re.fullmatch(pattern, call.path) if method == call.method else None
        if match:
            return rewrite(replace(call, parts=match.groupdict()))
    raise Unsupported(f"{call.method} {call.path} is not there on Airflow 2; upgrade to Airflow 3 to use it.")


def pass_on(call: V2Request) -> Rewriting:
    """Serve by the same request to v1, whose answer is the same too."""
    return (yield V1Request(call.method, call.path, call.query, call.body))


def _row(convert: Callable[[JSON], JSON] = keep) -> Rewrite:
    """Return a rewrite that sends the same request to v1 and converts its answer."""

    def rewrite(call: V2Request) -> Rewriting:
        content = yield V1Request(call.method, call.path, call.query, call.body)
        return convert(content)

    return rewrite


def _read(filters: Filters, convert: Callable[[JSON], JSON] = keep, path: str | None = None) -> Rewrite:
    """Return a rewrite that reads with these filters, at v1's ``path`` where it is another."""

    def rewrite(call: V2Request) -> Rewriting:
        content = yield get(path or call.path, rename_query(call, filters))
        return convert(content)

    return rewrite


def _rows(v1_key: str, v2_key: str, convert: Convert) -> Callable[[JSON], JSON]:
    """Return a conversion of a list."""

    def convert_rows(content: JSON) -> JSON:
        return convert_list(content, v1_key, v2_key, convert)

    return convert_rows


def _list_links(content: JSON) -> JSON:
    return {"extra_links": content, "total_entries": len(content)}


def _list_upstream_events(call: V2Request) -> Rewriting:
    content = yield get(
        f"dags/{call.parts['dag']}/dagRuns/{call.parts['run']}/upstreamDatasetEvents", call.query
    )
    return convert_list(content, "dataset_events", "asset_events", convert_asset_event)


def _list_queued_events(call: V2Request) -> Rewriting:
    """List the updates of datasets that wait to be used by a Dag's next run; v1 names each by its URI."""
    content: JSON = yield get(f"dags/{call.parts['dag']}/datasets/queuedEvent", call.query)
    return content


_INSTANCES = _rows("task_instances", "task_instances", convert_task_instance)

_DAG_FILTERS: Filters = {
    **LISTING,
    "tags": "tags",
    "paused": "paused",
    "dag_id_pattern": "dag_id_pattern",
    "exclude_stale": "only_active",
    "tags_match_mode": None,
}

_XCOM_FILTERS: Filters = {
    **PAGING,
    "map_index": "map_index",
    "deserialize": "deserialize",
    "stringify": "stringify",
}

_EVENT_LOG_FILTERS: Filters = {
    **LISTING,
    "dag_id": "dag_id",
    "run_id": "run_id",
    "task_id": "task_id",
    "map_index": "map_index",
    "event": "event",
    "owner": "owner",
    "excluded_events": "excluded_events",
    "before": "before",
    "after": "after",
}

_ASSET_EVENT_FILTERS: Filters = {
    **LISTING,
    "asset_id": "dataset_id",
    "source_dag_id": "source_dag_id",
    "source_task_id": "source_task_id",
    "source_run_id": "source_run_id",
    "source_map_index": "source_map_index",
}

_DAG = r"dags/(?P<dag>[^/]+)"

_RUN = rf"{_DAG}/dagRuns/(?P<run>[^/]+)"

_TASK = rf"{_RUN}/taskInstances/(?P<task>[^/]+)"

ROUTES: tuple[tuple[str, str, Rewrite], ...] = (
    # Dags
    ("GET", "dags", _read(_DAG_FILTERS, _rows("dags", "dags", convert_dag))),
    ("GET", _DAG, _row(convert_dag)),
    ("GET", rf"{_DAG}/details", _row(convert_dag)),
    ("PATCH", _DAG, _row(convert_dag)),
    ("DELETE", _DAG, pass_on),
    ("GET", rf"{_DAG}/tasks(/[^/]+)?", pass_on),
    ("GET", r"dagSources/(?P<dag>[^/]+)", runs.get_source),
    ("PUT", r"parseDagFile/[^/]+", pass_on),
    ("GET", r"dagWarnings", pass_on),
    ("GET", r"importErrors", _read(LISTING, _rows("import_errors", "import_errors", convert_import_error))),
    ("GET", r"dagStats", pass_on),
    # Dag runs
    ("GET", rf"{_DAG}/dagRuns", runs.list_dag_runs),
    ("POST", rf"{_DAG}/dagRuns", runs.trigger_dag),
    ("GET", _RUN, _row(convert_dag_run)),
    ("PATCH", _RUN, runs.patch_dag_run),
    ("DELETE", _RUN, pass_on),
    ("POST", rf"{_RUN}/clear", runs.clear_dag_run),
    ("GET", rf"{_RUN}/upstreamAssetEvents", _list_upstream_events),
    # Task instances
    ("GET", rf"{_RUN}/taskInstances", task_instances.list_instances),
    ("POST", r"dags/~/dagRuns/~/taskInstances/list", task_instances.batch_instances),
    ("GET", rf"{_TASK}/logs/(?P<try>\d+)", logs.read_log),
    ("GET", rf"{_TASK}/links", _read({"map_index": "map_index"}, _list_links)),
    ("GET", rf"{_TASK}(/(?P<map>\d+))?/dependencies", pass_on),
    ("GET", rf"{_TASK}(/(?P<map>\d+))?/tries", _row(_INSTANCES)),
    ("GET", rf"{_TASK}/listMapped", _read(LISTING, _INSTANCES)),
    ("GET", rf"{_TASK}/xcomEntries(/[^/]+)?", _read(_XCOM_FILTERS)),
    ("GET", rf"{_TASK}(/(?P<map>-?\d+))?", _row(convert_task_instance)),
    ("PATCH", rf"{_TASK}(?P<dry>/dry_run)?", task_instances.set_state),
    ("POST", rf"{_DAG}/clearTaskInstances", task_instances.clear_instances),
    # Assets
    ("GET", rf"{_DAG}/assets/queuedEvents", _list_queued_events),
    ("GET", r"assets", assets.list_assets),
    ("GET", r"assets/(?P<asset>\d+)", assets.get_asset),
    ("POST", r"assets/events", assets.create_asset_event),
    (
        "GET",
        r"assets/events",
        _read(
            _ASSET_EVENT_FILTERS,
            _rows("dataset_events", "asset_events", convert_asset_event),
            "datasets/events",
        ),
    ),
    # Administration
    ("GET", r"monitor/health", _read({}, path="health")),
    ("GET", r"version", _read({})),
    ("GET", r"providers", _read(PAGING)),
    ("GET", r"plugins", _read(PAGING)),
    ("GET", r"pools(/[^/]+)?", _read(LISTING)),
    ("POST", r"pools", admin.set_pool),
    ("PATCH", r"pools/[^/]+", admin.set_pool),
    # A variable's key may hold slashes.
    ("DELETE", r"((pools|connections)/[^/]+|variables/.+)", pass_on),
    ("GET", r"variables(/.+)?", _read(LISTING)),
    ("POST", r"variables", admin.send_without_nulls),
    ("PATCH", r"variables/.+", admin.send_without_nulls),
    ("GET", r"connections(/[^/]+)?", _read(LISTING)),
    ("POST", r"connections(/test)?", admin.send_without_nulls),
    ("PATCH", r"connections/[^/]+", admin.patch_connection),
    ("GET", r"config(/section/[^/]+/option/[^/]+)?", _read({"section": "section"})),
    ("GET", r"eventLogs", _read(_EVENT_LOG_FILTERS, _rows("event_logs", "event_logs", convert_event_log))),
)
