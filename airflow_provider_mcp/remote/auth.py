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

import base64
import binascii
import json
import subprocess
import time
from collections.abc import AsyncGenerator, Generator
from typing import Any

import anyio
import anyio.to_thread
import httpx

from airflow_provider_mcp.remote.target import Target

COMMAND_SECONDS = 60


class CredentialRefused(httpx.RequestError):
    """The credential cannot be exchanged for a token, or the command that prints one failed."""


def refuses_credential(answer: httpx.Response) -> bool:
    """Say whether Airflow refuses who asks, not what is asked.

    Airflow 3 answers an expired token with 401 and one that it did not sign (its key has changed, or the
    token is another Airflow's) with 403.
    """
    return answer.status_code == 401 or (
        answer.status_code == 403 and b'"Invalid JWT token"' in answer.content
    )


class TokenAuth(httpx.Auth):
    """A bearer token that is renewed shortly before it expires, and once when Airflow refuses it.

    :param login: The request that exchanges a username and password for a token.
    :param command: In its place: the command that prints one.
    """

    requires_response_body = True

    def __init__(self, login: httpx.Request | None = None, command: tuple[str, ...] = ()) -> None:
        self._login = login
        self._command = command
        self._token = ""
        self._renew_at = 0.0

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        renewed = time.monotonic() >= self._renew_at
        if renewed:
            yield from self._renew(request)
        request.headers["Authorization"] = f"Bearer {self._token}"
        answer = yield request
        if refuses_credential(answer) and not renewed:
            # Airflow refused the request before it did anything: to send it again is safe.
            yield from self._renew(request)
            request.headers["Authorization"] = f"Bearer {self._token}"
            yield request

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        flow = self.auth_flow(request)
        answer: httpx.Response | None = None
        while True:
            # A command may take seconds, which must not hold the event loop.
            if self._command:
                following = await anyio.to_thread.run_sync(_advance, flow, answer)
            else:
                following = _advance(flow, answer)
            if following is None:
                return
            answer = yield following
            await answer.aread()

    def _renew(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        if self._login is not None:
            answer = yield self._login
            token = _token_in(answer, request)
        else:
            token = run_token_command(self._command, request)
        self._token = token
        lasts = lifetime(token)
        self._renew_at = time.monotonic() + lasts - min(30.0, lasts / 5)


def _advance(
    flow: Generator[httpx.Request, httpx.Response, None], answer: httpx.Response | None
) -> httpx.Request | None:
    try:
        return next(flow) if answer is None else flow.send(answer)
    except StopIteration:
        return None


def _token_in(answer: httpx.Response, request: httpx.Request) -> str:
    where = answer.request.url
    if answer.status_code in {401, 403}:
        raise CredentialRefused("the username or password is wrong", request=request)
    if answer.status_code >= 500:
        answer.raise_for_status()
    try:
        token = answer.json()["access_token"]
    except (ValueError, KeyError, TypeError):
        token = None
    if not isinstance(token, str) or not token:
        raise CredentialRefused(
            f"{where.scheme}://{where.netloc.decode()}{where.path} gave no token "
            f"(HTTP {answer.status_code}); this auth manager may want a bearer token",
            request=request,
        )
    return token


def run_token_command(command: tuple[str, ...], request: httpx.Request | None = None) -> str:
    """Return the token that a command prints on its standard output.

    :raises CredentialRefused: The command cannot be run, fails, or prints no token.
    """
    program = command[0]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=COMMAND_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as failure:
        reason = f"the token command {program} failed: {type(failure).__name__}"
        raise CredentialRefused(reason, request=request) from None
    token = done.stdout.decode("utf-8", "replace").strip()
    if done.returncode != 0 or not token or len(token.split()) != 1:
        reason = f"the token command {program} printed no token (exit status {done.returncode})"
        raise CredentialRefused(reason, request=request)
    return token


def claims_of(token: str) -> dict[str, Any]:
    """Return what a JWT says, unverified; nothing for another kind of token."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, ValueError, binascii.Error):
        return {}
    return claims if isinstance(claims, dict) else {}


def lifetime(token: str) -> float:
    """Return how many seconds a token lasts from when it was made, an hour if it does not tell.

    By the token's own times: this machine's clock may differ from Airflow's.
    """
    claims = claims_of(token)
    expires, made = claims.get("exp"), claims.get("iat", time.time())
    if not isinstance(expires, (int, float)) or not isinstance(made, (int, float)):
        return 3600.0
    return max(0.0, float(expires - made))


class _StaticToken(httpx.Auth):
    def __init__(self, token: str) -> None:
        self._token = token

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = f"Bearer {self._token}"
        yield request


def auth_of(target: Target, line: int) -> httpx.Auth | None:
    """Return how to authenticate at a target that runs Airflow ``line`` (2 or 3)."""
    if target.token_command:
        return TokenAuth(command=target.token_command)
    if target.token:
        return _StaticToken(target.token)
    if not target.login:
        return None
    if line == 2:
        return httpx.BasicAuth(target.login, target.password)
    # Every auth manager that takes a password serves this route: the simple one and FAB's.
    login = httpx.Request(
        "POST",
        f"{target.url}/auth/token",
        json={"username": target.login, "password": target.password},
        headers={"Accept": "application/json"},
    )
    return TokenAuth(login=login)
