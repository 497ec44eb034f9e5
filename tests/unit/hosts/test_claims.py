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
"""Claims in Airflow's database: one winner, whoever comes at the same instant, in each table they may use."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import anyio
import pytest
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.schema import Table

from airflow_provider_mcp.hosts import claims
from airflow_provider_mcp.hosts.claims import DatabaseClaims


def later() -> float:
    """Return a time that no test lives to see, counted from now: all tests together take long."""
    return time.time() + 600


@pytest.fixture(params=[claims.OWN_TABLE, claims.REVOKED_TABLE])
def engine(request: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    made = create_engine(f"sqlite:///{tmp_path / 'airflow.db'}", connect_args={"timeout": 20})
    if request.param == claims.REVOKED_TABLE:
        with made.begin() as connection:
            connection.execute(
                text("CREATE TABLE revoked_token (jti VARCHAR(32) PRIMARY KEY, exp TIMESTAMP NOT NULL)")
            )
        monkeypatch.setattr(Table, "create", refuse)
    yield made
    made.dispose()


def refuse(*_: Any, **__: Any) -> None:
    """Answer as a database whose user may make no table."""
    raise ProgrammingError("CREATE TABLE", {}, Exception("permission denied for schema public"))


def test_one_of_many_wins(engine: Any) -> None:
    replicas = [DatabaseClaims(lambda: engine) for _ in range(4)]
    with ThreadPoolExecutor(24) as pool:
        won = list(
            pool.map(lambda number: anyio.run(replicas[number % 4].claim, "a" * 32, later()), range(24))
        )
    assert won.count(True) == 1
    assert anyio.run(replicas[0].claim, "b" * 32, later())


def test_what_came_of_it_is_known_to_all(engine: Any) -> None:
    first, second = DatabaseClaims(lambda: engine), DatabaseClaims(lambda: engine)
    assert anyio.run(second.recall, "a" * 32) is None
    assert anyio.run(first.claim, "a" * 32, later())
    assert anyio.run(second.recall, "a" * 32) == ""
    anyio.run(first.keep, "a" * 32, "done: \u00e4", later())
    assert anyio.run(first.recall, "a" * 32) == "done: \u00e4"
    has_room = claims.REVOKED_TABLE not in inspect(engine).get_table_names()
    assert anyio.run(second.recall, "a" * 32) == ("done: \u00e4" if has_room else "")


def test_what_has_expired_is_deleted_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = create_engine(f"sqlite:///{tmp_path / 'airflow.db'}")
    monkeypatch.setattr(claims, "CLEAN_SECONDS", 0)
    store = DatabaseClaims(lambda: made)
    assert anyio.run(store.claim, "old", time.time() - 10)
    assert anyio.run(store.claim, "new", later())
    with made.begin() as connection:
        keys = [row[0] for row in connection.execute(text(f"SELECT claim_key FROM {claims.OWN_TABLE}"))]
    assert keys == ["new"]


def test_without_a_table_each_process_has_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    made = create_engine(f"sqlite:///{tmp_path / 'airflow.db'}")
    monkeypatch.setattr(Table, "create", refuse)
    store = DatabaseClaims(lambda: made)
    assert anyio.run(store.claim, "a", later())
    assert not anyio.run(store.claim, "a", later())
    assert "a confirmation acts once in each process" in caplog.text
