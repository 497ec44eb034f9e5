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
"""The Messages API of Anthropic, as Claude Code speaks it."""

from __future__ import annotations

import json
from secrets import token_hex
from typing import ClassVar

from airflow_provider_mcp.sdk.json_types import JSON, JSONObject
from devtools.models.script import Call, Definition, Prompt
from devtools.models.server import Reply


class Messages:
    """``POST /v1/messages``, streamed or not."""

    other: ClassVar[JSON] = {"input_tokens": 1, "data": []}

    def read(self, path: str, body: JSONObject) -> Prompt | None:
        if path.partition("?")[0] != "/v1/messages":
            return None
        definitions = [Definition(tool["name"], tool) for tool in body.get("tools", ())]
        blocks = [
            block
            for message in body["messages"]
            if isinstance(message["content"], list)
            for block in message["content"]
        ]
        return Prompt(
            definitions,
            [_text(block) for block in blocks if block["type"] == "tool_result"],
            body,
            bool(body.get("stream")),
        )

    def write(self, prompt: Prompt, answer: Call | str) -> Reply:
        block: JSONObject
        if isinstance(answer, Call):
            block = {
                "type": "tool_use",
                "id": f"toolu_{token_hex(8)}",
                "name": answer.name,
                "input": answer.arguments,
            }
        else:
            block = {"type": "text", "text": answer}
        reason = "tool_use" if isinstance(answer, Call) else "end_turn"
        message: JSONObject = {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": prompt.body["model"],
            "content": [block],
            "stop_reason": reason,
            "stop_sequence": None,
            "usage": {"input_tokens": 1, "output_tokens": 1},
        }
        if not prompt.streams:
            return Reply.of_json(message)
        if isinstance(answer, Call):
            empty, delta = {**block, "input": {}}, {"type": "input_json_delta"}
            delta["partial_json"] = json.dumps(answer.arguments)
        else:
            empty, delta = {**block, "text": ""}, {"type": "text_delta", "text": answer}
        events: list[JSONObject] = [
            {"type": "message_start", "message": {**message, "content": [], "stop_reason": None}},
            {"type": "content_block_start", "index": 0, "content_block": empty},
            {"type": "content_block_delta", "index": 0, "delta": delta},
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": 1}},
            {"type": "message_stop"},
        ]
        return Reply.of_events(events, named=True)


def _text(result: JSONObject) -> str:
    content = result.get("content", "")
    if isinstance(content, str):
        return content
    return "\n".join(part["text"] if part["type"] == "text" else json.dumps(part) for part in content)
