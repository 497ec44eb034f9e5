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
"""A browser, and a host of pages, without an Airflow."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import anyio

from airflow_provider_mcp.endpoint.door import HTTPRequest, Reply
from airflow_provider_mcp.oauth.grants import Grant
from airflow_provider_mcp.sdk.airflow import Caller
from airflow_provider_mcp.server.build import AirflowServer
from airflow_provider_mcp.server.policy import Policy
from airflow_provider_mcp.server.request import Identity
from airflow_provider_mcp.testing import open_airflow
from airflow_provider_mcp.web.respond import respond

PAGES = "https://airflow.example.com/air/flow"
SESSIONS = {"ada": Caller("1", "ada"), "bob": Caller("2", "bob")}

ENDED: list[str] = []
"""The paths of the requests after which nothing may go on in the database."""


class PretendedHost:
    """A host whose users log in by the cookie ``session``."""

    own_origins = frozenset({"https://airflow.example.com"})
    pages = PAGES
    line = 3
    endpoint_url = f"{PAGES}/mcp/v1"
    login_schemes: tuple[str, ...] = ("Bearer",)
    login_warning: str | None = None
    login_obstacle: str | None = "[mcp] oauth_enabled is False"

    def __init__(self, server: AirflowServer, airflow: Any = None, policy: Policy | None = None) -> None:
        self.server = server
        self.airflow = airflow
        self.in_force = policy or Policy()
        self.login: str | None = "/auth/login?next="
        self.grants: list[Grant] = []

    async def policy(self) -> Policy:
        return self.in_force

    async def identify(self, request: HTTPRequest) -> Identity | None:
        for session in request.cookies("session"):
            if session in SESSIONS:
                return Identity(
                    SESSIONS[session],
                    lambda access: open_airflow(self.airflow, access),
                    pages=PAGES,
                    end=lambda: ENDED.append(request.path),
                )
        return None

    async def list_grants(self, caller: Caller) -> list[Grant]:
        return [grant for grant in self.grants if grant.user_id == caller.id]

    async def end_grant(self, caller: Caller, grant_id: str) -> bool:
        kept = [grant for grant in self.grants if (grant.user_id, grant.id) != (caller.id, grant_id)]
        self.grants, ended = kept, len(kept) < len(self.grants)
        return ended

    def find_login(self, path: str) -> str | None:
        return None if self.login is None else self.login + path


class Browser:
    """Asks for pages, and sends the forms that are on them."""

    def __init__(self, host: PretendedHost, session: str | None = "ada", **headers: str) -> None:
        self.host = host
        cookie = {} if session is None else {"cookie": f"theme=dark; session={session}"}
        self.headers = {
            "host": "airflow.example.com",
            **cookie,
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }

    def get(self, path: str) -> Reply:
        return self.send("GET", path)

    def post(self, path: str, fields: Mapping[str, str], **headers: str) -> Reply:
        sent = {"content-type": "application/x-www-form-urlencoded", "origin": "https://airflow.example.com"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        return self.send("POST", path, urlencode(fields).encode(), sent)

    def send(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Reply:
        async def read_body(_most: int, _seconds: float) -> bytes:
            return body

        sent = list({**self.headers, **(headers or {})}.items())
        path, _, query = path.partition("?")
        return anyio.run(respond, HTTPRequest(method, sent, read_body, path=path, query=query), self.host)


def text_of(reply: Reply) -> str:
    return reply.body.decode()


def token_of(reply: Reply) -> str:
    """Return the token of the form on a page."""
    found = re.search(r'name="form_token" value="([^"]+)"', text_of(reply))
    assert found is not None, text_of(reply)
    return found[1]
