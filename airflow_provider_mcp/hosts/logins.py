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
"""The login by OAuth in this Airflow: what it is made of, and why it may be off."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import datetime, timezone

from airflow import __version__
from airflow.configuration import conf
from sqlalchemy import Boolean, String, column, select, table
from sqlalchemy.exc import SQLAlchemyError

from airflow_provider_mcp.hosts.database import get_engine
from airflow_provider_mcp.hosts.grant_rows import GrantRows, NoTable
from airflow_provider_mcp.hosts.log_table import LogTable
from airflow_provider_mcp.hosts.options import read_options
from airflow_provider_mcp.oauth.clients import Clients
from airflow_provider_mcp.oauth.documents import Documents
from airflow_provider_mcp.oauth.grants import Grants, Person
from airflow_provider_mcp.oauth.login import Login
from airflow_provider_mcp.oauth.metadata import Addresses
from airflow_provider_mcp.oauth.sealing import Sealer
from airflow_provider_mcp.sdk.json_types import JSONObject
from airflow_provider_mcp.server.policy import Policy

log = logging.getLogger(__name__)

_SCHEMA = conf.get("database", "sql_alchemy_schema", fallback=None) or None

_USERS = table(
    "ab_user", column("id"), column("username", String()), column("active", Boolean()), schema=_SCHEMA
)
"""The users of Flask-AppBuilder, whose manager exists in a web process alone."""

LINE = int(__version__.split(".", 1)[0])

SECTION = "api" if LINE == 3 else "webserver"
"""The section that has the secret key and the base URL."""

ONLY_LOGIN = (
    "Airflow's own credentials are not taken here ([mcp] accept_airflow_tokens is False): log in by OAuth, "
    "or send a token of `airflow-mcp token`."
)

NO_WAY_IN = (
    "Nobody can call the MCP server: [mcp] accept_airflow_tokens is False, and the login by OAuth is off."
)


def explain_configuration() -> str | None:
    """Return why nobody may log in by this configuration, in a sentence; None if they may."""
    section = SECTION
    base_url = conf.get(section, "base_url", fallback="")
    if not base_url:
        return f"[{section}] base_url is not set: set it to the address that people open"
    secret = conf.get(section, "secret_key", fallback="")
    if not secret or secret == conf.get_default_value(section, "secret_key"):
        return f"[{section}] secret_key is not set, so each process has one of its own: set one for all"
    return Addresses(base_url).explain_unusable()


def explain_off() -> str | None:
    """Return why nobody can log in by OAuth on the Airflow installed here; None if they can."""
    if not read_options().enabled or not read_options().oauth_enabled:
        return "[mcp] oauth_enabled is False"
    if LINE == 3:
        from airflow_provider_mcp.hosts.airflow3.users import explain_unsupported
    else:
        from airflow_provider_mcp.hosts.airflow2.users import explain_unsupported
    return explain_unsupported() or explain_configuration()


def find_person(name: str) -> Person | None:
    """Return the active user of this name, None if there is none."""
    manager = conf.getimport("core", "auth_manager")
    if hasattr(manager, "get_users"):
        names = {user.get_name(): str(user.get_id()) for user in manager.get_users()}
        return Person(names[name], name) if name in names else None
    query = select(_USERS.c.id).where(_USERS.c.username == name, _USERS.c.active.is_(True))
    with get_engine().begin() as connection:
        row = connection.execute(query).first()
    return None if row is None else Person(str(row[0]), name)


def open_grants() -> Grants:
    """Return the grants of this Airflow."""
    secret = conf.get_mandatory_value(SECTION, "secret_key").encode()
    addresses = Addresses(conf.get(SECTION, "base_url", fallback=""))
    return Grants(secret, GrantRows(get_engine), addresses.resource)


def open_login(
    options: Policy,
    obstacle: str | None,
    is_known: Callable[[Person], bool],
) -> Login | None:
    """Return the login, None if it is off; the log says why it is, if it should not be.

    :param obstacle: What stands in its way on this line of Airflow, in a sentence.
    :param is_known: Says whether Airflow knows a person.
    """
    if not options.oauth_enabled:
        return None
    obstacle = obstacle or explain_configuration()
    rows = GrantRows(get_engine)
    if obstacle is None:
        try:
            rows.check()
        except (NoTable, SQLAlchemyError) as failure:
            obstacle = str(failure) if isinstance(failure, NoTable) else "Airflow's database does not answer"
    if obstacle is not None:
        log.warning("MCP: the login by OAuth ([mcp] oauth_enabled) is off: %s.", obstacle)
        return None
    secret = conf.get_mandatory_value(SECTION, "secret_key").encode()
    addresses = Addresses(conf.get(SECTION, "base_url"))
    return Login(
        addresses,
        Grants(secret, rows, addresses.resource),
        Clients(
            Sealer(secret, "client"),
            options.oauth_client_metadata,
            options.oauth_redirect_targets,
            Documents().fetch,
        ),
        Sealer(secret, "question"),
        is_known,
        record,
    )


def record(event: str, user: str, said: JSONObject) -> None:
    """Write a row of Airflow's audit log. A failure to do so is told, and stops nobody."""
    now = datetime.now(timezone.utc)
    row = {"event": event, "owner": user, "owner_display_name": user, "extra": json.dumps(said)}
    try:
        LogTable(get_engine, _SCHEMA).insert([now], [row])
    except SQLAlchemyError as failure:
        log.error("MCP: %s of %s is not in the audit log: %s", event, user, type(failure).__name__)
