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
"""What the administrator allows: the options of ``[mcp]``, and how a connection or a client narrows them."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from airflow_provider_mcp.connection_fields import HOOK_KEYS, POLICY_KEYS
from airflow_provider_mcp.sdk.tool import Access, Tool

Confirm = Literal["none", "destructive", "write"]

ConfirmBy = Literal["any", "person"]

UntrustedText = Literal["off", "fence", "lockdown"]

Audited = Literal["all", "writes", "none"]
ClientDocuments = Literal["pinned", "fetch", "off"]
"""Which metadata documents of clients are taken: those that came with this package, all, none."""

_CONFIRM_LEVELS: Mapping[Confirm, frozenset[Access]] = {
    "none": frozenset(),
    "destructive": frozenset({"destructive"}),
    "write": frozenset({"write", "destructive"}),
}

_CONFIRMERS: tuple[ConfirmBy, ...] = ("any", "person")

_TEXT_LEVELS: tuple[UntrustedText, ...] = ("off", "fence", "lockdown")


@dataclass(frozen=True)
class Policy:
    """The options in force for one request. ``toolsets`` of None offers all."""

    enabled: bool = True
    read_only: bool = False
    toolsets: frozenset[str] | None = None
    disabled_tools: frozenset[str] = frozenset()
    confirm: Confirm = "destructive"
    confirm_by: ConfirmBy = "any"
    """``person``: on Airflow's own page, by whom the call acts for (CONTRACT, section 7a)."""
    calls_per_minute: int = 600
    writes_per_minute: int = 60
    """Of one user in one process; 0 for no limit."""
    untrusted_text: UntrustedText = "fence"
    max_result_chars: int = 40_000
    max_request_bytes: int = 4_194_304
    allowed_origins: frozenset[str] = frozenset()
    audit_log: Audited = "all"
    """Which calls Airflow's audit log has a row for."""
    dag_tool_tag: str = "mcp"
    """The tag of the Dags that are offered as tools; empty for none."""
    max_dag_tools: int = 50
    conn_id: str = "mcp_default"
    remember_credentials: bool = True
    """On Airflow 2: whether a password is not hashed again while the user's row stays the same."""
    accept_airflow_tokens: bool = True
    """Whether Airflow's own credentials are taken, or those of the login by OAuth alone."""
    oauth_enabled: bool = True
    oauth_client_metadata: ClientDocuments = "pinned"
    oauth_redirect_targets: frozenset[str] = frozenset()
    problem: str | None = None
    """Why only reading is allowed, or what could not be read, if anything is wrong."""
    unknown_names: tuple[str, ...] = ()
    """A sentence for each toolset or tool that the options name and that there is not."""

    def offers(self, tool: Tool) -> bool:
        """Say whether the tool may be listed."""
        return (tool.access == "read" or not self.read_only) and self.switches_on(tool)

    def switches_on(self, tool: Tool) -> bool:
        """Say whether the tool is one of this server's, though it may be that only reading is allowed."""
        return (
            self.toolsets is None or tool.toolset in self.toolsets
        ) and tool.name not in self.disabled_tools

    def needs_confirmation(self, access: Access) -> bool:
        """Say whether a tool of this access level asks before it acts."""
        return access in _CONFIRM_LEVELS[self.confirm]

    def narrowed(self, wanted: Mapping[str, object]) -> Policy:
        """Return the policy as narrowed by options: nothing it forbids becomes allowed.

        :param wanted: What a connection's extra says, or a client about itself.
        :raises ValueError: An option is malformed.
        """
        policy, faults = _narrow(self, wanted)
        if faults:
            raise ValueError("; ".join(faults))
        return policy

    def narrowed_or_closed(self, wanted: Mapping[str, object]) -> Policy:
        """Return the policy as narrowed by options; if one of them is malformed, closed as well."""
        policy, faults = _narrow(self, wanted)
        if not faults:
            return policy
        return policy.closed(f"the connection {self.conn_id} is malformed: {'; '.join(faults)}")

    def closed(self, problem: str) -> Policy:
        """Return the policy with reading alone allowed, because of a problem."""
        both = problem if self.problem is None else f"{self.problem}; {problem}"
        return replace(self, read_only=True, problem=both)

    def describe_unknown(self, toolsets: Iterable[str], tools: Iterable[str]) -> list[str]:
        """Return a sentence for each name in the options that nothing has.

        :param toolsets: The names of all toolsets there are; ``tools`` those of all tools.
        """
        return [
            *_describe_unknown("toolsets", self.toolsets or (), toolsets),
            *_describe_unknown("disabled_tools", self.disabled_tools, tools),
        ]


def parse_options(section: Mapping[str, str]) -> Policy:
    """Return the policy of the ``[mcp]`` section; if part of it is malformed, only reading is allowed.

    :param section: The options that are set, by name.
    """
    faults = _unknown_keys(section, FILE_OPTIONS)
    values: dict[str, Any] = {}
    for name, parse in FILE_OPTIONS.items():
        if name not in section:
            continue
        try:
            values[name] = parse(section[name])
        except ValueError as malformed:
            faults.append(f"{name} {malformed}")
            if name in _STRICTEST:
                values[name] = _STRICTEST[name]
    policy = Policy(**values)
    return policy.closed(f"[mcp] is malformed: {'; '.join(faults)}") if faults else policy


def _narrow(policy: Policy, wanted: Mapping[str, object]) -> tuple[Policy, list[str]]:
    """Return the policy as narrowed by what can be understood, and a sentence for each option that cannot."""
    faults = _unknown_keys(wanted, POLICY_KEYS, HOOK_KEYS)
    for name in POLICY_KEYS:
        value = wanted.get(name)
        # Airflow's connection form stores the fields that were left empty as null.
        if value is None or value == "":
            continue
        try:
            parsed = FILE_OPTIONS[name](value)
        except ValueError as malformed:
            faults.append(f"{name} {malformed}")
            if name not in _STRICTEST:
                continue
            parsed = _STRICTEST[name]
        stricter: dict[str, Any] = {name: _STRICTER[name](getattr(policy, name), parsed)}
        policy = replace(policy, **stricter)
    return policy, faults


def check_option(name: str, value: object) -> str | None:
    """Return what is wrong with the value of one option, in a sentence; None if it can be understood."""
    if value is None or value == "":
        return None
    try:
        FILE_OPTIONS[name](value)
    except ValueError as malformed:
        return f"{name} {malformed}"
    return None


def _parse_flag(value: object) -> bool:
    """Take what Airflow's configuration takes for a boolean, and no more: ``yes`` is a mistake there too."""
    text = str(value).partition("#")[0].strip().lower()
    if text in {"true", "t", "1"}:
        return True
    if text in {"false", "f", "0"}:
        return False
    raise ValueError(f"is {_quote(value)}; write True or False")


def _parse_names(value: object) -> frozenset[str]:
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        value = ",".join(value)
    if not isinstance(value, str):
        raise ValueError(f"is {_quote(value)}; write names with commas between them")
    return frozenset(word.strip() for word in value.split(",") if word.strip())


def _parse_toolsets(value: object) -> frozenset[str] | None:
    names = _parse_names(value)
    return None if "all" in {name.lower() for name in names} else names


def _parse_choice(*choices: str) -> Callable[[object], str]:
    def parse(value: object) -> str:
        text = value.strip().lower() if isinstance(value, str) else None
        if text not in choices:
            raise ValueError(f"is {_quote(value)}; write {', '.join(choices[:-1])} or {choices[-1]}")
        return text

    return parse


def _parse_number(least: int) -> Callable[[object], int]:
    def parse(value: object) -> int:
        number = value
        if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit():
            # Beyond this many digits no limit limits anything, and Python refuses some of them.
            number = int(value.strip()[:_MOST_DIGITS])
        elif isinstance(value, float) and math.isfinite(value) and value == int(value):
            number = int(value)
        if not isinstance(number, int) or isinstance(number, bool) or number < least:
            raise ValueError(f"is {_quote(value)}; write a whole number of at least {least}")
        return number

    return parse


def _parse_text(value: object) -> str:
    return str(value).strip()


def _parse_conn_id(value: object) -> str:
    return str(value).strip() or Policy.conn_id


_MOST_DIGITS = 18


def _quote(value: object) -> str:
    """Return a value as a message shows it: short, since it is a stranger's."""
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}…"


FILE_OPTIONS: Mapping[str, Callable[[object], object]] = {
    "enabled": _parse_flag,
    "read_only": _parse_flag,
    "toolsets": _parse_toolsets,
    "disabled_tools": _parse_names,
    "confirm": _parse_choice(*_CONFIRM_LEVELS),
    "confirm_by": _parse_choice(*_CONFIRMERS),
    "calls_per_minute": _parse_number(0),
    "writes_per_minute": _parse_number(0),
    "untrusted_text": _parse_choice(*_TEXT_LEVELS),
    "max_result_chars": _parse_number(1),
    "max_request_bytes": _parse_number(1),
    "allowed_origins": _parse_names,
    "audit_log": _parse_choice(*get_args(Audited)),
    "conn_id": _parse_conn_id,
    "dag_tool_tag": _parse_text,
    "max_dag_tools": _parse_number(1),
    "remember_credentials": _parse_flag,
    "accept_airflow_tokens": _parse_flag,
    "oauth_enabled": _parse_flag,
    "oauth_client_metadata": _parse_choice(*get_args(ClientDocuments)),
    "oauth_redirect_targets": _parse_names,
}
"""How the value of each option is read. It raises ValueError with what is wrong and what is right."""


_STRICTEST: Mapping[str, object] = {
    "enabled": False,
    "confirm": "write",
    "confirm_by": "person",
    "untrusted_text": "lockdown",
    "remember_credentials": False,
    "accept_airflow_tokens": False,
    "oauth_enabled": False,
    "oauth_client_metadata": "off",
}
"""What stands in for a value that cannot be understood, beside that only reading is allowed."""


def _stricter_toolsets(mine: frozenset[str] | None, wanted: frozenset[str] | None) -> frozenset[str] | None:
    return mine if wanted is None else wanted if mine is None else mine & wanted


def _stricter_rate(mine: int, wanted: int) -> int:
    """Return the lower of two limits, of which 0 is none."""
    return min(mine, wanted) if mine and wanted else mine or wanted


_STRICTER: Mapping[str, Callable[..., object]] = {
    "read_only": lambda mine, wanted: mine or wanted,
    "toolsets": _stricter_toolsets,
    "disabled_tools": lambda mine, wanted: mine | wanted,
    "confirm": lambda mine, wanted: max(mine, wanted, key=list(_CONFIRM_LEVELS).index),
    "confirm_by": lambda mine, wanted: max(mine, wanted, key=_CONFIRMERS.index),
    "calls_per_minute": _stricter_rate,
    "writes_per_minute": _stricter_rate,
    "untrusted_text": lambda mine, wanted: max(mine, wanted, key=_TEXT_LEVELS.index),
    "max_result_chars": min,
}
"""For each option that may be narrowed: the stricter of two values."""


def _unknown_keys(
    options: Mapping[str, object], known: Iterable[str], others: Iterable[str] = ()
) -> list[str]:
    names = tuple(known)
    return [f"{key} is no option{_suggest(key, names)}" for key in sorted(set(options) - {*names, *others})]


def _describe_unknown(option: str, names: Iterable[str], known: Iterable[str]) -> list[str]:
    known = sorted(known)
    return [
        f"{option} names {name}, which there is not{_suggest(name, known)}"
        for name in sorted(set(names) - set(known))
    ]


def _suggest(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known))
    return f" (did you mean {close[0]}?)" if close else ""
