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
"""Dags, runs and task instances of a real Airflow: read, changed with a confirmation, refused without."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import anyio
import httpx
import mcp_types as types
import pytest
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client

from tests.live.calling import RUN, ended, ok, refused, until
from tests.live.messages import events, streaming
from tests.live.site import LINE, TLS, WORKERS, Site

API = "v2" if LINE == 3 else "v1"
BASE = datetime(2026, 2, 1, tzinfo=timezone.utc)


def rest(site: Site, method: str, route: str, user: str = "admin", **body: Any) -> Any:
    """Ask Airflow's own REST API."""
    headers = {"Authorization": site.authorization(user)}
    answer = httpx.request(
        method,
        f"{site.root}/api/{API}/{route}",
        headers=headers,
        json=body if method in {"POST", "PATCH"} else None,
        timeout=60,
        verify=TLS,
    )
    assert answer.status_code < 300, answer.text
    return answer.json() if answer.content else None


def previewed(site: Site, tool: str, **arguments: Any) -> tuple[dict[str, Any], str]:
    """Call a tool that asks for a confirmation; return its preview and the token."""
    asked = refused(site, tool, "confirmation_required", **arguments)
    return asked["preview"], asked["confirmation_token"]


def confirmed(site: Site, tool: str, **arguments: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Call a tool in both steps; return its preview and its result."""
    preview, token = previewed(site, tool, **arguments)
    return preview, ok(site, tool, **arguments, confirmation_token=token)


@pytest.fixture(scope="module")
def runs(site: Site) -> dict[str, str]:
    """One run of each example Dag that ends by itself, with the state it ended in."""
    dags = {"demo_many": {}, "demo_secrets": {"password": "hunter22"}, "demo_fails": {}, "demo_mapped": {}}

    def parsed() -> bool:
        listed = {dag["dag_id"] for dag in ok(site, "list_dags", limit=100)["dags"]}
        return set(dags) <= listed

    until(parsed)
    for dag_id, conf in dags.items():
        ok(site, "trigger_dag", dag_id=dag_id, dag_run_id=RUN, conf=conf, unpause=True)
    states = {dag_id: ended(site, dag_id) for dag_id in dags}
    # As other tests of the same Airflow expect to find it.
    ok(site, "pause_dag", dag_id="demo_mapped")
    return states


@pytest.fixture(scope="module")
def read_only(site: Site) -> Iterator[Site]:
    """A second web process that only reads, and offers no list_dag_runs."""
    options = {
        "AIRFLOW__MCP__READ_ONLY": "True",
        "AIRFLOW__MCP__DISABLED_TOOLS": "list_dag_runs, delete_dag",
        "AIRFLOW__MCP__TOOLSETS": "dags, runs, tasks",
    }
    with Site(site.home, options=options).serving(WORKERS) as running:
        yield running


# ---- reading -----------------------------------------------------------------------------------------


def test_the_runs_ended_as_they_must(runs: dict[str, str]) -> None:
    expected = {"demo_many": "success", "demo_secrets": "success", "demo_fails": "failed"}
    assert runs == {**expected, "demo_mapped": "failed"}


def test_a_run_with_150_mapped_tasks_is_counted_whole(site: Site, runs: dict[str, str]) -> None:
    told = rest(site, "GET", f"dags/demo_many/dagRuns/{RUN}/taskInstances?limit=1")
    assert told["total_entries"] == 150
    shown = ok(site, "get_dag_run", dag_id="demo_many", dag_run_id=RUN)
    assert shown["task_counts"] == {"success": 150}
    seen: list[int] = []
    cursor = None
    while True:
        page = ok(site, "list_task_instances", dag_id="demo_many", dag_run_id=RUN, limit=40, cursor=cursor)
        assert page["total"] == 150
        seen += [row["map_index"] for row in page["task_instances"]]
        cursor = page.get("next_cursor")
        if cursor is None:
            break
    assert sorted(seen) == list(range(150))


def test_a_dag_and_a_run_are_as_airflow_tells(site: Site, runs: dict[str, str]) -> None:
    told = rest(site, "GET", f"dags/demo_fails/dagRuns/{RUN}")
    shown = ok(site, "get_dag_run", dag_id="demo_fails", dag_run_id=RUN)
    for name in ("dag_run_id", "state", "start_date", "end_date"):
        assert shown[name] == told[name]
    dag = rest(site, "GET", "dags/demo_params/details")
    parts = ["tasks", "params", "source", "runs", "import_errors", "warnings", "assets"]
    shown = ok(site, "get_dag", dag_id="demo_params", include=parts + (["versions"] if LINE == 3 else []))
    assert (shown["description"], shown["fileloc"]) == (dag["description"], dag["fileloc"])
    assert shown["params"]["days"]["schema"]["maximum"] == 31
    assert "def greet()" in shown["source"]
    assert [task["task_id"] for task in shown["tasks"]] == ["greet"]
    assert ("versions" in shown) == (LINE == 3)
    listed = rest(site, "GET", "dags?limit=100")
    shown = ok(site, "list_dags", limit=100)
    assert shown["total"] == listed["total_entries"]
    assert {dag["dag_id"] for dag in shown["dags"]} == {dag["dag_id"] for dag in listed["dags"]}


def test_dags_by_owner_and_last_state(site: Site, runs: dict[str, str]) -> None:
    if LINE == 2:
        for filters in ({"owner": "airflow"}, {"last_run_state": "failed"}):
            told = refused(site, "list_dags", "unsupported", **filters)
            assert "list_dag_runs" in told["error"]["hint"]
        return
    assert ok(site, "list_dags", owner="airflow")["total"] >= 5
    assert ok(site, "list_dags", owner="nobody")["total"] == 0
    failed = {dag["dag_id"] for dag in ok(site, "list_dags", last_run_state="failed")["dags"]}
    assert {"demo_fails", "demo_mapped"} <= failed


def test_a_task_instance_and_all_about_it(site: Site, runs: dict[str, str]) -> None:
    route = f"dags/demo_mapped/dagRuns/{RUN}/taskInstances/halve/2"
    told = rest(site, "GET", route)
    shown = ok(
        site,
        "get_task_instance",
        dag_id="demo_mapped",
        dag_run_id=RUN,
        task_id="halve",
        map_index=2,
        include=["tries", "dependencies", "rendered_fields", "xcom", "links"],
    )
    for name in ("state", "try_number", "start_date", "end_date", "map_index"):
        assert shown[name] == told[name]
    assert shown["state"] == "failed"
    assert [a_try["try_number"] for a_try in shown["tries"]] == [1]
    assert (shown["dependencies"], shown["xcom"], shown["links"]) == ([], [], {})
    other = ok(
        site,
        "get_task_instance",
        dag_id="demo_mapped",
        dag_run_id=RUN,
        task_id="halve",
        map_index=3,
        include=["xcom"],
    )
    assert other["xcom"] == ["return_value"]
    value = ok(site, "get_xcom", dag_id="demo_mapped", dag_run_id=RUN, task_id="halve", map_index=3)
    assert value["value"] == 4


def test_secrets_are_masked_where_airflow_tells_them(site: Site, runs: dict[str, str]) -> None:
    route = f"dags/demo_secrets/dagRuns/{RUN}"
    assert rest(site, "GET", route)["conf"] == {"password": "hunter22"}
    assert "key-of-hunter22" in json.dumps(
        rest(site, "GET", f"{route}/taskInstances/connect/xcomEntries/return_value")
    )
    results = [
        ok(site, "get_dag_run", dag_id="demo_secrets", dag_run_id=RUN),
        ok(site, "get_xcom", dag_id="demo_secrets", dag_run_id=RUN, task_id="connect"),
        ok(
            site,
            "get_task_instance",
            dag_id="demo_secrets",
            dag_run_id=RUN,
            task_id="connect",
            include=["rendered_fields"],
        ),
    ]
    assert results[0]["conf"] == {"password": "***"}
    assert results[1]["value"] == {"region": "eu", "login": {"api_key": "***"}}
    assert results[2]["rendered_fields"]["op_kwargs"] == {"password": "***", "region": "eu"}
    assert "hunter22" not in json.dumps(results)
    assert "hunter22" not in site.log()


LOG = {"dag_id": "demo_fails", "dag_run_id": RUN, "task_id": "transform"}


def test_a_log_is_read_backwards_without_a_gap(site: Site, runs: dict[str, str]) -> None:
    page = ok(site, "get_task_logs", **LOG, grep=r"^row \d+ is (fine|wrong)$", tail=500)
    assert page["total"] == 3000
    lines = page["lines"]
    while "next_cursor" in page:
        page = ok(
            site,
            "get_task_logs",
            **LOG,
            grep=r"^row \d+ is (fine|wrong)$",
            tail=500,
            cursor=page["next_cursor"],
        )
        lines = page["lines"] + lines
    assert [line["event"] for line in lines] == [f"row {number} is fine" for number in range(3000)]
    assert {line["level"] for line in lines} == {"info"}
    assert all(line["time"] and line["logger"] for line in lines)


def test_the_last_error_of_a_log_is_never_out_of_sight(site: Site, runs: dict[str, str]) -> None:
    for asked in ({"tail": 1}, {"tail": 5000}, {"level": "error"}, {}):
        shown = ok(site, "get_task_logs", **LOG, **asked)
        seen = json.dumps([*shown["lines"], *shown.get("last_error", [])])
        assert "KeyError" in seen
        assert "customer_id" in seen
    assert refused(site, "get_task_logs", "invalid_argument", **LOG, grep="(")["error"]["hint"]
    assert refused(site, "get_task_logs", "not_found", **LOG, try_number=7)


def test_airflows_own_lines_are_folded_and_can_be_reached(site: Site, runs: dict[str, str]) -> None:
    shown = ok(site, "get_task_logs", **LOG, tail=5000, level=None, cursor=None)
    every = ok(site, "get_task_logs", **LOG, grep=".", tail=1)
    assert shown["total"] >= every["total"] > 3000
    short = ok(site, "get_task_logs", **LOG, grep="row 17 is", context=2)
    assert [line["event"] for line in short["lines"]] == [f"row {number} is fine" for number in range(15, 20)]
    assert short["lines"][0]["line"] > 15
    end = ok(site, "get_task_logs", **LOG, tail=10)
    assert any("folded" in line for line in end["lines"]), end["lines"]
    # Where a row is not shown with its number, it follows the one above.
    assert end["lines"][0]["line"] > 3000


def test_the_logs_of_a_run_are_searched(site: Site, runs: dict[str, str]) -> None:
    run = {"dag_id": "demo_fails", "dag_run_id": RUN}
    found = ok(site, "search_logs", **run, grep="row 2999 is fine", context=1)
    (log,) = found["logs"]
    assert (found["total"], found["searched"], log["task_id"], log["try_number"]) == (1, 1, "transform", 1)
    middle = [line["event"] for line in log["lines"] if line.get("match")]
    assert (middle, len(log["lines"])) == (["row 2999 is fine"], 3)
    # What the exception says is found, too, however this Airflow sends it.
    assert ok(site, "search_logs", **run, grep="KeyError: 'customer_id'")["total"] >= 1
    mapped = ok(site, "search_logs", dag_id="demo_mapped", dag_run_id=RUN, grep=".")
    assert mapped["searched"] >= 4
    assert {log.get("map_index") for log in mapped["logs"]} >= {0, 1, 2}
    refused(site, "search_logs", "not_found", **run, grep="x", task_id="trasnform")


def assert_progress_of_log(site: Site, least: int) -> None:
    """Assert that a client which sends a token hears of the lines that are read, before the result."""
    with streaming(site, "get_task_logs", "log", **LOG) as answer:
        answer.read()
        streamed = answer.headers["content-type"].startswith("text/event-stream")
        *reports, last = events(iter(answer.text.splitlines())) if streamed else [answer.json()]
    assert last["result"]["structuredContent"]["total"] > least
    assert {report["params"]["progressToken"] for report in reports} <= {"log"}
    read = [report["params"]["progress"] for report in reports]
    assert read == sorted(set(read))
    assert all(0 < lines <= last["result"]["structuredContent"]["total"] for lines in read)
    # Airflow 2's REST API gives a whole log in one answer: nothing is read in parts.
    assert len(read) >= (3 if LINE == 3 else 0)


def test_a_log_of_5_mb_is_answered_by_its_end(site: Site, runs: dict[str, str]) -> None:
    folder = site.folder / "logs" / "dag_id=demo_fails" / f"run_id={RUN}" / "task_id=transform"
    file = folder / "attempt=1.log"
    written = file.read_text()
    lines = written.splitlines(keepends=True)
    fine = [line for line in lines if "is fine" in line]
    copies = range(5_000_000 // sum(map(len, fine)) + 1)
    # Airflow shows a line once that is there twice.
    more = [line.replace("is fine", f"is fine {copy}") for copy in copies for line in fine]
    place = lines.index(fine[-1])
    try:
        file.write_text("".join([*lines[:place], *more, *lines[place:]]))
        assert file.stat().st_size > 5_000_000
        for asked in ({}, {"tail": 5000}, {"grep": "row (12|99)[0-9]+ is .*fine [0-9]+$"}):
            result = site.call("get_task_logs", **LOG, **asked)
            assert not result.get("isError"), result
            assert len(result["content"][0]["text"]) < 30_000
            shown = result["structuredContent"]
            if "grep" in asked:
                assert shown["total"] == 120 * len(copies)
            else:
                assert shown["total"] > 3000 + len(more)
            if "grep" not in asked:
                assert "customer_id" in json.dumps([*shown["lines"], *shown.get("last_error", [])])
        assert_progress_of_log(site, least=3000 + len(more))
    finally:
        file.write_text(written)


def test_pages_of_runs_while_runs_are_added(site: Site, runs: dict[str, str]) -> None:
    ok(site, "pause_dag", dag_id="demo_many")

    def add(name: str, minutes: float) -> None:
        date = (BASE + timedelta(minutes=minutes)).isoformat()
        when = {"logical_date": None, "run_after": date} if LINE == 3 else {"logical_date": date}
        rest(site, "POST", "dags/demo_many/dagRuns", dag_run_id=name, **when)

    for number in range(250):
        add(f"page-{number}", number)
    for turn, order_by in enumerate(("-run_after", "run_after")):
        seen: list[str] = []
        cursor, pages = None, 0
        while True:
            page = ok(site, "list_dag_runs", dag_id="demo_many", order_by=order_by, limit=100, cursor=cursor)
            seen += [run["dag_run_id"] for run in page["dag_runs"]]
            cursor = page.get("next_cursor")
            if cursor is None:
                break
            pages += 1
            # One more at the front, in what was shown, in what is to come, and at the end.
            for place, minutes in enumerate((1000 + pages, 240.5, 20.5, -10 - pages)):
                add(f"new-{order_by}-{pages}-{place}", minutes + pages / 100 + turn / 10)
        assert len(seen) == len(set(seen))
        assert {f"page-{number}" for number in range(250)} <= set(seen)
    succeeded = rest(site, "GET", "dags/demo_many/dagRuns?state=success&limit=1")["total_entries"]
    assert ok(site, "list_dag_runs", dag_id="demo_many", state="success")["total"] == succeeded < 250
    every = ok(site, "list_dag_runs", limit=1)
    assert every["total"] == rest(site, "GET", "dags/~/dagRuns?limit=1")["total_entries"]


# ---- changing ----------------------------------------------------------------------------------------


def test_a_viewer_is_refused_everything_that_changes(site: Site, runs: dict[str, str]) -> None:
    run = {"dag_id": "demo_fails", "dag_run_id": RUN}
    for tool, arguments in {
        "pause_dag": {"dag_id": "demo_fails"},
        "reparse_dag": {"dag_id": "demo_fails"},
        "trigger_dag": {"dag_id": "demo_params", "unpause": True},
        "set_dag_run_note": {**run, "note": "mine"},
    }.items():
        told = refused(site, tool, "permission_denied", user="viewer", **arguments)
        assert told["error"]["resource"]
    for tool, arguments in {
        "delete_dag": {"dag_id": "demo_fails"},
        "clear_dag_run": run,
        "set_dag_run_state": {**run, "state": "success"},
        "delete_dag_run": run,
        "clear_task_instances": {**run, "task_ids": ["transform"]},
        "set_task_instance_state": {**run, "task_ids": ["transform"], "state": "success"},
    }.items():
        result = site.call(tool, user="viewer", **arguments)["structuredContent"]
        if result["error"]["code"] == "confirmation_required":
            # Who may read may see the preview, and is refused when it comes to acting.
            token = result["confirmation_token"]
            result = refused(
                site, tool, "permission_denied", user="viewer", **arguments, confirmation_token=token
            )
        assert result["error"]["code"] == "permission_denied"
    assert ok(site, "get_dag_run", **run)["state"] == "failed"
    assert ok(site, "get_dag", dag_id="demo_params", include=[])["is_paused"]


def test_a_run_that_is_refused_leaves_the_dag_paused(site: Site, runs: dict[str, str]) -> None:
    for arguments, code in (
        ({"conf": {"days": 99}}, "invalid_argument"),
        ({"conf": {"region": 3}}, "invalid_argument"),
        ({"logical_date": "yesterday"}, "invalid_argument"),
    ):
        refused(site, "trigger_dag", code, dag_id="demo_params", unpause=True, **arguments)
        assert rest(site, "GET", "dags/demo_params")["is_paused"] is True
    refused(site, "trigger_dag", "conflict", dag_id="demo_params", dag_run_id="twice")
    shown = ok(
        site, "trigger_dag", dag_id="demo_params", dag_run_id="twice", conf={"regoin": "us"}, unpause=True
    )
    assert "`regoin`" in shown["hint"]
    assert rest(site, "GET", "dags/demo_params")["is_paused"] is False
    refused(site, "trigger_dag", "conflict", dag_id="demo_params", dag_run_id="twice")
    ok(site, "pause_dag", dag_id="demo_params")
    ok(site, "unpause_dag", dag_id="demo_params")
    assert ended(site, "demo_params", "twice") == "success"
    ok(site, "pause_dag", dag_id="demo_params")
    assert rest(site, "GET", "dags/demo_params")["is_paused"] is True


def test_a_confirmation_is_for_one_call_of_one_user(site: Site, prefixed: Site, runs: dict[str, str]) -> None:
    call = {"dag_id": "demo_fails", "dag_run_id": RUN, "task_ids": ["transform"]}
    preview, token = previewed(site, "clear_task_instances", **call)
    assert preview["clears"] == 1
    assert preview["task_instances"] == {"failed": ["transform"]}
    assert ok(site, "get_dag_run", dag_id="demo_fails", dag_run_id=RUN)["state"] == "failed"
    for changed in ({"only_failed": True}, {"include_downstream": True}):
        told = refused(
            site,
            "clear_task_instances",
            "confirmation_required",
            **call,
            **changed,
            confirmation_token=token,
        )
        assert "Nothing was changed" in told["error"]["message"]
    # A viewer sees this preview as the admin does, and yet the token is not theirs.
    other = {"dag_id": "demo_fails", "dag_run_id": RUN, "state": "success"}
    admins = previewed(site, "set_dag_run_state", **other)[1]
    refused(site, "set_dag_run_state", "confirmation_required", "viewer", **other, confirmation_token=admins)
    # Another web process takes the token; a second use, anywhere, is answered with what the first one did.
    shown = ok(prefixed, "clear_task_instances", **call, confirmation_token=token)
    assert shown["changed"] == 1
    for replica in (prefixed, site):
        assert ok(replica, "clear_task_instances", **call, confirmation_token=token)["changed"] == 1
    assert ended(site, "demo_fails") == "failed"
    # It is failed again, as in the preview: yet it is another try.
    again = previewed(site, "clear_task_instances", **call)[0]
    assert again["task_instances"] == preview["task_instances"]
    assert ok(site, "clear_task_instances", **call, confirmation_token=token)["changed"] == 1
    tries = ok(site, "get_task_instance", **LOG, include=["tries"])
    assert tries["try_number"] == 2
    assert [a_try["try_number"] for a_try in tries["tries"]] == [1, 2]
    assert ok(site, "get_task_logs", **LOG)["try_number"] == 2
    assert ok(site, "get_task_logs", **LOG, try_number=1)["try_number"] == 1
    unknown = refused(site, "clear_task_instances", "not_found", **{**call, "task_ids": ["trasnform"]})
    assert unknown["error"]["did_you_mean"] == ["transform"]
    unknown = refused(site, "clear_task_instances", "not_found", **{**call, "dag_run_id": "of-the-test"})
    assert RUN in unknown["error"]["did_you_mean"]


@pytest.mark.parametrize("agrees", [True, False, None])
def test_a_client_that_can_ask_its_user_does(site: Site, runs: dict[str, str], agrees: Any) -> None:
    asked: list[str] = []

    async def answer(_: Any, params: types.ElicitRequestParams) -> types.ElicitResult:
        asked.append(params.message)
        if agrees is None:
            return types.ElicitResult(action="cancel")
        return types.ElicitResult(action="accept", content={"confirm": agrees})

    async def run() -> Any:
        headers = {"Authorization": site.authorization("admin")}
        async with (
            httpx.AsyncClient(headers=headers, timeout=60) as http,
            Client(
                streamable_http_client(site.url, http_client=http), mode="auto", elicitation_callback=answer
            ) as client,
        ):
            call = {"dag_id": "demo_mapped", "dag_run_id": RUN, "task_ids": ["halve"], "state": "success"}
            return await client.call_tool("set_task_instance_state", call)

    before = ok(site, "get_dag_run", dag_id="demo_mapped", dag_run_id=RUN)["task_counts"]
    result = anyio.run(run)
    counts = ok(site, "get_dag_run", dag_id="demo_mapped", dag_run_id=RUN)["task_counts"]
    if before == {"success": 4}:
        # Another of these was first, and agreed: now there is nothing to ask about.
        assert result.structured_content["error"]["code"] == "conflict"
        return
    assert "halve[2]" in asked[0]
    if agrees:
        assert not result.is_error, result
        assert counts == {"success": 4}
    else:
        assert result.structured_content["error"]["code"] == "confirmation_required"
        assert counts == before == {"success": 3, "failed": 1}


def test_a_run_is_noted_set_cleared_and_deleted(site: Site, prefixed: Site, runs: dict[str, str]) -> None:
    run = {"dag_id": "demo_secrets", "dag_run_id": RUN}
    route = f"dags/demo_secrets/dagRuns/{RUN}"
    ok(site, "set_dag_run_note", **run, note="seen by a test")
    assert rest(site, "GET", route)["note"] == "seen by a test"
    preview, shown = confirmed(site, "set_dag_run_state", **run, state="failed")
    assert preview["now"]["task_counts"] == {"success": 1}
    # Nothing waits for it, and that is said.
    assert preview["now"]["reaches"]["dags_fed"] == []
    assert set(preview["now"]) == {"task_counts", "reaches"}
    assert shown["state"] == rest(site, "GET", route)["state"] == "failed"
    refused(site, "set_dag_run_state", "conflict", **run, state="failed")
    preview, token = previewed(site, "clear_dag_run", **run)
    assert (preview["clears"], preview["task_instances"]) == (1, {"success": ["connect"]})
    ok(prefixed, "clear_dag_run", **run, confirmation_token=token)
    assert ended(site, "demo_secrets") == "success"
    instance = ok(site, "get_task_instance", **run, task_id="connect")
    assert instance["try_number"] == 2
    assert ok(site, "clear_dag_run", **run, confirmation_token=token)
    assert ok(site, "get_task_instance", **run, task_id="connect")["try_number"] == 2
    refused(site, "clear_dag_run", "conflict", **run, only_failed=True)
    preview, token = previewed(site, "delete_dag_run", **run)
    assert preview["task_counts"] == {"success": 1}
    assert ok(site, "delete_dag_run", **run, confirmation_token=token)["deleted"]
    assert ok(prefixed, "delete_dag_run", **run, confirmation_token=token)["deleted"]
    refused(site, "get_dag_run", "not_found", **run)


def test_a_dag_is_reparsed_and_deleted_once(site: Site, prefixed: Site, runs: dict[str, str]) -> None:
    before = rest(site, "GET", "dags/demo_many")["last_parsed_time"]
    ok(site, "reparse_dag", dag_id="demo_many")
    ok(site, "reparse_dag", dag_id="demo_many")
    until(lambda: rest(site, "GET", "dags/demo_many")["last_parsed_time"] > before)
    total = ok(site, "list_dag_runs", dag_id="demo_many", limit=1)["total"]

    def comes_back() -> None:
        # A file that changed is parsed at once, others twice a minute.
        (site.folder / "dags" / "demo_many.py").touch()
        until(lambda: any(d["dag_id"] == "demo_many" for d in ok(site, "list_dags", limit=100)["dags"]))

    preview, token = previewed(site, "delete_dag", dag_id="demo_many")
    assert preview["dag_runs"] == total
    assert ok(site, "delete_dag", dag_id="demo_many", confirmation_token=token)["deleted"]
    comes_back()
    assert ok(site, "list_dag_runs", dag_id="demo_many")["total"] == 0
    # It is back, without its runs; a Dag without runs can be deleted once by a token, too.
    preview, token = previewed(site, "delete_dag", dag_id="demo_many")
    assert preview["dag_runs"] == 0
    assert ok(site, "delete_dag", dag_id="demo_many", confirmation_token=token)["deleted"]
    comes_back()
    # A second use is answered with what the first one did, and does nothing.
    assert ok(prefixed, "delete_dag", dag_id="demo_many", confirmation_token=token)["deleted"]
    assert any(dag["dag_id"] == "demo_many" for dag in ok(site, "list_dags", limit=100)["dags"])


@pytest.mark.skipif(LINE != 3, reason="Airflow 2 asks no humans")
def test_a_task_that_waits_for_a_human_is_answered(site: Site) -> None:
    run = {"dag_id": "demo_approval", "dag_run_id": RUN}
    ok(site, "trigger_dag", **run, unpause=True)
    until(lambda: ok(site, "list_hitl", **run)["total"] == 1)
    row = ok(site, "list_hitl")["hitl"][0]
    told = rest(site, "GET", f"dags/demo_approval/dagRuns/{RUN}/hitlDetails")["hitl_details"][0]
    assert (row["subject"], row["options"]) == (told["subject"], told["options"])
    instance = {**run, "task_id": "ask"}
    refused(site, "respond_to_hitl", "invalid_argument", **instance, chosen_options=["neither"])
    refused(
        site, "respond_to_hitl", "permission_denied", user="viewer", **instance, chosen_options=["release"]
    )
    # On a busy machine the run failed now and then when the answer came before the scheduler had heard that
    # the process which asked is over: nobody answers that fast.
    until(lambda: re.search(r"Received executor event with state success.*demo_approval", site.log()))
    assert ok(site, "respond_to_hitl", **instance, chosen_options=["release"])["responded_at"]
    refused(site, "respond_to_hitl", "conflict", **instance, chosen_options=["release"])
    assert ok(site, "list_hitl", **run)["total"] == 0
    assert ended(site, "demo_approval") == "success"
    value = ok(site, "get_xcom", **instance)["value"]
    assert value["chosen_options"] == ["release"]


def test_read_only_mode_reads_and_previews_and_nothing_else(read_only: Site, runs: dict[str, str]) -> None:
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    listed = read_only.post(message).json()["result"]["tools"]
    assert {tool["annotations"]["readOnlyHint"] for tool in listed} == {True}
    names = {tool["name"] for tool in listed}
    assert "get_dag_run" in names
    assert not names & {"list_dag_runs", "get_airflow_info", "trigger_dag"}
    run = {"dag_id": "demo_fails", "dag_run_id": RUN}
    assert ok(read_only, "get_dag_run", **run)["state"] == "failed"
    assert refused(read_only, "clear_dag_run", "read_only", **run)["preview"]["clears"] == 1
    call = {**run, "task_ids": ["transform"]}
    assert refused(read_only, "clear_task_instances", "read_only", **call)["preview"]["clears"] == 1
    told = refused(read_only, "set_task_instance_state", "read_only", **call, state="success")
    assert told["preview"]["count"] == 1
    refused(read_only, "pause_dag", "read_only", dag_id="demo_fails")
    for name in ("list_dag_runs", "delete_dag", "get_airflow_info"):
        asked = {"name": name, "arguments": {"dag_id": "demo_fails"}}
        answer = read_only.post({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": asked}).json()
        assert answer["error"]["code"] == -32602
    assert ok(read_only, "get_dag_run", **run)["state"] == "failed"
