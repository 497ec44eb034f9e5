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
"""What was found good is not hashed again, and never outlives what the database says."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("airflow.www")

import flask
import flask_login
from airflow.providers.fab.auth_manager.models import User
from flask_appbuilder.const import AUTH_DB, AUTH_LDAP
from sqlalchemy import create_engine, event
from sqlalchemy.orm import lazyload, scoped_session, sessionmaker
from werkzeug.security import check_password_hash, generate_password_hash

from airflow_provider_mcp.hosts.airflow2 import known_credentials
from airflow_provider_mcp.hosts.airflow2.backends import Backends
from airflow_provider_mcp.hosts.airflow2.known_credentials import KnownCredentials, open_credentials
from airflow_provider_mcp.server.policy import Policy, parse_options

GOOD = "pbkdf2:sha256:1"
"""A method of hashing that is cheap."""


class Security:
    """FAB's security manager, as far as it is asked, with FAB's own table of users."""

    auth_type = AUTH_DB
    user_model = User

    def __init__(self, session: Any) -> None:
        self.get_session = session

    def auth_user_db(self) -> None:
        """Stands for Airflow's own."""

    def get_user_by_id(self, user_id: int) -> Any:
        return self.get_session.get(User, user_id, options=[lazyload("*")])


Security.__module__ = "airflow.made_up"


class OwnSecurity(Security):
    """A deployment's own, which may refuse for reasons that no row has."""

    def auth_user_db(self) -> None:
        """Decides otherwise."""


OwnSecurity.__module__ = "company.security"


class Site:
    """An app with two users, ann and bob; each has the name for a password."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.engine = create_engine(f"sqlite:///{folder}/users.db")
        User.metadata.create_all(self.engine, [User.__table__])
        self.session = scoped_session(sessionmaker(self.engine))
        for number, name in enumerate(("ann", "bob"), 1):
            row = {"id": number, "username": name, "email": f"{name}@example.org", "active": True}
            row |= {"first_name": name, "last_name": name, "password": generate_password_hash(name, GOOD)}
            self.execute(User.__table__.insert().values(**row))
        self.security = Security(self.session)
        manager = type("Manager", (), {"security_manager": property(lambda _: self.security)})()
        monkeypatch.setattr(known_credentials, "get_auth_manager", lambda: manager)
        self.hashed: list[str] = []
        monkeypatch.setattr(known_credentials, "check_password_hash", self.check)
        self.app = flask.Flask("site")
        self.app.secret_key = "secret"
        flask_login.LoginManager(self.app)
        self.known = KnownCredentials()

    def check(self, stored: str, password: str) -> bool:
        self.hashed.append(password)
        return check_password_hash(stored, password)

    def execute(self, statement: Any) -> None:
        with self.engine.begin() as connection:
            connection.execute(statement)

    def update(self, **values: Any) -> None:
        self.execute(User.__table__.update().where(User.__table__.c.username == "ann").values(**values))

    def request(self, name: str, password: str, scheme: str = "Basic") -> AbstractContextManager[Any]:
        credential = base64.b64encode(f"{name}:{password}".encode()).decode()
        return self.app.test_request_context(headers={"Authorization": f"{scheme} {credential}"})

    def log_in(self, name: str = "ann", password: str = "ann", user_id: int = 1) -> None:
        """Let the endpoint find that Airflow has accepted a credential."""
        with self.request(name, password):
            self.known.remember(self.security.get_user_by_id(user_id))
        self.session.remove()

    def recall(self, name: str = "ann", password: str = "ann", scheme: str = "Basic") -> str | None:
        try:
            with self.request(name, password, scheme):
                user = self.known.recall()
                if user is None:
                    return None
                assert flask_login.current_user == user
                return str(user.username)
        finally:
            self.session.remove()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    site = Site(tmp_path, monkeypatch)
    yield site
    site.session.remove()
    site.engine.dispose()


def test_a_password_that_was_found_good_is_not_hashed_again(site: Site) -> None:
    assert site.recall() is None
    site.log_in()
    assert site.hashed == ["ann"]
    assert [site.recall() for _ in range(3)] == ["ann"] * 3
    assert site.hashed == ["ann"]


def test_each_request_reads_the_row_once(site: Site) -> None:
    site.log_in()
    read: list[str] = []
    event.listen(site.engine, "before_cursor_execute", lambda *call: read.append(call[2]))
    site.recall()
    assert len([statement for statement in read if "ab_user.password" in statement]) == 2, read
    # One by a session of its own, which decides; one by Airflow's, for the user that is acted for.
    assert len(read) == 2


CHANGES: dict[str, Callable[[Site], None]] = {
    "password": lambda site: site.update(password=generate_password_hash("new", GOOD)),
    "the same password, stored anew": lambda site: site.update(password=generate_password_hash("ann", GOOD)),
    "deactivated": lambda site: site.update(active=False),
    "renamed": lambda site: site.update(username="anna"),
    "deleted": lambda site: site.execute(User.__table__.delete().where(User.__table__.c.username == "ann")),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_changes_in_the_database_counts_at_once(site: Site, change: str) -> None:
    site.log_in()
    assert site.recall() == "ann"
    CHANGES[change](site)
    assert site.recall() is None
    assert site.recall() is None
    assert site.recall("bob", "bob") is None


def test_an_older_state_of_the_callers_session_is_not_trusted(site: Site) -> None:
    site.log_in()
    with site.request("ann", "ann"):
        assert site.security.get_user_by_id(1).is_active
        site.update(password=generate_password_hash("new", GOOD))
        assert site.known.recall() is None


def test_a_user_who_is_activated_again_is_checked_anew(site: Site) -> None:
    site.log_in()
    site.update(active=False)
    assert site.recall() is None
    site.update(active=True)
    assert site.recall() is None


@pytest.mark.parametrize(
    ("name", "password"), [("ann", "bob"), ("ann", "ann "), ("Ann", "ann"), ("an", "nann"), ("bob", "ann")]
)
def test_another_credential_is_not_recalled(site: Site, name: str, password: str) -> None:
    site.log_in()
    assert site.recall(name, password) is None


def test_wrong_credentials_are_never_kept(site: Site) -> None:
    # Whatever a backend has said of it: the hash that would be kept does not belong to this password.
    site.log_in("ann", "wrong")
    assert site.recall("ann", "wrong") is None
    site.log_in("bob", "bob", user_id=1)
    assert site.recall("bob", "bob") is None


def test_a_row_that_changed_since_the_check_is_not_kept(site: Site) -> None:
    with site.request("ann", "ann"):
        user = site.security.get_user_by_id(1)
        site.update(password=generate_password_hash("new", GOOD))
        site.known.remember(user)
    assert site.recall() is None


def test_who_logs_in_by_email_is_checked_each_time(site: Site) -> None:
    # FAB asks for a user of that name first, who may come into being at any time.
    site.log_in("ann@example.org", "ann")
    assert site.recall("ann@example.org", "ann") is None


def test_only_basic_credentials_are_read(site: Site) -> None:
    site.log_in()
    assert site.recall(scheme="Bearer") is None
    with site.app.test_request_context():
        assert site.known.recall() is None
    bytes_alone = base64.b64encode(b"\xff\xfe:\xff").decode()
    for credential in (bytes_alone, "\xff\xff", "!!!"):
        with site.app.test_request_context(headers={"Authorization": f"Basic {credential}"}):
            assert site.known.recall() is None


def test_another_kind_of_login_is_checked_each_time(site: Site) -> None:
    for security in (OwnSecurity(site.session), Security(site.session)):
        site.security = security
        security.auth_type = AUTH_DB if isinstance(security, OwnSecurity) else AUTH_LDAP
        site.log_in()
        assert site.recall() is None
    site.security = Security(site.session)
    site.log_in()
    site.security = OwnSecurity(site.session)
    assert site.recall() is None


def test_so_many_are_kept(site: Site) -> None:
    site.known = KnownCredentials(most=1)
    site.log_in()
    site.log_in("bob", "bob", user_id=2)
    assert site.recall() is None
    assert site.recall("bob", "bob") == "bob"


def test_no_password_is_kept(site: Site) -> None:
    site.update(password=generate_password_hash("open-sesame", GOOD))
    site.log_in("ann", "open-sesame")
    assert site.recall("ann", "open-sesame") == "ann"
    assert "open-sesame" not in repr(vars(site.known))
    # Another process has another key.
    other = KnownCredentials()
    assert other._digest("ann", "open-sesame") not in site.known._rows


def backend(name: str) -> Any:
    return type("Backend", (), {"__name__": name})()


OWN = "airflow.providers.fab.auth_manager.api.auth.backend.basic_auth"


@pytest.mark.parametrize(
    ("names", "kept"),
    [
        ([OWN], True),
        (["airflow.api.auth.backend.session", "airflow.api.auth.backend.basic_auth"], True),
        (["company.basic_auth"], False),
        (["company.sso", OWN], False),
        (["airflow.api.auth.backend.session"], False),
    ],
)
def test_only_for_airflows_own_backend_when_it_is_asked_first(names: list[str], kept: bool) -> None:
    backends = Backends([backend(name) for name in names])
    assert (open_credentials(Policy(), backends) is not None) is kept


def test_an_option_switches_it_off() -> None:
    off = parse_options({"remember_credentials": "False"})
    assert open_credentials(off, Backends([backend(OWN)])) is None
    assert not parse_options({"remember_credentials": "perhaps"}).remember_credentials
