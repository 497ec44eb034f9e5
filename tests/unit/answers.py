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
"""Run a tool's function against REST answers by method and path."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import anyio
import httpx
import pytest

from airflow_provider_mcp.sdk import ToolError
from airflow_provider_mcp.sdk.injection import run_function
from airflow_provider_mcp.testing import open_airflow

SENT: list[tuple[str, str, Any]] = []
Answer = tuple[int, Any]
MISSING: Answer = (404, {"detail": "was not found"})


def run(
    function: Any,
    answers: dict[str, Answer | Callable[[httpx.Request], Answer]],
    *,
    version: str = "3.3.2",
    access: str = "write",
    **arguments: Any,
) -> Any:
    """Run a tool against answers by method and path; what is not among them is not found."""
    SENT.clear()

    def handle(request: httpx.Request) -> httpx.Response:
        route = request.url.raw_path.decode().split("?")[0].removeprefix("/api/v2/")
        body = json.loads(request.content) if request.content else None
        SENT.append((request.method, route, body))
        answer = answers.get(f"{request.method} {route}", MISSING)
        status, value = answer(request) if callable(answer) else answer
        return httpx.Response(status, json=value)

    async def go() -> Any:
        airflow = open_airflow(handle, access)
        airflow.site = replace(
            airflow.site, version=version, hides_option=lambda _, option: option == "fernet_key"
        )
        return await run_function(function, arguments, airflow)

    return anyio.run(go)


def failing(function: Any, answers: Any, **arguments: Any) -> ToolError:
    with pytest.raises(ToolError) as raised:
        run(function, answers, **arguments)
    return raised.value


def listing(route: str, rows: list[Any]) -> Answer:
    return 200, {route: rows, "total_entries": len(rows)}
