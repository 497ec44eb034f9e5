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
"""The official conformance suite, against real Airflows: as they come, and with the tools it asks for."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from devtools.airflow_process import ROOT
from devtools.ports import hold_port
from tests.live.logging_in import Browser
from tests.live.login_requests import register
from tests.live.proxy import adding_credential
from tests.live.site import LINE, Site

CONFORMANCE = ROOT / "tests" / "fixtures" / "conformance"
NODE = ROOT / ".node" / "node_modules"
SUITES = {"0.1": NODE / "conformance", "0.2": NODE / "conformance-next"}
# What needs neither a tool nor a resource that only the suite knows.
PLAIN = [
    "server-initialize",
    "ping",
    "logging-set-level",
    "completion-complete",
    "tools-list",
    "resources-list",
    "prompts-list",
    "dns-rebinding-protection",
]
PLAIN_MODERN = [
    "tools-list",
    "resources-list",
    "prompts-list",
    "completion-complete",
    "sep-2164-resource-not-found",
    "caching",
    "http-header-validation",
    "dns-rebinding-protection",
    "input-required-result-unsupported-methods",
]
TASKS = [
    "tasks-lifecycle",
    "tasks-capability-negotiation",
    "tasks-wire-fields",
    "tasks-request-state-removal",
    "tasks-mrtr-input",
    "tasks-request-headers",
    "tasks-dispatch-and-envelope",
    "tasks-required-task-error",
    "tasks-mrtr-composition",
]


@pytest.fixture(scope="module")
def plain_port(site: Site) -> Iterator[int]:
    with adding_credential(site.port, site.authorization("admin")) as port:
        yield port


@pytest.fixture(scope="module")
def provisioned_port(provisioned: Site) -> Iterator[int]:
    with adding_credential(provisioned.port, provisioned.authorization("admin")) as port:
        yield port


def conform(suite: str, port: int, results: Path, *options: str) -> str:
    """Run a suite, which must find nothing but what is expected; return what it prints."""
    done = subprocess.run(
        [
            str(NODE / ".bin" / "node"),
            str(SUITES[suite] / "dist" / "index.js"),
            "server",
            "--url",
            f"http://127.0.0.1:{port}/mcp/v1",
            "-o",
            str(results),
            *options,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=580,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:]
    return done.stdout


def outcomes(results: Path) -> dict[str, set[str]]:
    """Return the outcomes of a run's checks, by scenario."""
    found: dict[str, set[str]] = {}
    for file in results.rglob("checks.json"):
        scenario = file.parent.name.removeprefix("server-").rsplit("-20", 1)[0]
        found.setdefault(scenario, set()).update(check["status"] for check in json.loads(file.read_text()))
    return found


@pytest.mark.parametrize("suite", ["0.1", "0.2"])
@pytest.mark.parametrize("version", ["2025-06-18", "2025-11-25"])
def test_the_wire_of_2025(provisioned_port: int, tmp_path: Path, suite: str, version: str) -> None:
    expected = str(CONFORMANCE / f"expected-failures-{suite}.yml")
    conform(suite, provisioned_port, tmp_path, "--spec-version", version, "--expected-failures", expected)
    assert len(outcomes(tmp_path)) >= 26


def test_the_wire_of_2026(provisioned_port: int, tmp_path: Path) -> None:
    conform("0.2", provisioned_port, tmp_path, "--requirements", "2026-07-28")
    assert len(outcomes(tmp_path)) >= 37


@pytest.mark.parametrize("scenario", TASKS)
def test_the_tasks_extension(provisioned_port: int, tmp_path: Path, scenario: str) -> None:
    conform("0.2", provisioned_port, tmp_path, "--scenario", scenario)
    assert outcomes(tmp_path).popitem()[1] <= {"SUCCESS", "INFO"}


@pytest.mark.parametrize("scenario", PLAIN)
@pytest.mark.parametrize("suite", ["0.1", "0.2"])
def test_airflow_as_it_comes(plain_port: int, tmp_path: Path, suite: str, scenario: str) -> None:
    conform(suite, plain_port, tmp_path, "--scenario", scenario, "--spec-version", "2025-11-25")
    assert outcomes(tmp_path)


@pytest.mark.parametrize("scenario", PLAIN_MODERN)
def test_airflow_as_it_comes_in_2026(plain_port: int, tmp_path: Path, scenario: str) -> None:
    conform("0.2", plain_port, tmp_path, "--scenario", scenario, "--spec-version", "2026-07-28")
    assert outcomes(tmp_path)


def test_the_login_is_an_authorization_server(prefixed: Site, tmp_path: Path) -> None:
    port = hold_port()
    command = [
        str(NODE / ".bin" / "node"),
        str(SUITES["0.2"] / "dist" / "index.js"),
        "authorization",
        f"--url={prefixed.root}/mcp/oauth",
        f"--client-id={register(prefixed)}",
        f"--resource={prefixed.url}",
        f"--port={port}",
        f"--output-dir={tmp_path}",
    ]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        lines: list[str] = []
        for line in process.stdout:
            lines.append(line)
            if "/mcp/oauth/authorize?" in line:
                answer = Browser(prefixed, access="read").visit(line.strip())
                httpx.get(f"http://127.0.0.1:{port}/callback", params=answer, timeout=60)
        assert process.wait(60) == 0, "".join(lines)
    found = outcomes(tmp_path)
    assert len(found) == 2, "".join(lines)
    assert set().union(*found.values()) == {"SUCCESS"}, "".join(lines)


def test_the_line_is_the_one_under_test(site: Site) -> None:
    assert site.call("get_airflow_info")["structuredContent"]["version"].startswith(f"{LINE}.")
