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
"""Metrics of calls: their names and tags, and by names alone where tags would be lost."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from airflow_provider_mcp.hosts import metrics
from airflow_provider_mcp.sdk.tool import ToolCall


class Sink:
    """Airflow's metrics, as a backend gets them."""

    def __init__(self) -> None:
        self.got: list[tuple[Any, ...]] = []

    def incr(self, name: str, *, tags: dict[str, str] | None = None) -> None:
        self.got.append((name, tags))

    def timing(self, name: str, dt: timedelta, *, tags: dict[str, str] | None = None) -> None:
        self.got.append((name, dt, tags))


CALL = ToolCall(
    tool="list_dags",
    access="read",
    user="ada",
    client=None,
    dag_id=None,
    dag_run_id=None,
    outcome="ok",
    duration=0.25,
)


@pytest.fixture
def sink(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sink]:
    made = Sink()
    monkeypatch.setattr(metrics, "find_stats", lambda: made)
    metrics._drops_tags.cache_clear()
    yield made
    metrics._drops_tags.cache_clear()


def test_a_call_is_counted_and_timed(sink: Sink) -> None:
    metrics.tool_called(CALL)
    assert sink.got == [
        ("mcp.tool_call", {"tool": "list_dags", "outcome": "ok"}),
        ("mcp.tool_duration", timedelta(seconds=0.25), {"tool": "list_dags"}),
    ]


def test_a_statsd_without_tags_gets_them_by_name(sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__METRICS__STATSD_ON", "True")
    metrics.tool_called(CALL)
    assert [got[0] for got in sink.got] == [
        "mcp.tool_call",
        "mcp.tool_duration",
        "mcp.tool_call.list_dags.ok",
        "mcp.tool_duration.list_dags",
    ]


def test_airflow_has_what_counts_and_times() -> None:
    metrics.find_stats.cache_clear()
    stats = metrics.find_stats()
    stats.incr("mcp.tool_call", tags={"tool": "list_dags"})
    stats.timing("mcp.tool_duration", timedelta(seconds=1), tags={"tool": "list_dags"})
    assert callable(stats.incr)
