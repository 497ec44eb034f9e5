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
"""Previews of large values are summaries."""

from __future__ import annotations

import json
import time
from typing import Any

import anyio
import httpx
import pytest

from airflow_provider_mcp.testing import open_airflow
from airflow_provider_mcp.tools.admin.variables import _preview_set_variable
from airflow_provider_mcp.tools.api.calls import _preview_call
from airflow_provider_mcp.tools.shared.previews import MOST_CHARS, summarize, summarize_redacted
from tests.unit.fake_airflow import FakeAirflow

POOLS = {
    "paths": {
        "/api/v2/pools": {
            "post": {
                "operationId": "post_pool",
                "requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}},
            }
        }
    }
}


@pytest.mark.parametrize("value", [None, True, 3, "short", {"a": [1]}, [], ""])
def test_what_is_small_is_shown(value: Any) -> None:
    assert summarize(value) == value


@pytest.mark.parametrize(
    "value", ["x" * 4_000_000, ["row"] * 500_000, {f"key{n}": "v" for n in range(8_000)}]
)
def test_what_is_large_is_its_size_and_its_begin(value: Any) -> None:
    shown = summarize(value)
    assert len(json.dumps(shown)) < MOST_CHARS
    assert shown["characters"] > MOST_CHARS
    assert isinstance(value, str) or shown["items"] == len(value)


LARGE = "word " * 20_000


@pytest.mark.parametrize(
    "value",
    [
        {"password": {"inner": "hunter2"}, "text": LARGE},
        [{"password": "hunter2"}, LARGE],
        json.dumps({"password": {"inner": "hunter2"}, "text": LARGE}),
        {"stored": json.dumps({"password": {"inner": "hunter2"}, "text": LARGE})},
        f"postgres://user:hunter2@host/ {LARGE}",
        {"text": f"password=hunter2 {LARGE}"},
    ],
)
def test_the_begin_of_what_is_large_shows_no_secret(value: Any) -> None:
    shown = anyio.run(summarize_redacted, open_airflow(lambda _: httpx.Response(404)), value, None)
    assert shown["characters"] > MOST_CHARS
    assert "hunter2" not in shown["begin"]
    assert "***" in shown["begin"]


@pytest.mark.parametrize(
    "value",
    [
        [[[]] * 10] * 70_000,
        [[[number]] for number in range(250_000)],
        {f"k{number}": number for number in range(200_000)},
        {"text": "eyJhbGciOi" * 400_000},
        json.dumps([[number] for number in range(400_000)]),
    ],
    ids=["lists of lists", "nested lists", "keys", "text", "JSON in a text"],
)
def test_the_preview_of_four_megabytes_is_soon_there(value: Any) -> None:
    """An idle machine takes less than a second, a busy one some seconds, a quadratic look minutes."""
    began = time.process_time()
    assert anyio.run(summarize_redacted, open_airflow(lambda _: httpx.Response(404)), value, None)["begin"]
    assert time.process_time() - began < 10


def test_previews_of_large_calls_are_small_and_soon_there() -> None:
    began = time.process_time()
    airflow = FakeAirflow(**{"GET openapi.json": POOLS, "GET variables/k": 404})
    body = {f"key{n}": "v" * 60 for n in range(8_000)}
    shown = airflow.call(_preview_call, "read", method="POST", path="pools", body=body)
    assert shown["body"]["items"] == 8_000
    shown = airflow.call(_preview_set_variable, "read", key="k", value="word " * 600_000)
    assert shown["after"]["value"]["characters"] == 3_000_000
    assert len(json.dumps(shown)) < 2 * MOST_CHARS
    assert time.process_time() - began < 10
