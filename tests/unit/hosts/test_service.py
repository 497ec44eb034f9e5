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
"""Where people reach our pages: as configured, unless that is the default of a machine of one's own."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import cast

import anyio
import pytest
from sqlalchemy.exc import OperationalError

from airflow_provider_mcp.endpoint.door import AuthenticationUnavailable
from airflow_provider_mcp.hosts.service import Service, ServiceHost
from airflow_provider_mcp.oauth.grants import Person
from airflow_provider_mcp.oauth.metadata import Addresses
from airflow_provider_mcp.sdk.airflow import Caller
from airflow_provider_mcp.server.policy import Policy


@pytest.mark.parametrize(
    ("base_url", "host", "pages"),
    [
        ("https://airflow.example.com/air", "10.0.0.7:8080", "https://airflow.example.com/air"),
        ("http://localhost:8080", "airflow.example.com", "http://airflow.example.com"),
        ("http://localhost:8080", "localhost:8080", "http://localhost:8080"),
        ("http://localhost:8080/air", "127.0.0.1:9000", "http://127.0.0.1:9000/air"),
        ("", "airflow.example.com", "http://airflow.example.com"),
        ("http://localhost:8080", 'evil"><script>', "http://localhost:8080"),
    ],
)
def test_links_lead_to_where_people_reach_it(base_url: str, host: str, pages: str) -> None:
    service = cast(Service, SimpleNamespace(base_url=base_url))
    assert ServiceHost(service, "http", host).pages == pages


@pytest.mark.parametrize(
    ("base_url", "host", "told"),
    [
        ("https://airflow.example.com", "10.0.0.7:8080", True),
        ("http://localhost:8080", "localhost:8080", True),
        # Airflow 2's default base URL, of an Airflow that is somewhere else.
        ("http://localhost:8080", "airflow.example.com", False),
        # Another port of this machine leads to it, a container's for one.
        ("http://localhost:8080", "localhost:8081", False),
        ("http://localhost:8080", "127.0.0.1:8080", False),
        ("http://localhost:8080/air", "LOCALHOST:8080", True),
    ],
)
def test_the_login_is_told_of_where_it_can_be_reached(base_url: str, host: str, told: bool) -> None:
    login = SimpleNamespace(addresses=Addresses(base_url))
    service = cast(Service, SimpleNamespace(base_url=base_url, login=login))
    assert bool(ServiceHost(service, "http", host).login_parameters) is told


@pytest.mark.parametrize(
    ("accepts", "by_login", "closed"), [(True, False, False), (False, True, False), (False, False, True)]
)
def test_an_airflow_that_nobody_can_call_says_so(accepts: bool, by_login: bool, closed: bool) -> None:
    source = SimpleNamespace(options=Policy(accept_airflow_tokens=accepts))
    service = cast(Service, SimpleNamespace(login=object() if by_login else None, policy_source=source))
    assert (Service.explain_closed(service) is not None) is closed


ADA = Caller("1", "ada")


LOOPBACK = "http://localhost:8080"


def host_with(login: object, host: str = "localhost:8080") -> ServiceHost:
    return ServiceHost(cast(Service, SimpleNamespace(base_url=LOOPBACK, login=login)), "http", host)


def test_grants_are_those_of_the_user_where_there_is_a_login() -> None:
    asked: list[object] = []

    async def list_grants(person: Person) -> list[str]:
        asked.append(person)
        return ["a grant"]

    async def end_grant(person: Person, grant_id: str) -> bool:
        asked.append((person, grant_id))
        return True

    addresses = Addresses(LOOPBACK)
    login = SimpleNamespace(list_grants=list_grants, end_grant=end_grant, addresses=addresses)
    host = host_with(login)
    assert host.login_obstacle is None
    assert LOOPBACK in str(host_with(login, "airflow.example.com").login_obstacle)
    assert anyio.run(host.list_grants, ADA) == ["a grant"]
    assert anyio.run(host.end_grant, ADA, "g")
    assert asked == [Person("1", "ada"), (Person("1", "ada"), "g")]


def test_without_a_login_there_are_no_grants_and_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__MCP__OAUTH_ENABLED", "False")
    host = host_with(None)
    assert host.login_obstacle == "[mcp] oauth_enabled is False"
    assert anyio.run(host.list_grants, ADA) == []
    assert not anyio.run(host.end_grant, ADA, "g")


def test_a_database_that_is_away_is_told() -> None:
    async def fail(*_: object) -> None:
        raise OperationalError("select", {}, Exception("gone"))

    host = host_with(SimpleNamespace(list_grants=fail, end_grant=fail))
    for ask in (partial(host.list_grants, ADA), partial(host.end_grant, ADA, "g")):
        with pytest.raises(AuthenticationUnavailable):
            anyio.run(ask)
