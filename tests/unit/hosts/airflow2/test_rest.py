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
"""Airflow 2's REST in Airflow 3's terms."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import httpx
import pytest

from airflow_provider_mcp.hosts.airflow2.rest import serve_v2
from airflow_provider_mcp.hosts.airflow2.rest.logs import split_log
from airflow_provider_mcp.hosts.airflow2.rest.requests import V1Request, V2Request
from airflow_provider_mcp.hosts.airflow2.rest.routes import translate
from airflow_provider_mcp.sdk.errors import Unsupported


class Rewrite:
    """A v2 request whose v1 requests a test answers one by one."""

    def __init__(self, method: str, path: str, query: Any = (), body: Any = None) -> None:
        self.steps = translate(V2Request(method, path, query, body))
        self.request: V1Request = next(self.steps)
        self.asked = [self.request]

    def reply(self, content: Any) -> V1Request:
        """Answer v1's request; return the next."""
        self.request = self.steps.send(content)
        self.asked.append(self.request)
        return self.request

    def finish(self, content: Any) -> Any:
        """Answer the last of v1's requests; return the v2 answer."""
        with pytest.raises(StopIteration) as end:
            self.steps.send(content)
        return end.value.value

    def run(self, send: Callable[[V1Request], Any]) -> Any:
        """Answer each request as ``send`` does; return the v2 answer."""
        while True:
            try:
                self.reply(send(self.request))
            except StopIteration as end:
                return end.value


def first(method: str, path: str, query: Any = (), body: Any = None) -> V1Request:
    """Return the first request to v1."""
    return Rewrite(method, path, query, body).request


def test_run_filters_and_answers() -> None:
    query = [("order_by", "-run_after"), ("logical_date_gte", "2026")]
    listing = Rewrite("GET", "dags/a/dagRuns", query)
    assert listing.request.query == [("order_by", "-execution_date"), ("execution_date_gte", "2026")]
    # Runs of several Dags have the same date, which would order them in no way.
    assert first("GET", "dags/~/dagRuns", query).query[0] == ("order_by", "-id")
    row = {
        "dag_run_id": "r",
        "execution_date": "2026-01-01T00:00:00+00:00",
        "start_date": "2026-01-01T00:00:00+00:00",
        "end_date": "2026-01-01T00:01:30+00:00",
        "external_trigger": True,
    }
    run = listing.finish({"dag_runs": [row], "total_entries": 9})["dag_runs"][0]
    assert run["logical_date"] == run["run_after"] == "2026-01-01T00:00:00+00:00"
    assert run["duration"] == 90
    assert "external_trigger" not in run


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("dags", [("owners", "ada")]),
        ("dags/a/dagRuns", [("run_type", "manual")]),
        ("importErrors", [("x", "y")]),
    ],
)
def test_a_filter_that_is_not_there_is_never_ignored(path: str, query: Any) -> None:
    with pytest.raises(Unsupported, match=query[0][0]):
        first("GET", path, query)


@pytest.mark.parametrize("path", ["jobs", "backfills", "dags/a/dagVersions", "no/such", "../x"])
def test_an_operation_that_is_not_there_is_refused(path: str) -> None:
    with pytest.raises(Unsupported):
        first("GET", path)


def test_trigger_leaves_nulls_out() -> None:
    request = first("POST", "dags/a/dagRuns", [], {"logical_date": None, "conf": {}, "note": "n"})
    assert request.body == {"conf": {}, "note": "n"}


def test_source_takes_two_steps() -> None:
    source = Rewrite("GET", "dagSources/a%20b")
    assert source.request.path == "dags/a%20b"
    assert source.reply({"file_token": "t.k/x"}).path == "dagSources/t.k%2Fx"
    assert source.finish({"content": "code"}) == {"content": "code", "dag_id": "a b", "version_number": None}


def test_state_and_note_of_a_run_are_two_calls_on_airflow_2() -> None:
    change = Rewrite("PATCH", "dags/a/dagRuns/r", [], {"state": "failed", "note": "why"})
    assert (change.request.path, change.request.body) == ("dags/a/dagRuns/r", {"state": "failed"})
    second = change.reply({})
    assert (second.path, second.body) == ("dags/a/dagRuns/r/setNote", {"note": "why"})


def test_task_instances_by_task_use_the_batch_listing() -> None:
    query = [("task_id", "t"), ("state", "failed"), ("limit", "5"), ("offset", "10")]
    request = first("GET", "dags/a/dagRuns/~/taskInstances", query)
    assert request.method == "POST"
    assert request.body == {
        "task_ids": ["t"],
        "state": ["failed"],
        "page_limit": 5,
        "page_offset": 10,
        "dag_ids": ["a"],
    }


def datasets(count: int, missing: frozenset[int] = frozenset()) -> Any:
    """Answer as v1 lists datasets: a filter is applied, the total is of all."""
    rows = [
        {"id": n, "uri": f"x://{'even' if n % 2 == 0 else 'odd'}/{n}", "consuming_dags": []}
        for n in range(1, count + 1)
        if n not in missing
    ]

    def send(request: Any) -> Any:
        if request.path == "datasets":
            query = dict(request.query)
            found = [row for row in rows if query.get("uri_pattern", "") in row["uri"]]
            offset = int(query.get("offset", 0))
            return {
                "datasets": found[offset : offset + int(query.get("limit", 100))],
                "total_entries": len(rows),
            }
        if request.path == "datasets/events":
            return {"id": 1, "dataset_id": 2, "dataset_uri": request.body["dataset_uri"]}
        uri = unquote(request.path.removeprefix("datasets/"))
        return next(row for row in rows if row["uri"] == uri)

    return send


def test_the_updates_that_wait_for_a_dag() -> None:
    listing = Rewrite("GET", "dags/a/assets/queuedEvents")
    assert listing.request.path == "dags/a/datasets/queuedEvent"
    events = [{"uri": "s3://x", "dag_id": "a", "created_at": "2026-11-27"}]
    answer = listing.finish({"queued_events": events, "total_entries": 1})
    assert answer == {"queued_events": events, "total_entries": 1}


def test_names_of_assets() -> None:
    request = first("GET", "assets", [("name_pattern", "x"), ("order_by", "-name")])
    assert (request.path, request.query) == ("datasets", [("uri_pattern", "x"), ("order_by", "-uri")])
    row = {"id": 1, "uri": "s3://x", "consuming_dags": [], "producing_tasks": []}
    listing = Rewrite("GET", "assets", [("only_active", "true")])
    asset = listing.finish({"datasets": [row], "total_entries": 1})["assets"][0]
    assert asset["name"] == "s3://x"
    assert "consuming_dags" not in asset


@pytest.mark.parametrize("count", [0, 1, 2, 19, 20, 21, 50, 333])
@pytest.mark.parametrize("offset", [0, 10, 500])
def test_filtered_assets_are_counted(count: int, offset: int) -> None:
    query = [("uri_pattern", "even"), ("limit", "10"), ("offset", str(offset))]
    listing = Rewrite("GET", "assets", query)
    answer = listing.run(datasets(count))
    assert answer["total_entries"] == count // 2
    assert "total_is_at_least" not in answer
    assert len(listing.asked) <= 3
    assert len(answer["assets"]) == min(10, max(0, count // 2 - offset))


def test_two_patterns_of_assets_are_one_too_many() -> None:
    with pytest.raises(Unsupported, match="one pattern"):
        first("GET", "assets", [("name_pattern", "a"), ("uri_pattern", "b")])


def test_assets_of_several_dags() -> None:
    request = first("GET", "assets", [("dag_ids", "a"), ("dag_ids", "b")])
    assert request.query == [("dag_ids", "a,b")]


@pytest.mark.parametrize("missing", [frozenset(), frozenset(range(1, 350))])
def test_an_asset_by_its_id(missing: frozenset[int]) -> None:
    send = datasets(500, missing)
    assert Rewrite("GET", "assets/444").run(send)["name"] == "x://even/444"
    event = Rewrite("POST", "assets/events", [], {"asset_id": 444, "extra": None}).run(send)
    assert event["uri"] == "x://even/444"


def test_an_event_of_an_unknown_asset_is_left_to_airflow_to_refuse() -> None:
    event = Rewrite("POST", "assets/events", [], {"asset_id": 77, "extra": {"a": 1}})
    assert event.reply({"datasets": []}).body == {"dataset_uri": "77", "extra": {"a": 1}}


def test_runs_that_an_asset_event_started_have_airflow_3s_names() -> None:
    listing = Rewrite("GET", "assets/events", [("asset_id", "1")])
    row = {"id": 1, "dataset_uri": "x://a", "created_dagruns": [{"dag_id": "d", "dag_run_id": "r"}]}
    (event,) = listing.finish({"dataset_events": [row], "total_entries": 1})["asset_events"]
    assert (event["name"], event["created_dagruns"][0]["run_id"]) == ("x://a", "r")


def test_pools() -> None:
    assert first("GET", "pools", [("order_by", "name")]).query == [("order_by", "name")]
    query = [("update_mask", "slots"), ("update_mask", "include_deferred")]
    request = first("PATCH", "pools/a", query, {"pool": "a", "slots": 1, "description": None})
    assert request.query == [("update_mask", "slots,include_deferred")]
    assert request.body == {"name": "a", "slots": 1}
    for method, path in (("POST", "pools"), ("PATCH", "pools/a")):
        with pytest.raises(Unsupported, match="without a limit"):
            first(method, path, [], {"name": "a", "slots": -1})


def test_keys_of_variables_may_hold_slashes() -> None:
    for method in ("GET", "PATCH", "DELETE"):
        assert first(method, "variables/a/b", [], {}).path == "variables/a/b"
    with pytest.raises(Unsupported):
        first("GET", "pools/a/b")


@pytest.mark.parametrize("field", ["password", "extra"])
def test_a_masked_secret_is_never_stored(field: str) -> None:
    with pytest.raises(Unsupported, match="masked"):
        first("PATCH", "connections/a", [], {field: '{"password": "***"}'})
    body = {field: "x", "host": None}
    assert first("PATCH", "connections/a", [], body).body == {field: "x"}


def test_a_text_log_becomes_lines() -> None:
    text = (
        "[2026-11-24T12:00:00.000+0000] {a.py:3} ERROR - it failed\n"
        "Traceback (most recent call last):\nKeyError: 'x'"
    )
    log = Rewrite("GET", "dags/a/dagRuns/r/taskInstances/t/logs/1")
    logs = log.finish({"content": str([("host", text)]), "continuation_token": "t"})
    assert logs["continuation_token"] == "t"
    assert logs["content"][0] == {
        "timestamp": "2026-11-24T12:00:00.000+00:00",
        "level": "error",
        "logger": "a.py:3",
        "event": "it failed",
    }
    assert [line["event"] for line in logs["content"][1:]] == text.split("\n")[1:]


def test_task_instances_by_batch() -> None:
    body = {
        "dag_ids": ["a"],
        "state": ["failed"],
        "run_after_gte": "2026",
        "end_date_lte": "2027",
        "page_limit": 100,
        "page_offset": 0,
        "order_by": "-end_date",
        "pool": None,
    }
    listing = Rewrite("POST", "dags/~/dagRuns/~/taskInstances/list", [], body)
    request = listing.request
    assert (request.method, request.path) == ("POST", "dags/~/dagRuns/~/taskInstances/list")
    assert request.body == {
        "dag_ids": ["a"],
        "state": ["failed"],
        "execution_date_gte": "2026",
        "end_date_lte": "2027",
        "page_limit": 100,
        "page_offset": 0,
    }
    row = {"dag_run_id": "r", "task_id": "t", "execution_date": "2026", "sla_miss": None}
    listed = listing.finish({"task_instances": [row], "total_entries": 9})
    assert listed["total_entries"] == 9
    assert listed["task_instances"][0]["logical_date"] == "2026"
    with pytest.raises(Unsupported, match="map_index"):
        first("POST", "dags/~/dagRuns/~/taskInstances/list", [], {"map_index": [1]})


@pytest.mark.parametrize(
    ("held", "kept"),
    [({"end_of_log": True, "log_pos": 9}, False), ({"end_of_log": False}, True), ([1], True), (None, True)],
)
def test_a_log_that_has_ended_has_no_more_pages(held: Any, kept: bool) -> None:
    payload = base64.urlsafe_b64encode(json.dumps(held).encode()).decode().rstrip("=")
    log = Rewrite("GET", "dags/a/dagRuns/r/taskInstances/t/logs/1")
    logs = log.finish({"content": "x", "continuation_token": f"{payload}.signature"})
    assert logs["continuation_token"] == (f"{payload}.signature" if kept else None)


def test_no_line_of_a_large_log_is_lost() -> None:
    text = "\n".join(
        f"[2026-11-24T12:00:00.000+0000] {{a.py:{n}}} INFO - row {n} [x] {{y}}" for n in range(60_000)
    )
    assert [line["event"] for line in split_log(text)][-1] == "row 59999 [x] {y}"
    assert len(split_log(text)) == 60_000


def run_steps(rewrite: Rewrite, *contents: Any) -> tuple[list[tuple[str, str, Any]], Any]:
    """Answer each request by the next of ``contents``; return what was asked, and the v2 answer."""
    for content in contents[:-1]:
        rewrite.reply(content)
    answer = rewrite.finish(contents[-1])
    return [(request.method, request.path, request.body) for request in rewrite.asked], answer


ROW = {"task_id": "t", "dag_id": "a", "run_id": "r", "map_index": 0, "state": "failed", "try_number": 2}
LIST = "dags/~/dagRuns/~/taskInstances/list"


def test_a_dry_run_tells_the_instances_as_they_are() -> None:
    body = {"dag_run_id": "r", "task_ids": ["t"], "dry_run": True, "only_failed": True}
    named = {"task_instances": [{"task_id": "t", "dag_run_id": "r"}]}
    asked, answer = run_steps(
        Rewrite("POST", "dags/a%20b/clearTaskInstances", [], body), named, {"task_instances": [ROW]}
    )
    assert asked[0][2]["reset_dag_runs"] is True
    assert asked[1][:2] == ("POST", LIST)
    assert asked[1][2] == {
        "dag_ids": ["a b"],
        "dag_run_ids": ["r"],
        "task_ids": ["t"],
        "state": ["failed", "upstream_failed"],
        "page_limit": 1,
    }
    assert answer["total_entries"] == 1
    assert answer["task_instances"][0]["try_number"] == 2
    asked, answer = run_steps(Rewrite("POST", "dags/a/clearTaskInstances", [], body), {"task_instances": []})
    assert answer == {"task_instances": [], "total_entries": 0}


def test_clearing_in_earnest_is_one_step() -> None:
    body = {"dag_run_id": "r", "task_ids": ["t"], "dry_run": False, "only_failed": False}
    asked, answer = run_steps(
        Rewrite("POST", "dags/a/clearTaskInstances", [], body), {"task_instances": [{"task_id": "t"}]}
    )
    assert asked == [("POST", "dags/a/clearTaskInstances", {**body, "reset_dag_runs": True})]
    assert answer["total_entries"] == 1


@pytest.mark.parametrize("only_failed", [True, False])
def test_clearing_a_run(only_failed: bool) -> None:
    clear = Rewrite("POST", "dags/a/dagRuns/r/clear", [], {"dry_run": True, "only_failed": only_failed})
    asked, answer = run_steps(clear, {"task_instances": [{"task_id": "t"}]}, {"task_instances": [ROW]})
    assert asked[0][1] == ("dags/a/clearTaskInstances" if only_failed else "dags/a/dagRuns/r/clear")
    assert ("state" in asked[1][2]) == only_failed
    assert answer["task_instances"][0]["state"] == "failed"
    clear = Rewrite("POST", "dags/a/dagRuns/r/clear", [], {"dry_run": False, "only_failed": only_failed})
    assert clear.request.body["dry_run"] is False
    clear.finish({"task_instances": []})


def test_single_map_indexes_cannot_be_cleared() -> None:
    with pytest.raises(Unsupported, match="map indexes"):
        first("POST", "dags/a/clearTaskInstances", [], {"task_ids": [["t", 1]]})


PATCH = "dags/a/dagRuns/r/taskInstances/t"


def test_the_dry_run_of_a_state_is_what_is_not_in_it_yet() -> None:
    rows = [ROW, {**ROW, "map_index": 1, "state": "success"}, {**ROW, "map_index": 2, "state": None}]
    asked, answer = run_steps(
        Rewrite("PATCH", f"{PATCH}/dry_run", [], {"new_state": "success"}), {"task_instances": rows}
    )
    assert asked[0][:2] == ("POST", LIST)
    assert [row["map_index"] for row in answer["task_instances"]] == [0, 2]
    dry_run = Rewrite("PATCH", f"{PATCH}/dry_run", [], {"new_state": "success"})
    with pytest.raises(Unsupported, match="5000"):
        dry_run.reply({"task_instances": rows, "total_entries": 5001})


def test_a_state_is_set_at_once_or_one_map_index_after_the_other() -> None:
    one = {**ROW, "map_index": -1}
    body = {"new_state": "success"}
    asked, answer = run_steps(
        Rewrite("PATCH", PATCH, [], body), {"task_instances": [one]}, {"task_instances": [{"task_id": "t"}]}
    )
    assert asked[1][1] == "dags/a/updateTaskInstancesState"
    assert (asked[1][2]["dry_run"], asked[1][2]["new_state"]) == (False, "success")
    rows = [ROW, {**ROW, "map_index": 1, "state": "success"}, {**ROW, "map_index": 2}]
    asked, answer = run_steps(Rewrite("PATCH", PATCH, [], body), {"task_instances": rows}, {}, {})
    assert [path for _, path, _ in asked[1:]] == [f"{PATCH}/0", f"{PATCH}/2"]
    assert {body["new_state"] for _, _, body in asked[1:]} == {"success"}
    assert answer["total_entries"] == 2
    many = [{**ROW, "map_index": number} for number in range(201)]
    with pytest.raises(Unsupported, match="201"):
        Rewrite("PATCH", PATCH, [], body).reply({"task_instances": many})


def test_links_have_a_name_of_their_own() -> None:
    links = Rewrite("GET", f"{PATCH}/links", [("map_index", "3")])
    assert links.request.query == [("map_index", "3")]
    assert links.finish({"Docs": "http://d"})["extra_links"] == {"Docs": "http://d"}


@pytest.mark.parametrize(
    ("method", "path", "query", "body"),
    [
        ("GET", "dags/a/dagRuns/r/taskInstances", [("state", "failed"), ("state", "awaiting_input")], None),
        ("POST", "dags/~/dagRuns/~/taskInstances/list", [], {"state": ["awaiting_input"]}),
    ],
)
def test_a_state_that_airflow_2_does_not_have_is_refused(
    method: str, path: str, query: list[tuple[str, str]], body: Any
) -> None:
    with pytest.raises(Unsupported, match="awaiting_input"):
        first(method, path, query, body)


def test_every_state_that_airflow_2_has_is_passed_on() -> None:
    for state in ("none", "deferred", "shutdown", "upstream_failed"):
        request = first("GET", "dags/a/dagRuns/r/taskInstances", [("state", state)])
        assert request.query == [("state", state)]


def test_a_filtered_list_of_assets_takes_three_calls_at_most_and_says_what_it_did_not_count() -> None:
    listing = Rewrite("GET", "assets", [("uri_pattern", "even"), ("limit", "25")])
    answer = listing.run(datasets(20_000))
    assert len(listing.asked) == 3
    assert (answer["total_entries"], answer["total_is_at_least"]) == (225, True)
    page = Rewrite("GET", "assets", [("uri_pattern", "even"), ("limit", "25")])
    small = page.run(datasets(40))
    assert (len(page.asked), small["total_entries"]) == (2, 20)


MISSING = {"task_instances": [], "dag_runs": [], "total_entries": 0}


@pytest.mark.parametrize(
    ("path", "query", "looked_for"),
    [
        ("dags/a/dagRuns/latest/taskInstances", [], "dags/a/dagRuns/latest"),
        ("dags/a/dagRuns/latest/taskInstances", [("task_id", "t")], "dags/a/dagRuns/latest"),
        ("dags/a/dagRuns/~/taskInstances", [], "dags/a"),
        ("dags/a/dagRuns", [], "dags/a"),
    ],
)
def test_an_empty_list_asks_whether_what_it_is_about_exists(path: str, query: Any, looked_for: str) -> None:
    listing = Rewrite("GET", path, query)
    request = listing.reply(MISSING)
    assert (request.method, request.path) == ("GET", looked_for)
    assert listing.finish({})["total_entries"] == 0


def test_an_empty_list_of_all_dags_is_one_call() -> None:
    for path in ("dags/~/dagRuns/~/taskInstances", "dags/~/dagRuns"):
        assert Rewrite("GET", path).finish(MISSING)["total_entries"] == 0


def test_what_v1_does_not_find_is_the_answer() -> None:
    outer = httpx.Request("GET", "http://a/api/v2/dags/a/dagRuns/latest/taskInstances")
    steps = serve_v2(outer, "/api/v2/", "http://a/api/v1/")
    assert str(next(steps).url) == "http://a/api/v1/dags/a/dagRuns/latest/taskInstances"
    steps.send(httpx.Response(200, json=MISSING))
    with pytest.raises(StopIteration) as end:
        steps.send(httpx.Response(404, json={"title": "DAGRun not found"}))
    answer = end.value.value
    assert (answer.status_code, answer.json()) == (404, {"title": "DAGRun not found"})


@pytest.mark.parametrize(
    ("time", "sent"),
    [
        ("2026-11-01", "2026-11-01T00:00:00+00:00"),
        ("2026-11-01T12:00:00", "2026-11-01T12:00:00+00:00"),
        ("2026-11-01T12:00:00Z", "2026-11-01T12:00:00Z"),
        ("2026-11-01T12:00:00+02:00", "2026-11-01T12:00:00+02:00"),
        ("yesterday", "yesterday"),
    ],
)
def test_a_time_without_an_offset_is_utc(time: str, sent: str) -> None:
    runs = first("GET", "dags/a/dagRuns", [("logical_date_gte", time)])
    assert runs.query == [("execution_date_gte", sent)]
    assert first("GET", "eventLogs", [("after", time)]).query == [("after", sent)]
    path = "dags/~/dagRuns/~/taskInstances/list"
    assert first("POST", path, [], {"start_date_gte": time}).body == {"start_date_gte": sent}
    trigger = first("POST", "dags/a/dagRuns", [], {"logical_date": time})
    assert trigger.body == {"logical_date": sent}
