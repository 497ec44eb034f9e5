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
"""The sample provider's tools, tested without a running Airflow."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from acme_reliability.mcp import count_failed_runs, get_success_rate

from airflow_provider_mcp.testing import Recording, ToolTester, assert_definition, call_tool, open_airflow


@pytest.mark.parametrize("tool", [count_failed_runs, get_success_rate])
def test_definitions(tool: Callable[..., object]) -> None:
    assert_definition(tool)


def test_the_function_alone(airflow_recording: Recording) -> None:
    airflow_recording.reply("GET dags/sales/dagRuns?state=failed", {"dag_runs": [], "total_entries": 4})
    answer = call_tool(count_failed_runs, open_airflow(airflow_recording), dag_id="sales")
    assert answer.failed == 4
    assert airflow_recording.calls[0].params["limit"] == "1"


def test_as_a_client_calls_it(tool_tester: Callable[..., ToolTester], airflow_recording: Recording) -> None:
    airflow_recording.reply("GET dags/sales/dagRuns?state=success", {"dag_runs": [], "total_entries": 3})
    airflow_recording.reply("GET dags/sales/dagRuns?state=failed", {"dag_runs": [], "total_entries": 1})
    installed = tool_tester("acme_reliability")
    assert installed.result("get_success_rate", dag_id="sales") == {
        "dag_id": "sales",
        "runs": 4,
        "success_rate": 0.75,
    }


def test_a_dag_that_is_not_there(
    tool_tester: Callable[..., ToolTester], airflow_recording: Recording
) -> None:
    airflow_recording.reply("GET dags/absent/dagRuns", {"detail": "The Dag was not found"}, status=404)
    assert tool_tester("acme_reliability").error("count_failed_runs", dag_id="absent")["code"] == "not_found"
