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

from airflow_provider_mcp.cli import client_configs
from airflow_provider_mcp.cli.arguments import (
    ENV_PASSWORD,
    ENV_TOKEN,
    ENV_URL,
    ENV_USERNAME,
    OK,
    Misuse,
)
from airflow_provider_mcp.cli.output import remark


def config(arguments: argparse.Namespace) -> int:
    """Print a client's configuration."""
    from airflow_provider_mcp.remote.target import build_target

    url = arguments.url or os.environ.get(ENV_URL, "")
    if not url and not arguments.conn_id:
        raise Misuse("say which Airflow: --url URL, or --conn-id ID")
    if arguments.url and arguments.conn_id:
        raise Misuse("give either --conn-id or --url")
    if url:
        try:
            url = build_target("--url", host=url).url
        except ValueError as unusable:
            raise Misuse(str(unusable)) from None
    by_stdio = arguments.via == "stdio" or (
        arguments.via is None and (arguments.conn_id or arguments.client == "claude-desktop")
    )
    if by_stdio:
        command = shutil.which("airflow-mcp") or "airflow-mcp"
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
        text = client_configs.stdio_configuration(arguments.client, command, words, passed)
    else:
        if not url:
            raise Misuse("give --url of the Airflow whose endpoint is to be used")
        try:
            text = client_configs.http_configuration(arguments.client, f"{url}/mcp/v1")
        except ValueError as impossible:
            raise Misuse(str(impossible)) from None
    sys.stdout.write(text)
    remark(f"Put this into {client_configs.find_place(arguments.client)}.")
    if f"<{ENV_TOKEN}>" in text:
        remark(f"Put the token in the place of <{ENV_TOKEN}>.")
    elif ENV_TOKEN in text and arguments.client != "vscode":
        remark(f"The token is looked for in the environment variable {ENV_TOKEN}.")
    if not arguments.conn_id and not arguments.token_command:
        remark(
            "An Airflow 2 that takes passwords, not tokens, is reached by --via stdio: put "
            f"{ENV_USERNAME} and {ENV_PASSWORD} in the place of {ENV_TOKEN}."
        )
    return OK
