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
"""Who may start a Dag, by the very check of Airflow 3's route."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

security = pytest.importorskip("airflow.api_fastapi.core_api.security")

from airflow_provider_mcp.hosts.airflow3.permissions import find_triggerable  # noqa: E402


class Manager:
    """Lets everyone start the Dags whose IDs begin with ``ours``."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    def is_authorized_dag(self, **asked: Any) -> bool:
        self.asked.append(asked)
        if asked["details"].id == "broken":
            raise RuntimeError("the directory is away")
        return bool(asked["details"].id.startswith("ours"))


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch) -> Manager:
    made = Manager()
    monkeypatch.setattr(security, "get_auth_manager", lambda: made)
    # It would ask the database for the Dag's team.
    monkeypatch.setattr(security.DagModel, "get_team_name", lambda dag_id: f"team of {dag_id}", raising=False)
    return made


def test_each_dag_is_asked_for_as_the_route_asks(manager: Manager) -> None:
    found = anyio.run(find_triggerable, "ada", ["ours", "theirs", "ours.too"])
    assert found == {"ours", "ours.too"}
    assert {(one["method"], one["access_entity"].value, one["user"]) for one in manager.asked} == {
        ("POST", "RUN", "ada")
    }


def test_a_manager_that_fails_allows_nothing(manager: Manager) -> None:
    with pytest.raises(RuntimeError):
        anyio.run(find_triggerable, "ada", ["ours", "broken"])
