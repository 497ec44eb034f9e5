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

from tests.live.attack.__main__ import attack, draw, list_findings
from tests.live.attack.target import Target
from tests.live.calling import ok
from tests.live.site import Site

SHARE = 0.03
HEALTH_SECONDS = 5
"""On a machine that runs other tests meanwhile; alone, it is a fraction of a second."""


def test_an_attack_comes_to_nothing(site: Site) -> None:
    ok(site, "trigger_dag", dag_id="demo_many", dag_run_id="attacked")
    ok(site, "set_variable", key="attacked", value="stays")
    target = Target(site.url, site.authorization("admin"), site.authorization("viewer"))
    rows = attack(target, SHARE)
    assert not list_findings(rows), draw(rows)
    assert [row.wave for row in rows] == ["door", "exchanges", "rights", "weight", "numbers"]
    assert all(row.tried >= 10 or row.wave == "weight" for row in rows), draw(rows)
    assert max(row.health for row in rows) < HEALTH_SECONDS, draw(rows)
