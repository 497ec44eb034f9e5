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

from urllib.parse import urlsplit

import httpx

from airflow_provider_mcp.remote.target import NO_CREDENTIAL, Target
from airflow_provider_mcp.remote.token_command import CredentialRefused
from airflow_provider_mcp.sdk.errors import PermissionDenied, ToolError, Unavailable

BUSY = frozenset({502, 503, 504})


def build_answer_error(target: Target, response: httpx.Response) -> ToolError:
    """Return the error of an address that answers, but not as Airflow's REST API does."""
    place, status = f"{target.name} at {target.url}", response.status_code
    if status in BUSY or status >= 500:
        return Unavailable(
            f"{place} cannot answer now (HTTP {status}).",
            hint="It may be starting, or its database may not be migrated; try again in a few seconds.",
            retryable=True,
            instance=target.name,
            status=status,
        )
    if status == 400 and is_plain_http_refused(response):
        return Unavailable(
            f"{place} speaks https, not http, at this port.",
            hint="Write https:// in the address.",
            retryable=False,
            instance=target.name,
            status=status,
        )
    if status in {401, 403}:
        return PermissionDenied(
            f"{place} refused the request before Airflow saw it (HTTP {status}).",
            hint="A proxy in front of Airflow wants a login: give a token that it accepts.",
            instance=target.name,
            status=status,
        )
    if 300 <= status < 400:
        location = urlsplit(response.headers.get("location", "")).netloc or "another page"
        what = f"sent the request elsewhere ({location}), as a login page does (HTTP {status})"
    elif is_page(response):
        what = f"answered with a web page, not as Airflow's REST API does (HTTP {status})"
    else:
        what = f"does not answer as Airflow's REST API does (HTTP {status})"
    return Unavailable(
        f"{place} {what}.",
        hint="The address must be Airflow's root with its path prefix, without /api/v2, /mcp/v1 or a page's "
        "path; behind a login proxy, give a token that the proxy accepts.",
        retryable=False,
        instance=target.name,
        status=status,
    )


def is_plain_http_refused(response: httpx.Response) -> bool:
    """Say whether a web server complains that it got http at its https port."""
    text = response.text[:2000].lower()
    return ("https" in text and "plain http" in text) or "http request to an https server" in text


def is_page(response: httpx.Response) -> bool:
    """Say whether a response is a page for people."""
    return "html" in response.headers.get("content-type", "")


def build_refusal_error(target: Target, response: httpx.Response) -> ToolError:
    """Return the error of a credential that Airflow does not accept, or that it misses."""
    if target.way == NO_CREDENTIAL:
        message = f"{target.name} at {target.url} wants a credential, and none is given."
        hint = "Give a token, or a username and a password."
    else:
        message = (
            f"{target.name} at {target.url} does not accept the credential ({target.way}): it is wrong, "
            "or it has expired."
        )
        hint = f"Renew the credential of {target.name}."
    return PermissionDenied(message, hint=hint, instance=target.name, status=response.status_code)


def build_failure_error(target: Target, request: httpx.Request, failure: httpx.HTTPError) -> ToolError:
    """Return the error of a request that got no answer."""
    place = f"{target.name} at {target.url}"
    if isinstance(failure, httpx.HTTPStatusError):
        return build_answer_error(target, failure.response)
    if isinstance(failure, CredentialRefused):
        return PermissionDenied(
            f"{place}: {failure}.",
            hint=failure.cure or f"Mend the credential ({target.way}) of {target.name}.",
            instance=target.name,
        )
    unsent = isinstance(failure, (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout))
    if isinstance(failure, httpx.TimeoutException) and not unsent:
        message = f"{place} did not answer within {target.timeout:g} s."
    elif unsent:
        message = f"{place} cannot be reached ({_reason(failure)})."
    else:
        message = f"{place} broke off the connection ({type(failure).__name__})."
    if unsent or request.method == "GET":
        hint = "Check that it runs and that the address is right; then try again."
        if not unsent and request.url.scheme == "http":
            hint = "If it speaks https at this port, write https:// in the address. Else try again."
        return Unavailable(message, hint=hint, instance=target.name)
    return Unavailable(
        message,
        hint="What was asked may have been done or not: look before you try again.",
        retryable=False,
        instance=target.name,
    )


def _reason(failure: httpx.HTTPError) -> str:
    text = str(failure)
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return "its TLS certificate is not trusted; give its CA bundle"
    # What OpenSSL says where plain HTTP answers; its name for it changed.
    if any(words in text for words in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "UNKNOWN_PROTOCOL")):
        return "it speaks http, not https, at this port; write http:// in the address, or use the https port"
    if isinstance(failure, httpx.TimeoutException):
        return "no connection in time"
    return " ".join(text.split())[:200] or type(failure).__name__
