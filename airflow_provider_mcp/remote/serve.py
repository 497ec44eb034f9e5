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
"""``airflow-mcp serve``: the MCP server as a process of its own, by stdio or HTTP."""

from __future__ import annotations

import hmac
import sys
from typing import Any, TextIO
from urllib.parse import urlsplit

from airflow_provider_mcp.endpoint import asgi, door
from airflow_provider_mcp.endpoint.door import Reply
from airflow_provider_mcp.remote.gateway import Gateway
from airflow_provider_mcp.remote.target import is_loopback
from airflow_provider_mcp.server.policy import Policy


def own_origins(host: str, port: int) -> set[str | None]:
    """Return the origins at which a server bound to ``host`` and ``port`` is reached from this machine."""
    names = {host, "localhost", "127.0.0.1", "[::1]"} if is_loopback(host) else {host}
    return {f"http://{name}:{port}" for name in names}


class HttpEndpoint:
    """The ASGI app of ``serve --transport http``: the endpoint ``/mcp/v1``, as the embedded one.

    :param bearer_token: What a request must carry; None lets every local program in.
    :param hosts: The ``Host`` headers it answers to, which keeps pages of other names out that were
        rebound to this address.
    """

    def __init__(
        self,
        gateway: Gateway,
        *,
        bearer_token: str | None,
        hosts: frozenset[str],
        origins: set[str | None],
        allowed_origins: frozenset[str] = frozenset(),
    ) -> None:
        self._gateway = gateway
        self._bearer = bearer_token
        self._hosts = hosts
        self._origins = origins
        self._door = Policy(allowed_origins=allowed_origins)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        reply = await self._answer(scope, receive, send)
        if reply is not None:
            await asgi.send_reply(send, reply)

    async def _answer(self, scope: Any, receive: Any, send: Any) -> Reply | None:
        """Answer a request; return what is left to send."""
        if scope["path"] not in ("/mcp/v1", "/mcp/v1/"):
            return door.Reply(404, b'{"detail":"Not Found"}', {"Content-Type": "application/json"})
        raw_headers = asgi.headers_of(scope)
        headers = dict(raw_headers)
        if self._hosts and headers.get("host", "").lower() not in self._hosts:
            return door.Reply(421, b'{"detail":"Unknown Host"}', {"Content-Type": "application/json"})
        refused = door.refuse_at_the_door(scope["method"], headers, self._door, self._origins)
        if refused is not None:
            return refused
        if self._bearer is not None:
            scheme, _, given = headers.get("authorization", "").partition(" ")
            same = hmac.compare_digest(given.strip().encode(), self._bearer.encode())
            if scheme.lower() != "bearer" or not same:
                return door.unauthenticated()
        refused = door.refuse_body(headers, self._door)
        if refused is not None:
            return refused
        body = await asgi.read_body(receive, self._door.max_request_bytes)
        if body is None:
            return door.Reply(400)
        if len(body) > self._door.max_request_bytes:
            return door.too_large(self._door)
        first = self._gateway.first
        return await asgi.exchange(
            self._gateway.server, raw_headers, body, first.identity, await first.policy(), receive, send
        )


async def serve_stdio(gateway: Gateway, standard_output: TextIO) -> None:
    """Serve one client on this process's standard input and output, until it closes them.

    :param standard_output: What ``sys.stdout`` was before it was pointed elsewhere, where it stays but for
        the moment in which the transport takes this: what is printed must not reach the client.
    """
    from mcp.server.stdio import stdio_server

    elsewhere, sys.stdout = sys.stdout, standard_output
    async with stdio_server() as (incoming, outgoing):
        sys.stdout = elsewhere
        await gateway.server.run(incoming, outgoing, gateway.server.create_initialization_options())


async def serve_http(
    gateway: Gateway, host: str, port: int, bearer_token: str | None, allowed_origins: frozenset[str]
) -> None:
    """Serve HTTP until the process is told to end."""
    import uvicorn

    origins = own_origins(host, port)
    local = is_loopback(host)
    hosts = frozenset(urlsplit(origin).netloc for origin in origins if origin) if local else frozenset()
    app = HttpEndpoint(
        gateway, bearer_token=bearer_token, hosts=hosts, origins=origins, allowed_origins=allowed_origins
    )
    config = uvicorn.Config(app, host=host, port=port, log_config=None, lifespan="off", access_log=False)
    await uvicorn.Server(config).serve()
