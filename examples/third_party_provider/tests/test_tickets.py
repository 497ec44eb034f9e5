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
"""The sample's tools that act outside Airflow."""

from __future__ import annotations

import json
from collections.abc import Callable

import anyio
import httpx
import pytest
from acme_reliability import tickets
from airflow.exceptions import AirflowNotFoundException

from airflow_provider_mcp.testing import Recording, ToolTester


class Service:
    """A ticket service that keeps what it was asked."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []
        self.status = 200

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answers = {
            "GET": {"tickets": [{"id": "T-1", "text": "late"}]},
            "POST": {"id": "T-2"},
            "DELETE": {"deleted": 1},
        }
        return httpx.Response(self.status, json=answers[request.method])


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Service:
    service = Service()
    transport = httpx.MockTransport(service.answer)
    monkeypatch.setattr(
        tickets.TicketsHook,
        "get_conn",
        lambda _: httpx.Client(transport=transport, base_url="https://tickets.example.com"),
    )
    return service


@pytest.fixture
def tester(tool_tester: Callable[..., ToolTester], airflow_recording: Recording) -> ToolTester:
    airflow_recording.reply("GET dags/sales", {"dag_id": "sales"})
    airflow_recording.reply("GET dags/secret", {"detail": "Forbidden"}, status=403)
    return tool_tester(tickets, triggerable=["sales"])


def test_who_sees_the_dag_finds_its_tickets(tester: ToolTester, service: Service) -> None:
    assert tester.result("search_tickets", dag_id="sales")["tickets"][0]["id"] == "T-1"
    assert dict(service.requests[0].url.params) == {"dag": "sales", "state": "open"}


@pytest.mark.parametrize("tool", ["search_tickets", "create_ticket", "delete_tickets"])
def test_who_does_not_see_the_dag_causes_no_request(tester: ToolTester, service: Service, tool: str) -> None:
    text = {"text": "late"} if tool == "create_ticket" else {}
    assert tester.error(tool, dag_id="secret", **text)["code"] == "permission_denied"
    assert service.requests == []


def test_a_ticket_is_created_for_who_may_run_the_dag(tester: ToolTester, service: Service) -> None:
    assert tester.result("create_ticket", dag_id="sales", text="late")["ticket"] == "T-2"
    assert json.loads(service.requests[0].content) == {"dag": "sales", "text": "late"}


def test_tickets_are_deleted_only_when_that_is_confirmed(tester: ToolTester, service: Service) -> None:
    asked = tester.error("delete_tickets", dag_id="sales")
    assert asked["preview"]["closes"] == ["T-1"]
    assert {request.method for request in service.requests} == {"GET"}
    token = asked["confirmation_token"]
    assert tester.result("delete_tickets", dag_id="sales", confirmation_token=token)["closed"] == 1


def test_a_service_that_is_down_is_told_without_its_own_words(tester: ToolTester, service: Service) -> None:
    service.status = 503
    error = tester.error("search_tickets", dag_id="sales")
    assert (error["code"], error["retryable"]) == ("unavailable", True)
    assert "acme_tickets" in error["hint"]


def test_without_a_connection_it_says_what_an_administrator_does(
    tester: ToolTester, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> httpx.Client:
        raise AirflowNotFoundException("The conn_id `acme_tickets` isn't defined")

    monkeypatch.setattr(tickets.TicketsHook, "get_conn", fail)
    error = tester.error("search_tickets", dag_id="sales")
    assert error["code"] == "unavailable"
    assert "no connection acme_tickets" in error["message"]


def test_the_resource_and_the_prompt(tester: ToolTester, service: Service) -> None:
    async def read() -> tuple[str, str]:
        async with tester.connect() as client:
            resource = await client.read_resource("acme://tickets/sales")
            prompt = await client.get_prompt("report_incident", {"dag_id": "sales"})
        return str(resource.contents[0]), str(prompt.messages[0].content)

    resource, prompt = anyio.run(read)
    assert "T-1" in resource
    assert "sales failed" in prompt
    assert len(service.requests) == 1
