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
"""MCP's extension for tasks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import Any

import mcp_types as types
from mcp.shared.exceptions import MCPError

from airflow_provider_mcp.sdk.errors import ToolError
from airflow_provider_mcp.sdk.jobs import Job
from airflow_provider_mcp.server.signing import JobId

UNKNOWN_TASK = "Unknown task."


class TaskParams(types.RequestParams):
    """The parameters of ``tasks/get`` and ``tasks/cancel``."""

    task_id: str


class TaskUpdateParams(TaskParams):
    """The parameters of ``tasks/update``."""

    input_responses: dict[str, Any]


@contextmanager
def _as_protocol_errors(params: TaskParams) -> Iterator[None]:
    """Turn a tool error into the protocol error that the methods of a task answer with."""
    try:
        yield
    except ToolError as failure:
        # An unknown task is -32602; so is one whose run is gone.
        raise MCPError(
            types.INVALID_PARAMS, failure.as_text(), data={"taskId": params.task_id, **failure.as_dict()}
        ) from None


def _describe_job(
    identifier: str, job_id: JobId, job: Job, status: str, message: str | None, updated_at: str | None = None
) -> dict[str, Any]:
    described = {
        "taskId": identifier,
        "status": status,
        "createdAt": job_id.created_at,
        "lastUpdatedAt": updated_at or datetime.now(timezone.utc).isoformat(timespec="seconds"),
        # Kept as long as the thing it refers to.
        "ttlMs": None,
        "pollIntervalMs": int(job.poll_seconds * 1000),
    }
    return {**described, "statusMessage": message} if message else described
