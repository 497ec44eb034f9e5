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
"""What a caller is told of a call that took too long."""

from __future__ import annotations

import pytest

from airflow_provider_mcp.sdk.tool import Tool
from airflow_provider_mcp.server.catalogue import load_catalogue
from airflow_provider_mcp.server.failures import explain_failure, name_filters

CATALOGUE = load_catalogue("3.3.2")


def tool(name: str) -> Tool:
    return CATALOGUE.tools[name]


@pytest.mark.parametrize(
    ("name", "arguments", "hint"),
    [
        ("list_task_instances", {}, "Narrow it by dag_id, dag_run_id or task_id, or try again later."),
        (
            "list_task_instances",
            {"dag_id": "a", "dag_run_id": "r", "task_id": None},
            "Narrow it by task_id, state or start_after, or try again later.",
        ),
        ("find_failures", {"since": "90d"}, "Narrow it by dag_pattern, or try again later."),
        (
            "find_failures",
            {"since": "90d", "dag_pattern": "a"},
            "Ask for less by dag_pattern, since, or try again later.",
        ),
        ("get_system_health", {}, "Ask for less at once, or try again later."),
    ],
)
def test_a_call_that_took_too_long_is_told_which_filter_helps(
    name: str, arguments: dict[str, object], hint: str
) -> None:
    less = name_filters(tool(name), arguments)  # type: ignore[arg-type]
    error = explain_failure(name, "server", TimeoutError(), less=less)
    assert error.code == "unavailable"
    assert error.retryable
    assert error.hint == hint


def test_each_list_of_what_grows_has_a_filter() -> None:
    for name in ("list_dags", "list_dag_runs", "list_task_instances", "list_asset_events", "list_event_logs"):
        assert name_filters(tool(name), {}).startswith("Narrow it by "), name
