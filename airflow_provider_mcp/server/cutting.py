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
"""Cut JSON to a number of characters, in time linear in its size.

Everything is measured once. What is small stays whole; what is large shares what room there is: lists are cut
at item borders, with their whole count beside them, objects after as many keys as fit, texts by their end.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from airflow_provider_mcp.sdk import JSON, JSONObject

_LEAST = 60
"""The room that a value gets at least, if it does not need less: a mark of what was cut takes half of it."""

_MARK = 40
"""The room that is kept for the mark of a text that is cut."""

_MANY = 20
"""From this many items on, a list without lists or objects in it is measured as a whole, which is faster."""

_LEAVES = frozenset({str, int, float, bool, type(None)})

_MAX_KEY = 200
"""How long a key may be where something must be cut."""


_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def compact(data: JSON) -> str:
    """Return data as JSON text without needless spaces."""
    return _ENCODER.encode(data)


def cut_text(text: str, max_chars: int) -> str:
    """Return the begin of a text, with how much more there is, in ``max_chars`` characters of JSON."""
    if len(text) + 2 <= max_chars and len(compact(text)) <= max_chars:
        return text
    room = max(max_chars - _MARK, 0)
    chosen = text[:room]
    # Quotes and control characters take more than one character each.
    while chosen and len(compact(chosen)) - 2 > room:
        chosen = chosen[: min(len(chosen) - 1, len(chosen) * room // (len(compact(chosen)) - 2))]
    return f"{chosen}… ({len(text) - len(chosen)} more characters)"


class Cutter:
    """Measures an object once, as far as it can matter, and cuts it.

    No more than ``max_chars`` characters can stay, so that a list is measured until it is longer, and a value
    of an object until it is longer than its equal part. ``sizes`` has the size of each list and object by its
    identity; ``work`` counts the values that were looked at, which a test holds linear.
    """

    def __init__(self, data: JSONObject, max_chars: int) -> None:
        self.sizes: dict[int, int] = {}
        self.work = 0
        self._data = data
        self.size = self._measure(data, max_chars)
        """How many characters the whole takes; if it is too long, at least more than there may be."""

    def cut(self, max_chars: int) -> JSONObject:
        """Return as much of the object as fits into about ``max_chars`` characters of compact JSON.

        :param max_chars: At most what was given at the start.
        """
        return self._cut_object(self._data, max_chars)

    def _measure(self, value: JSON, limit: int) -> int:
        """Return how many characters a value takes, or more than ``limit``, and remember it."""
        self.work += 1
        if isinstance(value, dict):
            size = self._measure_object(value, limit)
        elif isinstance(value, list):
            size = self._measure_list(value, limit)
        else:
            return _measure_leaf(value)
        self.sizes[id(value)] = size
        return size

    def _measure_object(self, value: JSONObject, limit: int) -> int:
        # Two brackets, and a comma between the keys.
        size = 1 if value else 2
        least = since = 0
        fair = limit
        sizes: list[int] = []
        for key, inner in value.items():
            overhead = len(compact(key)) + 2
            inner_size = self._measure(inner, fair)
            size += overhead + inner_size
            least += min(overhead, _MAX_KEY // 2) + min(inner_size, _LEAST)
            since += inner_size
            sizes.append(inner_size)
            if least > limit:
                # There is no room for the keys that follow, however little their values get.
                return max(size, limit + 1)
            if since > limit:
                # With these values alone, each gets no more than this.
                fair, since = max(_share(limit, sizes)), 0
        return size

    def _measure_list(self, value: list[JSON], limit: int) -> int:
        if len(value) > _MANY:
            # Each item takes two characters at least.
            begin = value[: limit // 2 + 2]
            if _LEAVES.issuperset(map(type, begin)):
                self.work += len(begin)
                return len(compact(begin))
        size = 1 if value else 2
        for inner in value:
            size += self._measure(inner, max(limit - size, 0)) + 1
            if size > limit:
                break
        return size

    def _size(self, value: JSON) -> int:
        """Return what was measured."""
        self.work += 1
        return self.sizes[id(value)] if isinstance(value, (dict, list)) else _measure_leaf(value)

    def _cut(self, value: JSON, size: int, room: int) -> JSON:
        """Return as much of a value as fits."""
        if size <= room:
            return value
        if isinstance(value, dict):
            return self._cut_object(value, room)
        if isinstance(value, list):
            return self._cut_list(value, room)
        return cut_text(value if isinstance(value, str) else compact(value), room)

    def _cut_object(self, value: JSONObject, room: int) -> JSONObject:
        """Return the keys that fit; their values share the room that is left."""
        chosen = self._choose_keys(value, room - 2)
        left_out = len(value) - len(chosen)
        left = room - 2 - sum(len(compact(key)) + 2 for key, _, _ in chosen) - (_MARK if left_out else 0)
        result: JSONObject = {}
        for (key, inner, size), share in zip(
            chosen, _share(left, [size for _, _, size in chosen]), strict=True
        ):
            count = f"{key}_total"
            if size <= share or not isinstance(inner, list) or count in value:
                result[key] = self._cut(inner, size, share)
                continue
            items = self._cut_list(inner, share - len(compact(count)) - 12)
            result[key] = items
            if len(items) < len(inner):
                result[count] = len(inner)
        if left_out:
            result["…"] = f"({left_out} more of {len(value)} keys)"
        return result

    def _choose_keys(self, value: JSONObject, room: int) -> list[tuple[str, JSON, int]]:
        """Return the first keys for which there is room, with their values and sizes."""
        chosen: list[tuple[str, JSON, int]] = []
        for key, inner in value.items():
            short = _shorten_key(key, len(chosen))
            size = self._size(inner)
            # A list that is cut has its count beside it, under a key of its own.
            least = min(size, _LEAST + (len(short) if isinstance(inner, list) else 0))
            room -= len(compact(short)) + 2 + least
            if room < (_MARK if len(chosen) + 1 < len(value) else 0):
                break
            chosen.append((short, inner, size))
        return chosen

    def _cut_list(self, value: list[JSON], room: int) -> list[JSON]:
        """Return the first items that fit; of a first one that does not fit, as much as does."""
        left = room - 2
        for count, item in enumerate(value):
            left -= self._size(item) + 1
            if left < 0:
                if count == 0 and room > _LEAST:
                    return [self._cut(item, self._size(item), room - 3)]
                return value[:count]
        return value


def _measure_leaf(value: JSON) -> int:
    """Return how many characters a text, a number, a boolean or null takes."""
    if isinstance(value, str):
        return len(compact(value))
    return len(repr(value))


def _shorten_key(key: str, number: int) -> str:
    """Return a key of bearable length, which no other of the object has."""
    return key if len(key) <= _MAX_KEY else f"{key[: _MAX_KEY - _MARK]}… ({len(key)} characters, {number})"


def _share(room: int, sizes: Sequence[int]) -> list[int]:
    """Return the room of each: the small ones get what they need, the others equal parts of the rest."""
    left = room
    for position, size in enumerate(sorted(sizes)):
        fair = left // (len(sizes) - position)
        if size > fair:
            return [min(size, fair) for size in sizes]
        left -= size
    return list(sizes)
