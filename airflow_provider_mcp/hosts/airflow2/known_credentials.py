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
"""Passwords that were found good, so that the same one is not hashed again for each request.

A hash of a password takes over 100 ms, and basic authentication computes one a request. Here a keyed digest
of the credential is kept beside what the user's row says. Each request reads that row: only while it is the
very same, the stored hash included, and the user is active, the hash is not computed anew. Nothing is trusted
for longer than the database says, and what was refused is not kept.

Only for what Airflow's own backend and FAB's database login find: any other may decide by more than a row.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from collections import OrderedDict
from typing import Any, NamedTuple

import flask
from airflow.www.extensions.init_auth_manager import get_auth_manager
from flask_appbuilder.const import AUTH_DB
from flask_login import login_user
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.security import check_password_hash

from airflow_provider_mcp.hosts.airflow2.backends import Backends
from airflow_provider_mcp.server.policy import Policy

_OWNERS = ("airflow.", "flask_appbuilder.")
"""Whose database login is known to decide by the row alone."""


class UserRow(NamedTuple):
    """What a login is decided by."""

    id: int
    username: str
    password: str
    """The stored hash."""
    active: bool


def open_credentials(options: Policy, backends: Backends) -> KnownCredentials | None:
    """Return where credentials are kept; None if each is to be checked each time."""
    kept = options.remember_credentials and backends.starts_with_own_basic
    return KnownCredentials() if kept else None


class KnownCredentials:
    """The credentials of one process that were found good.

    :param most: So many are kept; the one that was used longest ago goes first.
    """

    def __init__(self, *, most: int = 1000) -> None:
        self._most = most
        self._key = secrets.token_bytes(32)
        self._rows: OrderedDict[bytes, UserRow] = OrderedDict()
        self._lock = threading.Lock()

    def recall(self) -> Any | None:
        """Log in whom the current request's credential was found good for, and is still; None if nobody."""
        credential = _read_credential()
        if credential is None:
            return None
        digest = self._digest(*credential)
        with self._lock:
            known = self._rows.get(digest)
        if known is None:
            return None
        security = _find_security()
        if security is None or _read_row(security, known.id) != known or not known.active:
            with self._lock:
                self._rows.pop(digest, None)
            return None
        user = security.get_user_by_id(known.id)
        if user is None or not login_user(user, remember=False):
            return None
        with self._lock:
            if digest in self._rows:
                self._rows.move_to_end(digest)
        return user

    def remember(self, user: Any) -> None:
        """Keep the current request's credential, which was found good for this user."""
        credential = _read_credential()
        security = _find_security()
        if credential is None or security is None:
            return
        row = _read_row(security, user.id)
        username, password = credential
        # The row may be newer than the one that was checked: it is kept only with its own hash computed.
        if (
            row is None
            or not row.active
            or row.username != username
            or not check_password_hash(row.password, password)
        ):
            return
        with self._lock:
            self._rows[self._digest(username, password)] = row
            while len(self._rows) > self._most:
                self._rows.popitem(last=False)

    def _digest(self, username: str, password: str) -> bytes:
        text = f"{len(username)}:{username}{password}".encode("utf-8", "surrogatepass")
        return hmac.new(self._key, text, hashlib.sha256).digest()


def _read_credential() -> tuple[str, str] | None:
    """Return the name and password of the current request's header."""
    try:
        found = flask.request.authorization
    except ValueError:
        # Bytes that are no text, or no Base64.
        return None
    if found is None or found.type != "basic" or not found.username or not found.password:
        return None
    return found.username, found.password


def _find_security() -> Any | None:
    """Return FAB's security manager, if users log in by its own table and nothing else."""
    security = getattr(get_auth_manager(), "security_manager", None)
    if security is None or getattr(security, "auth_type", None) != AUTH_DB:
        return None
    owners = [kind.__module__ for kind in type(security).__mro__ if "auth_user_db" in vars(kind)]
    return security if owners and owners[0].startswith(_OWNERS) else None


def _read_row(security: Any, user_id: int) -> UserRow | None:
    """Return a user's row as it is now: a session of its own sees no older state, and keeps none."""
    model = security.user_model
    columns = (model.id, model.username, model.password, model.active)
    with Session(security.get_session.get_bind()) as session:
        found = session.execute(select(*columns).where(model.id == user_id)).one_or_none()
    return None if found is None else UserRow(*found)
