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
"""Arguments that several tools take, each with its one description."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

DagId = Annotated[str, Field(description="Dag ID.")]

RunId = Annotated[str, Field(description="Dag run ID.")]

ReadRunId = Annotated[str, Field(description="Dag run ID or latest, latest_failed, _success, _running.")]
"""Of a run that is read: tools that change one take its exact ID."""

AnyRunId = Annotated[str | None, Field(description="Dag run ID or latest...; all if left out.")]

AnyDagId = Annotated[str | None, Field(description="Dag ID; all if left out.")]

TaskId = Annotated[str, Field(description="Task ID.")]

MapIndex = Annotated[int, Field(ge=-1, description="Map index of a mapped task.")]

RegionId = Annotated[str | None, Field(description="Of a task in a loop (Airflow 3.4).")]

RegionIndex = Annotated[int | None, Field(description="Its index there.")]

Iteration = Annotated[int | None, Field(ge=0, description="Or the pass of the loop.")]

Wait = Annotated[int, Field(ge=0, le=45, description="Seconds to wait for its end.")]

Pattern = Annotated[str | None, Field(description="Part of the name.")]

RunState = Literal["queued", "running", "success", "failed"]

RunType = Literal[
    "manual", "scheduled", "backfill", "asset_triggered", "operator_triggered", "asset_materialization"
]
"""The last two since Airflow 3.1 or later; an older one refuses them in a sentence."""

TaskState = Literal[
    "success",
    "failed",
    "running",
    "queued",
    "scheduled",
    "deferred",
    "up_for_retry",
    "up_for_reschedule",
    "upstream_failed",
    "skipped",
    "removed",
    "restarting",
    "awaiting_input",
]

TaskIds = Annotated[list[str], Field(min_length=1, max_length=50, description="Task IDs.")]
