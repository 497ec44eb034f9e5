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
"""What waits for a person, what persons decide, and how long a call waits for them."""

from __future__ import annotations

import json
import time
from contextlib import nullcontext
from dataclasses import asdict, replace
from typing import Any

import anyio
import mcp_types as types
import pytest

from airflow_provider_mcp.endpoint.serve import REQUEST_SECONDS
from airflow_provider_mcp.sdk.airflow import Airflow
from airflow_provider_mcp.sdk.errors import ConfirmationRequired, ToolError, Unsupported
from airflow_provider_mcp.server import approval
from airflow_provider_mcp.server.approval import (
    MOST_SHOWN_CHARS,
    Act,
    Approval,
    Approvals,
    approve_act,
    digest_credential,
    name_approval,
)
from airflow_provider_mcp.server.claims import MOST_OUTCOME_CHARS
from airflow_provider_mcp.server.request import Request
from airflow_provider_mcp.server.signing import TOKEN_SECONDS
from tests.unit.server.confirming import BUILT_IN, TableClaims, make_request

APPROVAL = Approval(
    user="1",
    user_name="ada",
    credential="c",
    client="cursor",
    tool="delete_dag",
    title="Delete Dag",
    access="destructive",
    arguments={},
    preview={},
    expires=2000.0,
)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    class Clock:
        now = 1000.0

    monkeypatch.setattr(time, "time", lambda: Clock.now)
    return Clock


def test_what_is_asked_is_found_until_it_expires(clock: Any) -> None:
    approvals = Approvals(TableClaims())
    name = anyio.run(approvals.ask, "token", APPROVAL)
    clock.now = APPROVAL.expires
    assert anyio.run(approvals.find, name) == APPROVAL
    clock.now += 0.1
    assert anyio.run(approvals.find, name) is None
    assert anyio.run(approvals.find, name_approval("other")) is None


def test_the_first_decision_stays_in_force_as_long_as_its_token_may_be_used(clock: Any) -> None:
    claims = TableClaims()
    approvals = Approvals(claims)
    name = anyio.run(approvals.ask, "token", APPROVAL)
    assert anyio.run(approvals.find_decision, name) is None
    assert anyio.run(approvals.decide, name, APPROVAL, "declined") == "declined"
    assert anyio.run(approvals.decide, name, APPROVAL, "approved") == "declined"
    assert anyio.run(approvals.find_decision, name) == "declined"
    decided = [row for key, row in claims.rows.items() if key != name]
    assert decided == [("declined", APPROVAL.expires + TOKEN_SECONDS)]


def test_a_decision_that_was_claimed_and_not_kept_is_none() -> None:
    """A worker was stopped between the two."""

    class LosesDecisions(TableClaims):
        async def keep(self, key: str, outcome: str, expires: float) -> None:
            if outcome not in {"approved", "declined"}:
                await super().keep(key, outcome, expires)

    approvals = Approvals(LosesDecisions())
    name = anyio.run(approvals.ask, "token", APPROVAL)
    assert anyio.run(approvals.decide, name, APPROVAL, "approved") is None


def test_what_is_too_long_for_the_store_is_not_asked(clock: Any) -> None:
    claims = TableClaims()
    approvals = Approvals(claims)
    room = MOST_OUTCOME_CHARS - len(json.dumps(asdict(replace(APPROVAL, preview={"text": ""}))))
    with pytest.raises(Unsupported, match=r"delete_dag would do is too long .* nothing was changed"):
        anyio.run(approvals.ask, "token", replace(APPROVAL, preview={"text": "x" * (room + 1)}))
    assert claims.rows == {}
    fits = replace(APPROVAL, preview={"text": "x" * room})
    assert anyio.run(approvals.find, anyio.run(approvals.ask, "token", fits)) == fits


def test_names_and_digests_are_for_one_purpose_each() -> None:
    assert len({name_approval("x"), approval._name_decision("x"), digest_credential("x")}) == 3
    assert digest_credential(" x\n") == digest_credential("x") != digest_credential("y")


# ---- a call that waits -------------------------------------------------------------------------------


ARGUMENTS = {"dag_id": "a", "note": None, "password": "hunter22"}


def make_act(preview: dict[str, Any] | None = None) -> Act:
    return Act(
        BUILT_IN.tools["delete_dag"],
        "delete_it",
        "Delete it",
        ARGUMENTS,
        preview or {"deletes": "a"},
        {"deletes": "a"},
    )


def ask(request: Request, act: Act | None = None) -> ConfirmationRequired:
    """Make a call without a token; return the refusal, which has one."""

    async def run() -> object:
        return await approve_act(act or make_act(), None, request, sends_link=False, was_sent=False)

    with pytest.raises(ConfirmationRequired) as refused:
        anyio.run(run)
    return refused.value


def test_a_person_sees_the_call_without_its_secrets(clock: Any) -> None:
    claims = TableClaims()
    request = make_request(claims)
    preview = {"deletes": "a\u202eb", "text": "x" * 100_000}
    refusal = ask(request, make_act(preview))
    assert refusal.message == (
        "delete_it has not run: it waits for a person's approval. Nothing was changed."
    )
    name = name_approval(refusal.details["confirmation_token"])
    assert refusal.details["approve_url"] == f"https://airflow.example.com/mcp/confirm/{name}"
    assert refusal.details["preview"] == preview
    asked = anyio.run(Approvals(claims).find, name)
    assert asked is not None
    shown = asked.preview
    assert shown["deletes"] == "ab"
    assert MOST_SHOWN_CHARS - 2000 < len(json.dumps(shown)) <= MOST_SHOWN_CHARS
    # Arguments and preview together fit into the store, with all that stands beside them.
    assert 4 * MOST_SHOWN_CHARS < MOST_OUTCOME_CHARS
    assert replace(asked, preview={}) == Approval(
        user="1",
        user_name="ada",
        credential="digest",
        client="cursor",
        tool="delete_it",
        title="Delete it",
        access="destructive",
        arguments={"dag_id": "a", "password": "***"},
        preview={},
        expires=1000.0 + TOKEN_SECONDS,
    )


def test_without_a_page_nothing_is_asked() -> None:
    claims = TableClaims()
    with pytest.raises(ToolError, match="this server has no pages"):
        ask(make_request(claims, pages=None))
    assert claims.rows == {}


def wait(request: Request, token: str, *, sent: bool, decide_after: float | None = None) -> object:
    """Repeat a call with its token, while a person decides on the page."""

    async def run() -> object:
        approvals = Approvals(request.claims)

        async def decide() -> None:
            if decide_after is not None:
                await anyio.sleep(decide_after)
                await approvals.decide(name_approval(token), APPROVAL, "approved")

        async with anyio.create_task_group() as group:
            group.start_soon(decide)
            try:
                return await approve_act(make_act(), token, request, sends_link=True, was_sent=sent)
            except ConfirmationRequired as refusal:
                return refusal.message

    return anyio.run(run)


NOT_YET = "delete_it has not run: nobody has approved it yet. Nothing was changed."


def test_a_call_whose_user_was_sent_to_the_page_waits_for_the_decision(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(approval, "LOOK_SECONDS", 0.01)
    request = make_request(TableClaims())
    token = ask(request).details["confirmation_token"]
    monkeypatch.setattr(approval, "WAIT_SECONDS", 0.05)
    assert wait(request, token, sent=True) == NOT_YET
    monkeypatch.setattr(approval, "WAIT_SECONDS", 20)
    began = time.monotonic()
    assert wait(request, token, sent=False) == NOT_YET
    assert wait(request, token, sent=True, decide_after=0.1) == token
    assert wait(request, token, sent=True) == token
    assert time.monotonic() - began < 10


def test_a_call_without_a_place_to_wait_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    request = make_request(TableClaims())
    token = ask(request).details["confirmation_token"]
    monkeypatch.setattr(Airflow, "place_to_wait", lambda _: nullcontext(False))
    monkeypatch.setattr(approval, "LOOK_SECONDS", 30)
    began = time.monotonic()
    assert wait(request, token, sent=True) == NOT_YET
    assert time.monotonic() - began < 10


def test_waiting_leaves_time_for_the_call_and_sees_a_decision_soon() -> None:
    assert approval.WAIT_SECONDS + 10 <= REQUEST_SECONDS
    assert approval.LOOK_SECONDS <= 2


def test_a_client_that_opens_links_is_sent_to_the_page() -> None:
    claims = TableClaims()

    async def run() -> object:
        return await approve_act(make_act(), None, make_request(claims), sends_link=True, was_sent=False)

    question = anyio.run(run)
    assert isinstance(question, types.InputRequiredResult)
    assert question.request_state is not None
    name = name_approval(question.request_state)
    assert question.input_requests is not None
    link = question.input_requests["confirm"].params
    assert isinstance(link, types.ElicitRequestURLParams)
    assert (link.url, link.elicitation_id) == (f"https://airflow.example.com/mcp/confirm/{name}", name)
    assert name in claims.rows
