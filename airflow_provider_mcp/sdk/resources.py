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
"""What a resource is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from airflow_provider_mcp.sdk.json_types import JSON


@dataclass(frozen=True)
class Resource:
    """A resource or, with ``{parameters}`` in its URI, a resource template.

    ``read`` takes the client and the parameters and returns JSON-ready data, text or bytes.

    :param tools: The tools that give the same, or that it is about: it is offered while all of them are.
    """

    uri: str
    name: str
    description: str
    read: Callable[..., Awaitable[JSON]]
    mime_type: str = "application/json"
    title: str | None = None
    tools: Sequence[str] = ()
