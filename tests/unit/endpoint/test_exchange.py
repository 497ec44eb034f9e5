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
"""One exchange with the server, without an Airflow: what tools, prompts and jobs get to and from the wire."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from functools import cache
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, Literal

import anyio
import httpx
import pytest
from mcp.server.lowlevel import Server
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import get_current_span

from airflow_provider_mcp.endpoint import exchange as endpoint
from airflow_provider_mcp.endpoint.door import Reply, own_origins
from airflow_provider_mcp.endpoint.exchange import exchange
from airflow_provider_mcp.sdk import Client, Prompt, Toolset, tool
from airflow_provider_mcp.sdk.airflow import Airflow, Caller
from airflow_provider_mcp.sdk.binding import bind_tool
from airflow_provider_mcp.server import build, running
from airflow_provider_mcp.server import request as server_request
from airflow_provider_mcp.server.catalogue import Catalogue, load_catalogue
from airflow_provider_mcp.server.policy import Policy
from airflow_provider_mcp.server.request import Identity
from airflow_provider_mcp.server.signing import Confirmations
from airflow_provider_mcp.testing import open_airflow
from tests.fixtures.plugins import conformance_plugin
from tests.fixtures.plugins.conformance_plugin import Said, form

VERSION = "2026-07-28"
TASKS = {"extensions": {"io.modelcontextprotocol/tasks": {}}}
FORMS: dict[str, Any] = {"elicitation": {}}
STREAM = ("accept", "application/json, text/event-stream")
PLUGIN = EntryPoint("conformance", "tests.fixtures.plugins.conformance_plugin", "airflow_provider_mcp")
SECRET = b"0123456789abcdef" * 2


@cache
def load() -> Catalogue:
    return load_catalogue("3.3.2", found=[PLUGIN])


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    loaded = load()
    assert loaded.problems == []
    return loaded


@pytest.fixture(scope="module")
def served(catalogue: Catalogue) -> Server[Any]:
    return build.build_server(catalogue, Confirmations(SECRET))


@pytest.fixture(autouse=True)
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MCP_CONFORMANCE_JOBS", str(tmp_path))
    return tmp_path


def sender(user: str = "1", **policy: Any) -> tuple[Identity, Policy]:
    """Return who sends a request, and the policy it is under."""
    return Identity(Caller(user, "ada"), open_empty), Policy(**policy)


def open_empty(access: Literal["read", "write"]) -> Airflow:
    """Return a client of an Airflow that has nothing."""
    return open_airflow(lambda _: httpx.Response(404), access)


def request(
    method: str, capabilities: dict[str, Any] | None = None, meta: dict[str, Any] | None = None, **params: Any
) -> tuple[list[tuple[str, str]], bytes]:
    """Return the headers and the body of a request of 2026-07-28."""
    envelope = {
        "io.modelcontextprotocol/protocolVersion": VERSION,
        "io.modelcontextprotocol/clientCapabilities": capabilities or {},
        **(meta or {}),
    }
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": envelope}}
    headers = [("mcp-protocol-version", VERSION), ("Mcp-Method", method)]
    named = params.get("name") or params.get("uri") or params.get("taskId")
    return [*headers, ("Mcp-Name", named)] if named else headers, json.dumps(message).encode()


def ask(
    served: Server[Any],
    method: str,
    capabilities: dict[str, Any] | None = None,
    *,
    by: tuple[Identity, Policy] | None = None,
    **params: Any,
) -> tuple[int, dict[str, Any]]:
    headers, body = request(method, capabilities, **params)
    reply = anyio.run(exchange, served, headers, body, *(by or sender()))
    assert isinstance(reply, Reply)
    return reply.status, json.loads(reply.body)


def call(served: Server[Any], name: str, capabilities: Any = None, **params: Any) -> dict[str, Any]:
    status, answer = ask(served, "tools/call", capabilities, name=name, **params)
    assert status == 200, answer
    result: dict[str, Any] = answer["result"]
    return result


def stream(
    served: Server[Any], method: str, *accept: tuple[str, str], **params: Any
) -> tuple[Any, list[Any]]:
    """Return what is left to send and what was streamed."""
    streamed: list[Any] = []

    async def emit(data: bytes) -> None:
        assert data.startswith(b"event: message\ndata: ")
        assert data.endswith(b"\n\n")
        streamed.append(json.loads(data.split(b"data: ", 1)[1]))

    headers, body = request(method, **params)
    reply = anyio.run(exchange, served, [*headers, *accept], body, *sender(), emit)
    return reply, streamed


def test_progress_makes_the_answer_a_stream(served: Server[Any]) -> None:
    reply, events = stream(
        served, "tools/call", STREAM, name="test_tool_with_progress", meta={"progressToken": 7}
    )
    assert reply is None
    assert [e["params"]["progress"] for e in events[:-1]] == [0, 50, 100]
    assert {e["params"]["progressToken"] for e in events[:-1]} == {7}
    assert events[-1]["result"]["content"][0]["text"].split("\n")[2] == "Done."


@pytest.mark.parametrize(
    ("accept", "meta"), [(("accept", "application/json"), {"progressToken": 7}), (STREAM, {})]
)
def test_without_token_or_stream_the_answer_is_json(
    served: Server[Any], accept: tuple[str, str], meta: dict[str, Any]
) -> None:
    reply, events = stream(served, "tools/call", accept, name="test_tool_with_progress", meta=meta)
    assert events == []
    assert reply.headers["Content-Type"] == "application/json"


def test_log_messages_are_for_who_asks(served: Server[Any]) -> None:
    name = "test_logging_tool"
    assert stream(served, "tools/call", STREAM, name=name)[1] == []
    level = "io.modelcontextprotocol/logLevel"
    assert stream(served, "tools/call", STREAM, name=name, meta={level: "error"})[1] == []
    events = stream(served, "tools/call", STREAM, name=name, meta={level: "info"})[1]
    assert events[0]["params"] == {"level": "info", "data": "Called."}


def test_a_request_ends_in_time(served: Server[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "REQUEST_SECONDS", 0.05)
    reply, events = stream(
        served,
        "tools/call",
        STREAM,
        name="wait_until_gone",
        arguments={"note": "n"},
        meta={"progressToken": 7},
    )
    assert reply is None
    assert events[-1]["error"] == {"code": -32603, "message": "The request timed out."}
    assert conformance_plugin.job_file("n").read_text() == "stopped"


def test_a_tool_ends_in_time(served: Server[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "CALL_SECONDS", 0.05)
    result = call(served, "wait_until_gone", arguments={"note": "n"})
    assert result["structuredContent"]["error"]["code"] == "unavailable"
    # It has no argument by which it asks for less.
    assert result["structuredContent"]["error"]["hint"].startswith("Ask for less at once")


def test_what_a_request_began_is_broken_off_when_it_is_answered(served: Server[Any]) -> None:
    ended: list[str] = []
    headers, body = request("tools/call", name="wait_until_gone", arguments={"note": "n"})
    identity, policy = sender()
    identity = replace(identity, end=lambda: ended.append("end"))

    async def answer_and_go_away() -> None:
        await exchange(served, *request("tools/list"), identity, policy)
        assert ended == ["end"]
        work = asyncio.ensure_future(exchange(served, headers, body, identity, policy))
        await asyncio.sleep(0.05)
        assert ended == ["end"]
        work.cancel()
        await asyncio.wait([work])

    asyncio.run(answer_and_go_away())
    assert ended == ["end", "end"]


def test_the_watcher_hears_of_a_client_that_went_away(
    catalogue: Catalogue, served: Server[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[str] = []
    monkeypatch.setattr(catalogue.watchers, "tell", lambda made: heard.append(made.outcome))
    headers, body = request("tools/call", name="wait_until_gone", arguments={"note": "n"})

    async def go_away() -> None:
        work = asyncio.ensure_future(exchange(served, headers, body, *sender()))
        await asyncio.sleep(0.05)
        work.cancel()
        await asyncio.wait([work])

    asyncio.run(go_away())
    assert heard == ["cancelled"]
    assert conformance_plugin.job_file("n").read_text() == "stopped"


def test_content_has_no_structure(served: Server[Any]) -> None:
    result = call(served, "test_multiple_content_types")
    assert [block["type"] for block in result["content"]] == ["text", "image", "resource"]
    assert "structuredContent" not in result
    listed = ask(served, "tools/list")[1]["result"]["tools"]
    described = {tool["name"]: tool for tool in listed}
    assert "outputSchema" not in described["test_multiple_content_types"]
    assert "outputSchema" not in described["slow_compute"]
    assert described["trigger_dag"]["outputSchema"]["type"] == "object"


def test_a_tool_may_bring_its_schema(served: Server[Any]) -> None:
    name = "json_schema_2020_12_tool"
    right = {"name": "Ada", "contactMethod": "phone", "phone": "1"}
    assert call(served, name, arguments=right)["structuredContent"]["said"] == right
    wrong = call(served, name, arguments={"contactMethod": "phone", "email": "a@b.c", "colour": "red"})
    assert wrong["structuredContent"]["error"]["code"] == "invalid_argument"
    assert "colour" in wrong["content"][0]["text"]
    assert "phone" in wrong["content"][0]["text"]


def test_a_tool_with_its_own_schema_takes_it_in_one_argument() -> None:
    @tool(access="read", input_schema={"type": "object"})
    async def broken(name: str) -> Said:
        """Break."""
        return Said(said=name)

    with pytest.raises(TypeError, match="`arguments`"):
        bind_tool(broken, toolset="t", owner="o")


def test_answers_of_earlier_rounds_are_kept(served: Server[Any]) -> None:
    name = "test_input_required_result_multi_round"
    first = call(served, name, FORMS)
    assert list(first["inputRequests"]) == ["step1"]
    ada = {"action": "accept", "content": {"name": "Ada"}}
    second = call(served, name, FORMS, inputResponses={"step1": ada}, requestState=first["requestState"])
    assert list(second["inputRequests"]) == ["step2"]
    blue = {"action": "accept", "content": {"color": "blue"}}
    third = call(served, name, FORMS, inputResponses={"step2": blue}, requestState=second["requestState"])
    assert third["structuredContent"]["said"] == {"step1": ada, "step2": blue}


def test_the_state_of_a_call_is_its_users_and_its_arguments(served: Server[Any]) -> None:
    name = "test_input_required_result_request_state"
    state = call(served, name, FORMS)["requestState"]
    answer = {"confirm": {"action": "accept", "content": {"ok": True}}}
    changes: list[dict[str, Any]] = [
        {"by": sender("2")},
        {"requestState": state + "x"},
        {"arguments": {"more": 1}},
    ]
    for change in changes:
        params = {"name": name, "inputResponses": answer, "requestState": state, **change}
        status, refused = ask(served, "tools/call", FORMS, **params)
        assert (status, refused["error"]["code"]) == (400, -32602)
    assert "state-ok" in str(call(served, name, FORMS, inputResponses=answer, requestState=state))


def test_a_confirmed_call_that_asks_is_not_confirmed_again(catalogue: Catalogue) -> None:
    @tool(access="destructive")
    async def delete_after_asking(client: Client) -> Said:
        """Ask, then delete."""
        return Said(said=client.ask(why=form("Why?", reason="string")))

    bound = bind_tool(delete_after_asking, toolset="t", owner="o")
    served = build.build_server(Catalogue(tools={bound.name: bound}), Confirmations(SECRET))
    first = call(served, bound.name, FORMS)
    assert list(first["inputRequests"]) == ["confirm"]
    yes = {"confirm": {"action": "accept", "content": {"confirm": True}}}
    second = call(served, bound.name, FORMS, inputResponses=yes, requestState=first["requestState"])
    assert list(second["inputRequests"]) == ["why"]
    why = {"why": {"action": "accept", "content": {"reason": "Old."}}}
    third = call(served, bound.name, FORMS, inputResponses=why, requestState=second["requestState"])
    assert third["structuredContent"]["said"] == why


def test_who_cannot_be_asked_is_told(served: Server[Any]) -> None:
    status, refused = ask(served, "tools/call", FORMS, name="test_missing_capability")
    assert (status, refused["error"]["code"]) == (400, -32021)
    assert refused["error"]["data"] == {"requiredCapabilities": {"sampling": {}}}
    old = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "test_missing_capability"}}
    reply = anyio.run(exchange, served, [], json.dumps(old).encode(), *sender())
    assert reply is not None
    result = json.loads(reply.body)["result"]
    assert result["structuredContent"]["error"]["code"] == "unsupported"


def test_a_job_is_the_users_that_started_it(served: Server[Any]) -> None:
    started = call(served, "slow_compute", TASKS, arguments={"seconds": 60})
    task_id = started["taskId"]
    assert (started["resultType"], started["status"]) == ("task", "working")
    assert ask(served, "tasks/get", TASKS, taskId=task_id)[1]["result"]["status"] == "working"
    for refused in (
        ask(served, "tasks/get", TASKS, taskId=task_id, by=sender("2")),
        ask(served, "tasks/get", TASKS, taskId="nothing"),
        ask(
            served, "tasks/get", TASKS, taskId=task_id, by=sender(disabled_tools=frozenset({"slow_compute"}))
        ),
        ask(served, "tasks/cancel", TASKS, taskId=task_id, by=sender(toolsets=frozenset({"runs"}))),
        ask(served, "tasks/cancel", TASKS, taskId=task_id, by=sender(read_only=True)),
    ):
        assert (refused[0], refused[1]["error"]["code"]) == (400, -32602)
    assert ask(served, "tasks/get", TASKS, taskId=task_id, by=sender(read_only=True))[0] == 200
    assert ask(served, "tasks/cancel", TASKS, taskId=task_id)[1]["result"]["resultType"] == "complete"
    assert ask(served, "tasks/get", TASKS, taskId=task_id)[1]["result"]["status"] == "cancelled"


def test_a_veto_holds_for_jobs(served: Server[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    task_id = call(served, "slow_compute", TASKS, arguments={"seconds": 60})["taskId"]

    async def drop(_: Any, tools: list[Any], __: Any) -> list[Any]:
        return [tool for tool in tools if tool.name != "slow_compute"]

    monkeypatch.setattr(server_request, "drop_vetoed", drop)
    status, refused = ask(served, "tasks/cancel", TASKS, taskId=task_id)
    assert (status, refused["error"]["code"]) == (400, -32602)


def test_a_task_header_must_name_the_task(served: Server[Any]) -> None:
    task_id = call(served, "slow_compute", TASKS, arguments={"seconds": 60})["taskId"]
    headers, body = request("tasks/get", TASKS, taskId=task_id)
    for changed in (headers[:-1], [*headers[:-1], ("Mcp-Name", "other")]):
        reply = anyio.run(exchange, served, changed, body, *sender())
        assert reply is not None
        assert reply.status == 400
        assert json.loads(reply.body)["error"]["code"] == -32020


def test_an_argument_header_is_checked_for_the_caller(served: Server[Any]) -> None:
    headers, body = request("tools/call", name="test_custom_header", arguments={"region": "north"})
    wrong = [*headers, ("Mcp-Param-Region", "south")]
    reply = anyio.run(exchange, served, wrong, body, *sender())
    assert reply is not None
    assert (reply.status, json.loads(reply.body)["error"]["code"]) == (400, -32020)
    right = [*headers, ("Mcp-Param-Region", "north")]
    reply = anyio.run(exchange, served, right, body, *sender())
    assert reply is not None
    assert json.loads(reply.body)["result"]["structuredContent"] == {"said": "north"}
    # Of a tool that the caller is not offered, not even the schema is told.
    off = sender(disabled_tools=frozenset({"test_custom_header"}))
    reply = anyio.run(exchange, served, wrong, body, *off)
    assert reply is not None
    assert json.loads(reply.body)["error"]["message"] == "Unknown tool: test_custom_header"


def test_a_read_token_does_not_write(served: Server[Any]) -> None:
    opened: list[str] = []

    def open_it(access: Literal["read", "write"]) -> Airflow:
        opened.append(access)
        return open_airflow(lambda _: httpx.Response(404), access)

    identity = Identity(Caller("1", "ada"), open_it, frozenset({"airflow:read"}))
    by = (identity, Policy())
    names = {tool["name"] for tool in ask(served, "tools/list", by=by)[1]["result"]["tools"]}
    assert "greet" in names
    assert not names & {"slow_compute", "pause_dag", "delete_dag"}
    refused = ask(served, "tools/call", by=by, name="slow_compute")[1]["result"]["structuredContent"]
    assert refused["error"]["code"] == "read_only"
    assert "airflow:write" in refused["error"]["hint"]
    writer = (Identity(Caller("1", "ada"), identity.open_airflow, frozenset({"airflow:write"})), Policy())
    opened.clear()
    ask(served, "tools/call", TASKS, by=writer, name="slow_compute", arguments={"seconds": 60})
    assert opened == ["write"]


def test_what_is_unavailable_is_503(served: Server[Any]) -> None:
    def gone(access: Literal["read", "write"]) -> Airflow:
        return open_airflow(lambda _: httpx.Response(503, json={"detail": "The database is gone."}), access)

    by = (Identity(Caller("1", "ada"), gone), Policy())
    status, refused = ask(served, "resources/read", by=by, uri="airflow://version")
    assert (status, refused["error"]["code"]) == (503, -32603)
    assert (refused["error"]["data"]["code"], refused["error"]["data"]["retryable"]) == ("unavailable", True)
    status, answer = ask(served, "tools/call", by=by, name="list_pools")
    assert status == 200
    error = answer["result"]["structuredContent"]["error"]
    assert (error["code"], error["retryable"]) == ("unavailable", True)


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("tools/call", {"name": "x" * 1_000_000}),
        ("prompts/get", {"name": "x" * 1_000_000}),
        ("resources/read", {"uri": "airflow://" + "x" * 1_000_000}),
        ("tools/call", {"name": "get_dag", "arguments": {"x" * 1_000_000: 1}}),
        ("tools/call", {"name": "get_dag", "arguments": {"dag_id": "x" * 1_000_000}}),
        ("tools/call", {"name": "clear_dag_run", "arguments": {"confirmation_token": "9" * 5000}}),
        ("tasks/get", {"taskId": "x" * 1_000_000}),
        ("prompts/get", {"name": "daily_health_check", "arguments": {"x" * 1_000_000: "1"}}),
    ],
)
def test_an_answer_repeats_no_more_than_it_must(
    served: Server[Any], method: str, params: dict[str, Any]
) -> None:
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    headers, body = [], json.dumps(message).encode()
    reply = anyio.run(exchange, served, headers, body, *sender(max_result_chars=5000))
    assert reply is not None
    assert len(reply.body) < 20_000
    assert b'"internal"' not in reply.body


def test_errors_and_notifications_lose_what_nobody_sees(served: Server[Any]) -> None:
    """A tag, a zero-width space and a token of GitHub's, sent by the caller and reported by a tool."""
    hidden = "ab\u200bc\U000e0041" + " ghp_" + "a1B2" * 9

    @tool(access="read")
    async def report(client: Client) -> Said:
        """Report what others wrote."""
        await client.progress(1, 2, hidden)
        await client.log("info", {"line": hidden})
        return Said(said=None)

    bound = bind_tool(report, toolset="t", owner="o")
    other = build.build_server(Catalogue(tools={bound.name: bound}), Confirmations(SECRET))
    meta = {"progressToken": "a\u200bb", "io.modelcontextprotocol/logLevel": "info"}
    events = stream(other, "tools/call", STREAM, name="report", meta=meta)[1]
    progress, logged = events[0]["params"], events[1]["params"]
    assert progress["progressToken"] == "a\u200bb"
    for text in (progress["message"], logged["data"]["line"]):
        assert text.startswith("abc ")
        assert "a1B2" not in text
    error = ask(served, "prompts/get", name=hidden)[1]["error"]
    assert "abc " in error["message"]
    assert "a1B2" not in error["message"]


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("prompts/get", {"name": "daily_health_check"}),
        ("prompts/list", {}),
        ("tools/list", {}),
        ("resources/read", {"uri": "test://static-text"}),
        (
            "completion/complete",
            {
                "ref": {"type": "ref/prompt", "name": "explain_dag_to_oncall"},
                "argument": {"name": "dag_id", "value": "x"},
            },
        ),
        ("tasks/get", {"taskId": "x"}),
    ],
)
def test_all_that_costs_is_counted(catalogue: Catalogue, method: str, params: dict[str, Any]) -> None:
    served = build.build_server(catalogue, Confirmations(SECRET))
    by = sender(calls_per_minute=1)
    assert ask(served, "ping", by=by)[0] in {200, 404}
    first = ask(served, method, TASKS, by=by, **params)[1]
    assert first.get("error", {}).get("data", {}).get("code") != "rate_limited"
    error = ask(served, method, TASKS, by=by, **params)[1]["error"]
    assert error["data"]["code"] == "rate_limited"
    assert error["data"]["retry_after_seconds"] > 0
    assert ask(served, method, TASKS, by=sender("2", calls_per_minute=1), **params)[1] == first


def test_a_client_is_told_by_which_words_and_how_large() -> None:
    @tool(access="read", keywords=["postmortem", "incident"])
    async def get_review() -> Said:
        """Get the review."""
        return Said(said=None)

    @tool(access="read", search_hint="blame", open_world=True)
    async def get_story() -> Said:
        """Get the story."""
        return Said(said=None)

    tools = {each.__name__: bind_tool(each, toolset="t", owner="o") for each in (get_review, get_story)}
    served = build.build_server(Catalogue(tools=tools), Confirmations(SECRET))
    listed = ask(served, "tools/list", by=sender(max_result_chars=1234))[1]["result"]["tools"]
    by_name = {each["name"]: each for each in listed}
    assert by_name["get_review"]["description"] == "Get the review.\nAlso: postmortem, incident."
    assert by_name["get_review"]["_meta"] == {"anthropic/searchHint": "Get review: postmortem, incident"}
    assert by_name["get_story"]["description"] == "Get the story."
    assert by_name["get_story"]["_meta"] == {
        "anthropic/maxResultSizeChars": 1234,
        "anthropic/searchHint": "blame",
    }


def test_a_prompts_arguments(served: Server[Any]) -> None:
    listed = ask(served, "prompts/list")[1]["result"]["prompts"]
    arguments = {prompt["name"]: prompt.get("arguments", []) for prompt in listed}
    assert arguments["test_prompt_with_arguments"] == [
        {"name": "arg1", "description": "First test argument.", "required": True},
        {"name": "arg2", "description": "Second test argument.", "required": True},
    ]
    assert arguments["test_input_required_result_prompt"] == []
    for given, said in (
        ({"arg1": "x"}, "arg2 is required"),
        ({"arg1": "x", "arg2": "y", "z": "1"}, "z is not"),
    ):
        _, refused = ask(served, "prompts/get", name="test_prompt_with_arguments", arguments=given)
        assert refused["error"]["code"] == -32602
        assert said in refused["error"]["message"]


def test_a_binary_resource(served: Server[Any]) -> None:
    answer = ask(served, "resources/read", uri="test://static-binary")[1]["result"]["contents"][0]
    assert answer["mimeType"] == "image/png"
    assert answer["blob"].startswith("iVBOR")


@pytest.mark.parametrize("where", ["meta", "header"])
def test_a_trace_goes_on(catalogue: Catalogue, where: str) -> None:
    seen: list[str] = []

    @tool(access="read")
    async def get_trace() -> Said:
        """Look at the trace."""
        seen.append(f"{get_current_span().get_span_context().trace_id:032x}")
        return Said(said=1)

    bound = bind_tool(get_trace, toolset="t", owner="o")
    served = build.build_server(Catalogue(tools={bound.name: bound}), Confirmations(SECRET))
    trace = "0af7651916cd43dd8448eb211c80319c"
    parent = {"traceparent": f"00-{trace}-b7ad6b7169203331-01"}
    headers, body = request("tools/call", name="get_trace", meta=parent if where == "meta" else {})
    anyio.run(exchange, served, [*headers, *(parent.items() if where == "header" else [])], body, *sender())
    assert seen == [trace]
    assert get_current_span().get_span_context().trace_id == 0


@pytest.fixture(scope="module")
def all_spans() -> InMemorySpanExporter:
    """Keep the spans of this process, whose tracer provider can be set but once."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return exporter


@pytest.fixture
def spans(all_spans: InMemorySpanExporter) -> InMemorySpanExporter:
    all_spans.clear()
    return all_spans


@pytest.mark.parametrize("where", ["meta", "header"])
def test_the_spans_of_a_request_are_children_of_the_callers(
    served: Server[Any], spans: InMemorySpanExporter, where: str
) -> None:
    parent = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
    headers, body = request("tools/list", meta=parent if where == "meta" else {})
    anyio.run(exchange, served, [*headers, *(parent.items() if where == "header" else [])], body, *sender())
    (span,) = spans.get_finished_spans()
    assert span.parent is not None
    assert f"{span.context.trace_id:032x}-{span.parent.span_id:016x}" in parent["traceparent"]
    assert "tools/list" in span.name


def test_the_instructions_are_short() -> None:
    assert len(build.INSTRUCTIONS.split()) <= 120
    assert len(build.ICON) < 300


def test_own_origins() -> None:
    assert own_origins("https://air.example/flow", "http", "evil.example") == {"https://air.example", None}
    assert "http://[::1]:8080" in own_origins("", "http", "[::1]:8080")
    assert own_origins("", "http", "[broken") == {None}


def test_clients_for_tests_answer_what_they_are_given() -> None:
    client = Client(answers={"why": {"action": "decline"}})
    assert client.ask(why=form("Why?", reason="string")) == {"why": {"action": "decline"}}
    anyio.run(client.progress, 1)
    anyio.run(client.log, "info", "Nobody hears.")
    assert Prompt("p", "d", lambda name: name).visible_parameters()[0][0].name == "name"
    assert Toolset("t", "d", []).tools == []


def told_toolsets(served: Server[Any], method: str, by: tuple[Identity, Policy]) -> dict[str, dict[str, Any]]:
    params = {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "t", "version": "1"},
    }
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    if method == "initialize":
        reply = anyio.run(exchange, served, [], json.dumps(message).encode(), *by)
        assert isinstance(reply, Reply)
        result = json.loads(reply.body)["result"]
    else:
        result = ask(served, method, by=by)[1]["result"]
    return {toolset["name"]: toolset for toolset in result["_meta"]["org.apache.airflow/toolsets"]}


@pytest.mark.parametrize("method", ["initialize", "server/discover"])
def test_the_toolsets_that_a_caller_is_offered_are_told(
    served: Server[Any], catalogue: Catalogue, method: str
) -> None:
    told = told_toolsets(served, method, sender())
    assert set(told) == set(catalogue.toolsets)
    assert told["backfills"]["tools"] == ["list_backfills", "create_backfill", "update_backfill"]
    assert told["backfills"]["description"] == "Run Dags for past dates."
    icon = told["backfills"]["icons"][0]
    assert icon["src"].startswith("data:image/svg+xml;base64,")
    assert icon["mimeType"] == "image/svg+xml"
    # A toolset of a stranger need not have one.
    assert "icons" not in told["conformance"]
    # What the policy hides is not told.
    narrowed = told_toolsets(served, method, sender(read_only=True, toolsets=frozenset({"backfills"})))
    assert list(narrowed) == ["backfills"]
    assert narrowed["backfills"]["tools"] == ["list_backfills"]


def test_only_who_asks_what_this_is_is_told_the_toolsets(served: Server[Any]) -> None:
    assert "org.apache.airflow/toolsets" not in json.dumps(ask(served, "tools/list")[1])
