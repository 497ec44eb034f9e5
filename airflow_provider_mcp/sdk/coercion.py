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

import ast
import json
import re
from collections.abc import Mapping
from datetime import datetime, timezone

import pydantic

from airflow_provider_mcp.sdk.json_types import JSON, JSONObject

ADDED_BY_CLIENTS = frozenset(
    ["toolCallId", "sessionId", "action", "chatInput", "tool", "wait_for_previous", "random_string"]
)
"""Arguments that n8n, Gemini CLI and Cursor add to each call by themselves."""

NOTHING = frozenset(["", "null", "NULL", "None", "undefined"])
"""How a text says that an argument has no value."""

LONGEST_LITERAL = 100_000
"""Up to how many characters a list or an object is read as Python writes it."""

_TIME: pydantic.TypeAdapter[datetime] = pydantic.TypeAdapter(datetime)
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_LOOSE_TIME = re.compile(
    r"(\d{4})([-/.]?)(\d\d)\2(\d\d)(?:[Tt ]+(\d\d):?(\d\d)(?::?(\d\d(?:\.\d+)?))?)?"
    r"\s*(?:(Z|UTC|GMT)|([+-]\d\d):?(\d\d)?)?",
    re.IGNORECASE,
)
_WORD = re.compile(r"[\w.:+/-]+")
_NUMBER = re.compile(r"\s*[+-]?\d+\s*")
_RANGE = re.compile(r"\d\s*[+-]")
_BOOLEANS: Mapping[JSON, bool] = {
    **dict.fromkeys(("true", "yes", "on", "1"), True),
    **dict.fromkeys(("false", "no", "off", "0"), False),
}
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


def coerce_arguments(schema: Schema, arguments: Mapping[str, JSON], *, reads: bool = False) -> JSONObject:
    """Return the arguments of a call as the tool's input schema means them.

    What does not fit stays as it is, for the check that names it.

    :param schema: The tool's input schema, whose ``properties`` are the arguments.
    :param reads: Whether the tool only reads: an empty text is no value there.
    """
    properties = schema.get("properties", {})
    required = schema.get("required", ())
    known = {
        name: value
        for name, value in arguments.items()
        if (name in properties or name not in ADDED_BY_CLIENTS)
        and not (reads and value == "" and name in properties and name not in required)
    }
    return _coerce_object(schema, known, schema)


def parse_time(text: str) -> str:
    """Return a time in ISO 8601 with an offset: without one it is UTC, a date is its midnight.

    :raises NotATime: The text is no time.
    """
    text = text.strip()
    loose = _LOOSE_TIME.fullmatch(text)
    if loose is None:
        raise _refuse_time(text)
    year, _, month, day, hour, minute, second, utc, offset, minutes = loose.groups()
    zone = f"{offset}:{minutes or '00'}" if offset else "Z" if utc else ""
    if zone and hour is None:
        raise _refuse_time(text)
    try:
        time = _TIME.validate_python(
            f"{year}-{month}-{day}T{hour or '00'}:{minute or '00'}:{second or '00'}{zone}"
        )
    except ValueError:
        raise _refuse_time(text) from None
    if _RFC_3339.fullmatch(text):
        return text
    return (time if zone else time.replace(tzinfo=timezone.utc)).isoformat()


def _refuse_time(text: str) -> NotATime:
    return NotATime(f"{text!r} is no time: write ISO 8601, such as 2026-11-01 or 2026-11-01T06:30:00+01:00")


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
            continue
        part = _resolve(properties[name], root)
        is_required = name in required
        if item is None and not (is_required and _takes_null(part)):
            # A null is a value that is missing.
            continue
        if isinstance(item, str) and name.endswith("_id"):
            item = item.strip()
        if not is_required and isinstance(item, str) and _says_nothing(name, part, item):
            continue
        coerced[name] = _coerce(part, item, root)
    return coerced


def _takes_null(schema: Schema) -> bool:
    types = _types(schema)
    return not types or "null" in types


def _says_nothing(name: str, schema: Schema, text: str) -> bool:
    """Say whether a text stands for no value: for a name or a free text, ``null`` may be the value."""
    if text.strip() not in NOTHING:
        return False
    if "enum" in schema:
        return _find_choice(schema["enum"], text) is None
    types = _types(schema)
    return bool(types) and ("string" not in types or is_time(schema) or name.endswith("_id"))


def _coerce(schema: Schema, value: JSON, root: Schema) -> JSON:
    schema = _resolve(schema, root)
    types = _types(schema)
    if isinstance(value, list) and len(value) == 1 and _is_one_for_itself(schema, types, value[0]):
        value = value[0]
    if isinstance(value, str) and types and "string" not in types:
        value = _read_text(schema, types, value)
    if "array" in types and not isinstance(value, list) and value is not None and not types & {_type(value)}:
        value = _split(_resolve(schema.get("items", {}), root), value)
    if isinstance(value, list) and "array" in types:
        items = schema.get("items", {})
        return [_coerce(items, item, root) for item in value]
    if isinstance(value, dict) and "object" in types:
        return _coerce_object(schema, value, root)
    return _coerce_scalar(schema, types, value)


def _coerce_scalar(schema: Schema, types: set[str], value: JSON) -> JSON:
    if isinstance(value, str) and "string" in types:
        return _coerce_text(schema, value)
    if types == {"boolean"} and not isinstance(value, (bool, list, dict, float)):
        return _BOOLEANS.get(str(value).strip().lower(), value)
    if isinstance(value, str) and types and types <= {"integer", "number"}:
        # Pydantic takes "0-3" for -3.
        return f"({value})" if _RANGE.search(value) else value
    if isinstance(value, float) and value.is_integer() and types == {"integer"}:
        return int(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool) and types == {"string"}:
        # An identifier of digits alone, or a number as a text.
        return str(value)
    return value


def _is_one_for_itself(schema: Schema, types: set[str], item: JSON) -> bool:
    """Say whether a list of one stands for what is in it. Of a free text, it may be meant as it is."""
    if not types or "array" in types:
        return False
    if "string" in types:
        return isinstance(item, str) and ("enum" in schema or is_time(schema))
    return isinstance(item, str) or _type(item) in types or (_type(item) == "integer" and "number" in types)


def _split(items: Schema, value: JSON) -> list[JSON]:
    """Return the list that one value stands for: itself, or the words between its commas."""
    if not isinstance(value, str) or "," not in value:
        return [value]
    if ", " in value and not ("enum" in items or _types(items) & {"integer", "number"}):
        # A sentence, perhaps.
        return [value]
    parts = [part.strip() for part in value.split(",")]
    return list(parts) if all(_may_be(items, part) for part in parts) else [value]


def _may_be(items: Schema, part: str) -> bool:
    """Say whether a part of a text may be one of the items of a list."""
    if "enum" in items:
        return _find_choice(items["enum"], part) is not None
    pattern = _NUMBER if _types(items) & {"integer", "number"} else _WORD
    return pattern.fullmatch(part) is not None


def _read_text(schema: Schema, types: set[str], text: str) -> JSON:
    """Return the value that a text is the JSON of, if it is of a declared type; else the text."""
    value: JSON = text
    for _ in range(2):
        # Some write JSON as JSON text once more.
        if not isinstance(value, str):
            break
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            value = _read_literal(value)
            break
    if isinstance(value, list) and len(value) == 1 and _is_one_for_itself(schema, types, value[0]):
        return value[0]
    wanted = types | (_types(schema.get("items", {})) if "array" in types else set())
    kind = _type(value)
    if kind == "number" and value.is_integer() and "number" not in wanted and "integer" in wanted:
        return int(value)
    return value if kind in wanted or (kind == "integer" and "number" in wanted) else text


def _read_literal(text: str) -> JSON:
    """Return the boolean, or the list or object as Python writes it, that a text is; else the text."""
    plain = text.strip()
    if plain.lower() in {"true", "false"}:
        return plain.lower() == "true"
    if plain[:1] not in {"[", "{"} or len(plain) > LONGEST_LITERAL:
        return text
    try:
        value: JSON = ast.literal_eval(plain)
        # A set, bytes and the like are no JSON.
        return json.loads(json.dumps(value)) if isinstance(value, (list, dict)) else text
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return text


def _coerce_text(schema: Schema, text: str) -> JSON:
    if is_time(schema):
        try:
            return parse_time(text)
        except NotATime:
            return text
    choices = schema.get("enum", ())
    if choices and text not in choices:
        choice = _find_choice(choices, text)
        return text if choice is None else choice
    return text


def _find_choice(choices: JSON, text: str) -> str | None:
    """Return the choice that differs from a text in its letters' case, spaces and hyphens alone."""
    for plain in (str.casefold, _squeeze):
        wanted = plain(text.strip())
        same = [choice for choice in choices if isinstance(choice, str) and plain(choice) == wanted]
        if len(same) == 1:
            return same[0]
    return None


def _squeeze(text: str) -> str:
    """Return a text without what parts its words; a sign before it stays."""
    return text[:1].casefold() + re.sub(r"[\s_-]", "", text[1:]).casefold()


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
