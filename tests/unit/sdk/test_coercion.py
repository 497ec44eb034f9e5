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

from airflow_provider_mcp.sdk import JSON, InvalidArgument, JSONObject, Time, tool
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
    phase: Literal["up_for_retry", "-up_for_retry"] | None = None,
    note: str | None = None,
    other_id: str | None = None,
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
        "deep": {"type": "boolean"},
        "at": {"type": "string", "format": "date-time"},
        "anything": {},
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
        *(({"limit": text}, {}) for text in ("null", "None", "", " null ", "undefined")),
        *(({"state": text}, {}) for text in ("null", "None", "")),
        *(({name: "None"}, {}) for name in ("tags", "conf", "since", "deep", "other_id")),
        ({"other_id": ""}, {}),
        # null stays null inside an object that is anything
        ({"conf": {"a": None, "b": [None]}}, {"conf": {"a": None, "b": [None]}}),
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
        # as Python writes it, or as JSON text once more
        ({"tags": "['sales', 'x']"}, {"tags": ["sales", "x"]}),
        ({"conf": "{'a': None, 'b': True}"}, {"conf": {"a": None, "b": True}}),
        ({"conf": '"{\\"a\\": 1}"'}, {"conf": {"a": 1}}),
        # a list of one for what is in it
        ({"conf": [{"a": 1}]}, {"conf": {"a": 1}}),
        ({"conf": '[{"a": 1}]'}, {"conf": {"a": 1}}),
        *(({"limit": one}, {"limit": 7}) for one in ([7], ["7"])),
        ({"deep": ["true"]}, {"deep": True}),
        ({"state": ["failed"]}, {"state": "failed"}),
        ({"since": ["2026-11-01"]}, {"since": "2026-11-01T00:00:00+00:00"}),
        # words between commas
        ({"tags": "sales,marketing"}, {"tags": ["sales", "marketing"]}),
        ({"tags": "a sentence, perhaps"}, {"tags": ["a sentence, perhaps"]}),
        ({"tags": ["sales,marketing"]}, {"tags": ["sales,marketing"]}),
        ({"map_indexes": "0, 1"}, {"map_indexes": [0, 1]}),
        ({"include": "tasks, Runs"}, {"include": ["tasks", "runs"]}),
        # numbers and booleans in other forms
        ({"limit": "7.0"}, {"limit": 7}),
        ({"limit": " 7 "}, {"limit": 7}),
        ({"note": 1.5}, {"note": "1.5"}),
        *(({"deep": yes}, {"deep": True}) for yes in ("True", "yes", "ON", "1", 1)),
        *(({"deep": no}, {"deep": False}) for no in ("FALSE", "no", "off", "0", 0)),
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
        *(
            ({"phase": text}, {"phase": "up_for_retry"})
            for text in ("Up For Retry", "up-for-retry", "upForRetry", "UP_FOR_RETRY")
        ),
        ({"phase": "-Up_for_retry"}, {"phase": "-up_for_retry"}),
        # an identifier has no space around it
        ({"other_id": " x\n"}, {"other_id": "x"}),
        # text stays text
        *(({"note": text}, {"note": text}) for text in ('["a"]', '{"a": 1}', "12", "true", "null", " x ")),
        ({"note": 12}, {"note": "12"}),
        # times
        ({"since": "2026-11-01"}, {"since": "2026-11-01T00:00:00+00:00"}),
        ({"since": "2026-11-01T06:30:00"}, {"since": "2026-11-01T06:30:00+00:00"}),
        ({"since": "2026-11-01 06:30"}, {"since": "2026-11-01T06:30:00+00:00"}),
        ({"since": "2026-11-01T06:30:00Z"}, {"since": "2026-11-01T06:30:00Z"}),
        *(
            ({"since": text}, {"since": "2026-11-01T06:30:00+00:00"})
            for text in (
                "2026-11-01T06:30Z",
                "2026-11-01t06:30:00z",
                "20261101T063000Z",
                "2026-11-01 06:30 UTC",
                "2026-11-01T06:30:00 GMT",
                "2026/11/01 06:30",
            )
        ),
        ({"since": "2026-11-01T06:30:00+0100"}, {"since": "2026-11-01T06:30:00+01:00"}),
        *(({"since": text}, {"since": "2026-11-01T00:00:00+00:00"}) for text in ("20261101", "2026/11/01")),
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
                "tool": {"name": "look"},
                "wait_for_previous": True,
                "random_string": "",
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
        ({"limit": 7.0}, {"limit": 7}),
        ({"deep": "yes"}, {"deep": True}),
        ({"conf": [{"a": "1"}]}, {"conf": {"a": 1}}),
        ({"tags": "a,b"}, {"tags": ["a", "b"]}),
        ({"at": "2026-11-01"}, {"at": "2026-11-01T00:00:00+00:00"}),
        ({"anything": "null"}, {"anything": "null"}),
        ({"anything": [1]}, {"anything": [1]}),
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
        ({"dag_id": "a", "conf": "{1: {2}}"}, "conf: "),
        ({"dag_id": "a", "tags": [None]}, "tags.0: is null; leave it out"),
        ({"dag_id": ["a"]}, "dag_id: must be one text, not a list"),
        ({"dag_id": {"a": 1}}, "dag_id: must be one text"),
        ({"dag_id": "a", "deep": 2}, "deep: "),
        ({"dag_id": "a", "limit": [1, 2]}, "limit: "),
        ({"dag_id": "a", "map_indexes": "0-3"}, "map_indexes.0: "),
        ({"dag_id": "a", "since": "11/01/2026"}, "since: '11/01/2026' is no time"),
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


def test_an_empty_text_is_no_filter_and_may_be_a_value() -> None:
    assert LOOK.check({"dag_id": "sales", "note": ""}) == LOOK.check({"dag_id": "sales"})
    writing = bind_tool(tool(access="write")(look), toolset="t", owner="acme")
    assert writing.check({"dag_id": "sales", "note": ""})["note"] == ""
    # One that must be there is a matter for the tool.
    assert LOOK.check({"dag_id": ""})["dag_id"] == ""


def test_what_must_be_there_is_no_null() -> None:
    @tool(access="write")
    async def store(value: Annotated[JSON, Field(json_schema_extra={"type": "string"})]) -> Done:
        """Store."""
        return Done()

    with pytest.raises(InvalidArgument, match="value: is required"):
        bind_tool(store, toolset="t", owner="acme").check({"value": None})
    # JSON that is meant as text is left to the tool.
    for value in (["x"], {"a": 1}, True):
        assert bind_tool(store, toolset="t", owner="acme").check({"value": value}) == {"value": value}


@pytest.mark.parametrize(
    "text", ["", "now", "2026", "2026-13-01", "12:30", "1e9", "-5", "2026-11", "01.11.2026"]
)
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
