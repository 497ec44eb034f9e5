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
"""What leaves this server and comes back unread and unchanged: tokens, codes, forms, registered clients."""

from __future__ import annotations

import base64
import binascii
import json
import os
import time
from collections.abc import Callable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from airflow_provider_mcp.sdk.json_types import JSON, JSONObject

_NONCE_BYTES = 12

_EXPIRES = "exp"


class Sealer:
    """Seals JSON for one purpose; what was sealed for another does not open.

    :param secret: Airflow's secret key, from which the key is derived. With a new one, nothing opens.
    :param clock: Returns the time in seconds since the epoch.
    """

    def __init__(self, secret: bytes, purpose: str, clock: Callable[[], float] = time.time) -> None:
        info = f"airflow_provider_mcp oauth {purpose}".encode()
        self._cipher = AESGCM(HKDF(SHA256(), length=32, salt=None, info=info).derive(secret))
        self._clock = clock

    def seal(self, content: JSONObject, seconds: float | None = None) -> str:
        """Return the content, encrypted and authenticated, as URL-safe text.

        :param seconds: How long it opens; without it, as long as the secret key is the same.
        """
        if seconds is not None:
            content = {**content, _EXPIRES: int(self._clock() + seconds)}
        nonce = os.urandom(_NONCE_BYTES)
        text = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
        sealed = nonce + self._cipher.encrypt(nonce, text, None)
        return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()

    def open(self, sealed: str) -> JSONObject | None:
        """Return the content; None if it was not sealed here for this purpose, or no longer opens."""
        try:
            raw = base64.b64decode(sealed + "=" * (-len(sealed) % 4), altchars=b"-_", validate=True)
            text = self._cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], None)
        except (InvalidTag, ValueError, binascii.Error):
            return None
        content: JSON = json.loads(text)
        expires = content.pop(_EXPIRES, None)
        if expires is not None and expires <= self._clock():
            return None
        opened: JSONObject = content
        return opened
