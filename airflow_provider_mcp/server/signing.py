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
"""What this server signs: confirmation tokens and the identifiers of jobs."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from airflow_provider_mcp.sdk.errors import ConfirmationRequired, ToolError
from airflow_provider_mcp.sdk.jobs import Reference


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
        text = json.dumps([job.tool, job.reference, job.created], separators=(",", ":"))
        payload = base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
        return f"{payload}.{self._sign(payload, user)}"

    def read(self, identifier: str, user: str) -> JobId | None:
        """Return what an identifier says; None if it was not made here for this user."""
        payload, _, signature = identifier.rpartition(".")
        if not hmac.compare_digest(signature.encode("utf-8", "replace"), self._sign(payload, user).encode()):
            return None
        tool, reference, created = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return JobId(tool, reference, created)

    def _sign(self, payload: str, user: str) -> str:
        signed = json.dumps([user, payload]).encode()
        return hmac.new(self._key, signed, hashlib.sha256).hexdigest()[:32]


TOKEN_SECONDS = 600
"""How long a confirmation token is good for (CONTRACT, section 4)."""


class Confirmations:
    """Tokens by which a caller confirms a call that was shown in a preview.

    A token is signed and bound to the user, the tool, its arguments and what the preview showed. Since
    a call that acts changes what its preview shows, the same token does not act twice, on any replica.
    """

    def __init__(self, secret: bytes) -> None:
        self._key = hmac.new(secret, b"airflow_provider_mcp confirmation", hashlib.sha256).digest()
        self._used: dict[str, float] = {}
        self._lock = threading.Lock()

    def derive_key(self, purpose: str) -> bytes:
        """Return a key of Airflow's secret for another purpose."""
        return hmac.new(self._key, purpose.encode(), hashlib.sha256).digest()

    def issue(self, user: str, tool: str, arguments: Mapping[str, Any], preview: Any) -> str:
        """Return a token for exactly this call, good for ten minutes."""
        expires = int(time.time()) + TOKEN_SECONDS
        return f"{expires}.{self._sign(expires, user, tool, arguments, preview)}"

    def redeem(self, token: str, user: str, tool: str, arguments: Mapping[str, Any], preview: Any) -> None:
        """Accept a token, once.

        :raises ToolError: ``confirmation_required``, with the reason for the refusal.
        """
        expires_text, _, signature = token.partition(".")
        expires = int(expires_text) if expires_text.isascii() and expires_text.isdigit() else 0
        expected = self._sign(expires, user, tool, arguments, preview)
        if not hmac.compare_digest(signature.encode("utf-8", "replace"), expected.encode()):
            raise self._refusal(
                "The confirmation token is not for this call: the user, the tool, an argument, or what the "
                "call would change is no longer the same as in the preview."
            )
        now = time.time()
        if expires < now:
            raise self._refusal("The confirmation token is older than ten minutes.")
        with self._lock:
            self._used = {known: until for known, until in self._used.items() if until >= now}
            if signature in self._used:
                raise self._refusal("The confirmation token was already used.")
            self._used[signature] = expires

    @staticmethod
    def _refusal(reason: str) -> ToolError:
        return ConfirmationRequired(
            f"{reason} Nothing was changed.",
            hint="Call again without confirmation_token for a new preview and a new token.",
        )

    def _sign(self, expires: int, user: str, tool: str, arguments: Mapping[str, Any], preview: Any) -> str:
        bound = json.dumps([expires, user, tool, arguments, preview], sort_keys=True, default=str)
        return hmac.new(self._key, bound.encode(), hashlib.sha256).hexdigest()
