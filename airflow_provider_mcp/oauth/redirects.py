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
"""Where a browser may be sent with a code: this machine, the known vendors' addresses, an administrator's."""

from __future__ import annotations

import re
from collections.abc import Collection

MOST_CHARS = 512

_LOOPBACK = re.compile(r"(http://(?:localhost|127\.0\.0\.1|\[::1\]))(?::[0-9]{1,5})?((?:[/?][!-~]*)?)")

_PLAIN = re.compile(r"[a-z][a-z0-9+.-]*://[!-~]+")

VENDORS = frozenset(
    {
        "https://claude.ai/api/mcp/auth_callback",
        "https://claude.com/api/mcp/auth_callback",
        "https://chatgpt.com/connector_platform_oauth_redirect",
        "https://vscode.dev/redirect",
        "https://insiders.vscode.dev/redirect",
        "https://www.cursor.com/agents/mcp/oauth/callback",
        "cursor://anysphere.cursor-mcp/oauth/callback",
    }
)
"""Where the known clients take their codes, to the letter."""

_VENDOR_PATTERNS = (re.compile(r"https://chatgpt\.com/connector/oauth/[A-Za-z0-9_-]{1,64}"),)


def is_loopback(uri: str) -> bool:
    """Say whether an address is one of the machine that the browser runs on."""
    return "#" not in uri and "\\" not in uri and _LOOPBACK.fullmatch(uri) is not None


def is_allowed(uri: str, configured: Collection[str] = ()) -> bool:
    """Say whether a code may be sent to an address.

    :param configured: The addresses that an administrator allows beside the known ones, to the letter.
    """
    if len(uri) > MOST_CHARS or "#" in uri or "\\" in uri:
        return False
    if is_loopback(uri) or uri in VENDORS or any(known.fullmatch(uri) for known in _VENDOR_PATTERNS):
        return True
    return uri in configured and _PLAIN.fullmatch(uri) is not None


def matches(uri: str, registered: Collection[str]) -> bool:
    """Say whether an address is a client's: to the letter, but for the port on loopback (RFC 8252)."""
    return uri in registered or (
        is_loopback(uri)
        and _without_port(uri) in {_without_port(one) for one in registered if is_loopback(one)}
    )


def _without_port(uri: str) -> str:
    return _LOOPBACK.sub(r"\1\2", uri)
