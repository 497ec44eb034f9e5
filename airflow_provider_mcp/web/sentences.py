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
"""What a preview says, in lines for people."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from airflow_provider_mcp.sdk.json_types import JSON, JSONObject


@dataclass(frozen=True)
class Line:
    """One thing that a preview says: a text, or a list of them."""

    label: str
    text: str = ""
    items: tuple[str, ...] = ()


def describe(data: JSONObject) -> list[Line]:
    """Return what an object says, a line a field; nothing is left out."""
    lines = []
    for name, value in data.items():
        label = name.replace("_", " ").strip().capitalize() or name
        if isinstance(value, list) and value:
            lines.append(Line(label, items=tuple(_write(item) for item in value)))
        elif isinstance(value, Mapping) and value:
            lines.append(Line(label, items=tuple(f"{key}: {_write(item)}" for key, item in value.items())))
        else:
            lines.append(Line(label, _write(value)))
    return lines


def _write(value: JSON) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "nothing"
    if value in ([], {}):
        return "none"
    if isinstance(value, Mapping) and all(not isinstance(item, (list, Mapping)) for item in value.values()):
        return ", ".join(f"{key}: {_write(item)}" for key, item in value.items())
    return json.dumps(value, ensure_ascii=False)
