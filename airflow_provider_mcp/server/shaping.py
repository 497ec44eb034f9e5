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

import json
from dataclasses import dataclass, field
from typing import Any

import pydantic

from airflow_provider_mcp.sdk.pages import Page


@dataclass(frozen=True)
class Shaped:
    """A result as it goes out: JSON-ready data and the same as compact text."""

    data: dict[str, Any]
    text: str = field(repr=False)


def shape_result(result: Any, max_chars: int) -> Shaped:
    """Turn what a tool returned into data of at most ``max_chars`` characters, cut at item borders."""
    data, text = _dump(result)
    if len(text) <= max_chars:
        return Shaped(data, text)
    if isinstance(result, Page):
        low, high = 1, len(getattr(result, result.items_field))
        while low < high:
            middle = (low + high + 1) // 2
            if len(_dump(result.keep(middle))[1]) <= max_chars:
                low = middle
            else:
                high = middle - 1
        data, text = _dump(result.keep(low))
        if len(text) <= max_chars:
            return Shaped(data, text)
    data["truncated"] = True
    data.setdefault("hint", "Cut to fit max_result_chars; ask for less at once, or for one item alone.")
    for _ in range(200):
        excess = len(_compact(data)) - max_chars
        if excess <= 0:
            break
        _cut_largest(data, excess)
    return Shaped(data, _compact(data))


def _dump(result: Any) -> tuple[dict[str, Any], str]:
    if isinstance(result, pydantic.BaseModel):
        data = result.model_dump(mode="json", exclude_none=True, by_alias=True)
    else:
        data = pydantic.TypeAdapter(dict[str, Any]).dump_python(dict(result), mode="json")
    return data, _compact(data)


def _compact(data: Any) -> str:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))


def _cut_largest(container: Any, excess: int) -> None:
    """Shorten the largest list or text inside ``container`` by about ``excess`` characters."""
    while True:
        pairs = list(container.items()) if isinstance(container, dict) else list(enumerate(container))
        key, value = max(pairs, key=lambda pair: len(_compact(pair[1])))
        if isinstance(value, str):
            keep = max(0, len(value) - excess - 40)
            container[key] = f"{value[:keep]}… ({len(value) - keep} more characters)"
            return
        if isinstance(value, list) and len(value) > 1:
            freed = 0
            while len(value) > 1 and freed < excess:
                freed += len(_compact(value.pop())) + 1
            return
        if (
            isinstance(value, dict)
            and len(value) > 1
            and not any(len(_compact(v)) * 2 > len(_compact(value)) for v in value.values())
        ):
            freed = 0
            while len(value) > 1 and freed < excess:
                freed += len(_compact(value.popitem()[1])) + 1
            return
        if not isinstance(value, (dict, list)) or not value:
            return
        container = value
