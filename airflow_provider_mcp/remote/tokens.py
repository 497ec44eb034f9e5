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
"""What a token says about itself."""

from __future__ import annotations

import time

import jwt

UNKNOWN_LIFETIME = 3600.0
"""How many seconds a token is taken to last that does not say."""


def parse_claims(token: str) -> dict[str, object]:
    """Return the claims of a JWT, unverified: Airflow verifies them. A token of another kind has none."""
    try:
        claims: dict[str, object] = jwt.decode(token, options={"verify_signature": False})
    except jwt.PyJWTError:
        return {}
    return claims


def find_lifetime(token: str) -> float:
    """Return how many seconds a token lasts from when it was made.

    The token's own times are compared with each other: this machine's clock may differ from Airflow's.
    """
    claims = parse_claims(token)
    expires, issued = claims.get("exp"), claims.get("iat", time.time())
    if not isinstance(expires, (int, float)) or not isinstance(issued, (int, float)):
        return UNKNOWN_LIFETIME
    return max(0.0, float(expires - issued))
