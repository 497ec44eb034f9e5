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
"""Airflow 3: what a user may do, as its REST API decides it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import TypeAlias

import anyio.to_thread
from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import requires_access_dag

Check: TypeAlias = Callable[..., None]
"""What a route depends on: it takes the request and the user, and raises where it refuses."""


async def find_triggerable(user: BaseUser, dag_ids: Sequence[str]) -> frozenset[str]:
    """Return those of some Dags of which a user may start a run."""
    # The auth manager may ask a database, or another service.
    return await anyio.to_thread.run_sync(_find_triggerable, user, tuple(dag_ids))


def _find_triggerable(user: BaseUser, dag_ids: Sequence[str]) -> frozenset[str]:
    # The very check of the route that starts a run: it knows a Dag's team as well.
    check: Check = requires_access_dag("POST", DagAccessEntity.RUN)
    return frozenset(dag_id for dag_id in dag_ids if _passes(check, dag_id, user))


def _passes(check: Check, dag_id: str, user: BaseUser) -> bool:
    request = SimpleNamespace(path_params={"dag_id": dag_id}, query_params={})
    try:
        check(request, user)
    except Exception as refused:
        if getattr(refused, "status_code", None) == 403:
            return False
        raise
    return True
