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
"""What secrets look like in results, and what of them is never told."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from airflow_provider_mcp.hosts import service
from airflow_provider_mcp.sdk.masking import Masker, holds_mask, is_sensitive_option, mask_by_name
from airflow_provider_mcp.testing import open_airflow

AIRFLOW = open_airflow(lambda _: httpx.Response(200))


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({"password": "x", "rows": 3}, {"password": "***", "rows": 3}),
        (
            {"password": 12345, "more": {"db_password": 1.5}},
            {"password": "***", "more": {"db_password": "***"}},
        ),
        ({"password": {"a": "x", "b": ["y", None]}}, {"password": {"a": "***", "b": ["***", None]}}),
        ({"use_password": True}, {"use_password": True}),
        ({"key": "db_password", "value": "x"}, {"key": "db_password", "value": "***"}),
        ({"key": "region", "value": "eu"}, {"key": "region", "value": "eu"}),
        ([{"text": '{"password": "x"}'}], [{"text": '{"password": "***"}'}]),
        (None, None),
    ],
)
def test_values_are_masked_by_their_names(value: Any, shown: Any) -> None:
    assert AIRFLOW.redact(value) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://ada:hunter2@db/x", "postgresql://ada:***@db/x"),
        ("https://:hunter2@h", "https://:***@h"),
        ("postgresql://ada:hun/ter@2@db", "postgresql://ada:***@db"),
        ("host=h password=hunter2 user=u", "host=h password=*** user=u"),
        ("https://h/x?sslpassword=hunter2&mode=1", "https://h/x?sslpassword=***&mode=1"),
        ("see https://example.org:8080/path", "see https://example.org:8080/path"),
        ('{"a": 1}', '{"a": 1}'),
        ("{not json", "{not json"),
    ],
)
def test_passwords_inside_texts_are_masked(text: str, shown: str) -> None:
    assert AIRFLOW.redact(text) == shown


def test_an_extra_is_masked_by_its_keys_or_whole() -> None:
    def extra(text: str) -> Any:
        return AIRFLOW.redact({"conn_type": "http", "extra": text})["extra"]

    assert json.loads(extra(json.dumps({"password": "x", "mode": "a"}))) == {"password": "***", "mode": "a"}
    assert extra("pw: hunter2") == "***"
    assert extra('["hunter2"]') == "***"
    assert extra("") == ""


def test_what_was_masked_is_counted() -> None:
    masker = Masker(mask_by_name)
    masker.mask({"password": "x", "text": "db://u:p@h AKIAIOSFODNN7EXAMPLE", "n": 3, "more": ["token=abc"]})
    assert masker.count == 4


def test_places_named_like_secrets_stay() -> None:
    rows = {"continuation_token": "a.b", "file_token": "c", "token": "d"}
    assert AIRFLOW.redact(rows) == {**rows, "token": "***"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("{'password': 'hunter2', 'rows': 3}", "{'password': '***', 'rows': 3}"),
        ("{'settings': 'host=h password=hunter2'}", "{'settings': 'host=h password=***'}"),
        ('connect(password="hun ter2", user="u")', 'connect(password="***", user="u")'),
        ("password=None", "password=None"),
        ("a=b=password=hunter2", "a=b=password=***"),
    ],
)
def test_settings_are_masked_as_programs_print_them(text: str, shown: str) -> None:
    assert AIRFLOW.redact(text) == shown


def test_deep_data_is_masked_and_not_an_error() -> None:
    deep: Any = "kept"
    for _ in range(5000):
        deep = [deep]
    masker = Masker(mask_by_name)
    assert "kept" not in repr(masker.mask(deep))
    assert masker.count == 1


@pytest.mark.parametrize(
    ("value", "held"),
    [
        ("***", True),
        ('"***"', True),
        ('{"password": "***"}', True),
        ({"a": [{"b": "***"}]}, True),
        ("db://u:***@h", True),
        ("a *** b", False),
        ("{***", False),
        (3, False),
    ],
)
def test_a_mask_is_not_a_value(value: Any, held: bool) -> None:
    assert holds_mask(value) is held


@pytest.mark.parametrize(
    ("section", "option", "hidden"),
    [
        ("core", "fernet_key", True),
        ("Database", "SQL_Alchemy_Conn", True),
        ("secrets", "backend_kwarg__role_id", True),
        ("core", "executor", False),
    ],
)
def test_airflow_says_which_options_are_sensitive(section: str, option: str, hidden: bool) -> None:
    assert service.hides_option(section, option) is hidden


def test_the_options_that_airflow_calls_sensitive_are_so_where_there_is_none() -> None:
    from airflow.configuration import conf

    for section, option in conf.sensitive_config_values:
        assert is_sensitive_option(section, option), (section, option)
    assert is_sensitive_option("secrets", "backend_kwarg__role_id")
    assert not is_sensitive_option("core", "executor")
