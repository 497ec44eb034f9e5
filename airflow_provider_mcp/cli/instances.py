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
"""The Airflows that a command is about, by its arguments and the environment."""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_mcp.cli.arguments import ENV_PASSWORD, ENV_TOKEN, ENV_URL, ENV_USERNAME, Misuse

if TYPE_CHECKING:
    from airflow_provider_mcp.remote.instance import Instance
    from airflow_provider_mcp.remote.target import Target
    from airflow_provider_mcp.server.policy import Policy


def _build_url_target(arguments: argparse.Namespace) -> Target:
    from airflow_provider_mcp.remote.http import build_client_options
    from airflow_provider_mcp.remote.target import build_target

    url = arguments.url or os.environ.get(ENV_URL, "")
    try:
        command = tuple(shlex.split(arguments.token_command or ""))
    except ValueError as malformed:
        raise Misuse(f"--token-command cannot be read as a command: {malformed}") from None
    try:
        target = build_target(
            "airflow",
            host=url,
            login=os.environ.get(ENV_USERNAME),
            password=os.environ.get(ENV_PASSWORD),
            extra={
                "token": os.environ.get(ENV_TOKEN),
                "ca_bundle": arguments.ca_bundle,
                "insecure": arguments.insecure,
                "timeout": arguments.timeout,
            },
        )
        build_client_options(target)
    except ValueError as unusable:
        raise Misuse(str(unusable)) from None
    return replace(target, token_command=command)


def _narrow(policy: Policy, arguments: argparse.Namespace) -> Policy:
    """Return a policy as the arguments narrow it.

    :raises Misuse: They are malformed, or name what there is not: a misspelt tool would stay on offer.
    """
    from airflow_provider_mcp.server.policy import Policy

    options = {
        "read_only": arguments.read_only,
        "toolsets": arguments.toolsets,
        "disabled_tools": arguments.disabled_tools,
        "confirm": arguments.confirm,
    }
    try:
        by_arguments = Policy().narrowed(options)
        narrowed = policy.narrowed(options)
    except ValueError as malformed:
        raise Misuse(str(malformed)) from None
    unknown = describe_unknown_names(by_arguments)
    if unknown:
        raise Misuse(f"{'; '.join(unknown)}; `airflow-mcp tools` lists all there are")
    return narrowed


def build_instances(arguments: argparse.Namespace, *, narrow: bool) -> list[Instance]:
    """Return what to serve or to check.

    Airflow, which is asked for connections alone, may log to the standard output: it is kept from there.
    """
    from airflow_provider_mcp.remote.client import Remote
    from airflow_provider_mcp.remote.instance import Instance
    from airflow_provider_mcp.server.policy import Policy
    from airflow_provider_mcp.server.policy_source import PolicySource

    url = arguments.url or os.environ.get(ENV_URL)
    if arguments.conn_id and arguments.url:
        raise Misuse("give either --conn-id or --url")
    if not arguments.conn_id:
        if not url:
            raise Misuse(f"say which Airflow: --conn-id ID, or --url URL, or {ENV_URL} in the environment")
        policy = Policy(confirm=arguments.confirm or "destructive") if narrow else Policy()
        target = _build_url_target(arguments)
        policy = _narrow(policy, arguments) if narrow else policy
        return [Instance(Remote(target), PolicySource(lambda _: None, policy))]
    with contextlib.redirect_stdout(sys.stderr):
        conn_ids = dict.fromkeys(arguments.conn_id)
        return [
            _build_instance(conn_id, frozenset(conn_ids), arguments if narrow else None)
            for conn_id in conn_ids
        ]


def _build_instance(conn_id: str, conn_ids: frozenset[str], narrow_by: argparse.Namespace | None) -> Instance:
    """Return the instance that a connection leads to.

    :param conn_ids: All connections that say what may be done, which no tool may change.
    :param narrow_by: The arguments that narrow the policy, if they do.
    """
    from airflow_provider_mcp.hosts.connections import find_connection, parse_extra
    from airflow_provider_mcp.hosts.options import read_options
    from airflow_provider_mcp.remote.client import Remote
    from airflow_provider_mcp.remote.http import build_client_options
    from airflow_provider_mcp.remote.instance import Instance
    from airflow_provider_mcp.remote.target import build_target
    from airflow_provider_mcp.server.policy_source import ConnectionUnreadable, PolicySource

    try:
        connection = find_connection(conn_id)
    except ConnectionUnreadable as unreadable:
        raise Misuse(f"{unreadable}; is Airflow configured here? Else use --url") from None
    except ImportError:
        raise Misuse("--conn-id needs an Airflow that is installed here; else use --url") from None
    if connection is None:
        raise Misuse(f"there is no connection {conn_id}")
    try:
        extra = parse_extra(connection)
        target = build_target(
            conn_id,
            host=connection.host,
            port=connection.port,
            schema=connection.schema,
            login=connection.login,
            password=connection.password,
            extra=extra,
        )
        build_client_options(target)
        read_options().narrowed(extra)
    except ValueError as malformed:
        raise Misuse(f"the connection {conn_id} cannot be used: {malformed}") from None
    options = replace(read_options(), conn_id=conn_id)
    if narrow_by is not None:
        options = _narrow(options, narrow_by)
    return Instance(
        Remote(target, policy_conn_ids=conn_ids),
        PolicySource(_read_served_extra, options, describe_unknown_names),
    )


def _read_served_extra(conn_id: str) -> Mapping[str, Any]:
    """Return the extra of a connection that is being served; if it is gone, what it last said stands."""
    from airflow_provider_mcp.hosts.connections import read_extra
    from airflow_provider_mcp.server.policy_source import ConnectionUnreadable

    extra = read_extra(conn_id)
    if extra is None:
        raise ConnectionUnreadable(f"there is no longer a connection {conn_id}")
    return extra


def describe_unknown_names(policy: Policy) -> list[str]:
    """Return a sentence for each toolset or tool that a policy names and that no Airflow has here."""
    from airflow_provider_mcp.remote.gateway import UNSEEN
    from airflow_provider_mcp.server.catalogue import load_catalogue

    return load_catalogue(UNSEEN).describe_unknown(policy)


def installed_airflow() -> str | None:
    """Return the version of Airflow beside this package, without importing it."""
    from importlib.metadata import PackageNotFoundError, version

    for distribution in ("apache-airflow-core", "apache-airflow"):
        with contextlib.suppress(PackageNotFoundError):
            return version(distribution)
    return None
