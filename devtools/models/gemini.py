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
"""The Gemini API, as Gemini CLI speaks it."""

from __future__ import annotations

import json
from typing import ClassVar

from airflow_provider_mcp.sdk.json_types import JSON, JSONObject
from devtools.models.script import Call, Definition, Prompt
from devtools.models.server import Reply


class GenerateContent:
    """``POST .../models/<model>:generateContent`` and ``:streamGenerateContent``."""

    other: ClassVar[JSON] = {"totalTokens": 1, "models": []}

    def read(self, path: str, body: JSONObject) -> Prompt | None:
        method = path.partition("?")[0].rpartition(":")[2]
        if method not in {"generateContent", "streamGenerateContent"}:
            return None
        groups = [
            tool["functionDeclarations"] for tool in body.get("tools", ()) if "functionDeclarations" in tool
        ]
        definitions = [Definition(each["name"], each) for group in groups for each in group]
        parts = [part for content in body["contents"] for part in content.get("parts", ())]
        return Prompt(
            definitions,
            [_text(part["functionResponse"]) for part in parts if "functionResponse" in part],
            body,
            method == "streamGenerateContent",
        )

    def write(self, prompt: Prompt, answer: Call | str) -> Reply:
        part: JSONObject
        if isinstance(answer, Call):
            part = {"functionCall": {"name": answer.name, "args": answer.arguments}}
        else:
            part = {"text": answer}
        candidate = {"content": {"role": "model", "parts": [part]}, "finishReason": "STOP", "index": 0}
        usage = {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2}
        response: JSONObject = {"candidates": [candidate], "usageMetadata": usage}
        return Reply.of_events([response]) if prompt.streams else Reply.of_json(response)


def _text(result: JSONObject) -> str:
    response = result["response"]
    output = response.get("output", response.get("error"))
    return output if isinstance(output, str) else json.dumps(response, ensure_ascii=False)
