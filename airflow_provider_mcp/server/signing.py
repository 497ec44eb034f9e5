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
"""What is signed with Airflow's secret: confirmation tokens and job IDs."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone

from itsdangerous import BadData, BadSignature, SignatureExpired, Signer, TimestampSigner, URLSafeSerializer

from airflow_provider_mcp.sdk.errors import ConfirmationRequired
from airflow_provider_mcp.sdk.jobs import Reference

TOKEN_SECONDS = 600
"""How long a confirmation token is good for (CONTRACT, section 4)."""


@dataclass(frozen=True)
class JobId:
    """What a job's identifier says."""

    tool: str
    reference: Reference
    created: int

    @property
    def created_at(self) -> str:
        """When the job was created, in ISO 8601."""
        return datetime.fromtimestamp(self.created, timezone.utc).isoformat()


class JobIds:
    """Makes identifiers that only the user they were made for can use, and reads them."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def make(self, job: JobId, user: str) -> str:
        """Return the identifier of a job of this user."""
        identifier = self._serializer(user).dumps([job.tool, job.reference, job.created])
        return identifier if isinstance(identifier, str) else identifier.decode()

    def read(self, identifier: str, user: str) -> JobId | None:
        """Return what an identifier says; None if it was not made here for this user."""
        try:
            tool, reference, created = self._serializer(user).loads(_as_bytes(identifier))
        except BadData:
            return None
        return JobId(tool, reference, created)

    def _serializer(self, user: str) -> URLSafeSerializer:
        return URLSafeSerializer(
            self._key,
            salt=b"job of " + _as_bytes(user),
            signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256},
        )


class Confirmations:
    """Tokens by which a caller confirms a call that was shown in a preview.

    A token is signed and bound to the user, the tool, its arguments and what the preview showed. That it
    acts once is for ``acting`` to see to.
    """

    def __init__(self, secret: bytes) -> None:
        self._key = _derive_key(secret, b"airflow_provider_mcp confirmation")

    def derive_key(self, purpose: str) -> bytes:
        """Return a key of Airflow's secret for another purpose."""
        return _derive_key(self._key, purpose.encode())

    def issue(self, user: str, tool: str, arguments: Mapping[str, object], preview: object) -> str:
        """Return a token for exactly this call, good for ten minutes."""
        return self._signer(user, tool, arguments, preview).sign(secrets.token_urlsafe(9)).decode()

    def check(
        self, token: str, user: str, tool: str, arguments: Mapping[str, object], preview: object
    ) -> None:
        """Accept a token for exactly this call.

        :raises ConfirmationRequired: It is refused, for the reason that the message gives.
        """
        signer = self._signer(user, tool, arguments, preview)
        try:
            signer.unsign(_as_bytes(token), max_age=TOKEN_SECONDS)
        except SignatureExpired:
            raise _refusal("The confirmation token is older than ten minutes.") from None
        except BadSignature:
            raise _refusal(
                "The confirmation token is not for this call: the user, the tool, an argument, or what the "
                "call would change is no longer the same as in the preview."
            ) from None

    def _signer(
        self, user: str, tool: str, arguments: Mapping[str, object], preview: object
    ) -> TimestampSigner:
        bound = json.dumps([user, tool, arguments, preview], sort_keys=True, default=str)
        salt = hashlib.sha256(bound.encode()).digest()
        return TimestampSigner(self._key, salt=salt, key_derivation="hmac", digest_method=hashlib.sha256)


def _derive_key(secret: bytes, purpose: bytes) -> bytes:
    return Signer(secret, salt=purpose, key_derivation="hmac", digest_method=hashlib.sha256).derive_key()


def _as_bytes(text: str) -> bytes:
    """Return a caller's text as bytes; half a surrogate pair in it has none and becomes a question mark."""
    return text.encode("utf-8", "replace")


def _refusal(reason: str) -> ConfirmationRequired:
    return ConfirmationRequired(
        f"{reason} Nothing was changed.",
        hint="Call again without confirmation_token for a new preview and a new token.",
    )
