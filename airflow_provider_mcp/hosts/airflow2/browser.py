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
"""Airflow 2: who is logged in to Airflow in the browser that sent a request, and where people log in.

Only pages for people ask for this. A request to the MCP endpoint is never authenticated by a cookie.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from airflow.configuration import conf
from airflow.www.extensions.init_auth_manager import get_auth_manager


def find_user() -> Any | None:
    """Return who is logged in in the browser that sent the current Flask request, None if nobody is.

    The auth manager looks into Flask's session alone.
    """
    manager = get_auth_manager()
    if not manager.is_logged_in():
        return None
    user = manager.get_user()
    # It may be a proxy, which means somebody else in another thread.
    resolve = getattr(user, "_get_current_object", None)
    return user if resolve is None else resolve()


def find_login(path: str) -> str:
    """Return the address of Airflow's login, which sends the browser back afterwards.

    :param path: Where to, below Airflow's base URL, with its query: ``/mcp/...``.
    """
    # Without a host: Airflow may be reached by another name than the configured one.
    prefix = urlsplit(conf.get("webserver", "base_url", fallback="")).path.rstrip("/")
    address: str = get_auth_manager().get_url_login(next_url=prefix + path)
    return address
