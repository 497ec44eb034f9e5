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
"""What a web process builds once to serve MCP, on Airflow 2 and 3 alike."""

from __future__ import annotations

import functools
import logging
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Literal
from urllib.parse import urlsplit

import httpx
from airflow import __version__
from airflow.configuration import conf
from sqlalchemy.exc import SQLAlchemyError

from airflow_provider_mcp.endpoint.door import (
    AuthenticationUnavailable,
    HTTPRequest,
    Unauthenticated,
    is_loopback,
    names_host,
    own_origins,
)
from airflow_provider_mcp.hosts import metrics
from airflow_provider_mcp.hosts.audit_log import AuditLog
from airflow_provider_mcp.hosts.claims import open_claims
from airflow_provider_mcp.hosts.connections import read_extra
from airflow_provider_mcp.hosts.database import get_engine
from airflow_provider_mcp.hosts.logins import NO_WAY_IN, ONLY_LOGIN, explain_off
from airflow_provider_mcp.hosts.options import read_options
from airflow_provider_mcp.hosts.queries import watch_queries
from airflow_provider_mcp.hosts.tracing import share_tracing
from airflow_provider_mcp.oauth.errors import Refused
from airflow_provider_mcp.oauth.grants import ACCESS_MARK, MACHINE_MARK, Access, Grant, Person
from airflow_provider_mcp.oauth.login import Login
from airflow_provider_mcp.oauth.metadata import challenge_parameters
from airflow_provider_mcp.sdk.airflow import Airflow, Caller, Site
from airflow_provider_mcp.sdk.json_types import JSON
from airflow_provider_mcp.server.build import AirflowServer, build_server
from airflow_provider_mcp.server.catalogue import load_catalogue
from airflow_provider_mcp.server.policy import Policy
from airflow_provider_mcp.server.policy_source import PolicySource
from airflow_provider_mcp.server.request import WRITE_SCOPE
from airflow_provider_mcp.server.signing import Confirmations

log = logging.getLogger(__name__)

REDACTED_DEPTH = 200
"""How deep secrets are looked for: Airflow's masker stops at 5 by itself."""


class Service:
    """The catalogue, the policy and the MCP server of a process.

    :param section: The section of Airflow's configuration that has the secret key and the base URL.
    :param page_url: From the root of the pages and the identifiers of a thing to the address of its page.
    """

    def __init__(self, section: str, page_url: Callable[..., str]) -> None:
        self.version: str = __version__
        self.base_url: str = conf.get(section, "base_url", fallback="").rstrip("/")
        self.page_url = page_url
        share_tracing()
        watch_queries()
        options = read_options()
        self.catalogue = load_catalogue(self.version, of_host=_find_watchers(options))
        self.policy_source = PolicySource(read_extra, options, self.catalogue.describe_unknown)
        secret = conf.get_mandatory_value(section, "secret_key").encode()
        self.login: Login | None = None
        self.server = build_server(self.catalogue, Confirmations(secret), open_claims())

    def explain_closed(self) -> str | None:
        """Return why no credential is taken, in a sentence; None if one is."""
        closed = self.login is None and not self.policy_source.options.accept_airflow_tokens
        return NO_WAY_IN if closed else None


def _find_watchers(options: Policy) -> Mapping[str, object]:
    """Return the plugins that take note of each call in Airflow itself."""
    schema = conf.get("database", "sql_alchemy_schema", fallback=None) or None
    watchers: dict[str, object] = {"metrics": metrics}
    if options.audit_log != "none":
        watchers["audit_log"] = AuditLog(get_engine, options.audit_log, schema)
    return watchers


class ServiceHost:
    """How one request sees the service: what the hosts of both lines have in common.

    :param scheme: By which the request came, and ``host`` the name at which it came, as far as its
        headers say.
    """

    def __init__(self, service: Service, scheme: str, host: str) -> None:
        self._service = service
        self._scheme = scheme
        self._host = host

    @property
    def server(self) -> AirflowServer:
        return self._service.server

    @property
    def options(self) -> Policy:
        return self._service.policy_source.options

    @property
    def own_origins(self) -> Collection[str | None]:
        return own_origins(self._service.base_url, self._scheme, self._host)

    @property
    def pages(self) -> str:
        """The address that our pages are below, for people."""
        base_url = self._service.base_url
        # Airflow 2's default, for one, says nothing about where people reach it.
        is_local = is_loopback(urlsplit(base_url).netloc) and names_host(self._host)
        return self._reached if not base_url or is_local else base_url

    @property
    def endpoint_url(self) -> str:
        """The address of the MCP endpoint as this browser reaches it."""
        pages = self.pages
        return f"{pages if urlsplit(pages).netloc == self._host else self._reached}/mcp/v1"

    @property
    def _reached(self) -> str:
        """The same, as this request says it."""
        return f"{self._scheme}://{self._host}{urlsplit(self._service.base_url).path}"

    @property
    def login_warning(self) -> str | None:
        """Why no client gets in, in a sentence; None if clients do."""
        return self._service.explain_closed()

    @property
    def login_parameters(self) -> Mapping[str, str]:
        login = self._service.login
        if login is None:
            return {}
        addresses = login.addresses
        # Airflow 2's default base URL is on loopback: who came by another name or port would be led astray.
        is_here = addresses.secure or addresses.origin == f"http://{self._host}".lower()
        return challenge_parameters(addresses) if is_here else {}

    async def find_access(self, request: HTTPRequest) -> Access | None:
        """Return what a token of the login allows; None if the request's credential is none of these.

        :raises Unauthenticated: It is one, and not good.
        :raises AuthenticationUnavailable: The database does not answer.
        """
        scheme, _, token = (request.header("authorization") or "").partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token.startswith((ACCESS_MARK, MACHINE_MARK)):
            return None
        login = self._service.login
        if login is None:
            raise Unauthenticated("There is no login by OAuth here: the token is worth nothing.")
        try:
            with _telling_of_the_database():
                return await login.check(token)
        except Refused as refused:
            raise Unauthenticated(refused.reason) from None

    @property
    def login_obstacle(self) -> str | None:
        if self.login_parameters:
            return None
        if self._service.login is not None:
            return f"it is at {self._service.base_url}, Airflow's base_url, which is on each machine another"
        return explain_off() or "the log of the web process says why"

    async def list_grants(self, caller: Caller) -> list[Grant]:
        login = self._service.login
        if login is None:
            return []
        with _telling_of_the_database():
            return await login.list_grants(Person(caller.id, caller.name))

    async def end_grant(self, caller: Caller, grant_id: str) -> bool:
        login = self._service.login
        if login is None:
            return False
        with _telling_of_the_database():
            return await login.end_grant(Person(caller.id, caller.name), grant_id)

    def check_other_credentials(self, request: HTTPRequest) -> None:
        """Refuse a request that has no token of the login where nothing else could authenticate it.

        :raises Unauthenticated: Nothing else is taken here, or nothing else was sent.
        """
        sent = bool(request.header("authorization"))
        by_login = bool(self.login_parameters)
        if not self.options.accept_airflow_tokens:
            raise Unauthenticated(ONLY_LOGIN if by_login else NO_WAY_IN, sent=sent)
        if by_login and not sent:
            raise Unauthenticated(
                "No credential was sent: log in by OAuth, or send in the Authorization header what this "
                "Airflow's REST API takes.",
                sent=False,
            )

    async def policy(self) -> Policy:
        return await self._service.policy_source.fresh()

    def place_to_wait(self) -> AbstractContextManager[bool]:
        """Hold a place for a call that waits. There is always one where waiting takes nothing from others."""
        return nullcontext(True)

    def open_airflow(
        self,
        transport: httpx.AsyncBaseTransport,
        base_url: httpx.URL | str,
        caller: Caller,
        access: Literal["read", "write"],
        find_triggerable: Callable[[Sequence[str]], Awaitable[frozenset[str]]],
        scopes: frozenset[str] | None = None,
    ) -> Airflow:
        """Return a client that reaches this Airflow by a transport, as the caller.

        :param scopes: What the caller's token is limited to.
        """
        if scopes is not None and WRITE_SCOPE not in scopes:
            access = "read"
        service = self._service
        reached, root = self._reached, service.base_url or self._reached
        site = Site(
            version=service.version,
            page_url=functools.partial(service.page_url, root),
            redact=redact,
            hides_option=hides_option,
            page_roots=(root, reached),
            policy_conn_ids=frozenset({service.policy_source.conn_id}),
            place_to_wait=self.place_to_wait,
            find_triggerable=find_triggerable,
            dag_tool_tag=self.options.dag_tool_tag,
            max_dag_tools=self.options.max_dag_tools,
        )
        return Airflow(transport=transport, base_url=base_url, site=site, caller=caller, access=access)


@contextmanager
def _telling_of_the_database() -> Iterator[None]:
    """Turn a fault of the database, where logins are kept, into what a request is told.

    :raises AuthenticationUnavailable: There was one.
    """
    try:
        yield
    except SQLAlchemyError as failure:
        log.error("MCP: a login could not be checked: %s", type(failure).__name__)
        raise AuthenticationUnavailable from failure


def redact(value: JSON, name: str | None = None) -> JSON:
    """Return JSON-ready data with its secrets masked by Airflow's own masker."""
    return _find_masker()(value, name, max_depth=REDACTED_DEPTH)


@functools.cache
def _find_masker() -> Callable[..., JSON]:
    try:
        from airflow._shared.secrets_masker import redact as mask
    except ImportError:
        try:
            # Airflow 3.0 and 3.1
            from airflow.sdk.execution_time.secrets_masker import redact as mask
        except ImportError:
            from airflow.utils.log.secrets_masker import redact as mask
    masker: Callable[..., JSON] = mask
    return masker


def hides_option(section: str, option: str) -> bool:
    """Say whether Airflow calls an option of its configuration sensitive."""
    section, option = section.lower(), option.lower()
    # Options of a secrets backend may be set one by one, under names of their own.
    return (section, option) in conf.sensitive_config_values or "backend_kwarg__" in option
