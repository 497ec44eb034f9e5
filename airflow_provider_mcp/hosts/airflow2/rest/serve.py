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
"""Serve one v2 request by requests to v1, whoever sends them."""

from __future__ import annotations

import json
from collections.abc import Generator
from urllib.parse import parse_qsl

import httpx

from airflow_provider_mcp.hosts.airflow2.rest.requests import V1Request, V2Request
from airflow_provider_mcp.hosts.airflow2.rest.routes import pass_on, translate
from airflow_provider_mcp.sdk.airflow import NATIVE
from airflow_provider_mcp.sdk.json_types import JSON

Exchange = Generator[httpx.Request, httpx.Response, httpx.Response]


def serve_v2(outer: httpx.Request, v2_path: str, v1_url: str) -> Exchange:
    """Yield the v1 requests that serve a v2 request, take the answer of each, and return the v2 answer.

    The first answer of v1 that is not a success is the answer to the v2 request.

    :param v2_path: The path of the v2 API, which the path of ``outer`` begins with.
    :param v1_url: The URL of the v1 API.
    :raises Unsupported: Airflow 2 has nothing that could serve the request.
    """
    path = outer.url.raw_path.decode("ascii").split("?", 1)[0].removeprefix(v2_path)
    query = parse_qsl(outer.url.query.decode("ascii"), keep_blank_values=True)
    body = json.loads(outer.content) if outer.content else None
    call = V2Request(outer.method, path, query, body)
    rewrite = pass_on(call) if outer.extensions.get(NATIVE) else translate(call)
    request = next(rewrite)
    while True:
        answer = yield _build(request, v1_url)
        status = answer.status_code
        if status >= 300:
            content_type = answer.headers.get("content-type", "text/plain")
            return httpx.Response(status, content=answer.content, headers={"Content-Type": content_type})
        try:
            request = rewrite.send(_decode(answer))
        except StopIteration as end:
            if end.value in (None, "") or status == 204:
                return httpx.Response(status)
            return httpx.Response(status, json=end.value)


def _build(request: V1Request, v1_url: str) -> httpx.Request:
    url = httpx.URL(f"{v1_url}{request.path}", params=httpx.QueryParams(tuple(request.query)))
    headers = {"Accept": "application/json"}
    if request.body is None:
        return httpx.Request(request.method, url, headers=headers)
    headers["Content-Type"] = "application/json"
    return httpx.Request(request.method, url, headers=headers, content=json.dumps(request.body).encode())


def _decode(answer: httpx.Response) -> JSON:
    """Return the content of a v1 answer: decoded JSON, or text."""
    is_json = answer.headers.get("content-type", "").split(";")[0].endswith("json")
    return json.loads(answer.content or b"null") if is_json else answer.text
