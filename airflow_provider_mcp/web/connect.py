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
from urllib.parse import quote, urlsplit

from airflow_provider_mcp.endpoint.door import Reply, is_loopback
from airflow_provider_mcp.sdk.json_types import JSONObject
from airflow_provider_mcp.server.request import Request
from airflow_provider_mcp.web.client_configs import TOKEN_VARIABLE, find_place, http_configuration
from airflow_provider_mcp.web.forms import FIELD, Forms
from airflow_provider_mcp.web.grants import PURPOSE, describe_grants
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
    warning: str | None = None
    """Why the client cannot log in here."""


async def show_connect(host: PageHost, request: Request) -> Reply:
    """Return the page."""
    url = host.endpoint_url
    scheme = "Bearer" if "Bearer" in host.login_schemes else next(iter(host.login_schemes), "Bearer")
    by_oauth = host.login_obstacle is None
    blocks = [
        Block(
            name,
            f"Put this into {find_place(client)}.",
            _configure(client, url, scheme, by_oauth=by_oauth),
            _link(client, url),
        )
        for client, name in _NAMES.items()
    ]
    blocks[1:1] = [_explain_desktop(url), _explain_hosted(url, by_oauth=by_oauth)]
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
        by_oauth=by_oauth,
        obstacle=host.login_obstacle,
        warning=host.login_warning,
        blocks=blocks,
        grants=describe_grants(await host.list_grants(request.caller)),
        field=FIELD,
        form_token=Forms(host.server.confirmations).make_token(request.caller.id, PURPOSE),
    )


def _configure(client: str, url: str, scheme: str, *, by_oauth: bool) -> str:
    text = http_configuration(client, url, with_credential=not by_oauth)
    return text.replace("Bearer ", f"{scheme} ").strip()


def _explain_desktop(url: str) -> Block:
    place = (
        "Claude Desktop takes a token for local servers only. Install this package where Claude Desktop "
        "runs; the command prints what belongs into claude_desktop_config.json."
    )
    command = f"airflow-mcp config --client claude-desktop --via stdio --url {url.removesuffix('/mcp/v1')}"
    return Block("Claude Desktop", place, command)


def _explain_hosted(url: str, *, by_oauth: bool) -> Block:
    """Return how clients connect that run on their vendors' machines, and why they cannot, if they cannot."""
    place = "Add a server by this address (Settings, Connectors, Add custom connector), and log in by OAuth."
    needs = "They reach this Airflow from their vendors' machines"
    address = urlsplit(url)
    warning = None
    if not by_oauth:
        warning = "They log in by OAuth alone, and this Airflow has no login by OAuth: they cannot connect."
    elif address.scheme != "https" or is_loopback(address.netloc):
        warning = f"{needs}, over HTTPS: by this address they cannot."
    return Block("claude.ai and ChatGPT", f"{place} {needs}.", url, warning=warning)


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
