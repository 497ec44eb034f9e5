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
"""The MCP client at the other end of a call: progress, log messages, questions to its user."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from airflow_provider_mcp.sdk.json_types import JSON, JSONObject

LogLevel = Literal["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"]

Notify = Callable[[str, Mapping[str, JSON]], Awaitable[None]]


@dataclass(frozen=True)
class Form:
    """A question to the user: a form whose fields are the properties of a flat JSON schema.

    The answer is ``{"action": "accept" | "decline" | "cancel", "content": {...}}``.
    """

    message: str
    schema: Mapping[str, JSON]


@dataclass(frozen=True)
class Sampling:
    """A question to the client's language model. The answer is ``{"role", "content", "model"}``."""

    prompt: str
    max_tokens: int


@dataclass(frozen=True)
class Roots:
    """The question which folders the client works in. The answer is ``{"roots": [...]}``."""


Question = Form | Sampling | Roots


class AnswersNeeded(Exception):  # noqa: N818 - not an error: the round ends here
    """What :meth:`Client.ask` raises to end this round: the server sends the questions."""

    def __init__(self, questions: Mapping[str, Question]) -> None:
        super().__init__(", ".join(questions))
        self.questions = questions


@dataclass(frozen=True)
class Client:
    """The client that made a call. A parameter of this type is filled in and hidden, as ``Airflow`` is.

    ``Client()`` is one that takes nothing, ``Client(answers={...})`` one that has answered: for tests and
    for calls from other code.

    :param name: What it calls itself.
    :param answers: What it has answered, by the names that :meth:`ask` was given.
    :param answerable: The kinds of questions that it declares to answer.
    :param extensions: The identifiers of the protocol's extensions that it declares.
    :param opens_links: Whether it opens an address for its user when it is asked to.
    :param takes_jobs: Whether a tool may return a :class:`~airflow_provider_mcp.jobs.JobStarted` to it.
    """

    answers: Mapping[str, JSON] = field(default_factory=dict)
    answerable: frozenset[type] = frozenset()
    takes_jobs: bool = False
    opens_links: bool = False
    progress_token: str | int | None = None
    log_levels: frozenset[str] = frozenset()
    notify: Notify | None = None
    name: str | None = None
    extensions: frozenset[str] = frozenset()

    async def progress(self, done: float, total: float | None = None, message: str | None = None) -> None:
        """Report progress, if the client asked for it. ``done`` grows from report to report."""
        if self.notify is None or self.progress_token is None:
            return
        report = {"progressToken": self.progress_token, "progress": done, "total": total, "message": message}
        await self.notify("notifications/progress", {k: v for k, v in report.items() if v is not None})

    async def log(self, level: LogLevel, message: JSON) -> None:
        """Send a log message, if the client takes those of this level."""
        if self.notify is not None and level in self.log_levels:
            await self.notify("notifications/message", {"level": level, "data": message})

    def can_answer(self, kind: type[Question]) -> bool:
        """Say whether the client declares that it answers questions of this kind."""
        return kind in self.answerable

    def ask(self, **questions: Question) -> JSONObject:
        """Return the answers to questions, by name.

        What has not been answered yet is sent to the client, and the whole call begins again when the
        answers are there: ask before anything is changed. A call may ask several times; earlier answers
        are kept until the call is over. A client that does not declare to answer such questions gets an
        error that says so.
        """
        open_questions = {name: q for name, q in questions.items() if name not in self.answers}
        if open_questions:
            raise AnswersNeeded(open_questions)
        return {name: self.answers[name] for name in questions}
