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
"""Pools, variables, connections, options and the audit log over a transport that answers as Airflow does."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from airflow_provider_mcp.sdk.binding import bind_tool
from airflow_provider_mcp.server.calls import describe_tool
from airflow_provider_mcp.tools.admin import audit_log, connections, info, pools, variables
from airflow_provider_mcp.tools.admin import config as admin_config
from tests.unit.answers import MISSING, SENT, Answer, failing, listing, run

# ---- Airflow itself ----------------------------------------------------------------------------------


def test_a_part_that_is_not_served_does_not_fail_the_others() -> None:
    shown = run(
        info.get_airflow_info,
        {
            "GET version": (200, {"version": "2.11.2"}),
            "GET jobs": (501, {"detail": "not there on Airflow 2"}),
            "GET plugins": (403, {"detail": "Forbidden"}),
        },
        include=["version", "jobs", "plugins"],
    )
    assert shown.version == "2.11.2"
    assert set(shown.missing) == {"jobs", "plugins"}
    assert "not there on Airflow 2" in shown.missing["jobs"]


def test_a_part_that_fails_fails() -> None:
    assert failing(info.get_airflow_info, {"GET version": (500, {})}).code == "internal"


def test_providers_past_a_hundred() -> None:
    rows = [{"package_name": f"p{n}", "version": "1"} for n in range(130)]

    def page(request: httpx.Request) -> Answer:
        offset = int(request.url.params["offset"])
        return 200, {"providers": rows[offset : offset + 100], "total_entries": len(rows)}

    shown = run(info.get_airflow_info, {"GET providers": page}, include=["providers"])
    assert len(shown.providers) == 130
    assert len(SENT) == 2


def config(**sections: dict[str, str]) -> dict[str, Any]:
    return {
        "sections": [
            {"name": name, "options": [{"key": k, "value": v} for k, v in options.items()]}
            for name, options in sections.items()
        ]
    }


def test_sensitive_options_are_hidden_even_if_airflow_shows_them() -> None:
    shown = run(
        admin_config.get_config,
        {
            "GET config": (
                200,
                config(
                    core={"fernet_key": "hunter2", "executor": "X"},
                    atlas={"password": "hunter2", "use_password": "True", "url": "db://u:hunter2@h"},
                ),
            )
        },
    ).config
    assert shown == {
        "core": {"fernet_key": "< hidden >", "executor": "X"},
        "atlas": {"password": "***", "use_password": "True", "url": "db://u:***@h"},
    }


@pytest.mark.parametrize(("version", "section"), [("3.3.2", "[api]"), ("2.11.2", "[webserver]")])
def test_a_configuration_that_is_not_exposed(version: str, section: str) -> None:
    said = "Your Airflow administrator chose not to expose the configuration, most likely for security."
    error = failing(
        admin_config.get_config, {"GET config": (403, {"detail": said})}, section="core", version=version
    )
    assert (error.code, error.hint) == (
        "permission_denied",
        f"An administrator can set {section} expose_config = True.",
    )


def test_a_forbidden_configuration_is_not_a_hidden_one() -> None:
    error = failing(admin_config.get_config, {"GET config": (403, {"detail": "Forbidden"})})
    assert "expose_config" not in error.hint
    assert error.identifiers["resource"] == "config"


def test_near_misses_of_options_and_sections() -> None:
    answers = {
        "GET config": lambda request: (
            MISSING if request.url.params.get("section") else (200, config(core={"executor": "X"}, smtp={}))
        )
    }
    assert failing(admin_config.get_config, answers, section="cor").identifiers["did_you_mean"] == ["core"]
    error = failing(admin_config.get_config, answers, section="core", option="executer")
    assert error.identifiers["did_you_mean"] == ["executor"]
    error = failing(admin_config.get_config, answers, option="executer")
    assert error.identifiers["did_you_mean"] == ["executor"]


def test_an_option_is_found_in_any_section() -> None:
    answers = {
        "GET config": (200, config(core={"executor": "X", "parallelism": "8"}, smtp={"executor": "Y"}))
    }
    assert run(admin_config.get_config, answers, option="parallelism").config == {
        "core": {"parallelism": "8"}
    }
    found = run(admin_config.get_config, answers, option="executor").config
    assert found == {"core": {"executor": "X"}, "smtp": {"executor": "Y"}}


def test_the_audit_log_filters_on_the_server_and_shows_no_secret() -> None:
    row = {
        "event_log_id": 7,
        "when": "2026-01-01T00:00:00Z",
        "event": "post_variable",
        "owner": "ada",
        "run_id": "r",
        "map_index": -1,
        "extra": '{"key": "db_password", "value": "hunter2"}',
    }
    asked: dict[str, str] = {}

    def answer(request: httpx.Request) -> Answer:
        asked.update(request.url.params)
        return 200, {"event_logs": [row], "total_entries": 1}

    page = run(
        audit_log.list_event_logs,
        {"GET eventLogs": answer},
        dag_id="d",
        dag_run_id="r",
        task_id="t",
        event="e",
        owner="ada",
        after="2026-01-01",
        before="2026-01-02",
    )
    assert asked == {
        "dag_id": "d",
        "run_id": "r",
        "task_id": "t",
        "event": "e",
        "owner": "ada",
        "after": "2026-01-01",
        "before": "2026-01-02",
        "order_by": "-event_log_id",
        "limit": "25",
        "offset": "0",
    }
    assert page.event_logs == [
        {
            "event_log_id": 7,
            "when": "2026-01-01T00:00:00Z",
            "event": "post_variable",
            "acted_by": "user",
            "owner": "ada",
            "run_id": "r",
            "extra": '{"key": "db_password", "value": "***"}',
        }
    ]


@pytest.mark.parametrize(
    ("row", "who"),
    [
        ({"event": "patch_dag", "owner": "ada", "try_number": None, "extra": "{}"}, "user"),
        ({"event": "api.patch_dag", "owner": "ada", "try_number": None, "extra": "{}"}, "user"),
        ({"event": "mcp.tool_call", "owner": "ada", "try_number": None, "extra": "{}"}, "user"),
        # Airflow 2's own page has a view of this name.
        ({"event": "failed", "owner": "ada", "try_number": None, "extra": '{"a": 1}'}, "user"),
        ({"event": "failed", "owner": "the Dag's owner", "try_number": 1, "extra": None}, "airflow"),
        ({"event": "running", "owner": None, "try_number": 1}, "airflow"),
        ({"event": "state mismatch", "owner": "x", "try_number": None}, "airflow"),
        ({"event": "paused", "owner": "scheduler", "try_number": None, "extra": "{}"}, "airflow"),
        ({"event": "cli_task_run", "owner": "root", "try_number": None, "extra": "{}"}, "command_line"),
        # Airflow 2.7 to 2.9.
        ({"event": "success", "owner": "the Dag's owner", "extra": None}, "airflow"),
        ({"event": "success", "owner": "ada", "extra": '{"a": 1}'}, "user"),
        ({"event": "trigger", "owner": "ada", "extra": '{"a": 1}'}, "user"),
    ],
)
def test_who_acted_is_told_apart_from_the_dags_owner(row: dict[str, Any], who: str) -> None:
    page = run(audit_log.list_event_logs, {"GET eventLogs": listing("event_logs", [row])})
    assert page.event_logs[0]["acted_by"] == who


def test_an_event_that_is_not_there_names_those_that_are() -> None:
    def answer(request: httpx.Request) -> Answer:
        rows = [] if "event" in request.url.params else [{"event": "patch_dag"}, {"event": "patch_dag"}]
        return listing("event_logs", [*rows, {"event": "trigger_dag_run"}] if rows else [])

    page = run(audit_log.list_event_logs, {"GET eventLogs": answer}, event="patch_dags", dag_id="d")
    assert (page.total, page.event_logs) == (0, [])
    assert "Did you mean patch_dag?" in page.hint
    assert "patch_dag (2), trigger_dag_run (1)" in page.hint


def test_which_events_there_are_is_told_where_not_all_are_listed() -> None:
    def answer(request: httpx.Request) -> Answer:
        limit = int(request.url.params["limit"])
        rows = [{"event_log_id": n, "event": "running" if n % 2 else "success"} for n in range(60)]
        return 200, {"event_logs": rows[:limit], "total_entries": 60}

    page = run(audit_log.list_event_logs, {"GET eventLogs": answer})
    assert page.events == {"success": 30, "running": 30}
    assert run(audit_log.list_event_logs, {"GET eventLogs": answer}, limit=60).events is None
    # It is not asked for again with each page.
    assert run(audit_log.list_event_logs, {"GET eventLogs": answer}, cursor=page.next_cursor).events is None


# ---- pools -------------------------------------------------------------------------------------------

POOL = {
    "name": "ours",
    "slots": 3,
    "description": "Ours.",
    "include_deferred": True,
    "running_slots": 2,
    "open_slots": 1,
}


def test_what_is_not_given_of_a_pool_stays() -> None:
    done = run(
        pools.set_pool,
        {"GET pools/ours": (200, POOL), "PATCH pools/ours": (200, {**POOL, "slots": 9})},
        name="ours",
        slots=9,
    )
    assert (done.created, done.pool["slots"]) == (False, 9)
    assert SENT[-1][2] == {"pool": "ours", "slots": 9, "description": "Ours.", "include_deferred": True}


def test_a_new_pool_is_created() -> None:
    done = run(pools.set_pool, {"POST pools": (201, POOL)}, name="a/b", slots=3, include_deferred=True)
    assert done.created is True
    assert [sent[:2] for sent in SENT] == [("GET", "pools/a/b"), ("POST", "pools")]


def test_the_default_pool_takes_a_mask() -> None:
    masks: list[str] = []

    def patch(request: httpx.Request) -> Answer:
        masks.extend(request.url.params.get_list("update_mask"))
        return 200, POOL

    answers = {"GET pools/default_pool": (200, POOL), "PATCH pools/default_pool": patch}
    run(pools.set_pool, answers, name="default_pool", slots=1)
    assert masks == ["slots", "include_deferred"]


def test_pools_that_airflow_2_cannot_list() -> None:
    answers = {"GET pools": (500, {})}
    assert failing(pools.list_pools, answers, version="2.11.2").code == "unsupported"
    assert failing(pools.list_pools, answers).code == "internal"


def test_previews_of_pools_change_nothing() -> None:
    answers = {"GET pools/ours": (200, POOL)}
    shown = run(pools._preview_set_pool, answers, name="ours", slots=1, access="read")
    assert (shown.before["slots"], shown.after["slots"]) == (3, 1)
    assert shown.after["description"] == "Ours."
    shown = run(pools._preview_delete_pool, answers, name="ours", access="read")
    assert shown.now == {"running_slots": 2, "open_slots": 1}
    assert "running_slots" not in shown.before
    assert {sent[0] for sent in SENT} == {"GET"}


def test_a_pool_that_cannot_be_deleted() -> None:
    for function in (pools.delete_pool, pools._preview_delete_pool):
        assert failing(function, {}, name="default_pool").code == "invalid_argument"
        error = failing(function, {"GET pools": listing("pools", [{"name": "ours"}])}, name="our")
        assert error.identifiers["did_you_mean"] == ["ours"]
    assert not [sent for sent in SENT if sent[0] == "DELETE"]


# ---- variables ---------------------------------------------------------------------------------------


def test_lists_show_no_values() -> None:
    rows = [{"key": "a", "value": "hunter2", "description": "What."}, {"key": "b", "value": "x"}]
    page = run(variables.list_variables, {"GET variables": listing("variables", rows)})
    assert page.variables == [{"key": "a", "description": "What."}, {"key": "b"}]


def test_a_pattern_that_airflow_2_does_not_filter_by_is_looked_for_here() -> None:
    for function, route, field in (
        (variables.list_variables, "variables", "key"),
        (connections.list_connections, "connections", "connection_id"),
    ):
        rows = [{field: "sales_db"}, {field: "SALES_db"}, {field: "other"}]

        def page(request: httpx.Request, route: str = route, rows: Any = rows) -> Answer:
            if any(name.endswith("_pattern") for name in request.url.params):
                return 501, {"detail": "no"}
            return listing(route, rows)

        shown = run(function, {f"GET {route}": page}, pattern="sales_")
        assert [row[field] for row in getattr(shown, route)] == ["sales_db", "SALES_db"]
        assert shown.total == 2
        error = failing(function, {f"GET {route}": (501, {"detail": "no"})}, pattern="x")
        assert error.code == "unsupported"


@pytest.mark.parametrize(
    ("key", "value", "shown"),
    [
        ("db_password", "hunter2", "***"),
        ("db_password", '{"a": 1}', "***"),
        ("db_password", "12345", "***"),
        ("orders", '{"password": "hunter2", "a": 1}', '{"password": "***", "a": 1}'),
        ("orders", "db://u:hunter2@h", "db://u:***@h"),
        ("orders", '{"a":   1}', '{"a":   1}'),
        ("orders", None, None),
    ],
)
def test_values_are_masked(key: str, value: str | None, shown: str | None) -> None:
    row = {"key": key, "value": value, "description": None}
    answers = {f"GET variables/{key}": (200, row)}
    assert run(variables.get_variable, answers, key=key).value == shown
    preview = run(variables._preview_delete_variable, answers, key=key, access="read")
    assert preview.before.get("value") == shown


def test_a_key_keeps_its_slashes_and_nothing_else() -> None:
    answers = {"GET variables/a/b": (200, {"key": "a/b", "value": "x"})}
    assert run(variables.get_variable, answers, key="a/b").value == "x"
    for key in ("..", "a/../b", "/a", "a//b", "a\\b"):
        for function in (variables.get_variable, variables.delete_variable):
            assert failing(function, answers, key=key).code == "invalid_argument"
        assert failing(variables.set_variable, answers, key=key, value="x").code == "invalid_argument"
        assert SENT == []


def test_a_variable_is_changed_or_created_and_its_value_not_told() -> None:
    old = {"key": "k", "value": "old", "description": "kept"}
    done = run(
        variables.set_variable,
        {"GET variables/k": (200, old), "PATCH variables/k": (200, old)},
        key="k",
        value={"a": [1]},
    )
    assert done.model_dump(exclude_none=True) == {"key": "k", "created": False}
    assert SENT[-1] == ("PATCH", "variables/k", {"key": "k", "value": '{\n  "a": [\n    1\n  ]\n}'})
    done = run(variables.set_variable, {"POST variables": (201, old)}, key="k", value="x", description="d")
    assert done.created is True
    assert SENT[-1] == ("POST", "variables", {"key": "k", "value": "x", "description": "d"})


def test_a_mask_is_never_stored() -> None:
    for function in (variables.set_variable, variables._preview_set_variable):
        assert failing(function, {}, key="k", value="***").code == "invalid_argument"
        assert SENT == []


def test_the_preview_of_a_variable_shows_no_secret() -> None:
    old = {"key": "db_password", "value": "old-hunter2", "description": "kept"}
    shown = run(
        variables._preview_set_variable,
        {"GET variables/db_password": (200, old)},
        key="db_password",
        value="new-hunter2",
        access="read",
    )
    assert shown.before == shown.after == {"key": "db_password", "value": "***", "description": "kept"}


# ---- connections -------------------------------------------------------------------------------------

CONNECTION = {
    "connection_id": "db",
    "conn_type": "postgres",
    "host": "https://u:hunter2@h",
    "login": "ada",
    "port": 5432,
    "schema": "s",
    "password": "***",
    "extra": '{"password": "hunter2", "dsn": "hunter2", "settings": "host=h password=hunter2"}',
}


def test_connections_show_no_secret() -> None:
    page = run(connections.list_connections, {"GET connections": listing("connections", [CONNECTION])})
    assert page.connections == [
        {
            "connection_id": "db",
            "conn_type": "postgres",
            "host": "https://u:***@h",
            "login": "ada",
            "port": 5432,
            "schema": "s",
            "extra": {"password": "***", "dsn": "***", "settings": "host=h password=***"},
        }
    ]
    assert page.hint is None
    old = {key: value for key, value in CONNECTION.items() if key not in {"extra", "password"}}
    page = run(connections.list_connections, {"GET connections": listing("connections", [old])})
    assert "extra" in page.hint


def test_the_schema_argument_is_called_schema() -> None:
    tool = bind_tool(connections.set_connection, toolset="admin", owner="x")
    assert "schema" in describe_tool(tool).input_schema["properties"]
    assert tool.check({"conn_id": "a", "schema": "s"})["schema_"] == "s"


def test_only_the_given_fields_of_a_connection_change() -> None:
    answers = {"GET connections/db": (200, CONNECTION), "PATCH connections/db": (200, CONNECTION)}
    arguments = {"conn_id": "db", "schema_": "t", "password": "new-hunter2", "extra": {"password": "x"}}
    shown = run(connections._preview_set_connection, answers, **arguments, access="read")
    assert (shown.before["schema"], shown.after["schema"]) == ("s", "t")
    assert (shown.after["password"], shown.after["extra"]) == ("***", {"password": "***"})
    assert "hunter2" not in shown.model_dump_json()
    done = run(connections.set_connection, answers, **arguments)
    assert SENT[-1][2] == {
        "connection_id": "db",
        "conn_type": "postgres",
        "schema": "t",
        "password": "new-hunter2",
        "extra": '{"password": "x"}',
    }
    assert done.created is False
    assert "hunter2" not in done.model_dump_json()


def test_a_new_connection_needs_a_type() -> None:
    for function in (connections.set_connection, connections._preview_set_connection):
        assert "conn_type" in failing(function, {}, conn_id="db", host="h").message
        error = failing(function, {"GET connections/db": (200, CONNECTION)}, conn_id="db")
        assert error.code == "invalid_argument"
    done = run(
        connections.set_connection,
        {"POST connections": (201, {"connection_id": "db", "conn_type": "http"})},
        conn_id="db",
        conn_type="http",
    )
    assert done.created is True
    assert SENT[-1][2] == {"connection_id": "db", "conn_type": "http"}


@pytest.mark.parametrize("given", [{"password": "***"}, {"extra": {"a": "***"}}, {"host": "x://u:***@h"}])
def test_a_masked_field_is_never_stored(given: dict[str, Any]) -> None:
    for function in (connections.set_connection, connections._preview_set_connection):
        assert failing(function, {}, conn_id="db", **given).code == "invalid_argument"
        assert SENT == []


def test_a_connection_is_deleted_after_a_look() -> None:
    answers = {"GET connections/db": (200, CONNECTION), "DELETE connections/db": (200, {})}
    assert run(connections.delete_connection, answers, conn_id="db").deleted == "db"
    assert SENT[-1][:2] == ("DELETE", "connections/db")
    rows = listing("connections", [{"connection_id": "warehouse"}])
    error = failing(connections.delete_connection, {"GET connections": rows}, conn_id="warehuose")
    assert error.identifiers["did_you_mean"] == ["warehouse"]


def test_a_test_sends_no_secret() -> None:
    answers = {
        "GET connections/db": (200, CONNECTION),
        "POST connections/test": (200, {"status": False, "message": "no db://u:hunter2@h"}),
    }
    done = run(connections.test_connection, answers, conn_id="db")
    assert SENT[-1][2] == {"connection_id": "db", "conn_type": "postgres"}
    assert (done.status, done.message, done.hint) == (False, "no db://u:***@h", None)


def test_airflow_2_tests_only_what_needs_no_stored_secret() -> None:
    plain = {"connection_id": "db", "conn_type": "sqlite", "host": "/x", "extra": '{"a": 1}'}
    answers: dict[str, Answer] = {"POST connections/test": (200, {"status": True, "message": "ok"})}
    done = run(
        connections.test_connection,
        {**answers, "GET connections/db": (200, plain)},
        conn_id="db",
        version="2.11.2",
    )
    assert SENT[-1][2] == plain
    assert "without a password" in done.hint
    for more, version in (
        ({"login": "ada"}, "2.11.2"),
        ({"extra": '{"password": "***"}'}, "2.11.2"),
        ({"password": "***"}, "3.1.6"),
    ):
        held = {**answers, "GET connections/db": (200, {**plain, **more})}
        error = failing(connections.test_connection, held, conn_id="db", version=version)
        assert (error.code, version in error.message) == ("unsupported", True)
    open_door = {**answers, "GET connections/db": (200, {**plain, "login": "ada", "password": None})}
    done = run(connections.test_connection, open_door, conn_id="db", version="3.1.6")
    assert SENT[-1][2] == {**plain, "login": "ada"}


@pytest.mark.parametrize("said", [{"detail": "Testing connections is disabled in Airflow."}, "disabled in x"])
def test_a_test_that_is_switched_off_names_the_switch(said: Any) -> None:
    answers = {"GET connections/db": (200, CONNECTION), "POST connections/test": (403, said)}
    if isinstance(said, str):
        answers["POST connections/test"] = (403, {"detail": said})
    error = failing(connections.test_connection, answers, conn_id="db")
    assert (error.code, "[core] test_connection" in error.hint) == ("unsupported", True)


def test_a_test_that_is_forbidden_says_so() -> None:
    answers = {
        "GET connections/db": (200, CONNECTION),
        "POST connections/test": (403, {"detail": "Forbidden"}),
    }
    assert failing(connections.test_connection, answers, conn_id="db").code == "permission_denied"
