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
"""Assets, backfills and administration against a real Airflow, each result beside what its REST API says."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from devtools.airflow_process import START_SECONDS, AirflowHome
from tests.live.site import LINE, TLS, WORKERS, Site

SECRET = "hunter2-never-shown"
"""In every secret that these tests store; no answer may hold it."""
ORDERS = "demo_orders" if LINE == 3 else "demo://warehouse/orders"
URI = "demo://warehouse/orders"
ANSWERS: list[str] = []


def on_3(test: Any) -> Any:
    """Take a test of what Airflow 3 alone serves; on Airflow 2 it is not one of the tests."""
    return test if LINE == 3 else None


def call(site: Site, tool: str, user: str = "admin", **arguments: Any) -> dict[str, Any]:
    result = site.call(tool, user, **arguments)
    ANSWERS.append(json.dumps(result))
    return result


def told(site: Site, tool: str, **arguments: Any) -> dict[str, Any]:
    """Call a tool that must succeed."""
    result = call(site, tool, **arguments)
    assert not result.get("isError"), result
    shown: dict[str, Any] = result["structuredContent"]
    return shown


def refused(site: Site, tool: str, user: str = "admin", **arguments: Any) -> dict[str, Any]:
    """Call a tool that must fail."""
    result = call(site, tool, user, **arguments)
    assert result.get("isError"), result
    error: dict[str, Any] = result["structuredContent"]["error"]
    return error


def confirmed(site: Site, tool: str, **arguments: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Call a tool that asks first; return the preview and the result."""
    asked = call(site, tool, **arguments)["structuredContent"]
    assert asked.get("error", {}).get("code") == "confirmation_required", asked
    done = told(site, tool, **arguments, confirmation_token=asked["confirmation_token"])
    return asked["preview"], done


def rest(site: Site, route: str, method: str = "GET", body: Any = None, **params: Any) -> Any:
    answer = httpx.request(
        method,
        f"{site.root}/api/v{2 if LINE == 3 else 1}/{route}",
        headers={"Authorization": site.authorization("admin"), "Accept": "application/json"},
        params=params,
        json=body,
        timeout=60,
        verify=TLS,
    )
    return answer.json() if answer.content else answer.status_code


def wait_for(look: Any, seconds: int = START_SECONDS) -> Any:
    until = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < until, "it did not come about"
        time.sleep(1)
    return found


@pytest.fixture(scope="module")
def parsed(site: Site) -> Site:
    """The site once the demo's asset and both its Dags are known to it."""
    dags = {"demo_asset_producer", "demo_asset_consumer"}
    wait_for(lambda: dags <= {row["dag_id"] for row in told(site, "list_dags")["dags"]})
    wait_for(lambda: told(site, "list_assets", dag_id="demo_asset_consumer")["assets"])
    return site


@pytest.fixture(scope="module")
def opened(home: AirflowHome, site: Site) -> Iterator[Site]:
    """A web process that shows its options, tests connections and asks before each write."""
    options = {
        f"AIRFLOW__{'API' if LINE == 3 else 'WEBSERVER'}__EXPOSE_CONFIG": "True",
        "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
        "AIRFLOW__SMTP__SMTP_PASSWORD": SECRET,
        "AIRFLOW__MCP__CONFIRM": "write",
    }
    with Site(home, options=options).serving(WORKERS) as running:
        yield running


# ---- assets ------------------------------------------------------------------------------------------


def test_assets_are_those_that_airflow_lists(parsed: Site) -> None:
    everything = told(parsed, "list_assets", limit=100)
    if LINE == 3:
        rows = rest(parsed, "assets", limit=100)["assets"]
        assert [row["name"] for row in everything["assets"]] == [row["name"] for row in rows]
    else:
        rows = rest(parsed, "datasets", limit=100)["datasets"]
        assert [row["name"] for row in everything["assets"]] == [row["uri"] for row in rows]
    assert everything["total"] == len(rows)
    for given in ({"pattern": "orders"}, {"pattern": URI}, {"dag_id": "demo_asset_producer"}):
        listed = told(parsed, "list_assets", **given)
        assert listed["total"] == 1
        (row,) = listed["assets"]
        assert row["name"] == ORDERS
        assert row["producing_tasks"] == ["demo_asset_producer.collect"]
        assert row["scheduled_dags"] == ["demo_asset_consumer"]
    assert told(parsed, "list_assets", pattern="no such asset") == {"assets": [], "total": 0}


def test_an_asset_event_starts_the_dag_that_waits_for_it(parsed: Site) -> None:
    told(parsed, "unpause_dag", dag_id="demo_asset_consumer")
    asset_id = told(parsed, "list_assets", pattern=URI)["assets"][0]["id"]
    for asset in (ORDERS, URI, str(asset_id)):
        made = told(parsed, "create_asset_event", asset=asset, extra={"rows": 3, "api_key": SECRET})["event"]
        assert made["asset_id"] == asset_id
        assert made["uri" if LINE == 3 else "name"] == URI
        assert (made["extra"]["rows"], made["extra"]["api_key"]) == (3, "***")

    def started() -> list[dict[str, Any]]:
        result = call(parsed, "list_asset_events", asset=ORDERS)["structuredContent"]
        if "error" in result:
            # Airflow 3's answer, until the run has started.
            assert result["error"]["code"] == "unavailable", result
            return []
        return [run for event in result["asset_events"] for run in event.get("created_dagruns", [])]

    runs = wait_for(started)
    assert {run["dag_id"] for run in runs} == {"demo_asset_consumer"}
    assert call(parsed, "get_dag_run", dag_id="demo_asset_consumer", dag_run_id=runs[0]["run_id"])[
        "structuredContent"
    ]["asset_events"]


@on_3
def test_events_that_airflow_cannot_list_yet_are_told_apart_and_the_cause_is_logged(parsed: Site) -> None:
    (run, *_) = told(parsed, "list_dag_runs", dag_id="demo_asset_consumer")["dag_runs"]
    route = f"dags/demo_asset_consumer/dagRuns/{quote(run['dag_run_id'])}"
    wait_for(lambda: rest(parsed, route)["state"] in {"success", "failed"})
    told(parsed, "pause_dag", dag_id="demo_asset_consumer")
    # A finished run that is cleared is queued, without a start date, until its Dag is unpaused.
    rest(parsed, f"{route}/clear", "POST", {"dry_run": False})
    assert rest(parsed, route)["start_date"] is None
    error = refused(parsed, "list_asset_events", asset=ORDERS)
    assert (error["code"], error["retryable"]) == ("unavailable", True)
    assert "queued" in error["message"]
    wait_for(lambda: "GET /api/v2/assets/events for an MCP tool" in parsed.log(), 20)
    assert "created_dagruns.0.start_date" in parsed.log()
    told(parsed, "unpause_dag", dag_id="demo_asset_consumer")
    wait_for(lambda: rest(parsed, route)["start_date"])
    assert told(parsed, "list_asset_events", asset=ORDERS)["asset_events"]


def test_events_that_a_task_made_are_found_by_it(parsed: Site) -> None:
    run = {"dag_id": "demo_asset_producer", "dag_run_id": "makes"}
    told(parsed, "trigger_dag", **run, unpause=True, wait_seconds=45)
    wait_for(lambda: told(parsed, "wait_for_dag_run", **run, timeout_seconds=45)["done"])
    told(parsed, "pause_dag", dag_id="demo_asset_producer")
    given: dict[str, Any] = {**run, "task_id": "collect"}
    wait_for(lambda: "asset_events" in call(parsed, "list_asset_events", **given)["structuredContent"])
    found = told(parsed, "list_asset_events", **given)
    assert found["total"] == 1
    event = found["asset_events"][0]
    route = "assets/events" if LINE == 3 else "datasets/events"
    (said,) = rest(parsed, route, source_run_id="makes", source_dag_id="demo_asset_producer")[
        "asset_events" if LINE == 3 else "dataset_events"
    ]
    assert (event["id"], event["source_task_id"]) == (said["id"], "collect")
    assert event["source_run_id"] == said["source_run_id"] == "makes"
    assert httpx.URL(event.get("uri") or event["name"]) == httpx.URL(URI)


def test_a_misspelled_asset_names_the_near_one(parsed: Site) -> None:
    error = refused(parsed, "list_asset_events", asset=ORDERS[:-1])
    assert error["code"] == "not_found"
    assert ORDERS in error["did_you_mean"]
    assert refused(parsed, "create_asset_event", asset="../connections")["code"] == "not_found"
    assert refused(parsed, "list_asset_events", asset="987654")["code"] == "not_found"


@on_3
def test_an_asset_is_materialized_by_the_dag_that_makes_it(parsed: Site) -> None:
    run = told(parsed, "materialize_asset", asset=ORDERS)
    assert run["dag_id"] == "demo_asset_producer"
    assert "paused" in run["hint"]
    said = rest(parsed, f"dags/demo_asset_producer/dagRuns/{quote(run['dag_run_id'])}")
    assert said["run_type"] == "asset_materialization"
    assert run["dag_run_id"] in httpx.URL(run["ui_url"]).path


def test_a_tool_that_this_airflow_cannot_serve_is_not_listed(parsed: Site) -> None:
    listed = parsed.post({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).json()["result"]["tools"]
    names = {tool["name"] for tool in listed}
    newer = {"materialize_asset", "list_backfills", "create_backfill", "update_backfill"}
    assert names & newer == (newer if LINE == 3 else set())


# ---- backfills ---------------------------------------------------------------------------------------


@on_3
def test_a_backfill_is_rehearsed_created_paused_and_cancelled(parsed: Site, opened: Site) -> None:
    backfill = {
        "dag_id": "demo_asset_producer",
        "from_date": "2026-01-05",
        "to_date": "2026-01-07",
        "run_conf": {"password": SECRET},
        "max_active_runs": 2,
    }
    preview = refused_preview(opened, "create_backfill", **backfill)
    assert preview["runs"] == 3
    assert [date[:10] for date in preview["dates"]] == ["2026-01-05", "2026-01-06", "2026-01-07"]
    assert told(parsed, "list_backfills", dag_id="demo_asset_producer")["total"] == 0

    def create() -> Any:
        # SQLite has one writer at a time, and Airflow says so.
        result = call(parsed, "create_backfill", **backfill)
        error = result["structuredContent"].get("error")
        assert error is None or error["code"] == "unavailable", result
        return None if error else result["structuredContent"]

    made = wait_for(create)["backfill"]
    assert (made["max_active_runs"], made["reprocess_behavior"]) == (2, "none")
    assert made["dag_run_conf"] == {"password": "***"}
    (said,) = rest(parsed, "backfills", dag_id="demo_asset_producer")["backfills"]
    assert said["id"] == made["id"]
    runs = rest(parsed, "dags/demo_asset_producer/dagRuns", run_type="backfill")
    assert runs["total_entries"] == 3
    error = refused(parsed, "create_backfill", **backfill)
    assert error["code"] == "conflict"
    for action, paused in (("pause", True), ("unpause", False), ("cancel", True)):
        shown = told(parsed, "update_backfill", backfill_id=made["id"], action=action)["backfill"]
        assert shown["is_paused"] is paused
        assert rest(parsed, f"backfills/{made['id']}")["is_paused"] is paused
    assert rest(parsed, f"backfills/{made['id']}")["completed_at"]
    assert refused(parsed, "update_backfill", backfill_id=made["id"], action="pause")["code"] == "conflict"
    listed = told(parsed, "list_backfills", dag_id="demo_asset_producer")
    assert [row["id"] for row in listed["backfills"]] == [made["id"]]
    assert listed["backfills"][0]["completed_at"]


@on_3
def test_a_backfill_of_nothing_is_refused(parsed: Site) -> None:
    dates = {"from_date": "2026-01-05", "to_date": "2026-01-07"}
    error = refused(parsed, "create_backfill", dag_id="demo_asset_producr", **dates)
    assert (error["code"], error["did_you_mean"][0]) == ("not_found", "demo_asset_producer")
    assert refused(parsed, "create_backfill", dag_id="demo_fails", **dates)["code"] == "invalid_argument"
    backwards = {"from_date": "2026-01-07", "to_date": "2026-01-05"}
    error = refused(parsed, "create_backfill", dag_id="demo_asset_producer", **backwards)
    assert error["code"] == "invalid_argument"
    assert refused(parsed, "update_backfill", backfill_id=99999, action="pause")["code"] == "not_found"


def refused_preview(site: Site, tool: str, **arguments: Any) -> dict[str, Any]:
    result = call(site, tool, **arguments)["structuredContent"]
    assert result["error"]["code"] == "confirmation_required", result
    preview: dict[str, Any] = result["preview"]
    return preview


# ---- pools -------------------------------------------------------------------------------------------


def test_a_pool_is_created_changed_and_deleted(site: Site) -> None:
    made = told(site, "set_pool", name="ours", slots=3, description="Ours.")
    assert made["created"] is True
    changed = told(site, "set_pool", name="ours", slots=5, include_deferred=True)
    assert changed["created"] is False
    said = rest(site, "pools/ours")
    assert (said["slots"], said["description"], said["include_deferred"]) == (5, "Ours.", True)
    listed = {row["name"]: row for row in told(site, "list_pools", limit=100)["pools"]}
    for row in rest(site, "pools")["pools"]:
        assert listed[row["name"]]["slots"] == row["slots"]
        assert listed[row["name"]]["open_slots"] == row["open_slots"]
    if LINE == 3:
        told(site, "set_pool", name="ours", slots=-1)
        endless = {row["name"]: row for row in told(site, "list_pools")["pools"]}["ours"]
        assert (endless["slots"], endless["open_slots"]) == (-1, -1)
    else:
        assert refused(site, "set_pool", name="ours", slots=-1)["code"] == "unsupported"
    preview, done = confirmed(site, "delete_pool", name="ours")
    assert preview["before"]["slots"] == (-1 if LINE == 3 else 5)
    assert done == {"deleted": "ours"}
    assert "ours" not in {row["name"] for row in rest(site, "pools")["pools"]}
    assert refused(site, "delete_pool", name="ours")["code"] == "not_found"


def test_the_default_pool_is_changed_and_stays(site: Site) -> None:
    told(site, "set_pool", name="default_pool", slots=100)
    assert rest(site, "pools/default_pool")["slots"] == 100
    told(site, "set_pool", name="default_pool", slots=128)
    assert refused(site, "delete_pool", name="default_pool")["code"] == "invalid_argument"
    error = refused(site, "delete_pool", name="defalt_poll")
    assert error["did_you_mean"] == ["default_pool"]


# ---- variables ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["plain", "a/b", "a/b/c d", "ümlaut", "50%2Fhalf"])
def test_a_variable_is_created_changed_read_and_deleted(site: Site, key: str) -> None:
    assert told(site, "set_variable", key=key, value="one", description="What.") == {
        "key": key,
        "created": True,
    }
    assert told(site, "set_variable", key=key, value={"a": 1})["created"] is False
    shown = told(site, "get_variable", key=key)
    assert json.loads(shown["value"]) == {"a": 1}
    assert (shown["key"], shown["description"]) == (key, "What.")
    said = {row["key"]: row for row in rest(site, "variables")["variables"]}[key]
    assert json.loads(said["value"]) == {"a": 1}
    preview, done = confirmed(site, "delete_variable", key=key)
    assert preview["before"]["key"] == key
    assert done == {"deleted": key}
    assert key not in {row["key"] for row in rest(site, "variables")["variables"]}


@pytest.mark.parametrize("key", ["..", "../connections", "a/../../connections", "a//b", "/a", "."])
def test_a_key_never_leads_elsewhere(site: Site, key: str) -> None:
    for tool in ("get_variable", "delete_variable"):
        assert refused(site, tool, key=key)["code"] == "invalid_argument"
    assert refused(site, "set_variable", key=key, value="x")["code"] == "invalid_argument"


def test_lists_go_on_past_a_hundred(site: Site, tmp_path: Path) -> None:
    file = tmp_path / "variables.json"
    keys = [f"many_{n:03}" for n in range(130)]
    file.write_text(json.dumps(dict.fromkeys(keys, SECRET)))
    site.airflow("variables", "import", str(file))
    listed: list[str] = []
    cursor: dict[str, Any] = {}
    while True:
        page = told(site, "list_variables", limit=60, **cursor)
        assert all("value" not in row for row in page["variables"])
        listed += [row["key"] for row in page["variables"]]
        if "next_cursor" not in page:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert [key for key in listed if key.startswith("many_")] == keys
    assert len(listed) == page["total"]
    # Airflow 2 does not filter them: they are looked for by the tool.
    assert told(site, "list_variables", pattern="many_12")["total"] == 10
    assert refused(site, "get_variable", key="many_0001")["did_you_mean"]


def test_a_secret_variable_is_masked(site: Site) -> None:
    for key, value in (
        ("orders_api_key", SECRET),
        ("orders_token", 7654321987),
        ("orders", {"region": "eu", "deep": [{"password": SECRET}], "url": f"db://u:{SECRET}@h/x"}),
    ):
        told(site, "set_variable", key=key, value=value)
    assert told(site, "get_variable", key="orders_api_key")["value"] == "***"
    assert told(site, "get_variable", key="orders_token")["value"] == "***"
    assert json.loads(told(site, "get_variable", key="orders")["value"]) == {
        "region": "eu",
        "deep": [{"password": "***"}],
        "url": "db://u:***@h/x",
    }
    assert refused(site, "set_variable", key="orders_api_key", value="***")["code"] == "invalid_argument"
    preview = refused_preview(site, "delete_variable", key="orders_api_key")
    assert preview["before"] == {"key": "orders_api_key", "value": "***"}


# ---- connections -------------------------------------------------------------------------------------


def test_a_connection_is_created_changed_and_deleted(site: Site) -> None:
    fields: dict[str, Any] = {
        "conn_id": "warehouse",
        "conn_type": "postgres",
        "host": "db.example.org",
        "port": 5432,
        "schema": "orders",
        "login": "ada",
        "password": SECRET,
        "extra": {"sslmode": "require", "api_key": SECRET, "proxy_url": f"http://p:{SECRET}@proxy"},
    }
    preview, made = confirmed(site, "set_connection", **fields)
    assert preview["action"] == "create a connection"
    assert preview["after"]["password"] == "***"
    assert made["created"] is True
    preview, made = confirmed(site, "set_connection", conn_id="warehouse", host="db2.example.org")
    assert preview["before"]["host"] == "db.example.org"
    assert preview["after"]["host"] == "db2.example.org"
    assert made["created"] is False
    said = rest(site, "connections/warehouse")
    assert (said["host"], said["port"], said["schema"]) == ("db2.example.org", 5432, "orders")
    assert json.loads(said["extra"])["sslmode"] == "require"
    stored = site.airflow("connections", "get", "warehouse", "-o", "json")
    assert SECRET in stored
    listed = {row["connection_id"]: row for row in told(site, "list_connections", limit=100)["connections"]}
    row = listed["warehouse"]
    assert "password" not in row
    assert (row["login"], row["host"], row["conn_type"]) == ("ada", "db2.example.org", "postgres")
    if LINE == 3:
        assert row["extra"]["sslmode"] == "require"
        assert row["extra"]["api_key"] == "***"
    assert told(site, "list_connections", pattern="wareh")["total"] == 1
    preview, done = confirmed(site, "delete_connection", conn_id="warehouse")
    assert preview["before"]["extra"]["sslmode"] == "require"
    assert preview["before"]["extra"]["api_key"] == "***"
    assert done == {"deleted": "warehouse"}
    assert rest(site, "connections/warehouse")["status" if LINE == 2 else "detail"]
    assert refused(site, "delete_connection", conn_id="warehouse")["code"] == "not_found"


def test_a_connection_needs_a_type_and_a_real_secret(site: Site) -> None:
    error = refused(site, "set_connection", conn_id="new_one", host="h")
    assert (error["code"], "conn_type" in error["message"]) == ("invalid_argument", True)
    error = refused(site, "set_connection", conn_id="new_one", conn_type="http", password="***")
    assert error["code"] == "invalid_argument"
    for conn_id in ("..", "a/b", "../variables"):
        assert refused(site, "delete_connection", conn_id=conn_id)["code"] == "invalid_argument"


def test_an_extra_that_is_no_json_is_hidden_whole(site: Site) -> None:
    if LINE == 3:
        # Airflow 3 stores no other extra than JSON objects.
        return
    rest(site, "connections", "POST", {"connection_id": "odd", "conn_type": "http", "extra": f"pw: {SECRET}"})
    preview = refused_preview(site, "delete_connection", conn_id="odd")
    assert preview["before"]["extra"] == "***"


def test_testing_a_connection(site: Site, opened: Site) -> None:
    confirmed(site, "set_connection", conn_id="local", conn_type="sqlite", host="/tmp/none.db")
    error = refused(site, "test_connection", conn_id="local")
    assert error["code"] == "unsupported"
    assert "[core] test_connection" in error["hint"]
    confirmed(site, "set_connection", conn_id="guarded", conn_type="sqlite", login="ada", password=SECRET)
    preview, result = confirmed(opened, "test_connection", conn_id="local")
    assert preview["before"]["connection_id"] == "local"
    assert isinstance(result["status"], bool)
    assert result["message"]
    if LINE == 2:
        asked = call(opened, "test_connection", conn_id="guarded")["structuredContent"]
        token = asked["confirmation_token"]
        error = refused(opened, "test_connection", conn_id="guarded", confirmation_token=token)
        assert error["code"] == "unsupported"
    else:
        _, result = confirmed(opened, "test_connection", conn_id="guarded")
        assert isinstance(result["status"], bool)


# ---- Airflow itself ----------------------------------------------------------------------------------


def test_what_airflow_is(site: Site) -> None:
    info = told(site, "get_airflow_info", include=["version", "providers", "plugins", "jobs"])
    assert info["version"] == rest(site, "version")["version"]
    said = rest(site, "providers", limit=100)
    assert len(info["providers"]) == said["total_entries"]
    assert "mcp" in info["plugins"]
    if LINE == 3:
        assert "SchedulerJob" in {job["job_type"] for job in info["jobs"]}
        assert "missing" not in info
    else:
        assert "jobs" not in info
        assert "Airflow 2" in info["missing"]["jobs"]


def test_a_hidden_configuration_says_how_to_show_it(site: Site) -> None:
    error = refused(site, "get_config", section="core")
    assert error["code"] == "permission_denied"
    assert f"[{'api' if LINE == 3 else 'webserver'}] expose_config" in error["hint"]


def test_the_configuration_without_its_secrets(opened: Site) -> None:
    one = told(opened, "get_config", section="core", option="executor")["config"]
    assert (
        one["core"]["executor"]
        == rest(opened, "config/section/core/option/executor")["sections"][0]["options"][0]["value"]
    )
    section = told(opened, "get_config", section="core")["config"]
    assert list(section) == ["core"]
    assert section["core"]["executor"] == one["core"]["executor"]
    assert section["core"]["fernet_key"] == "< hidden >"
    everything = told(opened, "get_config")["config"]
    said = {held["name"] for held in rest(opened, "config")["sections"]}
    assert set(everything) == said
    assert everything["database"]["sql_alchemy_conn"] == "< hidden >"
    for section_name, option in (("core", "fernet_key"), ("database", "sql_alchemy_conn")):
        shown = told(opened, "get_config", section=section_name, option=option)["config"]
        assert shown[section_name][option] == "< hidden >"
    (fernet_key,) = re.findall(r"(?m)^fernet_key = (\S+)$", (opened.folder / "airflow.cfg").read_text())
    assert fernet_key not in "".join(ANSWERS)
    assert refused(opened, "get_config", section="cor")["did_you_mean"][0] == "core"
    assert refused(opened, "get_config", section="core", option="executr")["did_you_mean"] == ["executor"]
    assert refused(opened, "get_config", section="..", option="x")["code"] == "invalid_argument"


def test_the_audit_log_names_the_caller(site: Site) -> None:
    began = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(time.time() - 2))
    told(site, "pause_dag", dag_id="demo_params")
    told(site, "set_variable", key="audited_password", value=SECRET)
    newest = told(site, "list_event_logs", dag_id="demo_params", owner="admin", after=began)["event_logs"]
    # Each of these calls leaves a row, too.
    row = next(row for row in newest if row["event"] != "mcp.tool_call")
    asked = {"dag_id": "demo_params", "owner": "admin", "event": row["event"], "after": began}
    listed = told(site, "list_event_logs", **asked)
    assert (row["owner"], row["acted_by"], row["dag_id"]) == ("admin", "user", "demo_params")
    said = rest(site, "eventLogs", **asked)
    assert listed["total"] == said["total_entries"]
    assert row["event_log_id"] in {held["event_log_id"] for held in said["event_logs"]}
    by_event = told(site, "list_event_logs", event=row["event"], after=began)
    assert {held["event"] for held in by_event["event_logs"]} == {row["event"]}
    unknown = told(site, "list_event_logs", dag_id="demo_params", event=row["event"] + "s", after=began)
    assert f"Did you mean {row['event']}" in unknown["hint"]
    before = told(site, "list_event_logs", dag_id="demo_params", after=began, before=began)
    assert before["total"] == 0
    ids = [held["event_log_id"] for held in told(site, "list_event_logs", limit=50)["event_logs"]]
    assert ids == sorted(ids, reverse=True)
    assert refused(site, "list_event_logs", after="yesterday")["code"] == "invalid_argument"


# ---- who may ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("set_variable", {"key": "viewers", "value": "x"}),
        ("set_pool", {"name": "viewers", "slots": 1}),
        ("create_asset_event", {"asset": ORDERS}),
        ("set_connection", {"conn_id": "viewers", "conn_type": "http"}),
        ("delete_variable", {"key": "orders"}),
        ("delete_pool", {"name": "default_pool_2"}),
        ("delete_connection", {"conn_id": "local"}),
        ("test_connection", {"conn_id": "local"}),
    ],
)
def test_a_viewer_changes_nothing(parsed: Site, tool: str, arguments: dict[str, Any]) -> None:
    told(parsed, "set_pool", name="default_pool_2", slots=1)
    result = call(parsed, tool, "viewer", **arguments)["structuredContent"]
    if result["error"]["code"] == "confirmation_required":
        token = result["confirmation_token"]
        result = call(parsed, tool, "viewer", **arguments, confirmation_token=token)["structuredContent"]
    assert result["error"]["code"] == "permission_denied", result


def test_no_answer_held_a_secret(opened: Site) -> None:
    assert len(ANSWERS) > 50
    assert SECRET not in "".join(ANSWERS)
    assert "7654321987" not in "".join(ANSWERS)
    assert httpx.get(opened.health, timeout=20).status_code == 200
