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
"""What previews of calls that change something are made of."""

from __future__ import annotations

import json
import zlib

from airflow_provider_mcp.sdk import JSON, JSONObject, Result
from airflow_provider_mcp.tools.shared.rows import name_instance


class Change(Result):
    """A thing as it is and as it will be."""

    action: str
    before: JSONObject | None = None
    after: JSONObject | None = None
    now: JSONObject | None = None


class Deleted(Result):
    """The name of what was deleted."""

    deleted: str


MOST_CHARS = 2000
"""What a preview shows of one value: a person who confirms reads no more, and what is large costs time."""


def summarize(value: JSON) -> JSON:
    """Return a value as a preview shows it: of a large one its size and its begin."""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if len(text) <= MOST_CHARS:
        return value
    size = {} if isinstance(value, str) else {"items": len(value)}
    return {"characters": len(text), **size, "begin": text[: MOST_CHARS // 2]}


def as_of(rows: list[JSONObject]) -> str:
    """Return a word for the tries that task instances are at: it changes with each new try.

    A preview with it is never shown again once what it announced was done.
    """
    tries = sorted(
        f"{row.get('task_id')} {row.get('map_index')} {row.get('region_id')} {row.get('region_index')} "
        f"{row.get('try_number')} {row.get('start_date')}"
        for row in rows
    )
    return f"{zlib.crc32(chr(10).join(tries).encode()):08x}"


def name_by_state(rows: list[JSONObject]) -> dict[str, list[str]]:
    """Return the names of task instances by their state."""
    by_state: dict[str, list[str]] = {}
    for row in sorted(rows, key=lambda row: (row["task_id"], row.get("map_index") or 0)):
        by_state.setdefault(row.get("state") or "no_status", []).append(name_instance(row))
    return by_state
