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
"""Airflow 2: the endpoint as a Flask blueprint, and calls into the same app as the caller."""

from __future__ import annotations

import asyncio
import functools
import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

import flask

if TYPE_CHECKING:
    from airflow_provider_mcp.endpoint.door import Reply
    from airflow_provider_mcp.sdk.airflow import Airflow, Caller
from airflow_provider_mcp.endpoint.wsgi import _Exchange, _is_gone, _read_body
from airflow_provider_mcp.hosts.airflow2.calls import InwardAuthentication, _inward, _load_user, _same

log = logging.getLogger(__name__)

REDACTED_DEPTH = 200
"""How deep secrets are looked for: Airflow's masker stops at 5 by itself."""


def _base_url() -> str:
    from airflow.configuration import conf

    return str(conf.get("webserver", "base_url", fallback="")).rstrip("/")


class _Served:
    """What one process needs to serve.

    What is heavy is built with the app: in the process that gunicorn then forks into workers, if it does.
    """

    def __init__(self, app: Any) -> None:
        self.app = app
        self._building = threading.Lock()
        self._loops: deque[asyncio.AbstractEventLoop] = deque()
        self.document: bytes | None = None
        """The API's own OpenAPI document, the same for everyone, which Airflow 2 writes anew each time."""

    @functools.cached_property
    def version(self) -> str:
        from airflow import __version__

        return str(__version__)

    def build_early(self) -> None:
        """Build what serves before anyone asks for it."""
        try:
            _ = self.server
        except Exception:
            # Airflow must serve all the same. A request tries again, and fails by what is still wrong.
            log.exception("The MCP server could not be built")

    @property
    def server(self) -> Any:
        """The MCP server; threads that ask at once build it once."""
        with self._building:
            return self._server

    @functools.cached_property
    def _server(self) -> Any:
        from airflow.configuration import conf

        from airflow_provider_mcp.server.build import build_server
        from airflow_provider_mcp.server.catalogue import load_catalogue
        from airflow_provider_mcp.server.signing import Confirmations

        secret = conf.get_mandatory_value("webserver", "secret_key").encode()
        return build_server(load_catalogue(self.version), Confirmations(secret))

    @functools.cached_property
    def policy_source(self) -> Any:
        from airflow_provider_mcp.hosts.connections import read_extra
        from airflow_provider_mcp.server.policy import PolicySource

        return PolicySource(functools.partial(_in_new_thread, read_extra))

    def answer(self) -> Reply:
        """Answer the current Flask request."""
        from airflow_provider_mcp.endpoint import door
        from airflow_provider_mcp.endpoint import exchange as endpoint
        from airflow_provider_mcp.endpoint.door import Reply
        from airflow_provider_mcp.server.request import Identity

        request = flask.request
        policy = self.policy_source.current()
        raw_headers = [(name.lower(), value) for name, value in request.headers.items()]
        headers = dict(raw_headers)
        own = door.own_origins(_base_url(), request.scheme, request.host)
        refused = door.refuse_at_the_door(request.method, headers, policy, own)
        if refused is not None:
            return refused
        known = self.authenticate()
        if known is None:
            return door.unauthenticated()
        refused = door.refuse_body(headers, policy)
        if refused is not None:
            return refused
        body = _read_body(request.environ, request.content_length, policy.max_request_bytes + 1)
        if len(body) > policy.max_request_bytes:
            return door.too_large(policy)
        caller, load_user = known
        script_name = request.environ.get("SCRIPT_NAME", "")
        base_url = _base_url()
        page_roots = (base_url, f"{request.scheme}://{request.host}{urlsplit(base_url).path}")
        identity = Identity(
            caller,
            lambda access: self.open_airflow(caller, load_user, script_name, access, page_roots),
        )
        loop = self._loops.pop() if self._loops else asyncio.new_event_loop()
        exchange = _Exchange(loop, self._loops.append, functools.partial(_is_gone, request.environ))
        reply = exchange.begin(
            endpoint.exchange(self.server, raw_headers, body, identity, policy, exchange.emit)
        )
        if reply is None:
            return Reply(200, headers=endpoint.STREAM_HEADERS, stream=exchange)
        return reply

    def authenticate(self) -> tuple[Caller, Callable[[], Any]] | None:
        """Return who sent the current request, by the configured backends, and how to load them again.

        ``check_authentication`` also passes who sent nothing, or a wrong password, as the public role: only
        a request with the header, whose sender is then logged in, is authenticated.
        """
        from airflow.api_connexion.exceptions import Unauthenticated
        from airflow.api_connexion.security import check_authentication
        from airflow.www.extensions.init_auth_manager import get_auth_manager

        from airflow_provider_mcp.sdk.airflow import Caller

        if not flask.request.headers.get("Authorization"):
            return None
        self._install_inward_authentication()
        try:
            check_authentication()
        except Unauthenticated:
            return None
        manager = get_auth_manager()
        if not manager.is_logged_in():
            return None
        user = manager.get_user()
        security = getattr(self.app.appbuilder, "sm", None)
        if hasattr(user, "_sa_instance_state") and security is not None:
            # An ORM user belongs to this thread's database session: other threads load their own.
            load_user = functools.partial(_load_user, security, user.id, getattr(user, "perms", None))
        else:
            load_user = functools.partial(_same, user)
        return Caller(str(manager.get_user_id()), str(manager.get_user_name())), load_user

    def _install_inward_authentication(self) -> None:
        backends = self.app.api_auth
        if not backends or backends[0] is not InwardAuthentication:
            self.app.api_auth = [InwardAuthentication, *backends]

    def open_airflow(
        self,
        caller: Caller,
        load_user: Callable[[], Any],
        script_name: str,
        access: Literal["read", "write"],
        page_roots: tuple[str, str],
    ) -> Airflow:
        """Return a client that calls this app, each call in a thread of its own, as the caller."""
        from airflow_provider_mcp.hosts.airflow2.rest import page_url
        from airflow_provider_mcp.sdk.airflow import INNER_HOST, Airflow, Site

        return Airflow(
            transport=_inward(self.app, load_user, script_name),
            base_url=f"http://{INNER_HOST}/api/v2/",
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


def _in_new_thread(function: Callable[..., Any], *args: Any) -> Any:
    """Run where no database session, request or login of this thread can be touched."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as executor:
        return executor.submit(function, *args).result()


def redact(value: Any, name: str | None = None) -> Any:
    """Return JSON-ready data with its secrets masked by Airflow's own masker."""
    from airflow.utils.log.secrets_masker import redact as mask

    return mask(value, name, max_depth=REDACTED_DEPTH)


def hides_option(section: str, option: str) -> bool:
    """Say whether Airflow calls an option of its configuration sensitive."""
    from airflow.configuration import conf

    section, option = section.lower(), option.lower()
    # Options of a secrets backend may be set one by one, under names of their own.
    return (section, option) in conf.sensitive_config_values or "backend_kwarg__" in option
