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
"""What acts once: a key is claimed by whoever comes first, on any worker, and keeps what came of it.

A confirmation is good for one act. The first call with it claims it and acts; a second one, be it on another
replica at the same instant, acts no more and is answered with what the first one did.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Mapping
from typing import Protocol

from airflow_provider_mcp.sdk.json_types import JSON

MOST_OUTCOME_CHARS = 60_000
"""The longest outcome that is kept: some databases hold no more in a column."""


class Claims(Protocol):
    """An insert-once store that all workers of this Airflow share."""

    async def claim(self, key: str, expires: float) -> bool:
        """Take a key; say whether nobody had it.

        :param key: At most 32 characters.
        :param expires: When the key may be forgotten, in seconds since the epoch.
        """

    async def keep(self, key: str, outcome: str, expires: float) -> None:
        """Keep what came of the act that a key was claimed for."""

    async def recall(self, key: str) -> str | None:
        """Return what is kept for a key: empty if it is claimed and nothing is kept; None if it is not."""


class MemoryClaims:
    """The claims of one process."""

    def __init__(self) -> None:
        self._claimed: dict[str, tuple[float, str]] = {}
        self._lock = threading.Lock()

    async def claim(self, key: str, expires: float) -> bool:
        with self._lock:
            self._forget()
            if key in self._claimed:
                return False
            self._claimed[key] = expires, ""
            return True

    async def keep(self, key: str, outcome: str, expires: float) -> None:
        with self._lock:
            self._forget()
            self._claimed[key] = expires, outcome

    async def recall(self, key: str) -> str | None:
        with self._lock:
            entry = self._claimed.get(key)
        return None if entry is None or entry[0] < time.time() else entry[1]

    def _forget(self) -> None:
        now = time.time()
        self._claimed = {k: v for k, v in self._claimed.items() if v[0] >= now}


def name_claim(token: str, user: str, tool: str, arguments: Mapping[str, JSON], step: int) -> str:
    """Return the key of one step of one confirmed call, which says nothing about the call.

    :param step: How many questions the client has answered: a call that asks begins again with each.
    """
    bound = json.dumps([token, user, tool, arguments, step], sort_keys=True, default=str)
    return hashlib.sha256(bound.encode("utf-8", "replace")).hexdigest()[:32]
