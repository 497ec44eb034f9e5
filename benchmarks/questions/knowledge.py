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
"""What of a server an agent knows: its list of tools, and what has come back so far."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from devtools.ranking import words

Values = Mapping[str, Any]

WRITING = frozenset(
    [
        "add",
        "clear",
        "create",
        "delete",
        "materialize",
        "pause",
        "patch",
        "post",
        "put",
        "reparse",
        "respond",
        "run",
        "set",
        "stop",
        "test",
        "trigger",
        "unpause",
        "update",
        "upsert",
    ]
)
FREE_TEXT = frozenset(["contains", "grep", "pattern", "query", "regex", "search", "term", "text"])
GENERIC = frozenset({"id", "key", "name"})
IDENTIFIER = re.compile(
    r"(?:^|_)(?:id|ids|key|uri|url|number|index)$|^(?:asset|dataset|pool|option|section|tags?)$"
)
MOST_ROWS = 300


@dataclass(frozen=True)
class Call:
    """A tool with arguments, as JSON: equal calls are the same call."""

    tool: str
    text: str

    @classmethod
    def of(cls, tool: str, arguments: Values) -> Call:
        return cls(tool, json.dumps(arguments, sort_keys=True, ensure_ascii=False))

    @property
    def arguments(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.text)
        return found


@dataclass(frozen=True)
class Answer:
    """What came back, as a client hands it on."""

    text: str
    is_error: bool
    data: Any = None
    milliseconds: float = 0

    def rows(self, call: Call) -> list[dict[str, Any]]:
        """Return what the answer says of single things: each object's values, with those around it."""
        if self.is_error:
            return []
        data = self.data
        if data is None:
            try:
                data = json.loads(self.text)
            except ValueError:
                return []
        known = {k: v for k, v in call.arguments.items() if isinstance(v, str)}
        found = _walk(data, known)
        return [row for row, _ in zip(found, range(MOST_ROWS), strict=False)]


def _walk(data: Any, around: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if isinstance(data, str) and data[:1] in "{[":
        try:
            data = json.loads(data)
        except ValueError:
            return
    if isinstance(data, list):
        for item in data:
            yield from _walk(item, around)
    elif isinstance(data, dict):
        own = {k: v for k, v in data.items() if isinstance(v, str | int) and not isinstance(v, bool)}
        row = around | own
        if own:
            yield row
        identifiers = {k: v for k, v in row.items() if IDENTIFIER.search(k)}
        for value in data.values():
            if isinstance(value, dict | list | str):
                yield from _walk(value, identifiers)


def find_identifiers(row: Values) -> dict[str, Any]:
    """Return what a row is found again by."""
    return {key: value for key, value in row.items() if key in GENERIC or IDENTIFIER.search(key)}


@dataclass(frozen=True)
class Parameter:
    """An argument of a tool, with its JSON Schema."""

    name: str
    schema: Mapping[str, Any]
    required: bool

    @property
    def kinds(self) -> list[Mapping[str, Any]]:
        return list(self.schema.get("anyOf") or [self.schema])

    def fit(self, value: Any) -> Any:
        """Return a value as the schema wants it."""
        types = {kind.get("type") for kind in self.kinds}
        if "array" in types and "string" not in types:
            return [str(value)]
        if "integer" in types and "string" not in types:
            return int(value) if str(value).lstrip("-").isdigit() else None
        return str(value) if "string" in types or not types - {None} else None

    def find(self, values: Values) -> Any:
        """Return the value whose name is the parameter's, or its beginning or end."""
        best = next((v for k, v in values.items() if _matches(self.name, k, exactly=True)), None)
        if best is None:
            best = next((v for k, v in values.items() if _matches(self.name, k)), None)
        return None if best is None else self.fit(best)

    def read_from(self, question: str) -> Any:
        """Return what the words of a question choose: a value of an enumeration, or a switch."""
        asked = set(words(question))
        for kind in self.kinds:
            item = kind.get("items") or kind
            values = [each for each in item.get("enum", ()) if isinstance(each, str)]
            named = [value for value in values if set(words(value)) <= asked]
            if named:
                return named if kind.get("type") == "array" else named[0]
            if kind.get("type") == "boolean" and asked & (set(words(self.name)) - {"is", "only"}):
                return True
        quoted = re.findall(r'"([^"]+)"', question)
        if FREE_TEXT & set(words(self.name)) and (quoted or self.required):
            return self.fit(quoted[0] if quoted else question)
        return None


def _matches(name: str, other: str, *, exactly: bool = False) -> bool:
    if exactly or name in GENERIC or other in GENERIC:
        return name == other
    long, short = sorted((name, other), key=len, reverse=True)
    return long == short or long.endswith(f"_{short}") or long.startswith(f"{short}_") or long == f"{short}s"


@dataclass(frozen=True)
class Tool:
    """A tool as it is listed."""

    name: str
    text: str
    parameters: Sequence[Parameter]
    reads: bool

    def form(self, question: str, known: Values, row: Values) -> list[Call]:
        """Return the calls that can be made: with what is known, and with what the question's words choose.

        :param known: What the question names.
        :param row: What an earlier answer says of one thing.
        """
        values = {**known, **row}
        base: dict[str, Any] = {}
        chosen: dict[str, Any] = {}
        for parameter in self.parameters:
            is_identifier = parameter.required or IDENTIFIER.search(parameter.name) is not None
            value = parameter.find(values if is_identifier else known)
            if value is None and (word := parameter.read_from(question)) is not None:
                chosen[parameter.name] = word
                value = word if parameter.required else None
            if value is not None:
                base[parameter.name] = value
            elif parameter.required and "default" not in parameter.schema:
                return []
        calls = [Call.of(self.name, base)]
        if set(chosen) - set(base):
            calls.append(Call.of(self.name, base | chosen))
        return calls


def read_tool(listed: Any) -> Tool:
    """Return what a ``tools/list`` says of a tool.

    A tool that does not say whether it writes is taken to write if a word of its name says so.
    """
    schema = listed.input_schema or {}
    required = set(schema.get("required") or ())
    parameters = [
        Parameter(name, parameter, name in required)
        for name, parameter in (schema.get("properties") or {}).items()
    ]
    hint = listed.annotations.read_only_hint if listed.annotations is not None else None
    reads = not WRITING & set(words(listed.name)) if hint is None else hint
    text = f"{listed.name} {listed.title or ''} {listed.description or ''}"
    return Tool(listed.name, text, parameters, reads)
