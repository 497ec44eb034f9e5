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
"""What went wrong, as the caller is told: never the internals of Airflow or of a tool."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import mcp_types as types
from mcp.shared.exceptions import MCPError

from airflow_provider_mcp.sdk.errors import InternalError, InvalidArgument, ToolError, Unavailable
from airflow_provider_mcp.sdk.json_types import JSON, JSONObject
from airflow_provider_mcp.sdk.tool import Tool
from airflow_provider_mcp.server import running
from airflow_provider_mcp.server.shaping import shape_result
from airflow_provider_mcp.server.wire import brief

log = logging.getLogger(__name__)

MOST_MESSAGE_CHARS = 2_000

MOST_DATA_CHARS = 25_000
"""What the error of a method beside ``tools/call`` may carry; it may be the preview of a confirmation."""

_FAULTS_OF_OURS = frozenset({"internal", "unavailable", "failed"})


NARROWING = (
    *("dag_id", "dag_run_id", "task_id", "dag_pattern", "pattern", "run_id_pattern", "state", "event"),
    *("start_after", "after", "logical_after", "since", "runs", "depth", "limit"),
)
"""Arguments by which a call asks for less, those that help most first."""


def name_filters(tool: Tool, arguments: JSONObject) -> str:
    """Say which arguments that a call did not have would make it ask for less."""
    offered = [name for name in NARROWING if name in tool.input_schema.get("properties", {})]
    names = [name for name in offered if arguments.get(name) is None][:3]
    if not names:
        return f"Ask for less by {', '.join(offered)}, or try again later." if offered else ""
    return (
        f"Narrow it by {', '.join(names[:-1])}{' or ' if names[1:] else ''}{names[-1]}, or try again later."
    )


def explain_failure(name: str, owner: str, failure: Exception, *, less: str = "") -> ToolError:
    """Return the error that the caller gets; a fault of Airflow or of a plugin is logged.

    :param name: What failed, for example a tool's name.
    :param less: How to ask for less, in a sentence.
    """
    if isinstance(failure, ToolError):
        return failure
    if isinstance(failure, TimeoutError):
        return Unavailable(
            f"{name} took longer than {running.CALL_SECONDS} s and was stopped.",
            hint=less or "Ask for less at once, or try again later.",
        )
    if isinstance(failure, httpx.InvalidURL):
        return InvalidArgument(
            f"{name} was called with an identifier that is too long, or that no address can have.",
            hint="Identifiers must be exactly as Airflow lists them.",
        )
    if isinstance(failure, httpx.HTTPError):
        log.warning("MCP: %s could not reach Airflow's API: %s", name, type(failure).__name__)
        return Unavailable("Airflow did not answer.", hint="Try again in a few seconds.")
    # The caller must not see internals; the administrator must.
    log.error(
        "MCP: %s of plugin %s failed; raise ToolError(...) for what the caller should read",
        name,
        owner,
        exc_info=failure,
    )
    return InternalError(f"{name} failed.", hint="The web server's log has the cause.")


@contextmanager
def protocol_errors(name: str, owner: str, **data: JSON) -> Iterator[None]:
    """Turn what fails into the error of the protocol that the methods beside ``tools/call`` answer with.

    :param data: What the error's data says beside what the tool error says.
    """
    try:
        yield
    except MCPError:
        raise
    except Exception as failure:
        error = explain_failure(name, owner, failure)
        # What is not there is -32602, be it that it is gone.
        code = types.INTERNAL_ERROR if error.code in _FAULTS_OF_OURS else types.INVALID_PARAMS
        shaped = shape_result({**data, **error.as_dict()}, MOST_DATA_CHARS)
        raise MCPError(code, brief(error.as_text(), MOST_MESSAGE_CHARS), data=shaped.data) from None
