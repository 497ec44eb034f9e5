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
"""What a result or a prompt may hold beside JSON: text, images, sounds, embedded resources."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Image:
    """A picture."""

    data: bytes
    mime_type: str = "image/png"


@dataclass(frozen=True)
class Audio:
    """A sound."""

    data: bytes
    mime_type: str = "audio/wav"


@dataclass(frozen=True)
class Embedded:
    """A resource, carried whole."""

    uri: str
    content: str | bytes
    mime_type: str = "text/plain"


Part = str | Image | Audio | Embedded


@dataclass(frozen=True)
class Content:
    """A tool's result that is not data: the tool has no output schema and no structured content."""

    parts: Sequence[Part]


@dataclass(frozen=True)
class Message:
    """One message of a prompt."""

    content: Part
    role: Literal["user", "assistant"] = "user"
