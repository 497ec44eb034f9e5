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
"""Two replicas on PostgreSQL behind nginx, as docs/deployments.rst has it: ``make replicas``.

Not a part of ``make test``: it needs Debian's postgresql and nginx, and some minutes.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import pytest

from airflow_provider_mcp.server.policy_source import CONNECTION_SECONDS
from devtools.airflow_process import AirflowSite
from devtools.replicas import Replicas, missing, replicas
from devtools.sessions import open_browser
from tests.documentation import named_block
from tests.live.browser import read_token
from tests.live.logging_in import Browser
from tests.live.login_requests import address, post, redeem, register
from tests.live.messages import TASKS, VERSION, events, modern
from tests.live.site import LINE

pytestmark = pytest.mark.skipif("REPLICAS" not in os.environ, reason="make replicas")
WORKERS = 1 if LINE == 3 else 4
CLIENTS = 16
NO_RATES = {"AIRFLOW__MCP__CALLS_PER_MINUTE": "0", "AIRFLOW__MCP__WRITES_PER_MINUTE": "0"}
ACCEPT = {"Accept": "application/json, text/event-stream"}


@pytest.fixture(scope="module")
def two() -> Iterator[Replicas]:
    assert not missing(), f"install Debian's packages of {missing()}"
    block = named_block("deployments", "nginx")
    # Not in pytest's own folder: PostgreSQL's user may not look into it.
    with TemporaryDirectory() as folder, replicas(Path(folder), block, WORKERS, **NO_RATES) as running:
        running.sites[0].call("unpause_dag", dag_id="demo_params")
        yield running


@pytest.fixture
def client(two: Replicas) -> Iterator[httpx.Client]:
    headers = {**ACCEPT, "Authorization": two.sites[0].authorization()}
    with httpx.Client(verify=two.trust(), headers=headers, timeout=60) as http:
        yield http


def call(tool: str, **arguments: Any) -> dict[str, Any]:
    params = {"name": tool, "arguments": arguments}
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}


def runs(two: Replicas, prefix: str) -> list[str]:
    """Return the runs whose IDs begin so, from the database itself."""
    found = two.home.execute(f"select run_id from dag_run where run_id like '{prefix}%' order by run_id")
    return found.split()


def ask_modern(two: Replicas, client: httpx.Client, method: str, **params: Any) -> dict[str, Any]:
    headers = {"MCP-Protocol-Version": VERSION, "Mcp-Method": method}
    if name := params.get("name") or params.get("taskId"):
        headers["Mcp-Name"] = name
    message = modern(method, capabilities={"extensions": {TASKS: {}}}, **params)
    answer = client.post(two.url, json=message, headers=headers)
    assert answer.status_code == 200, answer.text
    result: dict[str, Any] = answer.json()["result"]
    return result


def test_both_eras_are_served_to_those_who_are_known(two: Replicas, client: httpx.Client) -> None:
    assert httpx.post(two.url, json={}, verify=two.trust()).status_code == 401
    hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    for _ in range(4):
        message = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello}
        answer = client.post(two.url, json=message)
        assert answer.json()["result"]["protocolVersion"] == "2025-11-25"
        assert VERSION in ask_modern(two, client, "server/discover")["supportedVersions"]
        found = client.post(two.url, json=call("get_dag", dag_id="demo_params")).json()["result"]
        assert found["structuredContent"]["ui_url"].startswith(two.root)


def test_without_affinity_both_replicas_are_asked(two: Replicas, client: httpx.Client) -> None:
    for _ in range(4):
        client.post(two.url, json=call("get_airflow_info"))
    for site in two.sites:
        assert "/mcp/v1" in site.log()


def test_a_confirmation_of_one_replica_holds_on_the_other(two: Replicas) -> None:
    first, second = two.sites
    first.call("trigger_dag", dag_id="demo_params", dag_run_id="confirmed")
    arguments = {"dag_id": "demo_params", "dag_run_id": "confirmed", "state": "failed"}
    asked = first.call("set_dag_run_state", **arguments)["structuredContent"]
    done = second.call("set_dag_run_state", **arguments, confirmation_token=asked["confirmation_token"])
    assert done["structuredContent"]["state"] == "failed"


def test_a_confirmation_that_is_sent_to_both_at_once_acts_once(two: Replicas) -> None:
    for number in range(3):
        body: dict[str, Any] = {"note": f"twice-{number}"}
        if LINE == 3:
            body["logical_date"] = None
        arguments = {"method": "POST", "path": f"/api/v{LINE - 1}/dags/demo_params/dagRuns", "body": body}
        before = len(runs(two, "manual__"))
        asked = two.sites[0].call("call_api", **arguments)["structuredContent"]
        answers: list[dict[str, Any]] = []

        def act(
            site: AirflowSite,
            call: dict[str, Any] = {**arguments, "confirmation_token": asked["confirmation_token"]},  # noqa: B006
            answers: list[dict[str, Any]] = answers,
        ) -> None:
            answers.append(site.call("call_api", **call))

        threads = [threading.Thread(target=act, args=(site,)) for site in two.sites]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(answers) == 2
        assert len(runs(two, "manual__")) == before + 1, answers


@pytest.fixture
def by_person(two: Replicas) -> Iterator[None]:
    """A person confirms meanwhile: a connection says so to both replicas."""
    extra = ["--conn-type", "airflow_mcp", "--conn-extra", '{"confirm_by": "person"}']
    two.home.airflow("connections", "add", "mcp_default", *extra)
    time.sleep(CONNECTION_SECONDS + 1)
    yield
    two.home.airflow("connections", "delete", "mcp_default")
    time.sleep(CONNECTION_SECONDS + 1)


def ask_a_person(two: Replicas, run: str) -> tuple[dict[str, Any], str]:
    """Make a call on the first replica that waits for a person; return it with its token, and the page."""
    two.sites[0].call("trigger_dag", dag_id="demo_params", dag_run_id=run)
    arguments = {"dag_id": "demo_params", "dag_run_id": run, "state": "failed"}
    asked = two.sites[0].call("set_dag_run_state", **arguments)["structuredContent"]
    assert asked["error"]["code"] == "confirmation_required", asked
    page = asked["approve_url"].partition("/mcp/confirm/")[2]
    return {**arguments, "confirmation_token": asked["confirmation_token"]}, f"/mcp/confirm/{page}"


@pytest.mark.usefixtures("by_person")
def test_what_a_person_approves_behind_the_proxy_acts_once_on_any_replica(two: Replicas) -> None:
    first, second = two.sites
    call, page = ask_a_person(two, "approved")
    for site in two.sites:
        assert site.call("set_dag_run_state", **call)["structuredContent"]["error"]["code"] == (
            "confirmation_required"
        )
    with open_browser(two.root, verify=two.trust()) as browser:
        # Without affinity, page and form go to either replica; the first decision stays.
        token = read_token(browser.get(page))
        for decision in ("approve", "decline"):
            form = {"form_token": token, "decision": decision}
            assert "You have approved" in browser.post(page, data=form).text
    assert second.call("set_dag_run_state", **call)["structuredContent"]["state"] == "failed"
    assert "used before" in first.call("set_dag_run_state", **call)["content"][0]["text"]

    # Two windows decide at the same instant, each on its own replica.
    call, page = ask_a_person(two, "decided_twice")
    pages: dict[str, str] = {}
    with open_browser(two.root, verify=two.trust()) as browser:
        token = read_token(browser.get(page))

    def decide(site: AirflowSite, decision: str) -> None:
        with open_browser(site.root) as browser:
            pages[decision] = browser.post(page, data={"form_token": token, "decision": decision}).text

    decided = [(first, "approve"), (second, "decline")]
    threads = [threading.Thread(target=decide, args=each) for each in decided]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    approved = ["You have approved" in pages[decision] for _, decision in decided]
    declined = ["You have declined" in pages[decision] for _, decision in decided]
    assert (approved, declined) in [([True] * 2, [False] * 2), ([False] * 2, [True] * 2)]
    done = second.call("set_dag_run_state", **call)
    assert bool(done.get("isError")) == declined[0], done


def test_a_task_of_one_replica_is_known_to_the_other(two: Replicas, client: httpx.Client) -> None:
    arguments = {"dag_id": "demo_params", "dag_run_id": "a-task"}
    created = ask_modern(two, client, "tools/call", name="trigger_dag", arguments=arguments)
    assert created["resultType"] == "task", created
    for _ in range(4):
        found = ask_modern(two, client, "tasks/get", taskId=created["taskId"])
        assert found["status"] == "working"


def test_progress_passes_the_proxy_as_it_comes(two: Replicas, client: httpx.Client) -> None:
    two.sites[0].call("trigger_dag", dag_id="demo_params", dag_run_id="slow")
    message = call("wait_for_dag_run", dag_id="demo_params", dag_run_id="slow", timeout_seconds=15)
    message["params"]["_meta"] = {"progressToken": "p"}
    began = time.monotonic()
    came = []
    with client.stream("POST", two.url, json=message) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        for _ in events(answer.iter_lines()):
            came.append(time.monotonic() - began)
    assert came[0] < came[-1] - 5, came


def log_in(two: Replicas) -> tuple[str, str]:
    """Return a client and its code, by a browser that sees the proxy alone."""
    client = register(two.sites[0])
    browser = Browser(two, trust=two.trust())
    return client, browser.visit(address(two, client))["code"]


def status(site: AirflowSite, token: str) -> int:
    headers = {**ACCEPT, "Authorization": f"Bearer {token}"}
    return httpx.post(site.url, json=call("get_airflow_info"), headers=headers, timeout=60).status_code


def test_of_24_who_redeem_a_code_on_two_replicas_one_wins_and_none_keeps_it(two: Replicas) -> None:
    client, code = log_in(two)
    with ThreadPoolExecutor(24) as pool:
        answers = list(pool.map(lambda number: redeem(two.sites[number % 2], client, code), range(24)))
    won = [answer for answer in answers if answer.status_code == 200]
    assert len(won) == 1, [answer.text for answer in answers]
    assert {answer.status_code for answer in answers} == {200, 400}
    # That others tried ends the login, on both.
    assert [status(site, won[0].json()["access_token"]) for site in two.sites] == [401, 401]


def test_a_login_of_one_replica_is_refreshed_and_ended_on_the_other(two: Replicas) -> None:
    first, second = two.sites
    client, code = log_in(two)
    tokens = redeem(first, client, code).json()
    assert [status(site, tokens["access_token"]) for site in two.sites] == [200, 200]
    sent = {"grant_type": "refresh_token", "client_id": client}
    with ThreadPoolExecutor(8) as pool:
        # Windows of one client that refresh at once, on both.
        answers = list(
            pool.map(
                lambda number: post(
                    two.sites[number % 2], "token", refresh_token=tokens["refresh_token"], **sent
                ),
                range(8),
            )
        )
    assert [answer.status_code for answer in answers] == [200] * 8, [answer.text for answer in answers]
    renewed = answers[0].json()
    again = post(second, "token", refresh_token=renewed["refresh_token"], **sent)
    assert again.status_code == 200, again.text
    assert post(first, "revoke", token=again.json()["refresh_token"], client_id=client).status_code == 200
    for mine in (tokens, renewed, again.json()):
        assert [status(site, mine["access_token"]) for site in two.sites] == [401, 401]


class Load:
    """Clients that trigger runs all the while; each run's ID is written down by what was answered."""

    def __init__(self, two: Replicas, name: str) -> None:
        self.two = two
        self.name = name
        self.authorization = two.sites[0].authorization()
        self.acknowledged: list[str] = []
        self.failed: list[str] = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._work, args=(number,)) for number in range(CLIENTS)]

    def _work(self, number: int) -> None:
        headers = {**ACCEPT, "Authorization": self.authorization}
        with httpx.Client(verify=self.two.trust(), headers=headers, timeout=60) as http:
            count = 0
            while not self._stop.is_set():
                count += 1
                run = f"{self.name}-{number}-{count}"
                try:
                    message = call("trigger_dag", dag_id="demo_params", dag_run_id=run)
                    answer = http.post(self.two.url, json=message)
                    good = answer.status_code == 200 and not answer.json()["result"].get("isError")
                except httpx.HTTPError:
                    good = False
                (self.acknowledged if good else self.failed).append(run)

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        time.sleep(3)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def check(self, losses: int) -> None:
        """No acknowledged run is lost, none was made twice, and no more calls failed than were in flight."""
        there = runs(self.two, f"{self.name}-")
        print(f"\n{len(self.acknowledged)} acknowledged, {len(self.failed)} failed, {len(there)} made")  # noqa: T201
        assert len(self.acknowledged) > CLIENTS
        assert len(there) == len(set(there))
        assert set(self.acknowledged) <= set(there) <= {*self.acknowledged, *self.failed}
        assert len(self.failed) <= losses * CLIENTS


def test_a_killed_replica_loses_no_more_than_what_was_in_flight(two: Replicas) -> None:
    with Load(two, "killed") as load:
        two.kill(1)
        time.sleep(5)
        two.sites[1].start_web(WORKERS)
        time.sleep(3)
    load.check(losses=1)


def test_a_rolling_restart_under_load(two: Replicas) -> None:
    with Load(two, "rolled") as load:
        for number in range(2):
            two.restart(number, WORKERS)
            # nginx takes a server for lost for 10 s: `fail_timeout`.
            time.sleep(12)
    load.check(losses=2)
