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
"""Real Airflow processes of the installed line on loopback ports, stopped when the tests end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from devtools.airflow_process import ROOT, AirflowHome
from tests.live.plugins import offer_plugins
from tests.live.site import LINE, WORKERS, Site
from tests.live.statsd import StatsD

DEMO_DAGS = {"demo_succeeds", "demo_params", "demo_fails", "demo_mapped", "demo_waiting"}


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> AirflowHome:
    """An AIRFLOW_HOME with a database, users and copies of the Dags: a test may change a Dag's file."""
    home = AirflowHome(
        tmp_path_factory.mktemp("airflow"), options={"AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1"}
    )
    home.prepare(ROOT / "examples" / "dags", ROOT / "tests" / "fixtures" / "dags")
    if LINE == 2:
        # The conformance suite waits only so long.
        home.cheapen_passwords()
    return home


@pytest.fixture(scope="session")
def site(home: AirflowHome) -> Iterator[Site]:
    """Airflow with its scheduler, running the example Dags."""
    with Site(home).serving(WORKERS) as running:
        running.start_scheduling()
        running.wait("the example Dags", lambda: running.has_dags(DEMO_DAGS))
        yield running


@pytest.fixture(scope="session")
def statsd() -> Iterator[StatsD]:
    made = StatsD()
    yield made
    made.close()


@pytest.fixture(scope="session")
def prefixed(home: AirflowHome, site: Site, statsd: StatsD) -> Iterator[Site]:
    """A second web process on the same database, under a path prefix.

    Clients may log in there, and its metrics go to a StatsD.
    """
    options = {
        "AIRFLOW__METRICS__STATSD_ON": "True",
        "AIRFLOW__METRICS__STATSD_HOST": "127.0.0.1",
        "AIRFLOW__METRICS__STATSD_PORT": str(statsd.port),
    }
    with Site(home, prefix="/air/flow", options=options).serving(WORKERS) as running:
        yield running


@pytest.fixture(scope="session")
def provisioned(home: AirflowHome, site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A second web process, with the plugins of ``tests/fixtures/plugins``."""
    path = offer_plugins(
        tmp_path_factory.mktemp("packages"),
        conformance="conformance_plugin",
        by_hook="hook_plugin",
        tickets="acme_reliability.tickets",
    )
    options = {
        "PYTHONPATH": path,
        "MCP_CONFORMANCE_JOBS": str(tmp_path_factory.mktemp("jobs")),
        # The conformance suite compares a tool's text to the letter; a fence would stand around it.
        "AIRFLOW__MCP__UNTRUSTED_TEXT": "off",
    }
    if LINE == 3:
        # Spans go to the log. (Airflow 2 keeps a tracer provider of its own, apart from OpenTelemetry's.)
        options |= {"AIRFLOW__TRACES__OTEL_ON": "True", "OTEL_TRACES_EXPORTER": "console"}
    with Site(home, options=options).serving(WORKERS) as running:
        yield running
