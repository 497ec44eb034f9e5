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
"""The part of a login that happens in a person's browser: the request, Airflow's own login, the question."""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol
from urllib.parse import urlencode

import anyio.to_thread

from airflow_provider_mcp.endpoint.door import HTTPRequest, Reply
from airflow_provider_mcp.endpoint.elsewhere import LOGIN, RESUME, WAITING_MARK
from airflow_provider_mcp.oauth import pages
from airflow_provider_mcp.oauth.clients import Client, Clients
from airflow_provider_mcp.oauth.errors import Refused
from airflow_provider_mcp.oauth.grants import Grants, Offer, Person, is_challenge, new_id, read_scopes
from airflow_provider_mcp.oauth.metadata import READ_SCOPE, Addresses
from airflow_provider_mcp.oauth.requests import MOST_QUERY_CHARS, Gone, gone, parse_fields, read_form
from airflow_provider_mcp.oauth.sealing import Sealer
from airflow_provider_mcp.sdk.json_types import JSONObject
from airflow_provider_mcp.server.request import WRITE_SCOPE

log = logging.getLogger(__name__)

WAITING_COOKIE = "airflow_mcp_login"
"""Holds, sealed, what a client asked for while its user logs in to Airflow."""

BROWSER_COOKIE = "airflow_mcp_browser"
"""Names the browser that a question was shown in."""

_FIRST, _SECOND = "1", "2"
"""How often a browser was sent to Airflow's login: the values of the cookie of :data:`WAITING_MARK`."""

QUESTION_SECONDS = 600

MOST_COOKIE_CHARS = 3800

MOST_STATE_CHARS = 2048

_BROWSER = re.compile(r"[A-Za-z0-9_-]{22}")

Record = Callable[[str, str, JSONObject], None]
"""Writes a row of the audit log: the event, whose it is, and what there is to say."""


class Browser(Protocol):
    """The browser that sent a request, as Airflow knows it."""

    async def find_person(self) -> Person | None:
        """Return who is logged in to Airflow there, None if nobody is."""

    def find_login(self, path: str) -> str:
        """Return the address of Airflow's login, which leads back to a path below the base URL."""


@dataclass(frozen=True)
class Asked:
    """An authorization request that may be answered at its client."""

    client: Client
    redirect_uri: str
    state: str | None
    fields: Mapping[str, str]


class Authorization:
    """Answers what a person's browser asks for.

    :param record: Writes the audit log.
    """

    def __init__(
        self, addresses: Addresses, grants: Grants, clients: Clients, sealer: Sealer, record: Record
    ) -> None:
        self.addresses = addresses
        self._grants = grants
        self._clients = clients
        self._sealer = sealer
        self._record = record

    async def answer(self, route: str, request: HTTPRequest, browser: Browser) -> Reply:
        try:
            if route == "consent" and request.method == "POST":
                return await self._answer_consent(request, browser)
            if route == "authorize" and request.method == "GET":
                if len(request.query) > MOST_QUERY_CHARS:
                    raise Refused("invalid_request", "The address is too long.")
                return await self._authorize(parse_fields(request.query), request, browser, resumed=False)
            if route == "resume" and request.method == "GET":
                return await self._authorize(self._read_waiting(request), request, browser, resumed=True)
        except Refused as refused:
            log.info("MCP login: %s refused: %s", route, refused)
            return pages.explain(400, "This login cannot go on", refused.reason)
        except TimeoutError:
            return pages.explain(408, "This login cannot go on", "The form did not arrive in time.")
        except Gone:
            return gone()
        return pages.explain(405, "This login cannot go on", "Start the login again from your client.")

    def _read_waiting(self, request: HTTPRequest) -> Mapping[str, str]:
        for sealed in request.cookies(WAITING_COOKIE):
            content = self._sealer.open(sealed)
            if content is not None and "fields" in content:
                fields: dict[str, str] = content["fields"]
                return fields
        raise Refused(
            "invalid_request",
            "The login took more than ten minutes, or began in another browser. Start it again "
            "from your client.",
        )

    async def _authorize(
        self, fields: Mapping[str, str], request: HTTPRequest, browser: Browser, *, resumed: bool
    ) -> Reply:
        """Answer an authorization request: with the login, with the question, or at the client."""
        person = None
        if not self._clients.needs_fetching(fields.get("client_id", "")):
            asked = await self._read_request(fields)
        else:
            # For somebody who is logged in alone is another server asked.
            person = await browser.find_person()
            if person is None:
                return self._send_to_login(fields, request, browser, resumed=resumed)
            asked = await self._read_request(fields)
        try:
            self._check_request(asked)
            person = person or await browser.find_person()
            if person is None:
                if fields.get("prompt") == "none":
                    raise Refused("login_required", "Nobody is logged in.")
                return self._send_to_login(fields, request, browser, resumed=resumed)
            if fields.get("prompt") == "none":
                raise Refused("consent_required", "Each login asks the person.")
        except Refused as refused:
            log.info("MCP login: authorize refused: %s", refused)
            return self._send_back(asked, {"error": refused.error, "error_description": refused.reason})
        return self._ask(asked, person, request)

    async def _read_request(self, fields: Mapping[str, str]) -> Asked:
        """Return a request whose client and redirect are good: before that, nothing is sent anywhere."""
        client_id, redirect_uri = fields.get("client_id", ""), fields.get("redirect_uri", "")
        if not client_id or not redirect_uri:
            raise Refused("invalid_request", "The client's request has no client_id or no redirect_uri.")
        client = await anyio.to_thread.run_sync(self._clients.find, client_id)
        if not self._clients.may_redirect(client, redirect_uri):
            raise Refused(
                "invalid_request",
                "The client wants the answer at an address that it has not registered, or that is not "
                "allowed here. An administrator can allow it by [mcp] oauth_redirect_targets.",
            )
        return Asked(client, redirect_uri, fields.get("state"), fields)

    def _check_request(self, asked: Asked) -> None:
        fields = asked.fields
        if fields.get("response_type") != "code":
            raise Refused("unsupported_response_type", "Only the response type code is served.")
        if "request" in fields or "request_uri" in fields:
            raise Refused("request_not_supported", "Request objects are not supported.")
        if fields.get("response_mode", "query") != "query":
            raise Refused("invalid_request", "Only the response mode query is served.")
        if fields.get("code_challenge_method") != "S256" or not is_challenge(
            fields.get("code_challenge", "")
        ):
            raise Refused("invalid_request", "PKCE with the method S256 is required.")
        resource = fields.get("resource")
        if resource is not None and not self.addresses.names_resource(resource):
            raise Refused("invalid_target", f"The only resource here is {self.addresses.resource}.")
        if len(asked.state or "") > MOST_STATE_CHARS:
            raise Refused("invalid_request", "state is too long.")

    def _send_to_login(
        self, fields: Mapping[str, str], request: HTTPRequest, browser: Browser, *, resumed: bool
    ) -> Reply:
        login = browser.find_login(RESUME)
        headers = {"Location": login, "Cache-Control": "no-store"}
        if resumed and _FIRST not in request.cookies(WAITING_MARK):
            return pages.explain(
                403,
                "Log in to Airflow first",
                "You are not logged in to Airflow in this browser. Your client's login goes on afterwards.",
                (login, "Log in to Airflow"),
            )
        if resumed:
            # FAB on Airflow 3 gives the browser its token when it comes to the login a second time.
            return Reply(302, b"", headers, cookies=[self._cookie(WAITING_MARK, _SECOND, below="")])
        sealed = self._sealer.seal({"fields": dict(fields)}, QUESTION_SECONDS)
        if len(sealed) > MOST_COOKIE_CHARS:
            raise Refused("invalid_request", "The client's request is too long.")
        cookies = self._cookie(WAITING_COOKIE, sealed), self._cookie(WAITING_MARK, _FIRST, below="")
        return Reply(302, b"", headers, cookies=cookies)

    def _ask(self, asked: Asked, person: Person, request: HTTPRequest) -> Reply:
        browsers = [value for value in request.cookies(BROWSER_COOKIE) if _BROWSER.fullmatch(value)]
        browser = browsers[0] if browsers else new_id()
        scopes = read_scopes(asked.fields.get("scope"))
        question = {
            "fields": {
                name: asked.fields[name]
                for name in ("client_id", "redirect_uri", "state", "code_challenge", "scope")
                if name in asked.fields
            },
            "user": [person.id, person.name],
            "browser": _digest(browser),
            "grant": new_id(),
        }
        reply = pages.ask(
            client=asked.client,
            person=person,
            redirect_uri=asked.redirect_uri,
            action=f"{self.addresses.prefix}/mcp/oauth/consent",
            form=self._sealer.seal(question, QUESTION_SECONDS),
            may_write=WRITE_SCOPE in scopes,
        )
        cookies = self._cookie(BROWSER_COOKIE, browser), self._cookie(WAITING_MARK, "", below="", seconds=0)
        return replace(reply, cookies=cookies)

    async def _answer_consent(self, request: HTTPRequest, browser: Browser) -> Reply:
        """Take what a person decided, if it is that person, in that browser, on our own page."""
        origin, site = request.header("origin"), request.header("sec-fetch-site")
        if origin is None or origin.lower() != self.addresses.origin or site not in (None, "same-origin"):
            raise Refused("invalid_request", "The answer did not come from the page of this Airflow.")
        form = await read_form(request)
        question = self._sealer.open(form.get("form", ""))
        if question is None or "grant" not in question:
            raise Refused(
                "invalid_request", "The page was older than ten minutes. Start again from your client."
            )
        shown_in = question["browser"]
        if not any(hmac.compare_digest(_digest(one), shown_in) for one in request.cookies(BROWSER_COOKIE)):
            raise Refused("invalid_request", "The page was shown in another browser, or cookies are off.")
        person = await browser.find_person()
        if person is None or [person.id, person.name] != question["user"]:
            raise Refused("invalid_request", "Somebody else, or nobody, is logged in to Airflow now.")
        asked = await self._read_request(question["fields"])
        if form.get("decision") != "allow":
            said = {"client": asked.client.name, "target": asked.redirect_uri}
            await self._write("mcp.login_denied", person.name, said)
            return self._send_back(
                asked, {"error": "access_denied", "error_description": "The user declined."}
            )
        wanted = read_scopes(asked.fields.get("scope"))
        scopes = wanted if form.get("access") == "write" else frozenset({READ_SCOPE})
        offer = Offer(asked.client, asked.redirect_uri, asked.fields["code_challenge"], scopes)
        grant_id = question["grant"]
        code = await anyio.to_thread.run_sync(self._grants.offer, grant_id, person, offer)
        if code is None:
            raise Refused("invalid_request", "This page was answered before. Start again from your client.")
        said = {
            "grant": grant_id,
            "client": asked.client.name,
            "target": asked.redirect_uri,
            "scope": " ".join(sorted(scopes)),
        }
        await self._write("mcp.login_allowed", person.name, said)
        return self._send_back(asked, {"code": code})

    def _send_back(self, asked: Asked, answer: Mapping[str, str]) -> Reply:
        """Return the redirect by which the client gets its answer, which names who gives it (RFC 9207)."""
        parameters = dict(answer)
        if asked.state is not None and len(asked.state) <= MOST_STATE_CHARS:
            parameters["state"] = asked.state
        parameters["iss"] = self.addresses.issuer
        joint = "&" if "?" in asked.redirect_uri else "?"
        headers = {
            "Location": asked.redirect_uri + joint + urlencode(parameters),
            "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer",
        }
        return Reply(303, b"", headers)

    def _cookie(self, name: str, value: str, below: str = LOGIN, seconds: int = QUESTION_SECONDS) -> str:
        """Return a cookie for what is below a path of Airflow's."""
        secure = "; Secure" if self.addresses.secure else ""
        path = f"{self.addresses.prefix}{below}" or "/"
        return f"{name}={value}; Path={path}; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}"

    async def _write(self, event: str, user: str, said: JSONObject) -> None:
        await anyio.to_thread.run_sync(self._record, event, user, said)


def _digest(browser: str) -> str:
    return hashlib.sha256(browser.encode()).hexdigest()[:22]
