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
"""Which call of the REST API a method, a path and params mean."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from airflow_provider_mcp.sdk import (
    JSON,
    InvalidArgument,
    JSONObject,
    NotFound,
    Unsupported,
    find_close_names,
    near_miss,
    path,
)
from airflow_provider_mcp.tools.api.document import Api, Operation


@dataclass(frozen=True)
class Call:
    """One call of an operation.

    :param route: The path to send, below the API's root.
    """

    operation: Operation
    route: str
    query: Mapping[str, JSON]
    body: JSON = None


def choose_call(
    api: Api, method: str, address: str, params: Mapping[str, JSON] | None, body: JSON = None
) -> Call:
    """Return the one call of the API that is meant.

    :raises ToolError: ``not_found`` if the document has no such operation, ``invalid_argument`` if the
        operation takes something else, ``unsupported`` for logging in and out.
    """
    if "://" in address or address.startswith("//") or re.search(r"[?#\\\s]", address):
        raise InvalidArgument(
            f"{address!r} is no path of the REST API.",
            hint="Give the path alone, percent-encoded; query parameters go into params.",
        )
    query = {name: value for name, value in (params or {}).items() if value is not None}
    operation = _find_operation(api, method, address)
    _check(operation, query, body)
    identifiers = _take_identifiers(operation, api.shorten(address), address, query)
    route = _fill_in(operation, identifiers)
    # What the API's router would take it for must be what was meant: an identifier may be `events`.
    decoded = unquote(route)
    routed = next((o for o in api.operations if o.method == method and o.pattern.fullmatch(decoded)), None)
    if routed is not operation:
        raise InvalidArgument(
            f"{address!r} with these identifiers is another operation.",
            hint="Give identifiers exactly as Airflow lists them.",
        )
    return Call(operation, route, {n: _encode(operation, n, v) for n, v in query.items()}, body)


def _find_operation(api: Api, method: str, address: str) -> Operation:
    route = api.shorten(address)
    fitting = [o for o in api.operations if o.route == route] or [
        o for o in api.operations if "{" not in route and o.pattern.fullmatch(route)
    ]
    operation = next((o for o in fitting if o.method == method), None)
    if operation is None:
        raise _miss_operation(api, method, address, fitting)
    if operation.route.startswith("auth/"):
        raise Unsupported(
            "Logging in and out is for browsers.",
            hint="You are logged in by the credential of your MCP client.",
        )
    return operation


def _miss_operation(api: Api, method: str, address: str, fitting: Sequence[Operation]) -> NotFound:
    if fitting:
        methods = sorted({o.method for o in fitting})
        return NotFound(
            f"There is no {method} {address}; there is {', '.join(methods)}.",
            hint="Use search_api to find the operation.",
            did_you_mean=[f"{m} {api.root}{fitting[0].route}" for m in methods],
        )
    routes = [api.root + o.route for o in api.operations if o.method == method]
    close = find_close_names(api.root + api.shorten(address), routes, cutoff=0.5)
    error = near_miss(f"The REST API has no {method} {address}", close)
    error.hint = "Use search_api to find the operation."
    return error


def _take_identifiers(operation: Operation, route: str, address: str, query: JSONObject) -> list[str]:
    """Return the identifiers of the path: from the path itself, or taken out of the params."""
    if route != operation.route:
        found = operation.pattern.fullmatch(route)
        return [unquote(value) for value in found.groups()] if found else []
    missing = [name for name in operation.identifiers if name not in query]
    if missing:
        raise InvalidArgument(
            f"{operation.method} {address} needs {', '.join(missing)}.",
            hint="Fill the path in, or give them in params.",
        )
    return [str(query.pop(name)) for name in operation.identifiers]


def _fill_in(operation: Operation, identifiers: Sequence[str]) -> str:
    return re.sub(r"\{\w+\}", "{}", operation.route).format(
        *(
            # In-process calls decode `%2F`: only an identifier that may hold `/` gets one.
            "%2F".join(path("{}", part) if part else "" for part in value.split("/"))
            if operation.takes_slashes(name)
            else path("{}", value)
            for name, value in zip(operation.identifiers, identifiers, strict=True)
        )
    )


def _check(operation: Operation, query: Mapping[str, JSON], body: JSON) -> None:
    wrong = [name for name in query if name not in operation.parameters]
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


def _encode(operation: Operation, name: str, value: JSON) -> JSON:
    if isinstance(value, dict):
        raise InvalidArgument(f"The parameter {name} cannot be an object.")
    if isinstance(value, list):
        texts = [str(item).lower() if isinstance(item, bool) else str(item) for item in value]
        return texts if operation.parameters[name].get("explode", True) else ",".join(texts)
    return value
