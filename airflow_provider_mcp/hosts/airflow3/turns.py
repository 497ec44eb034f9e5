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
"""Airflow 3: how many calls into Airflow a process makes at once, and how many of them are one user's."""

from __future__ import annotations

from collections import deque

import anyio

NESTED_CALLS = 10
"""Calls into Airflow at once in one process: each may hold one of the database pool's 15 connections."""

NESTED_CALLS_A_USER = 4
"""Of these, the calls of one user: those that are blocked hold up nobody else."""

FLOOD = 16
"""While more calls of one user wait than these, they are made one at a time.

Routes share the processor by Python's lock: beside four of a flood, each other call takes five times as
long.
"""


class UserTurns:
    """The turns of one user's calls, first come, first served."""

    def __init__(self) -> None:
        self._running = 0
        self._waiting: deque[anyio.Event] = deque()

    async def acquire(self) -> None:
        """Wait for a turn."""
        if self._running < NESTED_CALLS_A_USER and not self._waiting:
            self._running += 1
            return
        turn = anyio.Event()
        self._waiting.append(turn)
        try:
            await turn.wait()
        except BaseException:
            if turn.is_set():
                self.release()
            else:
                self._waiting.remove(turn)
                self._give()
            raise

    def release(self) -> None:
        """Give a turn back."""
        self._running -= 1
        self._give()

    def _give(self) -> None:
        while self._waiting and self._running < (1 if len(self._waiting) > FLOOD else NESTED_CALLS_A_USER):
            self._running += 1
            self._waiting.popleft().set()


class Turns:
    """The turns of one user's calls: a call waits for the user's other calls, then for those of all."""

    def __init__(self, of_user: UserTurns, of_all: anyio.Semaphore) -> None:
        self._of_user = of_user
        self._of_all = of_all

    async def acquire(self) -> None:
        """Wait for a turn."""
        await self._of_user.acquire()
        try:
            await self._of_all.acquire()
        except BaseException:
            self._of_user.release()
            raise

    def release(self) -> None:
        """Give a turn back."""
        self._of_all.release()
        self._of_user.release()

    async def __aenter__(self) -> None:
        await self.acquire()

    async def __aexit__(self, *_: object) -> None:
        self.release()
