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
"""Airflow's table ``log``, which is its audit log.

There is no public way to write to it: rows are inserted into the table as the database has it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import MetaData, Table, insert
from sqlalchemy.engine import Engine

TABLE = "log"


class LogTable:
    """Inserts rows, of which what the table has no column for is left out.

    :param get_engine: Returns the engine of Airflow's database.
    :param schema: The schema of the table, if it is not the database's default.
    """

    def __init__(self, get_engine: Callable[[], Engine], schema: str | None = None) -> None:
        self._get_engine = get_engine
        self._schema = schema
        self._table: Table | None = None

    def insert(self, at: Sequence[datetime], rows: Sequence[Mapping[str, object]]) -> None:
        """Insert rows.

        :param at: When each happened, in UTC.
        :param rows: By column: ``event``, ``owner``, ``extra`` and others, without the time.
        """
        engine = self._get_engine()
        if self._table is None:
            self._table = Table(TABLE, MetaData(schema=self._schema), autoload_with=engine)
        # As Airflow's own type has it: PostgreSQL keeps the offset, the others have none.
        keeps_offset = engine.dialect.name == "postgresql"
        fitting = [
            _fit(self._table, {**row, "dttm": time if keeps_offset else time.replace(tzinfo=None)})
            for time, row in zip(at, rows, strict=True)
        ]
        with engine.begin() as connection:
            connection.execute(insert(self._table), fitting)


def _fit(table: Table, row: Mapping[str, object]) -> dict[str, object]:
    """Return the row as the table takes it: identifiers may be a stranger's text, of any length.

    Airflow before 2.9 has no column for the run.
    """
    return {
        name: _cut(value, getattr(table.c[name].type, "length", None)) if isinstance(value, str) else value
        for name, value in row.items()
        if name in table.c
    }


def _cut(text: str, length: int | None) -> str:
    # Databases take no NUL and no half of a surrogate pair.
    return text.replace("\0", "").encode("utf-8", "replace").decode()[:length]
