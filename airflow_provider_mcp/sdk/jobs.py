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
"""Work that goes on after the call: what MCP's extension ``io.modelcontextprotocol/tasks`` calls a task.

(Here it is a job: a task is one of Airflow's.) A job is whatever its tool can find again by a reference;
the reference, signed, is the job's identifier. Nothing is stored, so any replica answers for any job.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from airflow_provider_mcp.sdk.client import Question
from airflow_provider_mcp.sdk.json_types import JSON

Reference = Mapping[str, str | int | float | None]


@dataclass(frozen=True)
class JobStarted:
    """What a tool returns to a client that takes jobs, when the work goes on after the call.

    :param reference: The arguments by which the functions of the tool's :class:`Job` find the work.
    """

    reference: Reference
    message: str | None = None


@dataclass(frozen=True)
class JobState:
    """How a job stands.

    :param result: What the tool would have returned, when ``completed``.
    :param failed: Whether that result is a failure of the work.
    :param error: What broke, when ``failed``: the work did not even come to a result.
    :param questions: What the user is asked, when ``input_required``.
    """

    status: Literal["working", "input_required", "completed", "failed", "cancelled"]
    message: str | None = None
    result: Any = None
    failed: bool = False
    error: str | None = None
    questions: Mapping[str, Question] = field(default_factory=dict)
    updated_at: str | None = None


@dataclass(frozen=True)
class Job:
    """How to look after what a tool has started, given its reference (and ``Airflow``, as a tool is).

    :param get: Returns the :class:`JobState`.
    :param cancel: Ends the work; does nothing if it is over. It gets a client that may write.
    :param answer: Takes ``answers`` by the names of the questions.
    :param cancel_access: The access level of cancelling, which decides whether it needs a confirmation; None
        for that of the tool.
    :param cancel_preview: Says what cancelling would do, given the reference; None if there is
        nothing to end.
    :param required: The tool cannot serve a client that takes no jobs.
    :param poll_seconds: How often the client should look.
    """

    get: Callable[..., Awaitable[JobState]]
    cancel: Callable[..., Awaitable[None]]
    answer: Callable[..., Awaitable[None]] | None = None
    required: bool = False
    poll_seconds: float = 5
    cancel_access: Literal["read", "write", "destructive"] | None = None
    cancel_preview: Callable[..., Awaitable[Mapping[str, JSON] | None]] | None = None
