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
"""The page that says how each client connects to this Airflow."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from urllib.parse import quote

from airflow_provider_mcp.endpoint.door import Reply
from airflow_provider_mcp.sdk.json_types import JSONObject
from airflow_provider_mcp.server.request import Request
from airflow_provider_mcp.web.client_configs import TOKEN_VARIABLE, find_place, http_configuration
from airflow_provider_mcp.web.host import PageHost
from airflow_provider_mcp.web.rendering import render

_NAMES = {
    "claude-code": "Claude Code",
    "cursor": "Cursor",
    "vscode": "VS Code",
    "codex": "Codex",
    "gemini": "Gemini CLI",
    "windsurf": "Windsurf",
    "zed": "Zed",
    "goose": "Goose",
    "opencode": "opencode",
    "json": "Any other client (JSON)",
}


@dataclass(frozen=True)
class Block:
    """How one client connects: a text to copy, or what to do."""

    name: str
    place: str
    text: str
    link: str | None = None
    """An address that opens the client and sets it up."""


def show_connect(host: PageHost, request: Request) -> Reply:
    """Return the page."""
    url = host.endpoint_url
    scheme = "Bearer" if "Bearer" in host.login_schemes else next(iter(host.login_schemes), "Bearer")
    blocks = [
        Block(
            name, f"Put this into {find_place(client)}.", _configure(client, url, scheme), _link(client, url)
        )
        for client, name in _NAMES.items()
    ]
    stdio = (
        "Claude Desktop takes a token for local servers only. Install this package where Claude Desktop "
        "runs; the command prints what belongs into claude_desktop_config.json."
    )
    command = f"airflow-mcp config --client claude-desktop --via stdio --url {url.removesuffix('/mcp/v1')}"
    blocks.insert(1, Block("Claude Desktop", stdio, command))
    hosted = (
        "They add a server by its address alone (Settings, Connectors, Add custom connector) and log in by "
        "OAuth: that needs an address that they reach over HTTPS, and a login by OAuth at this Airflow."
    )
    blocks.insert(2, Block("claude.ai and ChatGPT", hosted, url))
    return render(
        "connect.html",
        host,
        framed=True,
        here="connect",
        user=request.caller.name,
        url=url,
        base=url.removesuffix("/mcp/v1"),
        scheme=scheme,
        variable=TOKEN_VARIABLE,
        schemes=host.login_schemes,
        by_oauth=bool(host.login_parameters),
        warning=host.login_warning,
        blocks=blocks,
    )


def _configure(client: str, url: str, scheme: str) -> str:
    return http_configuration(client, url).replace("Bearer ", f"{scheme} ").strip()


def _link(client: str, url: str) -> str | None:
    """Return the client's own address that sets it up; it carries no credential."""
    server: JSONObject = {"url": url}
    if client == "cursor":
        config = base64.b64encode(json.dumps(server).encode()).decode()
        return f"cursor://anysphere.cursor-deeplink/mcp/install?name=airflow&config={quote(config, safe='')}"
    if client == "vscode":
        entry = json.dumps({"name": "airflow", "type": "http", **server})
        return f"vscode:mcp/install?{quote(entry, safe='')}"
    return None
