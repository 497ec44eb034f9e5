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
"""The sample's tools for one caller."""

from __future__ import annotations

from collections.abc import Callable

from acme_reliability import checks

from airflow_provider_mcp.testing import Recording, ToolTester


def test_there_is_a_check_for_each_dag_with_a_promise(
    tool_tester: Callable[..., ToolTester], airflow_recording: Recording
) -> None:
    rows = [{"dag_id": "sales"}, {"dag_id": "stock.eu"}]
    airflow_recording.reply("GET dags?tags=sla", {"dags": rows, "total_entries": 3})
    airflow_recording.reply("GET dags/stock.eu/dagRuns?state=success", {"total_entries": 9})
    airflow_recording.reply("GET dags/stock.eu/dagRuns?state=failed", {"total_entries": 1})
    tester = tool_tester(checks)
    listed = tester.list_tools()
    assert list(listed) == ["check_sales", "check_stock_eu"]
    assert listed["check_sales"].description == "Check whether sales keeps its promise."
    assert tester.left_out() == ["acme_reliability.checks: 1 more Dags have the tag sla"]
    assert tester.result("check_stock_eu")["success_rate"] == 0.9


def test_who_sees_no_such_dag_is_offered_none(
    tool_tester: Callable[..., ToolTester], airflow_recording: Recording
) -> None:
    airflow_recording.reply("GET dags", {"dags": [], "total_entries": 0})
    assert tool_tester(checks).list_tools() == {}
