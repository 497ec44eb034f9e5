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
"""An Airflow elsewhere: where it is, how to authenticate there, and the ``Airflow`` client of it.

Nothing here imports Airflow: ``airflow-mcp serve --url`` runs where none is configured.
"""

from __future__ import annotations

import base64
import binascii
import functools
import ipaddress
import json
import subprocess
import time
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
import httpx

from airflow_provider_mcp.airflow_api import Airflow, Caller, Site
from airflow_provider_mcp.connection_fields import HOOK_KEYS, POLICY_KEYS
from airflow_provider_mcp.errors import ToolError
from airflow_provider_mcp.hosts.masking import mask

TIMEOUT_SECONDS = 30.0
CONNECT_SECONDS = 10.0
COMMAND_SECONDS = 60
NO_CREDENTIAL = "no credential"
PAUSES = (0.3, 1.0)
"""How long to wait before each repetition of a GET that did not get through."""
BUSY = frozenset({502, 503, 504})
LOST = (httpx.ConnectError, httpx.ConnectTimeout, httpx.ReadError, httpx.RemoteProtocolError)
"""Failures after which a GET is repeated. A slow answer is not one: asking twice makes nothing faster."""


class CredentialRefused(httpx.RequestError):
    """The credential cannot be exchanged for a token, or the command that prints one failed."""


@dataclass(frozen=True)
class Target:
    """Where an Airflow is and how to authenticate there.

    :param name: What errors and answers call it.
    :param url: Its root, path prefix included, without a slash at the end.
    :param token_command: A command that prints a bearer token.
    :param verify: Whether to verify the TLS certificate, or the CA bundle to verify it with.
    :param timeout: Seconds to wait for one answer.
    """

    name: str
    url: str
    login: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    token_command: tuple[str, ...] = field(default=(), repr=False)
    verify: bool | str = True
    timeout: float = TIMEOUT_SECONDS

    @property
    def way(self) -> str:
        """How it authenticates, in plain words."""
        if self.token_command:
            return "the token that a command prints"
        if self.token:
            return "a bearer token"
        if self.login:
            return f"the username {self.login} and a password"
        return NO_CREDENTIAL


def target_of(
    name: str,
    *,
    host: str | None,
    port: int | None = None,
    schema: str | None = None,
    login: str | None = None,
    password: str | None = None,
    extra: Mapping[str, Any] | None = None,
) -> Target:
    """Return the target that the parts of an Airflow connection stand for.

    ``host`` is an address (``https://airflow.example.com/prefix``) or a bare host name, which is reached by
    TLS unless it is this machine or ``schema`` says ``http``. Another ``schema`` is the path prefix, as
    Airflow reads it from a connection URI. A password without a login is a bearer token.

    :raises ValueError: The connection has no host, or an unusable part.
    """
    extra = {key: value for key, value in (extra or {}).items() if value is not None and value != ""}
    unknown = sorted(set(extra) - HOOK_KEYS - set(POLICY_KEYS))
    if unknown:
        raise ValueError(f"{name} has unknown options {', '.join(unknown)} in its extra")
    login, password = login or "", password or ""
    token = extra.get("token", "")
    if not isinstance(token, str):
        raise ValueError(f"the token of {name} is not text")
    if password and not login and not token:
        token = password
    return Target(
        name=name,
        url=_root(name, host or "", port, schema or ""),
        login=login,
        password=password,
        token=token,
        verify=_verification(name, extra),
        timeout=_seconds(name, extra.get("timeout", TIMEOUT_SECONDS)),
    )


def _root(name: str, host: str, port: int | None, schema: str) -> str:
    if not host:
        raise ValueError(f"{name} has no host: give the address of an Airflow")
    names_scheme = schema.lower() in {"http", "https"}
    if "://" not in host:
        bare = host.split("/", 1)[0].rsplit(":", 1)[0]
        by_default = "http" if is_loopback(bare) else "https"
        host = f"{schema.lower() if names_scheme else by_default}://{host}"
    parts = urlsplit(host)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"the host of {name} is no http or https address")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError(
            f"the host of {name} holds more than an address: credentials have fields of their own"
        )
    where = parts.netloc if port is None or parts.port else f"{parts.netloc}:{port}"
    prefix = parts.path.rstrip("/")
    if schema and not names_scheme:
        prefix += "/" + schema.strip("/")
    return f"{parts.scheme}://{where}{prefix}"


def is_loopback(host: str) -> bool:
    """Say whether a host name or address is this machine's own, which no other machine can reach."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _verification(name: str, extra: Mapping[str, Any]) -> bool | str:
    verify = extra.get("verify", True)
    if isinstance(verify, str) and verify.lower() in {"true", "false"}:
        verify = verify.lower() == "true"
    insecure = extra.get("insecure", False)
    if isinstance(insecure, str):
        if insecure.lower() not in {"true", "false"}:
            raise ValueError(f"insecure of {name} is neither true nor false")
        insecure = insecure.lower() == "true"
    if not isinstance(verify, (bool, str)) or not isinstance(insecure, bool):
        raise ValueError(
            f"{name}: insecure is true or false, verify is true, false or the path of a CA bundle"
        )
    if insecure or verify is False:
        return False
    bundle = extra.get("ca_bundle", verify)
    if not isinstance(bundle, (bool, str)):
        raise ValueError(f"the ca_bundle of {name} is no path")
    return bundle


def _seconds(name: str, value: Any) -> float:
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = 0.0
    if not 0 < seconds <= 3600:
        raise ValueError(f"the timeout of {name} is no number of seconds")
    return seconds


# ---- authentication ----------------------------------------------------------------------------------


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


# ---- requests ----------------------------------------------------------------------------------------


def options_of(target: Target) -> dict[str, Any]:
    """Return the options of an httpx client for a target."""
    import ssl

    verify: Any = target.verify
    if isinstance(verify, str):
        try:
            verify = ssl.create_default_context(cafile=verify)
        except (OSError, ssl.SSLError) as unusable:
            raise ValueError(f"the CA bundle of {target.name} cannot be read: {unusable}") from None
    return {
        "verify": verify,
        "timeout": httpx.Timeout(target.timeout, connect=min(CONNECT_SECONDS, target.timeout)),
        "headers": {"Accept": "application/json"},
        "follow_redirects": False,
    }


class RemoteClient(httpx.Client):
    """An ``httpx.Client`` that repeats a GET that did not get through; nothing else is sent twice."""

    def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        for pause in PAUSES if request.method == "GET" else ():
            try:
                answer = super().send(request, **options)
            except LOST:
                pass
            else:
                if answer.status_code not in BUSY:
                    return answer
                answer.close()
            time.sleep(pause)
        return super().send(request, **options)


class _AsyncRemoteClient(httpx.AsyncClient):
    async def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        for pause in PAUSES if request.method == "GET" else ():
            try:
                answer = await super().send(request, **options)
            except LOST:
                pass
            else:
                if answer.status_code not in BUSY:
                    return answer
                await answer.aclose()
            await anyio.sleep(pause)
        return await super().send(request, **options)


VERSION_ROUTES = ("api/v2/version", "api/v1/version")
"""Airflow 3's and Airflow 2's, both open to anyone."""


def version_in(answer: httpx.Response) -> str | None:
    """Return the version that an answer of one of :data:`VERSION_ROUTES` holds, None if it holds none."""
    if answer.status_code != 200:
        return None
    try:
        version = answer.json()["version"]
    except (ValueError, KeyError, TypeError):
        return None
    return version if isinstance(version, str) and version[:1].isdigit() else None


def telling_answer(answers: Sequence[httpx.Response]) -> httpx.Response:
    """Return the answer that tells most about why neither route gave a version."""
    telling = [answer for answer in answers if answer.status_code not in {404, 405}]
    return (telling or answers)[0]


def wrong_answer(target: Target, answer: httpx.Response) -> ToolError:
    """Return the error of an address that answers, but not as Airflow's REST API does."""
    where, status = f"{target.name} at {target.url}", answer.status_code
    known: dict[str, Any] = {"instance": target.name, "status": status}
    if status in BUSY or status >= 500:
        return ToolError(
            "unavailable",
            f"{where} cannot answer now (HTTP {status}).",
            hint="It may be starting, or its database may not be migrated; try again in a few seconds.",
            retryable=True,
            **known,
        )
    if status in {401, 403}:
        return ToolError(
            "permission_denied",
            f"{where} refused the request before Airflow saw it (HTTP {status}).",
            hint="A proxy in front of Airflow wants a login: give a token that it accepts.",
            **known,
        )
    if 300 <= status < 400:
        to = urlsplit(answer.headers.get("location", "")).netloc
        said = f"sent the request elsewhere ({to or 'another page'}), as a login page does (HTTP {status})"
    elif "html" in answer.headers.get("content-type", ""):
        said = f"answered with a web page, not as Airflow's REST API does (HTTP {status})"
    else:
        said = f"does not answer as Airflow's REST API does (HTTP {status})"
    return ToolError(
        "unavailable",
        f"{where} {said}.",
        hint="The address must be Airflow's root with its path prefix, without /api/v2, /mcp/v1 or a page's "
        "path; behind a login proxy, give a token that the proxy accepts.",
        **known,
    )


def lost(target: Target, request: httpx.Request, failure: httpx.HTTPError) -> ToolError:
    """Return the error of a request that got no answer."""
    where = f"{target.name} at {target.url}"
    known: dict[str, Any] = {"instance": target.name}
    if isinstance(failure, httpx.HTTPStatusError):
        return wrong_answer(target, failure.response)
    if isinstance(failure, CredentialRefused):
        return ToolError(
            "permission_denied",
            f"{where}: {failure}.",
            hint=f"Mend the credential ({target.way}) of {target.name}.",
            **known,
        )
    unsent = isinstance(failure, (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout))
    if isinstance(failure, httpx.TimeoutException) and not unsent:
        said = f"{where} did not answer within {target.timeout:g} s."
    elif unsent:
        said = f"{where} cannot be reached ({_reason(failure)})."
    else:
        said = f"{where} broke off the connection ({type(failure).__name__})."
    if unsent or request.method == "GET":
        hint = "Check that it runs and that the address is right; then try again."
        return ToolError("unavailable", said, hint=hint, retryable=True, **known)
    return ToolError(
        "unavailable",
        said,
        hint="What was asked may have been done or not: look before you try again.",
        **known,
    )


def _reason(failure: httpx.HTTPError) -> str:
    text = str(failure)
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return "its TLS certificate is not trusted; give its CA bundle"
    if isinstance(failure, httpx.TimeoutException):
        return "no connection in time"
    return " ".join(text.split())[:200] or type(failure).__name__


class Remote:
    """One Airflow elsewhere, for one event loop. What is heavy is made by the first request.

    :param policy_conn_ids: The connections that narrow what tools may do: "elsewhere" may be here.
    """

    def __init__(self, target: Target, policy_conn_ids: frozenset[str] = frozenset()) -> None:
        self.target = target
        self._policy_conn_ids = policy_conn_ids
        self.known_version: str | None = None
        """The version as last seen, even if it cannot be asked now."""
        self._asked: str | None = None
        self._client: httpx.AsyncClient | None = None
        self._auth: dict[int, httpx.Auth | None] = {}

    @property
    def caller(self) -> Caller:
        """Who the credential says it is for; Airflow itself decides what they may do."""
        target = self.target
        if target.login and not target.token and not target.token_command:
            return Caller(target.login, target.login)
        subject = str(claims_of(target.token).get("sub", "")) if target.token else ""
        return Caller(subject or target.name, subject or target.way)

    async def version(self) -> str:
        """Return the version that runs there; it is asked again after every failure to answer.

        :raises ToolError: The address cannot be reached, or is no Airflow.
        """
        if self._asked is None:
            self._asked = self.known_version = await self._ask_version()
        return self._asked

    async def _ask_version(self) -> str:
        answers = []
        for route in VERSION_ROUTES:
            request = self._http().build_request("GET", f"{self.target.url}/{route}")
            try:
                # A proxy in front may want the credential even where Airflow wants none.
                answer = await self._http().send(request, auth=self._proxy_auth())
            except httpx.HTTPError as failure:
                raise lost(self.target, request, failure) from None
            version = version_in(answer)
            if version is not None:
                return version
            answers.append(answer)
        raise wrong_answer(self.target, telling_answer(answers))

    def _proxy_auth(self) -> httpx.Auth | None:
        return self._auth_for(3) if self.target.token or self.target.token_command else None

    def _auth_for(self, line: int) -> httpx.Auth | None:
        if line not in self._auth:
            self._auth[line] = auth_of(self.target, line)
        return self._auth[line]

    def _http(self) -> httpx.AsyncClient:
        if self._client is None:
            self._client = _AsyncRemoteClient(**options_of(self.target))
        return self._client

    async def aclose(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    def open_airflow(self, access: Literal["read", "write"]) -> Airflow:
        """Return a client that speaks Airflow 3's REST API and calls this Airflow's."""
        return Airflow(
            transport=_Calls(self),
            base_url=f"{self.target.url}/api/v2/",
            site=Site(
                version=self.known_version or "",
                page_roots=(self.target.url,),
                page_url=self._page_url,
                redact=mask,
                policy_conn_ids=self._policy_conn_ids,
            ),
            caller=self.caller,
            access=access,
        )

    def _page_url(self, *thing: Any) -> str:
        if line_of(self.known_version or "3") == 2:
            from airflow_provider_mcp.hosts.airflow2_rest import page_url
        else:
            from airflow_provider_mcp.hosts.airflow3_calls import page_url
        return page_url(self.target.url, *thing)

    async def answer(self, outer: httpx.Request) -> httpx.Response:
        """Answer a request to Airflow 3's REST API.

        :raises ToolError: No answer, or not Airflow's.
        """
        version = await self.version()
        root = f"{urlsplit(self.target.url).path}/api/v2/"
        if line_of(version) == 2:
            return await self._answer_by_v1(outer, root)
        url = outer.url
        if url.path == f"{root}openapi.json":
            url = url.copy_with(path=f"{root.removesuffix('api/v2/')}openapi.json")
        asked = {name: outer.headers[name] for name in ("accept", "content-type") if name in outer.headers}
        answer = await self._send(outer.method, url, outer.content, asked)
        kind = answer.headers.get("content-type")
        headers = {"Content-Type": kind} if kind else {}
        return httpx.Response(answer.status_code, headers=headers, content=answer.content)

    async def _answer_by_v1(self, outer: httpx.Request, root: str) -> httpx.Response:
        from airflow_provider_mcp.hosts.airflow2_rest import UnsupportedOnAirflow2, held_by, serve_v2

        steps = serve_v2(outer, root)
        try:
            step = next(steps)
            while True:
                url = httpx.URL(
                    f"{self.target.url}/api/v1/{step.path}", params=httpx.QueryParams(tuple(step.query))
                )
                content = b"" if step.body is None else json.dumps(step.body).encode()
                asked = {} if step.body is None else {"Content-Type": "application/json"}
                answer = await self._send(step.method, url, content, asked)
                step = steps.send((answer, held_by(answer)))
        except StopIteration as answered:
            response: httpx.Response = answered.value
            return response
        except UnsupportedOnAirflow2 as missing:
            raise ToolError("unsupported", str(missing), instance=self.target.name) from None

    async def _send(
        self, method: str, url: httpx.URL, content: bytes, headers: Mapping[str, str]
    ) -> httpx.Response:
        client, target = self._http(), self.target
        request = client.build_request(method, url, content=content or None, headers=headers)
        try:
            answer = await client.send(request, auth=self._auth_for(line_of(self.known_version or "3")))
        except httpx.HTTPError as failure:
            self._asked = None
            raise lost(target, request, failure) from None
        if refuses_credential(answer) and target.way == NO_CREDENTIAL:
            raise ToolError(
                "permission_denied",
                f"{target.name} at {target.url} wants a credential, and none is given.",
                hint="Give a token, or a username and a password.",
                instance=target.name,
                status=answer.status_code,
            )
        if refuses_credential(answer):
            raise ToolError(
                "permission_denied",
                f"{target.name} at {target.url} does not accept the credential ({target.way}): it is wrong, "
                "or it has expired.",
                hint=f"Renew the credential of {target.name}.",
                instance=target.name,
                status=answer.status_code,
            )
        page = "html" in answer.headers.get("content-type", "")
        moved = answer.status_code == 404 and b"/api/v1 has been removed" in answer.content
        if page or moved or 300 <= answer.status_code < 400 or answer.status_code in BUSY:
            # Perhaps another version, or another program, is there by now.
            self._asked = None
        if moved:
            raise ToolError(
                "unavailable",
                f"{target.name} at {target.url} is no longer Airflow 2.",
                hint="Try again: the call will be made in the terms of its new version.",
                retryable=True,
                instance=target.name,
            )
        if page or 300 <= answer.status_code < 400:
            raise wrong_answer(target, answer)
        return answer


class _Calls(httpx.AsyncBaseTransport):
    """The transport of the ``Airflow`` client of a :class:`Remote`."""

    def __init__(self, remote: Remote) -> None:
        self._remote = remote

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        return await self._remote.answer(request)


@functools.lru_cache(maxsize=32)
def line_of(version: str) -> int:
    """Return 2 for Airflow 2 and 3 for anything newer."""
    return 2 if version.split(".", 1)[0] == "2" else 3
