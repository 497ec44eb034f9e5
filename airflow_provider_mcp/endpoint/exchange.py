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
"""One JSON-RPC exchange with the server: an authenticated request in, its answer out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, overload

import anyio
import mcp_types as types
from mcp.server.connection import Connection, allowed_log_levels
from mcp.server.runner import modern_error_data, serve_one
from mcp.shared.exceptions import NoBackChannelError
from mcp.shared.inbound import ERROR_CODE_HTTP_STATUS, InboundLadderRejection, InboundModernRoute
from mcp.shared.jsonrpc_dispatcher import progress_token_from_params
from mcp.shared.message import ServerMessageMetadata
from mcp.shared.transport_context import TransportContext
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError

from airflow_provider_mcp.endpoint.door import (
    Emit,
    HTTPRequest,
    Reply,
    allow_origin,
    json_reply,
    refuse,
    rpc_error,
)
from airflow_provider_mcp.endpoint.protocol import check_argument_headers, client_name, route_request
from airflow_provider_mcp.endpoint.tracing import continue_trace
from airflow_provider_mcp.sdk.client import Client
from airflow_provider_mcp.sdk.json_types import JSON, JSONObject
from airflow_provider_mcp.server.build import AirflowServer
from airflow_provider_mcp.server.clients import describe_client
from airflow_provider_mcp.server.foreign_text import Cleaner
from airflow_provider_mcp.server.policy import Policy
from airflow_provider_mcp.server.request import Identity

Headers = Iterable[tuple[str, str]]

REQUEST_SECONDS = 54
"""A request ends within 55 s (CONTRACT, section 2). A tool has less, so this is for what hangs elsewhere."""


def stream_headers(request: HTTPRequest) -> dict[str, str]:
    """Return the headers of a streamed answer. Proxies must not hold its events back."""
    return {"Content-Type": "text/event-stream", "X-Accel-Buffering": "no", **allow_origin(request)}


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
    emit: Emit | None,
    *,
    deadline: float | None = None,
) -> Reply | None: ...


async def exchange(
    server: AirflowServer,
    raw_headers: Headers,
    body: bytes,
    identity: Identity,
    policy: Policy,
    emit: Emit | None = None,
    *,
    deadline: float | None = None,
) -> Reply | None:
    """Answer one authenticated POST.

    :param emit: Sends a part of a streamed answer, the first of which begins it. It is used as soon as a
        tool has something to say before its result, for a client that accepts a stream.
    :param deadline: When the answer must be there, by the event loop's clock.
    :return: The answer; None if it was streamed, to its end.
    """
    request = _parse(body)
    if isinstance(request, Reply):
        return request
    raw_headers = [(name.lower(), value.strip(" \t")) for name, value in raw_headers]
    headers = dict(raw_headers)
    route = route_request(request, raw_headers, headers, server)
    if isinstance(route, InboundLadderRejection):
        return _reject(request, route)
    takes_stream = "text/event-stream" in headers.get("accept", "").lower()
    stream = _Stream(emit if takes_stream else None, Cleaner(policy.untrusted_text))
    client = _describe_client(request, route, headers, stream)
    authenticated = server.open_request(identity, policy, client)
    modern = route.protocol_version in MODERN_PROTOCOL_VERSIONS
    if modern and request.method == "tools/call":
        mismatch = await check_argument_headers(authenticated, request.params or {}, headers)
        if mismatch is not None:
            return _reject(request, mismatch)
    context = _Context(request.id, ServerMessageMetadata(request_context=authenticated), headers)
    connection = Connection.from_envelope(
        route.protocol_version, route.client_info, route.client_capabilities
    )
    error: types.ErrorData | None = types.ErrorData(
        code=types.INTERNAL_ERROR, message="The request timed out."
    )
    result: JSONObject = {}
    if deadline is None:
        deadline = anyio.current_time() + REQUEST_SECONDS
    with continue_trace(_meta(request), headers), anyio.CancelScope(deadline=deadline):
        try:
            result = await serve_one(
                server, context, request.method, request.params, connection=connection, lifespan_state=None
            )
            error = None
        except Exception as failure:
            # The SDK's own mapping: what is not a protocol error is logged by it and hidden from the caller.
            error = modern_error_data(failure)
        finally:
            identity.end()
    if error is not None:
        status = _choose_status(error, modern)
        error = _clean_error(error, policy)
        reply = rpc_error(status, error.code, error.message, request_id=request.id, data=error.data)
    else:
        reply = json_reply(200, {"jsonrpc": "2.0", "id": request.id, "result": result})
    return await stream.end(reply)


def _clean_error(error: types.ErrorData, policy: Policy) -> types.ErrorData:
    """Return an error, whose message and data may quote what others wrote, as it may go out."""
    cleaner = Cleaner(policy.untrusted_text)
    data = cleaner.clean_error(error.data) if isinstance(error.data, dict) else error.data
    return types.ErrorData(code=error.code, message=cleaner.clean_text(error.message), data=data)


def _choose_status(error: types.ErrorData, modern: bool) -> int:
    """Return the HTTP status of an error: 503 where the same request may succeed later."""
    if isinstance(error.data, dict) and error.data.get("code") == "unavailable":
        return 503
    return ERROR_CODE_HTTP_STATUS.get(error.code, 200) if modern else 200


def _parse(body: bytes) -> types.JSONRPCRequest | Reply:
    """Return the request in a body, or the answer to what is none."""
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        return refuse(400, "The body is not JSON in UTF-8.", code=types.PARSE_ERROR)
    if isinstance(message, list):
        return refuse(400, "A batch is not served: send one message a request.")
    if not isinstance(message, dict):
        return refuse(400, "The body is not a JSON-RPC message.")
    try:
        if "id" not in message:
            types.JSONRPCNotification.model_validate(message)
            return Reply(202)
        return types.JSONRPCRequest.model_validate(message)
    except ValidationError:
        kind_of_message = "request" if "id" in message else "message"
        return refuse(400, f"The body is not a JSON-RPC {kind_of_message}.")


def _reject(request: types.JSONRPCRequest, rejection: InboundLadderRejection) -> Reply:
    status = ERROR_CODE_HTTP_STATUS.get(rejection.code, 400)
    return rpc_error(status, rejection.code, rejection.message, request_id=request.id, data=rejection.data)


def _describe_client(
    request: types.JSONRPCRequest, route: InboundModernRoute, headers: Mapping[str, str], stream: _Stream
) -> Client:
    """Return what is known of the client."""
    modern = route.protocol_version in MODERN_PROTOCOL_VERSIONS
    name = client_name(route.client_info) or headers.get("user-agent")
    return replace(
        describe_client(name, route.client_capabilities, modern=modern),
        progress_token=progress_token_from_params(request.params),
        log_levels=frozenset(allowed_log_levels(route.protocol_version, _meta(request))),
        notify=stream.notify if stream.emit is not None else None,
    )


class _Stream:
    """The answer to one request as server-sent events, once there is more to send than the answer."""

    def __init__(self, emit: Emit | None, cleaner: Cleaner) -> None:
        self.emit = emit
        self._cleaner = cleaner
        self._begun = False

    async def notify(self, method: str, params: Mapping[str, Any]) -> None:
        """Send a notification, whose texts may be quoted from what others wrote."""
        texts = {key: value for key, value in params.items() if key in {"message", "data"}}
        cleaned = {**params, **self._cleaner.clean(texts)}
        await self._send(json_reply(200, {"jsonrpc": "2.0", "method": method, "params": cleaned}).body)

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


def _meta(request: types.JSONRPCRequest) -> Mapping[str, JSON]:
    meta = (request.params or {}).get("_meta")
    return meta if isinstance(meta, dict) else {}


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
