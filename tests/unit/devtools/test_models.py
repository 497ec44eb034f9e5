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
"""The scripted models answer as their APIs do, streamed or not."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

import pytest

from devtools.models.anthropic import Messages
from devtools.models.completions import ChatCompletions
from devtools.models.gemini import GenerateContent
from devtools.models.responses import Responses
from devtools.models.script import Call, Play, Script
from devtools.models.server import ScriptedModel, Wire

TOOL = {"name": "list_dags", "description": "Lists."}


def play(got: list[str]) -> Play:
    got.append((yield Call("list_dags", {"limit": 1})))
    return "Done."


def ask(model: ScriptedModel, path: str, body: dict[str, Any]) -> str:
    request = urllib.request.Request(model.url + path, json.dumps(body).encode())
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as answer:
        text: str = answer.read().decode()
    return text


ANTHROPIC = ("/v1/messages?beta=true", {"model": "m", "tools": [TOOL], "messages": []})
ANTHROPIC_RESULT = {"role": "user", "content": [{"type": "tool_result", "content": "two Dags"}]}
GEMINI = ("/v1beta/models/m:generateContent", {"tools": [{"functionDeclarations": [TOOL]}], "contents": []})
GEMINI_RESULT = {"parts": [{"functionResponse": {"response": {"output": "two Dags"}}}]}
RESPONSES = (
    "/v1/responses",
    {"model": "m", "tools": [{"type": "namespace", "name": "mcp__a", "tools": [TOOL]}], "input": []},
)
RESPONSES_RESULT = {"type": "function_call_output", "output": "two Dags"}
CHAT = ("/v1/chat/completions", {"model": "m", "tools": [{"function": TOOL}], "messages": []})
CHAT_RESULT = {"role": "tool", "content": "two Dags"}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("wire", "request_", "turns", "result", "shown"),
    [
        (Messages(), ANTHROPIC, "messages", ANTHROPIC_RESULT, "list_dags"),
        (GenerateContent(), GEMINI, "contents", GEMINI_RESULT, "list_dags"),
        (Responses(), RESPONSES, "input", RESPONSES_RESULT, "mcp__a__list_dags"),
        (ChatCompletions(), CHAT, "messages", CHAT_RESULT, "list_dags"),
    ],
    ids=["anthropic", "gemini", "responses", "completions"],
)
def test_a_model_plays_a_call_and_keeps_what_it_is_shown(
    wire: Wire,
    request_: tuple[str, dict[str, Any]],
    turns: str,
    result: dict[str, Any],
    shown: str,
    stream: bool,
) -> None:
    path, body = request_
    path = path.replace("generateContent", "streamGenerateContent?alt=sse") if stream else path
    body = {**body, "stream": stream}
    got: list[str] = []
    script = Script(play(got))
    with ScriptedModel(wire, script).serving() as model:
        first = ask(model, path, body)
        # A client that sends its prompt again gets the same call.
        assert "list_dags" in ask(model, path, body)
        last = ask(model, path, {**body, turns: [result]})
    assert "list_dags" in first
    assert "Done." in last
    assert got == ["two Dags"]
    assert [each.name for each in script.definitions] == [shown]
    assert script.fault is None


def test_a_request_without_tools_and_one_that_is_no_prompt_take_no_turn() -> None:
    script = Script(play([]))
    with ScriptedModel(Messages(), script).serving() as model:
        title = ask(model, "/v1/messages", {"model": "m", "messages": []})
        assert json.loads(ask(model, "/v1/messages/count_tokens", {}))["input_tokens"]
    assert json.loads(title)["content"][0]["text"] == "Airflow"
    assert not script.prompts
    assert model.others == ["/v1/messages/count_tokens"]


def test_what_goes_wrong_in_a_play_is_kept_for_the_test() -> None:
    def fails() -> Play:
        yield Call("list_dags", {})
        raise ValueError("not what was expected")

    script = Script(fails())
    path, body = CHAT
    with ScriptedModel(ChatCompletions(), script).serving() as model:
        ask(model, path, body)
        with pytest.raises(urllib.error.HTTPError):
            ask(model, path, {**body, "messages": [CHAT_RESULT]})
    assert isinstance(script.fault, ValueError)
