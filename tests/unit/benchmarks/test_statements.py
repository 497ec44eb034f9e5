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
"""Statements in PostgreSQL's log, and the rows of a huge Airflow."""

from __future__ import annotations

from pathlib import Path

from benchmarks.huge import copy_rows
from benchmarks.statements import count_statements, read_statements

LOG = """
2026-11-28 07:32:42.100 UTC [12] LOG:  statement: BEGIN
2026-11-28 07:32:42.101 UTC [12] LOG:  statement: SELECT 1
2026-11-28 07:32:42.102 UTC [12] LOG:  statement: SELECT 1 FROM dag
2026-11-28 07:32:42.103 UTC [12] LOG:  execute __asyncpg_stmt_1__: SELECT dag.dag_id
\tFROM dag
2026-11-28 07:32:42.104 UTC [12] DETAIL:  parameters: $1 = 'SELECT 2'
2026-11-28 07:32:42.105 UTC [12] LOG:  statement: select pg_catalog.version()
2026-11-28 07:32:42.106 UTC [12] LOG:  statement: INSERT INTO log (dttm) VALUES (now())
2026-11-28 07:32:42.107 UTC [12] LOG:  statement: COMMIT
"""


def test_statements_are_read_from_the_log() -> None:
    assert read_statements(LOG) == [
        "SELECT 1 FROM dag",
        "SELECT dag.dag_id",
        "INSERT INTO log (dttm) VALUES (now())",
    ]


def test_what_was_sent_before_is_not_counted(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(LOG)

    def send() -> None:
        with log.open("a") as file:
            file.write(LOG + LOG)

    assert count_statements(log, send)["SELECT dag.dag_id"] == 2


def test_rows_are_copied_with_some_columns_made_anew() -> None:
    sql = copy_rows("dag", ["dag_id", "owner"], {"dag_id": "m.dag_id", "of_newer": "m.x"}, "one t, many m")
    assert sql == 'insert into dag ("dag_id", "owner") select m.dag_id, t."owner" from one t, many m;'
