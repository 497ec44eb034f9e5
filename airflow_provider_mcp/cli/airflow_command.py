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
"""``airflow mcp``: the same commands, on versions of Airflow that take commands of providers."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow.cli.cli_config import CLICommand

    from airflow_provider_mcp.cli.arguments import Command


def get_mcp_cli_commands() -> list[CLICommand]:
    """Return the ``mcp`` group. Every ``airflow`` command calls this, so nothing heavy is imported."""
    from airflow.cli.cli_config import ActionCommand, Arg, GroupCommand

    from airflow_provider_mcp.cli.commands import COMMANDS

    return [
        GroupCommand(
            name="mcp",
            help="Serve Airflow by the Model Context Protocol",
            subcommands=tuple(
                ActionCommand(
                    name=command.name,
                    help=command.help,
                    func=_build_function(command),
                    args=tuple(Arg(option.flags, **option.settings) for option in command.options),
                )
                for command in COMMANDS
            ),
        )
    ]


def _build_function(command: Command) -> Callable[[argparse.Namespace], None]:
    def run(arguments: argparse.Namespace) -> None:
        from airflow_provider_mcp.cli.commands import run_command
        from airflow_provider_mcp.cli.parser import refuse_abbreviations

        def run_as_written(arguments: argparse.Namespace) -> int:
            if sys.argv[1:3] == ["mcp", command.name]:
                refuse_abbreviations(sys.argv[3:], command)
            return command.run(arguments)

        sys.exit(run_command(run_as_written, arguments))

    return run
