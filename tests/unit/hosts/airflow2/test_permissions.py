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
"""Who may start a Dag, as Airflow 2's route decides it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import anyio
import pytest

pytest.importorskip("airflow.www")

import flask

from airflow_provider_mcp.hosts.airflow2 import calls


def find(monkeypatch: pytest.MonkeyPatch, manager: Any, app: flask.Flask, *dag_ids: str) -> frozenset[str]:
    monkeypatch.setattr(calls, "get_auth_manager", lambda: manager)
    inner = calls.InnerApp(app)
    return anyio.run(inner.find_triggerable, lambda: "ada", dag_ids)


def test_the_auth_manager_is_asked_for_the_user_in_a_context_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[Any] = []

    def is_authorized_dag(**question: Any) -> bool:
        asked.append((question["method"], question["access_entity"].value, question["user"], flask.g.user))
        return bool(question["details"].id == "ours")

    pytest.importorskip("airflow.auth.managers.models.resource_details")
    manager = SimpleNamespace(is_authorized_dag=is_authorized_dag)
    assert find(monkeypatch, manager, flask.Flask("a"), "ours", "theirs") == {"ours"}
    assert set(asked) == {("POST", "RUN", "ada", "ada")}


def test_airflow_2_7_is_asked_by_its_permissions(monkeypatch: pytest.MonkeyPatch) -> None:
    def check_authorization(needed: list[tuple[str, str]], dag_id: str) -> bool:
        assert needed == [("can_edit", "DAGs"), ("can_create", "DAG Runs")]
        return dag_id == "ours"

    app: Any = flask.Flask("a")
    app.appbuilder = SimpleNamespace(sm=SimpleNamespace(check_authorization=check_authorization))
    assert find(monkeypatch, SimpleNamespace(), app, "ours", "theirs") == {"ours"}
