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
"""Extensions of the protocol: what one adds, and how a server serves it.

An extension says its identifier and its methods; the server never hands itself to one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import mcp_types as types
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from airflow_provider_mcp.sdk.json_types import JSON, JSONObject
from airflow_provider_mcp.server.request import Context, Request
from airflow_provider_mcp.server.wire import capability_needed


@dataclass(frozen=True)
class Method:
    """A method that an extension adds.

    :param named_by: The parameter that the header ``Mcp-Name`` repeats, if any.
    """

    name: str
    params_type: type[types.RequestParams]
    answer: Callable[[Context, Any], Awaitable[JSONObject]]
    named_by: str | None = None


@dataclass(frozen=True)
class Extension:
    """An extension of MCP 2026-07-28, for the clients that declare it."""

    identifier: str
    methods: tuple[Method, ...] = ()

    def install(self, server: Server[None]) -> None:
        """Serve the methods."""
        for method in self.methods:
            server.add_request_handler(method.name, method.params_type, self._guard(method))

    def needed(self, message: str) -> MCPError:
        """Return the error for a client that does not declare the extension."""
        return capability_needed(message, types.ClientCapabilities(extensions={self.identifier: {}}))

    def _guard(self, method: Method) -> Callable[[Context, Any], Awaitable[JSONObject]]:
        async def answer(ctx: Context, params: Any) -> JSONObject:
            if ctx.protocol_version not in MODERN_PROTOCOL_VERSIONS:
                raise MCPError(types.METHOD_NOT_FOUND, "Method not found", data=ctx.method)
            if self.identifier not in Request.of(ctx).client.extensions:
                raise self.needed(f"{method.name} is for clients that declare {self.identifier}.")
            return await method.answer(ctx, params)

        return answer


def declared_extensions(capabilities: JSON) -> frozenset[str]:
    """Return the identifiers of the extensions that a client's capabilities declare."""
    extensions = capabilities.get("extensions") if isinstance(capabilities, Mapping) else None
    return frozenset(extensions) if isinstance(extensions, Mapping) else frozenset()
