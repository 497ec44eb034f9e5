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
"""The masker of the installed Airflow, as a tool's client reaches it."""

from __future__ import annotations

from typing import Any

import httpx

from airflow_provider_mcp.hosts import service
from airflow_provider_mcp.testing import open_airflow


def redact(value: Any, name: str | None = None) -> Any:
    return service.redact(value, name)


def test_secrets_are_masked_by_their_names_at_any_depth() -> None:
    deep: Any = {"password": "hunter22", "plain": "kept"}
    for _ in range(20):
        deep = {"more": [deep]}
    shown = redact({"api_key": "abc", "rows": 3, "deep": deep, "none": None})
    assert shown["api_key"] == "***"
    assert (shown["rows"], shown["none"]) == (3, None)
    inner = shown["deep"]
    for _ in range(20):
        inner = inner["more"][0]
    assert inner == {"password": "***", "plain": "kept"}


def test_a_secrets_name_masks_the_whole_value() -> None:
    assert redact("hunter22", "db_password") == "***"
    assert redact("hunter22", "region") == "hunter22"


def test_both_clients_reach_it() -> None:
    airflow = open_airflow(lambda _: httpx.Response(200))
    assert airflow.redact({"password": "x"}) == {"password": "***"}
    assert airflow.for_thread().redact("x", "password") == "***"
