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
from dataclasses import dataclass

from airflow_provider_mcp.sdk.json_types import JSON, JSONObject

TOKEN_VARIABLE = "AIRFLOW_MCP_TOKEN"  # noqa: S105
HEADER_VARIABLE = "AIRFLOW_MCP_AUTHORIZATION"
"""Where a client takes the whole header, scheme and all, from the environment."""

_PLACEHOLDER = "<%s>"


@dataclass(frozen=True)
class ClientFormat:
    """How one client writes a server down.

    :param place: The file that the configuration belongs into.
    :param reference: How a value names an environment variable; a placeholder for a person to replace where
        the client does not look into the environment.
    """

    place: str
    reference: str = _PLACEHOLDER


FORMATS = {
    "claude-code": ClientFormat(".mcp.json in the project", "${%s}"),
    "claude-desktop": ClientFormat("claude_desktop_config.json (Settings, Developer, Edit Config)"),
    "cursor": ClientFormat("~/.cursor/mcp.json, or .cursor/mcp.json in the project", "${env:%s}"),
    # VS Code asks for it and keeps it.
    "vscode": ClientFormat(".vscode/mcp.json in the workspace", "${input:%s}"),
    "codex": ClientFormat("~/.codex/config.toml"),
    "gemini": ClientFormat("~/.gemini/settings.json", "$%s"),
    "windsurf": ClientFormat("~/.codeium/windsurf/mcp_config.json", "${env:%s}"),
    "zed": ClientFormat("Zed's settings.json (command palette: zed: open settings file)"),
    "goose": ClientFormat("~/.config/goose/config.yaml"),
    "opencode": ClientFormat("opencode.json in the project, or ~/.config/opencode/opencode.json", "{env:%s}"),
    "json": ClientFormat("the client's list of MCP servers"),
}

CLIENTS = tuple(FORMATS)


def find_place(client: str) -> str:
    """Return where a client's configuration belongs."""
    return FORMATS[client].place


def http_configuration(client: str, url: str, *, with_credential: bool = True) -> str:
    """Return the configuration by which a client connects to an MCP endpoint.

    :param with_credential: Whether it sends a credential; without one, the client logs in by OAuth.
    :raises ValueError: The client cannot connect to an address with a token.
    """
    if client == "claude-desktop":
        raise ValueError("Claude Desktop takes a token for local servers only: use --via stdio")
    if client == "codex":
        variable: JSONObject = {"bearer_token_env_var": TOKEN_VARIABLE} if with_credential else {}
        return _dump_toml({"url": url, **variable})
    headers: JSONObject = {"headers": {"Authorization": f"Bearer {_refer(client, TOKEN_VARIABLE)}"}}
    if not with_credential:
        headers = {}
    if client == "goose":
        return _dump_goose({"type": "streamable_http", "uri": url, **headers})
    servers: dict[str, JSONObject] = {
        "cursor": {"url": url},
        "gemini": {"httpUrl": url},
        "windsurf": {"serverUrl": url},
        "zed": {"url": url},
        "opencode": {"type": "remote", "url": url, "enabled": True},
    }
    server = {**servers.get(client, {"type": "http", "url": url}), **headers}
    return _dump_json(client, server, inputs=[TOKEN_VARIABLE] if with_credential else [])


def stdio_configuration(client: str, command: str, arguments: Sequence[str], passed: Sequence[str]) -> str:
    """Return the configuration by which a client starts ``airflow-mcp serve``.

    :param passed: Environment variables that the command needs and that hold credentials.
    """
    words = list(arguments)
    if client == "codex":
        lines: JSONObject = {"command": command, "args": words}
        return _dump_toml({**lines, "env_vars": list(passed)} if passed else lines)
    if client == "goose":
        # Goose asks for the variables in `env_keys`, and keeps them in the system's keyring.
        return _dump_goose({"type": "stdio", "cmd": command, "args": words, "env_keys": list(passed)})
    env = {name: _refer(client, name) for name in passed}
    server: JSONObject = {"command": command, "args": words}
    if client == "opencode":
        server = {"type": "local", "command": [command, *words], "enabled": True}
        env_key = "environment"
    else:
        env_key = "env"
    if client == "vscode":
        server = {"type": "stdio", **server}
    if env:
        server[env_key] = env
    return _dump_json(client, server, inputs=passed)


def _refer(client: str, name: str) -> str:
    """Return how a client's configuration names an environment variable."""
    return FORMATS[client].reference % (_input_id(name) if client == "vscode" else name)


def _input_id(name: str) -> str:
    return name.lower().replace("_", "-")


def _dump_json(client: str, server: JSONObject, inputs: Sequence[str]) -> str:
    """Return JSON. VS Code asks for the variables in ``inputs``."""
    document: JSONObject
    if client == "vscode":
        prompts = [
            {"type": "promptString", "id": _input_id(name), "description": name, "password": True}
            for name in inputs
        ]
        document = {**({"inputs": prompts} if prompts else {}), "servers": {"airflow": server}}
    elif client == "zed":
        document = {"context_servers": {"airflow": server}}
    elif client == "opencode":
        document = {"$schema": "https://opencode.ai/config.json", "mcp": {"airflow": server}}
    else:
        document = {"mcpServers": {"airflow": server}}
    return json.dumps(document, indent=2) + "\n"


def _dump_toml(server: JSONObject) -> str:
    lines = [f"{key} = {json.dumps(value)}" for key, value in server.items()]
    return "\n".join(["[mcp_servers.airflow]", *lines]) + "\n"


def _dump_goose(server: JSONObject) -> str:
    """Return YAML. Its values are written as JSON, which YAML takes."""
    extension: dict[str, JSON] = {"enabled": True, "name": "airflow", "timeout": 300, **server}
    lines = [f"    {key}: {json.dumps(value)}" for key, value in extension.items()]
    return "\n".join(["extensions:", "  airflow:", *lines]) + "\n"
