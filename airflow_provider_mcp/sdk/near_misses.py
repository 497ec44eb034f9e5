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
"""What a caller may have meant by a name that is not there."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from airflow_provider_mcp.sdk.airflow import Airflow
from airflow_provider_mcp.sdk.errors import NotFound, PermissionDenied, Unsupported
from airflow_provider_mcp.sdk.json_types import JSON

MAX_SUGGESTIONS = 3

LIKE_ENOUGH = 0.6

MAX_LISTED = 100


def find_close_names(name: str, names: Iterable[str], *, cutoff: float = LIKE_ENOUGH) -> list[str]:
    """Return those of ``names`` that are nearly ``name``, the nearest first."""
    return difflib.get_close_matches(name, dict.fromkeys(names), MAX_SUGGESTIONS, cutoff)


def near_miss(what: str, close: list[str], *, hint: str = "", **identifiers: Any) -> NotFound:
    """Return the error for a thing that is not there, with what may have been meant.

    :param what: What is not there, as a sentence without its full stop.
    :param close: The names that may have been meant.
    :param hint: What to do if there are none.
    """
    suggestion = f"; did you mean {' or '.join(f'`{name}`' for name in close)}?" if close else "."
    return NotFound(what + suggestion, hint="" if close else hint, did_you_mean=close, **identifiers)


async def search_close_names(
    airflow: Airflow,
    name: str,
    route: str,
    field: str,
    *,
    pattern: str | None = None,
    params: Mapping[str, JSON] | None = None,
    cutoff: float = LIKE_ENOUGH,
) -> list[str]:
    """Return the names in a list of the REST API that are nearly ``name``.

    :param field: The field of a row that has its name.
    :param pattern: The parameter by which the list is filtered by a part of the name.
    """
    names: dict[str, None] = {}
    # A misspelling rarely touches the first letters and the last at once.
    for part in dict.fromkeys((name[:4], name[-4:], "") if pattern else ("",)):
        query = {**(params or {}), "limit": MAX_LISTED, **({pattern: part} if pattern and part else {})}
        try:
            answer = (await airflow.get(route, params=query)).json()
        except (Unsupported, PermissionDenied):
            # Not filtered on Airflow 2, or not listed to this caller.
            continue
        (rows,) = (value for value in answer.values() if isinstance(value, list))
        names |= dict.fromkeys(row[field] for row in rows)
        if close := find_close_names(name, names, cutoff=cutoff):
            return close
    return []
