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
"""The operations of Airflow's REST API, as its own OpenAPI document describes them."""

from __future__ import annotations

import functools
import json
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from referencing import Registry
from referencing.jsonschema import DRAFT202012

from airflow_provider_mcp.sdk import JSON, Airflow, JSONObject

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]

METHOD_WORDS: Mapping[str, str] = {
    "GET": "get list read show",
    "POST": "post create add",
    "PUT": "put update change edit set",
    "PATCH": "patch update change edit set modify",
    "DELETE": "delete remove",
}

MAX_DEPTH = 5
MAX_NOTE_CHARS = 100

# Routes of FastAPI that take `/` inside their last identifier; its document does not tell.
_WITH_SLASHES = frozenset({"variable_key", "xcom_key", "pool_name", "key"})

_KEPT = ("type", "format", "enum", "const", "default", "maximum", "maxLength", "required")


@dataclass(frozen=True)
class Operation:
    """One operation of the REST API.

    :param route: Its path below the API's root, with ``{name}`` for each identifier.
    :param words: How much each word that tells what it is about weighs.
    :param pattern: What a route of it looks like, with a group for each identifier.
    """

    method: str
    route: str
    name: str
    summary: str
    parameters: Mapping[str, JSONObject]
    body: JSONObject | None
    words: Mapping[str, float]
    pattern: re.Pattern[str]

    @property
    def identifiers(self) -> list[str]:
        return re.findall(r"\{(\w+)\}", self.route)

    def takes_slashes(self, identifier: str) -> bool:
        """Say whether ``/`` may be inside an identifier."""
        return _takes_slashes(identifier, self.parameters)


@dataclass(frozen=True)
class Api:
    """The operations of an OpenAPI document, and the root their routes are below, such as ``/api/v2/``."""

    root: str
    operations: Sequence[Operation]
    rarity: Mapping[str, float]

    def shorten(self, address: str) -> str:
        """Return an address as a route below the root."""
        return address.removeprefix(self.root).removeprefix(self.root[1:]).lstrip("/")


async def read_api(airflow: Airflow) -> Api:
    """Return the operations of the Airflow that answers, in its own terms."""
    return read_document((await airflow.call_native("GET", "openapi.json")).content)


@functools.lru_cache(maxsize=2)
def read_document(text: bytes) -> Api:
    """Return what an OpenAPI document says. The document is the same for all callers of a process."""
    return _Document(json.loads(text)).read()


class _Document:
    """An OpenAPI document whose references are looked up as they are met."""

    def __init__(self, document: JSONObject) -> None:
        self._document = document
        resource = DRAFT202012.create_resource(document)
        self._resolver = Registry().with_resource("", resource).resolver()
        self._resolved: dict[str, JSON] = {}

    def read(self) -> Api:
        paths = self._document["paths"]
        root = "/api/v2/" if any(address.startswith("/api/v2/") for address in paths) else "/api/v1/"
        operations = []
        for address, item in paths.items():
            for method, described in item.items():
                if method.upper() in METHOD_WORDS:
                    shared = item.get("parameters", [])
                    route = address.removeprefix(root).lstrip("/")
                    operations.append(self._read_operation(method.upper(), route, described, shared))
        # A literal segment is tried before an identifier, as the API's own router does.
        operations.sort(key=lambda o: (re.sub(r"\{\w+\}", "~~", o.route), o.method))
        counts = Counter(word for operation in operations for word in operation.words)
        rarity = {word: math.log(1 + len(operations) / count) for word, count in counts.items()}
        return Api(root, tuple(operations), rarity)

    def _read_operation(
        self, method: str, route: str, described: JSONObject, shared: Sequence[JSON]
    ) -> Operation:
        listed = [self._resolve(p) for p in (*shared, *described.get("parameters", []))]
        parameters = {p["name"]: {**p, "schema": self._shorten(p.get("schema", {}))} for p in listed}
        content = self._resolve(described.get("requestBody", {})).get("content", {})
        body = content.get("application/json", {}).get("schema")
        name = described.get("operationId", "")
        summary = _shorten_note(described.get("summary") or name)
        words: dict[str, float] = {}
        for weight, text in (
            (0.3, " ".join(parameters)),
            (0.5, described.get("description") or ""),
            (1.0, " ".join(described.get("tags", []))),
            (2.0, route),
            (2.0, METHOD_WORDS[method]),
            (3.0, f"{summary} {name}"),
        ):
            words |= dict.fromkeys(split_words(text), weight)
        pieces = [
            ("(.+)" if _takes_slashes(piece, parameters) else "([^/]+)") if i % 2 else re.escape(piece)
            for i, piece in enumerate(re.split(r"\{(\w+)\}", route))
        ]
        return Operation(
            method=method,
            route=route,
            name=name,
            summary=summary,
            parameters={n: p for n, p in parameters.items() if p["in"] in {"path", "query"}},
            body=None if body is None else self._shorten(body),
            words=words,
            pattern=re.compile("".join(pieces)),
        )

    def _resolve(self, value: JSON) -> JSON:
        while isinstance(value, dict) and "$ref" in value:
            address = value["$ref"]
            if address not in self._resolved:
                self._resolved[address] = self._resolver.lookup(address).contents
            value = self._resolved[address]
        return value

    def _shorten(self, schema: JSON, depth: int = MAX_DEPTH) -> JSONObject:
        """Return a schema with its references resolved, without what a caller can do without."""
        schema = self._merge(self._resolve(schema))
        kinds = [self._resolve(kind) for kind in schema.get("anyOf") or schema.get("oneOf") or []]
        kinds = [kind for kind in kinds if kind.get("type") != "null"]
        if len(kinds) == 1:
            return self._shorten({**kinds[0], **_select(schema, ("description", "default"))}, depth)
        short = _select(schema, _KEPT)
        if short.get("default", ...) is None:
            del short["default"]
        if schema.get("description"):
            short["description"] = _shorten_note(schema["description"])
        if kinds:
            short["anyOf"] = [self._shorten(kind, depth - 1) if depth else {} for kind in kinds]
        if depth and "items" in schema:
            short["items"] = self._shorten(schema["items"], depth - 1)
        if depth and "properties" in schema:
            properties = {name: self._resolve(inner) for name, inner in schema["properties"].items()}
            short["properties"] = {
                name: self._shorten(inner, depth - 1)
                for name, inner in properties.items()
                if not inner.get("readOnly")
            }
        return short

    def _merge(self, schema: JSONObject) -> JSONObject:
        """Return a schema with the parts of its ``allOf`` in it."""
        for part in schema.get("allOf", []):
            resolved = self._resolve(part)
            properties = {**resolved.get("properties", {}), **schema.get("properties", {})}
            schema = {**resolved, **schema, **({"properties": properties} if properties else {})}
        return schema


def _takes_slashes(name: str, parameters: Mapping[str, JSONObject]) -> bool:
    return name in _WITH_SLASHES or parameters.get(name, {}).get("schema", {}).get("format") == "path"


def _select(value: JSONObject, keys: Sequence[str]) -> JSONObject:
    return {key: value[key] for key in keys if key in value}


def _shorten_note(text: str) -> str:
    first = " ".join(text.strip().split("\n\n")[0].split())
    return first if len(first) <= MAX_NOTE_CHARS else first[: MAX_NOTE_CHARS - 1] + "…"


def split_words(text: str) -> list[str]:
    """Return the words of a text, of ``camelCase`` and of ``snake_case``, without plurals."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", text)
    found = re.findall(r"[a-z0-9]+", apart.lower()) + re.findall(r"[a-z0-9]+", text.lower())
    return [w[:-1] if len(w) > 3 and w.endswith("s") and not w.endswith("ss") else w for w in found]
