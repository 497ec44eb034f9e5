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
"""Filters of lists in v1's terms. A filter that v1 does not have is never ignored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timezone

from airflow_provider_mcp.hosts.airflow2.rest.requests import V2Request
from airflow_provider_mcp.sdk.errors import Unsupported
from airflow_provider_mcp.sdk.json_types import JSONObject

Filters = Mapping[str, "str | None"]
"""From a name in v2 to the name in v1; None: v1 needs it not, and it is dropped."""

PAGING: Filters = {"limit": "limit", "offset": "offset"}

LISTING: Filters = {**PAGING, "order_by": "order_by"}

DATES: Filters = {
    "start_date_gte": "start_date_gte",
    "start_date_lte": "start_date_lte",
    "end_date_gte": "end_date_gte",
    "end_date_lte": "end_date_lte",
    "logical_date_gte": "execution_date_gte",
    "logical_date_lte": "execution_date_lte",
    "run_after_gte": "execution_date_gte",
    "run_after_lte": "execution_date_lte",
}

UPDATES: Filters = {"updated_at_gte": "updated_at_gte", "updated_at_lte": "updated_at_lte"}

_COLUMNS = {"logical_date": "execution_date", "run_after": "execution_date", "dag_run_id": "run_id"}


def rename_query(call: V2Request, filters: Filters) -> list[tuple[str, str]]:
    """Return the request's query in v1's terms.

    :raises Unsupported: It has a parameter that is not in ``filters``.
    """
    renamed = []
    for name, value in call.query:
        if name not in filters:
            raise Unsupported(
                f"Airflow 2 cannot filter {call.path} by {name}; leave it out and choose from the whole list."
            )
        new = filters[name]
        if new is not None:
            renamed.append((new, _convert(call, name, value)))
    return renamed


def _convert(call: V2Request, name: str, value: str) -> str:
    if name == "order_by":
        sign, column = ("-", value[1:]) if value.startswith("-") else ("", value)
        # Runs of several Dags often have the same date, which orders them in no way.
        by_id = column == "run_after" and call.parts.get("dag") == "~"
        return sign + ("id" if by_id else _COLUMNS.get(column, column))
    if name == "exclude_stale":
        return "false" if value.lower() == "false" else "true"
    if is_date(name):
        return in_utc(value)
    return value


def rename_fields(fields: JSONObject, filters: Filters) -> JSONObject:
    """Return the filters of a body in v1's terms.

    :raises Unsupported: There is one that is not in ``filters``.
    """
    unknown = sorted(set(fields) - set(filters))
    if unknown:
        raise Unsupported(f"Airflow 2 cannot filter task instances by {unknown[0]}; leave it out.")
    return {
        new: in_utc(value) if is_date(name) else value
        for name, value in fields.items()
        if (new := filters[name]) is not None
    }


def is_date(name: str) -> bool:
    """Return whether the filter of this name compares with a time."""
    return name in DATES or name in UPDATES or name in {"before", "after"}


def in_utc(value: str) -> str:
    """Return a time with its offset: one without is UTC, a date is its midnight.

    v1 takes a time without an offset for one of the configured timezone.
    """
    try:
        time = datetime.fromisoformat(value.replace("Z", "+00:00"))
    except ValueError:
        # v1 says what is wrong with it.
        return value
    return value if time.tzinfo else time.replace(tzinfo=timezone.utc).isoformat()


_TASK_STATES = frozenset(
    {
        "none",
        "removed",
        "scheduled",
        "queued",
        "running",
        "success",
        "shutdown",
        "restarting",
        "failed",
        "up_for_retry",
        "up_for_reschedule",
        "upstream_failed",
        "skipped",
        "deferred",
    }
)


def refuse_unknown_states(states: Iterable[str]) -> None:
    """Refuse states that came with Airflow 3: v1 fails with HTTP 500 when it is asked for one.

    :raises Unsupported: There is one.
    """
    unknown = sorted(set(states) - _TASK_STATES)
    if unknown:
        raise Unsupported(f"Airflow 2 has no task state {', '.join(unknown)}.")
