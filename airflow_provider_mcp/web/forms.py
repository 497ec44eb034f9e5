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
"""Forms that only the page of the same user can have sent."""

from __future__ import annotations

import hashlib
from urllib.parse import parse_qsl, urlsplit

from itsdangerous import BadSignature, TimestampSigner

from airflow_provider_mcp.endpoint.door import HTTPRequest
from airflow_provider_mcp.server.signing import Confirmations
from airflow_provider_mcp.web.host import PageHost

FORM_SECONDS = 3600
"""How long a page may stay open before what it sends is refused."""

MOST_FORM_BYTES = 100_000

BODY_SECONDS = 10

FIELD = "form_token"


class Forms:
    """Makes and checks the token in each form, which is for one user and one purpose."""

    def __init__(self, confirmations: Confirmations) -> None:
        self._key = confirmations.derive_key("forms")

    def make_token(self, user: str, purpose: str) -> str:
        """Return the token of a form."""
        return self._signer(user, purpose).sign("form").decode()

    def accepts(self, token: str, user: str, purpose: str) -> bool:
        """Say whether a token was made for this user and purpose, not long ago."""
        try:
            self._signer(user, purpose).unsign(token.encode("utf-8", "replace"), max_age=FORM_SECONDS)
        except BadSignature:
            return False
        return True

    def _signer(self, user: str, purpose: str) -> TimestampSigner:
        salt = hashlib.sha256(f"{len(user)} {user} {purpose}".encode("utf-8", "replace")).digest()
        return TimestampSigner(self._key, salt=salt, key_derivation="hmac", digest_method=hashlib.sha256)


async def read_form(request: HTTPRequest) -> dict[str, str] | None:
    """Return the fields of a form; None for a body that is none, or too long."""
    content_type = (request.header("content-type") or "").split(";", 1)[0].strip().lower()
    if content_type != "application/x-www-form-urlencoded":
        return None
    try:
        body = await request.read_body(MOST_FORM_BYTES, BODY_SECONDS)
    except TimeoutError:
        return None
    if body is None or len(body) > MOST_FORM_BYTES:
        return None
    return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))


def is_own_origin(request: HTTPRequest, host: PageHost) -> bool:
    """Say whether a form was sent from a page of this Airflow, as far as the browser tells."""
    if request.header("sec-fetch-site") not in (None, "same-origin", "none"):
        return False
    origin = request.header("origin")
    if origin is None:
        return True
    return origin in host.own_origins or urlsplit(origin).netloc == request.header("host")
