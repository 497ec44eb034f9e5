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
from acme_reliability.mcp import count_failed_runs, get_success_rate, mark_dag_run

from airflow_provider_mcp.server.policy import Policy
from airflow_provider_mcp.testing import Recording, ToolTester, assert_definition, call_tool, open_airflow


@pytest.mark.parametrize("tool", [count_failed_runs, get_success_rate, mark_dag_run])
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


def test_the_preview_says_what_the_call_does(
    tool_tester: Callable[..., ToolTester], airflow_recording: Recording
) -> None:
    run = {"dag_run_id": "monday", "note": "To check."}
    after = "Checked: a late source."
    airflow_recording.reply("GET dags/sales/dagRuns/monday", run)
    airflow_recording.reply("PATCH dags/sales/dagRuns/monday", {**run, "note": after})
    call = {"dag_id": "sales", "dag_run_id": "monday", "finding": "a late source"}
    asked = tool_tester("acme_reliability", policy=Policy(confirm="write")).error("mark_dag_run", **call)
    assert asked["preview"] == {"before": "To check.", "after": after}
    assert tool_tester("acme_reliability").result("mark_dag_run", **call)["note"] == after
    assert airflow_recording.calls[-1].body == {"note": after}
