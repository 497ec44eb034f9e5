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
"""One HTTP request to the endpoint in an ASGI server, embedded in Airflow or beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import anyio

if TYPE_CHECKING:
    from airflow_provider_mcp.endpoint.door import Reply
    from airflow_provider_mcp.server.build import AirflowServer
    from airflow_provider_mcp.server.policy import Policy
    from airflow_provider_mcp.server.request import Identity


UNWATCHED_SECONDS = 0.5
"""How long a call runs before anyone looks whether its client is still there."""


def headers_of(scope: Any) -> list[tuple[str, str]]:
    """Return a request's headers as they came, by lower-case names."""
    return [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope["headers"]]


async def read_body(receive: Any, most: int) -> bytes | None:
    """Return a request's body, or no more of it than shows that it is over ``most`` bytes.

    :return: None if the client went away before its end.
    """
    body = bytearray()
    while len(body) <= most:
        event = await receive()
        if event["type"] == "http.disconnect":
            return None
        body += event.get("body", b"")
        if not event.get("more_body"):
            break
    return bytes(body)


async def exchange(
    server: AirflowServer,
    raw_headers: list[tuple[str, str]],
    body: bytes,
    identity: Identity,
    policy: Policy,
    receive: Any,
    send: Any,
) -> Reply | None:
    """Answer one authenticated POST, and stop the work when the client goes away.

    :return: What is left to send; None if the answer was streamed.
    """
    from airflow_provider_mcp.endpoint import door
    from airflow_provider_mcp.endpoint import exchange as endpoint

    streaming = False

    async def emit(data: bytes) -> None:
        nonlocal streaming
        if not streaming:
            streaming = True
            await start(send, 200, endpoint.STREAM_HEADERS)
        await send({"type": "http.response.body", "body": data, "more_body": True})

    reply: Reply | None = door.Reply(400)
    watching: asyncio.Future[None] | None = None

    def watch() -> None:
        nonlocal watching
        watching = asyncio.ensure_future(_cancel_when_gone(receive, work))

    with anyio.CancelScope() as work:
        # To watch costs about as much as a short call, which is over before anyone can think better of it.
        later = asyncio.get_running_loop().call_later(UNWATCHED_SECONDS, watch)
        try:
            reply = await endpoint.exchange(server, raw_headers, body, identity, policy, emit)
        finally:
            later.cancel()
            if watching is not None:
                watching.cancel()
                with anyio.CancelScope(shield=True):
                    await asyncio.wait([watching])
    if streaming:
        await send({"type": "http.response.body", "body": b""})
        return None
    return reply


async def send_reply(send: Any, reply: Reply) -> None:
    """Send an answer that is no stream."""
    await start(send, reply.status, {"Content-Length": str(len(reply.body)), **reply.headers})
    await send({"type": "http.response.body", "body": reply.body})


async def start(send: Any, status: int, headers: Mapping[str, str]) -> None:
    """Begin an answer."""
    everything = {"Cache-Control": "no-store", **headers}
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [(k.lower().encode("latin-1"), v.encode("latin-1")) for k, v in everything.items()],
        }
    )


async def _cancel_when_gone(receive: Any, work: anyio.CancelScope) -> None:
    """Stop the work when the client has closed the connection."""
    while (await receive())["type"] != "http.disconnect":
        pass
    work.cancel()
