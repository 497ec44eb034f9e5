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
"""The values of XComs: as they were pushed, in what JSON can carry without loss."""

from __future__ import annotations

import math
from dataclasses import dataclass

from airflow_provider_mcp.sdk import JSON, Airflow, InternalError, InvalidArgument, JSONObject, Unsupported
from airflow_provider_mcp.tools.shared.masking import redact_off_loop

SAFE_INTEGER = 2**53
"""Beyond it, integers lose digits in clients that read numbers as JavaScript does."""

_CLASS_NAMES = frozenset({"__classname__", "__class__", "__type"})
"""Keys by which Airflow writes down a value that is no JSON."""


@dataclass(frozen=True)
class Value:
    """A value, its entry as Airflow lists it, and what to know of how it is shown."""

    entry: JSONObject
    value: JSON
    hints: tuple[str, ...] = ()

    @property
    def hint(self) -> str | None:
        return " ".join(self.hints) or None


async def read_value(airflow: Airflow, route: str, where: JSONObject) -> Value:
    """Read an XCom. A string stays a string, whatever it holds.

    :param route: The route of the XCom's entry.
    :param where: The map index of the task instance and, in a loop, its region.
    """
    query = dict(where)
    hints: list[str] = []
    try:
        entry = (await airflow.get(route, params={**query, "stringify": "false"})).json()
    except (InvalidArgument, Unsupported):
        # Before 2.10, Airflow knows no `stringify`, and always does.
        entry = (await airflow.get(route, params=query)).json()
        hints.append(f"Airflow {airflow.site.version} gives every XCom as text.")
    except InternalError:
        # Such as an object whose keys are tuples: Airflow fails to write it as JSON.
        entry = (await airflow.get(route, params={**query, "stringify": "true"})).json()
        hints.append("The value is no JSON: this is Airflow's own text of it.")
    value = entry.get("value")
    if isinstance(value, dict) and _CLASS_NAMES & value.keys():
        entry = await _read_text(airflow, route, query) or entry
        value = entry.get("value")
        hints.append("The value is an object of Python: this is Airflow's own form of it.")
    value = await redact_off_loop(airflow, value, entry.get("key"))
    changed = _Changed()
    value = _carry(value, changed)
    if changed.integers:
        hints.append("Integers beyond 2^53 are given as text, so that no digit is lost.")
    if changed.floats:
        hints.append("NaN and infinity are given as text: JSON has no numbers for them.")
    return Value(entry, value, tuple(hints))


async def _read_text(airflow: Airflow, route: str, query: JSONObject) -> JSONObject | None:
    """Return an entry with the value as Airflow's pages show it; None if this Airflow does not give it."""
    text = {**query, "deserialize": "true", "stringify": "true"}
    try:
        entry: JSONObject = (await airflow.get(route, params=text)).json()
    except (InvalidArgument, Unsupported, InternalError):
        return None
    return entry


@dataclass
class _Changed:
    integers: bool = False
    floats: bool = False


def _carry(value: JSON, changed: _Changed) -> JSON:
    """Return the value with the numbers as text that JSON, or its readers, cannot carry."""
    if isinstance(value, dict):
        return {key: _carry(inner, changed) for key, inner in value.items()}
    if isinstance(value, list):
        return [_carry(inner, changed) for inner in value]
    if isinstance(value, bool):
        return value
    if isinstance(value, int) and abs(value) > SAFE_INTEGER:
        changed.integers = True
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        changed.floats = True
        return str(value)
    return value
