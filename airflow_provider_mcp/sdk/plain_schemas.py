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


def find_untyped(schema: Schema) -> list[str]:
    """Return a sentence for each argument, or part of one, that has not one type."""
    return [f"{path} {fault}: {_CURE}" for path, fault in _walk(schema, "")]


def _flatten(schema: Schema, definitions: Schema, inside: tuple[str, ...]) -> JSONObject:
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
