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
"""Event loops for WSGI workers, which have none of their own: one for each request that is being served.

A thread runs one event loop at a time. Under gevent many requests share a thread, so each loop gives up that
place while it waits for events, and takes it again when there are some.
"""

from __future__ import annotations

import asyncio
import functools
import select
import selectors
import sys
import threading
import time
from collections import deque
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from typing import TypeVar

Answer = TypeVar("Answer")

TURN_SECONDS = 0.001
"""How often a loop looks whether the one that has the thread's place has given it up."""


def shares_threads() -> bool:
    """Say whether gevent has made the threads of this process into greenlets of one."""
    monkey = sys.modules.get("gevent.monkey")
    return monkey is not None and bool(monkey.is_module_patched("threading"))


def open_poll() -> select.poll:
    """Return the platform's own ``poll``: gevent's knows fewer events."""
    monkey = sys.modules.get("gevent.monkey")
    poll: select.poll = select.poll() if monkey is None else monkey.get_original("select", "poll")()
    return poll


class LoopPool:
    """The event loops of this process that nobody uses at the moment."""

    def __init__(self) -> None:
        self._loops: deque[asyncio.AbstractEventLoop] = deque()

    def take(self) -> asyncio.AbstractEventLoop:
        """Return a loop; the caller gives it back."""
        try:
            return self._loops.pop()
        except IndexError:
            pass
        if shares_threads():
            _separate_greenlets()
            return asyncio.SelectorEventLoop(_selector_class()())
        return asyncio.new_event_loop()

    def give_back(self, loop: asyncio.AbstractEventLoop) -> None:
        """Take a loop back."""
        self._loops.append(loop)


def run(loop: asyncio.AbstractEventLoop, work: Awaitable[Answer]) -> Answer:
    """Run a loop until some work of it is done."""
    _wait_for_place()
    return loop.run_until_complete(work)


@contextmanager
def step_aside() -> Iterator[None]:
    """Let other loops have this thread while a coroutine does something that blocks."""
    if not shares_threads():
        yield
        return
    loop = asyncio.get_running_loop()
    asyncio._set_running_loop(None)
    try:
        yield
    finally:
        _wait_for_place()
        asyncio._set_running_loop(loop)


def _wait_for_place() -> None:
    while shares_threads() and asyncio._get_running_loop() is not None:
        time.sleep(TURN_SECONDS)


@functools.cache
def _separate_greenlets() -> None:
    """Give each greenlet its own of what anyio keeps for a thread.

    gunicorn patches its workers after Airflow's app is loaded, and anyio made its ``threading.local`` before:
    it has no public way to make it anew. A test fails where it keeps it elsewhere.
    """
    own = threading.local()
    for name in ("anyio._core._eventloop", "anyio._backends._asyncio", "anyio.from_thread"):
        module = sys.modules.get(name)
        if module is not None and hasattr(module, "threadlocals"):
            vars(module)["threadlocals"] = own


@functools.cache
def _selector_class() -> type[selectors.BaseSelector]:
    """Return gevent's selector, which lets other greenlets run, as one that waits without the thread's place.

    gunicorn patches its workers after Airflow's app is loaded: before, this would be the platform's own.
    """

    class PlaceSharingSelector(selectors.DefaultSelector):
        def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
            with step_aside():
                return super().select(timeout)

    return PlaceSharingSelector
