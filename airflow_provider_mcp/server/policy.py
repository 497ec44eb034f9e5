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
"""What the administrator allows: a frozen view of ``[mcp]`` and its connection, and confirmations."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import anyio.to_thread

from airflow_provider_mcp.connection_fields import HOOK_KEYS, POLICY_KEYS
from airflow_provider_mcp.sdk.tool import Access, Tool


class ConnectionUnreadable(Exception):  # noqa: N818
    """A secrets backend, or the metadata database, failed to say whether there is such a connection."""


log = logging.getLogger(__name__)

CONNECTION_SECONDS = 30
"""How long what the connection says is kept before it is read again."""

_CONFIRM_LEVELS: Mapping[str, frozenset[str]] = {
    "none": frozenset(),
    "destructive": frozenset({"destructive"}),
    "write": frozenset({"write", "destructive"}),
}


@dataclass(frozen=True)
class Policy:
    """The options in force for one request. ``toolsets`` of None offers all."""

    enabled: bool = True
    read_only: bool = False
    toolsets: frozenset[str] | None = None
    disabled_tools: frozenset[str] = frozenset()
    confirm: str = "destructive"
    max_result_chars: int = 40_000
    max_request_bytes: int = 4_194_304
    allowed_origins: frozenset[str] = frozenset()
    conn_id: str = "mcp_default"
    problem: str | None = None
    """What is wrong with the connection's extra, if anything."""

    def offers(self, tool: Tool) -> bool:
        """Say whether the tool may be listed."""
        return (
            (tool.access == "read" or not self.read_only)
            and (self.toolsets is None or tool.toolset in self.toolsets)
            and tool.name not in self.disabled_tools
        )

    def needs_confirmation(self, access: Access) -> bool:
        """Say whether a tool of this access level asks before it acts."""
        return access in _CONFIRM_LEVELS[self.confirm]

    def narrowed(self, extra: Mapping[str, Any]) -> Policy:
        """Return the policy as narrowed by a connection's extra: nothing it forbids becomes allowed.

        :raises ValueError: An option of the extra is malformed.
        """
        unknown = sorted(set(extra) - set(POLICY_KEYS) - HOOK_KEYS)
        if unknown:
            raise ValueError(f"unknown options {', '.join(unknown)}; it may hold {', '.join(POLICY_KEYS)}")
        # Airflow's connection form stores the fields that were left empty as null.
        extra = {key: value for key, value in extra.items() if value is not None and value != ""}
        policy = self
        if _flag(extra.get("read_only", False)):
            policy = replace(policy, read_only=True)
        if "toolsets" in extra:
            wanted = _toolsets(_text(extra["toolsets"]))
            if wanted is not None:
                both = wanted if policy.toolsets is None else wanted & policy.toolsets
                policy = replace(policy, toolsets=both)
        if "disabled_tools" in extra:
            more = _words(_text(extra["disabled_tools"]))
            policy = replace(policy, disabled_tools=policy.disabled_tools | more)
        if "confirm" in extra:
            wanted_confirm = _confirm(_text(extra["confirm"]))
            if _CONFIRM_LEVELS[wanted_confirm] > _CONFIRM_LEVELS[policy.confirm]:
                policy = replace(policy, confirm=wanted_confirm)
        if "max_result_chars" in extra:
            chars = _positive(extra["max_result_chars"])
            policy = replace(policy, max_result_chars=min(chars, policy.max_result_chars))
        return policy


def _flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text in {"true", "t", "1", "yes", "on"}:
        return True
    if text in {"false", "f", "0", "no", "off", ""}:
        return False
    raise ValueError(f"{value!r} is neither true nor false")


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ",".join(value)
    raise ValueError(f"{value!r} is not a comma-separated list")


def _words(text: str) -> frozenset[str]:
    return frozenset(word.strip() for word in text.split(",") if word.strip())


def _toolsets(text: str) -> frozenset[str] | None:
    words = _words(text)
    return None if "all" in words else words


def _confirm(text: str) -> str:
    level = text.strip().lower()
    if level not in _CONFIRM_LEVELS:
        raise ValueError(f"confirm is {text!r}; it may be {', '.join(_CONFIRM_LEVELS)}")
    return level


def _positive(value: Any) -> int:
    number = int(value)
    if number < 1:
        raise ValueError(f"{value!r} is not a positive number")
    return number


def read_options() -> Policy:
    """Return what the ``[mcp]`` section says.

    :raises ValueError: An option is malformed.
    """
    from airflow.configuration import conf

    return Policy(
        enabled=conf.getboolean("mcp", "enabled", fallback=True),
        read_only=conf.getboolean("mcp", "read_only", fallback=False),
        toolsets=_toolsets(conf.get("mcp", "toolsets", fallback="all")),
        disabled_tools=_words(conf.get("mcp", "disabled_tools", fallback="")),
        confirm=_confirm(conf.get("mcp", "confirm", fallback="destructive")),
        max_result_chars=_positive(conf.get("mcp", "max_result_chars", fallback="40000")),
        max_request_bytes=_positive(conf.get("mcp", "max_request_bytes", fallback="4194304")),
        allowed_origins=_words(conf.get("mcp", "allowed_origins", fallback="")),
        conn_id=conf.get("mcp", "conn_id", fallback="mcp_default"),
    )


class PolicySource:
    """The policy of the moment: the configuration file, narrowed by the connection as last read.

    :param read_extra: From a connection ID to its extra, or None if there is no such connection. While it
        cannot tell, what it last said stands; if it never said anything, only reading is allowed.
    :param options: What stands in place of the configuration file's options.
    """

    def __init__(
        self, read_extra: Callable[[str], Mapping[str, Any] | None], options: Policy | None = None
    ) -> None:
        self._options = read_options() if options is None else options
        self._read_extra = read_extra
        self._policy = self._options
        self._read = False
        self._stale_at = 0.0
        self._lock = threading.Lock()

    @property
    def options(self) -> Policy:
        """What the configuration file allows."""
        return self._options

    async def fresh(self) -> Policy:
        """Return the policy in force; what is stale is read in another thread."""
        return await anyio.to_thread.run_sync(self.current) if self.stale else self.current()

    @property
    def conn_id(self) -> str:
        """The connection that narrows the policy."""
        return self._options.conn_id

    @property
    def stale(self) -> bool:
        """Whether :meth:`current` would read the connection, which takes a database query."""
        return time.monotonic() >= self._stale_at

    def current(self) -> Policy:
        """Return the policy in force."""
        if not self.stale:
            return self._policy
        with self._lock:
            if not self.stale:
                return self._policy
            try:
                extra = self._read_extra(self._options.conn_id)
                policy = self._options if extra is None else self._options.narrowed(extra)
                self._read = True
            except ConnectionUnreadable as unreadable:
                log.error("MCP: %s", unreadable)
                known = self._policy if self._read else replace(self._options, read_only=True)
                policy = replace(known, problem=str(unreadable))
            except (ValueError, TypeError) as malformed:
                self._read = True
                problem = f"the connection {self._options.conn_id} is malformed and ignored: {malformed}"
                if self._policy.problem != problem:
                    log.error("MCP: %s", problem)
                policy = replace(self._options, problem=problem)
            self._policy = policy
            self._stale_at = time.monotonic() + CONNECTION_SECONDS
            return policy
