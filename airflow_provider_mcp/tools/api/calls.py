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
"""The tools that call operations of the REST API."""

from __future__ import annotations

from typing import Annotated

import anyio.to_thread
from pydantic import Field, WithJsonSchema

from airflow_provider_mcp.sdk import JSON, Airflow, JSONObject, NotFound, Result, ToolError, tool
from airflow_provider_mcp.tools.api.document import Api, Method, Operation, read_api
from airflow_provider_mcp.tools.api.routing import Call, choose_call
from airflow_provider_mcp.tools.shared.configuration import mask_sections
from airflow_provider_mcp.tools.shared.previews import summarize, summarize_redacted

Path = Annotated[
    str, Field(description="As search_api shows it, with identifiers filled in or given in params.")
]
Params = Annotated[JSONObject | None, Field(description="Query parameters.")]
Body = Annotated[
    JSONObject | list[JSON] | None, WithJsonSchema({"type": "object"}), Field(description="JSON body.")
]


class ApiAnswer(Result):
    status: int
    answer: JSON = None


async def _send(airflow: Airflow, call: Call) -> ApiAnswer:
    options: JSONObject = {} if call.body is None else {"json": call.body}
    response = await airflow.call_native(call.operation.method, call.route, params=call.query, **options)
    answer: JSON = None
    if response.content:
        kind = response.headers.get("content-type", "").split(";")[0]
        is_json = kind.endswith("json") and not kind.endswith("ndjson")
        answer = response.json() if is_json else response.text
    # In a thread: a log of some megabytes takes its time.
    masked = await anyio.to_thread.run_sync(_mask, airflow, call.operation, answer)
    return ApiAnswer(status=response.status_code, answer=masked)


def _mask(airflow: Airflow, operation: Operation, answer: JSON) -> JSON:
    """Return the answer of an operation with its secrets masked."""
    if operation.route.split("/")[0] == "config" and isinstance(answer, dict) and "sections" in answer:
        return {**answer, "sections": mask_sections(airflow, answer["sections"])}
    return airflow.redact(answer)


@tool(access="read", title="Read by the REST API", open_world=True)
async def call_api_read(airflow: Airflow, path: Path, params: Params = None) -> ApiAnswer:
    """Call a GET operation of the REST API that search_api found."""
    return await _send(airflow, choose_call(await read_api(airflow), "GET", path, params))


async def _preview_call(
    airflow: Airflow, method: str, path: str, params: JSONObject | None = None, body: JSON = None
) -> JSONObject:
    api = await read_api(airflow)
    call = choose_call(api, method, path, params, body)
    preview: JSONObject = {
        "request": f"{method} {api.root}{call.route}",
        "operation": call.operation.summary,
    }
    if call.query:
        preview["params"] = summarize(airflow.redact(dict(call.query)))
    if body is not None:
        preview["body"] = await summarize_redacted(airflow, body)
    return preview if method == "GET" else {**preview, **await _read_present(airflow, api, call)}


async def _read_present(airflow: Airflow, api: Api, call: Call) -> JSONObject:
    """Return what is there before the call, as far as the API has an operation that reads it."""
    reading = next((o for o in api.operations if o.route == call.operation.route and o.method == "GET"), None)
    if reading is None:
        return {}
    query = {"limit": 1} if "limit" in reading.parameters else {}
    try:
        now = (await _send(airflow, Call(reading, call.route, query))).answer
    except NotFound:
        # A PUT or POST may create it.
        if call.operation.method in {"DELETE", "PATCH"}:
            raise
        return {}
    except ToolError:
        # What the caller may change but not read is not shown.
        return {}
    if isinstance(now, dict) and "total_entries" in now:
        return {"existing": now["total_entries"]}
    return {"now": summarize(now)}


@tool(access="destructive", title="Call the REST API", preview=_preview_call, open_world=True)
async def call_api(
    airflow: Airflow,
    method: Annotated[Method, Field(description="HTTP method.")],
    path: Path,
    params: Params = None,
    body: Body = None,
) -> ApiAnswer:
    """Call any operation of the REST API, writing ones too, that search_api found."""
    return await _send(airflow, choose_call(await read_api(airflow), method, path, params, body))
