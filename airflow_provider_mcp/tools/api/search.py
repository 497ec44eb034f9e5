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
"""The tool that finds operations of the REST API by words."""

from __future__ import annotations

import json
from typing import Annotated

from pydantic import Field

from airflow_provider_mcp.sdk import Airflow, JSONObject, Result, tool
from airflow_provider_mcp.tools.api.document import METHOD_WORDS, Api, Operation, read_api, split_words

MAX_FOUND = 10
MAX_DETAILED = 3


class Operations(Result):
    operations: list[JSONObject]
    total: int | None = None
    """How many fit in all, if not all are shown."""


def find_operations(api: Api, query: str) -> list[Operation]:
    """Return the operations that fit the words of the query, the best first."""
    wanted_text = query.strip()
    method, _, rest = wanted_text.partition(" ")
    route = api.shorten(rest.strip() if method.upper() in METHOD_WORDS else wanted_text)
    exact_names = [o for o in api.operations if wanted_text == o.name or route == o.route]
    exact = [o for o in exact_names if method.upper() == o.method] or exact_names
    if exact:
        return exact
    words = dict.fromkeys(split_words(query))
    scored = []
    for operation in api.operations:
        score = sum(_weigh(api, operation, word) for word in words)
        if score > 0:
            scored.append((score - 0.2 * operation.route.count("/"), operation))
    scored.sort(key=lambda pair: -pair[0])
    return [operation for _, operation in scored]


def _weigh(api: Api, operation: Operation, word: str) -> float:
    if word in operation.words:
        return operation.words[word] * api.rarity[word]
    if len(word) < 4:
        return 0.0
    alike = [w for w in operation.words if len(w) >= 4 and (w.startswith(word) or word.startswith(w))]
    return max((0.5 * operation.words[w] * api.rarity[w] for w in alike), default=0.0)


def _describe(api: Api, operation: Operation, *, detailed: bool) -> JSONObject:
    row: JSONObject = {
        "method": operation.method,
        "path": api.root + operation.route,
        "summary": operation.summary,
    }
    if detailed:
        params = {name: _describe_parameter(p) for name, p in operation.parameters.items()}
        row |= {"params": params} if params else {}
        row |= {"body": operation.body} if operation.body is not None else {}
    return row


def _describe_parameter(parameter: JSONObject) -> str:
    schema = parameter["schema"]
    kind = _describe_kind(schema)
    if parameter["in"] == "path":
        return f"{kind}, in the path"
    if parameter.get("required"):
        return f"{kind}, required"
    return f"{kind} = {json.dumps(schema['default'])}" if "default" in schema else kind


def _describe_kind(schema: JSONObject) -> str:
    if "enum" in schema:
        return "|".join(str(value) for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_describe_kind(schema.get('items', {}))}"
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_describe_kind(kind) for kind in schema["anyOf"]))
    return str(schema.get("format") or schema.get("type") or "any")


@tool(access="read", title="Search the REST API")
async def search_api(
    airflow: Airflow,
    query: Annotated[str, Field(min_length=1, max_length=300, description="Words, or METHOD and path.")],
) -> Operations:
    """Search this Airflow's REST API for operations (endpoints), for what no other tool does."""
    api = await read_api(airflow)
    found = find_operations(api, query)
    rows = [_describe(api, o, detailed=i < MAX_DETAILED) for i, o in enumerate(found[:MAX_FOUND])]
    result = Operations(operations=rows, total=len(found) if len(found) > len(rows) else None)
    if not rows:
        result.hint = "Nothing fits; try other words, such as the name of the thing in the REST API."
    elif len(rows) > MAX_DETAILED:
        result.hint = "Search for METHOD and path to see the params and body of an operation without them."
    return result
