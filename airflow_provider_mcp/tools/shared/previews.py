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
from contextlib import suppress

import anyio.to_thread

from airflow_provider_mcp.sdk import JSON, Airflow, JSONObject, Result
from airflow_provider_mcp.tools.shared.masking import SMALL
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
    text = _write(value)
    return value if len(text) <= MOST_CHARS else _describe(value, len(text), text)


async def summarize_redacted(airflow: Airflow, value: JSON, name: str | None = None) -> JSON:
    """Do the same with the secrets masked; of a large value, nothing is masked but what may be shown.

    :param name: The name that the value is held under.
    """
    if value is None or isinstance(value, (bool, int, float)):
        return airflow.redact(value, name)
    return await anyio.to_thread.run_sync(_summarize_redacted, airflow, value, name)


def _summarize_redacted(airflow: Airflow, value: JSON, name: str | None) -> JSON:
    size = len(_write(value))
    if size <= SMALL:
        return summarize(airflow.redact(value, name))
    return _describe(value, size, _write(airflow.redact(_take_begin(value, [SMALL]), name)))


def _describe(value: JSON, characters: int, text: str) -> JSON:
    items = {} if isinstance(value, str) else {"items": len(value)}
    return {"characters": characters, **items, "begin": text[: MOST_CHARS // 2]}


def _write(value: JSON) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _take_begin(value: JSON, room: list[int], depth: int = 0) -> JSON:
    """Return the begin of a value, with what it is nested in.

    :param room: How many characters and items there may still be: a list of one number, which is lowered.
    """
    room[0] -= len(value) if isinstance(value, str) else 1
    if isinstance(value, str):
        return _take_begin_of_text(value, room, depth)
    if isinstance(value, (dict, list)) and depth == _MOST_DEPTH:
        return []
    if isinstance(value, dict):
        begin: JSONObject = {}
        for key, inner in value.items():
            if room[0] <= 0:
                break
            room[0] -= len(key)
            begin[key] = _take_begin(inner, room, depth + 1)
        return begin
    if isinstance(value, list):
        items: list[JSON] = []
        for inner in value:
            if room[0] <= 0:
                break
            items.append(_take_begin(inner, room, depth + 1))
        return items
    return value


def _take_begin_of_text(text: str, room: list[int], depth: int) -> str:
    """Return the begin of a text; of JSON, a whole document, since its keys say what in it is a secret."""
    if len(text) <= SMALL:
        return text
    if text.lstrip()[:1] in {"{", "["}:
        if len(text) > _MOST_JSON:
            return f"(a text of {len(text)} characters that begins as JSON does)"
        with suppress(ValueError, RecursionError):
            room[0] = SMALL
            return json.dumps(_take_begin(json.loads(text), room, depth + 1), ensure_ascii=False)
    return text[:SMALL]


_MOST_JSON = 1_000_000
"""The longest text that is parsed for a preview."""

_MOST_DEPTH = 200
"""What is nested deeper is masked whole."""


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
