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
"""The rows of grants in a database."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import Engine

from airflow_provider_mcp.hosts.grant_rows import GrantRows, NoTable

SOON = time.time() + 86_400


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return create_engine(f"sqlite:///{tmp_path}/a.db", connect_args={"timeout": 60})


@pytest.fixture
def rows(engine: Engine) -> GrantRows:
    return GrantRows(lambda: engine)


def test_a_row_is_inserted_once_changed_by_comparison_and_overwritten(rows: GrantRows) -> None:
    assert rows.read("grant:a") is None
    assert rows.insert("grant:a", "one", SOON)
    assert not rows.insert("grant:a", "two", SOON)
    assert not rows.replace("grant:a", "other", "two", SOON)
    assert rows.replace("grant:a", "one", "tw\u00f6", SOON)
    assert rows.read("grant:a") == "tw\u00f6"
    assert rows.overwrite("grant:a", "")
    assert rows.read("grant:a") == ""
    assert not rows.overwrite("grant:b", "")
    assert not rows.replace("grant:b", "", "x", SOON)


def test_what_has_expired_is_not_there(rows: GrantRows) -> None:
    rows.insert("grant:a", "one", time.time() - 1)
    rows.insert("grant:b", "two", SOON)
    rows.insert("grants", "three", SOON)
    rows.insert("granted_b", "four", SOON)
    assert rows.read("grant:a") is None
    assert rows.list("grant:") == {"grant:b": "two"}
    assert rows.replace("grant:b", "two", "two!", time.time() - 1)
    assert rows.read("grant:b") is None


def test_of_many_who_change_a_row_at_once_one_wins(engine: Engine, rows: GrantRows) -> None:
    rows.insert("grant:a", "one", SOON)
    won = []
    start = threading.Barrier(12)

    def change(number: int) -> None:
        start.wait()
        if GrantRows(lambda: engine).replace("grant:a", "one", str(number), SOON):
            won.append(number)

    threads = [threading.Thread(target=change, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert rows.read("grant:a") == str(won[0])


def test_a_database_without_room_for_them_is_told(tmp_path: Path) -> None:
    file = tmp_path / "read-only.db"
    with create_engine(f"sqlite:///{file}").begin() as connection:
        connection.execute(text("create table revoked_token (jti varchar(32) primary key, exp timestamp)"))
    engine = create_engine(f"sqlite:///file:{file}?mode=ro&uri=true")
    with pytest.raises(NoTable, match="airflow_provider_mcp_claim"):
        GrantRows(lambda: engine).check()
