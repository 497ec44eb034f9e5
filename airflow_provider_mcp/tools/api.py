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
"""Every operation of this Airflow's own REST API: found by words, called by its path."""

from __future__ import annotations

import difflib
import functools
import json
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from urllib.parse import unquote

import anyio.to_thread
from pydantic import Field

from airflow_provider_mcp.sdk import (
    Airflow,
    InvalidArgument,
    NotFound,
    Result,
    ToolError,
    Toolset,
    Unsupported,
    hookimpl,
    path,
    tool,
)
from airflow_provider_mcp.tools.shared.configuration import mask_sections
from airflow_provider_mcp.tools.shared.icons import API_ICON

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
Path = Annotated[
    str, Field(description="As search_api shows it, with identifiers filled in or given in params.")
]
Params = Annotated[dict[str, Any] | None, Field(description="Query parameters.")]

MAX_FOUND = 10
MAX_DETAILED = 3
MAX_DEPTH = 5
MAX_NOTE_CHARS = 100
MAX_SUGGESTIONS = 3
_OWN_WORDS: Mapping[str, str] = {
    "GET": "get list read show",
    "POST": "post create add",
    "PUT": "put update change edit set",
    "PATCH": "patch update change edit set modify",
    "DELETE": "delete remove",
}
# Routes of FastAPI that take `/` inside their last identifier; its document does not tell.
_WITH_SLASHES = frozenset({"variable_key", "xcom_key", "pool_name", "key"})


class Operations(Result):
    operations: list[dict[str, Any]]


class ApiAnswer(Result):
    status: int
    answer: Any = None


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
    parameters: Mapping[str, Mapping[str, Any]]
    body: Mapping[str, Any] | None
    words: Mapping[str, float]
    pattern: re.Pattern[str]

    @property
    def identifiers(self) -> list[str]:
        return re.findall(r"\{(\w+)\}", self.route)


@dataclass(frozen=True)
class Api:
    """The operations of an OpenAPI document, and the root their routes are below, such as ``/api/v2/``."""

    root: str
    operations: Sequence[Operation]
    rarity: Mapping[str, float]


# ---- the document ------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=2)
def read_document(text: bytes) -> Api:
    """Return what an OpenAPI document says. The document is the same for all callers of a process."""
    document = json.loads(text)
    root = "/api/v2/" if any(p.startswith("/api/v2/") for p in document["paths"]) else "/api/v1/"
    operations = []
    for address, item in document["paths"].items():
        for method, said in item.items():
            if method.upper() in _OWN_WORDS:
                shared = item.get("parameters", [])
                route = address.removeprefix(root).lstrip("/")
                operations.append(_operation(document, method.upper(), route, said, shared))
    # A literal segment is tried before an identifier, as the API's own router does.
    operations.sort(key=lambda o: (re.sub(r"\{\w+\}", "~~", o.route), o.method))
    counts = Counter(word for operation in operations for word in operation.words)
    rarity = {word: math.log(1 + len(operations) / count) for word, count in counts.items()}
    return Api(root, tuple(operations), rarity)


def _operation(
    document: Mapping[str, Any], method: str, route: str, said: Mapping[str, Any], shared: Sequence[Any]
) -> Operation:
    listed = [_deref(document, p) for p in (*shared, *said.get("parameters", []))]
    parameters = {p["name"]: {**p, "schema": _short(document, p.get("schema", {}))} for p in listed}
    content = _deref(document, said.get("requestBody", {})).get("content", {})
    body = content.get("application/json", {}).get("schema")
    summary = _note(said.get("summary") or said.get("operationId") or "")
    name = said.get("operationId", "")
    words: dict[str, float] = {}
    for weight, text in (
        (0.3, " ".join(parameters)),
        (0.5, said.get("description") or ""),
        (1.0, " ".join(said.get("tags", []))),
        (2.0, route),
        (2.0, _OWN_WORDS[method]),
        (3.0, f"{summary} {name}"),
    ):
        words |= dict.fromkeys(_words(text), weight)
    pieces = [
        ("(.+)" if _takes_slashes(p, parameters) else "([^/]+)") if i % 2 else re.escape(p)
        for i, p in enumerate(re.split(r"\{(\w+)\}", route))
    ]
    return Operation(
        method=method,
        route=route,
        name=name,
        summary=summary,
        parameters={n: p for n, p in parameters.items() if p["in"] in {"path", "query"}},
        body=None if body is None else _short(document, body),
        words=words,
        pattern=re.compile("".join(pieces)),
    )


def _takes_slashes(name: str, parameters: Mapping[str, Mapping[str, Any]]) -> bool:
    return name in _WITH_SLASHES or parameters.get(name, {}).get("schema", {}).get("format") == "path"


def _deref(document: Mapping[str, Any], value: Any) -> Any:
    while isinstance(value, dict) and "$ref" in value:
        found: Any = document
        for part in value["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        value = found
    return value


def _short(document: Mapping[str, Any], schema: Any, depth: int = MAX_DEPTH) -> dict[str, Any]:
    """Return a schema with its references resolved, without what a caller can do without."""
    schema = _deref(document, schema)
    for part in schema.get("allOf", []):
        part = _deref(document, part)
        properties = {**part.get("properties", {}), **schema.get("properties", {})}
        schema = {**part, **schema, **({"properties": properties} if properties else {})}
    kinds = [_deref(document, kind) for kind in schema.get("anyOf") or schema.get("oneOf") or []]
    kinds = [kind for kind in kinds if kind.get("type") != "null"]
    if len(kinds) == 1:
        return _short(document, {**kinds[0], **_pick(schema, ("description", "default"))}, depth)
    short = _pick(schema, ("type", "format", "enum", "const", "default", "maximum", "maxLength", "required"))
    if short.get("default", ...) is None:
        del short["default"]
    if schema.get("description"):
        short["description"] = _note(schema["description"])
    if kinds:
        short["anyOf"] = [_short(document, kind, depth - 1) if depth else {} for kind in kinds]
    if depth and "items" in schema:
        short["items"] = _short(document, schema["items"], depth - 1)
    if depth and "properties" in schema:
        named = {name: _deref(document, inner) for name, inner in schema["properties"].items()}
        short["properties"] = {
            name: _short(document, inner, depth - 1)
            for name, inner in named.items()
            if not inner.get("readOnly")
        }
    return short


def _pick(value: Mapping[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    return {key: value[key] for key in keys if key in value}


def _note(text: str) -> str:
    first = " ".join(text.strip().split("\n\n")[0].split())
    return first if len(first) <= MAX_NOTE_CHARS else first[: MAX_NOTE_CHARS - 1] + "…"


def _words(text: str) -> list[str]:
    """Return the words of a text, of ``camelCase`` and of ``snake_case``, without plurals."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", text)
    found = re.findall(r"[a-z0-9]+", apart.lower()) + re.findall(r"[a-z0-9]+", text.lower())
    return [w[:-1] if len(w) > 3 and w.endswith("s") and not w.endswith("ss") else w for w in found]


# ---- search ------------------------------------------------------------------------------------------


def find_operations(api: Api, query: str) -> list[Operation]:
    """Return the operations that fit the words of the query, the best first."""
    asked = query.strip()
    method, _, rest = asked.partition(" ")
    route = _route(api, rest.strip() if method.upper() in _OWN_WORDS else asked)
    named = [o for o in api.operations if asked == o.name or route == o.route]
    exact = [o for o in named if method.upper() == o.method] or named
    if exact:
        return exact
    words = dict.fromkeys(_words(query))
    scored = []
    for operation in api.operations:
        score = sum(_weight(api, operation, word) for word in words)
        if score > 0:
            scored.append((score - 0.2 * operation.route.count("/"), operation))
    scored.sort(key=lambda pair: -pair[0])
    return [operation for _, operation in scored]


def _weight(api: Api, operation: Operation, word: str) -> float:
    if word in operation.words:
        return operation.words[word] * api.rarity[word]
    if len(word) < 4:
        return 0.0
    alike = [w for w in operation.words if len(w) >= 4 and (w.startswith(word) or word.startswith(w))]
    return max((0.5 * operation.words[w] * api.rarity[w] for w in alike), default=0.0)


def _describe(api: Api, operation: Operation, *, detailed: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "method": operation.method,
        "path": api.root + operation.route,
        "summary": operation.summary,
    }
    if detailed:
        params = {name: _parameter(p) for name, p in operation.parameters.items()}
        shown |= {"params": params} if params else {}
        shown |= {"body": operation.body} if operation.body is not None else {}
    return shown


def _parameter(parameter: Mapping[str, Any]) -> str:
    schema = parameter["schema"]
    kind = _kind(schema)
    if parameter["in"] == "path":
        return f"{kind}, in the path"
    if parameter.get("required"):
        return f"{kind}, required"
    return f"{kind} = {json.dumps(schema['default'])}" if "default" in schema else kind


def _kind(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return "|".join(str(value) for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_kind(kind) for kind in schema["anyOf"]))
    return str(schema.get("format") or schema.get("type") or "any")


# ---- calls -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Call:
    operation: Operation
    route: str
    """The path to send, below the API's root."""
    query: Mapping[str, Any]
    body: Any = None

    async def send(self, airflow: Airflow) -> ApiAnswer:
        options: dict[str, Any] = {} if self.body is None else {"json": self.body}
        answer = await airflow.call_native(self.operation.method, self.route, params=self.query, **options)
        held: Any = None
        if answer.content:
            kind = answer.headers.get("content-type", "").split(";")[0]
            held = answer.json() if kind.endswith("json") and not kind.endswith("ndjson") else answer.text
        # In a thread: a log of some megabytes takes its time.
        masked = await anyio.to_thread.run_sync(mask, airflow, self.operation, held)
        return ApiAnswer(status=answer.status_code, answer=masked)


def _route(api: Api, address: str) -> str:
    return address.removeprefix(api.root).removeprefix(api.root[1:]).lstrip("/")


def choose_call(
    api: Api, method: str, address: str, params: Mapping[str, Any] | None, body: Any = None
) -> _Call:
    """Return the one call of the API that is meant.

    :raises ToolError: ``not_found`` if the document has no such operation, ``invalid_argument`` if the
        operation takes something else, ``unsupported`` for logging in and out.
    """
    if "://" in address or address.startswith("//") or re.search(r"[?#\\\s]", address):
        raise InvalidArgument(
            f"{address!r} is no path of the REST API.",
            hint="Give the path alone, percent-encoded; query parameters go into params.",
        )
    route = _route(api, address)
    given = {name: value for name, value in (params or {}).items() if value is not None}
    fitting = [o for o in api.operations if o.route == route] or [
        o for o in api.operations if "{" not in route and o.pattern.fullmatch(route)
    ]
    operation = next((o for o in fitting if o.method == method), None)
    if operation is None:
        raise _unknown(api, method, address, fitting)
    if operation.route.startswith("auth/"):
        raise Unsupported(
            "Logging in and out is for browsers.",
            hint="You are logged in by the credential of your MCP client.",
        )
    _check(operation, given, body)
    if route == operation.route:
        missing = [name for name in operation.identifiers if name not in given]
        if missing:
            raise InvalidArgument(
                f"{method} {address} needs {', '.join(missing)}.",
                hint="Fill the path in, or give them in params.",
            )
        identifiers = [str(given.pop(name)) for name in operation.identifiers]
    else:
        found = operation.pattern.fullmatch(route)
        identifiers = [unquote(value) for value in found.groups()] if found else []
    sent = re.sub(r"\{\w+\}", "{}", operation.route).format(
        *(
            # In-process calls decode `%2F`: only an identifier that may hold `/` gets one.
            "%2F".join(path("{}", part) if part else "" for part in value.split("/"))
            if _takes_slashes(name, operation.parameters)
            else path("{}", value)
            for name, value in zip(operation.identifiers, identifiers, strict=True)
        )
    )
    # What the API's router would take it for must be what was meant: an identifier may be `events`.
    decoded = unquote(sent)
    routed = next((o for o in api.operations if o.method == method and o.pattern.fullmatch(decoded)), None)
    if routed is not operation:
        raise InvalidArgument(
            f"{address!r} with these identifiers is another operation.",
            hint="Give identifiers exactly as Airflow lists them.",
        )
    return _Call(operation, sent, {n: _value(operation, n, v) for n, v in given.items()}, body)


def _unknown(api: Api, method: str, address: str, fitting: Sequence[Operation]) -> ToolError:
    if fitting:
        methods = sorted({o.method for o in fitting})
        return NotFound(
            f"There is no {method} {address}; there is {', '.join(methods)}.",
            hint="Use search_api to find the operation.",
            did_you_mean=[f"{m} {api.root}{fitting[0].route}" for m in methods],
        )
    routes = {api.root + o.route: o for o in api.operations if o.method == method}
    close = difflib.get_close_matches(api.root + _route(api, address), routes, MAX_SUGGESTIONS, 0.5)
    meant = f"; did you mean {' or '.join(f'`{route}`' for route in close)}?" if close else "."
    return NotFound(
        f"The REST API has no {method} {address}{meant}",
        hint="Use search_api to find the operation.",
        did_you_mean=close,
    )


def _check(operation: Operation, given: Mapping[str, Any], body: Any) -> None:
    wrong = [name for name in given if name not in operation.parameters]
    if wrong:
        takes = ", ".join(operation.parameters) or "none"
        raise InvalidArgument(
            f"{operation.method} {operation.route} has no parameter {', '.join(wrong)}.",
            hint=f"Its parameters are: {takes}.",
        )
    if body is not None and operation.body is None:
        raise InvalidArgument(
            f"{operation.method} {operation.route} takes no body.",
            hint="Leave the body out.",
        )


def _value(operation: Operation, name: str, value: Any) -> Any:
    if isinstance(value, dict):
        raise InvalidArgument(f"The parameter {name} cannot be an object.")
    if isinstance(value, list):
        texts = [str(item).lower() if isinstance(item, bool) else str(item) for item in value]
        return texts if operation.parameters[name].get("explode", True) else ",".join(texts)
    return value


def mask(airflow: Airflow, operation: Operation, answer: Any) -> Any:
    """Return the answer of an operation with its secrets masked."""
    if operation.route.split("/")[0] == "config" and isinstance(answer, dict) and "sections" in answer:
        return {**answer, "sections": mask_sections(airflow, answer["sections"])}
    return airflow.redact(answer)


# ---- tools -------------------------------------------------------------------------------------------


async def _api(airflow: Airflow) -> Api:
    return read_document((await airflow.call_native("GET", "openapi.json")).content)


@tool(access="read", title="Search the REST API")
async def search_api(
    airflow: Airflow,
    query: Annotated[str, Field(min_length=1, max_length=300, description="Words, or METHOD and path.")],
) -> Operations:
    """Find operations of this Airflow's REST API, for what no other tool does."""
    api = await _api(airflow)
    found = find_operations(api, query)
    shown = [_describe(api, o, detailed=i < MAX_DETAILED) for i, o in enumerate(found[:MAX_FOUND])]
    result = Operations(operations=shown)
    if not shown:
        result.hint = "Nothing fits; try other words, such as the name of the thing in the REST API."
    elif len(shown) > MAX_DETAILED:
        result.hint = "Search for METHOD and path to see the params and body of an operation without them."
    return result


@tool(access="read", title="Read by the REST API")
async def call_api_read(airflow: Airflow, path: Path, params: Params = None) -> ApiAnswer:
    """Call a GET operation found by search_api."""
    return await choose_call(await _api(airflow), "GET", path, params).send(airflow)


async def _preview_call(
    airflow: Airflow, method: str, path: str, params: dict[str, Any] | None = None, body: Any = None
) -> dict[str, Any]:
    api = await _api(airflow)
    call = choose_call(api, method, path, params, body)
    shown: dict[str, Any] = {
        "request": f"{method} {api.root}{call.route}",
        "operation": call.operation.summary,
    }
    if call.query:
        shown["params"] = airflow.redact(dict(call.query))
    if body is not None:
        shown["body"] = airflow.redact(body)
    reading = next((o for o in api.operations if o.route == call.operation.route and o.method == "GET"), None)
    if reading is None or method == "GET":
        return shown
    query = {"limit": 1} if "limit" in reading.parameters else {}
    try:
        now = (await _Call(reading, call.route, query).send(airflow)).answer
    except ToolError as refused:
        # A PUT or POST may create it; what the caller may change but not read is not shown.
        if refused.code == "not_found" and method in {"DELETE", "PATCH"}:
            raise
        return shown
    if isinstance(now, dict) and "total_entries" in now:
        shown["existing"] = now["total_entries"]
    else:
        shown["now"] = now
    return shown


@tool(access="destructive", title="Call the REST API", preview=_preview_call)
async def call_api(
    airflow: Airflow,
    method: Annotated[Method, Field(description="HTTP method.")],
    path: Path,
    params: Params = None,
    body: Annotated[dict[str, Any] | list[Any] | None, Field(description="JSON body.")] = None,
) -> ApiAnswer:
    """Call any operation found by search_api."""
    return await choose_call(await _api(airflow), method, path, params, body).send(airflow)


@hookimpl
def register_toolsets() -> list[Toolset]:
    return [
        Toolset(
            "api",
            "Any operation of Airflow's REST API.",
            [search_api, call_api_read, call_api],
            icon=API_ICON,
        ),
    ]
