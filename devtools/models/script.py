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
"""What a scripted model plays, and what it keeps of what the client sent, whatever the API."""

from __future__ import annotations

import json
import threading
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import TypeAlias

from airflow_provider_mcp.sdk.json_types import JSON, JSONObject


@dataclass(frozen=True)
class Call:
    """A tool call of the model."""

    name: str
    """As the client names the tool to its model."""
    arguments: JSONObject


MOST_PROMPTS = 400
"""A client that sends a prompt again and again would never end."""

Play: TypeAlias = Generator[Call, str, str]
"""It yields calls, gets the text of each result as the model gets it, and returns the last words."""


@dataclass(frozen=True)
class Definition:
    """A tool as a client shows it to its model."""

    name: str
    payload: JSON
    """As it was sent."""

    @property
    def text(self) -> str:
        return json.dumps(self.payload, ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True)
class Prompt:
    """One request of a client to its model."""

    definitions: list[Definition]
    results: list[str]
    """The results of all calls so far, the oldest first."""
    body: JSONObject
    """The whole request."""
    streams: bool
    """Whether the answer is to be streamed."""


@dataclass
class Script:
    """Plays a play to a client, one call in an answer.

    How far it is shows in the prompt: a request that is sent again gets the same answer.
    """

    play: Play
    prompts: list[Prompt] = field(default_factory=list)
    answers: list[Call | str] = field(default_factory=list)
    results: list[str] = field(default_factory=list)
    """The result of each call, as the client gave it to its model first."""
    fault: BaseException | None = None
    """What went wrong: in the play, or in reading a request."""
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def answer(self, prompt: Prompt) -> Call | str:
        """Return the model's next call, or its last words."""
        if not prompt.definitions:
            # A title for the session, a topic, a summary: the client asks without tools.
            return "Airflow"
        with self._lock:
            self.prompts.append(prompt)
            step = len(prompt.results)
            if len(self.prompts) > MOST_PROMPTS:
                raise RuntimeError(f"the client sent more than {MOST_PROMPTS} prompts; it has {step} results")
            if step == len(self.answers):
                self.results.extend(prompt.results[len(self.results) :])
                self.answers.append(self._go_on())
            return self.answers[min(step, len(self.answers) - 1)]

    def _go_on(self) -> Call | str:
        try:
            return self.play.send(self.results[-1]) if self.results else next(self.play)
        except StopIteration as end:
            return str(end.value)

    @property
    def definitions(self) -> list[Definition]:
        """The tools that the model has been shown, the last definition of each."""
        return list({each.name: each for prompt in self.prompts for each in prompt.definitions}.values())
