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
"""``airflow-mcp config``: a ready configuration of an MCP client."""

from __future__ import annotations

import argparse
import os
import shutil
import sys

from airflow_provider_mcp.cli.arguments import (
    ENV_PASSWORD,
    ENV_TOKEN,
    ENV_URL,
    ENV_USERNAME,
    OK,
    Misuse,
)
from airflow_provider_mcp.cli.output import remark
from airflow_provider_mcp.web import client_configs

COMMAND = "airflow-mcp"


def config(arguments: argparse.Namespace) -> int:
    """Print a client's configuration; what else is to be done goes to the standard error."""
    url = _find_url(arguments)
    by_stdio = arguments.via == "stdio" or (
        arguments.via is None and (arguments.conn_id or arguments.client == "claude-desktop")
    )
    text = _stdio_text(arguments, url) if by_stdio else _http_text(arguments, url)
    sys.stdout.write(text)
    remark(f"Put this into {client_configs.find_place(arguments.client)}.")
    if arguments.client == "claude-desktop" and arguments.via is None:
        remark("Claude Desktop takes a token for local servers only, so it starts airflow-mcp itself.")
    if by_stdio:
        found = shutil.which(COMMAND)
        place = f"; here it is {found}" if found else ""
        remark(f"The client must find {COMMAND} on its own PATH{place}: else write the whole path.")
    _remark_on_credential(arguments, text, by_stdio=by_stdio)
    return OK


def _find_url(arguments: argparse.Namespace) -> str:
    """Return the root of the Airflow that is meant; empty for a connection."""
    from airflow_provider_mcp.remote.target import build_target

    url = arguments.url or os.environ.get(ENV_URL, "")
    if not url and not arguments.conn_id:
        raise Misuse("say which Airflow: --url URL, or --conn-id ID")
    if arguments.url and arguments.conn_id:
        raise Misuse("give either --conn-id or --url")
    if not url:
        return ""
    try:
        return build_target("--url", host=url).url
    except ValueError as unusable:
        raise Misuse(str(unusable)) from None


def _stdio_text(arguments: argparse.Namespace, url: str) -> str:
    words = ["serve"]
    for conn_id in arguments.conn_id or ():
        words += ["--conn-id", conn_id]
    passed = []
    if not arguments.conn_id:
        words += ["--url", url]
        if arguments.token_command:
            words += ["--token-command", arguments.token_command]
        else:
            passed = [ENV_TOKEN]
    return client_configs.stdio_configuration(arguments.client, COMMAND, words, passed)


def _http_text(arguments: argparse.Namespace, url: str) -> str:
    if not url:
        raise Misuse("give --url of the Airflow whose endpoint is to be used")
    if arguments.token_command:
        raise Misuse("a client runs no token command by itself: use --via stdio, where airflow-mcp runs it")
    try:
        return client_configs.http_configuration(arguments.client, f"{url}/mcp/v1")
    except ValueError as impossible:
        raise Misuse(str(impossible)) from None


def _remark_on_credential(arguments: argparse.Namespace, text: str, *, by_stdio: bool) -> None:
    """Say where the credential goes, which no configuration that is printed holds."""
    if arguments.conn_id or arguments.token_command:
        return
    if f"<{ENV_TOKEN}>" in text:
        remark(f"Put the token in the place of <{ENV_TOKEN}>, without 'Bearer ' before it.")
    elif arguments.client == "vscode":
        remark("VS Code asks for the token, and keeps it.")
    elif arguments.client == "goose":
        remark(f"Goose asks for {ENV_TOKEN}, and keeps it.")
    else:
        remark(
            f"The token is looked for in the environment variable {ENV_TOKEN}, without 'Bearer ' before it."
        )
    if by_stdio:
        remark(
            "With a username and a password (also Airflow 2's basic authentication), put "
            f"{ENV_USERNAME} and {ENV_PASSWORD} in the place of {ENV_TOKEN}."
        )
    elif arguments.client == "codex":
        remark(
            "With Airflow 2's basic authentication, write "
            f'env_http_headers = {{ Authorization = "{client_configs.HEADER_VARIABLE}" }} in the place of '
            "bearer_token_env_var; that variable then holds the word Basic, and the base64 of "
            "username:password."
        )
    else:
        remark(
            "With Airflow 2's basic authentication, write Basic in the place of Bearer, and as the token the "
            "base64 of username:password."
        )
