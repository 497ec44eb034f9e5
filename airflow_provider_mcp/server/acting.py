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
"""A confirmed call acts once; who confirms it again is told what the first one did."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timezone

import mcp_types as types

from airflow_provider_mcp.sdk.errors import Conflict
from airflow_provider_mcp.sdk.json_types import JSONObject
from airflow_provider_mcp.sdk.tool import Tool
from airflow_provider_mcp.server.claims import MOST_OUTCOME_CHARS
from airflow_provider_mcp.server.failures import explain_failure
from airflow_provider_mcp.server.request import Request
from airflow_provider_mcp.server.signing import TOKEN_SECONDS
from airflow_provider_mcp.server.wire import build_error_result

REPEATED_KEY = "org.apache.airflow/repeated"
"""Where ``_meta`` of a result says when the call was made whose result it repeats."""


async def act_once(
    request: Request,
    key: str,
    tool: Tool,
    act: Callable[[], Awaitable[types.InputRequiredResult | JSONObject]],
) -> types.InputRequiredResult | JSONObject:
    """Act, if nobody has claimed the key, and keep what comes of it; else tell what came of it.

    :raises ToolError: What the act raises.
    """
    claims = request.claims
    # Longer than the token itself is good for, whenever in its life it is used.
    expires = time.time() + 2 * TOKEN_SECONDS
    if not await claims.claim(key, expires):
        return tell_again(tool.name, await claims.recall(key))
    try:
        result = await act()
    except Exception as failure:
        error = explain_failure(tool.name, tool.owner, failure)
        result = await build_error_result(error, request.policy, tool.owner)
        await claims.keep(key, _describe_outcome(result), expires)
        raise error from failure
    if not isinstance(result, types.InputRequiredResult):
        await claims.keep(key, _describe_outcome(result), expires)
    return result


def tell_again(tool_name: str, outcome: str | None) -> JSONObject:
    """Return the answer to a second use of a confirmation.

    :param outcome: What is kept of the first use, if anything is.
    :raises Conflict: What the first one did is not known, or too long to be told again.
    """
    record = json.loads(outcome) if outcome else {}
    if record.get("result"):
        result: JSONObject = record["result"]
        notice = (
            f"This confirmation of {tool_name} was used before, at {record['at']}, "
            "and nothing was done again. The first call returned:"
        )
        content = [{"type": "text", "text": notice}, *result["content"]]
        return {
            **result,
            "content": content,
            "_meta": {**result.get("_meta", {}), REPEATED_KEY: record["at"]},
        }
    if record:
        what = "failed" if record["failed"] else "succeeded"
        raise Conflict(
            f"This confirmation of {tool_name} was used before, at {record['at']}: that call {what}, "
            "and nothing was done again.",
            hint="Its result is too long to be told again; look at what it was about.",
        )
    raise Conflict(
        f"This confirmation of {tool_name} was used before, and nothing was done again. "
        "That call has not ended, or was stopped: what it did is not known.",
        hint="Look at what it was about before you repeat it.",
    )


def _describe_outcome(result: JSONObject) -> str:
    """Return a result as it is kept: without itself if it is too long."""
    at = datetime.now(timezone.utc).isoformat(timespec="seconds")
    outcome: JSONObject = {"at": at, "failed": bool(result.get("isError")), "result": result}
    text = json.dumps(outcome)
    return text if len(text) <= MOST_OUTCOME_CHARS else json.dumps({**outcome, "result": None})
