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
"""The sample hooks: who may do what, and what is told of a call."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

import pytest
from acme_reliability import guard

from airflow_provider_mcp.sdk import Caller
from airflow_provider_mcp.testing import Recording, ToolTester


def test_destructive_tools_are_for_the_trusted(tool_tester: Callable[..., ToolTester]) -> None:
    some = tool_tester(guard).catalogue.tools["list_dags"]
    dangerous = replace(some, access="destructive")
    ada, bob = Caller("1", "ada"), Caller("2", "bob")
    assert [guard.tool_allowed(tool, user) for tool in (some, dangerous) for user in (ada, bob)] == [
        True,
        True,
        True,
        False,
    ]


def test_each_call_is_told_without_its_arguments(
    tool_tester: Callable[..., ToolTester],
    airflow_recording: Recording,
    caplog: pytest.LogCaptureFixture,
) -> None:
    airflow_recording.reply("GET dags", {"dags": [], "total_entries": 0})
    with caplog.at_level(logging.INFO, "acme.mcp"):
        tool_tester(guard).result("list_dags", pattern="a-word")
    assert "list_dags by ada from" in caplog.text
    assert "a-word" not in caplog.text
