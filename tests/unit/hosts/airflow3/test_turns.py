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
"""How many calls of one user are made at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import anyio

from airflow_provider_mcp.hosts.airflow3.turns import FLOOD, NESTED_CALLS_A_USER, UserTurns


class Calls:
    """Calls of one user, each of which ends when it is told to."""

    def __init__(self) -> None:
        self.turns = UserTurns()
        self.running: list[anyio.Event] = []
        self.done = 0

    async def call(self) -> None:
        await self.turns.acquire()
        ends = anyio.Event()
        self.running.append(ends)
        try:
            await ends.wait()
        finally:
            self.running.remove(ends)
            self.turns.release()
            self.done += 1

    async def end_one(self) -> None:
        self.running[0].set()
        await anyio.wait_all_tasks_blocked()


def run(check: Callable[[Calls, anyio.abc.TaskGroup], Awaitable[None]], count: int) -> None:
    async def start() -> None:
        calls = Calls()
        async with anyio.create_task_group() as group:
            for _ in range(count):
                group.start_soon(calls.call)
            await anyio.wait_all_tasks_blocked()
            await check(calls, group)
            group.cancel_scope.cancel()

    anyio.run(start)


def test_a_few_are_made_at_once() -> None:
    async def check(calls: Calls, _: anyio.abc.TaskGroup) -> None:
        for left in range(FLOOD, 0, -1):
            assert len(calls.running) == min(NESTED_CALLS_A_USER, left)
            await calls.end_one()
        assert (len(calls.running), calls.done) == (0, FLOOD)

    run(check, FLOOD)


def test_a_flood_is_made_one_at_a_time_until_few_wait() -> None:
    count = 64

    async def check(calls: Calls, _: anyio.abc.TaskGroup) -> None:
        # The first ones began when nobody could know what comes.
        assert len(calls.running) == NESTED_CALLS_A_USER
        for _ in range(NESTED_CALLS_A_USER):
            await calls.end_one()
        while count - calls.done - len(calls.running) > FLOOD:
            assert len(calls.running) == 1
            await calls.end_one()
        assert len(calls.running) == NESTED_CALLS_A_USER
        while calls.running:
            await calls.end_one()
        assert calls.done == count

    run(check, count)


def test_those_that_are_given_up_keep_no_turn() -> None:
    async def check(calls: Calls, group: anyio.abc.TaskGroup) -> None:
        group.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            await anyio.sleep(0.05)
            assert not calls.running
            for _ in range(NESTED_CALLS_A_USER):
                with anyio.fail_after(1):
                    await calls.turns.acquire()

    run(check, 40)


def test_one_that_is_given_up_as_its_turn_comes_passes_it_on() -> None:
    async def start() -> None:
        turns = UserTurns()
        for _ in range(NESTED_CALLS_A_USER):
            await turns.acquire()
        waiting = asyncio.ensure_future(turns.acquire())
        await anyio.wait_all_tasks_blocked()
        turns.release()
        # It has its turn, and has not run since.
        waiting.cancel()
        await asyncio.wait([waiting])
        assert waiting.cancelled()
        with anyio.fail_after(1):
            await turns.acquire()

    anyio.run(start)
