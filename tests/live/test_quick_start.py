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
"""The commands of the documentation, as they stand there, against a real Airflow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import airflow
import pytest

from airflow_provider_mcp.server.catalogue import load_catalogue
from tests.documentation import ROOT, named_block
from tests.live.site import LINE, Site

CALL = named_block("quick-start", "call")
CREDENTIAL = named_block("quick-start", "token") if LINE == 3 else named_block("quick-start", "basic")
OF_README = {3: [named_block("README.md", "token")], 2: []}[LINE]


def run(site: Site, script: str) -> str:
    """Run shell commands with this Airflow's address and user in place of the examples'."""
    for shown, real in {
        "https://airflow.example.com": site.root,
        '"username": "ada", "password": "secret"': '"username": "viewer", "password": "viewer"',
        "ada:secret": "viewer:viewer",
    }.items():
        script = script.replace(shown, real)
    env = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "NO_PROXY": "*",
    }
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_endpoint_is_mounted(site: Site) -> None:
    assert run(site, named_block("installation", "mounted")) == "401\n"


@pytest.mark.parametrize("credential", [CREDENTIAL, *OF_README])
def test_a_credential_is_got_and_a_tool_is_called(site: Site, credential: str) -> None:
    answer = json.loads(run(site, f"{credential}\n{CALL}"))
    assert answer["result"]["structuredContent"]["version"].startswith(f"{LINE}.")


def test_the_python_client_lists_dags(site: Site) -> None:
    client = ROOT / "examples" / "clients" / "list_dags.py"
    printed = run(site, f'{CREDENTIAL}\npython {client} {site.url} "$AUTHORIZATION"')
    # Airflow may still be parsing Dags: those that were listed are among those that are there later.
    there = {dag["dag_id"] for dag in site.call("list_dags", limit=100)["structuredContent"]["dags"]}
    assert 5 <= len(printed.split()) <= 10
    assert set(printed.split()) <= there


def test_the_probe_finds_what_the_readme_says(site: Site) -> None:
    probe = ROOT / "scripts" / "probe.py"
    printed = run(site, f'{CREDENTIAL}\npython {probe} {site.url} "$AUTHORIZATION"')
    found = dict(line.rsplit(": ", 1) for line in printed.splitlines())
    for method in ("initialize", "tools/list"):
        assert found[f"HTTP status of {method} without a credential"] == "401"
    assert found["answers server/discover (2026-07-28)"] == "True"
    tools = load_catalogue(airflow.__version__, found=[]).tools.values()
    # Those that overwrite a value are marked, too, and ask where `[mcp] confirm` is `write`.
    assert int(found["of these, with a confirmation"]) == sum(tool.access == "destructive" for tool in tools)
    # One more is the example provider's.
    assert int(found["tools marked destructive"]) == 1 + sum(
        tool.access == "destructive" or (tool.access == "write" and tool.replaces) for tool in tools
    )
    assert found["tools with an output schema"] == found["tools"]
    assert int(found["characters of tools/list, by tool"]) < 800
    assert found["refuses an argument that there is not"] == "True"
    assert "loads: none\n" in run(site, f"python {probe} airflow.providers.mcp.plugin")
