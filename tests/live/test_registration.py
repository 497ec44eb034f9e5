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
"""What ``airflow`` commands show of the provider, with lazy discovery on and off."""

from __future__ import annotations

import subprocess
import sys

import pytest

from devtools.airflow_process import AirflowHome
from tests.live.site import LINE


@pytest.mark.parametrize("lazy", ["True", "False"])
def test_airflow_shows_the_provider_and_the_plugin(home: AirflowHome, lazy: str) -> None:
    option = {"AIRFLOW__CORE__LAZY_DISCOVER_PROVIDERS": lazy}
    providers = home.airflow("providers", "list", "--output", "plain", **option)
    assert "apache-airflow-providers-mcp" in providers
    plugins = home.airflow("plugins", "--output", "json", **option)
    assert '"name": "mcp"' in plugins
    assert ("fastapi_apps" if LINE == 3 else "flask_blueprints") in plugins
    for said in (providers, plugins, home.airflow("version", **option)):
        for printed in said.splitlines():
            if "warn" in printed.lower() or "error" in printed.lower():
                assert "mcp" not in printed.lower()


BUILT = {
    3: """
import asyncio, time
from airflow_provider_mcp.hosts.airflow3.mount import Endpoint

async def start():
    endpoint = Endpoint()
    async with endpoint.router.lifespan_context(endpoint):
        until = time.monotonic() + 120
        while endpoint.serving.built is None and time.monotonic() < until:
            await asyncio.sleep(0.1)
    assert endpoint.serving.built is not None, "no server was built"

asyncio.run(start())
""",
    2: """
from airflow.www.app import create_app

assert create_app().extensions["airflow_provider_mcp"].built is not None, "no server was built"
""",
}


def test_the_server_is_built_before_anyone_calls(home: AirflowHome) -> None:
    run(home, BUILT[LINE])


@pytest.mark.skipif(LINE != 2, reason="only Airflow 2 builds Flask apps for its command line")
def test_commands_that_only_manage_users_build_no_server(home: AirflowHome) -> None:
    run(
        home,
        """
import sys
from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder

with get_application_builder() as builder:
    assert builder.app.blueprints is not None
assert "mcp" not in sys.modules
""",
    )


def run(home: AirflowHome, code: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=home.environment(),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
