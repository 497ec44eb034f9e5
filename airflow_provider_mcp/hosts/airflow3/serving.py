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
"""Airflow 3: how the endpoint is served from inside the api-server's own app."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import fastapi
from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from jwt import ExpiredSignatureError, InvalidTokenError
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from airflow_provider_mcp.endpoint import asgi
from airflow_provider_mcp.endpoint.door import (
    AuthenticationUnavailable,
    HTTPRequest,
    Reply,
    Unauthenticated,
    unavailable,
)
from airflow_provider_mcp.endpoint.elsewhere import HEADERS, NO_LOGIN
from airflow_provider_mcp.endpoint.serve import serve
from airflow_provider_mcp.hosts.airflow3 import browser, users
from airflow_provider_mcp.hosts.airflow3.calls import InnerApp
from airflow_provider_mcp.hosts.airflow3.permissions import find_triggerable
from airflow_provider_mcp.hosts.logins import open_login
from airflow_provider_mcp.hosts.page_urls import page_url_of_airflow3
from airflow_provider_mcp.hosts.queries import Queries
from airflow_provider_mcp.hosts.service import Service, ServiceHost
from airflow_provider_mcp.oauth.grants import Person
from airflow_provider_mcp.sdk.airflow import Caller
from airflow_provider_mcp.server.approval import digest_credential
from airflow_provider_mcp.server.catalogue import release
from airflow_provider_mcp.server.request import Identity
from airflow_provider_mcp.web.respond import respond

log = logging.getLogger(__name__)

MINTED_SECONDS = 60
"""How long a token for calls within a request is good for; a request ends before."""


class Serving:
    """What one process needs to serve: built once, when it starts."""

    def __init__(self) -> None:
        self.service = Service("api", page_url_of_airflow3)
        # So that the first caller finds it read. (Airflow 2 forks after this: no thread would survive.)
        self.service.policy_source.current()
        self._inner: InnerApp | None = None
        options = self.service.policy_source.options
        obstacle = users.explain_unsupported() if options.oauth_enabled else None
        self.service.login = open_login(options, obstacle, users.is_known)
        if (closed := self.service.explain_closed()) is not None:
            log.warning("MCP: %s", closed)

    async def answer(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        """Answer one HTTP request."""
        await asgi.answer(scope, receive, send, partial(serve, host=Host(self, scope)))

    async def answer_page(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        """Answer one HTTP request for a page."""
        await asgi.answer(scope, receive, send, partial(respond, host=Host(self, scope)))

    async def answer_login(
        self, route: str, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send
    ) -> None:
        """Answer one HTTP request to the login by OAuth.

        :param route: What is asked for, below the login's own path.
        """
        login = self.service.login

        async def answer(request: HTTPRequest) -> Reply:
            if login is None:
                return Reply(404, NO_LOGIN, HEADERS)
            try:
                return await login.answer(route, request, BrowserSession(request))
            except (DBAPIError, PoolTimeoutError) as failure:
                log.error("MCP: a login could not go on: %s", type(failure).__name__)
                return unavailable("Airflow's database does not answer now. Try again in a few seconds.")

        await asgi.answer(scope, receive, send, answer)

    def inner(self, app: fastapi.FastAPI) -> InnerApp:
        """Return Airflow's app as calls within a request need it."""
        if self._inner is None:
            self._inner = InnerApp(app)
        return self._inner


class BrowserSession:
    """The browser that sent a request, as the login by OAuth asks for it."""

    def __init__(self, request: HTTPRequest) -> None:
        self._request = request

    async def find_person(self) -> Person | None:
        user = await browser.find_user(self._request)
        return None if user is None else Person(str(user.get_id()), user.get_name())

    def find_login(self, path: str) -> str:
        return browser.find_login(path)


class Host(ServiceHost):
    """How one request sees this process."""

    schemes: Sequence[str] = ("Bearer",)
    line = 3
    login_schemes: Sequence[str] = ("Bearer",)

    def __init__(self, serving: Serving, scope: asgi.Scope) -> None:
        host = dict(scope["headers"]).get(b"host", b"").decode("latin-1")
        super().__init__(serving.service, scope["scheme"], host)
        # The mount leaves `app` as the app that holds the mount: Airflow's own.
        self._inner = serving.inner(scope["app"])

    async def identify(self, request: HTTPRequest) -> Identity | None:
        """Return who is logged in to Airflow in the browser that sent the request."""
        try:
            user = await browser.find_user(request)
        except SQLAlchemyError as failure:
            log.error("MCP: a login could not be checked: %s", type(failure).__name__)
            raise AuthenticationUnavailable from failure
        return None if user is None else self.act_as(user)

    def find_login(self, path: str) -> str | None:
        """Return the address of Airflow's login. Airflow 3.0 keeps the login out of the server's sight."""
        return browser.find_login(path) if self._sees_logins else None

    @property
    def _sees_logins(self) -> bool:
        return release(self._service.version) >= (3, 1)

    async def authenticate(self, request: HTTPRequest) -> Identity:
        access = await self.find_access(request)
        if access is not None:
            # In the event loop's thread: FAB's auth manager has a cache that is not made for several.
            try:
                user = users.find_user(access.person)
            except SQLAlchemyError as failure:
                log.error("MCP: a login could not be checked: %s", type(failure).__name__)
                raise AuthenticationUnavailable from failure
            if user is None:
                raise Unauthenticated("Airflow no longer knows the user of this login: log in again.")
            return self.act_as(user, scopes=access.scopes)
        self.check_other_credentials(request)
        authorization = request.header("authorization") or ""
        scheme, _, token = authorization.partition(" ")
        if not authorization:
            reason = (
                "No credential was sent: send `Authorization: Bearer <token>` with a token of this Airflow."
            )
            raise Unauthenticated(reason, sent=False)
        if scheme.lower() != "bearer":
            raise Unauthenticated("The scheme of the Authorization header is not taken here; send Bearer.")
        try:
            user = await get_auth_manager().get_user_from_token(token.strip())
        except ExpiredSignatureError:
            raise Unauthenticated("The token has expired: get a new one from this Airflow.") from None
        except InvalidTokenError:
            user = None
        except (DBAPIError, PoolTimeoutError) as failure:
            log.error("MCP: a credential could not be checked: %s", type(failure).__name__)
            raise AuthenticationUnavailable from failure
        except Exception as failure:
            # A token that verifies may name a user who is gone, or hold other claims than the manager wants.
            log.warning("MCP: the auth manager failed on a token: %s", type(failure).__name__)
            user = None
        if user is None:
            raise Unauthenticated("The token was not accepted by this Airflow: get a new one from it.")
        # Airflow takes the same token from a cookie, too: with it, nobody confirms their own calls.
        return replace(self.act_as(user), credential=digest_credential(token))

    def act_as(self, user: BaseUser, scopes: frozenset[str] | None = None) -> Identity:
        """Return a user as the caller of this request. What they sent goes no further than to here.

        :param scopes: What their token is limited to.
        """
        caller = Caller(str(user.get_id()), user.get_name())
        queries = Queries()
        transport = self._inner.open_transport(user, lambda: f"Bearer {mint_token(user)}", queries)
        base_url, may = self._inner.base_url, partial(find_triggerable, user)
        return Identity(
            caller,
            lambda access: self.open_airflow(transport, base_url, caller, access, may, scopes),
            scopes,
            pages=self.pages if self._sees_logins else None,
            waits_alone=True,
            end=queries.stop,
        )


def mint_token(user: BaseUser) -> str:
    """Return a token of Airflow's for a user, which never leaves this process."""
    manager = get_auth_manager()
    # Keycloak's manager keeps a user's own tokens outside of a token of the browser, and inside of this one.
    mint: Callable[..., str] = getattr(manager, "generate_api_jwt", None) or manager.generate_jwt
    return mint(user, expiration_time_in_seconds=MINTED_SECONDS)
