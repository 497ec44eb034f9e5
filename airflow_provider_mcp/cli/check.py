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

if TYPE_CHECKING:
    from airflow_provider_mcp.remote.instance import Instance
    from airflow_provider_mcp.server.policy import Policy
from airflow_provider_mcp.cli.arguments import ENV_URL, FAULTY, OK
from airflow_provider_mcp.cli.instances import build_instances, installed_airflow
from airflow_provider_mcp.cli.output import log_to_standard_error, say


def check(arguments: argparse.Namespace) -> int:
    """Say what works and what does not; return whether all does."""
    import anyio

    log_to_standard_error(logging.ERROR)
    if not arguments.conn_id and not arguments.url and not os.environ.get(ENV_URL):
        return _check_here()
    faults = 0
    for instance in build_instances(arguments, narrow=False):
        faults += anyio.run(_check_instance, instance)
    return FAULTY if faults else OK


class _Findings:
    def __init__(self) -> None:
        self.faults = 0

    def good(self, text: str) -> None:
        say(f"  ok    {text}")

    def bad(self, text: str, mend: str = "") -> None:
        self.faults += 1
        say(f"  FAIL  {text}")
        if mend:
            say(f"        {mend}")

    def note(self, text: str) -> None:
        say(f"  note  {text}")


def _say_tools(findings: _Findings, version: str, policy: Policy) -> None:
    from collections import Counter

    from airflow_provider_mcp.server.catalogue import load_catalogue

    catalogue = load_catalogue(version)
    offered = Counter(tool.access for tool in catalogue.tools.values() if policy.offers(tool))
    counts = ", ".join(f"{offered[access]} {access}" for access in ("read", "write", "destructive"))
    findings.good(f"{sum(offered.values())} tools are offered: {counts}")
    for sentence in catalogue.describe_unknown(policy):
        findings.bad(sentence, "Mend it in [mcp], in the connection or on the command line.")
    for problem in catalogue.problems:
        findings.bad(f"plugin {problem.owner}: {problem.message}", "Mend or uninstall that package.")


def _check_here() -> int:
    """Check the installation beside this command, without asking any server."""
    from airflow_provider_mcp.hosts.connections import read_extra
    from airflow_provider_mcp.hosts.options import read_options
    from airflow_provider_mcp.server.policy_source import PolicySource

    findings = _Findings()
    version = installed_airflow()
    say("This installation")
    if version is None:
        findings.bad("Airflow is not installed here", "Check an Airflow elsewhere with --url.")
        return FAULTY
    findings.good(f"Airflow {version} is installed")
    with contextlib.redirect_stdout(sys.stderr):
        policy = PolicySource(read_extra, read_options()).read()
    if policy.problem:
        findings.bad(policy.problem, "Until that is mended, at most reading is allowed.")
    if policy.enabled:
        findings.good("the endpoint is enabled: <base_url>/mcp/v1")
    else:
        findings.note("the endpoint is off: [mcp] enabled is False")
    _say_tools(findings, version, policy)
    findings.note("no server was asked: use --url or --conn-id for that")
    return FAULTY if findings.faults else OK


async def _check_instance(instance: Instance) -> int:
    import httpx

    from airflow_provider_mcp.remote.target import NO_CREDENTIAL, is_loopback
    from airflow_provider_mcp.sdk.errors import ToolError

    findings, remote = _Findings(), instance.remote
    target = remote.target
    say(f"{target.name}: {target.url}")
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
