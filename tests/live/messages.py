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
"""Messages of the protocol, and streamed answers to them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from tests.live.site import Site

VERSION = "2026-07-28"
TASKS = "io.modelcontextprotocol/tasks"
PATIENCE = 120
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}


def modern(method: str, *, capabilities: dict[str, Any] | None = None, **params: Any) -> dict[str, Any]:
    """Return a request of 2026-07-28."""
    meta = {
        "io.modelcontextprotocol/protocolVersion": VERSION,
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": capabilities or {},
        **params.pop("_meta", {}),
    }
    return {"jsonrpc": "2.0", "id": 7, "method": method, "params": {**params, "_meta": meta}}


def events(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    for line in lines:
        if line.startswith("data: "):
            yield json.loads(line.removeprefix("data: "))


def streaming(site: Site, tool: str, token: str | None, **arguments: Any) -> Any:
    """Open a call; return the context manager of its streamed answer."""
    params: dict[str, Any] = {"name": tool, "arguments": arguments}
    if token:
        params["_meta"] = {"progressToken": token}
    return httpx.stream(
        "POST",
        site.url,
        json={"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params},
        headers={
            "Authorization": site.authorization("admin"),
            "Accept": "application/json, text/event-stream",
        },
        timeout=PATIENCE,
    )


def parse_text(text: str) -> Any:
    """Return the data in the text of a result, which stands between marks if others wrote a part of it."""
    return json.loads(text.split("\n")[2] if text.startswith("Between the two marks [foreign-") else text)
