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
"""What cannot be sent to Airflow is an error of the argument, and never a fault of ours."""

from __future__ import annotations

import base64
from typing import Any

import httpx
import pytest

from airflow_provider_mcp.sdk import InvalidArgument, decode_cursor, path
from airflow_provider_mcp.testing import call_tool, open_airflow
from airflow_provider_mcp.tools.dags import get_dag, list_dags
from airflow_provider_mcp.tools.runs.trigger import trigger_dag

AIRFLOW = open_airflow(
    lambda request: httpx.Response(200, json={"dag_id": "a", "params": {}, "dags": [], "total_entries": 0}),
    "write",
)


def nest(levels: int) -> dict[str, Any]:
    deep: dict[str, Any] = {}
    for _ in range(levels):
        deep = {"a": deep}
    return deep


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        (get_dag, {"dag_id": "half \ud83d"}),
        (get_dag, {"dag_id": "x" * 1_000_000}),
        (list_dags, {"pattern": "half \ud83d"}),
        (list_dags, {"pattern": "x" * 1_000_000}),
        (trigger_dag, {"dag_id": "a", "conf": {"x": float("inf")}}),
        (trigger_dag, {"dag_id": "a", "conf": {"x": [float("nan")]}}),
        (trigger_dag, {"dag_id": "a", "conf": {"x": "\ud83d"}}),
        (trigger_dag, {"dag_id": "a", "conf": nest(5000)}),
    ],
)
def test_what_cannot_be_sent_is_an_invalid_argument(tool: Any, arguments: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument) as refused:
        call_tool(tool, AIRFLOW, **arguments)
    assert refused.value.hint
    assert len(refused.value.message) < 300


def test_an_identifier_of_half_a_character() -> None:
    with pytest.raises(InvalidArgument, match="half of a character"):
        path("dags/{}", "\udc00")


def test_a_cursor_that_is_nested_deeply_is_none_of_ours() -> None:
    cursor = base64.urlsafe_b64encode(b"[" * 100_000).decode()
    with pytest.raises(InvalidArgument, match="cursor"):
        decode_cursor(cursor)


def test_other_faults_stay_faults() -> None:
    with pytest.raises(TypeError):
        AIRFLOW.build_request("POST", "dags", json={"x": object()})
