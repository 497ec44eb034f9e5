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
"""Secrets are known by their form, in time that is linear in the text."""

from __future__ import annotations

import time

import pytest

from airflow_provider_mcp.sdk.secret_forms import FORMS, FormMasker


def mask_forms(text: str) -> tuple[str, int]:
    masker = FormMasker()
    return masker.mask(text), masker.count


# Put together here, so that no scanner takes this file for a leak.
PEM = "-----{} RSA PRIVATE KEY-----"
BODY = "MIIEowIBAAKCAQEAwJ3a" * 3
SECRETS = [
    "eyJhbGciOiJIUzI1NiJ9" + ".eyJzdWIiOiJhZGEifQ" + ".c2lnbmF0dXJl",
    "AKIA" + "IOSFODNN7EXAMPLE",
    "AIza" + "SyA1234567890abcdefghijklmnopqrstuv",
    "GOCSPX-" + "abcdefghijklmnopqrstuvwx",
    "ya29." + "a0AfH6SMBx1234567890abc",
    "ghp_" + "a1B2" * 9,
    "amcp_a_" + "a1B-" * 30,
    "github_pat_" + "11ABCDEFG0" * 4,
    "glpat-" + "x1y2z3x1y2z3x1y2z3x1",
    "xoxb-" + "123456789012-abcdefghijkl",
    "sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc",
    "sk-proj-" + "abc123def456ghi789jkl",
    "sk-ant-api03-" + "abc123def456ghi789jkl",
    "hf_" + "a1B2c3" * 6,
    "npm_" + "a1B2c3" * 6,
    "pypi-AgE" + "IcHlwaS5vcmcCJDk4" * 3,
    "dckr_pat_" + "a1B2c3d4e5f6g7h8i9j0",
    "SG." + "abcdefghijklmnop1234" + "." + "abcdefghijklmnop1234",
    "dapi" + "0123456789abcdef" * 2,
    "dop_v1_" + "0123456789abcdef" * 4,
    "hvs." + "CAESIJ1234567890abcdefghij",
    "glsa_" + "a1B2c3d4e5f6g7h8i9j0a1B2c3d4e5f6_0a1b2c3d",
    "123456789:AA" + "H" * 33,
    "AGE-SECRET-KEY-1" + "QQPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L",
    "\n".join([PEM.format("BEGIN"), BODY, BODY, PEM.format("END")]),
    "\\n".join([PEM.format("BEGIN"), BODY, BODY, PEM.format("END")]),
]


@pytest.mark.parametrize("secret", SECRETS, ids=lambda text: text[:12])
@pytest.mark.parametrize("around", ["{}", "before {} after", 'key="{}"', "https://h/?x={}&y=1", "({}),"])
def test_a_known_form_is_masked_and_counted_and_what_is_around_it_stays(secret: str, around: str) -> None:
    assert mask_forms(around.format(secret)) == (around.format("***"), 1)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://ada:hunter2@db/x", "postgresql://ada:***@db/x"),
        ("redis://:hunter2@h:6379/0", "redis://:***@h:6379/0"),
        ("amqp://u:hun/ter@2@h", "amqp://u:***@h"),
        ("see db://a:b@h and db://c:d@h", "see db://a:***@h and db://c:***@h"),
        ("Authorization: Basic YWRhOnNlY3JldA==", "Authorization: Basic ***"),
        ("curl -H 'Authorization: Bearer abcdef123456'", "curl -H 'Authorization: Bearer ***'"),
        ("AccountKey=abcdefgh12345678==;End", "AccountKey=***;End"),
        (
            "https://hooks.slack.com/services/T000/B000/abcdefghijklmnop",
            "https://hooks.slack.com/services/***",
        ),
        (PEM.format("BEGIN") + "\n" + BODY + "\nnot of the key", "***not of the key"),
    ],
)
def test_what_names_a_secret_stays(text: str, shown: str) -> None:
    assert mask_forms(text)[0] == shown


@pytest.mark.parametrize(
    "text",
    [
        "https://example.org:8080/@user/page",
        "s3://bucket/key@2026-01-01T00:00:00",
        "ada@example.org",
        "The bearer of this token is required to sign.",
        "Authorization: Bearer realm",
        "a task-instance-of-a-long-name-2 and disk-usage-1234567890123",
        "AKIA is the prefix of a key; eyJ begins a token.",
        "scheduled__2026-11-27T00:00:00+00:00",
        "sha256:" + "0123456789abcdef" * 4,
        "-----BEGIN CERTIFICATE-----",
        "db://ada:***@h",
        "",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert mask_forms(text) == (text, 0)


def test_a_key_that_goes_over_the_lines_of_a_log_is_masked_whole() -> None:
    masker = FormMasker()
    lines = ["begin", PEM.format("BEGIN"), BODY, BODY, BODY[:30] + "==", PEM.format("END"), "end"]
    assert [masker.mask(line) for line in lines] == ["begin", "***", "***", "***", "***", "***", "end"]
    assert masker.mask("word") == "word"
    assert FormMasker().mask(BODY) == BODY


MARKS = sorted({mark for form in FORMS for mark in form.marks})


@pytest.mark.parametrize(
    "piece", [*MARKS, "://", "://a:", "://a:b@", "a@", "Bearer ", PEM.format("BEGIN"), "eyJaaaaaaaa."]
)
def test_a_search_is_linear(piece: str) -> None:
    """Ten times the text takes not much more than ten times as long."""
    for filler in ("", "a" * 30, " "):
        small = (piece + filler) * (5_000 // len(piece + filler))
        began = time.process_time()
        mask_forms(small)
        once = time.process_time() - began
        began = time.process_time()
        mask_forms(small * 10)
        assert time.process_time() - began < 30 * once + 0.2
