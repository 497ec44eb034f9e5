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
"""Airflow 2: a password that is not hashed again is refused as soon as the database says so."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest

from tests.live.messages import INITIALIZE
from tests.live.site import LINE, Site

pytestmark = pytest.mark.skipif(LINE == 3, reason="Airflow 3's REST API takes no passwords")

ROUNDS = 12
"""Enough for each worker to have had the credential."""


def store(site: Site, **values: str | int) -> None:
    """Write columns of the row of the user ``viewer``."""
    for column, value in values.items():
        site.home.execute(f"update ab_user set {column} = '{value}' where username = 'viewer'")


def hash_of(password: str) -> str:
    return f"pbkdf2:sha256:1$salt${hashlib.pbkdf2_hmac('sha256', password.encode(), b'salt', 1).hex()}"


def send(site: Site, password: str) -> set[int]:
    credential = base64.b64encode(f"viewer:{password}".encode()).decode()
    sent: dict[str, Any] = {"Authorization": f"Basic {credential}"}
    return {site.post(INITIALIZE, None, **sent).status_code for _ in range(ROUNDS)}


def test_what_changes_in_the_database_counts_at_once(site: Site) -> None:
    try:
        assert send(site, "viewer") == {200}
        store(site, password=hash_of("changed"))
        assert send(site, "viewer") == {401}
        assert send(site, "changed") == {200}
        store(site, active=0)
        assert send(site, "changed") == {401}
        store(site, active=1)
        assert send(site, "changed") == {200}
        assert send(site, "viewer") == {401}
    finally:
        store(site, password=hash_of("viewer"), active=1)
