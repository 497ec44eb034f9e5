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
"""Airflow 3: who is logged in to Airflow in the browser that sent a request, and where people log in.

Only pages for people ask for this. A request to the MCP endpoint is never authenticated by a cookie.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from airflow.api_fastapi.app import get_auth_manager
from airflow.configuration import conf
from jwt import InvalidTokenError
from sqlalchemy.exc import SQLAlchemyError

from airflow_provider_mcp.endpoint.door import HTTPRequest

if TYPE_CHECKING:
    from airflow.api_fastapi.auth.managers.models.base_user import BaseUser

log = logging.getLogger(__name__)

SESSION_COOKIE = "_token"
"""Where Airflow 3.1 and later keep the token of a login. (3.0 keeps it out of the server's sight.)"""


async def find_user(request: HTTPRequest) -> BaseUser | None:
    """Return who is logged in in the browser that sent the request, None if nobody is.

    The ``Authorization`` header says nothing here: a proxy, or Airflow itself, may have added it.
    """
    # A browser has several cookies of the name if Airflow was once served below another path.
    for token in request.cookies(SESSION_COOKIE):
        try:
            user: BaseUser | None = await get_auth_manager().get_user_from_token(token)
        except InvalidTokenError:
            continue
        except SQLAlchemyError:
            raise
        except Exception as failure:
            # A token that verifies may name a user who is gone, or hold other claims than the manager wants.
            log.warning("MCP: the auth manager failed on a login: %s", type(failure).__name__)
            continue
        if user is not None:
            return user
    return None


def find_login(path: str) -> str:
    """Return the address of Airflow's login, which sends the browser back afterwards.

    :param path: Where to, below Airflow's base URL, with its query: ``/mcp/...``.
    """
    # Without a host: Airflow may be reached by another name than the configured one.
    prefix = urlsplit(conf.get("api", "base_url", fallback="")).path.rstrip("/")
    address: str = get_auth_manager().get_url_login(next_url=prefix + path)
    return address
