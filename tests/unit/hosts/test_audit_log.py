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
"""Rows of the audit log: what they hold, and that a database that is gone or slow hurts no call."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import Engine
from sqlalchemy.exc import OperationalError

from airflow_provider_mcp.hosts import audit_log
from airflow_provider_mcp.hosts.audit_log import AuditLog
from airflow_provider_mcp.sdk.tool import ToolCall

COLUMNS = (
    "id INTEGER PRIMARY KEY, dttm TIMESTAMP, dag_id VARCHAR(250), task_id VARCHAR(250), map_index INTEGER, "
    "event VARCHAR(60) NOT NULL, run_id VARCHAR(250), owner VARCHAR(500), owner_display_name VARCHAR(500), "
    "extra TEXT, try_number INTEGER"
)


@pytest.fixture
def engine(tmp_path: Any) -> Engine:
    made = create_engine(f"sqlite:///{tmp_path / 'airflow.db'}", connect_args={"timeout": 1})
    with made.begin() as connection:
        connection.execute(text(f"CREATE TABLE log ({COLUMNS})"))
    return made


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_log, "BATCH_SECONDS", 0.01)
    monkeypatch.setattr(audit_log, "RETRY_SECONDS", 0.05)


def called(**changes: Any) -> ToolCall:
    call: dict[str, Any] = {
        "tool": "get_task_logs",
        "access": "read",
        "user": "ada",
        "client": "cursor 1.0",
        "dag_id": "sales",
        "dag_run_id": "r1",
        "task_id": "load",
        "map_index": 3,
        "outcome": "ok",
        "duration": 0.12345,
    }
    return ToolCall(**{**call, **changes})


def rows(engine: Engine) -> list[dict[str, Any]]:
    with engine.begin() as connection:
        return [dict(row) for row in connection.execute(text("SELECT * FROM log ORDER BY id")).mappings()]


def test_a_row_says_who_called_what_about_what(engine: Engine) -> None:
    log = AuditLog(lambda: engine)
    log.tool_called(called())
    assert log.settle()
    (row,) = rows(engine)
    assert (row["event"], row["owner"], row["owner_display_name"]) == ("mcp.tool_call", "ada", "ada")
    assert (row["dag_id"], row["run_id"], row["task_id"], row["map_index"]) == ("sales", "r1", "load", 3)
    assert row["dttm"][:13] == time.strftime("%Y-%m-%d %H", time.gmtime())
    assert json.loads(row["extra"]) == {
        "client": "cursor 1.0",
        "tool": "get_task_logs",
        "access": "read",
        "outcome": "ok",
        "duration": 0.123,
    }


@pytest.mark.parametrize(
    ("audited", "written"), [("all", ["read", "write"]), ("writes", ["write"]), ("none", [])]
)
def test_what_is_written_can_be_chosen(engine: Engine, audited: Any, written: list[str]) -> None:
    log = AuditLog(lambda: engine, audited)
    log.tool_called(called())
    log.tool_called(called(access="write"))
    assert log.settle()
    assert [json.loads(row["extra"])["access"] for row in rows(engine)] == written


def test_a_stranger_s_identifiers_fit_the_table(engine: Engine) -> None:
    log = AuditLog(lambda: engine)
    log.tool_called(called(dag_id="x" * 9000, dag_run_id="a\0b\udc80", client="<script>" * 1000))
    log.tool_called(called(dag_id=None, dag_run_id=None, task_id=None, map_index=None, client=None))
    assert log.settle()
    hostile, plain = rows(engine)
    assert (hostile["dag_id"], hostile["run_id"]) == ("x" * 250, "ab?")
    assert len(json.loads(hostile["extra"])["client"]) == 200
    assert plain["dag_id"] is None


def test_a_table_without_a_column_for_the_run(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE log DROP COLUMN run_id"))
    log = AuditLog(lambda: engine)
    log.tool_called(called())
    assert log.settle()
    assert rows(engine)[0]["task_id"] == "load"


def test_a_database_that_was_gone_gets_the_rows_when_it_is_back(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    gone = True

    def get_engine() -> Engine:
        if gone:
            raise OperationalError("INSERT", {}, Exception("connection refused"))
        return engine

    log = AuditLog(get_engine)
    began = time.monotonic()
    with caplog.at_level(logging.WARNING, audit_log.__name__):
        for _ in range(20):
            log.tool_called(called())
        assert time.monotonic() - began < 0.5
        time.sleep(0.3)
        gone = False
        assert log.settle()
    assert len(rows(engine)) == 20
    assert [record.getMessage() for record in caplog.records] == [
        "MCP: the audit log cannot be written now: OperationalError"
    ]


def test_a_slow_database_delays_no_call_and_what_is_lost_is_told(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    go_on = threading.Event()

    def get_engine() -> Engine:
        go_on.wait(10)
        return engine

    log = AuditLog(get_engine)
    log._waiting.maxsize = 10
    log.tool_called(called())
    time.sleep(0.2)
    began = time.monotonic()
    for _ in range(25):
        log.tool_called(called())
    assert time.monotonic() - began < 0.2
    go_on.set()
    with caplog.at_level(logging.ERROR, audit_log.__name__):
        assert log.settle()
    assert len(rows(engine)) == 11
    assert "15 calls are not in the audit log" in caplog.text


def test_rows_that_the_database_refuses_hold_up_no_others(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    engines: list[Callable[[], Engine]] = [lambda: refuse(), lambda: engine]
    log = AuditLog(lambda: engines.pop(0)())
    log.tool_called(called())
    assert log.settle()
    log.tool_called(called(user="ben"))
    assert log.settle()
    assert [row["owner"] for row in rows(engine)] == ["ben"]
    assert "1 calls are not in the audit log" in caplog.text


def refuse() -> Engine:
    raise ValueError("no such column")
