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
"""The built-in plugin that counts and times calls by Airflow's own metrics, wherever these go."""

from __future__ import annotations

import functools
from datetime import timedelta
from typing import Any

from airflow_provider_mcp.sdk.hookspecs import hookimpl
from airflow_provider_mcp.sdk.tool import ToolCall

CALLS = "mcp.tool_call"

DURATION = "mcp.tool_duration"


@hookimpl
def tool_called(call: ToolCall) -> None:
    """Count a call and its duration."""
    stats = find_stats()
    duration = timedelta(seconds=call.duration)
    stats.incr(CALLS, tags={"tool": call.tool, "outcome": call.outcome})
    stats.timing(DURATION, duration, tags={"tool": call.tool})
    if _drops_tags():
        stats.incr(f"{CALLS}.{call.tool}.{call.outcome}")
        stats.timing(f"{DURATION}.{call.tool}", duration)


@functools.cache
def find_stats() -> Any:
    """Return what has Airflow's ``incr`` and ``timing``: functions of a module, or a class."""
    try:
        # The api-server sets up this one, and not `airflow.sdk.observability.stats`, which is for tasks.
        from airflow.observability import stats
    except ImportError:
        from airflow.stats import Stats

        return Stats
    return stats if hasattr(stats, "incr") else stats.Stats


@functools.cache
def _drops_tags() -> bool:
    """Say whether the metrics go to a plain StatsD, which knows no tags: names carry them then."""
    from airflow.configuration import conf

    def is_on(option: str) -> bool:
        return bool(conf.getboolean("metrics", option, fallback=False))

    return is_on("statsd_on") and not (is_on("statsd_datadog_enabled") or is_on("statsd_influxdb_enabled"))
