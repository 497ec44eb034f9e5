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
"""What a tool may not be: each slip is refused in one sentence that names the function and the cure."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from decimal import Decimal
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field, RootModel

from airflow_provider_mcp.sdk import (
    Airflow,
    AirflowSync,
    Arguments,
    Caller,
    Client,
    Content,
    JobStarted,
    JSONObject,
    Toolset,
    tool,
)
from airflow_provider_mcp.sdk.binding import bind_tool
from airflow_provider_mcp.sdk.tool import Tool
from airflow_provider_mcp.testing import load_plugin


class Greeting(BaseModel):
    text: str


class Rows(RootModel[list[str]]):
    pass


@dataclass
class Plain:
    text: str


class Session:
    """Something that no JSON can be."""


def bind(function: Callable[..., object], **options: Any) -> Tool:
    return bind_tool(tool(access="read", **options)(function), toolset="t", owner="acme")


def refusal(function: Callable[..., object], **options: Any) -> str:
    """Return the sentence that a definition is refused with."""
    with pytest.raises(TypeError) as refused:
        bind(function, **options)
    return str(refused.value)


@pytest.mark.parametrize("access", ["destructve", "Read", "READ", "", None, "read ", "admin"])
def test_access_is_one_of_three(access: Any) -> None:
    async def drop() -> Greeting:
        """Drop."""
        return Greeting(text="")

    with pytest.raises(TypeError, match=r"the tool drop has the access .*'read', 'write' or 'destructive'"):
        tool(access=access)(drop)


@pytest.mark.parametrize(
    ("returned", "named"),
    [
        (list[str], "list[str]"),
        (None, "None"),
        (Plain, "Plain"),
        (datetime, "datetime"),
        (Decimal, "Decimal"),
        (str, "str"),
        (bool, "bool"),
        (Rows, "Rows"),
        (Greeting | None, "Greeting or None"),
        (Greeting | Plain, "Greeting or Plain"),
        (Any, "Any"),
        (Greeting | JobStarted, "JobStarted"),
    ],
)
def test_a_result_is_a_model(returned: Any, named: str) -> None:
    async def look_up():
        """Look up."""

    look_up.__annotations__["return"] = returned
    sentence = refusal(look_up)
    assert "look_up" in sentence
    assert named in sentence
    assert re.search(r"return one pydantic model|write @tool\(job=", sentence)


@pytest.mark.parametrize(
    "returned", [Greeting, dict[str, Any], JSONObject, Content, Annotated[Greeting, "x"]]
)
def test_these_are_results(returned: Any) -> None:
    async def look_up():
        """Look up."""

    look_up.__annotations__["return"] = returned
    assert (bind(look_up).output_schema is None) == (returned is Content)


def with_def_and_airflow(airflow: Airflow) -> Greeting:
    """Greet."""
    return Greeting(text="")


async def with_async_and_sync(airflow: AirflowSync) -> Greeting:
    """Greet."""
    return Greeting(text="")


async def with_optional_client(client: Client | None = None) -> Greeting:
    """Greet."""
    return Greeting(text="")


async def with_session(session: Session) -> Greeting:
    """Greet."""
    return Greeting(text="")


async def with_private_name(_name: str) -> Greeting:
    """Greet."""
    return Greeting(text="")


async def with_token(confirmation_token: str) -> Greeting:
    """Greet."""
    return Greeting(text="")


async def with_rest(*names: str) -> Greeting:
    """Greet."""
    return Greeting(text="")


async def with_options(**options: str) -> Greeting:
    """Greet."""
    return Greeting(text="")


async def with_position(name: str, /) -> Greeting:
    """Greet."""
    return Greeting(text="")


async def with_untyped(name) -> Greeting:  # type: ignore[no-untyped-def]
    """Greet."""
    return Greeting(text="")


async def with_unknown_type(name: Missing) -> Greeting:  # type: ignore[name-defined]  # noqa: F821
    """Greet."""
    return Greeting(text="")


async def with_yields() -> AsyncIterator[Greeting]:
    """Greet."""
    yield Greeting(text="")


async def with_bare_arguments(arguments: Arguments) -> Greeting:
    """Greet."""
    return Greeting(text="")


class Whom(Arguments):
    name: Annotated[str, Field(description="Who.")]
    times: int = 1


async def with_more_than_whole(whom: Whom, colour: str) -> Greeting:
    """Greet."""
    return Greeting(text="")


async def without_docstring() -> Greeting:
    return Greeting(text="")


async def without_return():  # type: ignore[no-untyped-def]
    """Greet."""


@pytest.mark.parametrize(
    ("function", "cure"),
    [
        (with_def_and_airflow, "take AirflowSync"),
        (with_async_and_sync, "take Airflow"),
        (with_optional_client, "annotate it Client alone"),
        (with_session, "take a type that pydantic reads"),
        (with_private_name, "rename it"),
        (with_token, "rename it"),
        (with_rest, "name every argument"),
        (with_options, "name every argument"),
        (with_position, "remove the /"),
        (with_untyped, "annotate it"),
        (with_unknown_type, "import it at the top"),
        (with_yields, "return one result"),
        (with_bare_arguments, "subclass"),
        (with_more_than_whole, "fields of Whom"),
        (without_docstring, "docstring"),
        (without_return, "->"),
    ],
)
def test_each_slip_is_told_with_its_cure(function: Callable[..., object], cure: str) -> None:
    sentence = refusal(function)
    assert function.__name__ in sentence
    assert cure in sentence
    assert "\n" not in sentence


@pytest.mark.parametrize(
    ("options", "cure"),
    [
        ({"keywords": "retry stuck"}, "keywords=['retry']"),
        ({"keywords": [1]}, "keywords=['retry']"),
        ({"since": "three"}, "'3.1'"),
        ({"input_schema": {"type": "object"}}, "`arguments`"),
    ],
)
def test_options_are_checked(options: dict[str, Any], cure: str) -> None:
    async def greet(name: str) -> Greeting:
        """Greet."""
        return Greeting(text=name)

    sentence = refusal(greet, **options)
    assert "greet" in sentence
    assert cure in sentence


@pytest.mark.parametrize(
    "schema", [{"type": "objekt"}, {"type": "array"}, {"type": "object", "properties": 3}]
)
def test_a_schema_of_its_own_is_one_of_an_object(schema: dict[str, Any]) -> None:
    async def greet(arguments: dict[str, Any]) -> Greeting:
        """Greet."""
        return Greeting(text="")

    assert "input_schema of the tool greet" in refusal(greet, input_schema=schema)


def preview_of_other(colour: str) -> dict[str, Any]:
    return {}


def preview_with_async_client(airflow: Airflow) -> dict[str, Any]:
    return {}


def preview_as_list(name: str) -> list[str]:
    return []


def preview_of_whole(whom: Whom) -> dict[str, Any]:
    return {}


@pytest.mark.parametrize(
    ("preview", "cure"),
    [
        (preview_of_other, "its arguments are name"),
        (preview_with_async_client, "take AirflowSync"),
        (preview_as_list, "return one pydantic model"),
        (preview_of_whole, "take its arguments as that too"),
    ],
)
def test_a_preview_is_checked_with_its_tool(preview: Callable[..., object], cure: str) -> None:
    async def greet(name: str) -> Greeting:
        """Greet."""
        return Greeting(text=name)

    sentence = refusal(greet, preview=preview)
    assert preview.__name__ in sentence
    assert "greet" in sentence
    assert cure in sentence


async def preview_greet(whom: Whom, caller: Caller) -> dict[str, Any]:
    return {"greets": whom.name, "times": whom.times, "for": caller.name}


async def greet_whole(whom: Whom) -> Greeting:
    """Greet."""
    return Greeting(text=f"{whom.name} " * whom.times)


def test_a_tool_and_its_preview_take_the_same_arguments_whole() -> None:
    bound = bind(greet_whole, preview=preview_greet)
    assert set(bound.input_schema["properties"]) == {"name", "times"}
    assert bound.input_schema["required"] == ["name"]
    tester = load_plugin([tool(access="destructive", preview=preview_greet)(greet_whole)])
    asked = tester.error("greet_whole", name="Ada", times=2)
    assert asked["preview"] == {"greets": "Ada", "times": 2, "for": "ada"}
    arguments = {"name": "Ada", "times": 2, "confirmation_token": asked["confirmation_token"]}
    assert tester.result("greet_whole", **arguments) == {"text": "Ada Ada "}
    assert "colour: is not an argument" in tester.error("greet_whole", name="Ada", colour="red")["message"]


class Measured(BaseModel):
    when: datetime
    price: Decimal
    more: dict[str, Any]


def test_times_and_decimals_inside_models_go_out_as_text() -> None:
    @tool(access="read")
    async def measure() -> Measured:
        """Measure."""
        when = datetime(2026, 11, 1, tzinfo=timezone.utc)
        return Measured(when=when, price=Decimal("1.10"), more={"at": when, "cost": Decimal("2.50")})

    tester = load_plugin([measure])
    assert tester.result("measure") == {
        "when": "2026-11-01T00:00:00Z",
        "price": "1.10",
        "more": {"at": "2026-11-01T00:00:00Z", "cost": "2.50"},
    }


@pytest.mark.parametrize(
    ("result", "named"),
    [
        (["a"], "list"),
        (None, "NoneType"),
        (Plain("a"), "Plain"),
        (datetime.now(timezone.utc), "datetime"),
        (Decimal(1), "Decimal"),
        ({"txt": "a"}, "text: Field required"),
        (Content(["a"]), "Content"),
    ],
)
def test_a_result_that_does_not_fit_names_the_tool(
    result: Any, named: str, caplog: pytest.LogCaptureFixture
) -> None:
    @tool(access="read")
    async def promise() -> Greeting:
        """Promise."""
        return result  # type: ignore[no-any-return]

    with caplog.at_level(logging.ERROR):
        error = load_plugin([promise]).error("promise")
    assert error["code"] == "internal"
    assert error["message"].startswith("promise returned ")
    assert "Greeting" in error["message"]
    assert named in error["message"]
    assert error["message"] in caplog.text


def test_a_dictionary_that_fits_the_model_is_taken() -> None:
    @tool(access="read")
    async def promise() -> Greeting:
        """Promise."""
        return {"text": "a"}  # type: ignore[return-value]

    assert load_plugin([promise]).result("promise") == {"text": "a"}


@pytest.mark.parametrize("name", ["a b", "dags,runs", "", "ä"])
def test_a_toolset_has_a_name_that_can_be_listed(name: str) -> None:
    with pytest.raises(ValueError, match="name of a toolset"):
        Toolset(name, "Tools.", [])
