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
"""Airflow 2: how the endpoint is served from inside Airflow's own app."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import anyio.to_thread
import flask
from airflow import settings
from airflow.configuration import conf
from airflow.www.extensions.init_auth_manager import get_auth_manager
from flask.sessions import SecureCookieSession
from sqlalchemy.exc import SQLAlchemyError

from airflow_provider_mcp.endpoint import wsgi
from airflow_provider_mcp.endpoint.door import (
    AuthenticationUnavailable,
    HTTPRequest,
    Reply,
    Unauthenticated,
    unavailable,
)
from airflow_provider_mcp.endpoint.elsewhere import HEADERS, NO_LOGIN
from airflow_provider_mcp.endpoint.loops import LoopPool, shares_threads, step_aside
from airflow_provider_mcp.endpoint.serve import serve
from airflow_provider_mcp.hosts.airflow2 import browser, users
from airflow_provider_mcp.hosts.airflow2.backends import Backends
from airflow_provider_mcp.hosts.airflow2.calls import InnerApp, InwardAuthentication, Principal, prepare_user
from airflow_provider_mcp.hosts.airflow2.known_credentials import KnownCredentials, open_credentials
from airflow_provider_mcp.hosts.airflow2.waiting import take_place
from airflow_provider_mcp.hosts.logins import open_login
from airflow_provider_mcp.hosts.page_urls import page_url_of_airflow2
from airflow_provider_mcp.hosts.queries import Queries
from airflow_provider_mcp.hosts.service import Service, ServiceHost
from airflow_provider_mcp.oauth.grants import Access, Person
from airflow_provider_mcp.sdk.airflow import Caller
from airflow_provider_mcp.server.request import WRITE_SCOPE, Identity
from airflow_provider_mcp.web.respond import respond

log = logging.getLogger(__name__)


class Serving:
    """What one process needs to serve.

    What is heavy is built with the app: in the process that gunicorn then forks into workers, if it does.
    """

    def __init__(self, app: flask.Flask) -> None:
        self.service = Service("webserver", page_url_of_airflow2)
        self.inner = InnerApp(app)
        self._loops = LoopPool()
        options = self.service.policy_source.options
        obstacle = users.explain_unsupported() if options.oauth_enabled else None
        self.service.login = open_login(options, obstacle, functools.partial(users.is_known, app))
        self.backends = Backends(app.api_auth, by_login=self.service.login is not None)
        self.credentials = open_credentials(options, self.backends)
        InwardAuthentication.install(app)
        if (closed := self.service.explain_closed() or self.backends.hint) is not None:
            log.warning("MCP: %s", closed)
        if conf.get("webserver", "worker_class", fallback="sync") == "eventlet":
            log.warning(
                "MCP: [webserver] worker_class eventlet is not supported; use sync, gthread or gevent."
            )

    def answer(self) -> Reply:
        """Answer the current Flask request."""
        environ = flask.request.environ
        return wsgi.answer(environ, partial(serve, host=Host(self, environ)), self._loops)

    def answer_page(self) -> Reply:
        """Answer the current Flask request for a page."""
        environ = flask.request.environ
        path = flask.request.path.removeprefix("/mcp")
        return wsgi.answer(environ, partial(respond, host=Host(self, environ)), self._loops, path)

    def answer_login(self, route: str) -> Reply:
        """Answer the current Flask request, which is one to the login by OAuth.

        :param route: What is asked for, below the login's own path.
        """
        login = self.service.login
        if login is None:
            return Reply(404, NO_LOGIN, HEADERS)

        async def answer(request: HTTPRequest) -> Reply:
            return await login.answer(route, request, BrowserSession())

        try:
            return wsgi.answer(flask.request.environ, answer, self._loops)
        except SQLAlchemyError as failure:
            log.error("MCP: a login could not go on: %s", type(failure).__name__)
            return unavailable("Airflow's database does not answer now. Try again in a few seconds.")


class BrowserSession:
    """The browser that sent the current Flask request, as the login by OAuth asks for it."""

    async def find_person(self) -> Person | None:
        with step_aside():
            user = browser.find_user()
            return None if user is None else Person(str(user.get_id()), user.get_name())

    def find_login(self, path: str) -> str:
        return browser.find_login(path)


class Host(ServiceHost):
    """How the current Flask request sees this process."""

    line = 2

    def __init__(self, serving: Serving, environ: wsgi.Environ) -> None:
        super().__init__(serving.service, environ["wsgi.url_scheme"], environ.get("HTTP_HOST", ""))
        self._serving = serving
        self._environ = environ
        self._script_name = environ.get("SCRIPT_NAME", "")

    @property
    def schemes(self) -> Sequence[str]:
        return self._serving.backends.schemes if self.options.accept_airflow_tokens else ("Bearer",)

    async def identify(self, _: HTTPRequest) -> Identity | None:
        """Return who is logged in to Airflow in the browser that sent the request."""
        try:
            user = browser.find_user()
        except SQLAlchemyError as failure:
            log.error("MCP: a login could not be checked: %s", type(failure).__name__)
            raise AuthenticationUnavailable from failure
        if user is None:
            return None
        manager = get_auth_manager()
        return self.act_as(user, Caller(str(manager.get_user_id()), str(manager.get_user_name())))

    def find_login(self, path: str) -> str | None:
        """Return the address of Airflow's login."""
        return browser.find_login(path)

    @property
    def login_schemes(self) -> Sequence[str]:
        return self._serving.backends.schemes_taken if self.options.accept_airflow_tokens else ("Bearer",)

    @property
    def login_warning(self) -> str | None:
        hint = None if self.login_parameters else self._serving.backends.hint
        return super().login_warning or hint

    def place_to_wait(self) -> AbstractContextManager[bool]:
        return take_place(self._environ)

    async def authenticate(self, request: HTTPRequest) -> Identity:
        access = await self.find_access(request)
        if access is not None:
            return await authenticate_in_time(partial(self._act_for, access))
        self.check_other_credentials(request)
        backends = self._serving.backends
        backends.check_header(request.header("authorization"))
        return await authenticate_in_time(partial(self._find_identity, backends))

    def _find_identity(self, backends: Backends) -> Identity:
        """Return who sent the current request, by the configured backends."""
        user = _find_user(backends, self._serving.credentials)
        if user is None:
            raise Unauthenticated(backends.explain("The credential was not accepted."))
        manager = get_auth_manager()
        return self.act_as(user, Caller(str(manager.get_user_id()), str(manager.get_user_name())))

    def act_as(self, user: Any, caller: Caller, scopes: frozenset[str] | None = None) -> Identity:
        """Return a user, whom the auth manager knows as this caller, as the caller of this request.

        :param scopes: What their token is limited to.
        """
        inner = self._serving.inner
        load_user = prepare_user(inner.app, user)
        may_write = scopes is None or WRITE_SCOPE in scopes
        queries = Queries()
        transport = inner.open_transport(Principal(load_user, may_write), self._script_name, queries)
        base_url, may = inner.base_url, partial(inner.find_triggerable, load_user)
        return Identity(
            caller,
            lambda access: self.open_airflow(transport, base_url, caller, access, may, scopes),
            scopes,
            pages=self.pages,
            waits_alone=shares_threads(),
            end=queries.stop,
        )

    def _act_for(self, access: Access) -> Identity:
        """Return the user of a token of the login as the caller of this request."""
        user = users.find_user(access.person)
        if user is None:
            raise Unauthenticated("Airflow no longer knows the user of this login: log in again.")
        return self.act_as(user, Caller(access.person.id, access.person.name), access.scopes)


async def authenticate_in_time(authenticate: Callable[[], Identity]) -> Identity:
    """Authenticate in a thread, which is left alone if it takes longer than the request may wait for it.

    A directory or a database that hangs would hold the request, and its worker, for as long.
    """

    def run() -> Identity:
        try:
            return authenticate()
        finally:
            # The session of this thread, not that of the request.
            settings.Session.remove()

    try:
        return await anyio.to_thread.run_sync(run, abandon_on_cancel=True)
    except SQLAlchemyError as failure:
        log.error("MCP: a credential could not be checked: %s", type(failure).__name__)
        raise AuthenticationUnavailable from failure


def _find_user(backends: Backends, credentials: KnownCredentials | None) -> Any | None:
    """Return who sent the current request, by its ``Authorization`` header alone; None if nobody did."""
    # Whom Airflow has found by a cookie before is forgotten, and who is found now is not kept in a session.
    flask.globals.request_ctx.session = SecureCookieSession()
    flask.request.environ.pop("HTTP_COOKIE", None)
    vars(flask.request).pop("cookies", None)
    for name in ("_login_user", "user"):
        flask.g.pop(name, None)
    manager = get_auth_manager()
    known = credentials.recall() if credentials is not None else None
    if known is not None:
        return known
    if not backends.accept() or not manager.is_logged_in():
        return None
    user = manager.get_user()
    if credentials is not None:
        credentials.remember(user)
    return user
