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
"""Messages that are wrong in one place or several: each is answered, and by no fault of the server."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

from tests.live.attack.target import Row, Target, call_message
from tests.live.messages import modern

READ_ONLY = {"X-MCP-Readonly": "true"}
"""Nothing of this wave may change the server that it is tried on."""

SPECIAL_NUMBERS = ("@nan", "@infinity", "@digits")
"""What ``json.dumps`` writes as no number of JSON; put into the text afterwards."""

VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1.5, 2**63, -(2**64), 10**30, 1e300, *SPECIAL_NUMBERS),
    *("", " ", "null", "true", "0", "\x00", "\n", "é", "\u202e", "\U000e0041", "\ud83d", "\ufeff"),
    *(
        "..",
        "../..",
        "../connections",
        "a/b",
        "%2e%2e%2f",
        "a%2Fb",
        "a?b=c",
        "a#b",
        "a;b",
        "~",
        "%",
        "_",
        "*",
    ),
    *("' OR '1'='1", "1; DROP TABLE dag", "{{ 7*7 }}", "${jndi:ldap://x}", "<script>", "$(id)", "`id`"),
    *(
        "(a+)+$",
        "[",
        "(?P<x>",
        "\\",
        "a" * 5000,
        "9" * 5000,
        "2026-02-30",
        "0001-01-01",
        "9999-12-31T23:59:59Z",
    ),
    *("latest", "latest_failed", "__proto__", "constructor", "http://127.0.0.1:1/", "file:///etc/passwd"),
    *([], {}, [[]], [None], [1, "a", {}], {"a": None}, {"__class__": 1}, {"$ref": "#"}, ["x"] * 500),
)

DEEP = "[" * 500 + "]" * 500

METHODS = (
    *("tools/call", "tools/list", "resources/read", "resources/list", "resources/templates/list"),
    *("prompts/get", "prompts/list", "completion/complete", "ping", "initialize", "server/discover"),
    *("tasks/get", "tasks/cancel", "tasks/update", "subscriptions/listen", "logging/setLevel", "roots/list"),
    *(
        "notifications/cancelled",
        "sampling/createMessage",
        "elicitation/create",
        "__init__",
        "",
        "tools/CALL",
    ),
)

HEADERS = (
    {"MCP-Protocol-Version": "1999-01-01"},
    {"MCP-Protocol-Version": "\xe9"},
    {"Mcp-Session-Id": "../../x"},
    {"Mcp-Method": "tools/list", "Mcp-Name": "other"},
    {"Content-Type": "text/plain"},
    {"Content-Type": "application/json; charset=utf-16"},
    {"Content-Encoding": "gzip"},
    {"Accept": "text/event-stream"},
    {"Accept": "image/png"},
    {"X-MCP-Toolsets": "nothing,'"},
    {"X-MCP-Readonly": "perhaps"},
    {"traceparent": "00-zz-zz-zz", "tracestate": "=" * 300},
    {"Last-Event-ID": "1"},
)


def attack_exchanges(target: Target, row: Row, count: int) -> None:
    """Send so many messages."""
    tools = target.list_tools(target.authorization)
    kinds: tuple[Callable[[], tuple[bytes, dict[str, str]]], ...] = (
        lambda: (write(wrong_call(target, tools)), {}),
        lambda: (write(wrong_call(target, tools)), {}),
        lambda: (write(wrong_call(target, tools)), {}),
        lambda: as_modern(target, tools),
        lambda: (write(wrong_message(target)), {}),
        lambda: (damage(target, write(wrong_call(target, tools))), {}),
        lambda: (write(wrong_call(target, tools)), dict(target.random.choice(HEADERS))),
        lambda: (write(target.random.choice(list(wrong_shapes()))), {}),
    )
    users = (target.authorization, target.viewer)
    for number in range(count):
        body, headers = kinds[number % len(kinds)]()
        target.post(row, body, users[number // len(kinds) % 2], {**READ_ONLY, **headers})


def wrong_call(target: Target, tools: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a call of a tool, some of whose arguments are anything."""
    tool = target.random.choice(tools)
    schema = tool["inputSchema"]
    arguments: dict[str, Any] = dict.fromkeys(schema.get("required", []), "x")
    for _ in range(target.random.randint(1, 3)):
        names = [*schema.get("properties", {}), "cursor", "limit", "confirmation_token", "unknown"]
        arguments[target.random.choice(names)] = target.random.choice(VALUES)
    return call_message(tool["name"], arguments)


def wrong_message(target: Target) -> dict[str, Any]:
    """Return a request whose method or parameters are anything."""
    pick = target.random.choice
    names = (
        "name",
        "arguments",
        "uri",
        "cursor",
        "ref",
        "argument",
        "taskId",
        "_meta",
        "protocolVersion",
        "level",
    )
    params: Any = {pick(names): pick(VALUES) for _ in range(pick((0, 1, 2, 3)))}
    if pick((0, 0, 0, 1)):
        params = pick(VALUES)
    message = {
        "jsonrpc": "2.0",
        "id": pick((1, "a", 0, 2**70, "\ud83d")),
        "method": pick(METHODS),
        "params": params,
    }
    if pick((0, 0, 0, 0, 1)):
        message[pick(list(message))] = pick(VALUES)
    return message


def as_modern(target: Target, tools: list[dict[str, Any]]) -> tuple[bytes, dict[str, str]]:
    """Return a request of 2026-07-28, wrong in its parameters, its envelope or its headers."""
    pick = target.random.choice
    call = wrong_call(target, tools)["params"]
    method = pick(("tools/call", "tools/call", *METHODS))
    message = modern(method, **(call if method == "tools/call" else {"taskId": pick(VALUES)}))
    headers = {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": method, "Mcp-Name": call["name"]}
    meta = message["params"]["_meta"]
    for _ in range(pick((0, 0, 1, 2))):
        meta[pick([*meta, "progressToken", "traceparent", "io.modelcontextprotocol/logLevel"])] = pick(VALUES)
    if pick((0, 0, 1)):
        message["params"]["inputResponses"] = {"confirm": pick(VALUES)}
        message["params"]["requestState"] = pick(VALUES)
    return write(message), headers


def wrong_shapes() -> Iterator[Any]:
    """Yield what is JSON and no request."""
    yield from (None, 1, "x", [], {}, [{}], [[]], {"jsonrpc": "1.0"}, {"id": 1}, {"method": "ping"})
    yield from ([call_message("list_dags", {})] * 3, {"jsonrpc": "2.0", "id": None, "method": "ping"})
    yield from ({"jsonrpc": "2.0", "id": 1, "result": {}}, {"jsonrpc": "2.0", "id": [], "method": "ping"})
    yield call_message("list_dags", {"pattern": "@deep"})
    yield call_message("@deep", {})


def write(message: Any) -> bytes:
    """Return a message as JSON, or nearly."""
    text = json.dumps(message)
    for name, value in {"nan": "NaN", "infinity": "1e999", "digits": "9" * 5000, "deep": DEEP}.items():
        text = text.replace(f'"@{name}"', value)
    return text.encode()


def damage(target: Target, body: bytes) -> bytes:
    """Return a body with some bytes changed, left out, doubled or put before it."""
    place = target.random.randrange(len(body))
    kinds = (
        lambda: body[:place],
        lambda: body[:place] + bytes([target.random.randrange(256)]) + body[place + 1 :],
        lambda: body[:place] + b"\xff\xfe\x00" + body[place:],
        lambda: body[:place] + body[:place] + body[place:],
        lambda: b"\xef\xbb\xbf" + body,
        lambda: body.decode().encode("utf-16"),
        lambda: base64.b64encode(body),
    )
    return target.random.choice(kinds)()
