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
"""The policy of the moment: the configuration file, narrowed by the connection as last read."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import replace

import anyio

from airflow_provider_mcp.server.policy import Policy

log = logging.getLogger(__name__)

CONNECTION_SECONDS = 30
"""How long what the connection says is kept before it is read again."""

PATIENCE_SECONDS = 1
"""How long a request waits for a reader that has just begun, before the last known policy serves it."""

READING_SECONDS = 10
"""How long a reader may take before the connection counts as one that cannot be read."""


class ConnectionUnreadable(Exception):  # noqa: N818
    """A secrets backend, or the metadata database, failed to say whether there is such a connection."""


class PolicySource:
    """The policy, renewed in a thread of its own when it is stale; nobody waits long for it.

    While the connection cannot be read, what it last said stands; until it has been read once, only reading
    is allowed. It is asked after the caller is known, so that a stranger causes no read; what must be known
    before that stands in ``options``.

    :param read_extra: From a connection ID to its extra, or None if there is no such connection.
    :param options: What the configuration file allows.
    :param describe_unknown: Returns a sentence for each name in a policy that nothing has.
    """

    def __init__(
        self,
        read_extra: Callable[[str], Mapping[str, object] | None],
        options: Policy,
        describe_unknown: Callable[[Policy], list[str]] = lambda _: [],
    ) -> None:
        self.options = options
        self._read_extra = read_extra
        self._describe_unknown = describe_unknown
        self._last_read: Policy | None = None
        self._policy = options.closed(f"the connection {options.conn_id} has not been read yet")
        self._reported: set[str] = set()
        self._stale_at = 0.0
        self._reader: threading.Thread | None = None
        self._began = 0.0
        self._done: Future[None] = Future()
        self._lock = threading.Lock()
        self._report(options.problem)

    @property
    def conn_id(self) -> str:
        """The connection that narrows the policy."""
        return self.options.conn_id

    def current(self) -> Policy:
        """Return the last known policy at once; a reader begins if it is stale."""
        with self._lock:
            # In a process that was forked meanwhile, the reader is not alive.
            reading = self._reader is not None and self._reader.is_alive() and not self._done.done()
            now = time.monotonic()
            if reading and now >= self._began + READING_SECONDS and now >= self._stale_at:
                self._keep_last(f"the connection {self.conn_id} could not be read in {READING_SECONDS} s")
            elif not reading and now >= self._stale_at:
                self._began, self._done = now, Future()
                # A request that gives up waiting must not cancel it for the others.
                self._done.set_running_or_notify_cancel()
                self._reader = threading.Thread(
                    target=self._read_in_thread, args=(self._done,), name="mcp-policy", daemon=True
                )
                self._reader.start()
            return self._policy

    async def fresh(self) -> Policy:
        """Return the policy; wait for a reader that has just begun, but never long."""
        self.current()
        if time.monotonic() < self._began + PATIENCE_SECONDS:
            with anyio.move_on_after(PATIENCE_SECONDS):
                await asyncio.wrap_future(self._done)
        return self._policy

    def _read_in_thread(self, done: Future[None]) -> None:
        try:
            self.read()
        finally:
            done.set_result(None)

    def read(self) -> Policy:
        """Read the connection, however long that takes, and return the policy."""
        try:
            extra = self._read_extra(self.conn_id)
        except ConnectionUnreadable as unreadable:
            self._keep_last(str(unreadable))
            return self._policy
        except ValueError as malformed:
            policy = self.options.closed(f"the connection {self.conn_id} is malformed: {malformed}")
        except Exception as failure:
            log.exception("MCP: the connection %s could not be read", self.conn_id)
            self._keep_last(f"the connection {self.conn_id} could not be read: {type(failure).__name__}")
            return self._policy
        else:
            policy = self.options if extra is None else self.options.narrowed_or_closed(extra)
        policy = replace(policy, unknown_names=tuple(self._describe_unknown(policy)))
        self._report(policy.problem, *policy.unknown_names)
        self._last_read = self._policy = policy
        self._stale_at = time.monotonic() + CONNECTION_SECONDS
        return policy

    def _keep_last(self, problem: str) -> None:
        """Keep what was last read, for it may be what narrows; without it, allow reading alone."""
        self._report(problem)
        if self._last_read is None:
            self._policy = self.options.closed(problem)
        else:
            self._policy = replace(self._last_read, problem=problem)
        self._stale_at = time.monotonic() + CONNECTION_SECONDS

    def _report(self, *problems: str | None) -> None:
        """Log each problem that was not there before."""
        current = {problem for problem in problems if problem is not None}
        for problem in sorted(current - self._reported):
            log.error("MCP: %s", problem)
        self._reported = current
