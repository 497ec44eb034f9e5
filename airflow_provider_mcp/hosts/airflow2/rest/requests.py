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
"""The requests to both APIs, and what a rewrite of one to the other is."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote

from airflow_provider_mcp.sdk.json_types import JSON, JSONObject

Query = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class V2Request:
    """A request in Airflow 3's terms.

    :param path: Relative to ``/api/v2/``, percent-encoded as it was received.
    :param parts: The parts of the path that its route names, percent-encoded too.
    """

    method: str
    path: str
    query: Query = ()
    body: JSON = None
    parts: Mapping[str, str] = field(default_factory=dict)

    def identifier(self, name: str) -> str:
        """Return a part of the path as the identifier that it stands for."""
        return unquote(self.parts[name])

    @property
    def fields(self) -> JSONObject:
        """The fields of the body that have a value: v1 takes no null for "not given"."""
        return {name: value for name, value in (self.body or {}).items() if value is not None}


@dataclass(frozen=True)
class V1Request:
    """A request to Airflow 2's API.

    :param path: Relative to ``/api/v1/``, percent-encoded.
    """

    method: str
    path: str
    query: Query = ()
    body: JSON = None


Rewriting = Generator[V1Request, JSON, JSON]
"""Yields requests to v1, is sent the content of each answer, and returns the content of the v2 answer.

The content is decoded JSON, or text. It is sent that of a success only.
"""

Rewrite = Callable[[V2Request], Rewriting]


def get(path: str, query: Query = ()) -> V1Request:
    """Return a request that reads."""
    return V1Request("GET", path, query)


def post(path: str, body: JSON) -> V1Request:
    """Return a request that creates or acts."""
    return V1Request("POST", path, (), body)


def patch(path: str, body: JSON, query: Query = ()) -> V1Request:
    """Return a request that changes."""
    return V1Request("PATCH", path, query, body)
