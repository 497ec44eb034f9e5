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
"""The requests of a login by OAuth, sent by hand."""

from __future__ import annotations

import base64
import hashlib
from urllib.parse import urlencode

import httpx

from tests.live.logging_in import CALLBACK, Reachable
from tests.live.site import TLS

VERIFIER = "v" * 64
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


def post(site: Reachable, route: str, **fields: str) -> httpx.Response:
    return httpx.post(f"{site.root}/mcp/oauth/{route}", data=fields, verify=TLS, timeout=60)


def register(site: Reachable, *uris: str) -> str:
    body = {"client_name": "By hand", "redirect_uris": list(uris or (CALLBACK,))}
    answer = httpx.post(f"{site.root}/mcp/oauth/register", json=body, verify=TLS, timeout=60)
    assert answer.status_code == 201, answer.text
    identifier: str = answer.json()["client_id"]
    return identifier


def address(site: Reachable, client: str, **changed: str) -> str:
    """Return the address of an authorization request."""
    fields = {
        "response_type": "code",
        "client_id": client,
        "redirect_uri": CALLBACK,
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        "state": "state",
        "scope": "airflow:read airflow:write",
        "resource": site.url,
        **changed,
    }
    return f"{site.root}/mcp/oauth/authorize?{urlencode(fields)}"


def redeem(site: Reachable, client: str, code: str, **changed: str) -> httpx.Response:
    fields = {
        "grant_type": "authorization_code",
        "client_id": client,
        "code": code,
        "redirect_uri": CALLBACK,
        "code_verifier": VERIFIER,
        **changed,
    }
    return post(site, "token", **fields)
