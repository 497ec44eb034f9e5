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
"""One server in front of one Airflow or several, over real in-memory MCP clients."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import anyio
import httpx
import mcp_types as types
import pytest
from mcp.client import Client
from mcp.shared.exceptions import MCPError

from airflow_provider_mcp.remote import gateway, http
from airflow_provider_mcp.remote.build import build_gateway
from airflow_provider_mcp.remote.client import Remote
from airflow_provider_mcp.remote.gateway import Gateway
from airflow_provider_mcp.remote.instance import Instance
from airflow_provider_mcp.remote.serve import HttpEndpoint, own_origins
from airflow_provider_mcp.remote.target import Target
from airflow_provider_mcp.sdk.client import Client as McpClient
from airflow_provider_mcp.server.build import build_server
from airflow_provider_mcp.server.catalogue import load_catalogue
from airflow_provider_mcp.server.jobs import UNKNOWN_TASK
from airflow_provider_mcp.server.policy import Policy
from airflow_provider_mcp.server.policy_source import PolicySource
from airflow_provider_mcp.server.signing import Confirmations

MODES = ("auto", "legacy")


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "PAUSES", (0.0,))


class Pretended:
    """An Airflow of some version with one Dag, which may be down."""

    def __init__(self, version: str) -> None:
        self.version = version
        self.down = False
        self.asked: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.down:
            raise httpx.ConnectError("refused", request=request)
        line = 1 if self.version.startswith("2") else 2
        path = request.url.path
        self.asked.append(f"{request.method} {path}")
        if path == f"/api/v{line}/version":
            return httpx.Response(200, json={"version": self.version})
        dag = {"dag_id": "d", "is_paused": False, "is_active": True, "tags": [], "owners": []}
        if path == f"/api/v{line}/dags":
            return httpx.Response(200, json={"dags": [dag], "total_entries": 1})
        if path == f"/api/v{line}/dags/d":
            return httpx.Response(200, json=dag)
        if path == f"/api/v{line}/dags/d/dagRuns/r":
            return httpx.Response(200, json={"dag_id": "d", "dag_run_id": "r", "state": "running"})
        if path == "/api/v2/dagSources/d":
            return httpx.Response(200, json={"content": "x = 1"})
        return httpx.Response(404, json={"detail": "Not Found"})


def instance(name: str, airflow: Pretended, **policy: Any) -> Instance:
    remote = Remote(Target(name, f"http://{name}.example.com"))
    remote._client = http.AsyncRemoteClient(transport=httpx.MockTransport(airflow))
    return Instance(remote, PolicySource(lambda _: None, Policy(**policy)))


def with_client(served: Gateway, use: Callable[[Client], Awaitable[Any]], mode: Any = "auto") -> Any:
    async def run() -> Any:
        async with Client(served.server, mode=mode) as client:
            return await use(client)

    return anyio.run(run)


async def tools_of(client: Client) -> dict[str, Any]:
    return {tool.name: tool for tool in (await client.list_tools()).tools}


def call(name: str, **arguments: Any) -> Callable[[Client], Awaitable[Any]]:
    async def use(client: Client) -> Any:
        return await client.call_tool(name, arguments)

    return use


def refusal(use: Callable[[Client], Awaitable[Any]]) -> Callable[[Client], Awaitable[str]]:
    async def refused(client: Client) -> str:
        with pytest.raises(MCPError) as told:
            await use(client)
        return str(told.value)

    return refused


@pytest.mark.parametrize("mode", MODES)
def test_one_instance_needs_no_name(mode: str) -> None:
    served = build_gateway([instance("a", Pretended("3.3.2"))])
    tools = with_client(served, tools_of, mode)
    assert "instance" not in tools["list_dags"].input_schema["properties"]
    assert "list_instances" not in tools
    result = with_client(served, call("list_dags"), mode)
    assert [dag["dag_id"] for dag in result.structured_content["dags"]] == ["d"]


@pytest.mark.parametrize("version", ["2.11.2", "3.0.6", "3.3.2"])
def test_the_version_there_decides_which_tools_there_are(version: str) -> None:
    served = build_gateway([instance("a", Pretended(version))])
    listed = with_client(served, tools_of)
    offered = {name for name, tool in load_catalogue(version).tools.items() if Policy().offers(tool)}
    assert set(listed) == offered


@pytest.mark.parametrize("mode", MODES)
def test_several_instances_are_told_apart(mode: str) -> None:
    three, two = Pretended("3.3.2"), Pretended("2.11.2")
    served = build_gateway([instance("three", three), instance("two", two, read_only=True)])
    tools = with_client(served, tools_of, mode)
    assert tools["list_dags"].input_schema["properties"]["instance"]["enum"] == ["three", "two"]
    assert tools["list_dags"].input_schema["required"][0] == "instance"
    assert tools["pause_dag"].input_schema["properties"]["instance"]["enum"] == ["three"]
    for name, airflow in (("three", three), ("two", two)):
        airflow.asked.clear()
        result = with_client(served, call("list_dags", instance=name), mode)
        assert result.structured_content["total"] == 1
        assert airflow.asked


def test_who_there_is() -> None:
    three, two = Pretended("3.3.2"), Pretended("2.11.2")
    served = build_gateway([instance("three", three), instance("two", two, read_only=True)])
    two.down = True
    first, second = with_client(served, call("list_instances")).structured_content["instances"]
    assert (first["instance"], first["airflow_version"], first["read_only"]) == ("three", "3.3.2", False)
    assert (second["reachable"], second["read_only"]) == (False, True)
    assert "cannot be reached" in second["problem"]


@pytest.mark.parametrize("arguments", [{}, {"instance": "four"}, {"instance": ["three"]}])
def test_an_unnamed_or_unknown_instance_is_refused(arguments: dict[str, Any]) -> None:
    served = build_gateway([instance("three", Pretended("3.3.2")), instance("two", Pretended("2.11.2"))])
    result = with_client(served, call("list_dags", **arguments))
    assert result.is_error
    assert result.structured_content["error"]["instances"] == ["three", "two"]


def test_a_tool_of_one_instance_is_unsupported_on_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def without_dags(version: str) -> Any:
        catalogue = load_catalogue(version, found=[])
        if version.startswith("2"):
            del catalogue.tools["list_dags"]
        return catalogue

    monkeypatch.setattr(gateway, "cached_catalogue", without_dags)
    served = build_gateway([instance("three", Pretended("3.3.2")), instance("two", Pretended("2.11.2"))])
    result = with_client(served, call("list_dags", instance="two"))
    assert result.structured_content["error"]["code"] == "unsupported"
    assert not with_client(served, call("list_dags", instance="three")).is_error
    assert "Unknown tool" in with_client(served, refusal(call("no_such_tool", instance="three")))


def test_an_airflow_that_dies_and_returns() -> None:
    airflow = Pretended("3.3.2")
    airflow.down = True
    served = build_gateway([instance("a", airflow)])

    async def use(client: Client) -> None:
        assert "list_dags" in await tools_of(client)
        gone = await client.call_tool("list_dags", {})
        assert gone.structured_content is not None
        assert gone.structured_content["error"]["code"] == "unavailable"
        airflow.down = False
        assert not (await client.call_tool("list_dags", {})).is_error
        airflow.down = True
        assert (await client.call_tool("list_dags", {})).is_error
        airflow.down, airflow.version = False, "2.11.2"
        assert not (await client.call_tool("list_dags", {})).is_error
        assert airflow.asked[-1] == "GET /api/v1/dags"

    with_client(served, use)


def both() -> Gateway:
    return build_gateway([instance("three", Pretended("3.3.2")), instance("two", Pretended("2.11.2"))])


@pytest.mark.parametrize("mode", MODES)
def test_one_instance_has_plain_resources_and_prompts(mode: str) -> None:
    async def use(client: Client) -> None:
        assert "airflow://version" in {r.uri for r in (await client.list_resources()).resources}
        (content,) = (await client.read_resource("airflow://version")).contents
        assert json.loads(text_of(content))["version"] == "3.3.2"
        prompt = next(p for p in (await client.list_prompts()).prompts if p.name == "onboard_new_dag")
        assert [argument.name for argument in prompt.arguments or ()] == ["dag_id"]

    with_client(build_gateway([instance("a", Pretended("3.3.2"))]), use, mode)


def text_of(content: Any) -> str:
    assert isinstance(content, types.TextResourceContents)
    return content.text


@pytest.mark.parametrize("mode", MODES)
def test_resources_of_several_instances_name_theirs(mode: str) -> None:
    async def use(client: Client) -> None:
        listed = [r.uri for r in (await client.list_resources()).resources]
        assert "airflow://version?instance=three" in listed
        assert len(set(listed)) == len(listed)
        for uri, version in (("three", "3.3.2"), ("two", "2.11.2")):
            address = f"airflow://version?instance={uri}"
            (content,) = (await client.read_resource(address)).contents
            assert content.uri == address
            assert json.loads(text_of(content))["version"] == version
        templates = [t.uri_template for t in (await client.list_resource_templates()).resource_templates]
        assert "airflow://dags/{dag_id}{?instance}" in templates
        source = await client.read_resource("airflow://dags/d/source?instance=three")
        assert text_of(source.contents[0]) == "x = 1"

    with_client(both(), use, mode)


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("airflow://version", "Say which instance"),
        ("airflow://version?instance=", "There is no instance ``"),
        ("airflow://version?instance=four", "There is no instance `four`"),
        ("airflow://version?instance=two&instance=three", "Say which instance, once"),
    ],
)
def test_an_address_without_one_known_instance_is_refused(uri: str, said: str) -> None:
    told = with_client(both(), refusal(lambda client: client.read_resource(uri)))
    assert said in told
    assert "there are: three, two" in told


@pytest.mark.parametrize("uri", ["airflow://no/such?instance=two", "airflow://version?x=1&instance=two"])
def test_an_unknown_address_of_an_instance_is_refused(uri: str) -> None:
    assert "Unknown resource" in with_client(both(), refusal(lambda client: client.read_resource(uri)))


@pytest.mark.parametrize("mode", MODES)
def test_prompts_of_several_instances_take_theirs(mode: str) -> None:
    async def use(client: Client) -> None:
        prompt = next(p for p in (await client.list_prompts()).prompts if p.name == "onboard_new_dag")
        assert [argument.name for argument in prompt.arguments or ()] == ["instance", "dag_id"]
        got = await client.get_prompt("onboard_new_dag", {"instance": "two", "dag_id": "d"})
        first, second = (message.content for message in got.messages)
        assert isinstance(first, types.TextContent)
        assert isinstance(second, types.TextContent)
        assert "`two`" in first.text
        assert "`d`" in second.text

    with_client(both(), use, mode)
    for arguments in ({"dag_id": "d"}, {"dag_id": "d", "instance": "four"}):
        asked = refusal(lambda client, given=arguments: client.get_prompt("onboard_new_dag", given))
        assert "there are: three, two" in with_client(both(), asked)


def test_completions_of_several_instances() -> None:
    template = types.ResourceTemplateReference(type="ref/resource", uri="airflow://dags/{dag_id}{?instance}")

    async def use(client: Client) -> None:
        async def complete(name: str, begun: str, **chosen: str) -> list[str]:
            answer = await client.complete(
                template, {"name": name, "value": begun}, context_arguments=chosen or None
            )
            return answer.completion.values

        assert await complete("instance", "t") == ["three", "two"]
        assert await complete("instance", "tw") == ["two"]
        assert await complete("dag_id", "d", instance="two") == ["d"]
        assert await complete("dag_id", "d") == ["d"]

    with_client(both(), use)


def test_a_confirmation_is_for_one_instance() -> None:
    a, b = (instance(name, Pretended("3.3.2"), confirm="write") for name in "ab")
    served = build_gateway([a, b])

    async def use(client: Client) -> None:
        asked = await client.call_tool("pause_dag", {"instance": "a", "dag_id": "d"})
        assert asked.structured_content is not None
        token = asked.structured_content["confirmation_token"]
        there = {"instance": "b", "dag_id": "d", "confirmation_token": token}
        refused = await client.call_tool("pause_dag", there)
        assert refused.structured_content is not None
        assert refused.structured_content["error"]["code"] == "confirmation_required"
        assert "not for this call" in refused.structured_content["error"]["message"]

    with_client(served, use, "legacy")


@dataclass
class Context:
    request: Any


def test_who_made_something_answers_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A job's name is sealed by the instance that made it, and does not tell which one that is."""

    def with_jobs(*parts: Any) -> Any:
        server = build_server(*parts)

        async def get_job(ctx: Any, params: Any) -> str:
            if ctx.request.policy.read_only:
                return "found"
            raise MCPError(-32602, said)

        server.add_request_handler("tasks/get", types.RequestParams, get_job)
        return server

    def get_job(*instances: Instance) -> Any:
        served = build_gateway(instances)
        entry = served.server.get_request_handler("tasks/get")
        assert entry is not None
        request = anyio.run(served.build_request, Context(with_request), instances[0], served.server)
        return anyio.run(entry.handler, Context(request), types.RequestParams())

    monkeypatch.setattr(gateway, "build_server", with_jobs)
    a, b = instance("a", Pretended("3.3.2")), instance("b", Pretended("3.3.2"), read_only=True)
    c = instance("c", Pretended("3.3.2"))
    embedded = build_server(load_catalogue("3.3.2"), Confirmations(b"secret"))
    with_request = embedded.open_request(a.identity, Policy(), McpClient())
    said = UNKNOWN_TASK
    assert get_job(a, b) == "found"
    with pytest.raises(MCPError, match=UNKNOWN_TASK):
        get_job(a, c)
    # What its maker says of it is the answer, even if others do not know it.
    said = "a cannot be reached"
    with pytest.raises(MCPError, match="cannot be reached"):
        get_job(a, b)


def test_two_instances_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="same name"):
        build_gateway([instance("a", Pretended("3.3.2")), instance("a", Pretended("3.3.2"))])


# ---- the http transport --------------------------------------------------------------------------------

PING = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}


def post(
    endpoint: HttpEndpoint, path: str = "/mcp/v1", method: str = "POST", **headers: str
) -> httpx.Response:
    async def run() -> httpx.Response:
        transport = httpx.ASGITransport(endpoint)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8765") as client:
            sent = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
            return await client.request(method, path, json=PING, headers=sent)

    return anyio.run(run)


def door(bearer_token: str | None = None) -> HttpEndpoint:
    served = build_gateway([instance("a", Pretended("3.3.2"))])
    return HttpEndpoint(
        served,
        bearer_token=bearer_token,
        hosts=frozenset({"127.0.0.1:8765", "localhost:8765"}),
        origins=own_origins("127.0.0.1", 8765),
        allowed_origins=frozenset({"https://inspector.example.com"}),
    )


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({}, 200),
        ({"path": "/mcp/v1/"}, 200),
        ({"path": "/mcp"}, 404),
        ({"method": "GET"}, 405),
        ({"method": "DELETE"}, 405),
        ({"Host": "evil.example"}, 421),
        ({"Host": "localhost:8765"}, 200),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "http://localhost:8765"}, 200),
        ({"Origin": "https://inspector.example.com"}, 200),
        ({"Content_Type": "text/plain"}, 415),
    ],
)
def test_the_door_on_http(options: dict[str, str], status: int) -> None:
    assert post(door(), **options).status_code == status


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        ("Bearer right", 200),
        ("bearer right", 200),
        ("Bearer wrong", 401),
        ("Basic right", 401),
        ("", 401),
        ("Bearer é", 401),
    ],
)
def test_the_bearer_token_on_http(authorization: str, status: int) -> None:
    answer = post(door("right"), Authorization=authorization)
    assert answer.status_code == status
    assert ("www-authenticate" in answer.headers) == (status == 401)


def waiting(**asked: Any) -> bytes:
    arguments = {"dag_id": "d", "dag_run_id": "r", "timeout_seconds": 45}
    params = {"name": "wait_for_dag_run", "arguments": arguments, "_meta": {"progressToken": "p"}}
    return json.dumps({**PING, "method": "tools/call", "params": params, **asked}).encode()


def test_the_work_stops_when_the_client_of_http_has_gone() -> None:
    """After the first report of progress, which begins a stream."""
    sent: list[Any] = []

    async def run() -> None:
        reported = anyio.Event()
        events = [{"type": "http.request", "body": waiting()}]
        headers = {
            "host": "127.0.0.1:8765",
            "content-type": "application/json",
            "accept": "application/json, text/event-stream",
        }

        async def receive() -> Any:
            if events:
                return events.pop()
            await reported.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)
            if message.get("body"):
                reported.set()

        scope = {
            "type": "http",
            "method": "POST",
            "path": "/mcp/v1",
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }
        with anyio.fail_after(20):
            await door()(scope, receive, send)

    anyio.run(run)
    assert sent[0]["status"] == 200
    assert dict(sent[0]["headers"])[b"content-type"] == b"text/event-stream"
    told = b"".join(message["body"] for message in sent[1:])
    assert b"notifications/progress" in told
    assert b'"result"' not in told


@pytest.mark.parametrize("mode", MODES)
def test_a_client_that_waits_is_told_of_progress(mode: str) -> None:
    told: list[float] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        assert total == 1
        assert message == "r is running."
        told.append(progress)

    async def wait(client: Client) -> Any:
        asked = {"dag_id": "d", "dag_run_id": "r", "timeout_seconds": 1}
        return await client.call_tool("wait_for_dag_run", asked, progress_callback=note)

    result = with_client(build_gateway([instance("a", Pretended("3.3.2"))]), wait, mode)
    assert result.structured_content["done"] is False
    assert told
    assert told == sorted(told)
