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
"""HTTP clients of an Airflow elsewhere: their options, and which requests they repeat."""

from __future__ import annotations

import ssl
from typing import Any, TypedDict

import anyio
import httpx
import tenacity

from airflow_provider_mcp.remote.errors import BUSY
from airflow_provider_mcp.remote.target import Target

CONNECT_SECONDS = 10.0

PAUSES = (0.3, 1.0)
"""How long to wait before each repetition of a GET that did not get through."""

LOST = (httpx.ConnectError, httpx.ConnectTimeout, httpx.ReadError, httpx.RemoteProtocolError)
"""Failures after which a GET is repeated. A slow answer is not one: asking twice makes nothing faster."""


class ClientOptions(TypedDict, total=False):
    """The options of an ``httpx`` client that a target decides."""

    verify: ssl.SSLContext | bool
    timeout: httpx.Timeout
    headers: dict[str, str]
    follow_redirects: bool


def build_client_options(target: Target) -> ClientOptions:
    """Return the options of an ``httpx`` client for a target.

    :raises ValueError: Its CA bundle cannot be read.
    """
    verify: ssl.SSLContext | bool
    if isinstance(target.verify, str):
        try:
            verify = ssl.create_default_context(cafile=target.verify)
        except (OSError, ssl.SSLError) as unusable:
            raise ValueError(f"the CA bundle of {target.name} cannot be read: {unusable}") from None
    else:
        verify = target.verify
    return {
        "verify": verify,
        "timeout": httpx.Timeout(target.timeout, connect=min(CONNECT_SECONDS, target.timeout)),
        "headers": {"Accept": "application/json"},
        "follow_redirects": False,
    }


def _is_repeatable(request: httpx.Request, options: dict[str, Any]) -> bool:
    """Say whether a request may be sent again. The body of a streamed answer belongs to who asked for it."""
    return request.method == "GET" and not options.get("stream")


def _was_busy(response: httpx.Response) -> bool:
    return response.status_code in BUSY


def _last_outcome(state: tenacity.RetryCallState) -> httpx.Response:
    """Return the last response, or raise the last failure: a repetition hides neither."""
    assert state.outcome is not None, "it is called after an attempt"  # noqa: S101
    response: httpx.Response = state.outcome.result()
    return response


class _Repetition(TypedDict):
    retry: tenacity.retry_base
    stop: tenacity.stop_after_attempt
    wait: tenacity.wait_chain
    retry_error_callback: Any


def _repetition() -> _Repetition:
    return {
        "retry": tenacity.retry_if_exception_type(LOST) | tenacity.retry_if_result(_was_busy),
        "stop": tenacity.stop_after_attempt(len(PAUSES) + 1),
        "wait": tenacity.wait_chain(*(tenacity.wait_fixed(pause) for pause in PAUSES)),
        "retry_error_callback": _last_outcome,
    }


class RemoteClient(httpx.Client):
    """An ``httpx.Client`` that repeats a GET that did not get through; nothing else is sent twice."""

    def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        if not _is_repeatable(request, options):
            return super().send(request, **options)
        return tenacity.Retrying(**_repetition())(super().send, request, **options)


class AsyncRemoteClient(httpx.AsyncClient):
    """:class:`RemoteClient` for an event loop."""

    async def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        if not _is_repeatable(request, options):
            return await super().send(request, **options)
        return await tenacity.AsyncRetrying(**_repetition(), sleep=anyio.sleep)(
            super().send, request, **options
        )
