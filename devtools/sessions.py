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
"""A browser, without its scripts, in which somebody is logged in to a running Airflow."""

from __future__ import annotations

import functools
import ssl
import time

import httpx

from devtools.airflow_process import installed_line

LINE = installed_line()

TLS = ssl.create_default_context()
"""For ``verify``: httpx reads all authorities' certificates for each request that is not given one."""


@functools.cache
def read_cookies(root: str, user: str, verify: ssl.SSLContext = TLS) -> dict[str, str]:
    """Return the cookies of a login, which Airflow 2 allows some times a minute alone."""
    with httpx.Client(base_url=root, timeout=60, verify=verify) as browser:
        if LINE == 3:
            answer = browser.post("/auth/token", json={"username": user, "password": user})
            return {"_token": answer.json()["access_token"]}
        csrf = browser.get("/login/").text.split('name="csrf_token"')[1].split('value="')[1].split('"')[0]
        form = {"username": user, "password": user, "csrf_token": csrf}
        # Over TLS Airflow takes no form without it.
        came_from = {"Referer": f"{root}/login/"}
        until = time.monotonic() + 60
        while (answer := browser.post("/login/", data=form, headers=came_from)).status_code == 429:
            if time.monotonic() > until:
                break
            time.sleep(5)
        if not answer.is_redirect:
            raise RuntimeError(f"{user} cannot log in at {root}: {answer.status_code} {answer.text[:200]}")
        return {cookie.name: cookie.value or "" for cookie in browser.cookies.jar}


def open_browser(root: str, user: str = "admin", verify: ssl.SSLContext = TLS) -> httpx.Client:
    """Return a client with the cookies of a login."""
    cookies = read_cookies(root, user, verify)
    return httpx.Client(base_url=root, cookies=cookies, timeout=60, verify=verify)
