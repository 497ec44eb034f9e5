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
"""Where grants are kept: rows that all workers of this Airflow share."""

from __future__ import annotations

from typing import Protocol


class Store(Protocol):
    """Rows of text by key. Each operation is atomic over all workers."""

    def insert(self, key: str, text: str, expires: float) -> bool:
        """Add a row; say whether there was none of this key.

        :param expires: When the row may be forgotten, in seconds since the epoch.
        """

    def read(self, key: str) -> str | None:
        """Return the text of a row, None if there is none or it has expired."""

    def replace(self, key: str, old: str, new: str, expires: float) -> bool:
        """Change a row whose text is ``old``; say whether it was."""

    def overwrite(self, key: str, text: str) -> bool:
        """Change a row, whatever its text is; say whether there is one."""

    def list(self, prefix: str) -> dict[str, str]:
        """Return the texts of all rows whose key has the prefix and that have not expired, by key."""
