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
"""The example of an external service by a hook, inside a running Airflow."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.live.site import Site

DAG = "demo_params"


class Service(BaseHTTPRequestHandler):
    """A ticket service, whose tickets are those of one Dag; it takes one token."""

    tickets: list[str]

    def answer(self) -> None:
        asked = parse_qs(urlsplit(self.path).query)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        good = self.headers["Authorization"] == "Bearer t0ken"
        if self.command == "POST":
            self.tickets.append(json.loads(body)["text"])
        shown = [{"id": text} for text in self.tickets] if asked.get("dag") == [DAG] else []
        answer = {"tickets": shown, "id": f"T-{len(self.tickets)}", "deleted": len(shown)}
        if self.command == "DELETE":
            self.tickets.clear()
        payload = json.dumps(answer).encode()
        self.send_response(200 if good else 401)
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    do_GET = do_POST = do_DELETE = answer  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Be silent."""


@pytest.fixture
def tickets(provisioned: Site) -> Iterator[list[str]]:
    """The service's tickets; Airflow has a connection to it in its database."""
    Service.tickets = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    where = {"conn_type": "http", "schema": "http", "host": "127.0.0.1", "password": "t0ken"}
    there = json.dumps({**where, "port": server.server_port})
    provisioned.airflow("connections", "add", "acme_tickets", "--conn-json", there)
    try:
        yield Service.tickets
    finally:
        provisioned.airflow("connections", "delete", "acme_tickets")
        server.shutdown()
        server.server_close()


def test_a_service_behind_a_hook_is_asked_for_who_may(provisioned: Site, tickets: list[str]) -> None:
    made = provisioned.call("create_ticket", dag_id=DAG, text="It is late.")
    assert made["structuredContent"] == {"ticket": "T-1"}, made
    found = provisioned.call("search_tickets", "viewer", dag_id=DAG)["structuredContent"]
    assert found["tickets"] == [{"id": "It is late."}]
    refused = provisioned.call("create_ticket", "viewer", dag_id=DAG, text="Mine.")["structuredContent"]
    assert refused["error"]["code"] == "permission_denied"
    asked = provisioned.call("delete_tickets", dag_id=DAG)["structuredContent"]
    assert asked["error"]["code"] == "confirmation_required", asked
    assert asked["preview"]["closes"] == ["It is late."]
    assert tickets == ["It is late."]
    token = asked["confirmation_token"]
    done = provisioned.call("delete_tickets", dag_id=DAG, confirmation_token=token)["structuredContent"]
    assert done == {"closed": 1}
    assert tickets == []


def test_without_its_connection_the_service_is_unavailable(provisioned: Site) -> None:
    error = provisioned.call("search_tickets", dag_id=DAG)["structuredContent"]["error"]
    assert (error["code"], error["retryable"]) == ("unavailable", True)
    assert "no connection acme_tickets" in error["message"]
