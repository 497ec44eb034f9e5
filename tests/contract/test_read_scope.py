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
"""Each operation of this Airflow's REST API that changes something, under a token for reading."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
import yaml

from airflow_provider_mcp.sdk import ToolError
from airflow_provider_mcp.sdk.airflow import Airflow, Caller, Site
from airflow_provider_mcp.sdk.guards import only_reads
from devtools.airflow_process import installed_line

LINE = installed_line()

READING = {
    2: {"POST /dags/~/dagRuns/list", "POST /dags/~/dagRuns/~/taskInstances/list"},
    3: {
        "POST /dags/{}/dagRuns/list",
        "POST /dags/{}/dagRuns/{}/taskInstances/list",
        "POST /backfills/dry_run",
        "PATCH /dags/{}/dagRuns/{}/taskInstances/{}/dry_run",
        "PATCH /dags/{}/dagRuns/{}/taskInstances/{}/{}/dry_run",
        "PATCH /dags/{}/dagRuns/{}/taskGroupInstances/{}/dry_run",
    },
}
"""What reads though its method writes. A new one is refused until it is looked at."""

BODIES = (b"", b"{}", b'{"dry_run": false}', b'{"dry_run": "true"}', b'[{"dry_run": true}]', b"{")


def read_document() -> dict[str, Any]:
    """Return the OpenAPI document of the Airflow that is installed here."""
    if LINE == 2:
        spec = find_spec("airflow")
        assert spec is not None
        assert spec.origin is not None
        file = Path(spec.origin).parent / "api_connexion" / "openapi" / "v1.yaml"
        document: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
        return document
    from airflow.api_fastapi.app import create_app

    written: dict[str, Any] = create_app(apps="core").openapi()
    return written


def writing_operations() -> Iterator[tuple[str, str]]:
    """Yield the methods and paths, below the API's root, of what is no GET."""
    for path, item in read_document()["paths"].items():
        if LINE == 3 and not path.startswith("/api/v2/"):
            continue
        for method in item:
            if method in {"post", "put", "patch", "delete"}:
                yield method.upper(), path.removeprefix("/api/v2")


OPERATIONS = sorted(set(writing_operations()))

CHANGING = [
    (method, path)
    for method, path in OPERATIONS
    if f"{method} {re.sub(r'{[^}]*}', '{}', path)}" not in READING[LINE]
]


def test_there_are_operations_to_refuse() -> None:
    assert len(CHANGING) > 20


@pytest.mark.parametrize(("method", "path"), CHANGING)
def test_a_token_for_reading_changes_nothing(method: str, path: str) -> None:
    sent = []

    def reached(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(200, json={})

    site = Site(version="3", page_url=lambda *_: "", redact=lambda value, _: value)

    async def send(route: str, body: bytes) -> None:
        airflow = Airflow(
            transport=httpx.MockTransport(reached),
            base_url="http://airflow.in-process/api/v2/",
            site=site,
            caller=Caller("1", "ada"),
            access="read",
        )
        async with airflow:
            await airflow.request(method, route, content=body, headers={"Content-Type": "application/json"})

    for identifier in ("x", "~", "list", "dry_run"):
        route = re.sub(r"{[^}]*}", identifier, path.replace("{map_index}", "0")).lstrip("/")
        for body in BODIES:
            assert not only_reads(method, route, lambda body=body: body)  # type: ignore[misc]
            with pytest.raises(ToolError) as refused:
                anyio.run(send, route, body)
            assert refused.value.code == "read_only"
    assert sent == []


@pytest.mark.parametrize("operation", sorted(READING[LINE]))
def test_what_reads_by_another_method_is_let_through(operation: str) -> None:
    method, _, path = operation.partition(" ")
    # The one identifier that may stand behind a task's is a number, which `x` is not.
    assert only_reads(
        method, path.replace("/{}/{}/dry_run", "/x/0/dry_run").replace("{}", "x").lstrip("/"), bytes
    )
    known = {f"{method} {re.sub(r'{[^}]*}', '{}', path)}" for method, path in OPERATIONS}
    assert operation in known, "this Airflow has it no longer"


def test_a_dry_run_by_a_switch_is_one_only_if_it_is_switched() -> None:
    for route in ("dags/a/clearTaskInstances", "dags/a/dagRuns/b/clear", "dags/a/updateTaskInstancesState"):
        assert only_reads("POST", route, lambda: json.dumps({"dry_run": True}).encode())
        assert not only_reads("PUT", route, lambda: json.dumps({"dry_run": True}).encode())
