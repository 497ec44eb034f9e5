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
"""The statements that a request's reads of Airflow have in the database, so that none outlives its answer.

A route's thread cannot be stopped: it waits for the database. The database can be told to break off, by the
drivers that have a public way for it (psycopg); of any other, a statement ends by itself.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine

log = logging.getLogger(__name__)


class RequestIsOverError(RuntimeError):
    """A route went on to its next statement after its request was answered."""


class Queries:
    """What the calls of one request have the database do now."""

    def __init__(self) -> None:
        self._connections: dict[int, Any] = {}
        self._lock = threading.Lock()
        self._over = False

    @contextmanager
    def watching(self, method: str) -> Iterator[None]:
        """Watch what is sent to the database meanwhile, in this thread or those that it starts for it.

        :param method: The call's. What may change something goes on to its end: Airflow commits some changes
            in steps, of which half must not be left.
        """
        token = _CURRENT.set(self if method == "GET" else None)
        try:
            yield
        finally:
            _CURRENT.reset(token)

    def begin(self, connection: Any) -> None:
        """Take note of a driver's connection on which a statement begins.

        :raises RequestIsOverError: Nobody waits for it any more.
        """
        with self._lock:
            if self._over:
                raise RequestIsOverError("The request that this was for is answered.")
            self._connections[id(connection)] = connection

    def end(self, connection: Any) -> None:
        """Take note that it has ended."""
        # While others are broken off, this waits: its connection must not go on to another request's.
        with self._lock:
            self._connections.pop(id(connection), None)

    def stop(self) -> None:
        """Break off what goes on, and let nothing begin."""
        with self._lock:
            self._over = True
            if not self._connections:
                return
        # It connects to the database, which may be what hangs.
        threading.Thread(target=self._break_off, name="MCP breaks off statements", daemon=True).start()

    def _break_off(self) -> None:
        with self._lock:
            for connection in self._connections.values():
                cancel = getattr(connection, "cancel", None)
                if cancel is None:
                    continue
                try:
                    cancel()
                except Exception as failure:
                    log.warning("MCP: a statement could not be broken off: %s", type(failure).__name__)
                else:
                    log.info("MCP: a statement is broken off, since its request is answered")
            self._connections.clear()


_CURRENT: ContextVar[Queries | None] = ContextVar("airflow_provider_mcp.queries", default=None)


def watch_queries() -> None:
    """Let the engines of this process say what they send; more than once changes nothing."""
    if not event.contains(Engine, "before_cursor_execute", _begin):
        event.listen(Engine, "before_cursor_execute", _begin)
        event.listen(Engine, "after_cursor_execute", _end)
        event.listen(Engine, "handle_error", _fail)


def _begin(connection: Any, *_: object) -> None:
    if (queries := _CURRENT.get()) is not None:
        queries.begin(connection.connection.dbapi_connection)


def _end(connection: Any, *_: object) -> None:
    if (queries := _CURRENT.get()) is not None:
        queries.end(connection.connection.dbapi_connection)


def _fail(context: Any) -> None:
    # What could not connect has none.
    if (queries := _CURRENT.get()) is not None and context.connection is not None:
        queries.end(context.connection.connection.dbapi_connection)
