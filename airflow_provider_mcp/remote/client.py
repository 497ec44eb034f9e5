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

import time
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
import httpx

from airflow_provider_mcp.remote.auth import auth_of, claims_of, refuses_credential
from airflow_provider_mcp.remote.errors import (
    BUSY,
    VERSION_ROUTES,
    line_of,
    lost,
    telling_answer,
    version_in,
    wrong_answer,
)
from airflow_provider_mcp.remote.target import NO_CREDENTIAL, Target
from airflow_provider_mcp.sdk.airflow import Airflow, Caller, Site
from airflow_provider_mcp.sdk.errors import PermissionDenied, Unavailable, Unsupported
from airflow_provider_mcp.sdk.masking import mask_by_name

CONNECT_SECONDS = 10.0

PAUSES = (0.3, 1.0)
"""How long to wait before each repetition of a GET that did not get through."""

LOST = (httpx.ConnectError, httpx.ConnectTimeout, httpx.ReadError, httpx.RemoteProtocolError)
"""Failures after which a GET is repeated. A slow answer is not one: asking twice makes nothing faster."""


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
                redact=mask_by_name,
                policy_conn_ids=self._policy_conn_ids,
            ),
            caller=self.caller,
            access=access,
        )

    def _page_url(self, *thing: Any) -> str:
        if line_of(self.known_version or "3") == 2:
            from airflow_provider_mcp.hosts.airflow2.rest import page_url
        else:
            from airflow_provider_mcp.hosts.page_urls import page_url
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
        from airflow_provider_mcp.hosts.airflow2.rest import serve_v2

        steps = serve_v2(outer, root, f"{self.target.url}/api/v1/")
        try:
            step = next(steps)
            while True:
                content_type = step.headers.get("content-type")
                headers = {"Content-Type": content_type} if content_type else {}
                step = steps.send(await self._send(step.method, step.url, step.content, headers))
        except StopIteration as end:
            response: httpx.Response = end.value
            return response
        except Unsupported as missing:
            raise Unsupported(missing.message, instance=self.target.name) from None

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
            raise PermissionDenied(
                f"{target.name} at {target.url} wants a credential, and none is given.",
                hint="Give a token, or a username and a password.",
                instance=target.name,
                status=answer.status_code,
            )
        if refuses_credential(answer):
            raise PermissionDenied(
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
            raise Unavailable(
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
