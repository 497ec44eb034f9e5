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
"""What goes wrong on the way to an Airflow elsewhere, as errors that say what to do."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import httpx

from airflow_provider_mcp.remote.auth import CredentialRefused
from airflow_provider_mcp.remote.target import Target
from airflow_provider_mcp.sdk.errors import PermissionDenied, ToolError, Unavailable

BUSY = frozenset({502, 503, 504})

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
        return Unavailable(
            f"{where} cannot answer now (HTTP {status}).",
            hint="It may be starting, or its database may not be migrated; try again in a few seconds.",
            retryable=True,
            **known,
        )
    if status in {401, 403}:
        return PermissionDenied(
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
    return Unavailable(
        f"{where} {said}.",
        hint="The address must be Airflow's root with its path prefix, without /api/v2, /mcp/v1 or a page's "
        "path; behind a login proxy, give a token that the proxy accepts.",
        retryable=False,
        **known,
    )


def lost(target: Target, request: httpx.Request, failure: httpx.HTTPError) -> ToolError:
    """Return the error of a request that got no answer."""
    where = f"{target.name} at {target.url}"
    known: dict[str, Any] = {"instance": target.name}
    if isinstance(failure, httpx.HTTPStatusError):
        return wrong_answer(target, failure.response)
    if isinstance(failure, CredentialRefused):
        return PermissionDenied(
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
        return Unavailable(said, hint=hint, **known)
    return Unavailable(
        said,
        hint="What was asked may have been done or not: look before you try again.",
        retryable=False,
        **known,
    )


def _reason(failure: httpx.HTTPError) -> str:
    text = str(failure)
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return "its TLS certificate is not trusted; give its CA bundle"
    if isinstance(failure, httpx.TimeoutException):
        return "no connection in time"
    return " ".join(text.split())[:200] or type(failure).__name__


@functools.lru_cache(maxsize=32)
def line_of(version: str) -> int:
    """Return 2 for Airflow 2 and 3 for anything newer."""
    return 2 if version.split(".", 1)[0] == "2" else 3
