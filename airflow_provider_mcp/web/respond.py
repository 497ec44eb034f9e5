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

from airflow_provider_mcp.endpoint.door import AuthenticationUnavailable, HTTPRequest, Reply, json_reply
from airflow_provider_mcp.web.confirm import answer_confirm
from airflow_provider_mcp.web.host import PageHost
from airflow_provider_mcp.web.rendering import render, static_reply

_CONFIRM = re.compile(r"/confirm/([0-9a-f]{32})")


async def respond(request: HTTPRequest, host: PageHost) -> Reply:
    """Answer one request for a page."""
    if request.method not in {"GET", "HEAD", "POST"}:
        return Reply(405, b"", {"Allow": "GET, HEAD, POST"})
    if request.path.startswith("/static/"):
        return static_reply(request.path.removeprefix("/static/")) or _not_found(host)
    confirm = _CONFIRM.fullmatch(request.path)
    if confirm is None:
        return _not_found(host)
    try:
        identity = await host.identify(request)
    except AuthenticationUnavailable:
        return render(
            "message.html",
            host,
            503,
            title="Airflow's database does not answer",
            sentence="Try again in a few seconds.",
        )
    if identity is None:
        return _ask_for_login(request, host)
    return await answer_confirm(request, host, identity, confirm[1])


def _ask_for_login(request: HTTPRequest, host: PageHost) -> Reply:
    login = host.find_login(f"/mcp{request.path}")
    if login is None:
        sentence = (
            "This page needs Airflow 3.1 or later: Airflow 3.0 does not tell the server who is logged in."
        )
        return render("message.html", host, 501, title="No login to see here", sentence=sentence)
    if request.method == "POST":
        sentence = "Your login has ended, and nothing was decided. Open the link again."
        return render("message.html", host, 401, title="You are not logged in", sentence=sentence)
    return Reply(303, b"", {"Location": login})


def _not_found(host: PageHost) -> Reply:
    return json_reply(404, {"detail": f"The MCP endpoint is {host.pages}/mcp/v1, by POST."})
