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
"""The rows of grants in Airflow's own database, in the table that the claims have."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import datetime, timezone

from sqlalchemy import Table, insert, select, update
from sqlalchemy.engine import Engine
from sqlalchemy.exc import IntegrityError

from airflow_provider_mcp.hosts.claims import OWN_TABLE, find_table


class NoTable(Exception):  # noqa: N818 - what the database does not allow, which is no fault of ours
    """The table cannot be made in this database."""


class GrantRows:
    """A :class:`~airflow_provider_mcp.oauth.store.Store` that all workers of an Airflow share.

    What has expired is deleted with the expired claims.

    :param get_engine: Returns the engine of Airflow's database.
    """

    def __init__(self, get_engine: Callable[[], Engine]) -> None:
        self._get_engine = get_engine
        self._found: Table | None = None
        self._finding = threading.Lock()

    def check(self) -> None:
        """See that there is a table, and make it if need be.

        :raises NoTable: There is none.
        """
        _ = self._table

    def insert(self, key: str, text: str, expires: float) -> bool:
        values = {"claim_key": key, "outcome": text.encode(), "expires": _time(expires)}
        try:
            with self._get_engine().begin() as connection:
                connection.execute(insert(self._table).values(values))
        except IntegrityError:
            return False
        return True

    def read(self, key: str) -> str | None:
        table = self._table
        query = select(table.c.outcome).where(table.c.claim_key == key, table.c.expires > _time(time.time()))
        with self._get_engine().begin() as connection:
            row = connection.execute(query).first()
        return None if row is None else bytes(row[0] or b"").decode()

    def replace(self, key: str, old: str, new: str, expires: float) -> bool:
        table = self._table
        changed = (
            update(table)
            .where(table.c.claim_key == key, table.c.outcome == old.encode())
            .values(outcome=new.encode(), expires=_time(expires))
        )
        with self._get_engine().begin() as connection:
            return bool(connection.execute(changed).rowcount)

    def overwrite(self, key: str, text: str) -> bool:
        table = self._table
        changed = update(table).where(table.c.claim_key == key).values(outcome=text.encode())
        with self._get_engine().begin() as connection:
            return bool(connection.execute(changed).rowcount)

    def list(self, prefix: str) -> dict[str, str]:
        table = self._table
        query = select(table.c.claim_key, table.c.outcome).where(
            table.c.claim_key.startswith(prefix, autoescape=True), table.c.expires > _time(time.time())
        )
        with self._get_engine().begin() as connection:
            return {row[0]: bytes(row[1] or b"").decode() for row in connection.execute(query)}

    @property
    def _table(self) -> Table:
        with self._finding:
            if self._found is None:
                table = find_table(self._get_engine())
                if table is None or table.name != OWN_TABLE:
                    raise NoTable(f"the table {OWN_TABLE} cannot be made in Airflow's database")
                self._found = table
            return self._found


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc).replace(tzinfo=None)
