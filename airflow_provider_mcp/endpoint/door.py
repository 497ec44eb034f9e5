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
"""The checks at the door of the endpoint, before a request's body is looked at."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

import mcp_types as types

from airflow_provider_mcp.server.policy import Policy

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True)
class Reply:
    """An HTTP answer; ``stream`` instead of ``body`` for one whose parts come over time."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    stream: Iterator[bytes] | None = None


def _rpc_error(status: int, code: int, message: str, *, request_id: Any = None, data: Any = None) -> Reply:
    error: dict[str, Any] = {"code": code, "message": message}
    if data is not None:
        error["data"] = data
    return _json(status, {"jsonrpc": "2.0", "id": request_id, "error": error})


def _json(status: int, answer: Mapping[str, Any]) -> Reply:
    body = json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    return Reply(status, body, {"Content-Type": "application/json"})


def refuse_at_the_door(
    method: str, headers: Mapping[str, str], policy: Policy, own_origins: set[str | None]
) -> Reply | None:
    """Return the refusal of a request that need not even say who it is from; None if there is none.

    :param headers: By lower-case name.
    :param own_origins: The origins at which this Airflow is served, for example ``https://airflow.example.com``.
    """
    if method != "POST":
        return Reply(405, b"Only POST is served here.", {"Allow": "POST", "Content-Type": "text/plain"})
    origin = headers.get("origin")
    if origin is not None and origin.rstrip("/") not in own_origins | policy.allowed_origins:
        return _rpc_error(
            403, types.INVALID_REQUEST, "This Origin is not allowed; see [mcp] allowed_origins."
        )
    return None


def unauthenticated() -> Reply:
    """Return the 401 of a request without a valid credential."""
    reply = _rpc_error(
        401,
        types.INVALID_REQUEST,
        "No valid credential. Send one that Airflow's REST API accepts in the Authorization header.",
    )
    return replace(reply, headers={**reply.headers, "WWW-Authenticate": "Bearer"})


def refuse_body(headers: Mapping[str, str], policy: Policy) -> Reply | None:
    """Return the refusal of a body by what its headers say; None if there is none."""
    content_type = headers.get("content-type", "").split(";", 1)[0].strip().lower()
    if content_type != "application/json":
        return _rpc_error(415, types.INVALID_REQUEST, "The body must be application/json.")
    length = headers.get("content-length", "")
    if length.isascii() and length.isdigit() and int(length) > policy.max_request_bytes:
        return too_large(policy)
    return None


def too_large(policy: Policy) -> Reply:
    """Return the 413 of a body over the limit."""
    return _rpc_error(
        413,
        types.INVALID_REQUEST,
        f"The body is larger than {policy.max_request_bytes} bytes ([mcp] max_request_bytes).",
    )


def own_origins(base_url: str, scheme: str, host: str) -> set[str | None]:
    """Return the origins at which this Airflow is served.

    The Host header says so only if it names this machine: another name there may be a stranger's, made to
    point here (DNS rebinding).
    """
    try:
        name = urlsplit(f"//{host}").hostname
    except ValueError:
        name = None
    return {origin_of(base_url), f"{scheme}://{host}" if name in _LOOPBACK else None}


def origin_of(url: str) -> str | None:
    """Return the origin of an address, None if it has none."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" if parts.scheme and parts.netloc else None
