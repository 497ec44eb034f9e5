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
"""Rows of REST answers as results show them."""

from __future__ import annotations

from typing import Literal

from airflow_provider_mcp.sdk import Airflow, JSONObject

TOOL_CALL_EVENT = "mcp.tool_call"
"""The event of the rows in Airflow's audit log that calls of tools leave, those that only read too."""


def drop_empty(row: JSONObject) -> JSONObject:
    """Return a row without the fields that say nothing: no value, an empty text, list or object."""
    return {key: value for key, value in row.items() if value not in (None, "", [], {})}


def pick(row: JSONObject, *names: str) -> JSONObject:
    """Return those of a row's fields that say something."""
    return drop_empty({name: row.get(name) for name in names})


def pick_instance(row: JSONObject, *names: str) -> JSONObject:
    """Return fields of a task instance; one that is not mapped is shown without a map index."""
    picked = pick(row, *names)
    if picked.get("map_index") == -1:
        del picked["map_index"]
    return picked


def name_instance(row: JSONObject) -> str:
    """Return the name of a task instance: ``task``, or ``task[map_index]`` of a mapped one.

    One in a loop has the pass too: ``task[iteration 3]``.
    """
    index = row.get("map_index")
    name = str(row["task_id"]) if index is None or index < 0 else f"{row['task_id']}[{index}]"
    position = row.get("loop_iteration")
    return f"{name}[iteration {position['iteration']}]" if position else name


def page_template(airflow: Airflow, of: Literal["dag", "run", "task"]) -> str:
    """Return the address of the pages of a list's rows, with ``{dag_id}`` and the like in it.

    One template a list costs a reader less than an address a row.
    """
    names = ("{dag_id}", "{dag_run_id}", "{task_id}")
    run, task = (None, None) if of == "dag" else (names[1], names[2] if of == "task" else None)
    return airflow.page_url(names[0], run, task).replace("%7B", "{").replace("%7D", "}")


def seconds_only(time: str | None) -> str | None:
    """Return a time without its fractions of a second and with a short offset."""
    if time is None:
        return None
    begin, dot, rest = time.partition(".")
    time = begin + rest.lstrip("0123456789") if dot else time
    return time.replace("+00:00", "Z")
