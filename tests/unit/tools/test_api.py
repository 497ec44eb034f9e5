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
"""Operations of an OpenAPI document: found, chosen by path, and their answers masked."""

from __future__ import annotations

import json
from typing import Any

import anyio
import httpx
import pytest

from airflow_provider_mcp.sdk.airflow import NATIVE, Airflow, Caller, Site
from airflow_provider_mcp.sdk.errors import ToolError
from airflow_provider_mcp.tools.api.calls import ApiAnswer, _preview_call, call_api, call_api_read
from airflow_provider_mcp.tools.api.document import read_document
from airflow_provider_mcp.tools.api.routing import choose_call
from airflow_provider_mcp.tools.api.search import find_operations, search_api

DOCUMENT: dict[str, Any] = {
    "paths": {
        "/api/v2/pools": {
            "get": {
                "summary": "Get Pools",
                "operationId": "get_pools",
                "parameters": [
                    {"name": "limit", "in": "query", "schema": {"type": "integer", "default": 50}},
                    {
                        "name": "order_by",
                        "in": "query",
                        "schema": {"type": "array", "items": {"type": "string"}},
                    },
                ],
            },
            "post": {
                "summary": "Post Pool",
                "operationId": "post_pool",
                "requestBody": {
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pool"}}}
                },
            },
        },
        "/api/v2/pools/{pool_name}": {
            "parameters": [{"$ref": "#/components/parameters/PoolName"}],
            "get": {"summary": "Get Pool", "operationId": "get_pool"},
            "delete": {"summary": "Delete Pool", "operationId": "delete_pool"},
        },
        "/api/v2/assets/events": {"get": {"summary": "Get Asset Events", "operationId": "get_asset_events"}},
        "/api/v2/assets/{asset_id}": {
            "get": {
                "summary": "Get Asset",
                "operationId": "get_asset",
                "parameters": [{"name": "asset_id", "in": "path", "schema": {"type": "integer"}}],
            }
        },
        "/api/v2/auth/logout": {"get": {"summary": "Logout", "operationId": "logout"}},
    },
    "components": {
        "parameters": {"PoolName": {"name": "pool_name", "in": "path", "schema": {"type": "string"}}},
        "schemas": {
            "Pool": {
                "type": "object",
                "title": "Pool",
                "required": ["name"],
                "properties": {
                    "name": {"type": "string", "title": "Name"},
                    "slots": {"anyOf": [{"type": "integer"}, {"type": "null"}], "title": "Slots"},
                    "used": {"type": "integer", "readOnly": True},
                    "parent": {"$ref": "#/components/schemas/Pool"},
                },
            }
        },
    },
}
API = read_document(json.dumps(DOCUMENT).encode())


def redact(value: Any, name: str | None) -> Any:
    return "***" if "password" in (name or "") else value


def client(answers: dict[str, Any], sent: list[httpx.Request], access: Any = "write") -> Airflow:
    def handle(request: httpx.Request) -> httpx.Response:
        assert request.extensions[NATIVE] is True
        if request.url.path == "/api/v2/openapi.json":
            return httpx.Response(200, json=DOCUMENT)
        sent.append(request)
        known = answers.get(f"{request.method} {request.url.raw_path.decode().split('?')[0]}")
        return (
            httpx.Response(404, json={"detail": "gone"}) if known is None else httpx.Response(200, json=known)
        )

    return Airflow(
        transport=httpx.MockTransport(handle),
        base_url="http://airflow.in-process/api/v2/",
        site=Site("3.3.2", lambda *_: "http://ui", redact),
        caller=Caller("1", "ada"),
        access=access,
    )


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("delete a pool", "DELETE pools/{pool_name}"),
        ("remove pools", "DELETE pools/{pool_name}"),
        ("create pool", "POST pools"),
        ("list pools", "GET pools"),
        ("GET /api/v2/pools/{pool_name}", "GET pools/{pool_name}"),
        ("get_asset_events", "GET assets/events"),
    ],
)
def test_operations_are_found_by_words(query: str, first: str) -> None:
    found = find_operations(API, query)[0]
    assert f"{found.method} {found.route}" == first


def test_a_search_tells_params_and_body() -> None:
    airflow = client({}, [])
    found = anyio.run(lambda: search_api(airflow, "create pool")).operations[0]
    assert found["path"] == "/api/v2/pools"
    body = found["body"]
    assert body["required"] == ["name"]
    assert body["properties"]["slots"] == {"type": "integer"}
    assert "used" not in body["properties"]
    listing = anyio.run(lambda: search_api(airflow, "GET /pools")).operations
    assert [row["params"] for row in listing] == [{"limit": "integer = 50", "order_by": "list of string"}]
    nothing = anyio.run(lambda: search_api(airflow, "zebra"))
    assert nothing.operations == []
    assert nothing.hint


def test_a_recursive_body_ends() -> None:
    text = json.dumps(next(o for o in API.operations if o.name == "post_pool").body)
    assert text.count('"parent"') == 5


@pytest.mark.parametrize(
    ("address", "params", "route"),
    [
        ("/api/v2/pools", None, "pools"),
        ("pools", None, "pools"),
        ("/pools/a%20b", None, "pools/a%20b"),
        ("/api/v2/pools/{pool_name}", {"pool_name": "x?y#z"}, "pools/x%3Fy%23z"),
        ("/api/v2/pools/{pool_name}", {"pool_name": "a/b"}, "pools/a%2Fb"),
        ("/api/v2/assets/{asset_id}", {"asset_id": 7}, "assets/7"),
        ("/api/v2/assets/events", None, "assets/events"),
    ],
)
def test_a_path_is_one_operation(address: str, params: dict[str, Any] | None, route: str) -> None:
    assert choose_call(API, "GET", address, params).route == route


@pytest.mark.parametrize(
    ("method", "address", "params", "code"),
    [
        ("GET", "/api/v2/pols", None, "not_found"),
        ("PUT", "/api/v2/pools", None, "not_found"),
        ("GET", "/ui/dags", None, "not_found"),
        ("GET", "/auth/token", None, "not_found"),
        ("GET", "/api/v2/../auth/token", None, "not_found"),
        ("GET", "/api/v2/assets/..", None, "invalid_argument"),
        ("GET", "/api/v2/assets/%2E%2E", None, "invalid_argument"),
        ("GET", "/api/v2/pools/..%2Fassets", None, "invalid_argument"),
        ("GET", "/api/v2/assets/1%2Fx", None, "invalid_argument"),
        ("GET", "/api/v2/assets/{asset_id}", {"asset_id": "events"}, "invalid_argument"),
        ("GET", "/api/v2/assets/{asset_id}", {"asset_id": "1/../../connections"}, "invalid_argument"),
        ("GET", "/api/v2/assets/{asset_id}", None, "invalid_argument"),
        ("GET", "http://elsewhere/api/v2/pools", None, "invalid_argument"),
        ("GET", "//elsewhere/api/v2/pools", None, "invalid_argument"),
        ("GET", "/api/v2/pools?limit=1", None, "invalid_argument"),
        ("GET", "/api/v2/pools", {"colour": "red"}, "invalid_argument"),
        ("GET", "/api/v2/pools", {"limit": {"a": 1}}, "invalid_argument"),
        ("GET", "/api/v2/auth/logout", None, "unsupported"),
    ],
)
def test_what_is_no_operation_is_refused(
    method: str, address: str, params: dict[str, Any] | None, code: str
) -> None:
    with pytest.raises(ToolError) as refused:
        choose_call(API, method, address, params)
    assert refused.value.code == code


def test_a_misspelled_path_names_what_may_be_meant() -> None:
    with pytest.raises(ToolError, match=r"did you mean `/api/v2/pools`"):
        choose_call(API, "GET", "/api/v2/pols", None)
    with pytest.raises(ToolError, match="there is GET, POST"):
        choose_call(API, "DELETE", "/api/v2/pools", None)
    with pytest.raises(ToolError, match="takes no body"):
        choose_call(API, "DELETE", "/api/v2/pools/a", None, {"x": 1})


def test_a_call_is_sent_as_it_is_and_its_answer_masked() -> None:
    sent: list[httpx.Request] = []
    answers = {
        "GET /api/v2/pools": {"pools": [{"name": "a", "password": "x"}]},
        "POST /api/v2/pools": {"name": "b"},
    }
    airflow = client(answers, sent)
    read = anyio.run(lambda: call_api_read(airflow, "/api/v2/pools", {"order_by": ["name", "-id"]}))
    assert read == ApiAnswer(status=200, answer={"pools": [{"name": "a", "password": "***"}]})
    assert sent[0].url.query == b"order_by=name&order_by=-id"
    anyio.run(lambda: call_api(airflow, "POST", "/api/v2/pools", None, {"name": "b"}))
    assert json.loads(sent[1].content) == {"name": "b"}


def test_a_reading_client_refuses_to_write_a_second_time() -> None:
    with pytest.raises(ToolError) as refused:
        anyio.run(lambda: call_api(client({}, [], "read"), "DELETE", "/api/v2/pools/a"))
    assert refused.value.code == "read_only"


def test_the_preview_shows_what_is_there() -> None:
    airflow = client(
        {"GET /api/v2/pools/a": {"name": "a", "slots": 3}, "GET /api/v2/pools": {"total_entries": 4}}, []
    )
    shown = anyio.run(lambda: _preview_call(airflow, "DELETE", "pools/a"))
    assert shown == {
        "request": "DELETE /api/v2/pools/a",
        "operation": "Delete Pool",
        "now": {"name": "a", "slots": 3},
    }
    shown = anyio.run(lambda: _preview_call(airflow, "POST", "pools", None, {"password": "p"}))
    assert shown["existing"] == 4
    assert shown["body"] == {"password": "***"}
    with pytest.raises(ToolError) as gone:
        anyio.run(lambda: _preview_call(airflow, "DELETE", "pools/b"))
    assert gone.value.code == "not_found"


def test_masking_looks_where_airflow_does_not() -> None:
    airflow = client({}, [])
    held = {
        "variables": [{"key": "db_password", "value": "x"}, {"key": "region", "value": "eu"}],
        "extra": '{"password": "x", "port": 1}',
        "password": {"inner": ["x"]},
        "file_token": "kept",
        "count": 3,
        "text": "[not json",
    }
    assert airflow.redact(held) == {
        "variables": [{"key": "db_password", "value": "***"}, {"key": "region", "value": "eu"}],
        "extra": '{"password": "***", "port": 1}',
        "password": {"inner": ["***"]},
        "file_token": "kept",
        "count": 3,
        "text": "[not json",
    }
