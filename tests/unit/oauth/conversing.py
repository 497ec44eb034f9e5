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
"""A client, a browser and a login in one process, for the tests of the login."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import anyio

from airflow_provider_mcp.endpoint.door import HTTPRequest, Reply
from airflow_provider_mcp.oauth.clients import Clients
from airflow_provider_mcp.oauth.grants import Grants, Person
from airflow_provider_mcp.oauth.login import Login
from airflow_provider_mcp.oauth.metadata import Addresses
from airflow_provider_mcp.oauth.sealing import Sealer
from airflow_provider_mcp.server.policy import ClientDocuments
from tests.unit.oauth.memory_store import MemoryStore

BASE = "https://airflow.example.com/air"
ISSUER = f"{BASE}/mcp/oauth"
RESOURCE = f"{BASE}/mcp/v1"
CALLBACK = "http://127.0.0.1:53682/callback"
ADA = Person("7", "ada")
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
SECRET = b"airflow's secret"


class Clock:
    """A clock that the tests set forward."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class PretendedBrowser:
    """A browser: who is logged in to Airflow there, and its cookies."""

    person: Person | None = ADA
    cookies: dict[str, str] = field(default_factory=dict)

    async def find_person(self) -> Person | None:
        return self.person

    def find_login(self, path: str) -> str:
        return f"/auth/login?next={path}"


class Conversation:
    """A login that is asked by a client and by a browser."""

    def __init__(
        self,
        documents: ClientDocuments = "pinned",
        targets: frozenset[str] = frozenset(),
        base: str = BASE,
        fetch: Any = None,
    ) -> None:
        self.clock = Clock()
        self.store = MemoryStore(self.clock)
        self.addresses = Addresses(base)
        self.grants = Grants(SECRET, self.store, self.addresses.resource, self.clock)
        self.browser = PretendedBrowser()
        self.known = {ADA}
        self.rows: list[tuple[str, str, dict[str, Any]]] = []
        self._writing = threading.Lock()
        self.login = Login(
            self.addresses,
            self.grants,
            Clients(Sealer(SECRET, "client"), documents, targets, fetch),
            Sealer(SECRET, "question", self.clock),
            lambda person: person in self.known,
            self._record,
        )

    def _record(self, event: str, user: str, said: dict[str, Any]) -> None:
        with self._writing:
            self.rows.append((event, user, said))

    # ---- requests ------------------------------------------------------------------------------------

    def send(self, method: str, route: str, query: str = "", body: bytes = b"", **headers: str) -> Reply:
        """Send one request."""

        async def read_body(most: int, _seconds: float) -> bytes:
            return body[: most + 1]

        sent = [(name.replace("_", "-"), value) for name, value in headers.items()]
        request = HTTPRequest(method, sent, read_body, scheme="https", query=query)
        return anyio.run(self.login.answer, route, request, self.browser)

    def post(self, route: str, fields: Mapping[str, str] | str, **headers: str) -> Reply:
        """Send a form."""
        body = fields if isinstance(fields, str) else urlencode(fields)
        sent = {"content_type": "application/x-www-form-urlencoded", **headers}
        return self.send("POST", route, body=body.encode(), **sent)

    def browse(self, method: str, route: str, query: str = "", fields: Any = None, **headers: str) -> Reply:
        """Send a request as the browser does, with its cookies, and keep those that it is given."""
        if self.browser.cookies:
            headers["cookie"] = "; ".join(f"{name}={value}" for name, value in self.browser.cookies.items())
        if fields is None:
            reply = self.send(method, route, query, **headers)
        else:
            sent = {"origin": self.addresses.origin, "sec_fetch_site": "same-origin", **headers}
            reply = self.post(route, fields, **{name: value for name, value in sent.items() if value})
        for cookie in reply.cookies:
            name, _, value = cookie.partition(";")[0].partition("=")
            self.browser.cookies[name] = value
            if "; Max-Age=0;" in cookie:
                del self.browser.cookies[name]
        return reply

    # ---- steps ---------------------------------------------------------------------------------------

    def register(self, *uris: str, **more: Any) -> str:
        """Return the identifier of a client that registers."""
        body = {"client_name": "A client", "redirect_uris": list(uris or (CALLBACK,)), **more}
        reply = self.send("POST", "register", body=json.dumps(body).encode(), content_type="application/json")
        assert reply.status == 201, reply
        identifier: str = json.loads(reply.body)["client_id"]
        return identifier

    def ask(self, client_id: str, **changed: str | None) -> Reply:
        """Send an authorization request; None leaves a parameter out."""
        fields: dict[str, str | None] = {
            "response_type": "code",
            "client_id": client_id,
            "redirect_uri": CALLBACK,
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
            "state": "st/ate",
            "scope": "airflow:read airflow:write",
            "resource": RESOURCE,
            **changed,
        }
        present = {name: value for name, value in fields.items() if value is not None}
        return self.browse("GET", "authorize", urlencode(present))

    def decide(self, page: Reply, decision: str = "allow", access: str = "write", **headers: str) -> Reply:
        """Answer the question on a page."""
        assert page.status == 200, page.body.decode()
        form = re.search(r'name="form" value="([^"]+)"', page.body.decode())
        assert form is not None
        fields = {"form": form[1], "decision": decision, "access": access}
        return self.browse("POST", "consent", fields=fields, **headers)

    def redeem(self, client_id: str, code: str, **changed: str) -> Reply:
        """Send a code to the token endpoint."""
        fields = {
            "grant_type": "authorization_code",
            "code": code,
            "client_id": client_id,
            "redirect_uri": CALLBACK,
            "code_verifier": VERIFIER,
            "resource": RESOURCE,
            **changed,
        }
        return self.post("token", fields)

    def refresh(self, client_id: str, token: str, **changed: str) -> Reply:
        """Send a refresh token to the token endpoint."""
        fields = {"grant_type": "refresh_token", "refresh_token": token, "client_id": client_id, **changed}
        return self.post("token", fields)

    def obtain_code(self, client_id: str, access: str = "write", **changed: str | None) -> str:
        """Return the code of a login that is allowed."""
        return answer_of(self.decide(self.ask(client_id, **changed), access=access))["code"]

    def log_in(self, client_id: str, access: str = "write", **changed: str | None) -> dict[str, Any]:
        """Return the tokens of a login that is allowed."""
        reply = self.redeem(client_id, self.obtain_code(client_id, access, **changed))
        assert reply.status == 200, reply
        tokens: dict[str, Any] = json.loads(reply.body)
        return tokens


def answer_of(reply: Reply) -> dict[str, str]:
    """Return the parameters that a redirect brings back to the client."""
    assert reply.status == 303, reply.body.decode()
    return {name: values[0] for name, values in parse_qs(urlsplit(reply.headers["Location"]).query).items()}


def error_of(reply: Reply) -> str:
    """Return the code of an error in JSON."""
    assert reply.status == 400, reply
    assert reply.headers["Cache-Control"] == "no-store"
    error: str = json.loads(reply.body)["error"]
    return error
