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
"""One Airflow that ``airflow-mcp serve`` serves."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_mcp.remote.client import Remote
from airflow_provider_mcp.server.policy import Policy
from airflow_provider_mcp.server.policy_source import PolicySource
from airflow_provider_mcp.server.request import Identity


@dataclass(frozen=True)
class Instance:
    """One Airflow that is served, and what may be done there."""

    remote: Remote
    policy_source: PolicySource

    @property
    def name(self) -> str:
        return self.remote.target.name

    @property
    def identity(self) -> Identity:
        """Who all requests are from: whoever reaches this server acts with its credential."""
        return Identity(self.remote.caller, self.remote.open_airflow)

    async def policy(self) -> Policy:
        """Return the policy in force."""
        return await self.policy_source.fresh()
