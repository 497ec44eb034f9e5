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

import sys
from typing import Any


def get_mcp_cli_commands() -> list[Any]:
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
                    func=_runner(command.run),
                    args=tuple(Arg(option.flags, **option.settings) for option in command.options),
                )
                for command in COMMANDS
            ),
        )
    ]


def _runner(run: Any) -> Any:
    def command(given: Any) -> None:
        from airflow_provider_mcp.cli.commands import carry_out

        sys.exit(carry_out(run, given))

    return command
