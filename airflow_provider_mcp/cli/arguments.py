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
"""The arguments that several commands take, and what they stand for."""

from __future__ import annotations

import contextlib
import logging
import os
import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from airflow_provider_mcp.cli import client_configs

if TYPE_CHECKING:
    from airflow_provider_mcp.remote.gateway import Instance
    from airflow_provider_mcp.remote.target import Target
    from airflow_provider_mcp.server.policy import Policy


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
    run: Callable[[Any], int]
    options: tuple[Option, ...]


def _option(*flags: str, **settings: Any) -> Option:
    return Option(flags, settings)


_CONN_ID = _option(
    "--conn-id",
    action="append",
    default=None,
    metavar="ID",
    help="an airflow_mcp connection of this Airflow; repeat it for more than one instance",
)

_TARGET = (
    _CONN_ID,
    _option(
        "--url",
        default=None,
        help=f"the address of an Airflow (or {ENV_URL}); credentials: --token-command, or {ENV_TOKEN}, or "
        f"{ENV_USERNAME} and {ENV_PASSWORD} in the environment",
    ),
    _option("--token-command", default=None, metavar="COMMAND", help="a command that prints a bearer token"),
    _option("--ca-bundle", default=None, metavar="FILE", help="a PEM file to verify the certificate with"),
    _option("--insecure", action="store_true", default=False, help="accept any certificate; for tests only"),
    _option("--timeout", type=float, default=30.0, metavar="SECONDS", help="how long to wait for one answer"),
)

_POLICY = (
    _option("--read-only", action="store_true", default=False, help="offer only tools that read"),
    _option("--toolsets", default=None, help="comma-separated toolsets to offer"),
    _option("--disabled-tools", default=None, help="comma-separated tools to leave out"),
    _option("--confirm", choices=("none", "destructive", "write"), default=None, help="what to confirm"),
)


def _say(text: str = "") -> None:
    print(text)  # noqa: T201


def _log_to_standard_error(level: int) -> None:
    logging.basicConfig(stream=sys.stderr, level=level, format="%(levelname)s %(name)s: %(message)s")
    # Airflow, once it is imported, logs at its own level: each request would be a line.
    logging.getLogger("httpx").setLevel(logging.WARNING)


def _remark(text: str) -> None:
    print(text, file=sys.stderr)  # noqa: T201


def _target_from_arguments(given: Any) -> Target:
    from airflow_provider_mcp.remote.client import options_of
    from airflow_provider_mcp.remote.target import target_of

    url = given.url or os.environ.get(ENV_URL, "")
    try:
        command = tuple(shlex.split(given.token_command or ""))
    except ValueError as malformed:
        raise Misuse(f"--token-command cannot be read as a command: {malformed}") from None
    try:
        target = target_of(
            "airflow",
            host=url,
            login=os.environ.get(ENV_USERNAME),
            password=os.environ.get(ENV_PASSWORD),
            extra={
                "token": os.environ.get(ENV_TOKEN),
                "ca_bundle": given.ca_bundle,
                "insecure": given.insecure,
                "timeout": given.timeout,
            },
        )
        options_of(target)
    except ValueError as unusable:
        raise Misuse(str(unusable)) from None
    return replace(target, token_command=command)


def _narrowed(policy: Policy, given: Any) -> Policy:
    options = {
        "read_only": given.read_only,
        "toolsets": given.toolsets,
        "disabled_tools": given.disabled_tools,
        "confirm": given.confirm,
    }
    try:
        return policy.narrowed(options)
    except ValueError as malformed:
        raise Misuse(str(malformed)) from None


def _instances(given: Any, *, narrow: bool) -> list[Instance]:
    """Return what to serve or to check.

    Airflow, which is asked for connections alone, may log to the standard output: it is kept from there.
    """
    from airflow_provider_mcp.remote.client import Remote
    from airflow_provider_mcp.remote.gateway import Instance
    from airflow_provider_mcp.server.policy import Policy, PolicySource

    url = given.url or os.environ.get(ENV_URL)
    if given.conn_id and given.url:
        raise Misuse("give either --conn-id or --url")
    if not given.conn_id:
        if not url:
            raise Misuse(f"say which Airflow: --conn-id ID, or --url URL, or {ENV_URL} in the environment")
        policy = Policy(confirm=given.confirm or "destructive") if narrow else Policy()
        target = _target_from_arguments(given)
        policy = _narrowed(policy, given) if narrow else policy
        return [Instance(Remote(target), PolicySource(lambda _: None, policy))]
    with contextlib.redirect_stdout(sys.stderr):
        conn_ids = dict.fromkeys(given.conn_id)
        return [_instance_of(conn_id, frozenset(conn_ids), given if narrow else None) for conn_id in conn_ids]


def _instance_of(conn_id: str, served: frozenset[str], narrow_by: Any) -> Instance:
    """Return the instance that a connection leads to.

    :param served: All connections that say what may be done, which no tool may change.
    :param narrow_by: The arguments that narrow the policy, if they do.
    """
    from airflow_provider_mcp.hosts.connections import extra_of, find_connection
    from airflow_provider_mcp.remote.client import Remote, options_of
    from airflow_provider_mcp.remote.gateway import Instance
    from airflow_provider_mcp.remote.target import target_of
    from airflow_provider_mcp.server.policy import ConnectionUnreadable, PolicySource, read_options

    try:
        connection = find_connection(conn_id)
    except ConnectionUnreadable as unreadable:
        raise Misuse(f"{unreadable}; is Airflow configured here? Else use --url") from None
    except ImportError:
        raise Misuse("--conn-id needs an Airflow that is installed here; else use --url") from None
    if connection is None:
        raise Misuse(f"there is no connection {conn_id}")
    try:
        extra = extra_of(connection)
        target = target_of(
            conn_id,
            host=connection.host,
            port=connection.port,
            schema=connection.schema,
            login=connection.login,
            password=connection.password,
            extra=extra,
        )
        options_of(target)
        read_options().narrowed(extra)
    except ValueError as malformed:
        raise Misuse(f"the connection {conn_id} cannot be used: {malformed}") from None
    options = replace(read_options(), conn_id=conn_id)
    if narrow_by is not None:
        options = _narrowed(options, narrow_by)
    return Instance(Remote(target, policy_conn_ids=served), PolicySource(_read_extra_of_served, options))


def _read_extra_of_served(conn_id: str) -> Mapping[str, Any]:
    """Return the extra of a connection that is being served; if it is gone, what it last said stands."""
    from airflow_provider_mcp.hosts.connections import read_extra
    from airflow_provider_mcp.server.policy import ConnectionUnreadable

    extra = read_extra(conn_id)
    if extra is None:
        raise ConnectionUnreadable(f"there is no longer a connection {conn_id}")
    return extra


def installed_airflow() -> str | None:
    """Return the version of Airflow beside this package, without importing it."""
    from importlib.metadata import PackageNotFoundError, version

    for distribution in ("apache-airflow-core", "apache-airflow"):
        with contextlib.suppress(PackageNotFoundError):
            return version(distribution)
    return None
