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
"""What clients and models send, as the tool's schema means it: for every tool, whoever wrote it.

Models under a strict schema mode send every property, null for those they mean to leave out. Others write a
list or an object as JSON text, one string for a list of one, a state in capitals. Some clients add
arguments of their own. None of it is a mistake worth a call.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime, timezone

import pydantic

from airflow_provider_mcp.sdk.json_types import JSON, JSONObject

ADDED_BY_CLIENTS = frozenset(["toolCallId", "sessionId", "action", "chatInput", "wait_for_previous"])
"""Arguments that n8n and Gemini CLI add to each call by themselves."""

_TIME: pydantic.TypeAdapter[datetime] = pydantic.TypeAdapter(datetime)
_DIGITS = re.compile(r"[+-]?\d+(\.\d+)?")
_JSON_TYPES: Mapping[type, str] = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
}


Schema = Mapping[str, JSON]


class NotATime(ValueError):  # noqa: N818 - its text is what a model reads
    """A text stands where a time is wanted."""


def coerce_arguments(schema: Schema, arguments: Mapping[str, JSON]) -> JSONObject:
    """Return the arguments of a call as the tool's input schema means them.

    What does not fit stays as it is, for the check that names it.

    :param schema: The tool's input schema, whose ``properties`` are the arguments.
    """
    properties = schema.get("properties", {})
    known = {
        name: value for name, value in arguments.items() if name in properties or name not in ADDED_BY_CLIENTS
    }
    return _coerce_object(schema, known, schema)


def parse_time(text: str) -> str:
    """Return a time in ISO 8601 with an offset: without one it is UTC, a date is its midnight.

    :raises NotATime: The text is no time.
    """
    try:
        if _DIGITS.fullmatch(text.strip()):
            raise NotATime
        time = _TIME.validate_python(text.strip())
    except ValueError:
        raise NotATime(
            f"{text!r} is no time: write ISO 8601, such as 2026-11-01 or 2026-11-01T06:30:00+01:00"
        ) from None
    if time.tzinfo is not None and "T" in text:
        return text.strip()
    return (time if time.tzinfo is not None else time.replace(tzinfo=timezone.utc)).isoformat()


def is_time(schema: Schema) -> bool:
    """Say whether a schema describes a time as text."""
    return schema.get("format") == "date-time"


def _coerce_object(schema: Schema, value: Mapping[str, JSON], root: Schema) -> JSONObject:
    properties = schema.get("properties", {})
    required = schema.get("required", ())
    coerced: JSONObject = {}
    for name, item in value.items():
        if name not in properties:
            coerced[name] = item
        elif name in required or not _is_null(properties[name], item):
            coerced[name] = _coerce(properties[name], item, root)
    return coerced


def _is_null(schema: Schema, value: JSON) -> bool:
    return value is None or (value == "null" and "string" not in _types(schema))


def _coerce(schema: Schema, value: JSON, root: Schema) -> JSON:
    schema = _resolve(schema, root)
    types = _types(schema)
    if isinstance(value, str) and types and "string" not in types:
        value = _read_text(schema, types, value)
    if "array" in types and not isinstance(value, list) and value is not None and not types & {_type(value)}:
        value = [value]
    if isinstance(value, list) and "array" in types:
        items = schema.get("items", {})
        return [_coerce(items, item, root) for item in value]
    if isinstance(value, dict) and "object" in types:
        return _coerce_object(schema, value, root)
    if isinstance(value, int) and not isinstance(value, bool) and types == {"string"}:
        # An identifier of digits alone.
        return str(value)
    if isinstance(value, str) and "string" in types:
        return _coerce_text(schema, value)
    return value


def _read_text(schema: Schema, types: set[str], text: str) -> JSON:
    """Return the value that a text is the JSON of, if it is of a declared type; else the text."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        # Python and people write booleans in capitals.
        value = {"true": True, "false": False}.get(text.strip().lower(), text)
    wanted = types | (_types(schema.get("items", {})) if "array" in types else set())
    return value if _type(value) in wanted or (_type(value) == "integer" and "number" in wanted) else text


def _coerce_text(schema: Schema, text: str) -> JSON:
    if is_time(schema):
        try:
            return parse_time(text)
        except NotATime:
            return text
    choices = schema.get("enum", ())
    if choices and text not in choices:
        same = [c for c in choices if isinstance(c, str) and c.casefold() == text.strip().casefold()]
        if len(same) == 1:
            return same[0]
    return text


def _resolve(schema: Schema, root: Schema) -> Mapping[str, JSON]:
    """Follow a reference into the definitions of a schema that a tool brings itself."""
    for _ in range(8):
        reference = schema.get("$ref")
        if not isinstance(reference, str) or not reference.startswith("#/"):
            break
        target: JSON = root
        for part in reference[2:].split("/"):
            target = target.get(part, {}) if isinstance(target, Mapping) else {}
        schema = target
    return schema


def _types(schema: Schema) -> set[str]:
    declared = schema.get("type", ())
    return {declared} if isinstance(declared, str) else set(declared)


def _type(value: JSON) -> str:
    return _JSON_TYPES.get(type(value), "null")
