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
"""Extensions of the protocol."""

from __future__ import annotations

from typing import Any

import mcp_types as types
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from airflow_provider_mcp.server.catalogue import Catalogue
from airflow_provider_mcp.server.wire import (
    _capability_needed,
)

TASKS_EXTENSION = "io.modelcontextprotocol/tasks"


class AirflowServer(Server[None]):
    """The MCP server of one Airflow, which says what it can do without a session."""

    def __init__(self, catalogue: Catalogue, *options: Any, **named: Any) -> None:
        super().__init__(*options, **named)
        self.catalogue = catalogue

    def get_capabilities(
        self, *options: Any, protocol_version: str | None = None, **named: Any
    ) -> types.ServerCapabilities:
        capabilities = super().get_capabilities(*options, protocol_version=protocol_version, **named)
        if protocol_version in MODERN_PROTOCOL_VERSIONS:
            capabilities.extensions = {**(capabilities.extensions or {}), TASKS_EXTENSION: {}}
        elif capabilities.resources is not None:
            # Who subscribes all the same is not refused, but nothing will come.
            capabilities.resources.subscribe = False
        return capabilities


def _tasks_needed(message: str) -> MCPError:
    return _capability_needed(message, types.ClientCapabilities(extensions={TASKS_EXTENSION: {}}))
