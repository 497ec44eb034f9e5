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
"""Masking takes time that grows with the text and no faster."""

from __future__ import annotations

import time

import pytest

from airflow_provider_mcp.sdk.masking import Masker, mask_by_name
from airflow_provider_mcp.sdk.secret_forms import FORMS, FormMasker

PEM_BEGIN = "-----{} RSA PRIVATE KEY-----".format("BEGIN")

MARKS = sorted({mark for form in FORMS for mark in form.marks})


@pytest.mark.parametrize(
    "piece", [*MARKS, "://", "://a:", "://a:b@", "a@", "Bearer ", PEM_BEGIN, "eyJaaaaaaaa."]
)
def test_a_search_is_linear(piece: str) -> None:
    """Ten times the text takes not much more than ten times as long."""
    for filler in ("", "a" * 30, " "):
        small = (piece + filler) * (5_000 // len(piece + filler))
        began = time.process_time()
        FormMasker().mask(small)
        once = time.process_time() - began
        began = time.process_time()
        FormMasker().mask(small * 10)
        assert time.process_time() - began < 30 * once + 0.2


@pytest.mark.parametrize(
    "text",
    [
        "a=" * 200_000,
        "'a': '" * 100_000,
        "[" * 400_000,
        "name" * 100_000,
        '{"a": "' * 50_000,
    ],
)
def test_masking_looks_at_each_character_a_few_times(text: str) -> None:
    began = time.process_time()
    Masker(mask_by_name).mask(text)
    assert time.process_time() - began < 5
