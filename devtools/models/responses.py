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
"""OpenAI's Responses API, as Codex CLI speaks it."""

from __future__ import annotations

import json
from secrets import token_hex
from typing import ClassVar

from airflow_provider_mcp.sdk.json_types import JSON, JSONObject
from devtools.models.script import Call, Definition, Prompt
from devtools.models.server import Reply


class Responses:
    """``POST .../responses``, streamed."""

    other: ClassVar[JSON] = {"object": "list", "data": [], "models": []}

    def read(self, path: str, body: JSONObject) -> Prompt | None:
        if not path.partition("?")[0].endswith("/responses"):
            return None
        definitions = []
        for tool in body.get("tools", ()):
            if tool["type"] == "namespace":
                definitions += [Definition(f"{tool['name']}__{each['name']}", each) for each in tool["tools"]]
            else:
                definitions.append(Definition(tool.get("name", tool["type"]), tool))
        outputs = [item for item in body["input"] if item.get("type") == "function_call_output"]
        return Prompt(definitions, [_text(item["output"]) for item in outputs], body, True)

    def write(self, prompt: Prompt, answer: Call | str) -> Reply:
        item: JSONObject
        number = token_hex(8)
        if isinstance(answer, Call):
            item = {
                "type": "function_call",
                "id": f"fc_{number}",
                "call_id": f"call_{number}",
                "name": answer.name,
                "arguments": json.dumps(answer.arguments),
                "status": "completed",
            }
            for tool in prompt.body.get("tools", ()):
                # A call of a tool in a namespace names both.
                if tool["type"] == "namespace" and answer.name.startswith(f"{tool['name']}__"):
                    item |= {"namespace": tool["name"], "name": answer.name[len(tool["name"]) + 2 :]}
        else:
            text = {"type": "output_text", "text": answer, "annotations": []}
            item = {
                "type": "message",
                "id": f"msg_{number}",
                "role": "assistant",
                "status": "completed",
                "content": [text],
            }
        response: JSONObject = {"id": f"resp_{number}", "object": "response", "model": prompt.body["model"]}
        usage = {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}
        events: list[JSONObject] = [
            {"type": "response.created", "response": {**response, "status": "in_progress", "output": []}},
            {"type": "response.output_item.added", "output_index": 0, "item": item},
            {"type": "response.output_item.done", "output_index": 0, "item": item},
            {
                "type": "response.completed",
                "response": {**response, "status": "completed", "output": [item], "usage": usage},
            },
        ]
        return Reply.of_events(events, named=True)


def _text(output: JSON) -> str:
    if isinstance(output, str):
        return output
    return "\n".join(part["text"] if "text" in part else json.dumps(part) for part in output)
