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
"""Airflow's database, gone, locked or without a free connection: told from a fault of Airflow's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as NoFreeConnection

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

UNAVAILABLE = json.dumps(
    {"detail": "Airflow's database does not answer now, or is locked. Nothing is known to have changed."}
).encode()
"""What stands in for Airflow's own answer, which may show its internals."""


def is_database_fault(failure: BaseException | None) -> bool:
    """Say whether a failure, or what led to it, is that the database cannot be used now."""
    seen: set[int] = set()
    while failure is not None and id(failure) not in seen:
        seen.add(id(failure))
        if isinstance(failure, (OperationalError, InterfaceError, NoFreeConnection)):
            return True
        if isinstance(failure, DBAPIError) and failure.connection_invalidated:
            return True
        failure = failure.__cause__ or failure.__context__
    return False


def get_engine() -> Engine:
    """Return the engine of Airflow's database. Ask at each use: a process that was forked has its own."""
    from airflow import settings

    engine: Engine = settings.engine
    return engine
