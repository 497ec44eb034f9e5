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


SAMPLES = {
    "token of this MCP server": "amcp_a_" + "a1B-" * 10,
    "JSON web token": "eyJhbGciOiJI" + ".eyJzdWIiOiJh" + ".",
    "AWS access key": "ASIA" + "IOSFODNN7EXAMPLE",
    "Google API key": "AIza" + "a1-_x" * 7,
    "Google client secret": "GOCSPX-" + "a1-_x" * 4,
    "Google access token": "ya29." + "a1-_x" * 4,
    "Google refresh token": "1//0" + "a1-_x" * 4,
    "Azure key": "SharedAccessKey=" + "a1+/x=zz",
    "Azure signature": "sig=" + "a1%2B" * 6,
    "Azure client secret": "a.~8Q~" + "a1.~_-x" * 4 + "a1.",
    "GitHub token": "ghs_" + "a1B2c" * 6,
    "GitHub token, fine-grained": "github_pat_" + "11ABCDEFG0_" * 2,
    "GitLab token": "glptt-" + "a1-_x.yz" * 2,
    "Slack token": "xoxb-" + "1234567890",
    "Slack webhook": "hooks.slack.com/workflows/" + "T000/B000/abcdef",
    "Discord webhook": "discordapp.com/api/webhooks/" + "1/" + "a1-_" * 4,
    "Stripe key": "whsec_" + "a1B2" * 4,
    "OpenAI or Anthropic key": "sk-" + "a1-_x" * 4,
    "Hugging Face token": "hf_" + "a1B2c" * 6,
    "npm token": "npm_" + "a1B2c3" * 6,
    "PyPI token": "pypi-AgE" + "a1-_x" * 6,
    "Docker token": "dckr_oat_" + "a1-_x" * 4,
    "SendGrid key": "SG." + "a1-_" * 4 + "." + "a1-_" * 4,
    "Twilio key": "SK" + "0123456789abcdef" * 2,
    "Mailgun key": "key-" + "0123456789abcdef" * 2,
    "Databricks token": "dose" + "0123456789abcdef" * 2 + "-2",
    "dbt token": "dbtc_" + "a1-_x" * 4,
    "DigitalOcean token": "dor_v1_" + "0123456789" * 4,
    "Vault token": "hvb." + "a1-_x" * 4,
    "Terraform token": "a1B2c3d4e5f6g7" + ".atlasv1." + "a1-_x" * 8,
    "Grafana token": "glc_" + "a1+/=" * 4,
    "Sentry token": "sntryu_" + "a1-_x" * 4,
    "New Relic key": "NRJS-" + "a1B2c" * 4,
    "Atlassian token": "ATCTT3" + "a1-_=" * 4,
    "Shopify token": "shpss_" + "0123456789abcdefABCDEF0123456789",
    "Telegram token": "12345678:AA" + "a1-" * 11,
    "age key": "AGE-SECRET-KEY-1" + "Q1Z2A" * 4,
    "Authorization header": "PROXY-AUTHORIZATION='apikey a1-_x.",
    "bearer token": "bearer " + "a1-_x" * 4,
}
"""The shortest secret of each form, or nearly so."""


def test_each_form_finds_its_own_by_itself() -> None:
    assert {form.name for form in FORMS} == set(SAMPLES)
    for form in FORMS:
        sample = SAMPLES[form.name]
        assert any(mark in sample for mark in form.marks), form.name
        found = form.pattern.search(f" {sample} ")
        assert found is not None, form.name
        assert found[0] == sample, form.name
        kept = found.groupdict().get("kept") or ""
        assert mask_forms(sample) == (f"{kept}***", 1), form.name


def test_each_mark_can_begin_what_its_form_finds() -> None:
    """A mark without which nothing is searched is one that the pattern can match."""
    fillers = ("a1-_x" * 20, "0123456789abcdef" * 2, "A1" * 8, "a1B2c3" * 6, "a1B2c3d4" * 3)
    for form in FORMS:
        for mark in form.marks:
            begins = [SAMPLES[form.name].replace(known, mark) for known in form.marks]
            texts = [*begins, *(mark + filler for filler in fillers)]
            assert any(form.pattern.search(f" {text} ") for text in texts), (form.name, mark)


def test_what_is_too_short_for_any_form_stays() -> None:
    for sample in SAMPLES.values():
        assert len(sample) >= len("xoxb-1234567890")
    assert mask_forms("xoxb-123456789") == ("xoxb-123456789", 0)


def test_a_long_text_is_searched_as_a_short_one_is() -> None:
    for length in (10, 900, 1_100, 20_000):
        text = "word " * (length // 5)
        assert mask_forms(f"{text}{SAMPLES['npm token']} {text}") == (f"{text}*** {text}", 1)
        assert mask_forms(text) == (text, 0)


def test_what_is_masked_already_is_not_counted_again() -> None:
    for text in ("Authorization: Basic ********", "db://ada:***@h", "AccountKey=********;x"):
        assert mask_forms(text) == (text, 0)


KEY = "\n".join([PEM.format("BEGIN"), BODY, PEM.format("END")])


@pytest.mark.parametrize(
    ("text", "shown", "count"),
    [
        (f"a {KEY} b {KEY} c", "a *** b *** c", 2),
        # What begins within a key is part of it.
        (f"a {PEM.format('BEGIN')} x {KEY} b", "a *** b", 1),
        (f"a {KEY} b {PEM.format('BEGIN')}\n{BODY}\nnot of it", "a *** b ***not of it", 2),
        (f"{PEM.format('BEGIN')}\nx {PEM.format('BEGIN')}\n{BODY}\ny", "***x ***y", 2),
        ("a PRIVATE KEY of mine", "a PRIVATE KEY of mine", 0),
    ],
)
def test_several_keys_in_one_text(text: str, shown: str, count: int) -> None:
    assert mask_forms(text) == (shown, count)


def test_a_key_ends_in_a_later_text_or_where_something_else_begins() -> None:
    masker = FormMasker()
    begin = f"a {PEM.format('BEGIN')}\n{BODY}"
    assert masker.mask(begin) == "a ***"
    assert masker.mask("  ") == "  "
    assert masker.mask("abc=") == "***"
    assert masker.mask(f"{BODY} {PEM.format('END')} AKIA" + "IOSFODNN7EXAMPLE") == "*** ***"
    assert masker.mask(BODY) == BODY
    assert masker.mask(begin) == "a ***"
    assert masker.mask("some words") == "some words"
    assert masker.mask(BODY) == BODY
    # Where more follows in the same text, the key is over.
    assert masker.mask(f"{begin}\nsome words") == "a ***some words"
    assert masker.mask(BODY) == BODY


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("db://u:p@h db://u:p@h", "db://u:***@h db://u:***@h"),
        ("db://u:p@h,db://v:q@h", "db://u:***@h"),
        ("db://u:p://q@h", "db://u:***@h"),
        ("db://h://u:p@h", "db://h:***@h"),
        ("db://:8080/@x", "db://:***@x"),
        ("db://h:8080/@x", "db://h:8080/@x"),
        ("db://h:123456/@x", "db://h:***@x"),
        ("db://u@h:p", "db://u@h:p"),
        ("db://u/p:q@h", "db://u/p:q@h"),
        ("db://u:@h", "db://u:@h"),
        ("<db://u:p@h>", "<db://u:***@h>"),
        ("x@y db://u:p", "x@y db://u:p"),
        ("://:@", "://:@"),
        ("://u:p@h", "://u:***@h"),
        ("ada@x db://host", "ada@x db://host"),
        ("ada@x db://h:pass word", "ada@x db://h:pass word"),
    ],
)
def test_where_a_password_stands_in_an_address(text: str, shown: str) -> None:
    assert mask_forms(text) == (shown, shown.count("***"))
