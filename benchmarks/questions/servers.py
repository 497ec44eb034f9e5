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
"""The servers that are compared: each driven by the SDK's client, against the same Airflow."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

import httpx
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp_types import TextContent

from benchmarks.questions.agents import Server
from benchmarks.questions.knowledge import Answer, Call, Tool, Values, read_tool
from devtools.airflow_process import ROOT, AirflowSite

ENVIRONMENTS = ROOT / ".venv" / "questions"
SECONDS = 60


class ConnectedServer:
    """A server behind a client; what it answered to a call once is kept."""

    def __init__(self, name: str, client: Client, tools: list[Tool], session: Values) -> None:
        self.name = name
        self.session = session
        self.tools = tools
        self._client = client
        self._answers: dict[Call, Answer] = {}

    async def call(self, call: Call) -> Answer:
        if call not in self._answers:
            self._answers[call] = await self._ask(call)
        return self._answers[call]

    async def measure(self, call: Call) -> float:
        """Return the milliseconds of the call, made once more with nothing beside it."""
        return (await self._ask(call)).milliseconds

    async def _ask(self, call: Call) -> Answer:
        begun = time.perf_counter()
        try:
            result = await self._client.call_tool(call.tool, call.arguments, read_timeout_seconds=SECONDS)
        except (MCPError, RuntimeError) as failure:
            # The second: a result that is not what the server's own schema says.
            return Answer(str(failure), is_error=True)
        took = (time.perf_counter() - begun) * 1000
        text = "\n".join(block.text for block in result.content if isinstance(block, TextContent))
        return Answer(text, bool(result.is_error), result.structured_content, took)


class WorsenedServer:
    """A copy of a server that tells less: no descriptions of tools, and the beginning of each answer."""

    SHOWN = 400

    def __init__(self, server: Server) -> None:
        self.name = f"{server.name}, worsened"
        self.session = server.session
        self.tools = [replace(tool, text=tool.name[:3]) for tool in server.tools]
        self._server = server

    async def call(self, call: Call) -> Answer:
        answer = await self._server.call(call)
        return replace(answer, text=answer.text[: self.SHOWN], data=None)


@asynccontextmanager
async def connect(
    name: str, client: Client, session: Values = MappingProxyType({})
) -> AsyncIterator[ConnectedServer]:
    async with client:
        tools = []
        cursor = None
        while True:
            page = await client.list_tools(cursor=cursor)
            tools += [read_tool(tool) for tool in page.tools]
            cursor = page.next_cursor
            if cursor is None:
                break
        yield ConnectedServer(name, client, tools, session)


@asynccontextmanager
async def connect_to_ours(site: AirflowSite) -> AsyncIterator[ConnectedServer]:
    headers = {"Authorization": site.authorization()}
    async with (
        httpx.AsyncClient(headers=headers, timeout=SECONDS) as http,
        connect("ours", Client(streamable_http_client(site.url, http_client=http))) as server,
    ):
        yield server


@dataclass(frozen=True)
class Peer:
    """A server of the registry, in an environment of its own.

    :param environment: Its environment variables, of an Airflow.
    """

    name: str
    environment: Callable[[AirflowSite], Mapping[str, str]]
    by_line: bool = False
    """Whether it is installed otherwise for each line of Airflow."""
    session: Values = field(default_factory=dict)
    """What an agent learns once a session."""

    def folder(self, line: int) -> Path:
        return ENVIRONMENTS / (f"{self.name}-{line}" if self.by_line else self.name)

    def version(self, line: int) -> str:
        (metadata,) = self.folder(line).glob(f"lib/*/site-packages/{self.name.replace('-', '_')}-*.dist-info")
        return metadata.name.removesuffix(".dist-info").rpartition("-")[2]

    @asynccontextmanager
    async def connect(self, site: AirflowSite) -> AsyncIterator[ConnectedServer]:
        parameters = StdioServerParameters(
            command=str(self.folder(site.home.line) / "bin" / self.name),
            env={"NO_PROXY": "*", **self.environment(site)},
            cwd=str(site.folder),
        )
        with (site.folder / f"{self.name}.log").open("w", encoding="utf-8") as log:
            transport = stdio_client(parameters, errlog=log)
            async with connect(self.name, Client(transport, mode="legacy"), self.session) as server:
                yield server


PEERS = [
    Peer(
        "astro-airflow-mcp",
        lambda site: {
            "AIRFLOW_API_URL": site.root,
            "AIRFLOW_USERNAME": "admin",
            "AIRFLOW_PASSWORD": "admin",
            "AF_TELEMETRY_DISABLED": "1",
        },
    ),
    Peer(
        "apache-airflow-mcp-server",
        lambda site: {
            "AIRFLOW_MCP_HOST": site.root,
            "AIRFLOW_MCP_USERNAME": "admin",
            "AIRFLOW_MCP_PASSWORD": "admin",
            "AIRFLOW_MCP_API_VERSION": f"v{site.home.line - 1}",
        },
        by_line=True,
        # Nearly each of its tools asks for it.
        session={"instance": "default"},
    ),
    Peer(
        "mcp-airflow-api",
        lambda site: {
            "AIRFLOW_API_BASE_URL": f"{site.root}/api",
            "AIRFLOW_API_VERSION": f"v{site.home.line - 1}",
            "AIRFLOW_API_USERNAME": "admin",
            "AIRFLOW_API_PASSWORD": "admin",
        },
    ),
]
