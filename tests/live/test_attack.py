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
"""The attack of ``python -m tests.live.attack`` in its small form: nothing gets in, rises, or breaks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.live.attack.__main__ import attack, draw, list_findings
from tests.live.attack.target import Target
from tests.live.calling import ok, refused
from tests.live.site import Site

DAG = "demo_waiting"
SHARE = 0.02
HEALTH_SECONDS = 5
"""On a machine that runs other tests meanwhile; alone, it is a fraction of a second."""


@pytest.fixture
def prepared(site: Site) -> Iterator[Site]:
    """An Airflow in which there is something to attack: a variable, and a run that waits."""
    ok(site, "trigger_dag", dag_id=DAG, dag_run_id="attacked", unpause=True)
    ok(site, "set_variable", key="attacked", value="stays")
    yield site
    assert ok(site, "get_variable", key="attacked")["value"] == "stays"
    run = {"dag_id": DAG, "dag_run_id": "attacked"}
    for tool, arguments in {
        "delete_variable": {"key": "attacked"},
        "set_dag_run_state": {**run, "state": "failed"},
        "delete_dag_run": run,
    }.items():
        asked = refused(site, tool, "confirmation_required", **arguments)
        ok(site, tool, **arguments, confirmation_token=asked["confirmation_token"])


def test_an_attack_comes_to_nothing(prepared: Site) -> None:
    target = Target(prepared.url, prepared.authorization("admin"), prepared.authorization("viewer"))
    rows = attack(target, SHARE)
    assert not list_findings(rows), draw(rows)
    assert [row.wave for row in rows] == ["door", "exchanges", "rights", "weight", "waiting", "numbers"]
    assert all(row.tried >= 10 or row.wave == "weight" for row in rows), draw(rows)
    assert max(row.health for row in rows) < HEALTH_SECONDS, draw(rows)
