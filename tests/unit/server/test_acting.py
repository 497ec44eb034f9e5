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
"""An act for which a key is claimed happens once, and whoever comes later is told what came of it."""

from __future__ import annotations

import time
from typing import Any

import anyio
import mcp_types as types
import pytest

from airflow_provider_mcp.sdk.errors import Conflict, NotFound, ToolError
from airflow_provider_mcp.sdk.json_types import JSONObject
from airflow_provider_mcp.server.acting import REPEATED_KEY, act_once
from airflow_provider_mcp.server.claims import MOST_OUTCOME_CHARS
from airflow_provider_mcp.server.signing import TOKEN_SECONDS
from tests.unit.server.confirming import BUILT_IN, TableClaims, make_request


class Acts:
    """Counts how often it was done, and returns or raises what it is given."""

    def __init__(self, outcome: Any) -> None:
        self.outcome = outcome
        self.count = 0
        self.claims = TableClaims()
        self.request = make_request(self.claims, max_result_chars=10 * MOST_OUTCOME_CHARS)

    async def __call__(self) -> types.InputRequiredResult | JSONObject:
        self.count += 1
        if isinstance(self.outcome, Exception):
            raise self.outcome
        result: types.InputRequiredResult | JSONObject = self.outcome
        return result

    def once(self) -> Any:
        return anyio.run(act_once, self.request, "key", BUILT_IN.tools["delete_dag"], self)


def make_result(text: str = "deleted") -> JSONObject:
    return {
        "content": [{"type": "text", "text": text}],
        "structuredContent": {"done": True},
        "isError": False,
        "_meta": {"foreign": ["text"]},
    }


def test_the_second_is_told_what_the_first_one_did() -> None:
    acts = Acts(make_result())
    assert acts.once() == make_result()
    again = acts.once()
    at = again["_meta"][REPEATED_KEY]
    assert again["_meta"] == {"foreign": ["text"], REPEATED_KEY: at}
    assert again["content"][0]["text"].startswith(
        f"This confirmation of delete_dag was used before, at {at}, and nothing was done again."
    )
    assert again["content"][1:] == make_result()["content"]
    assert again["structuredContent"] == {"done": True}
    assert acts.count == 1


def test_a_claim_outlives_the_token_whenever_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1000.0)
    acts = Acts(make_result())
    acts.once()
    assert [expires for _, expires in acts.claims.rows.values()] == [1000.0 + 2 * TOKEN_SECONDS]


def test_who_comes_while_the_first_one_acts_is_told_so() -> None:
    acts = Acts(make_result())
    anyio.run(acts.claims.claim, "key", time.time() + 60)
    with pytest.raises(Conflict, match="what it did is not known") as conflict:
        acts.once()
    assert "before you repeat it" in str(conflict.value.hint)
    assert acts.count == 0


@pytest.mark.parametrize(
    ("failure", "code"), [(NotFound("There is no Dag a."), "not_found"), (OSError("boom"), "internal")]
)
def test_a_failure_is_told_again(failure: Exception, code: str) -> None:
    acts = Acts(failure)
    with pytest.raises(ToolError) as first:
        acts.once()
    assert first.value.code == code
    again = acts.once()
    assert again["isError"]
    assert again["structuredContent"]["error"]["code"] == code
    assert "nothing was done again" in again["content"][0]["text"]
    assert acts.count == 1


def test_a_question_is_no_outcome() -> None:
    question = types.InputRequiredResult(input_requests={}, request_state="s")
    acts = Acts(question)
    assert acts.once() is question
    assert [outcome for outcome, _ in acts.claims.rows.values()] == [""]


def test_what_fits_into_the_store_is_told_again_whole() -> None:
    short = Acts(make_result(""))
    short.once()
    room = MOST_OUTCOME_CHARS - len(short.claims.rows["key"][0])
    fits, too_long = Acts(make_result("x" * room)), Acts(make_result("x" * (room + 1)))
    for acts in (fits, too_long):
        acts.once()
        assert len(acts.claims.rows["key"][0]) <= MOST_OUTCOME_CHARS
    assert fits.once()["content"][1:] == make_result("x" * room)["content"]
    with pytest.raises(Conflict, match=r"at 20.*: that call succeeded, and nothing was done again"):
        too_long.once()


def test_that_it_failed_is_told_though_the_error_is_too_long() -> None:
    acts = Acts(NotFound("x" * MOST_OUTCOME_CHARS))
    with pytest.raises(NotFound):
        acts.once()
    with pytest.raises(Conflict, match="that call failed"):
        acts.once()
