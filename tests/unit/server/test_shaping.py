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
"""A result within its limit: what stays, what is told of what does not, and how much work that is."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, ClassVar

import anyio
import pytest

from airflow_provider_mcp.sdk.errors import Conflict
from airflow_provider_mcp.sdk.pages import Page, Result, decode_cursor
from airflow_provider_mcp.server import shaping
from airflow_provider_mcp.server.cutting import Cutter, compact, cut_text
from airflow_provider_mcp.server.policy import Policy
from airflow_provider_mcp.server.shaping import dump, is_large, shape, shape_result
from airflow_provider_mcp.server.wire import build_error_result


def nested(depth: int, inside: Any) -> Any:
    for _ in range(depth):
        inside = {"k": 1, "v": [inside]}
    return inside


HOSTILE: dict[str, Callable[[int], Any]] = {
    "short keys": lambda n: {f"key_{i}": f"value {i}" for i in range(n // 40)},
    "rows by key": lambda n: {f"r{i}": {"id": i, "name": f"row {i}"} for i in range(n // 40)},
    "rows": lambda n: [{"id": i, "name": f"row {i}"} for i in range(n // 40)],
    "one huge key": lambda n: {"k" * n: 1},
    "huge keys": lambda n: {f"{i}" * (n // 10): 1 for i in range(10)},
    "one text": lambda n: "x" * n,
    "quotes": lambda n: '"' * n,
    "control characters": lambda n: "\x00\n" * (n // 2),
    "texts": lambda n: ["word"] * (n // 8),
    "numbers": lambda n: [0] * (n // 2),
    "empty lists": lambda n: [[] for _ in range(n // 3)],
    "lists of lists": lambda n: {f"l{i}": [[0] for _ in range(n // 400)] for i in range(100)},
    "deep": lambda n: nested(60, "x" * n),
    "deeper than pydantic goes": lambda n: nested(300, "x" * n),
    "huge numbers": lambda n: [10**4000] * (n // 4000),
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("limit", [40_000, 2000, 200, 50, 20])
def test_the_limit_bounds_everything(name: str, limit: int) -> None:
    shaped = shape_result({"id": "kept", "value": HOSTILE[name](300_000)}, limit)
    assert len(shaped.text) <= max(limit, 18)
    assert json.loads(shaped.text) == shaped.data
    assert shaped.data["truncated"] is True
    if limit >= 2000:
        assert shaped.data["id"] == "kept"
        assert "max_result_chars" in shaped.data["hint"] or "nested" in shaped.data["hint"]


@pytest.mark.parametrize("name", HOSTILE)
def test_the_work_is_linear(name: str) -> None:
    def work(size: int) -> int:
        data = dump({"value": HOSTILE[name](size)})
        cutter = Cutter(data, 10_000)
        cutter.cut(9000)
        return cutter.work

    small, large = work(40_000), work(400_000)
    assert large <= 10 * small + 100
    # What cannot stay is not looked at: with so small a limit, far fewer values than there are.
    assert large <= 60_000


def test_a_small_result_goes_out_whole() -> None:
    data = {"a": [1, 2.5, None, True, False], "b": {"ü": "„€“"}}
    assert shape_result(data, 1000).data == data
    assert "truncated" not in shape_result(data, 1000).data
    exact = len(shape_result(data, 1000).text)
    assert shape_result(data, exact).data == data
    assert shape_result(data, exact - 1).data["truncated"] is True


def test_a_list_that_is_cut_has_its_whole_count_beside_it() -> None:
    shaped = shape_result({"rows": [f"row {i}" for i in range(3000)], "few": [1, 2]}, 2000)
    assert shaped.data["rows_total"] == 3000
    assert shaped.data["rows"] == [f"row {i}" for i in range(len(shaped.data["rows"]))]
    assert shaped.data["few"] == [1, 2]
    assert "few_total" not in shaped.data
    inside = shape_result({"dag": {"tasks": list(range(9000)), "tasks_total": 9000}}, 2000)
    assert inside.data["dag"]["tasks_total"] == 9000


def test_keys_that_are_left_out_are_counted() -> None:
    shaped = shape_result({"value": {f"key_{i}": f"value {i}" for i in range(8000)}}, 2000)
    kept = shaped.data["value"]
    assert kept["…"] == f"({8000 - len(kept) + 1} more of 8000 keys)"


def test_the_large_share_what_the_small_leave() -> None:
    shaped = shape_result({"id": "a", "log": "x" * 50_000, "source": "y" * 50_000, "n": 1}, 4000)
    assert (shaped.data["id"], shaped.data["n"]) == ("a", 1)
    assert len(shaped.data["log"]) == len(shaped.data["source"]) > 1700
    assert len(shaped.text) > 3700


def test_items_are_cut_whole_unless_not_even_one_fits() -> None:
    rows = [{"id": i, "text": "x" * 300} for i in range(100)]
    assert all(row["text"] == "x" * 300 for row in shape_result({"rows": rows}, 2000).data["rows"])
    (only,) = shape_result({"rows": [{"id": 7, "text": "x" * 9000}]}, 2000).data["rows"]
    assert only["id"] == 7
    assert only["text"].endswith("more characters)")


def test_a_text_says_how_much_more_there_is() -> None:
    kept = cut_text("é\n" * 5000, 500)
    assert kept.endswith(f"({10_000 - kept.index('…')} more characters)")
    assert len(json.dumps(kept, ensure_ascii=False)) <= 500
    assert cut_text("short", 500) == "short"


class Letters(Page):
    items_field: ClassVar[str] = "letters"
    letters: list[str]


def test_a_page_goes_on_where_it_was_cut_in_few_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    page = Letters.of([f"{i:0100}" for i in range(5000)], total=9000, offset=10)
    dumped: list[int] = []

    def counting(result: Any) -> Any:
        dumped.append(len(result.letters))
        return dump(result)

    monkeypatch.setattr(shaping, "dump", counting)
    shaped = shape_result(page, 4000)
    kept = len(shaped.data["letters"])
    assert decode_cursor(shaped.data["next_cursor"])["offset"] == 10 + kept
    assert 3500 < len(shaped.text) <= 4000
    assert len(dumped) < 10
    # The whole page once, and then about as much as fits.
    assert sum(dumped[1:]) < 5000


def test_an_item_that_is_too_long_for_a_page_is_cut_inside() -> None:
    shaped = shape_result(Letters.of(["x" * 9000, "y"], total=2, offset=0), 2000)
    assert shaped.data["letters"][0].startswith("xxx")
    assert decode_cursor(shaped.data["next_cursor"])["offset"] == 1
    assert shaped.data["hint"] == "Cut to fit; go on with next_cursor."


class Value(Result):
    value: Any


def test_what_pydantic_calls_too_deep_is_left_out_and_not_a_fault() -> None:
    shaped = shape_result(Value(value=nested(300, 1)), 40_000)
    assert "nested too deep" in shaped.text
    assert shape_result(Value(value=nested(30, 1)), 40_000).data["value"] == nested(30, 1)


def test_a_large_result_is_shaped_off_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    names: list[str] = []

    def shape_here(result: Any, max_chars: int) -> Any:
        names.append(threading.current_thread().name)
        return shape_result(result, max_chars)

    monkeypatch.setattr(shaping, "shape_result", shape_here)
    anyio.run(shape, {"a": "x" * 100}, 1000)
    anyio.run(shape, {"a": "x" * 100_000}, 1000)
    assert names[0] == threading.current_thread().name
    assert names[1] != names[0]


@pytest.mark.parametrize("name", set(HOSTILE))
def test_what_is_large_is_known_without_a_look_at_all_of_it(name: str) -> None:
    assert is_large({"value": HOSTILE[name](400_000)})
    assert is_large(Value(value=HOSTILE[name](400_000)))
    assert not is_large({"value": HOSTILE[name](1000)}) or "deep" in name or "lists" in name


@pytest.mark.parametrize("name", HOSTILE)
def test_an_error_is_bounded_too(name: str) -> None:
    failure = Conflict("It is there: " + "x" * 100_000, hint="Do this.", body=HOSTILE[name](60_000))
    failure.details = {"preview": HOSTILE[name](60_000), "confirmation_token": "t" * 80}
    result = anyio.run(build_error_result, failure, Policy(max_result_chars=4000), "api")
    (block,) = result["content"]
    assert len(block["text"]) <= 4000
    assert len(compact(result["structuredContent"])) <= 4000
    assert result["structuredContent"]["error"]["code"] == "conflict"
    assert result["structuredContent"]["confirmation_token"] == "t" * 80
    assert block["text"].startswith("It is there: xxx")
