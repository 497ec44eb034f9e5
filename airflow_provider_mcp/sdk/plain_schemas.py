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
"""Input schemas in the words that every client takes: each property and item has one ``type``.

Gemini and Vertex AI refuse a tool, or the whole request, for an ``anyOf``, a ``$ref`` or a property without
a type. What pydantic writes in those ways is put in one type where it has one; the check of the arguments
stays what the function's types say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from airflow_provider_mcp.sdk.json_types import JSON, JSONObject

Schema = Mapping[str, JSON]

_CURE = "some clients (Gemini, Vertex AI) refuse such a tool; give it one type, such as str or dict"


def flatten_schema(schema: Schema) -> JSONObject:
    """Return a schema without references, and with one type instead of alternatives where there is one."""
    definitions = schema.get("$defs", {})
    plain = {name: value for name, value in schema.items() if name != "$defs"}
    return _flatten(plain, definitions, ())


def plain_schema(schema: Schema, example: JSON = None) -> JSONObject:
    """Return a JSON schema that others wrote in the words that every client takes.

    It has one type for each part, and only what all clients know. What fits it may still not fit ``schema``:
    check by that one. A text stands for what may be of several types, or of any.

    :param example: A value that fits, such as the default, for a schema without a type.
    """
    return _simplify(_flatten(schema, schema.get("$defs", {}), ()), example)


_FORMATS = frozenset(["date-time", "date", "time", "duration", "email", "uri", "uuid", "ipv4", "ipv6"])

_WORDS: Mapping[str, tuple[str, ...]] = {
    "string": ("enum", "format", "minLength", "maxLength", "pattern"),
    "integer": ("enum", "minimum", "maximum"),
    "number": ("enum", "minimum", "maximum"),
    "boolean": (),
    "array": ("minItems", "maxItems"),
    "object": ("required",),
}
"""What is kept of a schema, by its type."""

_KINDS: tuple[tuple[type, str], ...] = (
    (bool, "boolean"),
    (int, "integer"),
    (float, "number"),
    (str, "string"),
    (list, "array"),
    (dict, "object"),
)


def _simplify(schema: Schema, example: JSON) -> JSONObject:
    kinds = _find_kinds(schema, example)
    kind = "string" if "string" in kinds or not kinds else kinds[0]
    plain: JSONObject = {"type": kind}
    if isinstance(schema.get("description"), str):
        plain["description"] = schema["description"]
    if len(kinds) > 1:
        # The limits of one type are none of another's.
        return plain
    for word in _WORDS[kind]:
        value = schema.get(word)
        if word == "enum" and isinstance(value, list):
            value = [choice for choice in value if choice is not None]
        if value is not None and not (word == "format" and value not in _FORMATS):
            plain[word] = value
    if kind == "array":
        first = example[0] if isinstance(example, list) and example else None
        items = schema.get("items")
        plain["items"] = _simplify(items if isinstance(items, Mapping) else {}, first)
    if kind == "object" and schema.get("properties"):
        values = example if isinstance(example, Mapping) else {}
        plain["properties"] = {
            name: _simplify(part if isinstance(part, Mapping) else {}, values.get(name))
            for name, part in schema["properties"].items()
        }
    return plain


def _find_kinds(schema: Schema, example: JSON) -> list[str]:
    """Return the types that a schema allows beside null, as far as it, its choices or an example say."""
    declared = schema.get("type")
    if declared is None:
        parts = [part for key in ("anyOf", "oneOf", "allOf") for part in schema.get(key, ())]
        kinds = [kind for part in parts for kind in _find_kinds(part, None)]
        if not parts:
            values = schema.get("enum") or [example]
            kinds = [kind for value in values for kind in _name_kind(value)]
    else:
        kinds = [declared] if isinstance(declared, str) else list(declared)
    kinds = [kind for kind in dict.fromkeys(kinds) if kind in _WORDS]
    return ["number"] if set(kinds) == {"integer", "number"} else kinds


def _name_kind(value: JSON) -> list[str]:
    """Return the type of a value in JSON Schema's words, in a list; none for null."""
    return next(([name] for kind, name in _KINDS if isinstance(value, kind)), [])


def find_untyped(schema: Schema) -> list[str]:
    """Return a sentence for each argument, or part of one, that has not one type."""
    return [f"{path} {fault}: {_CURE}" for path, fault in _walk(schema, "")]


def _flatten(schema: JSON, definitions: Schema, inside: tuple[str, ...]) -> JSONObject:
    if not isinstance(schema, Mapping):
        # True takes anything, as an empty one does.
        return {}
    reference = schema.get("$ref")
    if isinstance(reference, str):
        name = reference.removeprefix("#/$defs/")
        more = {key: value for key, value in schema.items() if key != "$ref"}
        if name in inside or name not in definitions:
            # It holds itself: any object, which the check of the arguments looks into.
            return {"type": "object", **more}
        return _flatten({**definitions[name], **more}, definitions, (*inside, name))
    flat = dict(schema)
    flat.pop("discriminator", None)
    if "const" in flat:
        flat["enum"] = [flat.pop("const")]
    for key in ("items", "additionalProperties"):
        if isinstance(flat.get(key), Mapping):
            flat[key] = _flatten(flat[key], definitions, inside)
    if not flat.get("additionalProperties", True) and flat.get("additionalProperties") is not False:
        del flat["additionalProperties"]
    if "properties" in flat:
        flat["properties"] = {
            name: _flatten(value, definitions, inside) for name, value in flat["properties"].items()
        }
    if "prefixItems" in flat:
        items = [_flatten(item, definitions, inside) for item in flat.pop("prefixItems")]
        flat["items"] = _merge(items) or {"anyOf": items}
    for key in ("anyOf", "oneOf", "allOf"):
        if key in flat:
            options = [_flatten(option, definitions, inside) for option in flat.pop(key)]
            flat = {**(_merge(options) or {key: options}), **flat}
    return flat


def _merge(options: list[JSONObject]) -> JSONObject | None:
    """Return one schema that all alternatives fit; None if they have several types."""
    options = [option for option in options if option.get("type") != "null"]
    if not options:
        return None
    types = {option.get("type") if isinstance(option.get("type"), str) else None for option in options}
    if len(options) == 1:
        return options[0]
    if types == {"integer", "number"}:
        return {"type": "number"}
    if None in types or len(types) > 1:
        return None
    merged: JSONObject = {"type": types.pop()}
    if all("enum" in option for option in options):
        merged["enum"] = list(dict.fromkeys(value for option in options for value in option["enum"]))
    if merged["type"] == "object":
        properties: dict[str, list[JSONObject]] = {}
        for option in options:
            for name, value in option.get("properties", {}).items():
                properties.setdefault(name, []).append(value)
        merged["properties"] = {
            name: _merge(values) or {"anyOf": values} for name, values in properties.items()
        }
        required = set.intersection(*(set(option.get("required", ())) for option in options))
        merged["required"] = sorted(required)
        merged = {key: value for key, value in merged.items() if value}
    if merged["type"] == "array":
        merged["items"] = _merge([option.get("items", {}) for option in options]) or {}
    return merged


def _walk(schema: Schema, path: str) -> Iterator[tuple[str, str]]:
    if path:
        if any(key in schema for key in ("anyOf", "oneOf", "allOf")):
            yield path, "may be of several types"
            return
        if "$ref" in schema:
            yield path, "is given by a $ref"
            return
        if not isinstance(schema.get("type"), str):
            yield path, "has no type" if "type" not in schema else "has several types"
            return
    for name, value in schema.get("properties", {}).items():
        yield from _walk(value, f"{path}.{name}" if path else name)
    if schema.get("type") == "array":
        yield from _walk(schema.get("items") or {}, f"an item of {path}")
    if isinstance(schema.get("additionalProperties"), Mapping):
        yield from _walk(schema["additionalProperties"], f"a value of {path or 'the arguments'}")
