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
"""The operations of Airflow 3's REST API that the tools use, and what they send and read.

``scripts/record_api.py`` records these operations from the OpenAPI document of each supported Airflow, and
``test_api_documents.py`` compares them.
"""

from __future__ import annotations

from typing import NamedTuple


class Use(NamedTuple):
    """How the tools use an operation."""

    since: str = "3.0"
    """The first minor that has it; the tools do without before it."""
    body: frozenset[str] = frozenset()
    """The fields of the body that the tools always send."""
    sends: bool = False
    """Whether the tools always send a body, if only ``{}``; so they do where ``body`` names a field."""
    reads: frozenset[str] = frozenset()
    """The fields of the answer, or of its rows, that the tools cannot do without."""


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_RUN = "/dags/{dag_id}/dagRuns/{dag_run_id}"

_INSTANCE = f"{_RUN}/taskInstances/{{task_id}}"

_RUN_ROW = _names("dag_id dag_run_id state run_type logical_date run_after start_date end_date conf note")

_INSTANCE_ROW = _names(
    "dag_id dag_run_id task_id map_index state try_number start_date end_date duration operator pool"
)

OPERATIONS: dict[str, Use] = {
    "GET /dags": Use(reads=_names("dag_id is_paused is_stale tags owners has_import_errors")),
    "GET /dags/{dag_id}": Use(reads=_names("dag_id is_paused file_token timetable_summary")),
    "GET /dags/{dag_id}/details": Use(reads=_names("dag_id params catchup max_active_runs doc_md")),
    "PATCH /dags/{dag_id}": Use(body=_names("is_paused"), reads=_names("is_paused")),
    "DELETE /dags/{dag_id}": Use(),
    "GET /dags/{dag_id}/tasks": Use(reads=_names("task_id downstream_task_ids trigger_rule")),
    "GET /dags/{dag_id}/tasks/{task_id}": Use(reads=_names("task_id")),
    "GET /dags/{dag_id}/dagVersions": Use(reads=_names("version_number bundle_name bundle_version")),
    "GET /dags/{dag_id}/dagVersions/diff": Use(
        since="3.4", reads=_names("mode values_status truncated total_changes changes path operation impact")
    ),
    "GET /dagBundles": Use(since="3.4", reads=_names("name active version last_refreshed")),
    "GET /dagSources/{dag_id}": Use(reads=_names("content")),
    "GET /dagWarnings": Use(reads=_names("message")),
    "PUT /parseDagFile/{file_token}": Use(),
    "GET /importErrors": Use(reads=_names("import_error_id filename stack_trace timestamp")),
    "GET /dags/{dag_id}/dagRuns": Use(reads=_RUN_ROW | {"total_entries"}),
    "POST /dags/{dag_id}/dagRuns": Use(body=_names("logical_date"), reads=_RUN_ROW),
    f"GET {_RUN}": Use(reads=_RUN_ROW),
    f"PATCH {_RUN}": Use(sends=True, reads=_RUN_ROW),
    f"DELETE {_RUN}": Use(),
    f"POST {_RUN}/clear": Use(body=_names("dry_run only_failed")),
    f"GET {_RUN}/upstreamAssetEvents": Use(reads=_names("asset_events")),
    f"GET {_RUN}/taskInstances": Use(reads=_INSTANCE_ROW | {"total_entries"}),
    f"GET {_INSTANCE}": Use(reads=_INSTANCE_ROW | {"rendered_fields"}),
    f"GET {_INSTANCE}/{{map_index}}": Use(reads=_INSTANCE_ROW),
    f"GET {_INSTANCE}/tries": Use(reads=_names("try_number state start_date end_date")),
    f"GET {_INSTANCE}/{{map_index}}/tries": Use(reads=_names("try_number state start_date end_date")),
    f"GET {_INSTANCE}/dependencies": Use(reads=_names("name reason")),
    f"GET {_INSTANCE}/{{map_index}}/dependencies": Use(reads=_names("name reason")),
    f"GET {_INSTANCE}/links": Use(reads=_names("extra_links")),
    f"GET {_INSTANCE}/logs/{{try_number}}": Use(reads=_names("content continuation_token")),
    f"GET {_INSTANCE}/xcomEntries": Use(reads=_names("key map_index")),
    f"GET {_INSTANCE}/xcomEntries/{{xcom_key}}": Use(reads=_names("key value")),
    f"PATCH {_INSTANCE}": Use(body=_names("new_state"), reads=_names("task_instances")),
    f"PATCH {_INSTANCE}/dry_run": Use(body=_names("new_state"), reads=_names("task_instances")),
    "POST /dags/{dag_id}/clearTaskInstances": Use(
        body=_names("dry_run only_failed task_ids dag_run_id"), reads=_names("task_instances")
    ),
    f"GET {_RUN}/hitlDetails": Use(since="3.1", reads=_names("options subject body task_instance")),
    f"PATCH {_INSTANCE}/{{map_index}}/hitlDetails": Use(since="3.1", body=_names("chosen_options")),
    "GET /assets": Use(reads=_names("id name uri producing_tasks")),
    "GET /assets/{asset_id}": Use(reads=_names("id name uri")),
    "GET /dags/{dag_id}/assets/queuedEvents": Use(reads=_names("queued_events asset_id")),
    "GET /assets/events": Use(reads=_names("id asset_id timestamp created_dagruns")),
    "POST /assets/events": Use(body=_names("asset_id extra"), reads=_names("id")),
    "POST /assets/{asset_id}/materialize": Use(sends=True, reads=_names("dag_id dag_run_id state")),
    "GET /backfills": Use(reads=_names("id dag_id from_date to_date is_paused completed_at")),
    "GET /backfills/{backfill_id}": Use(reads=_names("id dag_id")),
    "GET /backfills/{backfill_id}/dag_runs": Use(
        since="3.4", reads=_names("dag_run_state exception_reason total_entries")
    ),
    "POST /backfills": Use(body=_names("dag_id from_date to_date"), reads=_names("id")),
    "POST /backfills/dry_run": Use(body=_names("dag_id from_date to_date"), reads=_names("logical_date")),
    "PUT /backfills/{backfill_id}/pause": Use(),
    "PUT /backfills/{backfill_id}/unpause": Use(),
    "PUT /backfills/{backfill_id}/cancel": Use(),
    "GET /pools": Use(reads=_names("name slots open_slots occupied_slots")),
    "GET /pools/{pool_name}": Use(reads=_names("name slots open_slots occupied_slots")),
    "POST /pools": Use(body=_names("name slots")),
    "PATCH /pools/{pool_name}": Use(body=_names("slots")),
    "DELETE /pools/{pool_name}": Use(),
    "GET /variables": Use(reads=_names("key description")),
    "GET /variables/{variable_key}": Use(reads=_names("key value description")),
    "POST /variables": Use(body=_names("key value")),
    "PATCH /variables/{variable_key}": Use(body=_names("key value")),
    "DELETE /variables/{variable_key}": Use(),
    "GET /connections": Use(reads=_names("connection_id conn_type host extra")),
    "GET /connections/{connection_id}": Use(reads=_names("connection_id conn_type host extra")),
    "POST /connections": Use(body=_names("connection_id conn_type")),
    "PATCH /connections/{connection_id}": Use(body=_names("connection_id conn_type")),
    "POST /connections/test": Use(body=_names("connection_id conn_type"), reads=_names("status message")),
    "DELETE /connections/{connection_id}": Use(),
    "GET /config": Use(reads=_names("sections")),
    "GET /config/section/{section}/option/{option}": Use(reads=_names("sections")),
    "GET /eventLogs": Use(reads=_names("event_log_id when event owner dag_id")),
    "GET /jobs": Use(reads=_names("job_type hostname state latest_heartbeat")),
    "GET /monitor/health": Use(reads=_names("metadatabase scheduler triggerer dag_processor")),
    "GET /providers": Use(reads=_names("package_name version")),
    "GET /plugins": Use(reads=_names("name")),
    "GET /version": Use(reads=_names("version")),
}
"""By method and path below ``/api/v2``."""

IDENTITIES = _names(
    "id key name uri dag_id dag_run_id run_id task_id map_index try_number xcom_key file_token "
    "region_id region_index loop_id iteration loop_iteration "
    "asset_id event_log_id import_error_id backfill_id pool_name variable_key connection_id "
    "version_number base_version_number target_version_number bundle_name bundle_version partition_key"
)
"""The fields by which the tools tell a thing from others of its kind."""

NO_IDENTITIES = _names(
    # Names to read, and references to other things.
    "dag_ids downstream_task_ids dag_display_name task_display_name owner_display_name operator_name "
    "responded_by_user_id responded_by_user_name trigger_id continuation_token pool_slots conn_type "
    "task_group_id triggering_user_name dag_version_id rendered_map_index parent_task_id root_dag_id "
    "team_name tag_name source_task_id source_dag_id source_run_id source_map_index "
    "source_task_instance_id task_instance_id task_instance_ids whole_expansion_ids package_name user_id"
)
"""Fields that look like identities, and that the tools need not know: names to read, and references."""
