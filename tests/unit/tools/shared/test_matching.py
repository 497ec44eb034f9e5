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
"""A pattern is plain text: what Airflow's filters take for wildcards are letters."""

from __future__ import annotations

import fnmatch
from typing import Any

import httpx
import pytest

from airflow_provider_mcp.testing import call_tool, open_airflow
from airflow_provider_mcp.tools.admin.connections import list_connections
from airflow_provider_mcp.tools.admin.variables import list_variables
from airflow_provider_mcp.tools.assets import list_assets
from airflow_provider_mcp.tools.dags import list_dags
from airflow_provider_mcp.tools.runs.reading import list_dag_runs
from tests.unit.fake_airflow import FakeAirflow

NAMES = [
    "sales_daily",
    "salesXdaily",
    "sales-daily",
    "gen_01",
    "gen_02",
    "gen_0%",
    "a|b",
    "~",
    "Sales_Daily_2",
]
TOOLS = [
    (list_dags, "dags", "dags", "dag_id", "dag_id_pattern", "pattern"),
    (list_variables, "variables", "variables", "key", "variable_key_pattern", "pattern"),
    (list_connections, "connections", "connections", "connection_id", "connection_id_pattern", "pattern"),
    (list_assets, "assets", "assets", "name", "name_pattern", "pattern"),
    (list_dag_runs, "dags/~/dagRuns", "dag_runs", "dag_run_id", "run_id_pattern", "run_id_pattern"),
]


def answering(key: str, field: str, parameter: str, names: list[str]) -> Any:
    """Return an answer that filters as Airflow 3 does: by ILIKE, with `|` as or and `~` as all."""

    def answer(request: httpx.Request) -> Any:
        wanted = request.url.params.get(parameter, "")
        terms = ["%" if term.strip() == "~" else term.strip() for term in wanted.split("|") if term.strip()]
        globs = [f"*{t.lower().replace('%', '*').replace('_', '?')}*" for t in terms] or ["*"]
        fitting = [n for n in names if any(fnmatch.fnmatchcase(n.lower(), glob) for glob in globs)]
        begin, count = int(request.url.params["offset"]), int(request.url.params["limit"])
        rows = [{field: name, "id": n, "uri": f"x://{name}", "name": name} for n, name in enumerate(fitting)]
        return {key: rows[begin : begin + count], "total_entries": len(fitting)}

    return answer


@pytest.mark.parametrize(("tool", "route", "key", "field", "parameter", "argument"), TOOLS)
@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("sales_d_ily", []),
        ("sales_daily", ["sales_daily", "Sales_Daily_2"]),
        ("gen_0%", ["gen_0%"]),
        ("%", ["gen_0%"]),
        ("a|b", ["a|b"]),
        ("sales|gen", []),
        ("~", ["~"]),
        ("_", ["sales_daily", "gen_01", "gen_02", "gen_0%", "Sales_Daily_2"]),
        ("GEN", ["gen_01", "gen_02", "gen_0%"]),
    ],
)
def test_a_pattern_is_plain_text(
    tool: Any, route: str, key: str, field: str, parameter: str, argument: str, text: str, found: list[str]
) -> None:
    events = {"asset_events": [], "total_entries": 0}
    airflow = FakeAirflow(
        **{"GET assets/events": events, f"GET {route}": answering(key, field, parameter, NAMES)}
    )
    shown = airflow.call(tool, "read", **{argument: text})
    assert [row[field] for row in shown.get(key, [])] == found
    assert shown["total"] == len(found)


def test_pages_of_a_pattern_with_a_wildcard_go_on() -> None:
    names = [f"n_{number:03}" for number in range(250)] + [f"nX{number}" for number in range(30)]
    airflow = FakeAirflow(**{"GET dags": answering("dags", "dag_id", "dag_id_pattern", names)})
    seen: list[str] = []
    cursor = None
    while True:
        page = airflow.call(list_dags, "read", pattern="n_", limit=100, cursor=cursor)
        seen += [row["dag_id"] for row in page["dags"]]
        assert page["total"] == 250
        cursor = page.get("next_cursor")
        if cursor is None:
            break
    assert seen == names[:250]


@pytest.mark.parametrize("version", ["3.0.6", "2.11.2"])
def test_an_airflow_that_ignores_the_filter_is_not_believed(version: str) -> None:
    """Airflow 3.0 does not know the filter of runs, and Airflow 3 ignores what it does not know."""
    rows = [{"dag_id": "a", "dag_run_id": run} for run in ("manual_1", "backfill_1", "manual_2")]
    airflow = FakeAirflow(**{"GET dags/a/dagRuns": {"dag_runs": rows, "total_entries": 3}})
    client = open_airflow(airflow, "read", version=version)
    listed = call_tool(list_dag_runs, client, dag_id="a", run_id_pattern="manual")
    assert [row["dag_run_id"] for row in listed.dag_runs] == ["manual_1", "manual_2"]
    assert listed.total == 2


def test_what_could_not_be_searched_is_told() -> None:
    names = [f"n_{number}" for number in range(1200)]
    airflow = FakeAirflow(**{"GET dags": answering("dags", "dag_id", "dag_id_pattern", names)})
    assert "first 1000 of 1200" in airflow.call(list_dags, "read", pattern="n_")["hint"]
