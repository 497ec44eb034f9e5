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
"""The commands' arguments, and those that several of them take."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from airflow_provider_mcp.web import client_configs

OK, FAULTY, MISUSED = 0, 1, 2
"""Exit statuses: all is well; something does not work; the command cannot be carried out as given."""

ENV_URL = "AIRFLOW_MCP_URL"

ENV_TOKEN = client_configs.TOKEN_VARIABLE

ENV_USERNAME = "AIRFLOW_MCP_USERNAME"

ENV_PASSWORD = "AIRFLOW_MCP_PASSWORD"  # noqa: S105


class Misuse(Exception):  # noqa: N818
    """The command cannot be carried out as given."""


@dataclass(frozen=True)
class Option:
    """One option, for ``argparse`` and for Airflow's own command line alike."""

    flags: tuple[str, ...]
    settings: dict[str, Any]


@dataclass(frozen=True)
class Command:
    """One command and the function that carries it out and returns the exit status."""

    name: str
    help: str
    run: Callable[[argparse.Namespace], int]
    options: tuple[Option, ...]


def option(*flags: str, **settings: Any) -> Option:
    """Return an option, written as ``add_argument`` of ``argparse`` is called."""
    return Option(flags, settings)


CONN_ID = option(
    "--conn-id",
    action="append",
    default=None,
    metavar="ID",
    help="an airflow_mcp connection of this Airflow; repeat it for more than one instance",
)

TARGET = (
    CONN_ID,
    option(
        "--url",
        default=None,
        help=f"the address of an Airflow (or {ENV_URL}); credentials: --token-command, or {ENV_TOKEN}, or "
        f"{ENV_USERNAME} and {ENV_PASSWORD} in the environment",
    ),
    option("--token-command", default=None, metavar="COMMAND", help="a command that prints a bearer token"),
    option("--ca-bundle", default=None, metavar="FILE", help="a PEM file to verify the certificate with"),
    option("--insecure", action="store_true", default=False, help="accept any certificate; for tests only"),
    option("--timeout", type=float, default=30.0, metavar="SECONDS", help="how long to wait for one answer"),
)

POLICY = (
    option("--read-only", action="store_true", default=False, help="offer only tools that read"),
    option("--toolsets", default=None, help="comma-separated toolsets to offer"),
    option("--disabled-tools", default=None, help="comma-separated tools to leave out"),
    option("--confirm", choices=("none", "destructive", "write"), default=None, help="what to confirm"),
)
