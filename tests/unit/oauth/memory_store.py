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
"""The store of logins in one process, in place of the database's rows."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class MemoryStore:
    """The rows of one process."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._rows: dict[str, tuple[str, float]] = {}
        self._lock = threading.Lock()
        self._clock = clock

    def insert(self, key: str, text: str, expires: float) -> bool:
        with self._lock:
            if key in self._rows:
                return False
            self._rows[key] = text, expires
            return True

    def read(self, key: str) -> str | None:
        text, expires = self._rows.get(key, ("", 0.0))
        return text if expires > self._clock() else None

    def replace(self, key: str, old: str, new: str, expires: float) -> bool:
        with self._lock:
            if self._rows.get(key, (None, 0.0))[0] != old:
                return False
            self._rows[key] = new, expires
            return True

    def overwrite(self, key: str, text: str) -> bool:
        with self._lock:
            if key not in self._rows:
                return False
            self._rows[key] = text, self._rows[key][1]
            return True

    def list(self, prefix: str) -> dict[str, str]:
        now = self._clock()
        return {key: text for key, (text, at) in self._rows.items() if key.startswith(prefix) and at > now}
