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
"""What a prompt is."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import pydantic

from airflow_provider_mcp.sdk.content import Message
from airflow_provider_mcp.sdk.injection import INJECTED


@dataclass(frozen=True)
class Prompt:
    """A prompt: a function from its (string) arguments to the text or the messages that the user sends.

    An argument is described by ``Annotated[str, Field(description=...)]``. ``Airflow``, ``Caller`` and
    ``Client`` are filled in, as for a tool; the function may be ``async``.

    :param tools: The tools that give the same, or that it is about: it is offered while all of them are.
    """

    name: str
    description: str
    function: Callable[..., str | Sequence[Message] | Awaitable[str | Sequence[Message]]]
    title: str | None = None
    tools: Sequence[str] = ()

    def visible_parameters(self) -> list[tuple[inspect.Parameter, str | None]]:
        """Return the parameters that the user fills in, with their descriptions."""
        hints = typing.get_type_hints(self.function, include_extras=True)
        visible = []
        for parameter in inspect.signature(self.function).parameters.values():
            hint = hints.get(parameter.name)
            if hint in INJECTED:
                continue
            notes = [n for n in getattr(hint, "__metadata__", ()) if isinstance(n, pydantic.fields.FieldInfo)]
            visible.append((parameter, notes[0].description if notes else None))
        return visible
