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
"""A browser that a script drives, and a client of the MCP SDK that logs in by it."""

from __future__ import annotations

import html
import re
import ssl
import time
from typing import Any, Protocol
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider
from mcp.shared.auth import OAuthClientMetadata

from tests.live.site import TLS, Site

MOST_PAGES = 20
CALLBACK = "http://127.0.0.1:53682/callback"


class Reachable(Protocol):
    """An Airflow, or the proxy before several."""

    @property
    def root(self) -> str:
        """The address that its pages are below."""

    @property
    def url(self) -> str:
        """Its endpoint."""


class Browser:
    """A browser of somebody: it keeps cookies, follows redirects and answers the question."""

    def __init__(
        self, site: Reachable, user: str = "admin", access: str = "write", trust: ssl.SSLContext = TLS
    ) -> None:
        self._site = site
        self.user = user
        self.access = access
        self.http = httpx.Client(verify=trust, timeout=60)
        self.pages: list[httpx.Response] = []

    def visit(self, url: str) -> dict[str, str]:
        """Open an address, log in to Airflow if asked to, and allow; return what the client is sent."""
        answer = self.http.get(url)
        for _ in range(MOST_PAGES):
            self.pages.append(answer)
            where = urljoin(str(answer.url), answer.headers.get("location", ""))
            if urlsplit(where).netloc != urlsplit(self._site.root).netloc:
                return {name: values[0] for name, values in parse_qs(urlsplit(where).query).items()}
            if answer.is_redirect:
                answer = self.http.get(where)
            elif "/login" in where:
                answer = self.log_in(answer)
            else:
                assert answer.status_code == 200, answer.text
                answer = self.allow(answer)
        raise AssertionError(f"it goes around in a circle: {[str(page.url) for page in self.pages]}")

    def log_in(self, page: httpx.Response) -> httpx.Response:
        """Log in on Airflow's own page, as its form does; return what comes next."""
        assert "next=" in str(page.url)
        root = self._site.root
        if "csrf_token" not in page.text:
            # The page of the simple auth manager keeps the token that it is given in this cookie.
            body = {"username": self.user, "password": self.user}
            path = urlsplit(root).path or "/"
            self.http.cookies.set(
                "_token", self.http.post(f"{root}/auth/token", json=body).json()["access_token"], path=path
            )
            following = parse_qs(urlsplit(str(page.url)).query)["next"][0]
            return self.http.get(urljoin(root, following))
        csrf = page.text.split('name="csrf_token"')[1].split('value="')[1].split('"')[0]
        form = {"username": self.user, "password": self.user, "csrf_token": csrf}
        # Over TLS Airflow takes no form without it.
        came_from = {"Referer": str(page.url)}
        until = time.monotonic() + 60
        while (answer := self.http.post(page.url, data=form, headers=came_from)).status_code == 429:
            # Airflow 2 allows five logins in forty seconds.
            assert time.monotonic() < until
            time.sleep(5)
        assert answer.status_code == 302, (answer.status_code, answer.text)
        assert answer.headers["location"].endswith("/mcp/oauth/resume"), answer.headers
        return answer

    def allow(self, page: httpx.Response, **headers: str) -> httpx.Response:
        """Answer the question on a page."""
        action = re.search(r'action="([^"]+)"', page.text)
        form = re.search(r'name="form" value="([^"]+)"', page.text)
        assert action is not None
        assert form is not None
        parts = urlsplit(self._site.root)
        sent = {"Origin": f"{parts.scheme}://{parts.netloc}", "Sec-Fetch-Site": "same-origin"} | headers
        fields = {"form": html.unescape(form[1]), "decision": "allow", "access": self.access}
        return self.http.post(urljoin(str(page.url), action[1]), data=fields, headers=sent)


class Storage:
    """Where the SDK's client keeps its tokens and its registration."""

    def __init__(self) -> None:
        self.tokens: Any = None
        self.client: Any = None

    async def get_tokens(self) -> Any:
        return self.tokens

    async def set_tokens(self, tokens: Any) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> Any:
        return self.client

    async def set_client_info(self, client_info: Any) -> None:
        self.client = client_info


def sdk_login(site: Site, browser: Browser, storage: Storage) -> OAuthClientProvider:
    """Return the SDK's own login, which knows the address of the endpoint and nothing else."""
    answers: list[dict[str, str]] = []

    async def open_browser(url: str) -> None:
        answers.append(browser.visit(url))

    async def take_answer() -> AuthorizationCodeResult:
        answer = answers.pop()
        return AuthorizationCodeResult(code=answer["code"], state=answer["state"], iss=answer["iss"])

    return OAuthClientProvider(
        site.url,
        OAuthClientMetadata(client_name="The SDK", redirect_uris=[CALLBACK]),
        storage,
        open_browser,
        take_answer,
    )
