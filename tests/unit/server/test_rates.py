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
"""How often a user may call."""

from __future__ import annotations

import anyio
import pytest

from airflow_provider_mcp.sdk.airflow import Caller
from airflow_provider_mcp.sdk.errors import RateLimited
from airflow_provider_mcp.server import rates
from airflow_provider_mcp.server.policy import Policy
from airflow_provider_mcp.server.rates import Rates
from airflow_provider_mcp.server.request import Identity, Request


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def made(limits: Rates, user: str, policy: Policy, access: str = "read", most: int = 1000) -> int:
    """Return how many calls a user makes before one is refused."""
    for count in range(most):
        try:
            limits.count(user, access, policy)  # type: ignore[arg-type]
        except RateLimited:
            return count
    return most


def test_a_minutes_calls_and_then_one_whenever_there_is_room() -> None:
    clock = Clock()
    limits, policy = Rates(clock), Policy(calls_per_minute=60)
    assert made(limits, "a", policy) == 60
    with pytest.raises(
        RateLimited, match=r"More than 60 calls a minute \(\[mcp\] calls_per_minute\)"
    ) as refused:
        limits.count("a", "read", policy)
    assert refused.value.as_dict()["retry_after_seconds"] == 1
    assert refused.value.retryable
    assert "1 s" in refused.value.hint
    clock.now += 0.5
    assert made(limits, "a", policy) == 0
    clock.now += 0.5
    assert made(limits, "a", policy) == 1
    clock.now += 3600
    assert made(limits, "a", policy) == 60


def test_users_do_not_take_from_each_other() -> None:
    limits, policy = Rates(Clock()), Policy(calls_per_minute=5)
    assert made(limits, "a", policy) == 5
    assert made(limits, "b", policy) == 5


def test_writes_count_as_calls_and_have_a_limit_of_their_own() -> None:
    limits, policy = Rates(Clock()), Policy(calls_per_minute=10, writes_per_minute=3)
    assert made(limits, "a", policy, "destructive") == 3
    assert made(limits, "a", policy, "write") == 0
    assert made(limits, "a", policy, "read") == 10 - 3 - 2
    with pytest.raises(RateLimited, match="calls_per_minute"):
        limits.count("a", "write", policy)


def test_the_seconds_to_wait_are_enough() -> None:
    clock = Clock()
    limits, policy = Rates(clock), Policy(calls_per_minute=7)
    assert made(limits, "a", policy) == 7
    for _ in range(20):
        with pytest.raises(RateLimited) as refused:
            limits.count("a", "read", policy)
        clock.now += refused.value.identifiers["retry_after_seconds"]
        limits.count("a", "read", policy)


def test_zero_switches_a_limit_off() -> None:
    limits = Rates(Clock())
    assert made(limits, "a", Policy(calls_per_minute=0, writes_per_minute=0), "write", most=5000) == 5000
    assert made(limits, "a", Policy(calls_per_minute=0, writes_per_minute=2), "write") == 2


def test_a_lower_limit_holds_at_once() -> None:
    limits = Rates(Clock())
    limits.count("a", "read", Policy(calls_per_minute=600))
    assert made(limits, "a", Policy(calls_per_minute=3)) == 3


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "MAX_USERS", 50)
    limits, policy = Rates(Clock()), Policy(calls_per_minute=1)
    for number in range(1000):
        limits.count(str(number), "read", policy)
    assert len(limits._buckets) == 100
    # Who called lately is remembered.
    with pytest.raises(RateLimited):
        limits.count("999", "read", policy)


def test_refusals_are_held_so_that_they_go_out_one_after_the_other() -> None:
    clock = Clock()
    limits, policy = Rates(clock), Policy(calls_per_minute=1)
    assert limits.hold_refusal("a") == 0
    assert made(limits, "a", policy) == 1
    # One that waits for its answer is not slowed.
    for _ in range(3):
        assert limits.hold_refusal("a") == 0
        clock.now += 1
    # Of a flood, ten go out a second.
    held = [limits.hold_refusal("a") for _ in range(200)]
    assert held[:3] == pytest.approx([0, 0.1, 0.2])
    assert max(held) == held[-1] == rates.MOST_HOLD_SECONDS
    assert made(limits, "b", policy) == 1
    assert limits.hold_refusal("b") == 0
    clock.now += 60
    assert limits.hold_refusal("a") == 0


@pytest.mark.parametrize(("waits_alone", "held"), [(True, [0.5]), (False, [])])
def test_a_refusal_is_held_only_where_it_holds_up_nobody(
    waits_alone: bool, held: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    limits = Rates(Clock())
    monkeypatch.setattr(anyio, "sleep", sleep)
    monkeypatch.setattr(limits, "hold_refusal", lambda user: 0.5 if user == "7" else 0)
    identity = Identity(Caller("7", "ada"), lambda _: None, waits_alone=waits_alone)  # type: ignore[arg-type, return-value]
    request = Request(identity, Policy(calls_per_minute=1), None, None, None, rates=limits)  # type: ignore[arg-type]
    anyio.run(request.count, "read")
    assert slept == []
    with pytest.raises(RateLimited):
        anyio.run(request.count, "read")
    assert slept == held


def test_refusals_to_write_are_paced_where_calls_have_no_limit() -> None:
    limits, policy = Rates(Clock()), Policy(calls_per_minute=0, writes_per_minute=1)
    limits.count("a", "write", policy)
    with pytest.raises(RateLimited):
        limits.count("a", "write", policy)
    assert [limits.hold_refusal("a") for _ in range(3)] == pytest.approx([0, 0.1, 0.2])
