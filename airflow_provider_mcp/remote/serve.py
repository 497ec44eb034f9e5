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
from collections.abc import Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import TextIO
from urllib.parse import urlsplit

from airflow_provider_mcp.endpoint import asgi
from airflow_provider_mcp.endpoint.door import HTTPRequest, Unauthenticated, json_reply
from airflow_provider_mcp.endpoint.serve import serve
from airflow_provider_mcp.remote.gateway import Gateway
from airflow_provider_mcp.remote.target import is_loopback
from airflow_provider_mcp.server.policy import Policy
from airflow_provider_mcp.server.request import Identity


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

    schemes: Sequence[str] = ("Bearer",)
    login_parameters: Mapping[str, str] = MappingProxyType({})

    def __init__(
        self,
        gateway: Gateway,
        *,
        bearer_token: str | None,
        hosts: frozenset[str],
        origins: set[str | None],
        allowed_origins: frozenset[str] = frozenset(),
    ) -> None:
        self.server = gateway.server
        self.own_origins = origins
        self.options = Policy(allowed_origins=allowed_origins)
        self._first = gateway.first
        self._bearer = bearer_token
        self._hosts = hosts

    async def __call__(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        if scope["type"] != "http":
            return
        host = dict(scope["headers"]).get(b"host", b"").decode("latin-1").lower()
        if scope["path"] not in ("/mcp/v1", "/mcp/v1/"):
            await asgi.send_reply(send, json_reply(404, {"detail": "The MCP endpoint is /mcp/v1."}))
        elif self._hosts and host not in self._hosts:
            await asgi.send_reply(send, json_reply(421, {"detail": "Unknown Host"}))
        else:
            await asgi.answer(scope, receive, send, partial(serve, host=self))

    async def authenticate(self, request: HTTPRequest) -> Identity:
        if self._bearer is not None:
            authorization = request.header("authorization") or ""
            scheme, _, token = authorization.partition(" ")
            same = hmac.compare_digest(token.strip().encode(), self._bearer.encode())
            if scheme.lower() != "bearer" or not same:
                reason = (
                    "Send `Authorization: Bearer <token>` with the token that this server was started with."
                )
                raise Unauthenticated(reason, sent=bool(authorization))
        return self._first.identity

    async def policy(self) -> Policy:
        return await self._first.policy()


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
