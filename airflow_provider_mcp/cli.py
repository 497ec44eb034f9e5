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
import contextlib
import json
import logging
import os
import re
import shlex
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from airflow_provider_mcp import client_configs

if TYPE_CHECKING:
    from airflow_provider_mcp.hosts.remote import Target
    from airflow_provider_mcp.hosts.standalone import Instance
    from airflow_provider_mcp.policy import Policy

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


def _say(text: str = "") -> None:
    print(text)  # noqa: T201


def _log_to_standard_error(level: int) -> None:
    logging.basicConfig(stream=sys.stderr, level=level, format="%(levelname)s %(name)s: %(message)s")
    # Airflow, once it is imported, logs at its own level: each request would be a line.
    logging.getLogger("httpx").setLevel(logging.WARNING)


def _remark(text: str) -> None:
    print(text, file=sys.stderr)  # noqa: T201


# ---- where and what ----------------------------------------------------------------------------------


def _target_from_arguments(given: Any) -> Target:
    from airflow_provider_mcp.hosts.remote import options_of, target_of

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
    from airflow_provider_mcp.hosts.remote import Remote
    from airflow_provider_mcp.hosts.standalone import Instance
    from airflow_provider_mcp.policy import Policy, PolicySource

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
    from airflow_provider_mcp.errors import ConnectionUnreadable
    from airflow_provider_mcp.hosts.connections import extra_of, find_connection
    from airflow_provider_mcp.hosts.remote import Remote, options_of, target_of
    from airflow_provider_mcp.hosts.standalone import Instance
    from airflow_provider_mcp.policy import PolicySource, read_options

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
    from airflow_provider_mcp.errors import ConnectionUnreadable
    from airflow_provider_mcp.hosts.connections import read_extra

    extra = read_extra(conn_id)
    if extra is None:
        raise ConnectionUnreadable(f"there is no longer a connection {conn_id}")
    return extra


# ---- serve -------------------------------------------------------------------------------------------


def serve(given: Any) -> int:
    """Serve MCP until the client, or the user, ends it."""
    from functools import partial

    import anyio

    if given.transport == "http":
        bearer = _bearer_token(given)
    standard_output = sys.stdout
    if given.transport == "stdio":
        # It carries nothing but the protocol, whatever Airflow's logging is told.
        sys.stdout = sys.stderr
    _log_to_standard_error(logging.WARNING)
    from airflow_provider_mcp.hosts.standalone import Fleet, serve_http, serve_stdio

    instances = _instances(given, narrow=True)
    fleet = Fleet(instances)
    if given.transport == "stdio":
        anyio.run(serve_stdio, fleet, standard_output)
        return OK
    _remark(f"Serving {', '.join(fleet.instances)} at http://{given.host}:{given.port}/mcp/v1")
    origins = frozenset(given.allowed_origin or ())
    anyio.run(partial(serve_http, fleet, given.host, given.port, bearer, origins))
    return OK


def _bearer_token(given: Any) -> str | None:
    """Return what a request must carry.

    :raises Misuse: Others could reach the server, and nothing would keep them out.
    """
    from airflow_provider_mcp.hosts.remote import is_loopback

    token = ""
    if given.bearer_token_env:
        token = os.environ.get(given.bearer_token_env, "")
        if not token:
            raise Misuse(f"the environment variable {given.bearer_token_env} is empty")
    elif given.bearer_token_file:
        try:
            with open(given.bearer_token_file, encoding="utf-8") as file:
                token = file.read().strip()
        except OSError as unreadable:
            raise Misuse(f"the bearer token file cannot be read: {unreadable.strerror}") from None
        if not token:
            raise Misuse("the bearer token file is empty")
    if not token and not is_loopback(given.host):
        raise Misuse(
            f"{given.host} can be reached from other machines, and whoever reaches it acts with this "
            "server's credential: give --bearer-token-env or --bearer-token-file, or bind to 127.0.0.1"
        )
    return token or None


# ---- check -------------------------------------------------------------------------------------------


def check(given: Any) -> int:
    """Say what works and what does not; return whether all does."""
    import anyio

    _log_to_standard_error(logging.ERROR)
    if not given.conn_id and not given.url and not os.environ.get(ENV_URL):
        return _check_here()
    faults = 0
    for instance in _instances(given, narrow=False):
        faults += anyio.run(_check_instance, instance)
    return FAULTY if faults else OK


class _Findings:
    def __init__(self) -> None:
        self.faults = 0

    def good(self, text: str) -> None:
        _say(f"  ok    {text}")

    def bad(self, text: str, mend: str = "") -> None:
        self.faults += 1
        _say(f"  FAIL  {text}")
        if mend:
            _say(f"        {mend}")

    def note(self, text: str) -> None:
        _say(f"  note  {text}")


def _say_tools(findings: _Findings, version: str, policy: Policy) -> None:
    from collections import Counter

    from airflow_provider_mcp.plugins import load_catalogue

    catalogue = load_catalogue(version)
    offered = Counter(tool.access for tool in catalogue.tools.values() if policy.offers(tool))
    counts = ", ".join(f"{offered[access]} {access}" for access in ("read", "write", "destructive"))
    findings.good(f"{sum(offered.values())} tools are offered: {counts}")
    for problem in catalogue.problems:
        findings.bad(f"plugin {problem.owner}: {problem.message}", "Mend or uninstall that package.")


def _check_here() -> int:
    """Check the installation beside this command, without asking any server."""
    from airflow_provider_mcp.hosts.connections import read_extra
    from airflow_provider_mcp.policy import PolicySource

    findings = _Findings()
    version = installed_airflow()
    _say("This installation")
    if version is None:
        findings.bad("Airflow is not installed here", "Check an Airflow elsewhere with --url.")
        return FAULTY
    findings.good(f"Airflow {version} is installed")
    try:
        with contextlib.redirect_stdout(sys.stderr):
            policy = PolicySource(read_extra).current()
    except ValueError as malformed:
        findings.bad(f"[mcp] is malformed: {malformed}", "Mend it in airflow.cfg or in the environment.")
        return FAULTY
    if policy.problem:
        findings.bad(policy.problem, f"Mend the connection {policy.conn_id} or delete it.")
    if policy.enabled:
        findings.good("the endpoint is enabled: <base_url>/mcp/v1")
    else:
        findings.note("the endpoint is off: [mcp] enabled is False")
    _say_tools(findings, version, policy)
    findings.note("no server was asked: use --url or --conn-id for that")
    return FAULTY if findings.faults else OK


async def _check_instance(instance: Instance) -> int:
    import httpx

    from airflow_provider_mcp.errors import ToolError
    from airflow_provider_mcp.hosts.remote import NO_CREDENTIAL, is_loopback

    findings, remote = _Findings(), instance.remote
    target = remote.target
    _say(f"{target.name}: {target.url}")
    try:
        version = await remote.version()
        findings.good(f"Airflow {version} answers")
        url = httpx.URL(target.url)
        if url.scheme == "http" and target.way != NO_CREDENTIAL and not is_loopback(url.host):
            findings.note("credentials travel unencrypted: use https")
        async with remote.open_airflow("read") as airflow:
            await airflow.get("dags", params={"limit": 1})
            findings.good(f"{target.way} is accepted: you are {remote.caller.name}")
            health = (await airflow.get("monitor/health")).json()
    except ToolError as failure:
        findings.bad(failure.message, failure.hint)
        if failure.identifiers.get("status") == 403 and (remote.known_version or "").startswith("2."):
            findings.note(
                "Airflow 2 takes a wrong or missing credential for its public role: check username and "
                "password first, and that basic_auth is among its [api] auth_backends"
            )
    else:
        for part in ("metadatabase", "scheduler"):
            status = (health.get(part) or {}).get("status")
            if status == "healthy":
                findings.good(f"the {part} is healthy")
            else:
                findings.bad(f"the {part} is {status or 'not reported'}", "Look at its log on that Airflow.")
        _say_tools(findings, version, await instance.policy())
    await remote.aclose()
    return findings.faults


# ---- tools and config --------------------------------------------------------------------------------


def installed_airflow() -> str | None:
    """Return the version of Airflow beside this package, without importing it."""
    from importlib.metadata import PackageNotFoundError, version

    for distribution in ("apache-airflow-core", "apache-airflow"):
        with contextlib.suppress(PackageNotFoundError):
            return version(distribution)
    return None


def tools(given: Any) -> int:
    """List the tools."""
    from airflow_provider_mcp.plugins import load_catalogue

    version = given.airflow_version or installed_airflow()
    if version is None:
        raise Misuse("Airflow is not installed here: give --airflow-version")
    if not re.match(r"\d+\.\d+", version):
        raise Misuse(f"{version} is no version of Airflow; one is 2.11 or 3.3.2, for example")
    catalogue = load_catalogue(version)
    rows = [
        {"name": tool.name, "access": tool.access, "toolset": tool.toolset, "owner": tool.owner}
        for tool in catalogue.tools.values()
    ]
    if given.json:
        _say(json.dumps(rows, indent=2))
    else:
        heads = ("name", "access", "toolset", "owner")
        widths = [
            max(len(row[head]) for row in [dict(zip(heads, heads, strict=True)), *rows]) for head in heads
        ]
        for row in [dict(zip(heads, map(str.upper, heads), strict=True)), *rows]:
            cells = (row[head].ljust(width) for head, width in zip(heads, widths, strict=True))
            _say("  ".join(cells).rstrip())
    for problem in catalogue.problems:
        _remark(f"{problem.owner}: {problem.message}")
    return FAULTY if catalogue.problems else OK


def config(given: Any) -> int:
    """Print a client's configuration."""
    from airflow_provider_mcp.hosts.remote import target_of

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


if __name__ == "__main__":
    sys.exit(main())
