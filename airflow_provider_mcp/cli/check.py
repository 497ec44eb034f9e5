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
"""``airflow-mcp check``: what works and what does not, and how to mend it."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import sys
from typing import TYPE_CHECKING

from airflow_provider_mcp.cli.arguments import ENV_URL, FAULTY, OK
from airflow_provider_mcp.cli.instances import build_instances, describe_unknown_names, installed_airflow
from airflow_provider_mcp.cli.output import log_to_standard_error, show_progress
from airflow_provider_mcp.cli.report import Report, print_reports

if TYPE_CHECKING:
    from airflow_provider_mcp.remote.client import Remote
    from airflow_provider_mcp.remote.instance import Instance
    from airflow_provider_mcp.server.policy import Policy

BACKENDS_WITHOUT_HEADER = frozenset({"session", "deny_all"})
"""The last parts of the names of Airflow 2's API backends that take no credential from a header."""


def check(arguments: argparse.Namespace) -> int:
    """Say what works and what does not; return whether all does."""
    import anyio

    from airflow_provider_mcp.cli.lock import check_lock

    log_to_standard_error(logging.ERROR)
    if not arguments.conn_id and not arguments.url and not os.environ.get(ENV_URL):
        reports = [_check_here()]
    else:
        reports = []
        for instance in build_instances(arguments, narrow=False):
            report = Report(f"{instance.name}: {instance.remote.target.url}")
            reports.append(report)
            with show_progress(f"Asking {instance.remote.target.url} ..."):
                anyio.run(_check_instance, instance, report)
    if arguments.lock:
        reports.append(check_lock(arguments.lock, installed_airflow()))
    print_reports(reports, as_json=arguments.json)
    return FAULTY if any(report.faults for report in reports) else OK


def _check_here() -> Report:
    """Check the installation beside this command, without asking any server."""
    from airflow_provider_mcp.hosts.connections import read_extra
    from airflow_provider_mcp.hosts.options import read_options
    from airflow_provider_mcp.server.policy_source import PolicySource

    report = Report("This installation")
    version = installed_airflow()
    if version is None:
        report.fail("Airflow is not installed here", "Check an Airflow elsewhere with --url.")
        return report
    report.ok(f"Airflow {version} is installed")
    with contextlib.redirect_stdout(sys.stderr):
        policy = PolicySource(read_extra, read_options()).read()
    if policy.problem:
        report.fail(policy.problem, "Mend it there: until then, at most reading is allowed.")
    if policy.enabled:
        report.ok("the endpoint is enabled: <base_url>/mcp/v1")
    else:
        report.note("the endpoint is off: [mcp] enabled is False")
    _check_login(report, policy, version)
    _report_tools(report, version, policy)
    report.note("no server was asked: use --url or --conn-id for that")
    return report


def _check_login(report: Report, policy: Policy, version: str) -> None:
    """Report by which credentials clients get in."""
    with contextlib.redirect_stdout(sys.stderr):
        from airflow_provider_mcp.hosts.logins import NO_WAY_IN, explain_off

        obstacle = explain_off()
    if obstacle is None:
        report.ok("clients can log in by OAuth")
    elif policy.oauth_enabled:
        report.note(f"the login by OAuth is off: {obstacle}")
    if policy.accept_airflow_tokens and version.startswith("2."):
        _check_backends(report, by_login=obstacle is None)
    elif not policy.accept_airflow_tokens and obstacle is not None:
        report.fail(NO_WAY_IN, f"Set accept_airflow_tokens to True, or mend the login: {obstacle}.")


def _check_backends(report: Report, *, by_login: bool) -> None:
    """Report whether this Airflow 2 takes a credential from the Authorization header at all."""
    from airflow_provider_mcp.hosts.options import read_api_backends

    with contextlib.redirect_stdout(sys.stderr):
        names = read_api_backends()
    listed = ", ".join(names) or "empty"
    if not all(name.rpartition(".")[2] in BACKENDS_WITHOUT_HEADER for name in names):
        report.ok(f"[api] auth_backends takes credentials: {listed}")
    elif by_login:
        report.note(f"[api] auth_backends ({listed}) takes no credential from the Authorization header")
    else:
        report.fail(
            f"[api] auth_backends ({listed}) takes no credential from the Authorization "
            "header, so nobody can call the MCP server",
            "Set AIRFLOW__API__AUTH_BACKENDS="
            + ",".join(["airflow.api.auth.backend.basic_auth", *names])
            + " (or that line in [api] of airflow.cfg), and restart the webserver.",
        )


def _report_tools(report: Report, version: str, policy: Policy) -> None:
    """Report what this installation offers, by its catalogue alone."""
    from collections import Counter

    from airflow_provider_mcp.server.catalogue import load_catalogue

    catalogue = load_catalogue(version)
    offered = Counter(tool.access for tool in catalogue.tools.values() if policy.offers(tool))
    counts = ", ".join(f"{offered[access]} {access}" for access in ("read", "write", "destructive"))
    report.ok(f"{sum(offered.values())} tools are offered: {counts}")
    for sentence in describe_unknown_names(policy):
        report.fail(sentence, "Mend the name; `airflow-mcp tools` lists all there are.")
    for problem in catalogue.problems:
        report.fail(f"plugin {problem.owner}: {problem.message}", "Mend or uninstall that package.")


async def _check_instance(instance: Instance, report: Report) -> None:
    from airflow_provider_mcp.cli.endpoint_check import check_endpoint
    from airflow_provider_mcp.sdk.errors import ToolError

    remote = instance.remote
    try:
        version = await remote.version()
        report.ok(f"Airflow {version} answers")
    except ToolError as failure:
        report.fail(failure.message, failure.hint)
        await remote.aclose()
        return
    accepted = await _check_rest(remote, version, report)
    try:
        await check_endpoint(remote, report, accepted=accepted)
    except ToolError as failure:
        report.fail(f"/mcp/v1: {failure.message}", failure.hint)
    policy = await instance.policy()
    if policy.problem:
        report.fail(policy.problem, f"Mend the connection {policy.conn_id}.")
    for sentence in describe_unknown_names(policy):
        report.fail(sentence, "Mend the name; `airflow-mcp tools` lists all there are.")
    await remote.aclose()


async def _check_rest(remote: Remote, version: str, report: Report) -> bool:
    """Report what the REST API says; return whether it takes the credential."""
    import httpx

    from airflow_provider_mcp.remote.target import NO_CREDENTIAL, is_loopback
    from airflow_provider_mcp.sdk.errors import ToolError

    target = remote.target
    url = httpx.URL(target.url)
    if url.scheme == "http" and target.way != NO_CREDENTIAL and not is_loopback(url.host):
        report.note("credentials travel unencrypted: use https")
    accepted = False
    try:
        async with remote.open_airflow("read") as airflow:
            await airflow.get("dags", params={"limit": 1})
            accepted = True
            report.ok(f"{target.way} is accepted: you are {remote.caller.name}")
            health = (await airflow.get("monitor/health")).json()
    except ToolError as failure:
        refused = failure.identifiers.get("status") in {401, 403}
        if refused and version.startswith("2."):
            report.fail(
                failure.message,
                "Check username and password first: Airflow 2 takes a wrong credential for its public role, "
                "which may do nothing. Then see that [api] auth_backends of that Airflow has a backend that "
                "takes them, for example airflow.api.auth.backend.basic_auth: by default it has none.",
            )
        else:
            report.fail(failure.message, failure.hint)
        return accepted
    for part in ("metadatabase", "scheduler"):
        status = (health.get(part) or {}).get("status")
        if status == "healthy":
            report.ok(f"the {part} is healthy")
        else:
            report.fail(f"the {part} is {status or 'not reported'}", "Look at its log on that Airflow.")
    return accepted
