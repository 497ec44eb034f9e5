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
"""The command ``airflow-mcp`` and its subcommands."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

from airflow_provider_mcp.cli.arguments import (
    CONN_ID,
    MISUSED,
    OK,
    POLICY,
    TARGET,
    Command,
    Misuse,
    option,
)
from airflow_provider_mcp.cli.check import check
from airflow_provider_mcp.cli.config import config
from airflow_provider_mcp.cli.logins import MOST_DAYS, grants, revoke, token
from airflow_provider_mcp.cli.new_provider import new_provider
from airflow_provider_mcp.cli.output import remark
from airflow_provider_mcp.cli.parser import Parser
from airflow_provider_mcp.cli.serve import serve
from airflow_provider_mcp.cli.tools import tools
from airflow_provider_mcp.web import client_configs


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of ``airflow-mcp``."""
    from airflow_provider_mcp import __version__

    parser = Parser("airflow-mcp", description="Airflow's MCP server.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True)
    for command in COMMANDS:
        sub = commands.add_parser(command.name, help=command.help, description=command.help)
        for each in command.options:
            sub.add_argument(*each.flags, **each.settings)
        sub.set_defaults(run=command.run)
    return parser


def main(words: Sequence[str] | None = None) -> int:
    """Run ``airflow-mcp``; return the exit status."""
    arguments = build_parser().parse_args(words)
    run: Callable[[argparse.Namespace], int] = arguments.run
    return run_command(run, arguments)


def run_command(run: Callable[[argparse.Namespace], int], arguments: argparse.Namespace) -> int:
    """Run one command; return the exit status."""
    try:
        return run(arguments)
    except Misuse as misuse:
        remark(f"airflow-mcp: {misuse}")
        return MISUSED
    except KeyboardInterrupt:
        return OK


COMMANDS = (
    Command(
        "serve",
        "serve the tools of an Airflow elsewhere, on this process's standard input and output or on HTTP",
        serve,
        (
            *TARGET,
            *POLICY,
            option("--transport", choices=("stdio", "http"), default="stdio", help="how clients connect"),
            option("--host", default="127.0.0.1", help="http: the address to bind to"),
            option("--port", type=int, default=8765, help="http: the port"),
            option(
                "--bearer-token-env",
                default=None,
                metavar="NAME",
                help="http: the variable that holds the token which requests must carry",
            ),
            option("--bearer-token-file", default=None, metavar="FILE", help="http: the same in a file"),
            option(
                "--allowed-origin",
                action="append",
                default=None,
                metavar="ORIGIN",
                help="http: a browser page's origin that may call",
            ),
        ),
    ),
    Command(
        "check",
        "say what works and what does not, and how to mend it",
        check,
        (
            *TARGET,
            option(
                "--lock",
                default=None,
                metavar="FILE",
                help="compare the definitions of the tools that are installed here with FILE, or write it",
            ),
            option("--json", action="store_true", default=False, help="as JSON"),
        ),
    ),
    Command(
        "tools",
        "list the tools with access level and owner",
        tools,
        (
            option("--airflow-version", default=None, metavar="VERSION", help="as for that Airflow"),
            option("--json", action="store_true", default=False, help="as JSON"),
        ),
    ),
    Command(
        "grants",
        "list what people allow clients that logged in by OAuth, and the tokens of machines",
        grants,
        (option("--json", action="store_true", default=False, help="as JSON"),),
    ),
    Command(
        "revoke",
        "end logins and tokens, at once",
        revoke,
        (
            option("--grant", default=None, metavar="ID", help="this one"),
            option("--user", default=None, metavar="NAME", help="all of a user"),
            option("--client", default=None, metavar="NAME", help="all of a client"),
            option("--all", action="store_true", default=False, help="all"),
        ),
    ),
    Command(
        "token",
        "print a token that lasts, for a machine that cannot open a browser",
        token,
        (
            option("--user", dest="for_user", required=True, metavar="NAME", help="for whom it acts"),
            option("--scope", choices=("read", "write"), default="read", help="what it may do"),
            option("--days", type=int, default=30, help=f"how long it lasts, at most {MOST_DAYS}"),
            option("--note", default="machine", metavar="TEXT", help="what it is for"),
        ),
    ),
    Command(
        "new-provider",
        "write a small tested package that adds tools",
        new_provider,
        (
            option("name", help="its name, for example acme-reliability"),
            option("--directory", default=None, metavar="FOLDER", help="where to put it"),
        ),
    ),
    Command(
        "config",
        "print a ready configuration of an MCP client",
        config,
        (
            option("--client", choices=client_configs.CLIENTS, required=True, help="which client"),
            option("--url", default=None, help="the address of the Airflow"),
            CONN_ID,
            option("--token-command", default=None, metavar="COMMAND", help="a command that prints a token"),
            option(
                "--via",
                choices=("http", "stdio"),
                default=None,
                help="the endpoint inside Airflow, or `airflow-mcp serve` beside it",
            ),
        ),
    ),
)
