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
"""The one door: the order in which a request to the endpoint is looked at, whatever serves it."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Protocol
from urllib.parse import parse_qsl

import anyio

from airflow_provider_mcp.endpoint import door
from airflow_provider_mcp.endpoint.door import CLIENT_GONE, HTTPRequest, Reply
from airflow_provider_mcp.endpoint.exchange import exchange
from airflow_provider_mcp.server.build import AirflowServer
from airflow_provider_mcp.server.catalogue import Catalogue
from airflow_provider_mcp.server.policy import Policy
from airflow_provider_mcp.server.request import Identity

REQUEST_SECONDS = 54
"""A request ends within 55 s (CONTRACT, section 2)."""

AUTHENTICATION_SECONDS = 10
"""How long Airflow may take to say who sent a request, where what it waits for can be left."""

BODY_SECONDS = 20
"""How long a body may take to arrive: what is left is for the call."""

_NARROWING = {"toolsets": "x-mcp-toolsets", "read_only": "x-mcp-readonly"}
"""The options by which a client narrows for itself in the address, and the headers that say the same."""


class Host(Protocol):
    """What the endpoint asks of the process that it is part of, about one request."""

    @property
    def server(self) -> AirflowServer:
        """The MCP server."""

    @property
    def options(self) -> Policy:
        """The configuration file's options, which are known before anything is read."""

    @property
    def schemes(self) -> Sequence[str]:
        """The schemes of the ``Authorization`` header that are taken; none if everyone is let in."""

    @property
    def login_parameters(self) -> Mapping[str, str]:
        """What a refused request is told of the login by OAuth; empty where there is none."""

    @property
    def own_origins(self) -> Collection[str | None]:
        """The origins at which this process is reached."""

    async def authenticate(self, request: HTTPRequest) -> Identity:
        """Return who sent the request.

        :raises Unauthenticated: It has no valid credential.
        :raises AuthenticationUnavailable: That could not be found out.
        """

    async def policy(self) -> Policy:
        """Return the policy in force. It is asked for callers that are known alone."""


async def serve(request: HTTPRequest, host: Host) -> Reply | None:
    """Answer one HTTP request.

    :return: The answer; None if it was streamed, to its end.
    """
    deadline = anyio.current_time() + REQUEST_SECONDS
    refused = door.refuse_headers(request) or door.refuse_origin(request, host.options, host.own_origins)
    if refused is not None:
        return refused
    reply = door.answer_preflight(request) or await _serve_allowed(request, host, deadline)
    return None if reply is None else replace(reply, headers={**reply.headers, **door.allow_origin(request)})


async def _serve_allowed(request: HTTPRequest, host: Host, deadline: float) -> Reply | None:
    """Answer a request from where requests may come from."""
    try:
        with anyio.fail_after(AUTHENTICATION_SECONDS):
            identity = await host.authenticate(request)
    except door.Unauthenticated as refusal:
        return door.challenge(host.schemes, refusal, host.login_parameters)
    except (door.AuthenticationUnavailable, TimeoutError):
        return door.unavailable("Airflow could not check the credential. Try again in a few seconds.")
    refused = door.refuse_method(request) or door.refuse_body(request, host.options)
    if refused is not None:
        return refused
    most = host.options.max_request_bytes
    try:
        body = await request.read_body(most, BODY_SECONDS)
    except TimeoutError:
        return door.refuse(408, f"The body did not arrive within {BODY_SECONDS} seconds.")
    if body is None:
        return Reply(CLIENT_GONE)
    if len(body) > most:
        return door.too_large(host.options)
    try:
        policy = narrow(await host.policy(), request, host.server.catalogue)
    except ValueError as malformed:
        return door.refuse(400, str(malformed))
    return await exchange(
        host.server, request.headers, body, identity, policy, request.emit, deadline=deadline
    )


def narrow(policy: Policy, request: HTTPRequest, catalogue: Catalogue) -> Policy:
    """Return the policy as the client narrows it for itself, by the address or by headers.

    :raises ValueError: What it says cannot be understood.
    """
    query = parse_qsl(request.query)
    for name, value in query:
        if name == "toolsets":
            continue
        if name in _NARROWING:
            policy = _narrow_by(policy, name, value, catalogue)
        elif difflib.get_close_matches(name.lower(), _NARROWING, cutoff=0.8):
            # Other parameters are for others. A misspelt one must not leave open what it was to close.
            raise ValueError(f"The address has {name!r}; to narrow a connection, write {_join(_NARROWING)}.")
    # Asked for twice, it names one of several: to take what is in both would offer nothing.
    if toolsets := ",".join(value for name, value in query if name == "toolsets"):
        policy = _narrow_by(policy, "toolsets", toolsets, catalogue)
    for name, header in _NARROWING.items():
        sent = request.header(header)
        if sent is not None:
            policy = _narrow_by(policy, name, sent, catalogue)
    return policy


def _narrow_by(policy: Policy, name: str, value: str, catalogue: Catalogue) -> Policy:
    if name == "toolsets":
        for toolset in (word.strip() for word in value.split(",")):
            if toolset and toolset != "all" and toolset not in catalogue.toolsets:
                raise ValueError(f"There is no toolset {toolset!r}; there are {_join(catalogue.toolsets)}.")
    try:
        return policy.narrowed({name: value})
    except ValueError as malformed:
        raise ValueError(f"{name}: {malformed}") from None


def _join(names: Collection[str]) -> str:
    return ", ".join(names)
