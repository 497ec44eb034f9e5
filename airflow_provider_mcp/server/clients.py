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
"""What a client declares that it can do, as tools see it."""

from __future__ import annotations

from collections.abc import Mapping

from airflow_provider_mcp.sdk.client import Client, Form, Question, Roots, Sampling
from airflow_provider_mcp.sdk.json_types import JSON
from airflow_provider_mcp.server.extensions import declared_extensions
from airflow_provider_mcp.server.jobs import TASKS


def describe_client(name: str | None, capabilities: JSON, *, modern: bool) -> Client:
    """Return the client that declares these capabilities.

    :param modern: Whether it speaks a protocol in which a client is asked without a session.
    """
    if not modern or not isinstance(capabilities, Mapping):
        return Client(name=name)
    extensions = declared_extensions(capabilities)
    return Client(
        name=name,
        answerable=frozenset(_answerable(capabilities)),
        extensions=extensions,
        takes_jobs=TASKS.identifier in extensions,
        opens_links=_opens_links(capabilities),
    )


def _opens_links(capabilities: Mapping[str, JSON]) -> bool:
    elicitation = capabilities.get("elicitation")
    return isinstance(elicitation, Mapping) and isinstance(elicitation.get("url"), Mapping)


def _answerable(capabilities: Mapping[str, JSON]) -> set[type[Question]]:
    """Return the kinds of questions that a client declares to answer."""
    kinds: set[type[Question]] = set()
    elicitation = capabilities.get("elicitation")
    # An empty declaration means forms (2025-11-25, elicitation).
    if isinstance(elicitation, Mapping) and (not elicitation or "form" in elicitation):
        kinds.add(Form)
    if isinstance(capabilities.get("sampling"), Mapping):
        kinds.add(Sampling)
    if isinstance(capabilities.get("roots"), Mapping):
        kinds.add(Roots)
    return kinds
