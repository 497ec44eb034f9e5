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
"""What the login reads from HTTP requests, and how it answers clients."""

from __future__ import annotations

import json
from collections.abc import Mapping
from urllib.parse import parse_qsl

from airflow_provider_mcp.endpoint.door import CLIENT_GONE, HTTPRequest, Reply, json_reply
from airflow_provider_mcp.oauth.errors import Refused
from airflow_provider_mcp.sdk.json_types import JSON

MOST_FORM_BYTES = 16_384

MOST_REGISTRATION_BYTES = 8_192

MOST_QUERY_CHARS = 8_192

MOST_FIELDS = 40

BODY_SECONDS = 20

OPEN_TO_PAGES = {
    # Clients that run in a page ask these; no cookie and no credential of the browser counts here.
    "Access-Control-Allow-Origin": "*",
    "Cache-Control": "no-store",
}


class Gone(Exception):  # noqa: N818 - nobody is left to answer
    """The client went away before its request was read."""


async def read_form(request: HTTPRequest) -> dict[str, str]:
    """Return the fields of a form that was sent."""
    content_type = (request.header("content-type") or "").partition(";")[0].strip().lower()
    if content_type != "application/x-www-form-urlencoded":
        raise Refused("invalid_request", "The body must be application/x-www-form-urlencoded.")
    return parse_fields((await _read(request, MOST_FORM_BYTES)).decode("utf-8", "replace"))


async def read_json(request: HTTPRequest) -> JSON:
    """Return the JSON document that was sent."""
    try:
        return json.loads(await _read(request, MOST_REGISTRATION_BYTES))
    except (ValueError, RecursionError):
        raise Refused("invalid_client_metadata", "The body must be JSON.") from None


async def _read(request: HTTPRequest, most: int) -> bytes:
    body = await request.read_body(most, BODY_SECONDS)
    if body is None:
        raise Gone
    if len(body) > most:
        raise Refused("invalid_request", f"The body is larger than {most} bytes.")
    return body


def parse_fields(text: str) -> dict[str, str]:
    """Return the fields of a query or a form.

    :raises Refused: There are too many, or one came twice: who reads the first and who reads the last would
        disagree.
    """
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError:
        raise Refused("invalid_request", "There are too many parameters.") from None
    fields: dict[str, str] = {}
    for name, value in pairs:
        if name in fields:
            raise Refused("invalid_request", f"The parameter {name[:40]} came more than once.")
        fields[name] = value
    return fields


def answer_client(status: int, body: JSON, headers: Mapping[str, str] | None = None) -> Reply:
    """Return a JSON answer to a client."""
    reply = json_reply(status, body)
    return Reply(
        status, reply.body, {**reply.headers, **OPEN_TO_PAGES, "Pragma": "no-cache", **(headers or {})}
    )


def refuse_client(refused: Refused) -> Reply:
    """Return a refusal in the words of OAuth."""
    return answer_client(400, {"error": refused.error, "error_description": refused.reason})


def answer_preflight() -> Reply:
    """Return the answer to a browser that asks whether a page may send a request."""
    headers = {
        **OPEN_TO_PAGES,
        "Access-Control-Allow-Methods": "GET, POST",
        "Access-Control-Allow-Headers": "Content-Type, Authorization, MCP-Protocol-Version",
        "Access-Control-Max-Age": "600",
    }
    return Reply(204, b"", headers)


def gone() -> Reply:
    """Return the answer to nobody."""
    return Reply(CLIENT_GONE)
