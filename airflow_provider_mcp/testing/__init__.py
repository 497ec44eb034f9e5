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
"""Tests of tools without a running Airflow: recorded REST replies, an MCP client, a check of definitions.

A test suite takes the fixtures by ``pytest_plugins = ["airflow_provider_mcp.testing"]`` in its
``conftest.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_provider_mcp.testing.definitions import assert_definition, estimate_tokens
from airflow_provider_mcp.testing.recording import Call, Recording, UnexpectedCall, call_tool, open_airflow
from airflow_provider_mcp.testing.tester import ToolTester, load_plugin

__all__ = [
    "Call",
    "Recording",
    "ToolTester",
    "UnexpectedCall",
    "airflow_recording",
    "assert_definition",
    "call_tool",
    "estimate_tokens",
    "load_plugin",
    "open_airflow",
    "tool_tester",
]


@pytest.fixture
def airflow_recording() -> Iterator[Recording]:
    """What Airflow answers in this test; the test fails if a tool asks for anything else."""
    recording = Recording()
    yield recording
    assert not recording.unexpected, f"unexpected REST calls: {'; '.join(map(str, recording.unexpected))}"


@pytest.fixture
def tool_tester(airflow_recording: Recording) -> Callable[..., ToolTester]:
    """Call it with a plugin; it returns the :class:`ToolTester` whose Airflow is ``airflow_recording``."""

    def load(plugin: object, **options: Any) -> ToolTester:
        return load_plugin(plugin, airflow_recording, **options)

    return load
