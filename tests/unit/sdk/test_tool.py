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
"""What a tool is, how its arguments are checked and how its result is cut to size."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import anyio
import httpx
import pytest
from pydantic import BaseModel, Field

from airflow_provider_mcp.sdk.airflow import Airflow, AirflowSync
from airflow_provider_mcp.sdk.binding import bind_tool
from airflow_provider_mcp.sdk.errors import ToolError
from airflow_provider_mcp.sdk.guards import path
from airflow_provider_mcp.sdk.pages import Page, decode_cursor, encode_cursor
from airflow_provider_mcp.sdk.tool import tool
from airflow_provider_mcp.server.shaping import shape_result
from airflow_provider_mcp.testing import Recording, call_tool, open_airflow


class Greeting(BaseModel):
    text: str


@tool(access="read")
async def greet(
    name: Annotated[str, Field(description="Who.")], airflow: Airflow, times: int = 1
) -> Greeting:
    """Greet someone."""
    return Greeting(text=f"{name} " * times)


@pytest.mark.parametrize("identifier", ["..", ".", "", "a/b", "../connections", "a\\b"])
def test_path_refuses_what_is_no_identifier(identifier: str) -> None:
    with pytest.raises(ToolError) as refused:
        path("dags/{}", identifier)
    assert refused.value.code == "invalid_argument"


def test_path_quotes() -> None:
    assert path("dags/{}/dagRuns/{}", "a b", "x?y#z%2F") == "dags/a%20b/dagRuns/x%3Fy%23z%252F"
    assert path("files/{}", "a/b c", slashes=True) == "files/a/b%20c"


def test_the_function_is_unchanged_and_the_client_is_hidden() -> None:
    bound = bind_tool(greet, toolset="t", owner="o")
    assert bound.function is greet
    assert bound.description == "Greet someone."
    assert set(bound.input_schema["properties"]) == {"name", "times"}
    assert bound.input_schema["required"] == ["name"]
    assert bound.input_schema["additionalProperties"] is False
    assert bound.output_schema["properties"]["text"]["type"] == "string"


def test_each_fault_of_the_arguments_is_named() -> None:
    bound = bind_tool(greet, toolset="t", owner="o")
    with pytest.raises(ToolError) as refused:
        bound.check({"times": "many", "colour": "red"})
    for part in ("name: is required", "times:", "colour: is not an argument"):
        assert part in refused.value.message


@pytest.mark.parametrize("missing", ["docstring", "return", "type", "mark"])
def test_an_incomplete_tool_is_refused(missing: str) -> None:
    async def broken(name: str) -> Greeting:
        return Greeting(text=name)

    if missing != "docstring":
        broken.__doc__ = "Do."
    if missing == "return":
        del broken.__annotations__["return"]
    if missing == "type":
        del broken.__annotations__["name"]
    if missing != "mark":
        tool(access="read")(broken)
    with pytest.raises(TypeError, match="broken"):
        bind_tool(broken, toolset="t", owner="o")


def test_a_plain_function_runs_in_a_thread_with_its_own_client() -> None:
    @tool(access="read")
    def look(airflow: AirflowSync) -> Greeting:
        """Look."""
        return Greeting(text=airflow.get("version").json()["version"])

    assert call_tool(look, open_airflow(Recording({"GET version": {"version": "9"}}))).text == "9"


class Letters(Page):
    items_field: ClassVar[str] = "letters"
    letters: list[str]


def test_a_page_is_cut_at_an_item_and_continues_there() -> None:
    page = Letters.of(["x" * 100] * 50, total=80, offset=10)
    assert decode_cursor(page.next_cursor) == {"offset": 60, "total": 80}
    shaped = shape_result(page, 1500)
    kept = len(shaped.data["letters"])
    assert 0 < kept < 50
    assert len(shaped.text) <= 1500
    assert shaped.data["truncated"] is True
    assert decode_cursor(shaped.data["next_cursor"]) == {"offset": 10 + kept, "total": 80}


def test_any_other_result_is_cut_where_it_is_largest() -> None:
    shaped = shape_result({"id": "kept", "source": "y" * 10_000, "rows": list(range(2000))}, 2000)
    assert len(shaped.text) <= 2000
    assert shaped.data["id"] == "kept"
    assert shaped.data["truncated"] is True


@pytest.mark.parametrize("cursor", ["!", "AAAA", encode_cursor(offset=-1), encode_cursor(offset="x")])
def test_a_strange_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(ToolError):
        decode_cursor(cursor)


class Listed(Page):
    items_field: ClassVar[str] = "runs"
    runs: list[dict[str, Any]]


def test_pages_of_a_growing_list_show_each_row_once() -> None:
    rows = [f"run{n}" for n in range(250)]

    def handler(request: httpx.Request) -> httpx.Response:
        query = request.url.params
        offset, limit = int(query["offset"]), int(query["limit"])
        newest = rows[::-1]
        shown = [{"id": row} for row in newest[offset : offset + limit]]
        return httpx.Response(200, json={"runs": shown, "total_entries": len(rows)})

    async def walk() -> list[str]:
        seen: list[str] = []
        cursor = None
        while True:
            page, total, offset = await Listed.fetch(
                open_airflow(handler), "runs", limit=40, cursor=cursor, newest_first=True
            )
            seen += [row["id"] for row in page]
            rows.append(f"new{len(rows)}")
            end = offset + len(page)
            if not page or end >= total:
                return seen
            cursor = encode_cursor(offset=end, total=total)

    seen = anyio.run(walk)
    assert len(seen) == len(set(seen))
    assert {f"run{n}" for n in range(250)} <= set(seen)


class Growing:
    """A list of runs that changes between the pages a caller reads; the newest is first."""

    def __init__(self, count: int) -> None:
        self.rows = [f"run{n}" for n in range(count)]
        self.asked = 0

    def handle(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        offset, limit = (int(request.url.params[name]) for name in ("offset", "limit"))
        newest = self.rows[::-1]
        shown = [{"dag_id": "a", "dag_run_id": row} for row in newest[offset : offset + min(limit, 100)]]
        return httpx.Response(200, json={"dag_runs": shown, "total_entries": len(self.rows)})

    def walk(self, change: Any, limit: int = 40, newest_first: bool = True) -> list[str]:
        class Runs(Page):
            items_field: ClassVar[str] = "dag_runs"
            identity: ClassVar[tuple[str, ...]] = ("dag_id", "dag_run_id")
            dag_runs: list[dict[str, Any]]

        async def run() -> list[str]:
            seen: list[str] = []
            cursor: str | None = None
            while True:
                rows, total, offset = await Runs.fetch(
                    open_airflow(self.handle),
                    "runs",
                    limit=limit,
                    cursor=cursor,
                    newest_first=newest_first,
                )
                assert len(rows) <= limit
                seen += [row["dag_run_id"] for row in rows]
                cursor = Runs.of(rows, total=total, offset=offset).next_cursor
                if cursor is None:
                    return seen
                change(len(seen))

        return anyio.run(run)


@pytest.mark.parametrize("limit", [1, 7, 40, 100])
def test_pages_of_a_quiet_list_cost_one_question_each(limit: int) -> None:
    growing = Growing(250)
    seen = growing.walk(lambda _: None, limit)
    assert seen == [f"run{n}" for n in range(250)][::-1]
    assert growing.asked <= 250 // min(limit, 99) + 1


@pytest.mark.parametrize("newest_first", [True, False])
@pytest.mark.parametrize(
    "place", ["front", "front of seen", "middle of unseen", "end", "many at the front", "everywhere"]
)
def test_rows_that_are_added_anywhere_hide_and_repeat_none(place: str, newest_first: bool) -> None:
    growing = Growing(250)
    added = 0

    def change(seen: int) -> None:
        nonlocal added
        rows = growing.rows
        places = {
            "front": [len(rows)],
            "front of seen": [len(rows) - seen // 2],
            "middle of unseen": [(len(rows) - seen) // 2],
            "end": [0],
            "many at the front": [len(rows)] * 30,
            "everywhere": [len(rows), len(rows) - seen // 3, (len(rows) - seen) // 2, 0],
        }[place]
        for position in sorted(places, reverse=True):
            rows.insert(position, f"new{added}")
            added += 1

    seen = growing.walk(change, newest_first=newest_first)
    assert len(seen) == len(set(seen))
    assert {f"run{n}" for n in range(250)} <= set(seen)


def test_rows_that_are_removed_hide_none_but_themselves() -> None:
    growing = Growing(250)

    def change(seen: int) -> None:
        # Of those already shown, as runs that leave the state they are filtered by.
        del growing.rows[len(growing.rows) - seen // 2]

    seen = growing.walk(change, 20)
    assert seen == [f"run{n}" for n in range(250)][::-1]


def test_the_last_row_itself_may_go() -> None:
    growing = Growing(100)

    def change(_: int) -> None:
        gone = seen_last.pop() if (seen_last := growing.rows[50:51]) else None
        if gone:
            growing.rows.remove(gone)

    seen = growing.walk(change, 49)
    assert len(seen) == len(set(seen))
