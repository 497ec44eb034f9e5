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
"""What a confirmation token and a job's identifier are good for."""

from __future__ import annotations

import time
from typing import Any

import pytest

from airflow_provider_mcp.sdk.errors import ToolError
from airflow_provider_mcp.server import signing
from airflow_provider_mcp.server.signing import Confirmations, JobId, JobIds

ARGUMENTS = {"dag_id": "a"}
PREVIEW = {"state": "failed"}


def check(confirmations: Confirmations, token: str, **changed: Any) -> None:
    bound = {"user": "1", "tool": "t", "arguments": ARGUMENTS, "preview": PREVIEW, **changed}
    confirmations.check(token, **bound)


def test_a_token_is_good_on_each_replica() -> None:
    """That it acts once is what ``test_confirmation.py`` and ``test_claims.py`` are about."""
    token = Confirmations(b"secret").issue("1", "t", ARGUMENTS, PREVIEW)
    check(Confirmations(b"secret"), token)
    with pytest.raises(ToolError, match="not for this call"):
        check(Confirmations(b"another secret"), token)


@pytest.mark.parametrize(
    "changed",
    [{"user": "2"}, {"tool": "u"}, {"arguments": {"dag_id": "b"}}, {"preview": {"state": "queued"}}],
)
def test_a_token_is_for_one_call_only(changed: dict[str, Any]) -> None:
    confirmations = Confirmations(b"secret")
    token = confirmations.issue("1", "t", ARGUMENTS, PREVIEW)
    with pytest.raises(ToolError, match="not for this call") as refused:
        check(confirmations, token, **changed)
    assert refused.value.code == "confirmation_required"


@pytest.mark.parametrize("token", ["", "1", "x.y", "9999999999.00", "é.é"])
def test_a_made_up_token_is_refused(token: str) -> None:
    with pytest.raises(ToolError):
        check(Confirmations(b"secret"), token)


def test_an_old_token_is_refused(monkeypatch: Any) -> None:
    confirmations = Confirmations(b"secret")
    token = confirmations.issue("1", "t", ARGUMENTS, PREVIEW)
    later = time.time() + signing.TOKEN_SECONDS + 1
    monkeypatch.setattr(time, "time", lambda: later)
    with pytest.raises(ToolError, match="older"):
        check(confirmations, token)


def test_two_previews_give_two_tokens() -> None:
    confirmations = Confirmations(b"secret")
    first, second = (confirmations.issue("1", "t", ARGUMENTS, PREVIEW) for _ in range(2))
    check(confirmations, first)
    check(confirmations, second)


def test_a_job_is_of_its_user() -> None:
    ids = JobIds(b"key")
    job = JobId("trigger_dag", {"dag_id": "a"}, 1_700_000_000)
    identifier = ids.make(job, "1")
    assert JobIds(b"key").read(identifier, "1") == job
    assert ids.read(identifier, "2") is None
    assert JobIds(b"other").read(identifier, "1") is None
    for made_up in ("", ".", "x.y", identifier + "x", "x" + identifier, "\ud800.\ud800", "é"):
        assert ids.read(made_up, "1") is None


def test_a_key_is_for_one_purpose() -> None:
    confirmations = Confirmations(b"secret")
    assert confirmations.derive_key("job") == Confirmations(b"secret").derive_key("job")
    assert confirmations.derive_key("job") != confirmations.derive_key("request state")
    assert len(confirmations.derive_key("job")) == 32


def test_a_token_is_good_for_ten_minutes() -> None:
    assert signing.TOKEN_SECONDS == 600
