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
"""Who watches calls: each plugin's ``tool_called`` is told of a finished call, outside of it.

A watcher may be slow, block or be ``async``: it runs in a thread of its plugin's own, so that it neither
delays a call nor stops the event loop.
"""

from __future__ import annotations

import asyncio
import atexit
import inspect
import logging
import queue
import threading
import time
from collections.abc import Awaitable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from airflow_provider_mcp.sdk.json_types import JSON
from airflow_provider_mcp.sdk.tool import Tool, ToolCall
from airflow_provider_mcp.server.plugins import HookCall, Plugins, isolated

log = logging.getLogger(__name__)

MOST_WAITING = 1000
"""How many calls one watcher may be behind before it misses some."""

GATHER_SECONDS = 0.1
"""How long calls are gathered: a thread that wakes at once takes turns with the answer on its way out."""

EXIT_SECONDS = 2
"""How long a process that ends waits for its watchers."""


class Watchers:
    """The plugins that are told of each finished call."""

    def __init__(self, plugins: Plugins) -> None:
        self._plugins = plugins
        self._by_owner: dict[str, _Watcher] = {}

    def tell(self, call: ToolCall) -> None:
        """Tell every plugin's ``tool_called``, later and elsewhere."""
        for owner, hook in self._plugins.implementations("tool_called"):
            watcher = self._by_owner.get(owner)
            if watcher is None:
                watcher = self._by_owner.setdefault(owner, _Watcher(owner, hook))
            watcher.tell(call)

    def settle(self, seconds: float = 5) -> bool:
        """Wait until all watchers have taken note of the calls so far; say whether they have."""
        until = time.monotonic() + seconds
        settled = [watcher.settle(until) for watcher in list(self._by_owner.values())]
        return all(settled)


class _Watcher:
    """One plugin's ``tool_called``, in a thread that is started by the first call."""

    def __init__(self, owner: str, hook: HookCall) -> None:
        self._owner = owner
        self._hook = hook
        self._waiting: queue.Queue[ToolCall | threading.Event] = queue.Queue(MOST_WAITING)
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        atexit.register(self._settle_at_exit)

    def tell(self, call: ToolCall) -> None:
        try:
            self._waiting.put_nowait(call)
        except queue.Full:
            log.error(
                "MCP plugin %s: tool_called is %d calls behind and is not told of this call of %s",
                self._owner,
                MOST_WAITING,
                call.tool,
            )
        with self._starting:
            # A process that was forked has the object, and not the thread.
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="mcp-tool-called", daemon=True)
                self._thread.start()

    def settle(self, until: float) -> bool:
        reached = threading.Event()
        try:
            self._waiting.put(reached, timeout=max(0.0, until - time.monotonic()))
        except queue.Full:
            return False
        return reached.wait(max(0.0, until - time.monotonic()))

    def _settle_at_exit(self) -> None:
        if self._thread is not None and self._thread.is_alive():
            self.settle(time.monotonic() + EXIT_SECONDS)

    def _run(self) -> None:
        loop = asyncio.new_event_loop()
        while True:
            first = self._waiting.get()
            if not isinstance(first, threading.Event):
                time.sleep(GATHER_SECONDS)
            self._handle(first, loop)
            with suppress(queue.Empty):
                while True:
                    self._handle(self._waiting.get_nowait(), loop)

    def _handle(self, waiting: ToolCall | threading.Event, loop: asyncio.AbstractEventLoop) -> None:
        if isinstance(waiting, threading.Event):
            waiting.set()
            return
        with isolated(self._owner, "tool_called failed"):
            for answer in self._hook(call=waiting):
                if inspect.isawaitable(answer):
                    loop.run_until_complete(_wait_for(answer))


async def _wait_for(answer: Awaitable[object]) -> None:
    await answer


@dataclass
class Observation:
    """What is known of a call while it goes on."""

    outcome: str = "cancelled"
    """Stays so if the client goes away."""
    identifiers: dict[str, str] = field(default_factory=dict)
    map_index: int | None = None

    def note(self, *sources: Mapping[str, JSON] | None) -> None:
        """Keep the Dag, run and task that arguments, a result or an error name; the last to name one wins."""
        for source in sources:
            for name in ("dag_id", "dag_run_id", "task_id"):
                value = (source or {}).get(name)
                if isinstance(value, str):
                    self.identifiers[name] = value
            index = (source or {}).get("map_index")
            if type(index) is int:
                self.map_index = index


@contextmanager
def observe(
    watchers: Watchers, tool: Tool, user: str, client: str | None, arguments: Mapping[str, JSON]
) -> Iterator[Observation]:
    """Tell the watchers of a call when it is over, however it ends."""
    began = time.monotonic()
    observation = Observation()
    observation.note(arguments)
    try:
        yield observation
    finally:
        watchers.tell(
            ToolCall(
                tool=tool.name,
                access=tool.access,
                user=user,
                client=client,
                dag_id=observation.identifiers.get("dag_id"),
                dag_run_id=observation.identifiers.get("dag_run_id"),
                outcome=observation.outcome,
                duration=time.monotonic() - began,
                task_id=observation.identifiers.get("task_id"),
                map_index=observation.map_index,
            )
        )
