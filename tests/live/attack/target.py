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
"""The server that is attacked, and what an attack on it is counted in."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx

ANSWER_SECONDS = 56
"""A request ends within 55 s, whatever happens."""

HEALTH_PATHS = ("/api/v2/monitor/health", "/health")

MOST_PAGES = 20


@dataclass
class Row:
    """What came of one wave."""

    wave: str
    tried: int = 0
    got_in: list[str] = field(default_factory=list)
    """What a stranger was answered as if they were known."""
    above_rights: list[str] = field(default_factory=list)
    """What was done, or told, that the caller may not do or know."""
    faults: list[str] = field(default_factory=list)
    """A server's error, a trace, an answer that is none, or one that came too late."""
    slowest: float = 0.0
    health: float = 0.0

    @property
    def is_clean(self) -> bool:
        return not (self.got_in or self.above_rights or self.faults)


@dataclass(frozen=True)
class Answer:
    """What came back: status 0 where nothing did."""

    status: int
    text: str = ""
    body: Any = None

    @property
    def result(self) -> dict[str, Any] | None:
        found = self.body.get("result") if isinstance(self.body, dict) else None
        return found if isinstance(found, dict) else None

    @property
    def is_error(self) -> bool:
        """Whether a tool, or the protocol, refused."""
        return self.result is None or bool(self.result.get("isError"))

    @property
    def code(self) -> str:
        """The code of the tool's error, or the protocol's; empty if there is none."""
        if self.result is None:
            error = self.body.get("error") if isinstance(self.body, dict) else None
            return str(error.get("code")) if isinstance(error, dict) else ""
        error = (self.result.get("structuredContent") or {}).get("error")
        return str(error.get("code")) if isinstance(error, dict) else ""

    @property
    def data(self) -> dict[str, Any]:
        return (self.result or {}).get("structuredContent") or {}


@dataclass
class Target:
    """A running server.

    :param url: The endpoint.
    :param authorization: The ``Authorization`` header of one who may do everything.
    :param viewer: That of one who may read, and nothing else.
    :param seed: The same seed makes the same attack.
    """

    url: str
    authorization: str
    viewer: str
    seed: int = 1

    def __post_init__(self) -> None:
        self.client = httpx.Client(timeout=ANSWER_SECONDS, limits=httpx.Limits(max_keepalive_connections=0))
        self.random = random.Random(self.seed)
        self.root = self.url.split("?", 1)[0].rstrip("/").removesuffix("/mcp/v1")
        self.health_url = next(
            (url for path in HEALTH_PATHS if self._is_health(url := self.root + path)), self.root
        )

    def _is_health(self, url: str) -> bool:
        answer = self.client.get(url)
        return answer.status_code == 200 and "json" in answer.headers.get("content-type", "")

    @property
    def place(self) -> tuple[str, int]:
        """The host and port, for what no HTTP client would send."""
        parts = urlsplit(self.url)
        return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)

    def post(
        self,
        row: Row,
        content: bytes | Mapping[str, Any],
        authorization: str | None,
        headers: Mapping[str, str] | None = None,
        *,
        method: str = "POST",
        query: str = "",
    ) -> Answer:
        """Send one request, and count it: what is no answer of a server's is a fault."""
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        sent = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
        if authorization is not None:
            sent["Authorization"] = authorization
        sent |= dict(headers or {})
        encoded = {name: value.encode() for name, value in sent.items()}
        row.tried += 1
        began = time.monotonic()
        try:
            got = self.client.request(method, self.url + query, content=body, headers=encoded)
        except httpx.HTTPError as failure:
            row.faults.append(f"{type(failure).__name__} for {body[:120]!r}")
            return Answer(0)
        row.slowest = max(row.slowest, time.monotonic() - began)
        return check(row, got.status_code, got.text, body)

    def call(
        self,
        row: Row,
        tool: str,
        arguments: Mapping[str, Any],
        authorization: str,
        headers: Mapping[str, str] | None = None,
        query: str = "",
    ) -> Answer:
        """Call a tool."""
        return self.post(row, call_message(tool, arguments), authorization, headers, query=query)

    def list_tools(self, authorization: str) -> list[dict[str, Any]]:
        """Return what ``tools/list`` lists."""
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
        answer = self.post(Row(""), message, authorization)
        if answer.result is None:
            raise SystemExit(f"tools/list was answered with {answer.status}: {answer.text[:400]}")
        tools: list[dict[str, Any]] = answer.result["tools"]
        return tools

    def read_all(self, tool: str, field_name: str) -> list[dict[str, Any]]:
        """Return all rows of a list tool, as far as some pages go."""
        rows: list[dict[str, Any]] = []
        cursor = None
        for _ in range(MOST_PAGES):
            arguments = {"limit": 100} | ({"cursor": cursor} if cursor else {})
            data = self.call(Row(""), tool, arguments, self.authorization).data
            rows += data.get(field_name, [])
            cursor = data.get("next_cursor")
            if not cursor:
                break
        return rows

    def fingerprint(self) -> dict[str, list[str]]:
        """Return what an attack must not change: what people made, not what Airflow goes on to do with it."""
        runs = self.read_all("list_dag_runs", "dag_runs")
        wanted = {
            "dags": (self.read_all("list_dags", "dags"), ("dag_id", "is_paused")),
            "runs": ([run for run in runs if run.get("run_type") == "manual"], ("dag_id", "dag_run_id")),
            "pools": (self.read_all("list_pools", "pools"), ("name", "slots", "description")),
            "variables": (self.read_all("list_variables", "variables"), ("key", "description")),
            "connections": (
                self.read_all("list_connections", "connections"),
                ("conn_id", "connection_id", "conn_type", "host", "login", "extra"),
            ),
        }
        return {
            name: sorted(json.dumps([row.get(key) for key in keys]) for row in rows)
            for name, (rows, keys) in wanted.items()
        }

    @contextmanager
    def watching_health(self, row: Row) -> Iterator[None]:
        """Ask for the server's health meanwhile, again and again, and keep the slowest answer."""
        over = threading.Event()

        def watch() -> None:
            with httpx.Client(timeout=ANSWER_SECONDS) as client:
                while not over.is_set():
                    began = time.monotonic()
                    try:
                        client.get(self.health_url)
                    except httpx.HTTPError as failure:
                        row.faults.append(f"{type(failure).__name__} from {self.health_url}")
                    row.health = max(row.health, time.monotonic() - began)
                    over.wait(0.05)

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            yield
        finally:
            over.set()
            watcher.join()


def call_message(tool: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    params = {"name": tool, "arguments": dict(arguments)}
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}


def check(row: Row, status: int, text: str, sent: bytes) -> Answer:
    """Return an answer, and note what no input may cause."""
    try:
        body = json.loads(text.split("data: ", 1)[1] if text.startswith("event:") else text)
    except (ValueError, IndexError):
        body = None
    answer = Answer(status, text, body)
    about = f"for {sent[:160]!r}: {text[:240]}"
    if status >= 500 and not (status == 503 and "unavailable" in text):
        row.faults.append(f"{status} {about}")
    elif "Traceback (most recent call last)" in text:
        row.faults.append(f"a trace {about}")
    elif answer.code in {"internal", "-32603"}:
        row.faults.append(f"an internal error {about}")
    elif status == 200 and body is None and text:
        row.faults.append(f"no JSON {about}")
    return answer
