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
"""How to authenticate at an Airflow elsewhere."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import httpx

from airflow_provider_mcp.remote.target import Target
from airflow_provider_mcp.remote.token_command import CredentialRefused, TokenCommand
from airflow_provider_mcp.remote.tokens import find_lifetime

Steps = Generator[httpx.Request | TokenCommand, httpx.Response | str, None]
"""What has to be done in turn: send a request, or run a command. The answer or the token is sent back."""


def refuses_credential(response: httpx.Response) -> bool:
    """Say whether Airflow refuses who asks, not what is asked.

    Airflow 3 answers an expired token with 401 and one that it did not sign (its key has changed, or the
    token is another Airflow's) with 403.
    """
    return response.status_code == 401 or (
        response.status_code == 403 and b'"Invalid JWT token"' in response.content
    )


@dataclass(frozen=True)
class Login:
    """The exchange of a username and password for a token, at the address where Airflow 3 offers it."""

    url: str
    username: str
    password: str = field(repr=False)

    def build_request(self, request: httpx.Request) -> httpx.Request:
        """Return the login that ``request`` needs, with the time limits of ``request``."""
        return httpx.Request(
            "POST",
            self.url,
            json={"username": self.username, "password": self.password},
            headers={"Accept": "application/json"},
            extensions={"timeout": request.extensions.get("timeout", {})},
        )


class TokenAuth(httpx.Auth):
    """A bearer token that is renewed shortly before it expires, and once when Airflow refuses it."""

    def __init__(self, source: Login | TokenCommand) -> None:
        self._source = source
        self._token = ""
        self._renew_at = 0.0
        self._renewing = asyncio.Lock()

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        steps = self._steps(request)
        step = next(steps)
        while True:
            result: httpx.Response | str
            if isinstance(step, TokenCommand):
                result = step.run(request)
            else:
                result = yield step
                result.read()
            try:
                step = steps.send(result)
            except StopIteration:
                return

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        async with AsyncExitStack() as renewal:
            if time.monotonic() >= self._renew_at:
                # Of requests that go out together, one renews the token, and the others wait for it.
                await renewal.enter_async_context(self._renewing)
            steps = self._steps(request)
            step = next(steps)
            while True:
                result: httpx.Response | str
                if isinstance(step, TokenCommand):
                    result = await step.run_async(request)
                else:
                    if step is request:
                        await renewal.aclose()
                    result = yield step
                    await result.aread()
                try:
                    step = steps.send(result)
                except StopIteration:
                    return

    def _steps(self, request: httpx.Request) -> Steps:
        renewed = time.monotonic() >= self._renew_at
        if renewed:
            yield from self._renew(request)
        request.headers["Authorization"] = f"Bearer {self._token}"
        response = yield request
        if isinstance(response, httpx.Response) and refuses_credential(response) and not renewed:
            # Airflow refused the request before it did anything: to send it again is safe.
            yield from self._renew(request)
            request.headers["Authorization"] = f"Bearer {self._token}"
            yield request

    def _renew(self, request: httpx.Request) -> Steps:
        source = self._source
        result = yield source.build_request(request) if isinstance(source, Login) else source
        self._token = result if isinstance(result, str) else _parse_login(result, request)
        lasts = find_lifetime(self._token)
        self._renew_at = time.monotonic() + lasts - min(30.0, lasts / 5)


def _parse_login(response: httpx.Response, request: httpx.Request) -> str:
    """Return the token that Airflow gave for a password."""
    url = response.request.url
    if response.status_code in {401, 403}:
        raise CredentialRefused(
            "the username or password is wrong", request=request, cure="Check the username and the password."
        )
    if response.status_code >= 500:
        response.raise_for_status()
    try:
        token = response.json()["access_token"]
    except (ValueError, KeyError, TypeError):
        token = None
    if not isinstance(token, str) or not token:
        raise CredentialRefused(
            f"{url.scheme}://{url.netloc.decode()}{url.path} gave no token "
            f"(HTTP {response.status_code}); this auth manager may want a bearer token",
            request=request,
            cure="Give a bearer token in the place of username and password: this auth manager takes none.",
        )
    return token


class _StaticToken(httpx.Auth):
    def __init__(self, token: str) -> None:
        self._token = token

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = f"Bearer {self._token}"
        yield request


def build_auth(target: Target, major: int) -> httpx.Auth | None:
    """Return how to authenticate at a target that runs Airflow ``major`` (2 or 3)."""
    if target.token_command:
        return TokenAuth(TokenCommand(target.token_command))
    if target.token:
        return _StaticToken(target.token)
    if not target.login:
        return None
    if major == 2:
        return httpx.BasicAuth(target.login, target.password)
    # Every auth manager that takes a password serves this route: the simple one and FAB's.
    return TokenAuth(Login(f"{target.url}/auth/token", target.login, target.password))


def build_proxy_auth(target: Target) -> httpx.Auth | None:
    """Return how to authenticate where Airflow wants no credential: a proxy in front may want one."""
    return build_auth(target, 3) if target.token or target.token_command else None
