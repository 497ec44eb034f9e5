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
"""Arguments as models and clients send them, for every tool, whoever wrote it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from airflow_provider_mcp.sdk import InvalidArgument, JSONObject, Time, tool
from airflow_provider_mcp.sdk.binding import bind_tool
from airflow_provider_mcp.sdk.coercion import NotATime, parse_time
from airflow_provider_mcp.testing import load_plugin

UTC = timezone.utc


class Done(BaseModel):
    ok: bool = True


class Window(BaseModel):
    begin: int
    width: int = 1


async def look(
    dag_id: Annotated[str, Field(description="Dag ID.")],
    limit: int = 25,
    ratio: float = 0.5,
    deep: bool = False,
    tags: list[str] | None = None,
    map_indexes: list[int] | None = None,
    include: list[Literal["tasks", "runs"]] | None = None,
    conf: JSONObject | None = None,
    state: Literal["failed", "success"] | None = None,
    note: str | None = None,
    since: Time | None = None,
    until: datetime | None = None,
    window: Window | None = None,
) -> Done:
    """Look."""
    return Done()


def bind(function: Callable[..., object], **options: Any) -> Any:
    return bind_tool(tool(access="read", **options)(function), toolset="t", owner="acme")


LOOK = bind(look)

SCHEMA = {
    "type": "object",
    "properties": {
        "dag_id": {"type": "string"},
        "limit": {"type": "integer", "default": 25},
        "tags": {"type": "array", "items": {"type": "string"}},
        "conf": {"$ref": "#/$defs/Conf"},
        "state": {"type": ["string", "null"], "enum": ["failed", "success", None]},
    },
    "required": ["dag_id"],
    "additionalProperties": False,
    "$defs": {"Conf": {"type": "object", "properties": {"a": {"type": "integer"}}}},
}


async def look_by_schema(arguments: dict[str, Any]) -> Done:
    """Look."""
    return Done()


OWN = bind(look_by_schema, input_schema=SCHEMA)


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        # null is the default
        *(({name: None}, {}) for name in ("limit", "tags", "include", "conf", "state", "note", "since")),
        ({"limit": "null"}, {}),
        # JSON text of the declared kind
        ({"tags": '["sales"]'}, {"tags": ["sales"]}),
        ({"conf": '{"a": 1}'}, {"conf": {"a": 1}}),
        ({"map_indexes": "[0, 1]"}, {"map_indexes": [0, 1]}),
        ({"limit": "7"}, {"limit": 7}),
        ({"limit": 7.0}, {"limit": 7}),
        ({"ratio": "0.25"}, {"ratio": 0.25}),
        ({"ratio": "2"}, {"ratio": 2.0}),
        ({"deep": "true"}, {"deep": True}),
        ({"deep": "False"}, {"deep": False}),
        ({"window": '{"begin": 3}'}, {"window": Window(begin=3)}),
        ({"window": {"begin": "3", "width": None}}, {"window": Window(begin=3)}),
        # one for a list of one
        ({"tags": "sales"}, {"tags": ["sales"]}),
        ({"tags": "true"}, {"tags": ["true"]}),
        ({"tags": "2026"}, {"tags": ["2026"]}),
        ({"include": "tasks"}, {"include": ["tasks"]}),
        ({"map_indexes": 3}, {"map_indexes": [3]}),
        ({"map_indexes": "3"}, {"map_indexes": [3]}),
        ({"map_indexes": ["0", "1"]}, {"map_indexes": [0, 1]}),
        # a choice in other letters
        ({"state": "FAILED"}, {"state": "failed"}),
        ({"include": ["Tasks", "RUNS"]}, {"include": ["tasks", "runs"]}),
        # text stays text
        *(({"note": text}, {"note": text}) for text in ('["a"]', '{"a": 1}', "12", "true", "null", " x ")),
        ({"note": 12}, {"note": "12"}),
        # times
        ({"since": "2026-11-01"}, {"since": "2026-11-01T00:00:00+00:00"}),
        ({"since": "2026-11-01T06:30:00"}, {"since": "2026-11-01T06:30:00+00:00"}),
        ({"since": "2026-11-01 06:30"}, {"since": "2026-11-01T06:30:00+00:00"}),
        ({"since": "2026-11-01T06:30:00Z"}, {"since": "2026-11-01T06:30:00Z"}),
        ({"since": "2026-11-01T06:30:00.123+01:00"}, {"since": "2026-11-01T06:30:00.123+01:00"}),
        ({"until": "2026-11-01"}, {"until": datetime(2026, 11, 1, tzinfo=UTC)}),
        ({"until": "2026-11-01T06:30:00"}, {"until": datetime(2026, 11, 1, 6, 30, tzinfo=UTC)}),
        (
            {"until": "2026-11-01T06:30:00+01:00"},
            {"until": datetime(2026, 11, 1, 6, 30, tzinfo=timezone(timedelta(hours=1)))},
        ),
        # what clients add
        (
            {
                "toolCallId": "c1",
                "sessionId": "s",
                "action": "x",
                "chatInput": "?",
                "wait_for_previous": True,
            },
            {},
        ),
    ],
)
def test_what_is_sent_is_taken_as_it_is_meant(sent: JSONObject, meant: JSONObject) -> None:
    defaults = LOOK.check({"dag_id": "sales"})
    assert LOOK.check({"dag_id": "sales", **sent}) == {**defaults, **meant}


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        ({"limit": None}, {}),
        ({"limit": "7"}, {"limit": 7}),
        ({"tags": "sales"}, {"tags": ["sales"]}),
        ({"conf": '{"a": "1"}'}, {"conf": '{"a": "1"}'}),
        ({"conf": {"a": "1"}}, {"conf": {"a": 1}}),
        ({"state": "Failed"}, {"state": "failed"}),
        ({"toolCallId": "c1"}, {}),
    ],
)
def test_a_tool_with_its_own_schema_is_no_exception(sent: JSONObject, meant: JSONObject) -> None:
    if meant.get("conf") == sent.get("conf") and isinstance(meant.get("conf"), str):
        meant = {"conf": {"a": 1}}
    assert OWN.check({"dag_id": "sales", **sent}) == {"arguments": {"dag_id": "sales", **meant}}


@pytest.mark.parametrize(
    ("sent", "fault"),
    [
        ({"dagId": "a"}, "dagId: is not an argument of this tool; did you mean dag_id?"),
        ({"dag": "a"}, "dag: is not an argument of this tool; did you mean dag_id?"),
        ({"dag_id": "a", "limits": 3}, "did you mean limit?"),
        ({"dag_id": "a", "colour": 1}, "colour: is not an argument of this tool"),
        ({}, "dag_id: is required"),
        ({"dag_id": None}, "dag_id: is required"),
        ({"dag_id": "a", "limit": "many"}, "limit: "),
        ({"dag_id": "a", "state": "fail"}, "state: must be 'failed' or 'success'; did you mean failed?"),
        ({"dag_id": "a", "include": "taks"}, "include.0: must be 'tasks' or 'runs'; did you mean tasks?"),
        ({"dag_id": "a", "since": "yesterday"}, "since: 'yesterday' is no time"),
        ({"dag_id": "a", "since": "1700000000"}, "since: '1700000000' is no time"),
        ({"dag_id": "a", "window": {"width": 3}}, "window.begin: is required"),
        ({"dag_id": "a", "conf": "a=1"}, "conf: "),
    ],
)
def test_a_fault_names_the_argument_and_the_cure(sent: JSONObject, fault: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        LOOK.check(sent)
    assert fault in refused.value.message
    assert "?." not in refused.value.message
    assert refused.value.hint.startswith("Its arguments are: dag_id (required), limit, ")


def test_a_refusal_repeats_no_value() -> None:
    """An argument may be a password."""
    with pytest.raises(InvalidArgument) as refused:
        LOOK.check(
            {"dag_id": "a", "limit": "hunter2", "conf": "hunter2", "state": "hunter2", "hidden": "hunter2"}
        )
    assert "hunter2" not in refused.value.as_text()


def test_what_a_client_adds_is_kept_where_the_tool_has_it() -> None:
    @tool(access="read")
    async def decide(action: Literal["pause", "cancel"]) -> Done:
        """Decide."""
        return Done()

    assert bind(decide).check({"action": "pause", "sessionId": "s"}) == {"action": "pause"}


def test_a_confirmation_is_bound_to_what_the_arguments_mean() -> None:
    @tool(access="destructive")
    async def drop(names: list[str], note: str | None = None) -> Done:
        """Drop."""
        return Done()

    tester = load_plugin([drop])
    token = tester.error("drop", names="a", note=None, toolCallId="c1")["confirmation_token"]
    again = {"names": ["a"], "toolCallId": "c2", "confirmation_token": token}
    assert tester.result("drop", **again) == {"ok": True}
    other = tester.error("drop", names=["b"], confirmation_token=token)
    assert other["code"] in {"confirmation_required", "conflict"}
    # A strict client sends each property it was shown.
    assert tester.error("drop", names="a", confirmation_token=None)["code"] == "confirmation_required"


@pytest.mark.parametrize("text", ["", "now", "2026", "2026-13-01", "12:30", "1e9", "-5"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(NotATime):
        parse_time(text)


def test_a_tool_with_its_own_schema_refuses_as_all_others_do() -> None:
    schema = {
        "type": "object",
        "properties": {"region": {"type": "string"}, "days": {"type": "integer", "minimum": 1}},
        "required": ["region"],
        "additionalProperties": False,
    }
    with pytest.raises(InvalidArgument) as refused:
        bind(look_by_schema, input_schema=schema).check({"regoin": "eu", "days": 0})
    assert refused.value.message == (
        "look_by_schema was called with wrong arguments: region: is required; regoin: is not an argument of "
        "this tool; did you mean region?; days: 0 is less than the minimum of 1."
    )
