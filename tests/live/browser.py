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

import functools
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from tests.live.site import LINE, TLS, Site


@functools.cache
def read_cookies(root: str, user: str) -> dict[str, str]:
    """Return the cookies of a login, which Airflow 2 allows some times a minute alone."""
    with httpx.Client(base_url=root, timeout=60, verify=TLS) as browser:
        if LINE == 3:
            answer = browser.post("/auth/token", json={"username": user, "password": user})
            return {"_token": answer.json()["access_token"]}
        csrf = browser.get("/login/").text.split('name="csrf_token"')[1].split('value="')[1].split('"')[0]
        form = {"username": user, "password": user, "csrf_token": csrf}
        until = time.monotonic() + 60
        while browser.post("/login/", data=form).status_code == 429 and time.monotonic() < until:
            time.sleep(5)
        return {cookie.name: cookie.value or "" for cookie in browser.cookies.jar}


@contextmanager
def log_in(site: Site, user: str = "admin") -> Iterator[httpx.Client]:
    """Open a client that has the cookies of a login."""
    cookies = read_cookies(site.root, user)
    with httpx.Client(base_url=site.root, cookies=cookies, timeout=60, verify=TLS) as browser:
        yield browser


def read_token(page: httpx.Response) -> str:
    """Return the token of the form on a page."""
    found = re.search(r'name="form_token" value="([^"]+)"', page.text)
    assert found is not None, page.text
    return found[1]
