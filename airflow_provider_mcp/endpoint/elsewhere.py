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
"""What clients and people ask for beside the endpoint: an answer in JSON, where Airflow's own is a page.

This imports nothing heavy: it looks at the path of every request to Airflow.
"""

from __future__ import annotations

import json
import re

ENDPOINT = "/mcp/v1"

LOGIN = "/mcp/oauth"
"""What is below this belongs to the login by OAuth, which says itself whether it is on."""

RESUME = f"{LOGIN}/resume"
"""Where a login goes on once its person is logged in to Airflow."""

WAITING_MARK = "airflow_mcp_waiting"
"""The cookie of a browser that was sent to Airflow's login in the middle of a login by OAuth."""

_METADATA = re.compile(
    r"(?P<before>/mcp(/v1|/oauth)?)?/\.well-known/(?P<name>oauth-[a-z-]+|openid-configuration)(?P<behind>/.*)?",
    re.IGNORECASE,
)
"""Where clients look for a login: at the root, with the endpoint's path behind it or before it."""

NO_LOGIN = json.dumps(
    {
        "error": "not_found",
        "detail": "There is no login by OAuth here: send a credential of Airflow in the "
        "Authorization header.",
    }
).encode()

HEADERS = {
    "Content-Type": "application/json",
    "Cache-Control": "no-store",
    # The answers are the same for everyone, and the pages of browser clients look for them too.
    "Access-Control-Allow-Origin": "*",
}
"""Those of each answer, whose status is 404."""

_PAGES = frozenset({"/", "/revoke", "/tools", "/try", "/calls", "/faults", "/diagnose"})

_BELOW_PAGES = ("/confirm/", "/static/")


def is_page(path: str) -> bool:
    """Say whether a path below ``/mcp`` is that of a page for people, or of what pages load."""
    return path in _PAGES or path.startswith(_BELOW_PAGES)


def answer_elsewhere(path: str, prefix: str) -> bytes | None:
    """Return the body of the answer to a request beside the endpoint; None for one that is none of ours.

    :param path: The whole path of the request.
    :param prefix: The path below which Airflow is served, which a proxy may have taken away.
    """
    route = _cut(path, prefix)
    # Clients whose token has expired take a page for broken metadata.
    if _METADATA.fullmatch(path) or _METADATA.fullmatch(route):
        return NO_LOGIN
    prefix = prefix.rstrip("/")
    if route.startswith(f"{LOGIN}/") or (route.startswith("/mcp/") and is_page(route.removeprefix("/mcp"))):
        return None
    if route == "/mcp" or (route.startswith("/mcp/") and route.rstrip("/") != ENDPOINT):
        return json.dumps({"detail": f"The MCP endpoint is {prefix}{ENDPOINT}, by POST."}).encode()
    return None


def find_resumption(path: str, prefix: str, cookies: str) -> tuple[str, str] | None:
    """Return where a browser goes that Airflow's login did not send back, and the cookie that forgets this.

    Airflow's login leads to the home page where it ignores what comes next: FAB's, for somebody whose
    session is older than the token in their browser.

    :param cookies: The header ``Cookie``.
    :return: None for any other request.
    """
    prefix = prefix.rstrip("/")
    names = {pair.partition("=")[0].strip() for pair in cookies.split(";")}
    if path.rstrip("/") != prefix or WAITING_MARK not in names:
        return None
    return prefix + RESUME, f"{WAITING_MARK}=; Path={prefix or '/'}; Max-Age=0"


def find_metadata(path: str, prefix: str) -> str | None:
    """Return where, below the prefix, the login serves the document that a client looks for.

    :return: None if the path is none at which a client of ours looks.
    """
    prefix = prefix.rstrip("/")
    match = _METADATA.fullmatch(_cut(path, prefix)) or _METADATA.fullmatch(path)
    if match is None:
        return None
    # At the host's root the document's name comes first, and what it is about behind it.
    about = (match["behind"] or "").rstrip("/")
    if about not in {"", prefix, *(f"{prefix}{ours}" for ours in ("/mcp", ENDPOINT, LOGIN)), ENDPOINT, LOGIN}:
        return f"{LOGIN}/.well-known/unknown"
    return f"{LOGIN}/.well-known/{match['name'].lower()}"


def _cut(path: str, prefix: str) -> str:
    """Return a path without the prefix, if it has it."""
    prefix = prefix.rstrip("/")
    return path.removeprefix(prefix) if f"{path}/".startswith(f"{prefix}/") else path
