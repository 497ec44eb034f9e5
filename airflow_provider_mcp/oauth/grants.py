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
"""What a person allows a client: one row for each grant, from which codes and tokens get their force.

A token is sealed and says what it is for, but it is good only while the row of its grant is: who revokes a
grant ends all of its tokens at once, on all workers. A code is redeemed, and a refresh token rotated, by one
comparing change of that row, so that of any number who try at the same instant one succeeds.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Literal

from airflow_provider_mcp.oauth.clients import Client
from airflow_provider_mcp.oauth.errors import Refused
from airflow_provider_mcp.oauth.metadata import READ_SCOPE, SCOPES
from airflow_provider_mcp.oauth.sealing import Sealer
from airflow_provider_mcp.oauth.store import Store
from airflow_provider_mcp.sdk.json_types import JSONObject
from airflow_provider_mcp.server.request import WRITE_SCOPE

CODE_SECONDS = 60

ACCESS_SECONDS = 15 * 60

IDLE_SECONDS = 30 * 86_400
"""How long a client may stay away before it must ask the person again."""

LONGEST_SECONDS = 90 * 86_400
"""How long a grant lives, however often it is used."""

RACE_SECONDS = 30
"""How long a refresh token may be used a second time: two windows of one client, or a lost answer."""

PREFIX = "grant:"

REVOKED = ""
"""The text of the row of a grant that was ended; it stays until the grant would have ended by itself."""

ACCESS_MARK = "amcp_a_"
REFRESH_MARK = "amcp_r_"
MACHINE_MARK = "amcp_m_"
"""How the tokens begin: a scanner for secrets knows them, and so does the endpoint."""

_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")

_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")


@dataclass(frozen=True)
class Person:
    """Someone whom Airflow's auth manager knows."""

    id: str
    name: str


@dataclass(frozen=True)
class Grant:
    """What one person allows one client."""

    id: str
    user_id: str
    user: str
    client: str
    """What the client calls itself."""
    target: str
    """The host to which its code was sent; empty for a machine's token."""
    scope: str
    kind: Literal["login", "machine"]
    created: int
    until: int
    used: int = 0
    """When it was last refreshed; 0 as long as its code is not redeemed."""
    generation: int = 0
    """How often its refresh token has changed."""

    @property
    def scopes(self) -> frozenset[str]:
        return frozenset(self.scope.split())

    @property
    def person(self) -> Person:
        return Person(self.user_id, self.user)


@dataclass(frozen=True)
class Access:
    """What an access token says of its bearer."""

    grant_id: str
    person: Person
    client: str
    scopes: frozenset[str]


@dataclass(frozen=True)
class Offer:
    """What a client asked for and a person agrees to."""

    client: Client
    redirect_uri: str
    challenge: str
    scopes: frozenset[str]


class Grants:
    """Makes grants, and the codes and tokens by which clients use them.

    :param resource: The endpoint that tokens are good for.
    """

    def __init__(
        self, secret: bytes, store: Store, resource: str, clock: Callable[[], float] = time.time
    ) -> None:
        self._store = store
        self._resource = resource
        self._clock = clock
        self._codes = Sealer(secret, "code", clock)
        self._access = Sealer(secret, "access token", clock)
        self._refresh = Sealer(secret, "refresh token", clock)

    def offer(self, grant_id: str, person: Person, offer: Offer) -> str | None:
        """Make a grant and return its code; None if there is a grant of this identifier already."""
        now = int(self._clock())
        grant = Grant(
            id=grant_id,
            user_id=person.id,
            user=person.name,
            client=offer.client.name,
            target=offer.redirect_uri.split("/")[2],
            scope=_join(offer.scopes),
            kind="login",
            created=now,
            until=now + LONGEST_SECONDS,
        )
        if not self._store.insert(PREFIX + grant_id, _write(grant), now + 2 * CODE_SECONDS):
            return None
        code = {"g": grant_id, "c": offer.client.digest, "r": offer.redirect_uri, "p": offer.challenge}
        return self._codes.seal(code, CODE_SECONDS)

    def redeem(self, code: str, client_id_digest: str, redirect_uri: str, verifier: str) -> JSONObject:
        """Return the tokens for a code.

        :raises Refused: It is not good, not the client's, or was used before, which ends the grant.
        """
        content = self._codes.open(code)
        if content is None:
            raise Refused("invalid_grant", "The code is not known, or older than a minute.")
        same = content["c"] == client_id_digest and content["r"] == redirect_uri
        if not same or not _verify(verifier, content["p"]):
            raise Refused("invalid_grant", "The code was given to another client, or its verifier is wrong.")
        grant, text = self._read(content["g"])
        if grant.used:
            self.revoke(grant.id)
            raise Refused("invalid_grant", "The code was used before: the login is revoked.")
        begun = replace(grant, used=int(self._clock()), generation=1)
        if not self._write_over(begun, text):
            self.revoke(grant.id)
            raise Refused("invalid_grant", "The code was used before: the login is revoked.")
        return self._issue(begun, client_id_digest, begun.scopes)

    def refresh(
        self,
        token: str,
        client_id_digest: str,
        scopes: frozenset[str] | None,
        is_known: Callable[[Person], bool],
    ) -> JSONObject:
        """Return new tokens for a refresh token.

        :param scopes: What the new access token is to be limited to; None for all of the grant.
        :param is_known: Says whether Airflow still knows a person.
        :raises Refused: It is not good, not the client's, or was replaced before, which ends the grant.
        """
        content = self._refresh.open(token.removeprefix(REFRESH_MARK))
        if content is None or not token.startswith(REFRESH_MARK):
            raise Refused("invalid_grant", "The refresh token is not known, or too old: log in again.")
        if content["c"] != client_id_digest:
            raise Refused("invalid_grant", "The refresh token was given to another client.")
        grant, text = self._read(content["g"])
        wanted = grant.scopes if scopes is None else scopes & _including(grant.scopes)
        if not wanted:
            raise Refused("invalid_scope", "The login does not include these scopes.")
        if not is_known(grant.person):
            self.revoke(grant.id)
            raise Refused("invalid_grant", "Airflow no longer knows the user of this login.")
        now = int(self._clock())
        if content["n"] == grant.generation:
            rotated = replace(grant, used=now, generation=grant.generation + 1)
            if self._write_over(rotated, text):
                return self._issue(rotated, client_id_digest, wanted)
            grant, text = self._read(grant.id)
        if content["n"] != grant.generation - 1 or now - grant.used > RACE_SECONDS:
            self.revoke(grant.id)
            raise Refused("invalid_grant", "The refresh token was replaced before: the login is revoked.")
        return self._issue(grant, client_id_digest, wanted)

    def issue_to_machine(self, person: Person, scopes: frozenset[str], seconds: int, note: str) -> str:
        """Return a token that lasts without a refresh, for what cannot open a browser."""
        now = int(self._clock())
        grant = Grant(
            id=new_id(),
            user_id=person.id,
            user=person.name,
            client=note,
            target="",
            scope=_join(scopes),
            kind="machine",
            created=now,
            until=now + seconds,
            used=now,
        )
        self._store.insert(PREFIX + grant.id, _write(grant), grant.until)
        return MACHINE_MARK + self._seal_access(grant, scopes, seconds)

    def check(self, token: str) -> Access:
        """Return what an access token allows.

        :raises Refused: It is not good, or no longer.
        """
        for mark in (ACCESS_MARK, MACHINE_MARK):
            content = self._access.open(token.removeprefix(mark)) if token.startswith(mark) else None
            if content is not None and content["a"] == self._resource:
                grant, _ = self._read(content["g"])
                scopes = frozenset(content["s"].split()) & _including(grant.scopes)
                return Access(grant.id, grant.person, grant.client, scopes)
        raise Refused("invalid_token", "The access token has expired, or is not for this server.")

    def revoke(self, grant_id: str) -> bool:
        """End a grant; say whether there is one that was not ended."""
        return bool(self._store.read(PREFIX + grant_id)) and self._store.overwrite(PREFIX + grant_id, REVOKED)

    def revoke_token(self, token: str, client_id_digest: str | None) -> Grant | None:
        """End the grant of a token, if it is a token and the client's (RFC 7009); return the grant."""
        for mark, sealer in (
            (REFRESH_MARK, self._refresh),
            (ACCESS_MARK, self._access),
            (MACHINE_MARK, self._access),
        ):
            content = sealer.open(token.removeprefix(mark)) if token.startswith(mark) else None
            if content is not None and client_id_digest in (None, content.get("c")):
                try:
                    grant, _ = self._read(content["g"])
                except Refused:
                    return None
                self.revoke(grant.id)
                return grant
        return None

    def all(self) -> Iterator[Grant]:
        """Yield the grants that are in force, the newest first."""
        found = [_parse(text) for text in self._store.list(PREFIX).values() if text != REVOKED]
        yield from sorted((grant for grant in found if grant.used), key=lambda grant: -grant.created)

    def _read(self, grant_id: str) -> tuple[Grant, str]:
        """Return a grant, and its row's text."""
        text = self._store.read(PREFIX + grant_id)
        if not text:
            raise Refused("invalid_grant", "The login has ended or was revoked: log in again.")
        grant = _parse(text)
        if grant.until <= self._clock():
            raise Refused("invalid_grant", "The login has ended: log in again.")
        return grant, text

    def _write_over(self, grant: Grant, text: str) -> bool:
        """Change the row of a grant whose text is still the same."""
        expires = min(grant.used + IDLE_SECONDS, grant.until)
        return self._store.replace(PREFIX + grant.id, text, _write(grant), expires)

    def _issue(self, grant: Grant, client_id_digest: str, scopes: frozenset[str]) -> JSONObject:
        left = grant.until - self._clock()
        seconds = int(min(ACCESS_SECONDS, left))
        content = {"g": grant.id, "c": client_id_digest, "n": grant.generation}
        return {
            "access_token": ACCESS_MARK + self._seal_access(grant, scopes, seconds, client_id_digest),
            "token_type": "Bearer",
            "expires_in": seconds,
            "refresh_token": REFRESH_MARK + self._refresh.seal(content, min(IDLE_SECONDS, left)),
            "scope": _join(scopes),
        }

    def _seal_access(
        self, grant: Grant, scopes: frozenset[str], seconds: float, client_id_digest: str = ""
    ) -> str:
        content = {"g": grant.id, "a": self._resource, "s": _join(scopes), "c": client_id_digest}
        return self._access.seal(content, seconds)


def new_id() -> str:
    """Return an identifier that nobody guesses."""
    return secrets.token_urlsafe(16)


def is_challenge(challenge: str) -> bool:
    """Say whether a text is a challenge of PKCE's method S256."""
    return _CHALLENGE.fullmatch(challenge) is not None


def read_scopes(text: str | None) -> frozenset[str]:
    """Return the known scopes in a request; reading alone where there are none. The others are dropped."""
    known = frozenset((text or "").split()) & set(SCOPES)
    return known or frozenset({READ_SCOPE})


def _verify(verifier: str, challenge: str) -> bool:
    if not _VERIFIER.fullmatch(verifier):
        return False
    digest = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    return hmac.compare_digest(digest, challenge)


def _including(scopes: frozenset[str]) -> frozenset[str]:
    """Return scopes with those that they include: who may write may read."""
    return scopes | {READ_SCOPE} if WRITE_SCOPE in scopes else scopes


def _join(scopes: frozenset[str]) -> str:
    return " ".join(scope for scope in SCOPES if scope in scopes)


def _write(grant: Grant) -> str:
    return json.dumps(asdict(grant), sort_keys=True, separators=(",", ":"))


def _parse(text: str) -> Grant:
    return Grant(**json.loads(text))
