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

from typing import Any

import pytest

from airflow_provider_mcp.sdk.masking import SENSITIVE_NAMES
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
