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
"""The insert-once store of confirmations in Airflow's own database, without a migration.

It is a table of our own, made when it is first needed. Where none may be made, Airflow 3.2 and later have
``revoked_token``, which has no room for what came of an act. (Airflow 2's ``session`` has room, and Airflow
reads all its rows as sessions when a password is reset.)
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime, timezone
from typing import TypeVar

import anyio.to_thread
from sqlalchemy import (
    Column,
    DateTime,
    LargeBinary,
    MetaData,
    String,
    Table,
    delete,
    insert,
    inspect,
    select,
    update,
)
from sqlalchemy.engine import Engine
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from airflow_provider_mcp.hosts.database import get_engine
from airflow_provider_mcp.server.claims import Claims, MemoryClaims

log = logging.getLogger(__name__)

OWN_TABLE = "airflow_provider_mcp_claim"

REVOKED_TABLE = "revoked_token"

CLEAN_SECONDS = 300
"""How often what has expired is deleted."""

Returned = TypeVar("Returned")


class DatabaseClaims:
    """Claims that all workers of an Airflow share.

    :param get_engine: Returns the engine of Airflow's database. It is asked at each use: a process that was
        forked has an engine of its own.
    """

    def __init__(self, get_engine: Callable[[], Engine]) -> None:
        self._get_engine = get_engine
        self._store: _Rows | None = None
        self._finding = threading.Lock()
        # What a table has no room for is known to this process alone.
        self._memory = MemoryClaims()

    async def claim(self, key: str, expires: float) -> bool:
        store = await self._find()
        if store is None:
            return await self._memory.claim(key, expires)
        return await _in_thread(lambda: store.add(self._get_engine(), key, b"", expires))

    async def keep(self, key: str, outcome: str, expires: float) -> None:
        store = await self._find()
        if store is None or store.table is None or store.table.name != OWN_TABLE:
            await self._memory.keep(key, outcome, expires)
        if store is not None:
            await _in_thread(lambda: store.change(self._get_engine(), key, outcome.encode()))

    async def recall(self, key: str) -> str | None:
        known = await self._memory.recall(key)
        store = await self._find()
        if known is not None or store is None:
            return known
        return await _in_thread(lambda: store.read(self._get_engine(), key))

    async def _find(self) -> _Rows | None:
        if self._store is None:
            await _in_thread(self._find_table)
        store = self._store
        return None if store is None or store.table is None else store

    def _find_table(self) -> None:
        with self._finding:
            if self._store is None:
                self._store = _Rows(find_table(self._get_engine()))


class _Rows:
    """The rows of one table; None as the table stands for none."""

    def __init__(self, table: Table | None) -> None:
        self.table = table
        self._clean_at = 0.0

    def add(self, engine: Engine, key: str, outcome: bytes, expires: float) -> bool:
        """Insert a row; say whether there was none of this key."""
        table = self._table
        values: dict[str, object] = {_key(table).name: key, _expiry(table).name: _time(table, expires)}
        if table.name == OWN_TABLE:
            values["outcome"] = outcome
        self._clean(engine)
        try:
            with engine.begin() as connection:
                connection.execute(insert(table).values(values))
        except IntegrityError:
            return False
        return True

    def change(self, engine: Engine, key: str, outcome: bytes) -> None:
        table = self._table
        if table.name == OWN_TABLE:
            with engine.begin() as connection:
                connection.execute(update(table).where(_key(table) == key).values(outcome=outcome))

    def read(self, engine: Engine, key: str) -> str | None:
        table = self._table
        with engine.begin() as connection:
            row = connection.execute(select(table).where(_key(table) == key)).mappings().first()
        if row is None:
            return None
        return bytes(row["outcome"] or b"").decode() if table.name == OWN_TABLE else ""

    @property
    def _table(self) -> Table:
        assert self.table is not None, "what has no table is kept in memory"  # noqa: S101
        return self.table

    def _clean(self, engine: Engine) -> None:
        """Delete our rows that have expired, now and then; Airflow does it for the revoked tokens."""
        table = self._table
        if time.monotonic() < self._clean_at or table.name != OWN_TABLE:
            return
        self._clean_at = time.monotonic() + CLEAN_SECONDS
        expired = delete(table).where(_expiry(table) < _time(table, time.time()))
        with engine.begin() as connection:
            connection.execute(expired)


def find_table(engine: Engine) -> Table | None:
    """Return the table to use, made if need be; None if there is none and none may be made."""
    table = Table(
        OWN_TABLE,
        MetaData(),
        Column("claim_key", String(64), primary_key=True),
        Column("expires", DateTime(), nullable=False),
        Column("outcome", LargeBinary(), nullable=True),
    )
    try:
        table.create(engine, checkfirst=True)
    except SQLAlchemyError:
        # Another process may have made it at the same instant.
        names = inspect(engine).get_table_names()
        if OWN_TABLE in names:
            return table
        if REVOKED_TABLE in names:
            return Table(REVOKED_TABLE, MetaData(), autoload_with=engine)
        log.exception(
            "The table %s cannot be made: a confirmation acts once in each process, not once in all",
            OWN_TABLE,
        )
        return None
    return table


def _key(table: Table) -> Column[str]:
    return table.c["claim_key" if table.name == OWN_TABLE else "jti"]


def _expiry(table: Table) -> Column[datetime]:
    return table.c["expires" if table.name == OWN_TABLE else "exp"]


def _time(table: Table, seconds: float) -> datetime:
    """Return a time as the table's column takes it: with or without an offset."""
    at = datetime.fromtimestamp(seconds, timezone.utc)
    return at if getattr(_expiry(table).type, "timezone", False) else at.replace(tzinfo=None)


async def _in_thread(function: Callable[[], Returned]) -> Returned:
    return await anyio.to_thread.run_sync(function)


def open_claims() -> Claims:
    """Return the claims in the database of this Airflow."""
    return DatabaseClaims(get_engine)
