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
"""Task logs: Airflow 2's text as Airflow 3's structured lines."""

from __future__ import annotations

import ast
import base64
import json
import re

from airflow_provider_mcp.hosts.airflow2.rest.filters import rename_query
from airflow_provider_mcp.hosts.airflow2.rest.requests import Rewriting, V2Request, get
from airflow_provider_mcp.sdk.json_types import JSON, JSONObject

_LINE = re.compile(
    r"\[(?P<time>\d{4}-\d\d-\d\dT[\d:.]+(?:[+-]\d\d:?\d\d|Z)?)\] \{(?P<logger>[^}]{1,200})\} "
    r"(?P<level>DEBUG|INFO|WARNING|ERROR|CRITICAL) - (?P<event>.*)"
)


def read_log(call: V2Request) -> Rewriting:
    """Read a page of a task's log."""
    filters = {"map_index": "map_index", "full_content": "full_content", "token": "token"}
    content = yield get(call.path, rename_query(call, filters))
    token, text = None, content
    if isinstance(content, dict):
        token, text = content.get("continuation_token"), content.get("content", "")
    return {"content": split_log(_join_hosts(text)), "continuation_token": None if _is_last(token) else token}


def _join_hosts(text: str) -> str:
    """Return the log without the tuples of host and text that v1 writes in Python's notation."""
    try:
        hosts = ast.literal_eval(text) if text.startswith("[(") else None
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        hosts = None
    return text if hosts is None else "\n".join(str(host[1]) for host in hosts)


def _is_last(token: JSON) -> bool:
    """Return whether a continuation token, which v1 always gives, says that the log has ended.

    Asking once more would read the whole log again only to skip it.
    """
    payload = str(token or "").split(".", 1)[0]
    try:
        position = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except ValueError:
        return False
    return isinstance(position, dict) and position.get("end_of_log") is True


def split_log(text: str) -> list[JSONObject]:
    """Return a text log as structured lines: ``event`` and, at the start of a record, time, level, logger."""
    lines: list[JSONObject] = []
    for line in text.splitlines():
        record = _LINE.fullmatch(line)
        if not record:
            lines.append({"event": line})
            continue
        time = record["time"]
        if re.search(r"[+-]\d{4}$", time):
            time = f"{time[:-2]}:{time[-2:]}"
        lines.append(
            {
                "timestamp": time,
                "level": record["level"].lower(),
                "logger": record["logger"],
                "event": record["event"],
            }
        )
    return lines
