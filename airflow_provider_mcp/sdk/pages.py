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
"""Results that are pages of a list, and how a list is read page by page."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import pydantic

from airflow_provider_mcp.sdk.airflow import Airflow
from airflow_provider_mcp.sdk.errors import InvalidArgument

if TYPE_CHECKING:
    from typing_extensions import Self


class Result(pydantic.BaseModel):
    """A tool's result; what has no value is left out."""

    truncated: bool | None = None
    """True if something was left out."""
    hint: str | None = None
    """How to get what was left out, or what to do next."""


class Page(Result):
    """A result with one list that may be continued by ``next_cursor``."""

    items_field: ClassVar[str]

    total: int | None = None
    """How many there are in all."""
    next_cursor: str | None = None
    """What to pass as cursor for the next page."""
    _offset: int = pydantic.PrivateAttr(0)

    @classmethod
    def of(cls, rows: Sequence[Any], *, total: int, offset: int, **more: Any) -> Self:
        """Build the page of ``rows``, which begin at ``offset`` of ``total``."""
        page = cls(**{cls.items_field: rows, "total": total, **more})
        page._offset = offset
        page._continue_after(len(rows))
        return page

    def keep(self, count: int) -> Self:
        """Return a copy that holds as many items as fit and continues after them."""
        page = self.model_copy()
        page._offset = self._offset
        setattr(page, self.items_field, getattr(self, self.items_field)[:count])
        page.truncated = True
        page.hint = "Cut to fit; go on with next_cursor."
        page._continue_after(count)
        return page

    def _continue_after(self, count: int) -> None:
        end = self._offset + count
        more = self.total is not None and end < self.total and count > 0
        last = _mark(getattr(self, self.items_field)[count - 1]) if more else None
        marked = {} if last is None else {"last": last}
        self.next_cursor = encode_cursor(offset=end, total=self.total, **marked) if more else None


Limit = Annotated[int, pydantic.Field(ge=1, le=100, description="Items a page.")]

Cursor = Annotated[str | None, pydantic.Field(description="next_cursor of the page before.")]


def encode_cursor(**position: Any) -> str:
    """Make an opaque cursor of a position."""
    text = json.dumps(position, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_cursor(cursor: str | None) -> dict[str, Any]:
    """Return the position that a cursor was made of; ``{}`` for none.

    :raises ToolError: ``invalid_argument`` if no tool of ours made it.
    """
    if not cursor:
        return {}
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        position = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except ValueError:
        position = None
    if not isinstance(position, dict) or not all(
        isinstance(v, int) and not isinstance(v, bool) and v >= 0 for v in position.values()
    ):
        raise InvalidArgument(
            "The cursor is not one that this tool returned.",
            hint="Pass next_cursor unchanged, or leave it out to begin again.",
        )
    return position


_IDENTITIES = (
    ("event_log_id",),
    ("import_error_id",),
    ("dag_id", "dag_run_id", "task_id", "map_index"),
    ("dag_id", "dag_run_id"),
    ("id",),
    ("connection_id",),
    ("key",),
    ("name",),
    ("dag_id",),
)

MOST_ROWS = 100
"""What Airflow lists at most at once (``maximum_page_limit``), unless it is told otherwise."""


def _mark(row: Any) -> int | None:
    """Return a number that tells a row from the others of its list; None if it has nothing to tell by."""
    held = row if isinstance(row, Mapping) else getattr(row, "__dict__", {})
    for names in _IDENTITIES:
        if all(name in held for name in names):
            # A task instance that is not mapped has the map index -1 or none.
            values = [-1 if held[name] is None else held[name] for name in names]
            return zlib.crc32(json.dumps(values, default=str).encode())
    return None


async def fetch_page(
    airflow: Airflow,
    route: str,
    rows_key: str,
    *,
    params: Mapping[str, Any] | None = None,
    limit: int,
    cursor: str | None,
    newest_first: bool = False,
) -> tuple[list[dict[str, Any]], int, int]:
    """Fetch one page of a REST list: ``(rows, total, offset)``.

    While rows are being added, removed, or moved by what they are filtered or ordered by, the rows that a
    caller has not seen move too. The cursor knows the last row that was shown, which is looked for again
    where it must be by now, so that nothing is shown twice and nothing is missed. A list that shows the
    newest first is expected to have grown at its front.
    """
    position = decode_cursor(cursor)
    offset, seen, last = int(position.get("offset", 0)), position.get("total"), position.get("last")
    query = {k: v for k, v in (params or {}).items() if v is not None}

    async def read(begin: int, count: int) -> tuple[list[dict[str, Any]], int]:
        answer = (
            await airflow.get(route, params={**query, "limit": min(count, MOST_ROWS), "offset": begin})
        ).json()
        return answer[rows_key], int(answer["total_entries"])

    if not offset or last is None:
        rows, total = await read(offset, limit)
        grown = total - seen if newest_first and seen is not None else 0
        if grown > 0:
            offset += grown
            rows, total = await read(offset, limit)
        return rows, total, offset
    at, count = offset - 1, limit + 1
    probed: set[int] = set()
    while at not in probed and len(probed) < 4:
        probed.add(at)
        rows, total = await read(at, count)
        found = next((i for i, row in enumerate(rows) if _mark(row) == last), None)
        if found is not None:
            offset = at + found + 1
            rest = rows[found + 1 :]
            if not rest and offset < total:
                rest, total = await read(offset, limit)
            return rest[:limit], total, offset
        grown = max(0, total - seen) if seen is not None else 0
        # Where it must be if the list grew at its front, then all around.
        at, count = (offset - 1 + grown, limit + 1) if newest_first else (at, count)
        if at in probed:
            at, count = max(0, offset - 1 - MOST_ROWS // 2), MOST_ROWS
        if at in probed:
            at = offset - 1 + MOST_ROWS // 2
    # The last row itself is gone.
    offset += max(0, total - seen) if newest_first and seen is not None else 0
    rows, total = await read(offset, limit)
    return rows, total, offset
