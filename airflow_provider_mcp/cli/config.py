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

import os
import shutil
import sys
from typing import Any

from airflow_provider_mcp.cli import client_configs
from airflow_provider_mcp.cli.arguments import (
    ENV_PASSWORD,
    ENV_TOKEN,
    ENV_URL,
    ENV_USERNAME,
    OK,
    Misuse,
    _remark,
)


def config(given: Any) -> int:
    """Print a client's configuration."""
    from airflow_provider_mcp.remote.target import target_of

    url = given.url or os.environ.get(ENV_URL, "")
    if not url and not given.conn_id:
        raise Misuse("say which Airflow: --url URL, or --conn-id ID")
    if given.url and given.conn_id:
        raise Misuse("give either --conn-id or --url")
    if url:
        try:
            url = target_of("--url", host=url).url
        except ValueError as unusable:
            raise Misuse(str(unusable)) from None
    by_stdio = given.via == "stdio" or (
        given.via is None and (given.conn_id or given.client == "claude-desktop")
    )
    if by_stdio:
        command = shutil.which("airflow-mcp") or "airflow-mcp"
        arguments = ["serve"]
        for conn_id in given.conn_id or ():
            arguments += ["--conn-id", conn_id]
        passed = []
        if not given.conn_id:
            arguments += ["--url", url]
            if given.token_command:
                arguments += ["--token-command", given.token_command]
            else:
                passed = [ENV_TOKEN]
        text = client_configs.stdio_configuration(given.client, command, arguments, passed)
    else:
        if not url:
            raise Misuse("give --url of the Airflow whose endpoint is to be used")
        try:
            text = client_configs.http_configuration(given.client, f"{url}/mcp/v1")
        except ValueError as impossible:
            raise Misuse(str(impossible)) from None
    sys.stdout.write(text)
    _remark(f"Put this into {client_configs.place_of(given.client)}.")
    if f"<{ENV_TOKEN}>" in text:
        _remark(f"Put the token in the place of <{ENV_TOKEN}>.")
    elif ENV_TOKEN in text and given.client != "vscode":
        _remark(f"The token is looked for in the environment variable {ENV_TOKEN}.")
    if not given.conn_id and not given.token_command:
        _remark(
            "An Airflow 2 that takes passwords, not tokens, is reached by --via stdio: put "
            f"{ENV_USERNAME} and {ENV_PASSWORD} in the place of {ENV_TOKEN}."
        )
    return OK
