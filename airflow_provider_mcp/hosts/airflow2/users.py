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
"""Airflow 2: the users for whom clients may log in, found without a request of theirs."""

from __future__ import annotations

from typing import Any

from airflow import __version__, settings
from airflow.www.extensions.init_auth_manager import get_auth_manager

from airflow_provider_mcp.hosts.options import read_api_backends
from airflow_provider_mcp.oauth.grants import Person

_FAB = (
    "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager",
    "airflow.auth.managers.fab.fab_auth_manager.FabAuthManager",
)


def explain_unsupported() -> str | None:
    """Return why nobody may log in on this Airflow, in a sentence; None if they may."""
    minor = int(__version__.split(".")[1])
    if minor < 11:
        return f"Airflow {__version__} is too old for it: it needs 2.11"
    # Airflow 2.7 has no such function.
    from airflow.www.extensions.init_auth_manager import get_auth_manager_cls

    manager = get_auth_manager_cls()
    if not {f"{each.__module__}.{each.__qualname__}" for each in manager.__mro__} & set(_FAB):
        return f"the auth manager {manager.__name__} is not supported: FAB's is"
    if any(name.rpartition(".")[2] == "deny_all" for name in read_api_backends()):
        return "[api] auth_backends is deny_all: nobody is to use the REST API"
    return None


def find_user(person: Person) -> Any | None:
    """Return the user as Airflow knows them now, None if it does not or has made them inactive.

    It needs a context of Flask's app.
    """
    user = get_auth_manager().security_manager.get_user_by_id(int(person.id))
    if user is None or not user.is_active or user.get_name() != person.name:
        return None
    return user


def is_known(app: Any, person: Person) -> bool:
    """Say whether Airflow knows a person. It is called in a thread of its own."""
    try:
        with app.app_context():
            return find_user(person) is not None
    finally:
        settings.Session.remove()
