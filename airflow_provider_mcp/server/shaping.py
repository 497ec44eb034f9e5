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
"""A tool's result as it goes out: data and compact text, within a limit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from functools import partial
from typing import Any, cast

import anyio
import anyio.to_thread
import pydantic
from anyio.lowlevel import RunVar

from airflow_provider_mcp.sdk import JSONObject
from airflow_provider_mcp.sdk.json_types import JSON
from airflow_provider_mcp.sdk.pages import Page
from airflow_provider_mcp.server.cutting import Cutter, compact

MAX_DEPTH = 100
"""How deep data may be nested before the rest is left out: JSON libraries and clients give up beyond."""

LARGE = 50_000
"""Beyond about this many characters, a result is shaped in a thread: others are served meanwhile."""

THREADS = 2
"""How many large results a process shapes at once."""

_LIMITER: RunVar[anyio.CapacityLimiter] = RunVar("airflow_provider_mcp.shaping")

HINT = "Cut to fit max_result_chars; ask for less at once, or for one item alone."

Data = pydantic.BaseModel | Mapping[str, JSON]
"""What a tool returns, a preview shows, or an error carries."""


@dataclass(frozen=True)
class Shaped:
    """A result as it goes out: JSON-ready data and the same as compact text."""

    data: JSONObject
    text: str = field(repr=False)


async def shape(result: Data, max_chars: int) -> Shaped:
    """Do what :func:`shape_result` does; a large result does not hold up the event loop."""
    if not is_large(result):
        return shape_result(result, max_chars)
    # A pool of its own: Airflow's routes wait for the threads of the shared one.
    limiter = _LIMITER.get(None)
    if limiter is None:
        limiter = anyio.CapacityLimiter(THREADS)
        _LIMITER.set(limiter)
    return await anyio.to_thread.run_sync(partial(shape_result, result, max_chars), limiter=limiter)


def shape_result(result: Data, max_chars: int) -> Shaped:
    """Turn what a tool returned into data of at most ``max_chars`` characters, cut at item borders."""
    data = dump(result)
    text = compact(data)
    if len(text) <= max_chars:
        return Shaped(data, text)
    if isinstance(result, Page):
        page = _shorten_page(result, max_chars)
        if page is not None:
            return page
        data = dump(result.keep(1))
    marked: JSONObject = {"truncated": True, "hint": data.get("hint") or HINT}
    cutter = Cutter({key: value for key, value in data.items() if key not in marked}, max_chars)
    room = max_chars - len(compact(marked))
    while room > 0:
        shortened: JSONObject = {**cutter.cut(room), **marked}
        text = compact(shortened)
        if len(text) <= max_chars:
            return Shaped(shortened, text)
        # Numbers that cannot be cut, or marks longer than what they stand for.
        room -= max(len(text) - max_chars, room // 8, 100)
    least: JSONObject = {"truncated": True}
    return Shaped(least, compact(least))


def dump(result: Data) -> JSONObject:
    """Return what a tool returned as JSON-ready data."""
    try:
        if isinstance(result, pydantic.BaseModel):
            return result.model_dump(mode="json", exclude_none=True, by_alias=True)
        return cast("JSONObject", _ANY.dump_python(dict(result), mode="json"))
    except (ValueError, RecursionError):
        # Pydantic refuses half a surrogate pair, and what is nested some 250 levels deep.
        left_out: list[object] = []
        mended = cast("JSONObject", _ANY.dump_python(_mend(result, 0, left_out), mode="json"))
        if not left_out:
            return mended
        return {**mended, "truncated": True, "hint": f"What is nested deeper than {MAX_DEPTH} is left out."}


_ANY: pydantic.TypeAdapter[Any] = pydantic.TypeAdapter(JSONObject)


def is_large(result: object) -> bool:
    """Say whether a result takes more than about ``LARGE`` characters; it looks no further than that."""
    left = LARGE
    waiting = [result]
    while waiting and left > 0:
        value = waiting.pop()
        # Most of what there is, told apart as fast as can be.
        if type(value) is str:
            left -= len(value)
            continue
        if value is None or value is True or value is False:
            left -= 4
            continue
        if isinstance(value, (str, bytes)):
            left -= len(value)
            continue
        left -= value.bit_length() // 4 if isinstance(value, int) else 4
        if isinstance(value, pydantic.BaseModel):
            value = value.__dict__
        if isinstance(value, Mapping):
            for key, inner in value.items():
                left -= len(key) if isinstance(key, str) else 4
                waiting.append(inner)
                if left <= 0:
                    return True
        elif isinstance(value, (list, tuple)):
            left -= 2 * len(value)
            if left > 0:
                waiting += value
        elif is_dataclass(value):
            waiting += [getattr(value, member.name) for member in fields(value)]
    return left <= 0


def _shorten_page(page: Page, max_chars: int) -> Shaped | None:
    """Return as many whole items of a page as fit, which its cursor continues; None if not even one does.

    Where to cut is guessed by the size of what was tried before, so that few pages are tried.
    """
    fitting: Shaped | None = None
    low, high = 0, len(getattr(page, page.items_field))
    guess = high // 2
    for attempt in range(_ATTEMPTS):
        if high - low <= 1:
            break
        middle = (low + high) // 2 if attempt % 3 == 2 else min(max(guess, low + 1), high - 1)
        data = dump(page.keep(middle))
        text = compact(data)
        guess = middle * max_chars // len(text)
        if len(text) <= max_chars:
            fitting, low = Shaped(data, text), middle
        else:
            high = middle
    return fitting


_ATTEMPTS = 30


def _mend(value: object, depth: int, left_out: list[object]) -> object:
    """Return a value that pydantic can turn into JSON; what is nested too deep goes to ``left_out``."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, pydantic.BaseModel):
        value = {name: inner for name, inner in value if inner is not None}
    if isinstance(value, (Mapping, list, tuple)) and depth >= MAX_DEPTH:
        left_out.append(value)
        return "… (nested too deep)"
    if isinstance(value, Mapping):
        return {
            _mend(key, depth, left_out): _mend(inner, depth + 1, left_out) for key, inner in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_mend(inner, depth + 1, left_out) for inner in value]
    return value
