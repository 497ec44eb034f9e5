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
"""The `[mcp]` section, as Airflow of this environment reads it."""

from __future__ import annotations

import pytest

from airflow_provider_mcp.hosts.options import read_options
from airflow_provider_mcp.server.policy import Policy


def test_without_a_section_the_defaults_hold() -> None:
    assert read_options() == Policy()


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__MCP__READ_ONLY", "True")
    monkeypatch.setenv("AIRFLOW__MCP__MAX_RESULT_CHARS", "20000")
    monkeypatch.setenv("AIRFLOW__MCP__TOOLSETS", "dags,runs")
    assert read_options() == Policy(
        read_only=True, max_result_chars=20_000, toolsets=frozenset({"dags", "runs"})
    )


@pytest.mark.parametrize(
    ("variable", "value", "problem"),
    [
        ("READ_ONLY", "yes", "read_only is 'yes'; write True or False"),
        ("READONLY", "True", "readonly is no option (did you mean read_only?)"),
        ("MAX_RESULT_CHARS", "20k", "max_result_chars is '20k'; write a whole number of at least 1"),
    ],
)
def test_a_mistake_in_the_environment_closes(
    variable: str, value: str, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"AIRFLOW__MCP__{variable}", value)
    policy = read_options()
    assert policy.read_only
    assert policy.problem == f"[mcp] is malformed: {problem}"
