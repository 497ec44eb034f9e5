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
"""The command ``airflow-mcp``: serve, check, tools, config."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Any

from airflow_provider_mcp.cli import client_configs
from airflow_provider_mcp.cli.arguments import (
    _CONN_ID,
    _POLICY,
    _TARGET,
    MISUSED,
    OK,
    Command,
    Misuse,
    _option,
)
from airflow_provider_mcp.cli.check import check
from airflow_provider_mcp.cli.config import config
from airflow_provider_mcp.cli.serve import serve
from airflow_provider_mcp.cli.tools import tools


def _build_parser() -> argparse.ArgumentParser:
    from airflow_provider_mcp import __version__

    parser = argparse.ArgumentParser("airflow-mcp", description="Airflow's MCP server.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True)
    for command in COMMANDS:
        sub = commands.add_parser(command.name, help=command.help, description=command.help)
        for option in command.options:
            sub.add_argument(*option.flags, **option.settings)
        sub.set_defaults(run=command.run)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``airflow-mcp``; return the exit status."""
    given = _build_parser().parse_args(arguments)
    return carry_out(given.run, given)


def carry_out(run: Callable[[Any], int], given: Any) -> int:
    """Run one command; return the exit status."""
    try:
        return run(given)
    except Misuse as misuse:
        print(f"airflow-mcp: {misuse}", file=sys.stderr)  # noqa: T201
        return MISUSED
    except KeyboardInterrupt:
        return OK


COMMANDS = (
    Command(
        "serve",
        "serve the tools of an Airflow elsewhere, on this process's standard input and output or on HTTP",
        serve,
        (
            *_TARGET,
            *_POLICY,
            _option("--transport", choices=("stdio", "http"), default="stdio", help="how clients connect"),
            _option("--host", default="127.0.0.1", help="http: the address to bind to"),
            _option("--port", type=int, default=8765, help="http: the port"),
            _option(
                "--bearer-token-env",
                default=None,
                metavar="NAME",
                help="http: the variable that holds the token which requests must carry",
            ),
            _option("--bearer-token-file", default=None, metavar="FILE", help="http: the same in a file"),
            _option(
                "--allowed-origin",
                action="append",
                default=None,
                metavar="ORIGIN",
                help="http: a browser page's origin that may call",
            ),
        ),
    ),
    Command("check", "say what works and what does not, and how to mend it", check, _TARGET),
    Command(
        "tools",
        "list the tools with access level and owner",
        tools,
        (
            _option("--airflow-version", default=None, metavar="VERSION", help="as for that Airflow"),
            _option("--json", action="store_true", default=False, help="as JSON"),
        ),
    ),
    Command(
        "config",
        "print a ready configuration of an MCP client",
        config,
        (
            _option("--client", choices=client_configs.CLIENTS, required=True, help="which client"),
            _option("--url", default=None, help="the address of the Airflow"),
            _CONN_ID,
            _option("--token-command", default=None, metavar="COMMAND", help="a command that prints a token"),
            _option(
                "--via",
                choices=("http", "stdio"),
                default=None,
                help="the endpoint inside Airflow, or `airflow-mcp serve` beside it",
            ),
        ),
    ),
)
