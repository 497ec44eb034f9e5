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
"""The pages in a real browser, beside a real Airflow: ``make browser``.

Not a part of ``make test``: it needs Debian's chromium, and playwright-core and axe-core from npm.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from devtools.airflow_process import ROOT, AirflowHome
from tests.browser.driving import drive
from tests.live.site import LINE, Site

pytestmark = pytest.mark.skipif("BROWSER" not in os.environ, reason="make browser")
HOSTILE = "<script>alert(1)</script>"


def ask(site: Site, key: str) -> str:
    """Make a call that waits for a person; return the address at which they decide."""
    assert not site.call("set_variable", key=key, value="of the tests").get("isError")
    told = site.call("delete_variable", key=key)["structuredContent"]
    address: str = told["approve_url"]
    return address


def allow(site: Site, note: str) -> None:
    """Make a grant, as an administrator does."""
    command = [sys.executable, "-m", "airflow_provider_mcp.cli", "token", "--user", "admin", "--note", note]
    subprocess.run(command, env=site.env, cwd=ROOT, check=True, capture_output=True)


def start_run(site: Site) -> str:
    """Start a run that nothing schedules; return its ID, which has a plus in it."""
    started = site.call("trigger_dag", dag_id="demo_params", unpause=True)["structuredContent"]
    run: str = started["dag_run_id"]
    assert "+00:00" in run
    return run


def test_people_use_the_pages(tmp_path: Path) -> None:
    options = {"AIRFLOW__MCP__CONFIRM_BY": "person"}
    home = AirflowHome(tmp_path / "airflow", options=options)
    home.prepare(ROOT / "examples" / "dags")
    home.airflow("dags", "reserialize")
    there = Site(home)
    there.env[f"AIRFLOW__{'API' if LINE == 3 else 'WEBSERVER'}__BASE_URL"] = there.root
    with there.serving() as site:
        allow(site, "nightly report")
        allow(site, HOSTILE)
        approve, decline = ask(site, "approved"), ask(site, HOSTILE)
        # A hostile name in the audit log, too.
        site.call("get_dag", dag_id="demo_params")
        site.rpc("tools/call", {"name": "list_dags", "arguments": {}}, headers={"User-Agent": HOSTILE})
        drive("pages.mjs", site, approve=approve, decline=decline, run=start_run(site))
