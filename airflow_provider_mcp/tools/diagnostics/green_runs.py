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
"""What the logs of tasks warn of whose state is green."""

from __future__ import annotations

from collections.abc import Sequence

from airflow_provider_mcp.sdk import Airflow, JSONObject
from airflow_provider_mcp.tools.diagnostics.log_lines import MOST_WARNINGS, find_warnings
from airflow_provider_mcp.tools.diagnostics.reading import (
    LogBudget,
    cut,
    group_by_task,
    in_turn,
    read_tail,
    target,
)
from airflow_provider_mcp.tools.shared.reads import Unread
from airflow_provider_mcp.tools.shared.rows import name_instance

Row = JSONObject

SHOWN_LOGS = 10
"""Logs with warnings that are shown."""


async def find_log_warnings(airflow: Airflow, rows: Sequence[Row], of: int, budget: LogBudget) -> Row:
    """Read the logs of task instances, those of each task in turn, for lines that warn.

    :param rows: Instances that ended well.
    :param of: How many of them there are.
    """
    ran = [row for row in rows if row.get("start_date")]
    warned: list[Row] = []
    read = 0
    why: str | None = None
    for row in in_turn(list(group_by_task(ran).values())):
        if budget.spent:
            why = why or "at most so many logs are read in one call"
            break
        tail = await read_tail(airflow, row, budget)
        if isinstance(tail, Unread):
            why = why or cut(tail.why, 200)
            continue
        read += 1
        lines = find_warnings(tail)
        if lines:
            row_warnings: Row = {
                "task": name_instance(row),
                "log_lines": [cut(one, 300) for one in lines[:MOST_WARNINGS]],
            }
            if len(lines) > MOST_WARNINGS:
                row_warnings["lines_listed"] = f"{MOST_WARNINGS} of {len(lines)}"
            warned.append({**row_warnings, "log": {**target(row), "try_number": row.get("try_number")}})
    found: Row = {"logs_read": read, "of": of, "warned": warned[:SHOWN_LOGS]}
    if len(warned) > SHOWN_LOGS:
        found["logs_with_warnings"] = len(warned)
    if read < of and why:
        found["not_read_because"] = why
    return found
