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
"""The ``Airflow`` client of an Airflow elsewhere.

Nothing here imports Airflow: ``airflow-mcp serve --url`` runs where none is configured.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal
from urllib.parse import urlsplit

import httpx

from airflow_provider_mcp.hosts.page_urls import page_url_of_airflow2, page_url_of_airflow3
from airflow_provider_mcp.remote.auth import build_auth, refuses_credential
from airflow_provider_mcp.remote.errors import (
    BUSY,
    build_answer_error,
    build_failure_error,
    build_refusal_error,
    is_page,
)
from airflow_provider_mcp.remote.http import AsyncRemoteClient, build_client_options
from airflow_provider_mcp.remote.target import Target
from airflow_provider_mcp.remote.tokens import parse_claims
from airflow_provider_mcp.remote.version import ask_version, parse_major
from airflow_provider_mcp.sdk.airflow import Airflow, Caller, Site
from airflow_provider_mcp.sdk.errors import Unavailable, Unsupported
from airflow_provider_mcp.sdk.json_types import JSONObject
from airflow_provider_mcp.sdk.masking import mask_by_name


class Remote:
    """One Airflow elsewhere, for one event loop. What is heavy is made by the first request.

    :param policy_conn_ids: The connections that narrow what tools may do: "elsewhere" may be here.
    """

    def __init__(self, target: Target, policy_conn_ids: frozenset[str] = frozenset()) -> None:
        self.target = target
        self._policy_conn_ids = policy_conn_ids
        self.known_version: str | None = None
        """The version as last seen, even if it cannot be asked now."""
        self._version: str | None = None
        """The version that runs there, None if it has to be asked again."""
        self._client: httpx.AsyncClient | None = None
        self._auth: dict[int, httpx.Auth | None] = {}

    @property
    def caller(self) -> Caller:
        """Who the credential says it is for; Airflow itself decides what they may do."""
        target = self.target
        if target.login and not target.token and not target.token_command:
            return Caller(target.login, target.login)
        subject = str(parse_claims(target.token).get("sub", "")) if target.token else ""
        return Caller(subject or target.name, subject or target.way)

    async def version(self) -> str:
        """Return the version that runs there; it is asked again after every failure to answer.

        :raises ToolError: The address cannot be reached, or is no Airflow.
        """
        if self._version is None:
            self._version = self.known_version = await self._ask_version()
        return self._version

    async def _ask_version(self) -> str:
        # Airflow wants no credential for it; a proxy in front may want the token.
        client, auth = self._http(), self._choose_auth(3) if self._has_token else None
        steps = ask_version(self.target)
        url = next(steps)
        while True:
            request = client.build_request("GET", url)
            try:
                response = await client.send(request, auth=auth)
            except httpx.HTTPError as failure:
                raise build_failure_error(self.target, request, failure) from None
            try:
                url = steps.send(response)
            except StopIteration as found:
                return str(found.value)

    async def post_endpoint(self, message: JSONObject, *, authenticate: bool) -> httpx.Response:
        """Return how the MCP endpoint inside that Airflow answers a message, whatever the answer is.

        :raises ToolError: There is no answer.
        """
        client = self._http()
        headers = {"Accept": "application/json, text/event-stream"}
        request = client.build_request("POST", f"{self.target.url}/mcp/v1", json=message, headers=headers)
        try:
            return await client.send(request, auth=self._choose_auth(self._major) if authenticate else None)
        except httpx.HTTPError as failure:
            raise build_failure_error(self.target, request, failure) from None

    @property
    def _major(self) -> int:
        """2 for Airflow 2, 3 for anything newer and for what has never answered."""
        return parse_major(self.known_version or "3")

    @property
    def _has_token(self) -> bool:
        return bool(self.target.token or self.target.token_command)

    def _choose_auth(self, major: int) -> httpx.Auth | None:
        if self._has_token:
            # It is the same for both, and so is what renews it.
            major = 3
        if major not in self._auth:
            self._auth[major] = build_auth(self.target, major)
        return self._auth[major]

    def _http(self) -> httpx.AsyncClient:
        if self._client is None:
            self._client = AsyncRemoteClient(**build_client_options(self.target))
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

    def _page_url(
        self, dag_id: str, dag_run_id: str | None = None, task_id: str | None = None, map_index: int = -1
    ) -> str:
        page_url = page_url_of_airflow2 if self._major == 2 else page_url_of_airflow3
        return page_url(self.target.url, dag_id, dag_run_id, task_id, map_index)

    async def answer(self, outer: httpx.Request) -> httpx.Response:
        """Answer a request to Airflow 3's REST API.

        :raises ToolError: No answer, or not Airflow's.
        """
        version = await self.version()
        root = f"{urlsplit(self.target.url).path}/api/v2/"
        if parse_major(version) == 2:
            return await self._answer_by_v1(outer, root)
        url = outer.url
        if url.path == f"{root}openapi.json":
            url = url.copy_with(path=f"{root.removesuffix('api/v2/')}openapi.json")
        headers = {name: outer.headers[name] for name in ("accept", "content-type") if name in outer.headers}
        response = await self._send(outer.method, url, outer.content, headers)
        kind = response.headers.get("content-type")
        return httpx.Response(
            response.status_code, headers={"Content-Type": kind} if kind else {}, content=response.content
        )

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
            response = await client.send(request, auth=self._choose_auth(self._major))
        except httpx.HTTPError as failure:
            self._version = None
            raise build_failure_error(target, request, failure) from None
        if refuses_credential(response):
            raise build_refusal_error(target, response)
        strange = is_page(response) or 300 <= response.status_code < 400
        migrated = response.status_code == 404 and b"/api/v1 has been removed" in response.content
        if strange or migrated or response.status_code in BUSY:
            # Perhaps another version, or another program, is there by now.
            self._version = None
        if migrated:
            raise Unavailable(
                f"{target.name} at {target.url} is no longer Airflow 2.",
                hint="Try again: the call will be made in the terms of its new version.",
                retryable=True,
                instance=target.name,
            )
        if strange:
            raise build_answer_error(target, response)
        return response


class _Calls(httpx.AsyncBaseTransport):
    """The transport of the ``Airflow`` client of a :class:`Remote`."""

    def __init__(self, remote: Remote) -> None:
        self._remote = remote

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        return await self._remote.answer(request)
