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
"""The page on which a person approves or declines what a client wants to do as them (CONTRACT, 7a)."""

from __future__ import annotations

import hmac
import time

from airflow_provider_mcp.endpoint.door import HTTPRequest, Reply
from airflow_provider_mcp.server.approval import Approval, Approvals, Decision, digest_credential
from airflow_provider_mcp.server.request import Identity
from airflow_provider_mcp.web.forms import FIELD, Forms, is_own_origin, read_form
from airflow_provider_mcp.web.host import PageHost
from airflow_provider_mcp.web.rendering import render
from airflow_provider_mcp.web.sentences import describe

_EFFECTS = {"write": "It changes something in Airflow.", "destructive": "It may lose something for good."}


async def answer_confirm(request: HTTPRequest, host: PageHost, identity: Identity, name: str) -> Reply:
    """Show what waits for approval, or take the decision.

    :param name: The name of what waits, from the address.
    """
    approvals = Approvals(host.server.claims)
    approval = await approvals.find(name)
    if approval is None:
        return _tell(
            host,
            404,
            "Nothing waits here",
            "It has expired, or it never was. Ask the client to make the call again for a new link.",
        )
    if approval.user != identity.caller.id:
        return _tell(
            host,
            403,
            "This is for another user",
            f"You are logged in as {identity.caller.name}. Only who the call acts for can approve it.",
        )
    if _brings(request, approval.credential):
        return _tell(
            host,
            403,
            "Not with the client's own token",
            "The browser sent the token that made the call. Log in to Airflow yourself, and open this again.",
        )
    if request.method == "POST":
        return await _take_decision(request, host, approvals, name, approval)
    return _show(host, name, approval, await approvals.find_decision(name))


async def _take_decision(
    request: HTTPRequest, host: PageHost, approvals: Approvals, name: str, approval: Approval
) -> Reply:
    form = await read_form(request) or {}
    forms = Forms(host.server.confirmations)
    decisions: dict[str, Decision] = {"approve": "approved", "decline": "declined"}
    decision = decisions.get(form.get("decision", ""))
    if not (
        decision
        and is_own_origin(request, host)
        and forms.accepts(form.get(FIELD, ""), approval.user, f"confirm {name}")
    ):
        return _tell(
            host,
            403,
            "Nothing was decided",
            "The form did not come from this page, or the page was open for too long. Open the link again.",
        )
    in_force = await approvals.decide(name, approval, decision)
    return _show(host, name, approval, in_force)


def _show(host: PageHost, name: str, approval: Approval, decision: Decision | None) -> Reply:
    forms = Forms(host.server.confirmations)
    return render(
        "confirm.html",
        host,
        approval=approval,
        decision=decision,
        effect=_EFFECTS.get(approval.access, ""),
        preview=describe(approval.preview),
        arguments=describe(approval.arguments),
        minutes=max(1, round((approval.expires - time.time()) / 60)),
        field=FIELD,
        form_token=forms.make_token(approval.user, f"confirm {name}"),
    )


def _tell(host: PageHost, status: int, title: str, sentence: str) -> Reply:
    return render("message.html", host, status, title=title, sentence=sentence)


def _brings(request: HTTPRequest, credential: str) -> bool:
    """Say whether a request's cookies hold the credential that made the call."""
    cookies = (part for key, sent in request.headers if key == "cookie" for part in sent.split(";"))
    values = (part.partition("=")[2].strip().strip('"') for part in cookies)
    return any(hmac.compare_digest(digest_credential(value), credential) for value in values)
