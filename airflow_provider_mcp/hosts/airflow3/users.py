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
"""Airflow 3: the users for whom clients may log in, found without a request of theirs."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import anyio.from_thread
from airflow import __version__
from airflow.api_fastapi.app import get_auth_manager, get_auth_manager_cls
from airflow.api_fastapi.auth.managers import base_auth_manager
from airflow.configuration import conf

from airflow_provider_mcp.hosts.airflow3.browser import SESSION_COOKIE
from airflow_provider_mcp.oauth.grants import Person

if TYPE_CHECKING:
    from airflow.api_fastapi.auth.managers.models.base_user import BaseUser

log = logging.getLogger(__name__)

_SIMPLE = "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager"

_FAB = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"


def explain_unsupported() -> str | None:
    """Return why nobody may log in on this Airflow, in a sentence; None if they may.

    This looks at each part of Airflow that the login needs and that is not public.
    """
    if __version__.startswith("3.0."):
        return "Airflow 3.0 keeps a login out of the server's sight: it needs 3.1 or later"
    kinds = _list_kinds(get_auth_manager_cls())
    if not kinds & {_SIMPLE, _FAB}:
        return f"the auth manager {get_auth_manager_cls().__name__} is not supported: simple and FAB are"
    if _SIMPLE in kinds and conf.getboolean("core", "simple_auth_manager_all_admins", fallback=False):
        return "[core] simple_auth_manager_all_admins makes everybody an administrator without a login"
    if getattr(base_auth_manager, "COOKIE_NAME_JWT_TOKEN", None) != SESSION_COOKIE:
        return f"this Airflow keeps its login elsewhere than in the cookie {SESSION_COOKIE}"
    needed = ["generate_jwt", "deserialize_user", *(["get_users"] if _SIMPLE in kinds else [])]
    missing = [name for name in needed if not callable(getattr(get_auth_manager_cls(), name, None))]
    return f"its auth manager has no {' and no '.join(missing)}" if missing else None


def find_user(person: Person) -> BaseUser | None:
    """Return the user as Airflow knows them now, None if it does not or has made them inactive."""
    manager = get_auth_manager()
    if _SIMPLE in _list_kinds(type(manager)):
        users = {str(user.get_id()): user for user in manager.get_users()}
        user: BaseUser | None = users.get(person.id)
    else:
        try:
            user = manager.deserialize_user({"sub": person.id})
        except ValueError:
            return None
    return user if user is not None and user.get_name() == person.name else None


def is_known(person: Person) -> bool:
    """Say whether Airflow knows a person. It is called in a thread of the event loop's.

    FAB's auth manager has a cache that is not made for several threads.
    """
    return anyio.from_thread.run_sync(find_user, person) is not None


def _list_kinds(cls: type) -> set[str]:
    return {f"{each.__module__}.{each.__qualname__}" for each in cls.__mro__}
