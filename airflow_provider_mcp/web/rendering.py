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
"""How a page is made: Jinja2 escapes every value, and the headers let in nothing from elsewhere."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from airflow_provider_mcp.endpoint.door import Reply
from airflow_provider_mcp.web.host import PageHost

FOLDER = Path(__file__).parent

STATIC_TYPES = {"page.css": "text/css; charset=utf-8", "page.js": "text/javascript; charset=utf-8"}
"""The files that pages load, which are no secret."""

_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors {frames}"
)


@functools.cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(
    template: str, host: PageHost, status: int = 200, *, framed: bool = False, **values: object
) -> Reply:
    """Return a page.

    :param framed: Whether Airflow's own pages may show it in a frame.
    """
    page = _environment().get_template(template)
    root = f"{urlsplit(host.pages).path}/mcp/"
    text = page.render(line=host.line, root=root, static=f"{root}static/", version=static_version(), **values)
    headers = security_headers(framed=framed) | {"Content-Type": "text/html; charset=utf-8"}
    return Reply(status, text.encode("utf-8", "replace"), headers)


def security_headers(*, framed: bool) -> dict[str, str]:
    """Return the headers by which a browser runs nothing on a page but what is ours."""
    return {
        "Content-Security-Policy": _POLICY.format(frames="'self'" if framed else "'none'"),
        "X-Frame-Options": "SAMEORIGIN" if framed else "DENY",
        "X-Content-Type-Options": "nosniff",
        # With no referrer at all, browsers would hide the origin of a form, too.
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
    }


@functools.cache
def static_version() -> str:
    """Return what changes when a file that pages load changes."""
    digest = hashlib.sha256()
    for name in STATIC_TYPES:
        digest.update((FOLDER / "static" / name).read_bytes())
    return digest.hexdigest()[:12]


@functools.cache
def static_reply(name: str) -> Reply | None:
    """Return a file that pages load; None if there is none of the name."""
    content_type = STATIC_TYPES.get(name)
    if content_type is None:
        return None
    headers: Mapping[str, str] = {
        "Content-Type": content_type,
        "Cache-Control": "public, max-age=86400",
        "X-Content-Type-Options": "nosniff",
    }
    return Reply(200, (FOLDER / "static" / name).read_bytes(), headers)
