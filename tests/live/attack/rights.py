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
"""Attempts of one who may only read to change something, and of forged tokens and handles to count."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tests.live.attack.door import sample
from tests.live.attack.target import Answer, Row, Target, call_message
from tests.live.messages import TASKS, modern

NAME = "mcp-attack"
"""The name of all that an attack tries to make: whoever finds it afterwards knows whence."""

LIFTS: tuple[tuple[dict[str, str], str], ...] = (
    ({}, ""),
    ({"X-MCP-Readonly": "false", "X-MCP-Toolsets": "all"}, ""),
    ({}, "?read_only=false&toolsets=all"),
    ({"X-HTTP-Method-Override": "GET", "X-Remote-User": "admin", "Cookie": "session=x"}, ""),
)
"""What might lift a limit: by headers, by the address, as somebody else."""

REFUSED = {
    *("permission_denied", "not_found", "invalid_argument", "conflict", "read_only", "confirmation_required"),
    *("unsupported", "rate_limited", "unavailable", "failed"),
}

SMUGGLED = (
    *("dags/../variables", "variables/%2e%2e/connections", "//connections", "http://127.0.0.1:1/api/v2/dags"),
    *(
        "../../auth/token",
        "variables?_method=DELETE",
        "dags/x/../../pools",
        "\\..\\connections",
        "%2f%2fvariables",
    ),
)


def attack_rights(target: Target, row: Row, share: float) -> None:
    """Try to change something, with all that is there compared before and after."""
    before = target.fingerprint()
    facts = find_facts(target)
    tools = [tool for tool in target.list_tools(target.authorization) if writes(tool)]
    for tool in sample(target, tools, share):
        for headers, query in sample(target, list(LIFTS), max(share, 0.3)):
            for arguments in (
                plausible(tool, facts),
                {**plausible(tool, facts), "confirmation_token": "x.y.z"},
            ):
                escalate(target, row, tool["name"], arguments, headers, query)
    for arguments in sample(target, list(rest_calls(facts)), share):
        escalate(target, row, "call_api", arguments)
    for path in sample(target, list(SMUGGLED), share):
        answer = target.call(row, "call_api_read", {"path": path}, target.viewer)
        if not answer.is_error and answer.data.get("status") not in {200, None}:
            row.above_rights.append(f"call_api_read {path}: {answer.text[:200]}")
    attack_tokens(target, row, share)
    after = target.fingerprint()
    for name, rows in before.items():
        changed = sorted({*rows} ^ {*after[name]})
        if changed:
            row.above_rights.append(f"{name} changed: {changed[:5]}")


def writes(tool: Mapping[str, Any]) -> bool:
    return not (tool.get("annotations") or {}).get("readOnlyHint")


def find_facts(target: Target) -> dict[str, Any]:
    """Return names of what is there: who may not change it is refused for that, not for a wrong name."""

    def first(tool: str, field: str, *keys: str) -> Any:
        rows = target.call(Row(""), tool, {"limit": 1}, target.authorization).data.get(field) or [{}]
        return next((rows[0][key] for key in keys if rows[0].get(key) is not None), NAME)

    run = (
        target.call(Row(""), "list_dag_runs", {"limit": 1}, target.authorization).data.get("dag_runs") or [{}]
    )[0]
    dag_id = run.get("dag_id") or first("list_dags", "dags", "dag_id")
    found = {"limit": 1, "dag_id": dag_id}
    tasks = target.call(Row(""), "list_task_instances", found, target.authorization).data
    task_id = (tasks.get("task_instances") or [{}])[0].get("task_id", NAME)
    return {
        "dag_id": dag_id,
        "dag_run_id": run.get("dag_run_id", NAME),
        "task_id": task_id,
        "task_ids": [task_id],
        "name": first("list_pools", "pools", "name"),
        "key": first("list_variables", "variables", "key"),
        "conn_id": first("list_connections", "connections", "conn_id", "connection_id"),
        "asset": first("list_assets", "assets", "uri", "name"),
        "backfill_id": 1,
        "slots": 7,
        "value": NAME,
        "note": NAME,
        "conn_type": "http",
        "from_date": "2026-01-01",
        "to_date": "2026-01-02",
        "method": "POST",
        "path": "variables",
        "body": {"key": NAME, "value": NAME},
        "chosen_options": ["Approve"],
        "unpause": True,
    }


def plausible(tool: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments that would do something if the caller were allowed to."""
    schema = tool["inputSchema"]
    arguments: dict[str, Any] = {}
    for name, described in schema.get("properties", {}).items():
        required = name in schema.get("required", ())
        # An identifier that is only offered is that of something new.
        if name in facts and (required or name != "dag_run_id"):
            arguments[name] = facts[name]
        elif required:
            kinds: dict[str, Any] = {"integer": 1, "boolean": True, "array": [NAME], "object": {}}
            choices = described.get("enum")
            arguments[name] = choices[0] if choices else kinds.get(described.get("type"), NAME)
    return arguments


def rest_calls(facts: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield calls of the REST API that change something."""
    bodies: dict[str, dict[str, Any]] = {
        "variables": {"key": NAME, "value": NAME},
        "pools": {"name": NAME, "slots": 1},
        "connections": {"connection_id": NAME, "conn_type": "http"},
        f"dags/{facts['dag_id']}/dagRuns": {"dag_run_id": NAME, "logical_date": None},
        f"dags/{facts['dag_id']}": {"is_paused": True},
        f"dags/{facts['dag_id']}/clearTaskInstances": {"dry_run": False, "only_failed": False},
        f"variables/{facts['key']}": {"key": facts["key"], "value": NAME},
        f"pools/{facts['name']}": {"name": facts["name"], "slots": 99},
        f"connections/{facts['conn_id']}": {"connection_id": facts["conn_id"], "conn_type": "http"},
        "connections/mcp_default": {"connection_id": "mcp_default", "conn_type": "generic", "extra": "{}"},
        "variables/a/dry_run": {"key": "a/dry_run", "value": NAME},
    }
    for path, body in bodies.items():
        for method in ("POST", "PATCH", "DELETE", "PUT"):
            yield {"method": method, "path": path, "body": body}


def escalate(
    target: Target,
    row: Row,
    tool: str,
    arguments: Mapping[str, Any],
    headers: Mapping[str, str] | None = None,
    query: str = "",
) -> None:
    """Call a tool that writes as one who may only read; and again, with the token if there is one."""
    answer = target.call(row, tool, arguments, target.viewer, headers, query)
    token = answer.data.get("confirmation_token")
    if answer.code == "confirmation_required" and token:
        arguments = {**arguments, "confirmation_token": token}
        answer = target.call(row, tool, arguments, target.viewer, headers, query)
    # An unknown tool is one that the caller is not offered.
    if answer.code not in REFUSED and answer.code != "-32602":
        row.above_rights.append(f"{tool} {dict(arguments)}: {answer.text[:300]}")


def attack_tokens(target: Target, row: Row, share: float) -> None:
    """Use tokens and handles that were made for another call, another user, or by nobody."""
    call = {"method": "DELETE", "path": f"pools/{NAME}-nowhere"}
    first = target.call(
        row, "call_api", {"method": "POST", "path": "pools", "body": {"name": NAME}}, target.authorization
    )
    token = first.data.get("confirmation_token")
    if token:
        own = {"method": "POST", "path": "pools", "body": {"name": NAME}}
        tries = [(target.authorization, own, forged) for forged in alter(token)]
        tries += [
            (target.viewer, own, token),
            (target.authorization, {**own, "body": {"name": f"{NAME}2"}}, token),
        ]
        tries += [
            (target.authorization, {**own, "params": {"x": "y"}}, token),
            (target.authorization, call, token),
        ]
        for who, arguments, forged in sample(target, tries, max(share, 0.5)):
            answer = target.call(row, "call_api", {**arguments, "confirmation_token": forged}, who)
            if answer.code not in {
                "confirmation_required",
                "not_found",
                "permission_denied",
                "invalid_argument",
            }:
                row.above_rights.append(f"call_api {arguments} with {forged}: {answer.text[:300]}")
    for handle in sample(target, list(handles()), share):
        for method in ("tasks/get", "tasks/cancel", "tasks/update"):
            message = modern(method, capabilities={"extensions": {TASKS: {}}}, taskId=handle)
            headers = {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": method, "Mcp-Name": handle}
            note_result(row, target.post(row, message, target.viewer, headers), f"{method} {handle}")
    for state in sample(target, list(states(token or "x.y.z")), share):
        message = modern(
            "tools/call", capabilities={"elicitation": {}}, **call_message("call_api", call)["params"]
        )
        message["params"] |= {
            "requestState": state,
            "inputResponses": {"confirm": {"action": "accept", "content": {"confirm": True}}},
        }
        headers = {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": "call_api"}
        note_result(row, target.post(row, message, target.authorization, headers), f"state {state[:60]}")


def note_result(row: Row, answer: Answer, about: str) -> None:
    """Note an answer that is neither an error nor a question."""
    if not answer.is_error and (answer.result or {}).get("resultType") != "input_required":
        row.above_rights.append(f"{about}: {answer.text[:300]}")


def alter(token: str) -> Iterator[str]:
    """Yield tokens that are nearly this one."""
    for place in range(0, len(token), max(1, len(token) // 12)):
        other = "A" if token[place] != "A" else "B"
        yield token[:place] + other + token[place + 1 :]
    parts = token.split(".")
    yield from (token[:-1], f"{token}A", token.swapcase(), "", "null", ".".join(reversed(parts)), "x" * 5000)
    yield ".".join([parts[0], "AAAAAA", *parts[2:]])
    yield ".".join(parts[:-1])


def handles() -> Iterator[str]:
    yield from ("1", "../x", "W10.AAAA", "WyJ0cmlnZ2VyX2RhZyJd.x", "null", "A" * 3000, "é")
    # ["set_dag_run_state", {}, 0], which nobody signed.
    yield "WyJ0cmlnZ2VyX2RhZyIse30sMF0.ZUJ0c3A3U2lnbmF0dXJl"


def states(token: str) -> Iterator[str]:
    yield from (token, "{}", '{"confirmation": "x"}', f'{{"answers": {{}}, "confirmation": "{token}"}}')
    yield from ("", "A" * 4000, "v1.AAAA", "null", "[]", "\x00")
