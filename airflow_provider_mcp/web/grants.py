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
"""What the user allows clients by the login by OAuth, and how they end it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from urllib.parse import urlsplit

from airflow_provider_mcp.endpoint.door import HTTPRequest, Reply
from airflow_provider_mcp.oauth.grants import Grant
from airflow_provider_mcp.server.request import WRITE_SCOPE, Request
from airflow_provider_mcp.web.forms import FIELD, Forms, is_own_origin, read_form
from airflow_provider_mcp.web.host import PageHost
from airflow_provider_mcp.web.rendering import render

PURPOSE = "revoke"
"""What the tokens of the forms are for."""


@dataclass(frozen=True)
class Row:
    """One grant, for people."""

    id: str
    client: str
    target: str
    may: str
    since: str
    used: str
    until: str


def describe_grants(grants: Sequence[Grant]) -> list[Row]:
    """Return grants as the page shows them."""
    return [
        Row(
            grant.id,
            grant.client or "A client without a name",
            grant.target or "a token made by an administrator",
            "read and change" if WRITE_SCOPE in grant.scopes else "read",
            _format(grant.created),
            # A machine's token is not refreshed: nothing notes when it is used.
            _format(grant.used) if grant.kind == "login" else "",
            _format(grant.until),
        )
        for grant in grants
    ]


async def end_grant(http: HTTPRequest, host: PageHost, request: Request) -> Reply:
    """End the grant that a form names, if it is the user's, and show the page again."""
    form = await read_form(http) or {}
    forms = Forms(host.server.confirmations)
    if not (is_own_origin(http, host) and forms.accepts(form.get(FIELD, ""), request.caller.id, PURPOSE)):
        sentence = "The form did not come from this page, or the page was open for too long. Open it again."
        return render("message.html", host, 403, title="Nothing was revoked", sentence=sentence)
    # One that has ended meanwhile is what the user wants, too.
    await host.end_grant(request.caller, form.get("grant", ""))
    return Reply(303, b"", {"Location": f"{urlsplit(host.pages).path}/mcp/#grants"})


def _format(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M")
