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
"""The pages for people: which address has which one, and that nobody sees any without a login."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from airflow_provider_mcp.endpoint.door import AuthenticationUnavailable, HTTPRequest, Reply, json_reply
from airflow_provider_mcp.sdk.client import Client
from airflow_provider_mcp.server.request import Identity
from airflow_provider_mcp.web.calls import show_calls
from airflow_provider_mcp.web.confirm import answer_confirm
from airflow_provider_mcp.web.connect import show_connect
from airflow_provider_mcp.web.diagnose import show_diagnosis
from airflow_provider_mcp.web.faults import show_faults
from airflow_provider_mcp.web.grants import end_grant
from airflow_provider_mcp.web.host import PageHost
from airflow_provider_mcp.web.rendering import render, static_reply
from airflow_provider_mcp.web.tools import CLIENT, show_tools, try_tool

_CONFIRM = re.compile(r"/confirm/([0-9a-f]{32})")

_METHODS: Mapping[str, tuple[str, ...]] = {"/revoke": ("POST",), "/try": ("POST",)}
"""For pages that answer other methods than GET and HEAD."""


async def respond(request: HTTPRequest, host: PageHost) -> Reply:
    """Answer one request for a page."""
    allowed = _METHODS.get(request.path, ("GET", "HEAD"))
    confirm = _CONFIRM.fullmatch(request.path)
    if confirm is not None:
        allowed = ("GET", "HEAD", "POST")
    if request.path == "/" and request.method not in allowed:
        # A client that was set up with the page's address in place of the endpoint's.
        return _not_found(host)
    if request.method not in allowed:
        return Reply(405, b"", {"Allow": ", ".join(allowed)})
    if request.path.startswith("/static/"):
        return static_reply(request.path.removeprefix("/static/")) or _not_found(host)
    try:
        identity = await host.identify(request)
        if identity is None:
            return _ask_for_login(request, host)
        # A page makes several calls, and what one began may not be broken off before the last.
        asking = replace(identity, end=lambda: None)
        try:
            if confirm is not None:
                return await answer_confirm(request, host, asking, confirm[1])
            return await _show(request, host, asking)
        finally:
            identity.end()
    except AuthenticationUnavailable:
        sentence = "Try again in a few seconds."
        return render(
            "message.html", host, 503, title="Airflow's database does not answer", sentence=sentence
        )


async def _show(http: HTTPRequest, host: PageHost, identity: Identity) -> Reply:
    request = host.server.open_request(identity, await host.policy(), Client(name=CLIENT))
    if http.path == "/":
        return await show_connect(host, request)
    if http.path == "/revoke":
        return await end_grant(http, host, request)
    if http.path == "/tools":
        return await show_tools(host, request)
    if http.path == "/try":
        return await try_tool(http, host, request)
    if http.path == "/calls":
        return await show_calls(host, request)
    if http.path == "/faults":
        return await show_faults(host, request)
    if http.path == "/diagnose":
        return await show_diagnosis(http, host, request)
    return _not_found(host)


def _ask_for_login(request: HTTPRequest, host: PageHost) -> Reply:
    query = f"?{request.query}" if request.query else ""
    login = host.find_login(f"/mcp{request.path}{query}")
    if login is None:
        sentence = (
            "This page needs Airflow 3.1 or later: Airflow 3.0 does not tell the server who is logged in."
        )
        return render("message.html", host, 501, title="No login to see here", sentence=sentence)
    if request.method == "POST":
        sentence = "Your login has ended, and nothing was done. Open the page again."
        return render("message.html", host, 401, title="You are not logged in", sentence=sentence)
    return Reply(303, b"", {"Location": login})


def _not_found(host: PageHost) -> Reply:
    return json_reply(404, {"detail": f"The MCP endpoint is {host.pages}/mcp/v1, by POST."})
