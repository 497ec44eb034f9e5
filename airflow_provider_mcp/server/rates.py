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
"""How often a user may call: a token bucket for each user of this process."""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from airflow_provider_mcp.sdk.errors import RateLimited
from airflow_provider_mcp.sdk.tool import Access
from airflow_provider_mcp.server.policy import Policy

MAX_USERS = 10_000
"""How many users are remembered; beyond it, who has not called for longest begins anew."""

REFUSALS_A_SECOND = 10
"""How many refusals one user gets a second, where they can be held: each would call forth the next."""

MOST_HOLD_SECONDS = 5
"""For how long a refusal is held at most."""


@dataclass
class _Bucket:
    """What one user has left: it fills up again evenly, to what a minute allows."""

    left: float
    filled_at: float
    refused_at: float = 0
    """When the last refusal goes out."""

    def take(self, per_minute: int, now: float) -> float:
        """Take one call; return 0, or the seconds until there is one."""
        self.left = min(per_minute, self.left + (now - self.filled_at) * per_minute / 60)
        self.filled_at = now
        if self.left < 1:
            return (1 - self.left) * 60 / per_minute
        self.left -= 1
        return 0

    def hold(self, now: float) -> float:
        """Return for how many seconds the next refusal is held."""
        next_one = max(now, self.refused_at + 1 / REFUSALS_A_SECOND)
        self.refused_at = min(next_one, now + MOST_HOLD_SECONDS)
        return self.refused_at - now


class Rates:
    """Counts the calls of each user, so that no one takes the time of the others."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._buckets: OrderedDict[tuple[str, str], _Bucket] = OrderedDict()
        self._lock = threading.Lock()

    def count(self, user: str, access: Access, policy: Policy) -> None:
        """Count a call, which counts as a write as well if it may change something.

        :raises RateLimited: The user has called too often; the error says how many seconds to wait.
        """
        self._take(user, "calls", policy.calls_per_minute)
        if access != "read":
            self._take(user, "writes", policy.writes_per_minute)

    def hold_refusal(self, user: str) -> float:
        """Return for how many seconds the refusal of a user's call is to be held.

        Who has many connections, and calls again at once, would take the processor by refusals alone.
        """
        with self._lock:
            found = [
                self._buckets[user, kind] for kind in ("calls", "writes") if (user, kind) in self._buckets
            ]
            return found[0].hold(self._now()) if found else 0

    def _take(self, user: str, kind: str, per_minute: int) -> None:
        if per_minute == 0:
            return
        with self._lock:
            now = self._now()
            bucket = self._buckets.pop((user, kind), None) or _Bucket(per_minute, now)
            self._buckets[user, kind] = bucket
            if len(self._buckets) > 2 * MAX_USERS:
                self._buckets.popitem(last=False)
            wait = bucket.take(per_minute, now)
        if wait:
            seconds = math.ceil(wait)
            raise RateLimited(
                f"More than {per_minute} {kind} a minute ([mcp] {kind}_per_minute).",
                hint=f"Nothing was done. Try again in {seconds} s.",
                retry_after_seconds=seconds,
            )
