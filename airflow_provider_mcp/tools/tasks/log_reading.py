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
"""How a log is read: a page or a part of its stream at a time."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncGenerator, Sequence

from airflow_provider_mcp.sdk import JSON, Airflow, JSONObject
from airflow_provider_mcp.tools.shared.versions import is_airflow_2

MAX_LOG_PAGES = 1000

LOG_CHUNK = 2000
"""Lines that are looked at, and forgotten, at once."""

# States of a task instance to whose log something is still added.
_GROWING = frozenset({"running", "deferred", "restarting", "queued", "awaiting_input", "up_for_reschedule"})


def streams_log(airflow: Airflow, instance: JSONObject, try_number: int) -> bool:
    """Say whether the log of a try is sent as a stream: by Airflow 3, if nothing is added to it any more."""
    growing = try_number == int(instance.get("try_number") or 0) and instance.get("state") in _GROWING
    return not growing and not is_airflow_2(airflow)


async def read_log(airflow: Airflow, route: str, where: JSONObject) -> AsyncGenerator[list[JSON], None]:
    """Yield a log's lines from its beginning, a page at a time."""
    token: str | None = None
    for _ in range(MAX_LOG_PAGES):
        query: JSONObject = {"full_content": "true", **where}
        if token:
            query["token"] = token
        answer = (await airflow.get(route, params=query)).json()
        content = answer.get("content") or []
        if content:
            yield content if isinstance(content, list) else str(content).splitlines()
        following = answer.get("continuation_token")
        if not content or not following or following == token:
            return
        token = following


async def stream_raw(airflow: Airflow, route: str, where: JSONObject) -> AsyncGenerator[list[str], None]:
    """Yield the lines of a log that nothing is added to any more, each a JSON text, as Airflow 3 sends it."""
    query: JSONObject = {"full_content": "true", **where}
    headers = {"Accept": "application/x-ndjson"}
    async with airflow.stream("GET", route, params=query, headers=headers) as answer:
        chunk: list[str] = []
        async for line in answer.aiter_lines():
            chunk.append(line)
            if len(chunk) >= LOG_CHUNK:
                yield chunk
                chunk = []
        if chunk:
            yield chunk


def decode_lines(lines: Sequence[str]) -> list[JSON]:
    """Return the entries that raw lines hold; what is no JSON is a line of text."""
    entries: list[JSON] = []
    for line in lines:
        try:
            entries.append(json.loads(line))
        except (ValueError, RecursionError):
            entries.append(line)
    return entries


async def stream_log(airflow: Airflow, route: str, where: JSONObject) -> AsyncGenerator[list[JSON], None]:
    """Yield the entries of a log that nothing is added to any more."""
    async with contextlib.aclosing(stream_raw(airflow, route, where)) as chunks:
        async for chunk in chunks:
            yield decode_lines(chunk)
