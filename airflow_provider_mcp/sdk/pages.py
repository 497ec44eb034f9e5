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
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar, NamedTuple

import pydantic

from airflow_provider_mcp.sdk.airflow import Airflow
from airflow_provider_mcp.sdk.coercion import NOTHING
from airflow_provider_mcp.sdk.errors import InvalidArgument
from airflow_provider_mcp.sdk.json_types import JSON, JSONObject

if TYPE_CHECKING:
    from typing_extensions import Self

MOST_ROWS = 100
"""What Airflow lists at most at once (``maximum_page_limit``), unless it is told otherwise."""

Limit = Annotated[int, pydantic.Field(ge=1, le=MOST_ROWS, description="Items a page.")]

Cursor = Annotated[str | None, pydantic.Field(description="next_cursor of the page before.")]


class AtLeast(int):
    """A total that is not counted to its end: Airflow 2 counts no filtered assets."""


class Rows(NamedTuple):
    """One page of a REST list, as Airflow answers it."""

    rows: list[JSONObject]
    total: int
    """How many there are in all."""
    offset: int
    """How many come before these rows."""


class Result(pydantic.BaseModel):
    """A tool's result; what has no value is left out."""

    truncated: bool | None = None
    """True if something was left out."""
    hint: str | None = None
    """How to get what was left out, or what to do next."""


class Page(Result):
    """A result with one list that may be continued by ``next_cursor``."""

    items_field: ClassVar[str]
    """The name of the field that is the list."""
    identity: ClassVar[tuple[str, ...]] = ("id",)
    """The fields that tell a row from the others, both as Airflow lists it and as it is shown. By them the
    next page finds its place again after the list has changed."""

    total: int | None = None
    """How many there are in all."""
    next_cursor: str | None = None
    """What to pass as cursor for the next page."""
    _offset: int = pydantic.PrivateAttr(0)

    @property
    def offset(self) -> int:
        """How many items come before the first one here. It is not part of the result."""
        return self._offset

    @offset.setter
    def offset(self, offset: int) -> None:
        self._offset = offset

    @classmethod
    def of(cls, rows: Sequence[JSON], *, total: int, offset: int, **more: JSON) -> Self:
        """Build the page of ``rows``, which begin at ``offset`` of ``total``."""
        page = cls(**{cls.items_field: rows, "total": total, **more})
        page.offset = offset
        if isinstance(total, AtLeast):
            page.hint = f"There are more than {total}, which this Airflow does not count."
        page._continue_after(len(rows))
        return page

    @classmethod
    async def fetch(
        cls,
        airflow: Airflow,
        route: str,
        rows_key: str | None = None,
        *,
        params: Mapping[str, JSON] | None = None,
        limit: int,
        cursor: str | None,
        newest_first: bool = False,
    ) -> Rows:
        """Fetch the rows of one page of a REST list.

        While rows are being added, removed, or moved by what they are filtered or ordered by, the rows that
        a caller has not seen move too. The cursor knows the last row of the page before, which is looked
        for again where it must be by now, so that nothing is repeated and nothing is missed. A list that
        begins with the newest is expected to have grown at its front.

        :param rows_key: The name of the list in Airflow's answer, if it is not ``items_field``.
        :param params: The query; what is None is left out.
        """
        query = {name: value for name, value in (params or {}).items() if value is not None}

        async def read(offset: int, count: int) -> Rows:
            page = {**query, "limit": min(count, MOST_ROWS), "offset": offset}
            answer = (await airflow.get(route, params=page)).json()
            total = int(answer["total_entries"])
            total = AtLeast(total) if answer.get("total_is_at_least") else total
            return Rows(answer[rows_key or cls.items_field], total, offset)

        position = decode_cursor(cursor)
        offset, total, last = position.get("offset", 0), position.get("total"), position.get("last")

        def growth(now: int) -> int:
            return max(0, now - total) if newest_first and total is not None else 0

        if offset and last is not None:
            return await _read_after(read, lambda row: cls._mark(row) == last, offset, limit, growth)
        page = await read(offset, limit)
        return await read(offset + growth(page.total), limit) if growth(page.total) else page

    def keep(self, count: int) -> Self:
        """Return a copy that holds as many items as fit and continues after them."""
        page = self.model_copy()
        setattr(page, self.items_field, getattr(self, self.items_field)[:count])
        page.truncated = True
        page.hint = "Cut to fit; go on with next_cursor."
        page._continue_after(count)
        return page

    def _continue_after(self, count: int) -> None:
        end = self.offset + count
        self.next_cursor = None
        if self.total is not None and end < self.total and count > 0:
            mark = self._mark(getattr(self, self.items_field)[count - 1])
            position = {"offset": end, "total": self.total}
            self.next_cursor = encode_cursor(**position if mark is None else {**position, "last": mark})

    @classmethod
    def _mark(cls, row: JSON) -> int | None:
        """Return a number that tells a row from the others; None if it has no field of the identity."""
        fields = row if isinstance(row, Mapping) else getattr(row, "__dict__", {})
        if not any(name in fields for name in cls.identity):
            return None
        # A task instance that is not mapped has the map index -1 or none.
        values = [-1 if fields.get(name) is None else fields[name] for name in cls.identity]
        return zlib.crc32(json.dumps(values, default=str).encode())


async def _read_after(
    read: Callable[[int, int], Awaitable[Rows]],
    is_last: Callable[[JSONObject], bool],
    offset: int,
    limit: int,
    growth: Callable[[int], int],
) -> Rows:
    """Read what follows the last row that was shown, wherever in the list that row is now.

    :param offset: Where the page began when that row was the one before it.
    :param growth: From the number of rows to how many have been added at the front.
    """
    grown = 0
    tried: set[int] = set()
    # Where it was; where it is if the list grew at its front; then around its old place.
    for place in range(4):
        begin, count = (
            (offset - 1, limit + 1),
            (offset - 1 + grown, limit + 1),
            (max(0, offset - 1 - MOST_ROWS // 2), MOST_ROWS),
            (offset - 1 + MOST_ROWS // 2, MOST_ROWS),
        )[place]
        if begin in tried:
            continue
        tried.add(begin)
        rows, total, _ = await read(begin, count)
        index = next((index for index, row in enumerate(rows) if is_last(row)), None)
        if index is not None:
            following = begin + index + 1
            rest = rows[index + 1 :]
            if not rest and following < total:
                return await read(following, limit)
            return Rows(rest[:limit], total, following)
        grown = growth(total)
    # The last row itself is gone.
    return await read(offset + grown, limit)


def encode_cursor(**position: JSON) -> str:
    """Make an opaque cursor of a position."""
    text = json.dumps(position, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_cursor(cursor: str | None) -> dict[str, int]:
    """Return the position that a cursor was made of; ``{}`` for none.

    :raises ToolError: ``invalid_argument`` if no tool of ours made it.
    """
    if cursor is None or cursor.strip() in NOTHING:
        return {}
    try:
        padded = cursor.strip() + "=" * (-len(cursor.strip()) % 4)
        position = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, RecursionError):
        position = None
    if not isinstance(position, dict) or not all(
        isinstance(v, int) and not isinstance(v, bool) and v >= 0 for v in position.values()
    ):
        raise InvalidArgument(
            "The cursor is not one that this tool returned.",
            hint="Pass next_cursor unchanged, or leave it out to begin again.",
        )
    return position
