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
"""No statement outlives the answer to its request."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import create_engine, event, text
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError

from airflow_provider_mcp.hosts import queries
from airflow_provider_mcp.hosts.queries import Queries, RequestIsOverError, watch_queries


class Driver:
    """A driver's connection that can break off what goes on, as psycopg's."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.failure = failure
        self.cancelled = threading.Event()

    def cancel(self) -> None:
        self.cancelled.set()
        if self.failure is not None:
            raise self.failure


@pytest.fixture
def engine() -> Iterator[Engine]:
    watch_queries()
    watch_queries()
    engine = create_engine("sqlite://")
    yield engine
    engine.dispose()


@contextmanager
def looking(engine: Engine, look: Any) -> Iterator[Any]:
    """Connect to a database whose function ``look()`` is this one."""

    @event.listens_for(engine, "connect")
    def add(connection: Any, _: object) -> None:
        connection.create_function("look", 0, look)

    with engine.connect() as connection:
        yield connection


def test_what_goes_on_is_broken_off() -> None:
    found, goes_on, lost, done = Queries(), Driver(), Driver(OSError("no route")), Driver()
    for connection in (lost, goes_on, done, object()):
        found.begin(connection)
    found.end(done)
    found.stop()
    assert goes_on.cancelled.wait(5)
    assert lost.cancelled.wait(5)
    assert not done.cancelled.is_set()


def test_nothing_begins_once_it_is_over() -> None:
    found = Queries()
    found.stop()
    with pytest.raises(RequestIsOverError):
        found.begin(Driver())


def test_a_connection_does_not_go_on_while_others_are_broken_off() -> None:
    found, order = Queries(), []
    began, goes_on = threading.Event(), threading.Event()

    class Slow:
        def cancel(self) -> None:
            began.set()
            goes_on.wait(5)
            order.append("broken off")

    slow = Slow()
    found.begin(slow)
    found.stop()
    assert began.wait(5)

    def end() -> None:
        found.end(slow)
        order.append("next")

    ending = threading.Thread(target=end)
    ending.start()
    goes_on.set()
    ending.join(5)
    assert order == ["broken off", "next"]


def test_each_statement_of_a_call_is_known_while_it_goes_on(engine: Engine) -> None:
    found, seen = Queries(), []
    with looking(engine, lambda: seen.append(len(found._connections)) or 1) as connection:
        with found.watching("GET"):
            connection.execute(text("select look()"))
            with pytest.raises(DBAPIError):
                connection.execute(text("select nothing from nowhere"))
        assert not found._connections
        connection.execute(text("select look()"))
    assert seen == [1, 0]
    assert queries._CURRENT.get() is None


def test_the_next_statement_of_a_call_that_is_over_is_not_sent(engine: Engine) -> None:
    found = Queries()
    with engine.connect() as connection:
        with found.watching("GET"):
            connection.execute(text("select 1"))
            found.stop()
            with pytest.raises(RequestIsOverError):
                connection.execute(text("select 2"))
        assert connection.execute(text("select 3")).scalar() == 3


@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT", "DELETE"])
def test_what_may_change_something_goes_on_to_its_end(method: str) -> None:
    engine = create_engine("sqlite://")
    watch_queries()
    found = Queries()
    with found.watching("GET"), found.watching(method), engine.begin() as connection:
        connection.execute(text("CREATE TABLE t (n INTEGER)"))
        found.stop()
        # The second step of a change, after the client has gone.
        connection.execute(text("INSERT INTO t VALUES (1)"))
        assert connection.execute(text("SELECT n FROM t")).scalar() == 1
