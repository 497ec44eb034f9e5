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
"""The trace that a request is a part of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import context as tracing
from opentelemetry.propagate import extract
from opentelemetry.trace import get_current_span

from airflow_provider_mcp.sdk.json_types import JSON


@contextmanager
def continue_trace(meta: Mapping[str, JSON], headers: Mapping[str, str]) -> Iterator[None]:
    """Go on with the trace that ``traceparent`` names, in ``_meta`` or else in the headers.

    Airflow's own tracing, where it is on, then makes what the request does a part of that trace.
    """
    token = None
    for carrier in (meta, headers):
        parent = {
            k: v for k, v in carrier.items() if k in {"traceparent", "tracestate"} and isinstance(v, str)
        }
        if not parent:
            continue
        context = extract(parent)
        if get_current_span(context).get_span_context().is_valid:
            token = tracing.attach(context)
            break
    try:
        yield
    finally:
        if token is not None:
            tracing.detach(token)
