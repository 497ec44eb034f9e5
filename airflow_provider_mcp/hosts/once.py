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
"""Something that is built once a process, by whoever asks first."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Built = TypeVar("Built")

log = logging.getLogger(__name__)


class Once(Generic[Built]):
    """A thing whose building imports much and takes seconds; threads that ask at once build it once."""

    def __init__(self, build: Callable[[], Built]) -> None:
        self._build = build
        self._building = threading.Lock()
        self.built: Built | None = None

    def get(self) -> Built:
        """Return it, built."""
        if self.built is None:
            with self._building:
                if self.built is None:
                    self.built = self._build()
        return self.built

    def build_early(self) -> None:
        """Build it before anyone asks for it."""
        try:
            self.get()
        except Exception:
            # Airflow must serve all the same. A request tries again, and fails by what is still wrong.
            log.exception("The MCP server could not be built")
