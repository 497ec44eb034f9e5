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
"""A REST API for tools under test: routes with prepared answers, and a record of what was asked."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import anyio
import httpx
import pytest

from airflow_provider_mcp.airflow_api import Airflow
from airflow_provider_mcp.errors import ToolError
from airflow_provider_mcp.toolsets import run_function

from .test_toolsets import client

Route = tuple[str, str]


class FakeAirflow:
    """Answers by ``(method, path)``: data, a status, or a function of the request."""

    def __init__(self, **routes: Any) -> None:
        self.routes: dict[Route, Any] = {}
        self.asked: list[tuple[str, str, dict[str, str], Any]] = []
        self.on(**routes)

    def on(self, **routes: Any) -> FakeAirflow:
        """Add answers, named ``GET dags/a``."""
        for name, answer in routes.items():
            method, _, path = name.partition(" ")
            self.routes[method, path] = answer
        return self

    def handle(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/api/v2/")
        body = json.loads(request.content) if request.content else None
        self.asked.append((request.method, path, dict(request.url.params), body))
        answer = self.routes.get((request.method, path), 404)
        if callable(answer):
            answer = answer(request)
        if isinstance(answer, httpx.Response):
            return answer
        if isinstance(answer, int):
            return httpx.Response(answer, json={"detail": f"{path}: {answer}"})
        return httpx.Response(200, json=answer)

    def client(self, access: Any = "write") -> Airflow:
        return client(self.handle, access)

    def call(self, tool: Callable[..., Any], access: Any = "write", **arguments: Any) -> Any:
        """Call a tool; return what it shows."""

        async def run() -> Any:
            return await run_function(tool, arguments, self.client(access))

        result = anyio.run(run)
        return result if isinstance(result, dict) else result.model_dump(mode="json", exclude_none=True)

    def refuses(
        self, code: str, tool: Callable[..., Any], access: Any = "write", **arguments: Any
    ) -> ToolError:
        """Call a tool that must fail; return the error."""
        with pytest.raises(ToolError) as refused:
            self.call(tool, access, **arguments)
        assert refused.value.code == code, refused.value
        return refused.value

    def changes(self) -> list[tuple[str, str]]:
        """Return what was asked beside reading, in order."""
        return [(method, path) for method, path, _, _ in self.asked if method != "GET"]
