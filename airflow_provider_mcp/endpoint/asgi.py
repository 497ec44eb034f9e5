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
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from typing import Any, TypeAlias

import anyio

from airflow_provider_mcp.endpoint.door import CLIENT_GONE, HTTPRequest, Reply, Respond
from airflow_provider_mcp.endpoint.exchange import stream_headers

Scope: TypeAlias = MutableMapping[str, Any]
Event: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Event]]
Send: TypeAlias = Callable[[Event], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

UNWATCHED_SECONDS = 0.5
"""How long a call runs before anyone looks whether its client is still there."""


async def answer(scope: Scope, receive: Receive, send: Send, respond: Respond) -> None:
    """Answer one HTTP request by a function, such as the endpoint's ``serve``."""
    await _Exchange(scope, receive, send).run(respond)


class _Exchange:
    """One request and its answer, whose work stops when the client goes away."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._work = anyio.CancelScope()
        self._streaming = False
        self._watch_later: asyncio.TimerHandle | None = None
        self._watching: asyncio.Future[None] | None = None
        self._request = HTTPRequest(
            method=scope["method"],
            headers=[
                (name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope["headers"]
            ],
            read_body=self._read_body,
            scheme=scope.get("scheme", "http"),
            path=scope["path"].removeprefix(scope.get("root_path", "")),
            query=scope.get("query_string", b"").decode("latin-1"),
            emit=self._emit,
        )

    async def run(self, respond: Respond) -> None:
        """Answer the request."""
        reply: Reply | None = Reply(CLIENT_GONE)
        with self._work:
            try:
                reply = await respond(self._request)
            finally:
                await self._stop_watching()
        if self._streaming:
            await self._send({"type": "http.response.body", "body": b""})
        elif reply is not None:
            await send_reply(self._send, reply)

    async def _read_body(self, most: int, seconds: float) -> bytes | None:
        body = bytearray()
        with anyio.fail_after(seconds):
            while len(body) <= most:
                event = await self._receive()
                if event["type"] == "http.disconnect":
                    return None
                body += event.get("body", b"")
                if not event.get("more_body"):
                    break
        # To watch costs about as much as a short call, which is over before anyone can think better of it.
        self._watch_later = asyncio.get_running_loop().call_later(UNWATCHED_SECONDS, self._watch)
        return bytes(body)

    async def _emit(self, data: bytes) -> None:
        if not self._streaming:
            self._streaming = True
            await start(self._send, 200, stream_headers(self._request))
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    def _watch(self) -> None:
        self._watching = asyncio.ensure_future(self._cancel_when_gone())

    async def _cancel_when_gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._work.cancel()

    async def _stop_watching(self) -> None:
        if self._watch_later is not None:
            self._watch_later.cancel()
        if self._watching is not None:
            self._watching.cancel()
            with anyio.CancelScope(shield=True):
                await asyncio.wait([self._watching])


async def send_reply(send: Send, reply: Reply) -> None:
    """Send an answer that is no stream."""
    headers = {"Content-Length": str(len(reply.body)), **reply.headers}
    await start(send, reply.status, headers, reply.cookies)
    await send({"type": "http.response.body", "body": reply.body})


async def start(send: Send, status: int, headers: Mapping[str, str], cookies: Sequence[str] = ()) -> None:
    """Begin an answer."""
    everything = [("Cache-Control", "no-store")] if "Cache-Control" not in headers else []
    everything += [*headers.items(), *(("Set-Cookie", cookie) for cookie in cookies)]
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [(k.lower().encode("latin-1"), v.encode("latin-1")) for k, v in everything],
        }
    )
