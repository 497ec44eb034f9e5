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
"""What the pages ask of the process that they are part of."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from airflow_provider_mcp.endpoint.door import HTTPRequest
from airflow_provider_mcp.oauth.grants import Grant
from airflow_provider_mcp.sdk.airflow import Caller
from airflow_provider_mcp.server.build import AirflowServer
from airflow_provider_mcp.server.policy import Policy
from airflow_provider_mcp.server.request import Identity


class PageHost(Protocol):
    """The process, as it serves one request of a browser."""

    @property
    def server(self) -> AirflowServer:
        """The MCP server."""

    @property
    def own_origins(self) -> Collection[str | None]:
        """The origins at which this process is reached."""

    @property
    def pages(self) -> str:
        """The address that Airflow's pages are below."""

    @property
    def line(self) -> int:
        """Airflow's major version, whose look the pages have."""

    @property
    def endpoint_url(self) -> str:
        """The address of the MCP endpoint, as this browser reaches it."""

    @property
    def login_schemes(self) -> Sequence[str]:
        """The schemes of the ``Authorization`` header by which clients can log in."""

    @property
    def login_obstacle(self) -> str | None:
        """Why there is no login by OAuth, in a sentence; None where there is one."""

    @property
    def login_warning(self) -> str | None:
        """Why no client can log in, and what mends it; None if they can."""

    async def policy(self) -> Policy:
        """Return the policy in force."""

    async def identify(self, request: HTTPRequest) -> Identity | None:
        """Return who is logged in to Airflow in the browser that sent the request, None if nobody is.

        :raises AuthenticationUnavailable: That could not be found out.
        """

    async def list_grants(self, caller: Caller) -> list[Grant]:
        """Return what a user allows clients by the login by OAuth, the newest first.

        :raises AuthenticationUnavailable: That could not be found out.
        """

    async def end_grant(self, caller: Caller, grant_id: str) -> bool:
        """End a grant of a user, and with it all of its tokens; say whether there was one.

        :raises AuthenticationUnavailable: That could not be done.
        """

    def find_login(self, path: str) -> str | None:
        """Return the address of Airflow's login, which comes back to a path below the pages' address.

        None where a login cannot be seen by the server.
        """
