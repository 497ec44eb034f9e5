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
"""A browser in which a user is logged in to a real Airflow, without its scripts."""

from __future__ import annotations

import re

import httpx

from devtools.sessions import open_browser
from tests.live.site import Site


def log_in(site: Site, user: str = "admin") -> httpx.Client:
    """Return a client that has the cookies of a login."""
    return open_browser(site.root, user)


def read_token(page: httpx.Response) -> str:
    """Return the token of the form on a page."""
    found = re.search(r'name="form_token" value="([^"]+)"', page.text)
    assert found is not None, page.text
    return found[1]
