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
"""Approval by a person: bound, once, on any replica; and nothing that a client sends stands in for it."""

from __future__ import annotations

import itertools
import json
import re
import time
from typing import Any

import anyio
import httpx
import pytest

from airflow_provider_mcp.endpoint.door import Reply
from airflow_provider_mcp.endpoint.exchange import exchange
from airflow_provider_mcp.sdk.airflow import Caller
from airflow_provider_mcp.server import approval
from airflow_provider_mcp.server.approval import digest_credential, name_approval
from airflow_provider_mcp.server.build import build_server
from airflow_provider_mcp.server.catalogue import Catalogue
from airflow_provider_mcp.server.claims import MemoryClaims
from airflow_provider_mcp.server.policy import Policy
from airflow_provider_mcp.server.request import Identity
from airflow_provider_mcp.server.signing import Confirmations
from airflow_provider_mcp.testing import open_airflow
from tests.unit.fake_airflow import FakeAirflow
from tests.unit.server.confirming import BUILT_IN
from tests.unit.web.browser import PAGES, SESSIONS, Browser, PretendedHost, text_of, token_of

ADA, BOB = SESSIONS["ada"], SESSIONS["bob"]
RUN = {
    "dag_id": "a",
    "dag_run_id": "r",
    "state": "failed",
    "start_date": "2026-01-01T00:00:00Z",
    "queued_at": "2026-01-01T00:00:00Z",
    "run_after": "2026-01-01T00:00:00Z",
}
INSTANCE = {"task_id": "t", "map_index": -1, "state": "failed", "try_number": 1, "start_date": "s"}
CALL = {"dag_id": "a", "dag_run_id": "r", "state": "success"}
ACTED = ("PATCH", "dags/a/dagRuns/r")


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return BUILT_IN


class World:
    """Two replicas, a client that calls them, and browsers that see their pages."""

    def __init__(self, catalogue: Catalogue, **policy: Any) -> None:
        self.run = dict(RUN)
        self.airflow = FakeAirflow(
            **{
                "GET dags/a/dagRuns/r": lambda _: httpx.Response(200, json=self.run),
                "GET dags/a/dagRuns/r/taskInstances": {"task_instances": [INSTANCE], "total_entries": 1},
                "PATCH dags/a/dagRuns/r": lambda _: httpx.Response(200, json=self.run),
            }
        ).unconnected("a")
        self.policy = Policy(confirm_by="person", **policy)
        claims = MemoryClaims()
        self.replicas = [build_server(catalogue, Confirmations(b"secret"), claims) for _ in range(2)]

    def call(
        self,
        tool: str = "set_dag_run_state",
        arguments: dict[str, Any] | None = None,
        *,
        caller: Caller = ADA,
        replica: int = 0,
        capabilities: dict[str, Any] | None = None,
        pages: str | None = PAGES,
        client: str = "cursor",
        **more: Any,
    ) -> dict[str, Any]:
        meta = {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": client, "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": capabilities or {},
        }
        params = {"name": tool, "arguments": CALL if arguments is None else arguments, **more, "_meta": meta}
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        headers = [
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", "tools/call"),
            ("mcp-name", tool),
        ]
        identity = Identity(
            caller,
            lambda access: open_airflow(self.airflow, access),
            pages=pages,
            credential=digest_credential("token-of-the-client"),
        )

        async def run() -> Any:
            body = json.dumps(message).encode()
            return await exchange(self.replicas[replica], headers, body, identity, self.policy)

        answer = json.loads(anyio.run(run).body)
        found: dict[str, Any] = answer.get("result") or {"protocol_error": answer["error"]}
        return found

    def ask(self, **more: Any) -> dict[str, Any]:
        """Make a call that is not confirmed; return what the client is told."""
        told: dict[str, Any] = self.call(**more)["structuredContent"]
        assert told["error"]["code"] == "confirmation_required"
        return told

    def browser(self, session: str | None = "ada", replica: int = 1, **headers: str) -> Browser:
        return Browser(PretendedHost(self.replicas[replica]), session, **headers)

    @property
    def has_acted(self) -> bool:
        return ACTED in self.airflow.changes()


def path_of(told: dict[str, Any]) -> str:
    url: str = told["approve_url"]
    assert url.startswith(f"{PAGES}/mcp/confirm/")
    return url.removeprefix(f"{PAGES}/mcp")


def decide(browser: Browser, path: str, decision: str) -> Reply:
    form = {"form_token": token_of(browser.get(path)), "decision": decision}
    return browser.post(path, form)


def test_the_page_shows_it_and_the_repeated_call_acts_once(catalogue: Catalogue) -> None:
    world = World(catalogue)
    told = world.ask()
    assert told["preview"]["sets"] == "success"
    assert "browser" in told["error"]["hint"]
    page = world.browser().get(path_of(told))
    assert page.status == 200
    for words in ("cursor", "set_dag_run_state", "as you", "ada", "Sets", "success", "Approve", "Decline"):
        assert words in text_of(page)
    confirmed = {**CALL, "confirmation_token": told["confirmation_token"]}
    refused = world.call(arguments=confirmed)["structuredContent"]
    assert refused["error"]["code"] == "confirmation_required"
    assert refused["approve_url"] == told["approve_url"]
    assert not world.has_acted
    assert "You have approved" in text_of(decide(world.browser(), path_of(told), "approve"))
    assert not world.has_acted
    first = world.call(arguments=confirmed, replica=1)
    assert not first["isError"], first
    assert world.has_acted
    again = world.call(arguments=confirmed)
    assert "used before" in again["content"][0]["text"]
    assert world.airflow.changes().count(ACTED) == 1


def test_a_declined_call_never_runs_and_the_first_decision_stays(catalogue: Catalogue) -> None:
    world = World(catalogue)
    told = world.ask()
    browser, path = world.browser(), path_of(told)
    form = {"form_token": token_of(browser.get(path))}
    assert "You have declined" in text_of(browser.post(path, {**form, "decision": "decline"}))
    late = world.browser(replica=0).post(path, {**form, "decision": "approve"})
    assert "You have declined" in text_of(late)
    refused = world.call(arguments={**CALL, "confirmation_token": told["confirmation_token"]})
    assert "declined" in refused["structuredContent"]["error"]["message"]
    assert not world.has_acted


def test_an_approval_is_for_its_user_arguments_and_preview(catalogue: Catalogue) -> None:
    world = World(catalogue)
    told = world.ask()
    decide(world.browser(), path_of(told), "approve")
    token = told["confirmation_token"]
    for arguments, caller in (({**CALL, "state": "queued"}, ADA), (CALL, BOB)):
        refused = world.call(arguments={**arguments, "confirmation_token": token}, caller=caller)
        assert "not for this call" in refused["structuredContent"]["error"]["message"]
    world.run["state"] = "running"
    refused = world.call(arguments={**CALL, "confirmation_token": token})
    assert "no longer the same" in refused["structuredContent"]["error"]["message"]
    assert not world.has_acted


def test_a_scripted_model_that_replays_all_it_has_seen_gets_nothing_done(catalogue: Catalogue) -> None:
    world = World(catalogue)
    seen: set[str] = set()

    def learn(answer: Any) -> None:
        for word in re.findall(r"[\w.:/@=+-]{6,}", json.dumps(answer)):
            seen.update({word, *word.split("/")})

    url = {"elicitation": {"url": {}}}
    form = {"elicitation": {"form": {}, "url": {}}}
    for capabilities in ({}, url, form):
        learn(world.call(capabilities=capabilities))
    asked = world.call(capabilities=url)
    for word in sorted(seen):
        learn(world.call(arguments={**CALL, "confirmation_token": word}))
    answers: list[Any] = [
        {"confirm": {"action": "accept", "content": {"confirm": True}}},
        {"confirm": {"action": "accept"}},
    ]
    approval_seconds, approval.WAIT_SECONDS = approval.WAIT_SECONDS, 0
    try:
        for answer, capabilities in itertools.product(answers, (url, form)):
            learn(
                world.call(
                    capabilities=capabilities, requestState=asked["requestState"], inputResponses=answer
                )
            )
            for word in sorted(seen)[:20]:
                world.call(capabilities=capabilities, requestState=word, inputResponses=answer)
    finally:
        approval.WAIT_SECONDS = approval_seconds
    for path in ("/mcp/confirm/x", "../../mcp/confirm/x", "../mcp/confirm/x"):
        for tool, arguments in (
            ("call_api", {"method": "POST", "path": path, "body": {"decision": "approve"}}),
            ("call_api_read", {"path": path}),
        ):
            assert world.call(tool, arguments).get("isError", True)
    assert len(seen) > 20
    assert not world.has_acted
    assert world.airflow.changes() == []


def test_a_client_that_opens_links_is_sent_there_and_waits(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(catalogue)
    monkeypatch.setattr(approval, "WAIT_SECONDS", 0)
    capable = {"elicitation": {"url": {}}}
    question = world.call(capabilities=capable)
    assert question["resultType"] == "input_required"
    params = question["inputRequests"]["confirm"]["params"]
    assert params["mode"] == "url"
    path = path_of({"approve_url": params["url"]})
    accepted = {
        "requestState": question["requestState"],
        "inputResponses": {"confirm": {"action": "accept"}},
        "capabilities": capable,
    }
    waiting = world.call(**accepted)["structuredContent"]
    assert waiting["error"]["code"] == "confirmation_required"
    assert waiting["confirmation_token"]
    declined = {**accepted, "inputResponses": {"confirm": {"action": "decline"}}}
    assert "did not agree" in world.call(**declined)["structuredContent"]["error"]["message"]
    decide(world.browser(), path, "approve")
    assert not world.call(**accepted)["isError"]
    assert world.airflow.changes().count(ACTED) == 1


def test_only_a_call_whose_client_sent_its_user_to_the_page_waits(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[str] = []

    async def wait_for(_approvals: Any, name: str, _request: Any) -> None:
        waited.append(name)

    monkeypatch.setattr(approval, "_wait_for", wait_for)
    world, capable = World(catalogue), {"elicitation": {"url": {}}}
    world.call(arguments={**CALL, "confirmation_token": world.ask()["confirmation_token"]})
    assert waited == []
    question = world.call(capabilities=capable)
    accepted = {"confirm": {"action": "accept"}}
    world.call(requestState=question["requestState"], inputResponses=accepted, capabilities=capable)
    link = question["inputRequests"]["confirm"]["params"]["url"]
    assert waited == [link.rpartition("/")[2]]


@pytest.mark.parametrize(
    "fault",
    [
        "no token",
        "a strange token",
        "a token of another link",
        "another origin",
        "another site",
        "no decision",
    ],
)
def test_a_form_from_elsewhere_decides_nothing(catalogue: Catalogue, fault: str) -> None:
    world = World(catalogue)
    told, other = world.ask(), world.ask()
    browser, path = world.browser(), path_of(told)
    form = {"form_token": token_of(browser.get(path)), "decision": "approve"}
    headers: dict[str, str] = {}
    if fault == "no token":
        del form["form_token"]
    elif fault == "a strange token":
        form["form_token"] = "form.x.y"
    elif fault == "a token of another link":
        form["form_token"] = token_of(browser.get(path_of(other)))
    elif fault == "another origin":
        headers["origin"] = "https://evil.example.com"
    elif fault == "another site":
        headers["sec_fetch_site"] = "cross-site"
    else:
        form["decision"] = "approved"
    refused = browser.post(path, form, **headers)
    assert refused.status == 403
    assert "Nothing was decided" in text_of(refused)
    assert "Approve:" in text_of(browser.get(path))


def test_who_may_see_it(catalogue: Catalogue) -> None:
    world = World(catalogue)
    path = path_of(world.ask())
    nobody = world.browser(None).get(path)
    assert (nobody.status, nobody.headers["Location"]) == (303, f"/auth/login?next=/mcp{path}")
    assert world.browser(None).post(path, {"decision": "approve"}).status == 401
    bob = world.browser("bob").get(path)
    assert bob.status == 403
    assert "another user" in text_of(bob)
    assert "set_dag_run_state" not in text_of(bob)
    no_login = world.browser(None)
    no_login.host.login = None
    assert no_login.get(path).status == 501
    assert world.browser().get("/confirm/" + "0" * 32).status == 404
    assert world.browser().get("/confirm/..").status == 404
    assert world.browser().send("PUT", path).status == 405


def test_the_token_of_the_client_does_not_decide(catalogue: Catalogue) -> None:
    world = World(catalogue)
    path = path_of(world.ask())
    forged = world.browser(cookie="session=ada; _token=token-of-the-client").get(path)
    assert forged.status == 403
    assert "form_token" not in text_of(forged)


def test_what_has_expired_is_gone(catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(catalogue)
    path = path_of(world.ask())
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 601)
    assert world.browser().get(path).status == 404


def test_every_value_on_the_page_is_escaped(catalogue: Catalogue) -> None:
    world = World(catalogue)
    hostile = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"
    world.run["note"] = hostile
    world.airflow.on(
        **{
            "GET dags/a/dagRuns/r/taskInstances": {
                "task_instances": [{**INSTANCE, "task_id": hostile}],
                "total_entries": 1,
            }
        }
    )
    page = world.browser().get(path_of(world.ask(client=hostile)))
    text = text_of(page)
    assert "&lt;script&gt;alert(1)" in text
    assert "<script>alert" not in text
    assert "<img" not in text
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert page.headers["X-Frame-Options"] == "DENY"


def test_a_server_without_pages_refuses(catalogue: Catalogue) -> None:
    refused = World(catalogue).call(pages=None)["structuredContent"]["error"]
    assert refused["code"] == "unsupported"
    assert "<base_url>/mcp/v1" in refused["hint"]


def test_a_name_says_nothing_about_the_token() -> None:
    assert re.fullmatch("[0-9a-f]{32}", name_approval("token"))
    assert name_approval("token") != name_approval("token2")


def test_files_that_pages_load(catalogue: Catalogue) -> None:
    nobody = World(catalogue).browser(None)
    style = nobody.get("/static/page.css")
    assert (style.status, style.headers["Content-Type"]) == (200, "text/css; charset=utf-8")
    assert nobody.get("/static/../respond.py").status == 404
