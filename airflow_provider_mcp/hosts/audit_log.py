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
"""The built-in plugin that writes a row of Airflow's audit log for each call of a tool."""

from __future__ import annotations

import atexit
import json
import logging
import queue
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timezone
from typing import TypeAlias

from sqlalchemy.engine import Engine

from airflow_provider_mcp.hosts.database import is_database_fault
from airflow_provider_mcp.hosts.log_table import LogTable
from airflow_provider_mcp.sdk.hookspecs import hookimpl
from airflow_provider_mcp.sdk.tool import ToolCall
from airflow_provider_mcp.server.policy import Audited
from airflow_provider_mcp.tools.shared.rows import TOOL_CALL_EVENT

log = logging.getLogger(__name__)

MOST_WAITING = 5000
"""How many calls may wait for the database; what comes beyond them is not written."""

BATCH = 500
"""How many rows are written at once."""

BATCH_SECONDS = 0.5
"""How long calls are gathered: many rows cost hardly more than one, and the next call is not slowed down."""

RETRY_SECONDS = 2
"""After how long a database that did not answer is tried again."""

EXIT_SECONDS = 2
"""How long a process that ends waits for its rows to be written."""

MOST_CLIENT_CHARS = 200

_Waiting: TypeAlias = "tuple[datetime, ToolCall] | threading.Event"


class AuditLog:
    """Writes the rows in a thread of its own: no call waits for it, and none fails with it.

    :param get_engine: Returns the engine of Airflow's database.
    :param audited: Which calls are written.
    :param schema: The schema of the table, if it is not the database's default.
    """

    def __init__(
        self, get_engine: Callable[[], Engine], audited: Audited = "all", schema: str | None = None
    ) -> None:
        self._table = LogTable(get_engine, schema)
        self._audited = audited
        self._waiting: queue.Queue[_Waiting] = queue.Queue(MOST_WAITING)
        self._lost = 0
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._ends = threading.Event()
        atexit.register(self._settle_at_exit)

    @hookimpl
    def tool_called(self, call: ToolCall) -> None:
        """Take note of a call; its row is written within a second."""
        if self._audited == "none" or (self._audited == "writes" and call.access == "read"):
            return
        try:
            self._waiting.put_nowait((datetime.now(timezone.utc), call))
        except queue.Full:
            # The writer tells of it: a database that is gone must not fill the log as well.
            self._lost += 1
        self._start()

    def settle(self, seconds: float = 5) -> bool:
        """Wait until the calls so far are written; say whether they are."""
        reached = threading.Event()
        try:
            self._waiting.put(reached, timeout=seconds)
        except queue.Full:
            return False
        self._start()
        return reached.wait(seconds)

    def _start(self) -> None:
        with self._starting:
            # A process that was forked has the object, and not the thread.
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="mcp-audit-log", daemon=True)
                self._thread.start()

    def _settle_at_exit(self) -> None:
        self._ends.set()
        if self._thread is not None and self._thread.is_alive():
            self.settle(EXIT_SECONDS)

    def _run(self) -> None:
        while True:
            waiting = [self._waiting.get()]
            if not isinstance(waiting[0], threading.Event):
                self._ends.wait(BATCH_SECONDS)
            with suppress(queue.Empty):
                while len(waiting) < BATCH:
                    waiting.append(self._waiting.get_nowait())
            self._write([each for each in waiting if not isinstance(each, threading.Event)])
            for each in waiting:
                if isinstance(each, threading.Event):
                    each.set()

    def _write(self, calls: Sequence[tuple[datetime, ToolCall]]) -> None:
        """Write rows, however long the database is gone. What it refuses is lost, and the log says so."""
        lost, self._lost = self._lost, 0
        if lost:
            log.error("MCP: %d calls are not in the audit log: the database was too slow for them", lost)
        warned = False
        while calls:
            try:
                self._table.insert([at for at, _ in calls], [_describe(call) for _, call in calls])
                return
            except Exception as failure:
                if not is_database_fault(failure) or self._ends.is_set():
                    log.exception("MCP: %d calls are not in the audit log", len(calls))
                    return
                if not warned:
                    warned = True
                    log.warning("MCP: the audit log cannot be written now: %s", type(failure).__name__)
            self._ends.wait(RETRY_SECONDS)


def _describe(call: ToolCall) -> dict[str, object]:
    """Return what is known of a call, by the columns of Airflow's table."""
    extra = {
        "client": (call.client or "")[:MOST_CLIENT_CHARS] or None,
        "tool": call.tool,
        "access": call.access,
        "outcome": call.outcome,
        "duration": round(call.duration, 3),
    }
    return {
        "event": TOOL_CALL_EVENT,
        "dag_id": call.dag_id,
        "run_id": call.dag_run_id,
        "task_id": call.task_id,
        "map_index": call.map_index,
        "owner": call.user,
        "owner_display_name": call.user,
        "extra": json.dumps(extra),
    }
