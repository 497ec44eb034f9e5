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
"""The HTTP server of a scripted model."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar, Protocol

from airflow_provider_mcp.sdk.json_types import JSON, JSONObject
from devtools.models.script import Call, Prompt, Script


@dataclass(frozen=True)
class Reply:
    """The body of an answer, and its type."""

    body: bytes
    type: str = "application/json"

    @classmethod
    def of_json(cls, value: JSON) -> Reply:
        return cls(json.dumps(value).encode())

    @classmethod
    def of_events(cls, events: list[JSONObject], *, named: bool = False, done: bool = False) -> Reply:
        """Return server-sent events.

        :param named: Repeat each event's ``type`` as its name.
        :param done: End with OpenAI's ``[DONE]``.
        """
        names = [f"event: {each['type']}\n" if named else "" for each in events]
        lines = [f"{name}data: {json.dumps(each)}\n\n" for name, each in zip(names, events, strict=True)]
        return cls("".join([*lines, "data: [DONE]\n\n" if done else ""]).encode(), "text/event-stream")


class Wire(Protocol):
    """The API of a model."""

    other: ClassVar[JSON]
    """The answer to any other request: for a list of models, a count of tokens."""

    def read(self, path: str, body: JSONObject) -> Prompt | None:
        """Return the prompt of a request; None for one that asks for no answer of the model."""

    def write(self, prompt: Prompt, answer: Call | str) -> Reply:
        """Return the answer to a prompt."""


@dataclass
class ScriptedModel:
    """A model on a loopback port."""

    wire: Wire
    script: Script
    port: int = 0
    others: list[str] = field(default_factory=list)
    """The paths of requests that were no prompts."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @contextmanager
    def serving(self) -> Iterator[ScriptedModel]:
        """Answer meanwhile."""
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    def answer(self, path: str, body: JSONObject) -> Reply:
        prompt = self.wire.read(path, body)
        if prompt is None:
            self.others.append(path)
            return Reply.of_json(self.wire.other)
        return self.wire.write(prompt, self.script.answer(prompt))


def _handler(model: ScriptedModel) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Stay quiet."""

        def do_GET(self) -> None:
            self._answer({})

        def do_POST(self) -> None:
            self._answer(json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}"))

        do_HEAD = do_GET  # noqa: N815

        def _answer(self, body: JSONObject) -> None:
            try:
                status, reply = 200, model.answer(self.path, body)
            except Exception as fault:
                # The test raises it: a client would only say that its model is ill.
                model.script.fault = fault
                status, reply = 400, Reply.of_json({"error": {"message": repr(fault)}})
            self.send_response(status)
            self.send_header("Content-Type", reply.type)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(reply.body)

    return Handler
