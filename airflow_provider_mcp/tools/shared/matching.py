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
"""Lists that are filtered by a part of a name, taken as plain text.

Airflow's own ``..._pattern`` filters take ``%``, ``_``, ``|`` and ``~`` for wildcards. Everything that holds
the text also fits that filter: what fits the filter alone is left out here.
"""

from __future__ import annotations

from collections.abc import Mapping

from airflow_provider_mcp.sdk import JSON, Airflow, JSONObject, Page, Unsupported, decode_cursor
from airflow_provider_mcp.tools.shared.reads import PAGE, read_pages

WILDCARDS = frozenset("%_|~\\")

MOST_PAGES = 10
"""Pages of 100 rows that are looked through for a text with a wildcard in it."""


async def fetch_matching(
    page: type[Page],
    airflow: Airflow,
    route: str,
    *,
    text: str | None,
    field: str,
    parameter: str | None,
    params: Mapping[str, JSON],
    limit: int,
    cursor: str | None,
    newest_first: bool = False,
) -> tuple[list[JSONObject], int, int, str | None]:
    """Fetch a page of the rows that hold ``text`` in a field: ``(rows, total, offset, hint)``.

    :param parameter: The REST API's filter of that field; None if this Airflow has none, which an Airflow 3
        would not say.
    :return: The hint says if not all rows could be looked at.
    """
    key = page.items_field
    if text is None or (parameter is not None and not WILDCARDS & set(text)):
        try:
            rows, total, offset = await page.fetch(
                airflow,
                route,
                params=params if parameter is None else {**params, parameter: text},
                limit=limit,
                cursor=cursor,
                newest_first=newest_first,
            )
        except Unsupported:
            if text is None:
                raise
        else:
            return rows, total, offset, None
    filters = {name: value for name, value in params.items() if value is not None}
    try:
        rows, total = await read_pages(airflow, route, key, MOST_PAGES, **filters, **_narrow(parameter, text))
    except Unsupported:
        # Not filtered by this Airflow at all: it is looked for here.
        rows, total = await read_pages(airflow, route, key, MOST_PAGES, **filters)
    lowered = (text or "").lower()
    matching = [row for row in rows if lowered in str(row.get(field) or "").lower()]
    offset = int(decode_cursor(cursor).get("offset", 0))
    hint = None
    if total > len(rows):
        hint = f"Only the first {MOST_PAGES * PAGE} of {total} were searched for `{text}`; filter by more."
    return matching[offset : offset + limit], len(matching), offset, hint


def _narrow(parameter: str | None, text: str | None) -> dict[str, str]:
    """Return the filter that Airflow itself can apply: the longest part without a wildcard."""
    if parameter is None:
        return {}
    parts = "".join(" " if char in WILDCARDS - {"_"} else char for char in text or "").split(" ")
    longest = max(parts, key=len)
    return {parameter: longest} if longest.strip("_") else {}
