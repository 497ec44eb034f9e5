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
"""One authenticated request: who calls, what is allowed, and the way to Airflow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

from airflow_provider_mcp.sdk.airflow import Airflow, Caller
from airflow_provider_mcp.sdk.client import Client
from airflow_provider_mcp.sdk.tool import Tool
from airflow_provider_mcp.server.policy import Policy


@dataclass(frozen=True)
class Visit:
    """One authenticated request: who calls, what is allowed, and the way to Airflow."""

    caller: Caller
    policy: Policy
    open_airflow: Callable[[Literal["read", "write"]], Airflow]
    client: str | None = None
    elicits: bool = False
    talk: Client = field(default_factory=Client)

    def airflow_for(self, tool: Tool) -> Airflow:
        """Return the client for a tool: read tools and a read-only policy get one that only reads."""
        reading = tool.access == "read" or self.policy.read_only
        return self.open_airflow("read" if reading else "write")


def _offers_but_for_mode(policy: Policy, tool: Tool) -> bool:
    """Say whether the tool is offered, or would be if the server were not read-only."""
    return policy.offers(tool) or (policy.read_only and replace(policy, read_only=False).offers(tool))
