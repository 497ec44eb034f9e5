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
"""The checks at the door of the endpoint: what is refused before a request's body is looked at."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TypeAlias
from urllib.parse import urlsplit

import mcp_types as types

from airflow_provider_mcp.sdk.json_types import JSON
from airflow_provider_mcp.server.policy import Policy

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})

_HOST = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[0-9]{1,5})?", re.IGNORECASE)

_SINGLE = ("authorization", "host", "origin")
"""Headers that mean nothing twice: who reads the first and who reads the last would disagree."""

_READABLE = ("WWW-Authenticate", "Mcp-Session-Id", "MCP-Protocol-Version")

CLIENT_GONE = 499
"""The status, known from nginx, of a request whose client went away before the answer."""

Emit = Callable[[bytes], Awaitable[None]]
"""Sends a part of a streamed answer; the first one begins the answer."""


@dataclass(frozen=True)
class HTTPRequest:
    """One HTTP request to the endpoint, before anyone knows who sent it.

    :param headers: By lower-case name, as they came.
    :param read_body: Returns the body, or as much of it as shows that it is over so many bytes; None if
        the client went away. Raises ``TimeoutError`` if it does not come within so many seconds.
    :param path: Below ``/mcp``.
    :param emit: None where an answer cannot be streamed.
    """

    method: str
    headers: Sequence[tuple[str, str]]
    read_body: Callable[[int, float], Awaitable[bytes | None]]
    scheme: str = "http"
    path: str = ""
    query: str = ""
    emit: Emit | None = None

    def header(self, name: str) -> str | None:
        """Return a header's value, the last one if it came more than once; None if it did not come."""
        return dict(self.headers).get(name)

    def cookies(self, name: str) -> list[str]:
        """Return the values of a cookie: there are several if it was set for several paths."""
        pairs = [
            pair.partition("=") for key, sent in self.headers if key == "cookie" for pair in sent.split(";")
        ]
        return [value.strip().strip('"') for key, _, value in pairs if key.strip() == name]


@dataclass(frozen=True)
class Reply:
    """An HTTP answer; ``stream`` instead of ``body`` for one whose parts come over time."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    stream: Iterator[bytes] | None = None
    cookies: Sequence[str] = ()
    """The values of the headers ``Set-Cookie``, of which there may be several."""


Respond: TypeAlias = "Callable[[HTTPRequest], Coroutine[None, None, Reply | None]]"
"""Answers a request; None if the answer was streamed, to its end."""


class Unauthenticated(Exception):  # noqa: N818 - the answer is 401, which is no fault of ours
    """A request without a valid credential.

    :param reason: One sentence that tells the client what to do, and a stranger nothing about users.
    :param sent: Whether there was a credential.
    """

    def __init__(self, reason: str, *, sent: bool = True) -> None:
        super().__init__(reason)
        self.reason = reason
        self.sent = sent


class AuthenticationUnavailable(Exception):  # noqa: N818 - as above: the answer is 503
    """Airflow could not check a credential, for example because its database does not answer."""


def refuse_headers(request: HTTPRequest) -> Reply | None:
    """Return the refusal of a request with a header doubled that must come once; None if there is none."""
    for name in _SINGLE:
        values = [value for key, value in request.headers if key == name]
        # WSGI joins what came twice by a comma, which none of these may hold in a credential that is taken.
        joined = any("," in value for value in values)
        if name == "authorization" and joined:
            joined = values[0].partition(" ")[0].lower() in {"basic", "bearer"}
        if len(values) > 1 or joined:
            return refuse(400, f"The header {name.title()} came more than once.")
    return None


def refuse_origin(request: HTTPRequest, policy: Policy, own: Collection[str | None]) -> Reply | None:
    """Return the refusal of a browser's page that may not call this server; None if there is none.

    :param own: The origins at which this Airflow is served, for example ``https://airflow.example.com``.
    """
    origin = request.header("origin")
    if origin is None or origin.rstrip("/") in policy.allowed_origins or origin.rstrip("/") in own:
        return None
    return refuse(403, "This Origin is not allowed; see [mcp] allowed_origins.")


def answer_preflight(request: HTTPRequest) -> Reply | None:
    """Return the answer to a browser that asks whether a page may send a request; None for anything else.

    It carries no credential: the browser sends none.
    """
    method = request.header("access-control-request-method")
    if request.method != "OPTIONS" or request.header("origin") is None or method is None:
        return None
    headers = {"Access-Control-Allow-Methods": "POST", "Access-Control-Max-Age": "600"}
    names = request.header("access-control-request-headers")
    if names is not None:
        headers["Access-Control-Allow-Headers"] = names
    return Reply(204, b"", headers)


def allow_origin(request: HTTPRequest) -> dict[str, str]:
    """Return the headers that let the page of an allowed origin read an answer."""
    origin = request.header("origin")
    if origin is None:
        return {}
    return {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Expose-Headers": ", ".join(_READABLE),
        "Vary": "Origin",
    }


def refuse_method(request: HTTPRequest) -> Reply | None:
    """Return the refusal of a method other than POST; None if there is none."""
    if request.method == "POST":
        return None
    return Reply(405, b"Only POST is served here.", {"Allow": "POST", "Content-Type": "text/plain"})


def challenge(
    schemes: Sequence[str], refused: Unauthenticated, login: Mapping[str, str] = MappingProxyType({})
) -> Reply:
    """Return the 401 of a request without a valid credential.

    :param schemes: The schemes of the ``Authorization`` header that this Airflow takes.
    :param login: What tells a client how to log in, where it can.
    """
    challenges = []
    for scheme in schemes:
        told = f'{scheme} realm="Airflow"'
        if scheme == "Bearer" and refused.sent:
            told += ', error="invalid_token"'
        if scheme == "Bearer":
            told += "".join(f', {name}="{value}"' for name, value in login.items())
        challenges.append(told)
    reply = refuse(401, refused.reason)
    return replace(reply, headers={**reply.headers, "WWW-Authenticate": ", ".join(challenges)})


def refuse_body(request: HTTPRequest, policy: Policy) -> Reply | None:
    """Return the refusal of a body by what its headers say; None if there is none."""
    content_type = (request.header("content-type") or "").partition(";")[0].strip().lower()
    if content_type != "application/json":
        return refuse(415, "The body must be application/json.")
    length = request.header("content-length") or ""
    if length.isascii() and length.isdigit() and int(length[:20]) > policy.max_request_bytes:
        return too_large(policy)
    return None


def too_large(policy: Policy) -> Reply:
    """Return the 413 of a body over the limit."""
    return refuse(413, f"The body is larger than {policy.max_request_bytes} bytes ([mcp] max_request_bytes).")


def unavailable(message: str) -> Reply:
    """Return the 503 of a request that may be sent again later."""
    return refuse(503, message, code=types.INTERNAL_ERROR, data={"code": "unavailable", "retryable": True})


def refuse(status: int, message: str, *, code: int = types.INVALID_REQUEST, data: JSON = None) -> Reply:
    """Return a refusal: a JSON-RPC error that answers no request by its ID."""
    return rpc_error(status, code, message, data=data)


def rpc_error(
    status: int, code: int, message: str, *, request_id: str | int | None = None, data: JSON = None
) -> Reply:
    """Return a JSON-RPC error."""
    error: dict[str, JSON] = {"code": code, "message": message}
    if data is not None:
        error["data"] = data
    return json_reply(status, {"jsonrpc": "2.0", "id": request_id, "error": error})


def json_reply(status: int, answer: Mapping[str, JSON]) -> Reply:
    """Return an answer in JSON. It is valid UTF-8 whatever it carries."""
    text = json.dumps(answer, ensure_ascii=False, separators=(",", ":"))
    try:
        body = text.encode()
    except UnicodeEncodeError:
        # By UTF-16, in which two surrogates that belong together are one character.
        body = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()
    return Reply(status, body, {"Content-Type": "application/json"})


def own_origins(base_url: str, scheme: str, host: str | None) -> set[str | None]:
    """Return the origins at which this Airflow is served.

    The Host header says so only if it names this machine: another name there may be a stranger's, made to
    point here (DNS rebinding).
    """
    return {parse_origin(base_url), f"{scheme}://{host}" if is_loopback(host or "") else None}


def names_host(host: str) -> bool:
    """Say whether a Host header is the name of a host, with or without a port."""
    return _HOST.fullmatch(host) is not None


def is_loopback(host: str) -> bool:
    """Say whether a host, with or without a port, is this machine."""
    match = _HOST.fullmatch(host)
    return match is not None and match["name"].lower() in _LOOPBACK


def parse_origin(url: str) -> str | None:
    """Return the origin of an address, None if it has none."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" if parts.scheme and parts.netloc else None
