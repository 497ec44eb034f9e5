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
"""Assets and backfills over a transport that answers as Airflow does."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from airflow_provider_mcp.tools import assets, backfills
from tests.unit.answers import SENT, Answer, failing, run


def asset(number: int, name: str, uri: str | None = None, **more: Any) -> dict[str, Any]:
    return {"id": number, "name": name, "uri": uri or f"x://{name}", "group": "asset", **more}


ORDERS = asset(
    7,
    "orders",
    producing_tasks=[{"dag_id": "make", "task_id": "t"}],
    scheduled_dags=[{"dag_id": "use"}],
    extra={"password": "hunter2"},
)


def known(*rows: dict[str, Any]) -> dict[str, Any]:
    """Answer as Airflow's list of assets does."""

    def answer(request: httpx.Request) -> Answer:
        asked = request.url.params
        found = [
            row
            for row in rows
            if asked.get("name_pattern", "").lower() in row["name"].lower()
            and asked.get("uri_pattern", "").lower() in row["uri"].lower()
        ]
        offset, limit = int(asked.get("offset", 0)), int(asked["limit"])
        return 200, {"assets": found[offset : offset + limit], "total_entries": len(found)}

    return {"GET assets": answer}


def found(name: str, *rows: dict[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = run(assets.find_asset, known(*rows), asset=name)
    return row


def test_an_asset_is_found_by_name_or_uri() -> None:
    others = [asset(n, f"more_orders_{n}") for n in range(100, 350)]
    assert found("orders", *others, ORDERS)["id"] == 7
    assert found("x://orders", *others, ORDERS)["id"] == 7
    assert len(SENT) <= 6


def test_an_asset_is_found_by_its_id_unless_it_is_a_name() -> None:
    assert found("7", asset(1, "7"), ORDERS)["id"] == 1
    row = run(assets.find_asset, {**known(asset(1, "a")), "GET assets/7": (200, ORDERS)}, asset="7")
    assert row["id"] == 7


def test_a_name_that_means_two_assets_is_refused() -> None:
    answers = known(asset(1, "x://b", "x://a"), asset(2, "b", "x://b"))
    error = failing(assets.find_asset, answers, asset="x://b")
    assert error.code == "conflict"
    assert [row["id"] for row in error.identifiers["assets"]] == [1, 2]


def test_a_misspelling_names_the_near_ones() -> None:
    error = failing(assets.find_asset, known(ORDERS), asset="oders")
    assert (error.code, error.identifiers["did_you_mean"]) == ("not_found", ["orders"])
    error = failing(assets.find_asset, known(ORDERS), asset="../connections")
    assert (error.code, error.identifiers["did_you_mean"]) == ("not_found", [])
    assert {sent[1] for sent in SENT} == {"assets"}


def test_a_search_for_an_asset_is_bounded() -> None:
    rows = [asset(n, f"orders_{n}") for n in range(2000)]
    error = failing(assets.find_asset, known(*rows), asset="orders")
    assert error.code == "invalid_argument"
    assert len(SENT) == 2 * assets.MOST_PAGES


def test_lists_filter_on_the_server() -> None:
    asked: list[dict[str, str]] = []

    def answer(request: httpx.Request) -> Answer:
        asked.append(dict(request.url.params))
        return 200, {"assets": [ORDERS], "total_entries": 250}

    page = run(assets.list_assets, {"GET assets": answer}, pattern="ord", dag_id="make")
    assert page.assets == [
        {
            "id": 7,
            "name": "orders",
            "uri": "x://orders",
            "producing_tasks": ["make.t"],
            "scheduled_dags": ["use"],
            "extra": {"password": "***"},
        }
    ]
    assert (page.total, bool(page.next_cursor)) == (250, True)
    run(assets.list_assets, {"GET assets": answer}, pattern="x://ord")
    assert (asked[0]["name_pattern"], asked[0]["dag_ids"]) == ("ord", "make")
    assert asked[1]["uri_pattern"] == "x://ord"


def test_events_filter_on_the_server() -> None:
    asked: dict[str, str] = {}

    def answer(request: httpx.Request) -> Answer:
        asked.update(request.url.params)
        event = {"id": 1, "asset_id": 7, "extra": {"password": "hunter2"}, "source_map_index": -1}
        return 200, {"asset_events": [event], "total_entries": 1}

    page = run(
        assets.list_asset_events,
        {**known(ORDERS), "GET assets/events": answer},
        asset="orders",
        dag_id="d",
        task_id="t",
        dag_run_id="r",
    )
    assert page.asset_events == [{"id": 1, "asset_id": 7, "extra": {"password": "***"}}]
    assert asked["asset_id"] == "7"
    assert (asked["source_dag_id"], asked["source_task_id"], asked["source_run_id"]) == ("d", "t", "r")
    assert asked["order_by"] == "-timestamp"


def test_events_that_airflow_cannot_list_yet_may_be_asked_for_again() -> None:
    error = failing(assets.list_asset_events, {"GET assets/events": (500, {})})
    assert (error.code, error.retryable) == ("unavailable", True)
    assert failing(assets.list_asset_events, {"GET assets/events": (403, {})}).code == "permission_denied"


def test_an_event_is_recorded_and_rehearsed() -> None:
    event = {"id": 1, "asset_id": 7, "extra": {"password": "hunter2"}, "uri": None}
    answers = {**known(ORDERS), "POST assets/events": (200, event)}
    extra = {"password": "hunter2"}
    shown = run(assets._preview_event, answers, asset="orders", extra=extra, access="read")
    assert (shown.starts, shown.extra) == (["use"], {"password": "***"})
    made = run(assets.create_asset_event, answers, asset="orders", extra=extra)
    assert SENT[-1][2] == {"asset_id": 7, "extra": extra}
    assert made.event == {
        "id": 1,
        "asset_id": 7,
        "name": "orders",
        "uri": "x://orders",
        "extra": {"password": "***"},
    }


def test_a_total_that_airflow_2_does_not_count_is_not_told_as_one() -> None:
    page = {"assets": [ORDERS], "total_entries": 225, "total_is_at_least": True}
    shown = run(assets.list_assets, {"GET assets": (200, page)}, pattern="orders")
    assert (shown.total, "more than 225" in shown.hint) == (225, True)
    assert shown.next_cursor
    events = (200, {"asset_events": [{"asset_id": 7, "timestamp": "2026-11-27"}], "total_entries": 1})
    counted = (200, {**page, "total_is_at_least": False})
    whole = run(assets.list_assets, {"GET assets": counted, "GET assets/events": events})
    assert whole.hint is None
    assert whole.assets[0]["last_event"] == "2026-11-27"


def test_an_asset_that_was_never_updated_says_so() -> None:
    rows = [
        asset(1, "new", last_asset_event={"id": None, "timestamp": None}),
        asset(2, "old", last_asset_event={"id": 3, "timestamp": "2026-11-27"}),
    ]
    shown = run(assets.list_assets, {"GET assets": (200, {"assets": rows, "total_entries": 2})})
    assert [row["last_event"] for row in shown.assets] == ["never", "2026-11-27"]


def test_airflow_2_says_the_last_event_of_those_among_its_newest_events() -> None:
    rows = [asset(1, "a"), asset(2, "b")]
    events = {"asset_events": [{"asset_id": 1, "timestamp": "2026-11-27"}], "total_entries": 500}
    answers = {
        "GET assets": (200, {"assets": rows, "total_entries": 2}),
        "GET assets/events": (200, events),
    }
    shown = run(assets.list_assets, answers)
    assert [row.get("last_event") for row in shown.assets] == ["2026-11-27", None]
    assert "not among the last 1 events" in shown.hint
    answers["GET assets/events"] = (200, {**events, "total_entries": 1})
    whole = run(assets.list_assets, answers)
    assert [row["last_event"] for row in whole.assets] == ["2026-11-27", "never"]
    assert whole.hint is None


def test_the_events_of_a_dag_that_only_consumes() -> None:
    awaited = asset(
        7,
        "orders",
        scheduled_dags=[{"dag_id": "use"}],
        last_asset_event={"id": None, "timestamp": None},
    )
    answers = {
        "GET assets/events": (200, {"asset_events": [], "total_entries": 0}),
        "GET assets": (200, {"assets": [awaited], "total_entries": 1}),
    }
    hint = run(assets.list_asset_events, answers, dag_id="use").hint
    assert "dag_id means the Dag that makes them" in hint
    assert "`x://orders` (last event never)" in hint
    assert run(assets.list_asset_events, answers, dag_id="other").hint is None


def test_an_asset_is_materialized_by_its_one_dag() -> None:
    answers = {
        **known(ORDERS, asset(8, "none"), asset(9, "two", producing_tasks=[{"dag_id": d} for d in "ab"])),
        "POST assets/7/materialize": (200, {"dag_id": "make", "dag_run_id": "r", "state": "queued"}),
        "GET dags/make": (200, {"is_paused": True}),
    }
    assert run(assets._preview_materialize, answers, asset="orders", access="read").starts == ["make"]
    made = run(assets.materialize_asset, answers, asset="orders")
    assert (made.dag_run_id, "paused" in made.hint) == ("r", True)
    # Airflow 3.4 answers a request without a body with HTTP 422.
    assert [sent[2] for sent in SENT if sent[0] == "POST"] == [{}]
    error = failing(assets.materialize_asset, answers, asset="none")
    assert (error.code, "create_asset_event" in error.hint) == ("conflict", True)
    error = failing(assets.materialize_asset, answers, asset="two")
    assert error.identifiers["dag_ids"] == ["a", "b"]
    assert not [sent for sent in SENT if sent[0] == "POST"]


# ---- backfills ---------------------------------------------------------------------------------------

DATES = {"dag_id": "make", "from_date": "2026-01-01", "to_date": "2026-03-01"}
ROW = {"id": 3, "dag_id": "make", "is_paused": False, "dag_run_conf": {"password": "hunter2"}}


def test_a_backfill_is_rehearsed_by_airflows_dry_run() -> None:
    rows = [{"logical_date": f"2026-01-{n:02}", "partition_key": None} for n in range(1, 26)]
    answers = {"POST backfills/dry_run": (200, {"backfills": rows, "total_entries": 25})}
    shown = run(backfills._preview_create, answers, **DATES, access="read")
    assert (shown.runs, len(shown.dates), shown.last_date) == (25, 20, "2026-01-25")
    assert SENT[-1][2] == {
        **DATES,
        "reprocess_behavior": "none",
        "max_active_runs": 10,
        "run_backwards": False,
    }


def test_a_backfill_is_created() -> None:
    answers = {"GET dags/make": (200, {"is_paused": True}), "POST backfills": (200, ROW)}
    made = run(backfills.create_backfill, answers, **DATES, run_conf={"password": "hunter2"})
    assert SENT[-1][2]["dag_run_conf"] == {"password": "hunter2"}
    assert made.backfill["dag_run_conf"] == {"password": "***"}
    assert "paused" in made.hint


def test_a_second_backfill_is_refused() -> None:
    answers = {"GET dags/make": (200, {}), "POST backfills": (409, {"detail": "running"})}
    error = failing(backfills.create_backfill, answers, **DATES)
    assert (error.code, "update_backfill" in error.hint) == ("conflict", True)


def test_backfills_of_an_unknown_dag_are_not_an_empty_list() -> None:
    answers = {"GET backfills": (200, {"backfills": [], "total_entries": 0})}
    assert failing(backfills.list_backfills, answers, dag_id="x").code == "not_found"
    page = run(
        backfills.list_backfills,
        {"GET dags/make": (200, {}), "GET backfills": (200, {"backfills": [ROW], "total_entries": 1})},
        dag_id="make",
    )
    assert page.backfills == [
        {"id": 3, "dag_id": "make", "is_paused": False, "dag_run_conf": {"password": "***"}}
    ]


@pytest.mark.parametrize("action", ["pause", "unpause", "cancel"])
def test_a_backfill_is_updated(action: Any) -> None:
    answers = {"GET backfills/3": (200, ROW), f"PUT backfills/3/{action}": (200, ROW)}
    shown = run(backfills._preview_update, answers, backfill_id=3, action=action, access="read")
    assert (shown.action, shown.backfill["id"]) == (action, 3)
    assert run(backfills.update_backfill, answers, backfill_id=3, action=action).backfill["id"] == 3
    over = {"GET backfills/3": (200, {**ROW, "completed_at": "2026-01-01"})}
    assert failing(backfills.update_backfill, over, backfill_id=3, action=action).code == "conflict"
    assert failing(backfills.update_backfill, {}, backfill_id=4, action=action).code == "not_found"
