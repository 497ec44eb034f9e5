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
"""Airflow's tracing for the spans that the MCP SDK opens for each request.

The SDK opens them by OpenTelemetry's API, with OpenTelemetry's names for MCP. Airflow 3.2 and later sets that
up; before, Airflow keeps its tracer to itself.
"""

from __future__ import annotations

import logging
from typing import Any

from opentelemetry.trace import (
    ProxyTracerProvider,
    Tracer,
    TracerProvider,
    get_tracer_provider,
    set_tracer_provider,
)

log = logging.getLogger(__name__)


class _AirflowTracers(TracerProvider):
    """Hands out the one tracer of Airflow's, whoever asks."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def get_tracer(self, *_: Any, **__: Any) -> Tracer:
        """Return Airflow's tracer."""
        return self._tracer


def share_tracing() -> None:
    """Have OpenTelemetry's API use Airflow's tracer, if tracing is on and the API has none."""
    from airflow.configuration import conf

    is_on = conf.getboolean("traces", "otel_on", fallback=False)
    if not is_on or not isinstance(get_tracer_provider(), ProxyTracerProvider):
        return
    try:
        from airflow.traces.tracer import Trace

        set_tracer_provider(_AirflowTracers(Trace.get_tracer("airflow_provider_mcp")))
    except Exception:
        # Airflow must serve all the same.
        log.exception("MCP: Airflow's tracing cannot be used")
