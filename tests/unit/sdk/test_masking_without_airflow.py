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
"""Masking where there is no Airflow: as Airflow's own masker does it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_mcp.sdk.masking import (
    MAX_DEPTH,
    SENSITIVE_NAMES,
    SENSITIVE_OPTIONS,
    Masker,
    holds_mask,
    is_sensitive_option,
)
from airflow_provider_mcp.sdk.masking import mask_by_name as mask

try:
    from airflow._shared.secrets_masker import DEFAULT_SENSITIVE_FIELDS
    from airflow._shared.secrets_masker import redact as airflows
except ImportError:
    from airflow.utils.log.secrets_masker import DEFAULT_SENSITIVE_FIELDS
    from airflow.utils.log.secrets_masker import redact as airflows


def test_every_name_that_airflow_hides_is_hidden() -> None:
    assert set(DEFAULT_SENSITIVE_FIELDS) <= set(SENSITIVE_NAMES)


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ({"user": "ada", "db_password": "hunter2", "n": 3}, None),
        ({"outer": {"API_KEY": "k", "list": [{"token": "t"}, {"other": "o"}]}}, None),
        ({"secret": {"a": "1", "b": ["2"]}}, None),
        (["a", "b"], "my_secret"),
        ("plain", "variable"),
        ("hidden", "my_passwd"),
        ("", "password"),
        (None, "password"),
    ],
)
def test_as_airflows_masker(value: Any, name: str | None) -> None:
    assert mask(value, name) == airflows(value, name)


NAMES = """access_key access_token api_key apikey auth_header authorization bearer connection_string dsn
    keyfile_dict passphrase passwd password private_key proxies proxy proxy_password secret service_account
    service_key token webhook_url"""

OPTIONS = """api.secret_key api_auth.jwt_secret atlas.password celery.broker_url celery.flower_basic_auth
    celery.result_backend celery_broker_transport_options.sentinel_kwargs core.asset_manager_kwargs
    core.dataset_manager_kwargs core.fernet_key core.internal_api_secret_key core.sql_alchemy_conn
    database.sql_alchemy_conn database.sql_alchemy_conn_async database.sql_alchemy_engine_args
    logging.remote_task_handler_kwargs openlineage.transport opensearch.password opensearch.username
    secrets.backend_kwargs sentry.sentry_dsn smtp.smtp_password webserver.secret_key
    workers.secrets_backend_kwargs"""


def test_names_and_options_of_all_versions_are_known() -> None:
    """This Airflow has some of them; the others are those of versions from 2.7 to 3.3."""
    assert set(SENSITIVE_NAMES) == set(NAMES.split())
    assert {".".join(option) for option in SENSITIVE_OPTIONS} == set(OPTIONS.split())


@pytest.mark.parametrize("name", NAMES.split())
def test_each_name_hides_what_it_holds(name: str) -> None:
    hidden = {"a": "***", "b": ["***", None, True], "c": {"d": "***"}}
    for spelling in (name, f" {name.upper()} ", f"my_{name}_2"):
        assert mask({spelling: {"a": "x", "b": [1, None, True], "c": {"d": 2.5}}}) == {spelling: hidden}


@pytest.mark.parametrize(
    ("section", "option", "hidden"),
    [
        ("CORE", "Fernet_Key", True),
        ("acme", "my_fernet", True),
        ("acme", "my_conn", True),
        ("acme", "my_conn_async", True),
        ("acme", "some_kwargs", True),
        ("acme", "some_kwarg__role_id", True),
        ("acme", "engine_args", True),
        ("acme", "flower_basic_auth", True),
        ("acme", "broker_url", False),
        ("celery", "executor", False),
        ("core", "conn_id", False),
    ],
)
def test_which_options_are_sensitive_where_no_airflow_can_be_asked(
    section: str, option: str, hidden: bool
) -> None:
    assert is_sensitive_option(section, option) is hidden


def masked(value: Any, name: str | None = None) -> tuple[Any, int]:
    masker = Masker()
    return masker.mask(value, name), masker.count


@pytest.mark.parametrize(
    ("value", "shown", "count"),
    [
        ({"key": "region", "password": "x"}, {"key": "region", "password": "***"}, 1),
        ({"key": "my_token", "val": "x", "note": "y"}, {"key": "my_token", "val": "***", "note": "y"}, 1),
        ({"key": 3, "value": "x"}, {"key": 3, "value": "x"}, 0),
        ({"key": None, "value": "x"}, {"key": None, "value": "x"}, 0),
        ({"password": [1, {"a": "x"}, None, False]}, {"password": ["***", {"a": "***"}, None, False]}, 2),
        ({"n": 3, "flag": True}, {"n": 3, "flag": True}, 0),
        ({"extra": "words"}, {"extra": "words"}, 0),
        ({"conn_type": "http", "extra": None}, {"conn_type": "http", "extra": None}, 0),
        ({"conn_type": "http", "extra": "words"}, {"conn_type": "http", "extra": "***"}, 1),
        ({"conn_type": "http", "extra": {"a": 1}}, {"conn_type": "http", "extra": {"a": 1}}, 0),
        ({"conn_type": "http", "note": "words"}, {"conn_type": "http", "note": "words"}, 0),
    ],
)
def test_data_is_masked_by_its_names_and_counted(value: Any, shown: Any, count: int) -> None:
    assert masked(value) == (shown, count)


def test_a_value_is_masked_by_the_name_it_is_held_under() -> None:
    assert masked("x", "password") == ("***", 1)
    assert masked({"a": ["x", 1]}, "password") == ({"a": ["***", "***"]}, 2)
    assert masked("x", "region") == ("x", 0)
    for place in ("continuation_token", "file_token"):
        assert masked("x", place) == ("x", 0)


def test_a_name_is_asked_about_once() -> None:
    asked: list[str | None] = []

    def redact(value: Any, name: str | None) -> Any:
        asked.append(name)
        return value

    masker = Masker(redact)
    masker.mask([{"a": 1}, {"a": 2}])
    assert asked == ["a"]


def nest(levels: int, value: Any) -> Any:
    for _ in range(levels):
        value = [value]
    return value


def test_how_deep_data_is_looked_into() -> None:
    assert masked(nest(MAX_DEPTH, "kept")) == (nest(MAX_DEPTH, "kept"), 0)
    assert masked(nest(MAX_DEPTH, None)) == (nest(MAX_DEPTH, None), 0)
    assert masked(nest(MAX_DEPTH, 5)) == (nest(MAX_DEPTH, "***"), 1)
    assert masked(nest(MAX_DEPTH - 1, 5)) == (nest(MAX_DEPTH - 1, 5), 0)
    # Well below the depth at which Python gives up.
    assert 100 <= MAX_DEPTH <= 250
    objects: Any = "kept"
    for _ in range(MAX_DEPTH):
        objects = {"a": objects}
    assert masked(objects) == (objects, 0)
    objects = {"a": objects}
    assert "kept" not in str(masked(objects)[0])


def test_how_deep_json_in_a_text_is_looked_into() -> None:
    text = json.dumps(nest(MAX_DEPTH - 2, 5))
    assert masked(text) == (text, 0)
    assert masked(json.dumps(nest(MAX_DEPTH - 1, 5)))[1] == 1
    # What is no JSON, or nested so deep that it cannot be read, is a text.
    for text in ("[" * 100_000, "{" * 5, "[1"):
        assert masked(text) == (text, 0)


def test_what_is_below_a_secret_name_is_masked_whole_an_extra_too() -> None:
    connection = {"conn_type": "http", "extra": '{"mode": "a"}'}
    assert masked(connection) == (connection, 0)
    assert masked({"secret": connection}) == ({"secret": {"conn_type": "***", "extra": "***"}}, 2)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('[{"password": ["x", "y"]}]', '[{"password": ["***", "***"]}]'),
        (' {"password": "é"}', '{"password": "***"}'),
        ('[{"password": "x", "a": "é"}]', '[{"password": "***", "a": "é"}]'),
        (' {"a":  1}', ' {"a":  1}'),
        ("{password=hunter2", "{password=***"),
        ("password=hunter2&token=abc;x", "password=***&token=***;x"),
        ("password='hun ter2' token=\"a b\"", "password='***' token=\"***\""),
        ("password=''", "password=''"),
        ("password=", "password="),
        ("password=****", "password=****"),
        ("password=None token=True secret=False", "password=None token=True secret=False"),
        ("=hunter2", "=hunter2"),
        ("a = b", "a = b"),
        ("'password': 'hunter2'", "'password': '***'"),
        ('"password": hunter2', '"password": ***'),
        ("'password: 'hunter2'", "'password: 'hunter2'"),
        ("\"password': 'hunter2'", "\"password': 'hunter2'"),
        ("password=token=x", "password=***"),
        ("x" * 200 + "_password=hunter2", "x" * 200 + "_password=***"),
        ("db://u:p@h?password=x", "db://u:***@h?password=***"),
    ],
)
def test_settings_in_a_text(text: str, shown: str) -> None:
    assert masked(text) == (shown, shown.count("***") if shown != text else 0)


def test_what_airflow_itself_hides_in_a_text_is_counted() -> None:
    def redact(value: Any, name: str | None) -> Any:
        return value.replace("hunter2", "***") if isinstance(value, str) else value

    masker = Masker(redact)
    assert masker.mask(["a hunter2 b", "nothing"]) == ["a *** b", "nothing"]
    assert masker.count == 1


def test_a_secret_that_is_a_number_is_hidden_in_a_text() -> None:
    def redact(value: Any, name: str | None) -> Any:
        return "***" if value == "271828" else value

    assert Masker(redact).mask("271828") == "***"


@pytest.mark.parametrize(
    ("value", "held"),
    [
        (["a", "***"], True),
        (["a"], False),
        ({"a": "b"}, False),
        (' "***" ', True),
        (' [{"a": "***"}]', True),
        ('["a", "b***"]', False),
        ("[***", False),
        ("db://u:***@h", True),
        ("db://u:***", False),
        (None, False),
        ("{db://u:***@h", True),
        ('"db://u:***@h"', True),
        ("null", False),
        ("3", False),
    ],
)
def test_which_values_hold_a_mask_in_place_of_a_secret(value: Any, held: bool) -> None:
    assert holds_mask(value) is held
