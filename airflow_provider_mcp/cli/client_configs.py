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
"""Ready configurations of MCP clients."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

CLIENTS = ("claude-code", "claude-desktop", "cursor", "vscode", "codex", "gemini")

TOKEN_VARIABLE = "AIRFLOW_MCP_TOKEN"  # noqa: S105

_PLACES = {
    "claude-code": ".mcp.json in the project",
    "claude-desktop": "claude_desktop_config.json (Settings, Developer, Edit Config)",
    "cursor": "~/.cursor/mcp.json, or .cursor/mcp.json in the project",
    "vscode": ".vscode/mcp.json in the workspace",
    "codex": "~/.codex/config.toml",
    "gemini": "~/.gemini/settings.json",
}

# How each client puts an environment variable into a header; VS Code asks for it and keeps it.
_REFERENCES = {
    "claude-code": "${%s}",
    "cursor": "${env:%s}",
    "gemini": "$%s",
    "vscode": "${input:airflow-token}",
}


def find_place(client: str) -> str:
    """Return where a client's configuration belongs."""
    return _PLACES[client]


def http_configuration(client: str, url: str) -> str:
    """Return the configuration by which a client connects to an MCP endpoint.

    :raises ValueError: The client cannot connect to an address with a token.
    """
    if client == "claude-desktop":
        raise ValueError("Claude Desktop takes a token for local servers only: use --via stdio")
    if client == "codex":
        return (
            "[mcp_servers.airflow]\n"
            f"url = {json.dumps(url)}\n"
            f"bearer_token_env_var = {json.dumps(TOKEN_VARIABLE)}\n"
        )
    reference = _REFERENCES[client]
    token = reference % TOKEN_VARIABLE if "%s" in reference else reference
    headers = {"Authorization": f"Bearer {token}"}
    if client == "gemini":
        return _json({"mcpServers": {"airflow": {"httpUrl": url, "headers": headers}}})
    if client == "cursor":
        return _json({"mcpServers": {"airflow": {"url": url, "headers": headers}}})
    server = {"type": "http", "url": url, "headers": headers}
    if client == "vscode":
        asked = {
            "type": "promptString",
            "id": "airflow-token",
            "description": "Airflow token",
            "password": True,
        }
        return _json({"inputs": [asked], "servers": {"airflow": server}})
    return _json({"mcpServers": {"airflow": server}})


def stdio_configuration(client: str, command: str, arguments: Sequence[str], passed: Sequence[str]) -> str:
    """Return the configuration by which a client starts ``airflow-mcp serve``.

    :param passed: Environment variables that the command needs and that hold credentials.
    """
    if client == "codex":
        lines = [
            "[mcp_servers.airflow]",
            f"command = {json.dumps(command)}",
            f"args = {json.dumps(arguments)}",
        ]
        if passed:
            lines.append(f"env_vars = {json.dumps(passed)}")
        return "\n".join(lines) + "\n"
    server: dict[str, Any] = {"command": command, "args": list(arguments)}
    if client == "vscode":
        server = {"type": "stdio", **server}
        if passed:
            # VS Code passes its own environment on; what it asks for need not be in any file.
            inputs = [
                {"type": "promptString", "id": name.lower(), "description": name, "password": True}
                for name in passed
            ]
            server["env"] = {name: f"${{input:{name.lower()}}}" for name in passed}
            return _json({"inputs": inputs, "servers": {"airflow": server}})
        return _json({"servers": {"airflow": server}})
    if passed:
        reference = _REFERENCES.get(client)
        server["env"] = {name: reference % name if reference else f"<{name}>" for name in passed}
    return _json({"mcpServers": {"airflow": server}})


def _json(value: Any) -> str:
    return json.dumps(value, indent=2) + "\n"
