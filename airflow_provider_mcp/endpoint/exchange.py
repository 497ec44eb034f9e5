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
"""One HTTP request to the endpoint: the checks at the door, then one JSON-RPC exchange with the server."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, overload

import anyio
import mcp_types as types
from mcp.server.connection import Connection, allowed_log_levels
from mcp.server.runner import modern_error_data, serve_one
from mcp.shared.exceptions import NoBackChannelError
from mcp.shared.inbound import (
    ERROR_CODE_HTTP_STATUS,
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
from mcp.shared.jsonrpc_dispatcher import progress_token_from_params
from mcp.shared.message import ServerMessageMetadata
from mcp.shared.transport_context import TransportContext
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS
from opentelemetry import context as tracing
from opentelemetry.propagate import extract
from opentelemetry.trace import get_current_span
from pydantic import ValidationError

from airflow_provider_mcp.endpoint.door import Reply, _json, _rpc_error
from airflow_provider_mcp.server.build import AirflowServer
from airflow_provider_mcp.server.clients import describe_client
from airflow_provider_mcp.server.policy import Policy
from airflow_provider_mcp.server.request import Identity, Request

log = logging.getLogger(__name__)

Headers = Iterable[tuple[str, str]]

_OLD_VERSIONS = HANDSHAKE_PROTOCOL_VERSIONS[HANDSHAKE_PROTOCOL_VERSIONS.index("2025-03-26") :]
"""Those with a handshake; before them there was no streamable HTTP."""

# The spec's assumption about a client that names no version in its header (2025-06-18, transports).
_UNNAMED_VERSION = "2025-03-26"

REQUEST_SECONDS = 54
"""A request ends within 55 s (CONTRACT, section 2). A tool has less, so this is for what hangs elsewhere."""

Emit = Callable[[bytes], Awaitable[None]]

STREAM_HEADERS = {"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"}
"""The headers of a streamed answer; proxies must not hold its events back."""


@overload
async def exchange(
    server: AirflowServer, raw_headers: Headers, body: bytes, identity: Identity, policy: Policy
) -> Reply: ...


@overload
async def exchange(
    server: AirflowServer,
    raw_headers: Headers,
    body: bytes,
    identity: Identity,
    policy: Policy,
    emit: Emit | None = None,
) -> Reply | None: ...


async def exchange(
    server: AirflowServer,
    raw_headers: Headers,
    body: bytes,
    identity: Identity,
    policy: Policy,
    emit: Emit | None = None,
) -> Reply | None:
    """Answer one authenticated POST.

    :param emit: Sends a part of a streamed answer, the first of which begins it. It is used as soon as a
        tool has something to say before its result, for a client that accepts a stream.
    :return: The answer; None if it was streamed, to its end.
    """
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        return _rpc_error(400, types.PARSE_ERROR, "The body is not JSON in UTF-8.")
    if isinstance(message, list):
        return _rpc_error(400, types.INVALID_REQUEST, "A batch is not served: send one message a request.")
    if not isinstance(message, dict):
        return _rpc_error(400, types.INVALID_REQUEST, "The body is not a JSON-RPC message.")
    if "id" not in message:
        try:
            types.JSONRPCNotification.model_validate(message)
        except ValidationError:
            return _rpc_error(400, types.INVALID_REQUEST, "The body is not a JSON-RPC message.")
        return Reply(202)
    try:
        request = types.JSONRPCRequest.model_validate(message)
    except ValidationError:
        return _rpc_error(400, types.INVALID_REQUEST, "The body is not a JSON-RPC request.")

    raw_headers = [(name.lower(), value.strip(" \t")) for name, value in raw_headers]
    headers = dict(raw_headers)
    route = _route(message, raw_headers, headers, server)
    if isinstance(route, InboundLadderRejection):
        status = ERROR_CODE_HTTP_STATUS.get(route.code, 400)
        return _rpc_error(status, route.code, route.message, request_id=request.id, data=route.data)
    modern = route.protocol_version in MODERN_PROTOCOL_VERSIONS
    connection = Connection.from_envelope(
        route.protocol_version, route.client_info, route.client_capabilities
    )
    stream = _Stream(emit if "text/event-stream" in headers.get("accept", "").lower() else None)
    meta = _meta(message)
    name = _client_name(route.client_info) or headers.get("user-agent")
    client = replace(
        describe_client(name, route.client_capabilities, modern=modern),
        progress_token=progress_token_from_params(request.params),
        log_levels=frozenset(allowed_log_levels(route.protocol_version, meta)),
        notify=stream.notify if stream.emit is not None else None,
    )
    authenticated = server.open_request(identity, policy, client)
    params = request.params or {}
    if modern and request.method == "tools/call":
        mismatch = await _check_argument_headers(authenticated, params, headers)
        if mismatch is not None:
            return _rpc_error(400, mismatch.code, mismatch.message, request_id=request.id, data=mismatch.data)
    if request.method == "initialize" and isinstance(params.get("protocolVersion"), str):
        # What is agreed on here, where the SDK would also agree on what came before streamable HTTP.
        params = {**params, "protocolVersion": route.protocol_version}
    context = _Context(request.id, ServerMessageMetadata(request_context=authenticated), headers)
    error: types.ErrorData | None = types.ErrorData(
        code=types.INTERNAL_ERROR, message="The request timed out."
    )
    result: dict[str, Any] = {}
    with _continued_trace(meta, headers), anyio.move_on_after(REQUEST_SECONDS):
        try:
            result = await serve_one(
                server, context, request.method, params, connection=connection, lifespan_state=None
            )
            error = None
        except Exception as failure:
            # The SDK's own mapping: what is not a protocol error is logged by it and hidden from the caller.
            error = modern_error_data(failure)
    if error is not None:
        status = ERROR_CODE_HTTP_STATUS.get(error.code, 200) if modern else 200
        reply = _rpc_error(status, error.code, error.message, request_id=request.id, data=error.data)
    else:
        reply = _json(200, {"jsonrpc": "2.0", "id": request.id, "result": result})
    return await stream.end(reply)


class _Stream:
    """The answer to one request as server-sent events, once there is more to send than the answer."""

    def __init__(self, emit: Emit | None) -> None:
        self.emit = emit
        self._begun = False

    async def notify(self, method: str, params: Mapping[str, Any]) -> None:
        """Send a notification."""
        await self._send(_json(200, {"jsonrpc": "2.0", "method": method, "params": params}).body)

    async def end(self, reply: Reply) -> Reply | None:
        """Return the answer, or send it as the last event if others went before."""
        if not self._begun:
            return reply
        await self._send(reply.body)
        return None

    async def _send(self, data: bytes) -> None:
        assert self.emit is not None, "only a client that takes a stream is notified"  # noqa: S101
        self._begun = True
        await self.emit(b"event: message\ndata: " + data + b"\n\n")


@contextmanager
def _continued_trace(meta: Mapping[str, Any], headers: Mapping[str, str]) -> Iterator[None]:
    """Go on with the trace that ``traceparent`` names, in ``_meta`` or else in the headers.

    Airflow's own tracing, where it is on, then makes what the request does a part of that trace.
    """
    token = None
    for carrier in (meta, headers):
        held = {k: v for k, v in carrier.items() if k in {"traceparent", "tracestate"} and isinstance(v, str)}
        if not held:
            continue
        context = extract(held)
        if get_current_span(context).get_span_context().is_valid:
            token = tracing.attach(context)
            break
    try:
        yield
    finally:
        if token is not None:
            tracing.detach(token)


def _meta(message: Mapping[str, Any]) -> Mapping[str, Any]:
    params = message.get("params")
    meta = params.get("_meta") if isinstance(params, dict) else None
    return meta if isinstance(meta, dict) else {}


def _route(
    message: dict[str, Any],
    raw_headers: list[tuple[str, str]],
    headers: Mapping[str, str],
    server: AirflowServer,
) -> InboundModernRoute | InboundLadderRejection:
    """Tell the protocol's era, by header or by envelope, and check what that era asks for."""
    params = message.get("params")
    params = params if isinstance(params, dict) else {}
    meta = params.get("_meta")
    enveloped = isinstance(meta, dict) and types.PROTOCOL_VERSION_META_KEY in meta
    named = headers.get(MCP_PROTOCOL_VERSION_HEADER)
    if named in MODERN_PROTOCOL_VERSIONS or enveloped:
        duplicated = find_duplicated_routing_header(raw_headers)
        if duplicated is not None:
            return InboundLadderRejection(
                types.HEADER_MISMATCH, f"{duplicated} header appears more than once"
            )
        route = classify_inbound_request(message, headers=headers)
        # The SDK's table of such headers does not know the methods of extensions.
        named_by = server.header_parameter(message["method"])
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
    if named is not None and named not in _OLD_VERSIONS:
        rejection = unsupported_protocol_version_rejection(named, (*_OLD_VERSIONS, *MODERN_PROTOCOL_VERSIONS))
        assert rejection is not None, "a served version was handled above"  # noqa: S101
        return rejection
    version, info = named or _UNNAMED_VERSION, None
    capabilities: Any = {}
    if message["method"] == "initialize":
        asked = params.get("protocolVersion")
        version = asked if asked in _OLD_VERSIONS else _OLD_VERSIONS[-1]
        info, capabilities = params.get("clientInfo"), params.get("capabilities") or {}
    return InboundModernRoute(version, info, capabilities)


async def _check_argument_headers(
    request: Request, params: Mapping[str, Any], headers: Mapping[str, str]
) -> InboundLadderRejection | None:
    """Return the refusal of a call whose headers do not repeat the arguments that the tool's schema names."""
    name, arguments = params.get("name"), params.get("arguments")
    if not isinstance(name, str) or not isinstance(arguments, dict):
        return None
    tool = await request.find(name)
    return None if tool is None else validate_mcp_param_headers(tool.input_schema, arguments, headers)


def _client_name(info: Any) -> str | None:
    name = info.get("name") if isinstance(info, dict) else None
    return name[:100] if isinstance(name, str) else None


class _Context:
    """The SDK's ``DispatchContext`` for an exchange without a way back to the client."""

    can_send_request = False

    def __init__(self, request_id: Any, metadata: ServerMessageMetadata, headers: Mapping[str, str]) -> None:
        self.transport = TransportContext(kind="streamable-http", can_send_request=False, headers=headers)
        self.request_id = request_id
        self.message_metadata = metadata
        self.cancel_requested = anyio.Event()

    async def send_raw_request(
        self,
        method: str,
        params: Any,  # noqa: ARG002
        opts: Any = None,  # noqa: ARG002
    ) -> dict[str, Any]:
        raise NoBackChannelError(method)

    async def notify(self, method: str, params: Any, opts: Any = None) -> None:
        """Drop a notification: tools send theirs by their ``Client``."""

    async def progress(self, progress: float, total: float | None = None, message: str | None = None) -> None:
        """Drop a progress report: tools send theirs by their ``Client``."""
