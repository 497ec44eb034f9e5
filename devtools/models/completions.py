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
"""OpenAI's Chat Completions API, as opencode speaks it to a provider of one's own."""

from __future__ import annotations

import json
from secrets import token_hex
from typing import ClassVar

from airflow_provider_mcp.sdk.json_types import JSON, JSONObject
from devtools.models.script import Call, Definition, Prompt
from devtools.models.server import Reply


class ChatCompletions:
    """``POST .../chat/completions``, streamed or not."""

    other: ClassVar[JSON] = {"object": "list", "data": []}

    def read(self, path: str, body: JSONObject) -> Prompt | None:
        if not path.partition("?")[0].endswith("/chat/completions"):
            return None
        definitions = [Definition(tool["function"]["name"], tool) for tool in body.get("tools", ())]
        results = [message for message in body["messages"] if message["role"] == "tool"]
        return Prompt(
            definitions, [_text(message["content"]) for message in results], body, bool(body.get("stream"))
        )

    def write(self, prompt: Prompt, answer: Call | str) -> Reply:
        message: JSONObject = {"role": "assistant", "content": None if isinstance(answer, Call) else answer}
        if isinstance(answer, Call):
            function = {"name": answer.name, "arguments": json.dumps(answer.arguments)}
            call = {
                "index": 0,
                "id": f"call_{token_hex(8)}",
                "type": "function",
                "function": function,
            }
            message["tool_calls"] = [call]
        reason = "tool_calls" if isinstance(answer, Call) else "stop"
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        response: JSONObject = {"id": "chatcmpl-1", "created": 1, "model": prompt.body["model"]}
        if not prompt.streams:
            choice = {"index": 0, "message": message, "finish_reason": reason}
            return Reply.of_json(
                {**response, "object": "chat.completion", "choices": [choice], "usage": usage}
            )
        chunk = {**response, "object": "chat.completion.chunk"}
        return Reply.of_events(
            [
                {**chunk, "choices": [{"index": 0, "delta": message, "finish_reason": None}]},
                {**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": reason}], "usage": usage},
            ],
            done=True,
        )


def _text(content: JSON) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(part.get("text", "") for part in content)
