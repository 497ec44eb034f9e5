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
"""What no call may do: leave the REST API, write without permission, change the policy."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, unquote

import httpx

from airflow_provider_mcp.sdk.errors import InvalidArgument, PermissionDenied, ReadOnly
from airflow_provider_mcp.sdk.json_types import JSON

_SAFE_METHODS = frozenset({"GET", "HEAD"})

# Operations that read though their method writes, each by its exact route below the API's root. An ending is
# not enough: a variable may be named `a/dry_run`.
_READING = re.compile(
    r"POST dags/[^/]+/dagRuns(/[^/]+/taskInstances)?/list"
    r"|POST backfills/dry_run"
    r"|PATCH dags/[^/]+/dagRuns/[^/]+/(taskInstances/[^/]+(/-?\d+)?|taskGroupInstances/[^/]+)/dry_run"
)

# Operations that are dry runs by a switch in their body.
_SWITCHED_DRY_RUNS = re.compile(
    r"dags/[^/]+/(clearTaskInstances|dagRuns/[^/]+/clear|updateTaskInstancesState)"
)


def build_url(root: str, url: httpx.URL | str, params: Any = None) -> httpx.URL:
    """Return the address of ``url`` below the REST API's root.

    :param params: A query as httpx takes it, in place of one that ``url`` has.
    :raises ToolError: ``invalid_argument`` for another host or for a path with ``..``.
    """
    text = str(url)
    route = text.partition("?")[0]
    segments = unquote(route).replace("\\", "/").split("/")
    if ".." in segments or "." in segments or "://" in route or text.startswith("//"):
        raise InvalidArgument(
            "The path leaves Airflow's REST API.",
            hint="Give a path below the API's root, built of identifiers exactly as Airflow lists them.",
        )
    whole = root + text.lstrip("/")
    return httpx.URL(whole) if params is None else httpx.URL(whole, params=params)


def refuse_write(access: str, request: httpx.Request, root: str) -> None:
    """Refuse a request that changes something on a client that may only read.

    :raises ToolError: ``read_only``.
    """
    route = request.url.path.removeprefix(root).lstrip("/")
    if access != "read" or only_reads(request.method, route, lambda: request.content):
        return
    raise ReadOnly(
        f"{request.method} {route} would change something, and this client may only read.",
        hint="Use a tool that is allowed to write.",
    )


def only_reads(method: str, route: str, read_body: Callable[[], bytes]) -> bool:
    """Say whether a request to the REST API changes nothing.

    :param route: Its path below the API's root.
    """
    if method in _SAFE_METHODS or _READING.fullmatch(f"{method} {route}"):
        return True
    if method != "POST" or not _SWITCHED_DRY_RUNS.fullmatch(route):
        return False
    try:
        return json.loads(read_body())["dry_run"] is True
    except (ValueError, KeyError, TypeError, RecursionError):
        return False


def refuse_policy_change(conn_ids: frozenset[str], request: httpx.Request, root: str) -> None:
    """Refuse to change a connection that says what tools may do: they could lift their own limits.

    :raises ToolError: ``permission_denied``.
    """
    route = unquote(request.url.path.removeprefix(root)).strip("/")
    if request.method in _SAFE_METHODS or not route.startswith("connections"):
        return
    if route == "connections/test":
        return
    # A body may name several connections (Airflow 3's bulk operation).
    try:
        texts = _collect_texts(json.loads(request.content)) if request.content else []
    except (ValueError, RecursionError):
        texts = list(conn_ids)
    for text in (route.removeprefix("connections/"), *texts):
        for conn_id in conn_ids:
            if not _is_taken_for(text, conn_id):
                continue
            raise PermissionDenied(
                f"The connection {conn_id} limits what this MCP server may do: no tool may change it.",
                hint="An administrator changes it in Airflow's own pages.",
                conn_id=conn_id,
            )


def _collect_texts(value: JSON) -> list[str]:
    """Return every text in a JSON document."""
    texts, waiting = [], [value]
    while waiting:
        inner = waiting.pop()
        if isinstance(inner, str):
            texts.append(inner)
        elif isinstance(inner, dict):
            waiting += [*inner, *inner.values()]
        elif isinstance(inner, list):
            waiting += inner
    return texts


_MOST_ID = 1000
"""No ID is longer: Airflow has room for 250 characters."""


def _is_taken_for(text: str, conn_id: str) -> bool:
    """Say whether the laxest database takes a text for a connection's ID.

    Under some collations MySQL takes ``MCP_Default``, ``mcp_default`` with a space after it, ``mcp_đefault``,
    and the same with a sign of another script that has no weight, for ``mcp_default``.
    """
    foreign = not conn_id.isascii()
    return _fold(text.strip()[:_MOST_ID], foreign) == _fold(conn_id, foreign)


def _fold(text: str, foreign: bool) -> str:
    """Return the letters, digits and ASCII signs of a text, without case and accents.

    :param foreign: Whether letters of other scripts count.
    """
    small = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return "".join(_fold_sign(char, foreign) for char in small)


def _fold_sign(char: str, foreign: bool) -> str:
    if char <= "\x7f":
        return char if "!" <= char <= "~" else ""
    name = unicodedata.name(char, "")
    if ("LATIN" in name and not name.startswith("TAG ")) or name.startswith("MODIFIER LETTER SMALL"):
        # With a stroke, in a square, above another letter: the letter stands alone in its name.
        letters = [word for word in name.split() if len(word) <= 2]
        return "d" if "ETH" in name.split() else letters[0].lower() if letters else ""
    return char if foreign and unicodedata.category(char)[0] in "LN" else ""


@contextmanager
def refuse_unsendable() -> Iterator[None]:
    """Refuse what cannot be written down as a request: it is the caller's, and no fault of a tool.

    :raises ToolError: ``invalid_argument``.
    """
    try:
        yield
    except UnicodeEncodeError:
        message, hint = "An argument holds half of a character (a lone surrogate).", "Give valid Unicode."
    except httpx.InvalidURL as invalid:
        message, hint = (
            f"The call cannot be sent ({invalid}).",
            "Give identifiers exactly as Airflow lists them.",
        )
    except RecursionError:
        message, hint = "An argument is nested too deeply.", "Give it with fewer levels."
    except ValueError as invalid:
        if "JSON" not in str(invalid):
            raise
        message, hint = "An argument holds NaN or infinity, which JSON does not know.", "Give null or a text."
    else:
        return
    raise InvalidArgument(message, hint=hint)


def path(template: str, *identifiers: str | int, slashes: bool = False) -> str:
    """Put identifiers into a REST path, each confined to its one segment.

    :param template: The path with ``{}`` for each identifier, for example ``dags/{}/dagRuns``.
    :param slashes: Let identifiers keep ``/``, for the few routes whose last part is itself a path.
    :raises ToolError: ``invalid_argument`` for an identifier that is empty, ``.``, ``..`` or holds ``/``.
    """
    parts = []
    for identifier in identifiers:
        text = str(identifier)
        segments = text.split("/")
        if any(segment in {"", ".", ".."} for segment in segments) or "\\" in text:
            raise InvalidArgument(
                f"{text!r} cannot be an identifier.",
                hint="Give the identifier exactly as Airflow lists it; it is never a path.",
            )
        if len(segments) > 1 and not slashes:
            raise InvalidArgument(
                f"{text!r} cannot be addressed: here, Airflow's REST API takes no name with a slash.",
                hint="Give the identifier alone; if the slash is part of its name, use Airflow's own pages.",
            )
        with refuse_unsendable():
            parts.append(quote(text))
    return template.format(*parts)
