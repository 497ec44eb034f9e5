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
"""The eras of the protocol: by which version a request is answered, and what that version asks of it."""

from __future__ import annotations

from collections.abc import Mapping

import mcp_types as types
from mcp.shared.inbound import (
    MCP_NAME_HEADER,
    MCP_PROTOCOL_VERSION_HEADER,
    InboundLadderRejection,
    InboundModernRoute,
    classify_inbound_request,
    decode_header_value,
    find_duplicated_routing_header,
    unsupported_protocol_version_rejection,
    validate_mcp_param_headers,
)
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS

from airflow_provider_mcp.sdk.json_types import JSON
from airflow_provider_mcp.server.build import AirflowServer
from airflow_provider_mcp.server.request import Request

_UNNAMED_VERSION = "2025-03-26"
"""What a client speaks that names no version in its header (2025-06-18, transports)."""


def route_request(
    request: types.JSONRPCRequest,
    raw_headers: list[tuple[str, str]],
    headers: Mapping[str, str],
    server: AirflowServer,
) -> InboundModernRoute | InboundLadderRejection:
    """Tell the protocol's era, by header or by envelope, and check what that era asks for."""
    params = request.params or {}
    meta = params.get("_meta")
    enveloped = isinstance(meta, dict) and types.PROTOCOL_VERSION_META_KEY in meta
    named_version = headers.get(MCP_PROTOCOL_VERSION_HEADER)
    if named_version in MODERN_PROTOCOL_VERSIONS or enveloped:
        duplicated = find_duplicated_routing_header(raw_headers)
        if duplicated is not None:
            return InboundLadderRejection(
                types.HEADER_MISMATCH, f"{duplicated} header appears more than once"
            )
        route = classify_inbound_request(vars(request), headers=headers)
        # The SDK's table of such headers does not know the methods of extensions.
        named_by = server.header_parameter(request.method)
        if (
            isinstance(route, InboundModernRoute)
            and named_by is not None
            and params.get(named_by) is not None
            and params[named_by] != decode_header_value(headers.get(MCP_NAME_HEADER))
        ):
            return InboundLadderRejection(
                types.HEADER_MISMATCH,
                f"{MCP_NAME_HEADER} header does not match the request body's '{named_by}' parameter",
            )
        return route
    if named_version is not None and named_version not in HANDSHAKE_PROTOCOL_VERSIONS:
        rejection = unsupported_protocol_version_rejection(
            named_version, (*HANDSHAKE_PROTOCOL_VERSIONS, *MODERN_PROTOCOL_VERSIONS)
        )
        assert rejection is not None, "a served version was handled above"  # noqa: S101
        return rejection
    version, info = named_version or _UNNAMED_VERSION, None
    capabilities: JSON = {}
    if request.method == "initialize":
        offered = params.get("protocolVersion")
        version = offered if offered in HANDSHAKE_PROTOCOL_VERSIONS else HANDSHAKE_PROTOCOL_VERSIONS[-1]
        info, capabilities = params.get("clientInfo"), params.get("capabilities") or {}
    return InboundModernRoute(version, info, capabilities)


async def check_argument_headers(
    request: Request, params: Mapping[str, JSON], headers: Mapping[str, str]
) -> InboundLadderRejection | None:
    """Return the refusal of a call whose headers do not repeat the arguments that the tool's schema names."""
    name, arguments = params.get("name"), params.get("arguments")
    if not isinstance(name, str) or not isinstance(arguments, dict):
        return None
    tool = await request.find(name)
    return None if tool is None else validate_mcp_param_headers(tool.input_schema, arguments, headers)


def client_name(info: JSON) -> str | None:
    """Return the name that a client gives itself, cut to a length that a log takes."""
    name = info.get("name") if isinstance(info, dict) else None
    return name[:100] if isinstance(name, str) else None
