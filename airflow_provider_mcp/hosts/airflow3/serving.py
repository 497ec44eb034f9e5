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
"""Airflow 3: the endpoint mounted in the api-server, and calls into the same app as the caller."""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from airflow_provider_mcp.hosts.airflow3.calls import InnerApp
    from airflow_provider_mcp.sdk.airflow import Airflow, Caller
    from airflow_provider_mcp.server.policy import PolicySource


log = logging.getLogger(__name__)

REDACTED_DEPTH = 200
"""How deep secrets are looked for: Airflow's masker stops at 5 by itself."""


class _Served:
    """What one process needs to serve: built once, when it starts."""

    def __init__(self) -> None:
        from airflow import __version__
        from airflow.configuration import conf

        import airflow_provider_mcp.endpoint.exchange  # noqa: F401 - here, not first on the event loop
        from airflow_provider_mcp.hosts.connections import read_extra
        from airflow_provider_mcp.server.build import build_server
        from airflow_provider_mcp.server.catalogue import load_catalogue
        from airflow_provider_mcp.server.policy import PolicySource
        from airflow_provider_mcp.server.signing import Confirmations

        self.version = __version__
        self.catalogue = load_catalogue(__version__)
        self.policy_source: PolicySource = PolicySource(read_extra)
        self.server = build_server(
            self.catalogue, Confirmations(conf.get_mandatory_value("api", "secret_key").encode())
        )
        self.base_url = conf.get("api", "base_url", fallback="").rstrip("/")
        self._inner: InnerApp | None = None

    async def authenticate(self, authorization: str) -> tuple[Caller, Any] | None:
        """Return whose Bearer token this is, and the auth manager's user; None if it is no valid one."""
        from airflow.api_fastapi.app import get_auth_manager
        from jwt import InvalidTokenError

        from airflow_provider_mcp.sdk.airflow import Caller

        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            return None
        try:
            user = await get_auth_manager().get_user_from_token(token.strip())
        except (InvalidTokenError, KeyError, ValueError):
            # KeyError and ValueError: a token that verifies but does not hold the manager's claims.
            return None
        if user is None:
            return None
        return Caller(str(user.get_id()), user.get_name()), user

    def open_airflow(
        self,
        app: Any,
        authorization: str,
        user: Any,
        caller: Caller,
        access: Literal["read", "write"],
        page_roots: tuple[str, str],
    ) -> Airflow:
        """Return a client that calls ``app`` in this process as the caller.

        :param user: Whom the auth manager found ``authorization`` to belong to.
        """
        from airflow_provider_mcp.hosts.airflow3.calls import InnerApp
        from airflow_provider_mcp.hosts.page_urls import page_url
        from airflow_provider_mcp.sdk.airflow import Airflow, Site

        if self._inner is None:
            self._inner = InnerApp(app)
        return Airflow(
            transport=self._inner.open_transport(user, authorization),
            base_url=self._inner.base_url,
            site=Site(
                version=self.version,
                page_roots=page_roots,
                page_url=functools.partial(page_url, page_roots[0]),
                redact=redact,
                hides_option=hides_option,
                policy_conn_ids=frozenset({self.policy_source.conn_id}),
            ),
            caller=caller,
            access=access,
        )


def redact(value: Any, name: str | None = None) -> Any:
    """Return JSON-ready data with its secrets masked by Airflow's own masker."""
    try:
        from airflow._shared.secrets_masker import redact as mask
    except ImportError:  # before Airflow 3.2
        from airflow.sdk.execution_time.secrets_masker import redact as mask

    return mask(value, name, max_depth=REDACTED_DEPTH)


def hides_option(section: str, option: str) -> bool:
    """Say whether Airflow calls an option of its configuration sensitive."""
    from airflow.configuration import conf

    section, option = section.lower(), option.lower()
    # Options of a secrets backend may be set one by one, under names of their own.
    return (section, option) in conf.sensitive_config_values or "backend_kwarg__" in option
