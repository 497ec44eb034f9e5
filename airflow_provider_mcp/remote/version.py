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
"""Which version of Airflow an address runs."""

from __future__ import annotations

from collections.abc import Generator, Sequence

import httpx

from airflow_provider_mcp.remote.errors import build_answer_error
from airflow_provider_mcp.remote.target import Target

VERSION_ROUTES = ("api/v2/version", "api/v1/version")
"""Airflow 3's and Airflow 2's, both open to anyone."""


def ask_version(target: Target) -> Generator[str, httpx.Response, str]:
    """Yield the addresses that tell the version of a target, take their responses, and return it.

    :raises ToolError: The address answers, but is no Airflow.
    """
    responses = []
    for route in VERSION_ROUTES:
        response = yield f"{target.url}/{route}"
        version = parse_version(response)
        if version is not None:
            return version
        responses.append(response)
    raise build_answer_error(target, _most_telling(responses))


def parse_version(response: httpx.Response) -> str | None:
    """Return the version in the response of one of :data:`VERSION_ROUTES`, None if it holds none."""
    if response.status_code != 200:
        return None
    try:
        version = response.json()["version"]
    except (ValueError, KeyError, TypeError):
        return None
    return version if isinstance(version, str) and version[:1].isdigit() else None


def _most_telling(responses: Sequence[httpx.Response]) -> httpx.Response:
    """Return the response that tells most about why neither route gave a version."""
    telling = [response for response in responses if response.status_code not in {404, 405}]
    return (telling or responses)[0]


def parse_major(version: str) -> int:
    """Return 2 for Airflow 2 and 3 for anything newer."""
    return 2 if version.split(".", 1)[0] == "2" else 3
