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
"""A confirmation that a model cannot give: a person approves on Airflow's own page (CONTRACT, section 7a).

The call that needs it leaves what it would do in the insert-once store, under a name made of its token. The
page shows it to the same user, who is logged in to Airflow in a browser, and keeps the first decision. The
call that is repeated with the token acts if that was to approve.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal, cast

import anyio
import mcp_types as types

from airflow_provider_mcp.sdk.errors import ConfirmationRequired, Unsupported
from airflow_provider_mcp.sdk.json_types import JSON, JSONObject
from airflow_provider_mcp.sdk.tool import Tool
from airflow_provider_mcp.server.claims import MOST_OUTCOME_CHARS, Claims
from airflow_provider_mcp.server.foreign_text import Cleaner
from airflow_provider_mcp.server.request import Request
from airflow_provider_mcp.server.shaping import shape
from airflow_provider_mcp.server.signing import TOKEN_SECONDS

Decision = Literal["approved", "declined"]

MOST_SHOWN_CHARS = 12_000
"""How long the arguments, and the preview, may be on the page."""

WAIT_SECONDS = 40
"""How long a call waits for the person whom its client has sent to the page."""

LOOK_SECONDS = 1

PAGE = "/mcp/confirm/"
"""Where the page is, below the address of Airflow's pages."""


@dataclass(frozen=True)
class Approval:
    """What a person is asked to approve.

    :param user: The ID of the user for whom the call acts, and who alone may decide.
    :param credential: A digest of what the call was authenticated with, which must not decide.
    :param expires: In seconds since the epoch.
    """

    user: str
    user_name: str
    credential: str
    client: str | None
    tool: str
    title: str
    access: str
    arguments: JSONObject
    preview: JSONObject
    expires: float


class Approvals:
    """What waits for a person, and what persons decided, in a store that all workers share."""

    def __init__(self, claims: Claims) -> None:
        self._claims = claims

    async def ask(self, token: str, approval: Approval) -> str:
        """Keep what is asked, and return its name, which says nothing about the token."""
        name = name_approval(token)
        text = json.dumps(asdict(approval))
        if len(text.encode()) > MOST_OUTCOME_CHARS:
            raise Unsupported(
                f"What {approval.tool} would do is too long to be shown to a person; nothing was changed.",
                hint="Do it in several smaller calls.",
            )
        await self._claims.claim(name, approval.expires)
        await self._claims.keep(name, text, approval.expires)
        return name

    async def find(self, name: str) -> Approval | None:
        """Return what is asked under a name; None if there is none, or it has expired."""
        text = await self._claims.recall(name)
        approval = Approval(**json.loads(text)) if text else None
        return None if approval is None or approval.expires < time.time() else approval

    async def decide(self, name: str, approval: Approval, decision: Decision) -> Decision | None:
        """Keep a decision, if it is the first one; return the one that is in force."""
        key = _name_decision(name)
        if await self._claims.claim(key, approval.expires + TOKEN_SECONDS):
            await self._claims.keep(key, decision, approval.expires + TOKEN_SECONDS)
        return await self.find_decision(name)

    async def find_decision(self, name: str) -> Decision | None:
        """Return what was decided; None if nothing is, or nobody knows."""
        decision = await self._claims.recall(_name_decision(name))
        return cast("Decision", decision) if decision in {"approved", "declined"} else None


def name_approval(token: str) -> str:
    """Return the name of what a token is to confirm."""
    return _digest("approval", token)


def _name_decision(name: str) -> str:
    return _digest("decision", name)


def digest_credential(credential: str) -> str:
    """Return a digest by which a credential is known again."""
    return _digest("credential", credential.strip())


def _digest(purpose: str, text: str) -> str:
    return hashlib.sha256(f"{purpose} {text}".encode("utf-8", "replace")).hexdigest()[:32]


@dataclass(frozen=True)
class Act:
    """What would be done: a call of a tool, or another request about one.

    :param name: The tool's name, or the method of the request.
    :param bound: What the confirmation is bound to, beside user, name and arguments.
    """

    tool: Tool
    name: str
    title: str
    arguments: Mapping[str, JSON]
    preview: JSONObject
    bound: JSONObject


async def approve_act(
    act: Act, token: JSON, request: Request, *, sends_link: bool, was_sent: bool
) -> types.InputRequiredResult | str:
    """Return the token by which a person has confirmed, or what sends the client's user to the page.

    :param token: What the request brings from an earlier answer, if it does.
    :param sends_link: Whether the answer may be to open the page.
    :param was_sent: Whether the client says that it has sent its user to the page.
    :raises ConfirmationRequired: Nobody has approved. The error has the preview, the link and the token.
    """
    pages = request.identity.pages
    if pages is None:
        raise Unsupported(
            f"{act.name} needs a person's approval on Airflow's own page, and this server has no pages.",
            hint="Nothing was changed. Connect to the MCP endpoint inside Airflow, <base_url>/mcp/v1.",
        )
    user, approvals = request.caller.id, Approvals(request.claims)
    if token is None:
        issued = request.confirmations.issue(user, act.name, act.arguments, act.bound)
        link = f"{pages}{PAGE}{await approvals.ask(issued, await _describe(act, request))}"
        if sends_link:
            return _send_to(link, act, issued)
        raise _refuse(act, issued, link, "it waits for a person's approval")
    brought = str(token)
    request.confirmations.check(brought, user, act.name, act.arguments, act.bound)
    name = name_approval(brought)
    decision = await (_wait_for(approvals, name, request) if was_sent else approvals.find_decision(name))
    if decision == "approved":
        return brought
    if decision == "declined":
        raise ConfirmationRequired(
            f"The user declined {act.name}; nothing was changed.",
            hint="Ask the user what to do instead.",
        )
    raise _refuse(act, brought, f"{pages}{PAGE}{name}", "nobody has approved it yet")


async def _describe(act: Act, request: Request) -> Approval:
    """Return what the person sees: within its limit, without secrets and hidden characters."""
    airflow = request.reads()
    redacted = {
        name: airflow.redact(value, name) for name, value in act.arguments.items() if value is not None
    }
    cleaner = Cleaner.for_owner(request.policy, act.tool.owner)
    return Approval(
        user=request.caller.id,
        user_name=request.caller.name,
        credential=request.identity.credential,
        client=request.client.name,
        tool=act.name,
        title=act.title,
        access=act.tool.access,
        arguments=cleaner.clean((await shape(redacted, MOST_SHOWN_CHARS)).data),
        preview=cleaner.clean((await shape(act.preview, MOST_SHOWN_CHARS)).data),
        expires=time.time() + TOKEN_SECONDS,
    )


def _send_to(link: str, act: Act, token: str) -> types.InputRequiredResult:
    """Return what asks the client to open the page; its token comes back with the answer."""
    params = types.ElicitRequestURLParams(
        message=f"{act.title}: look in Airflow at what it would do, and approve or decline it there.",
        url=link,
        elicitation_id=name_approval(token),
    )
    return types.InputRequiredResult(
        input_requests={"confirm": types.ElicitRequest(params=params)}, request_state=token
    )


async def _wait_for(approvals: Approvals, name: str, request: Request) -> Decision | None:
    """Wait for a decision, where waiting takes nothing from others."""
    with request.reads().place_to_wait() as has_place:
        until = anyio.current_time() + (WAIT_SECONDS if has_place else 0)
        decision = await approvals.find_decision(name)
        while decision is None and anyio.current_time() < until:
            await anyio.sleep(LOOK_SECONDS)
            decision = await approvals.find_decision(name)
    return decision


def _refuse(act: Act, token: str, link: str, why: str) -> ConfirmationRequired:
    refusal = ConfirmationRequired(
        f"{act.name} has not run: {why}. Nothing was changed.",
        hint="Ask the user to open approve_url in a browser, within ten minutes, and to approve there. When "
        "they say that they have, repeat the call with confirmation_token added.",
    )
    refusal.details = {"approve_url": link, "preview": act.preview, "confirmation_token": token}
    return refusal
