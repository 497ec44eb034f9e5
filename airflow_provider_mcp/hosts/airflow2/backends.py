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
"""Airflow 2: the backends of its REST API that take a credential from the ``Authorization`` header."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import flask
from sqlalchemy.exc import SQLAlchemyError

from airflow_provider_mcp.endpoint.door import Unauthenticated

log = logging.getLogger(__name__)

_SCHEMES = {"basic_auth": "Basic", "kerberos_auth": "Negotiate"}
"""By the last part of a backend's name, whether Airflow's own or the FAB provider's."""

_OWN_BASIC = (
    "airflow.api.auth.backend.basic_auth",
    "airflow.providers.fab.auth_manager.api.auth.backend.basic_auth",
)

_WITHOUT_HEADER = ("session", "deny_all", "default")
"""Those that take no credential from the header. A session must never authenticate an MCP request."""


class Backends:
    """The configured backends, but for those that look elsewhere than into the header.

    :param configured: ``app.api_auth``: modules with ``requires_authentication``.
    :param by_login: Whether clients can log in by OAuth as well.
    """

    def __init__(self, configured: Sequence[Any], *, by_login: bool = False) -> None:
        names = {backend: getattr(backend, "__name__", type(backend).__name__) for backend in configured}
        self._backends = [
            backend for backend, name in names.items() if name.rpartition(".")[2] not in _WITHOUT_HEADER
        ]
        known = [_SCHEMES.get(names[backend].rpartition(".")[2]) for backend in self._backends]
        self._taken = [scheme for scheme in known if scheme is not None]
        self.starts_with_own_basic = bool(self._backends) and names[self._backends[0]] in _OWN_BASIC
        """Whether Airflow's own basic authentication is asked before any other backend."""
        self._closed = None not in known
        """Whether the schemes of all backends are known."""
        self.schemes = ("Bearer", *self._taken)
        self.schemes_taken = tuple(self._taken) if self._closed else self.schemes
        """Those that a person is told of: none of the known backends takes Bearer."""
        self.hint: str | None = None
        self._by_login = by_login
        if not self._backends and not by_login:
            self.hint = (
                f"[api] auth_backends ({', '.join(names.values()) or 'empty'}) of this Airflow takes no "
                "credential from the Authorization header, so nobody can call the MCP server; add a backend "
                "that does, for example airflow.api.auth.backend.basic_auth."
            )

    def check_header(self, authorization: str | None) -> None:
        """Refuse a header that none of the backends could take.

        :raises Unauthenticated: It is missing or of another scheme.
        """
        if not authorization:
            reason = (
                "No credential was sent: send one of this Airflow's REST API in the Authorization header."
            )
            raise Unauthenticated(self.explain(reason), sent=False)
        scheme = authorization.partition(" ")[0].lower()
        if self._closed and scheme not in {taken.lower() for taken in self._taken}:
            by_login = ["Bearer with a token of the login by OAuth"] if self._by_login else []
            send = " or ".join([*self._taken, *by_login]) or "no scheme at all"
            reason = f"The scheme of the Authorization header, or its token, is not taken here: send {send}."
            raise Unauthenticated(self.explain(reason))

    def explain(self, reason: str) -> str:
        """Return a reason, with the setting that stands in the way if one does."""
        return reason if self.hint is None else f"{reason} {self.hint}"

    def accept(self) -> bool:
        """Say whether a backend takes the current request's credential."""
        for backend in self._backends:
            try:
                response = backend.requires_authentication(flask.Response)()
            except SQLAlchemyError:
                raise
            except Exception as failure:
                # Whatever a backend raises about a credential, it does not take it.
                log.warning("MCP: %s failed on a credential: %s", backend.__name__, type(failure).__name__)
                continue
            if response.status_code == 200:
                return True
        return False
