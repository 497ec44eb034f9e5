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
"""What acts once: the claims of one process, and the names of what is claimed."""

from __future__ import annotations

import time
from typing import Any

import anyio
import pytest

from airflow_provider_mcp.server.claims import MOST_OUTCOME_CHARS, MemoryClaims, name_claim


def test_a_key_is_claimed_once_until_it_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "time", lambda: now)
    claims = MemoryClaims()
    assert anyio.run(claims.claim, "key", 1600.0)
    assert anyio.run(claims.claim, "other", 1600.0)
    now = 1600.0
    assert not anyio.run(claims.claim, "key", 2200.0)
    now = 1600.1
    assert anyio.run(claims.claim, "key", 2200.0)


def test_what_came_of_a_claim_is_recalled_until_it_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "time", lambda: now)
    claims = MemoryClaims()
    assert anyio.run(claims.recall, "key") is None
    anyio.run(claims.claim, "key", 1600.0)
    assert anyio.run(claims.recall, "key") == ""
    anyio.run(claims.keep, "key", "done", 1600.0)
    now = 1600.0
    assert anyio.run(claims.recall, "key") == "done"
    assert not anyio.run(claims.claim, "key", 1600.0)
    now = 1600.1
    assert anyio.run(claims.recall, "key") is None


def test_outcomes_that_have_expired_take_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the database has the claims alone, this process keeps the outcomes and claims nothing."""
    now = 1000.0
    monkeypatch.setattr(time, "time", lambda: now)
    claims = MemoryClaims()
    for number in range(10):
        now += 600
        anyio.run(claims.keep, f"key{number}", "done", now + 100)
    assert list(claims._claimed) == ["key9"]


CALL: tuple[Any, ...] = ("token", "ada", "delete_dag", {"dag_id": "a", "note": "n"}, 0)


@pytest.mark.parametrize(
    ("position", "other"),
    list(enumerate(["token2", "bob", "clear_dag_run", {"dag_id": "b", "note": "n"}, 1])),
)
def test_a_claim_is_one_for_its_token_user_tool_arguments_and_step(position: int, other: object) -> None:
    call = [*CALL]
    call[position] = other
    assert name_claim(*call) != name_claim(*CALL)


def test_a_claim_is_the_same_in_whatever_order_the_arguments_come() -> None:
    assert name_claim("token", "ada", "delete_dag", {"note": "n", "dag_id": "a"}, 0) == name_claim(*CALL)


def test_a_claim_and_an_outcome_fit_into_the_columns_of_any_database() -> None:
    assert len(name_claim(*CALL)) == 32
    assert len(name_claim("\ud800", "é", "t", {"a": float("inf")}, 9)) == 32
    # MySQL's TEXT has room for so many bytes; an outcome is ASCII.
    assert MOST_OUTCOME_CHARS <= 65_535
