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

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_mcp.tools.diagnostics.ui_urls import (
    ForeignUrlError,
    Page,
    UnknownPageError,
    next_call,
    read_url,
    with_run,
)

ROOT = "https://airflow.example.org/air/flow"


@pytest.mark.parametrize(
    ("address", "page"),
    [
        ("", Page("dags")),
        ("/", Page("dags")),
        ("/home?search=x", Page("dags")),
        ("/dags", Page("dags")),
        # Airflow 3
        ("/dags/a", Page("dag", "a")),
        ("/dags/a%20b/runs", Page("dag_runs", "a b")),
        ("/dags/a/code", Page("dag_source", "a")),
        ("/dags/a/tasks", Page("tasks", "a")),
        ("/dags/a/tasks/t", Page("task", "a", None, "t")),
        ("/dags/a/runs/r", Page("dag_run", "a", "r")),
        ("/dags/a/runs/r/code", Page("dag_run", "a", "r")),
        (
            "/dags/a/runs/manual__2026-11-24T10:00:00%2B00:00/tasks/g.t",
            Page("task_logs", "a", "manual__2026-11-24T10:00:00+00:00", "g.t"),
        ),
        ("/dags/a/runs/r/tasks/t/mapped/3?try_number=2", Page("task_logs", "a", "r", "t", 3, 2)),
        ("/dags/a/runs/r/tasks/t/mapped", Page("task_logs", "a", "r", "t")),
        ("/dags/a/runs/r/tasks/t?map_index=4", Page("task_logs", "a", "r", "t", 4)),
        ("/dags/a/runs/r/tasks/t/details", Page("task_instance", "a", "r", "t")),
        ("/dags/a/runs/r/tasks/t/mapped/0/xcom", Page("xcom", "a", "r", "t", 0)),
        ("/dags/a/runs/r/tasks/group/g", Page("dag_run", "a", "r")),
        # Airflow 2
        ("/dags/a/grid", Page("dag", "a")),
        ("/dags/a/grid?dag_run_id=r", Page("dag_run", "a", "r")),
        (
            "/dags/a/grid?dag_run_id=r&task_id=t&map_index=5&tab=logs",
            Page("task_logs", "a", "r", "t", 5),
        ),
        ("/dags/a/grid?dag_run_id=r&task_id=t&map_index=-1", Page("task_instance", "a", "r", "t")),
        ("/dags/a/grid?tab=code", Page("dag_source", "a")),
        ("/dags/a/graph?run_id=r", Page("dag_run", "a", "r")),
        ("/dags/a/grid?task_id=t", Page("task", "a", None, "t")),
        ("/graph?dag_id=a", Page("dag", "a")),
        (
            "/log?dag_id=a&task_id=t&execution_date=2026-11-24T10%3A00%3A00%2B00%3A00&map_index=2",
            Page("task_logs", "a", None, "t", 2, None, "2026-11-24T10:00:00+00:00"),
        ),
        (
            "/task?dag_id=a&task_id=t&execution_date=2026-11-24",
            Page("task_instance", "a", None, "t", None, None, "2026-11-24"),
        ),
        ("/rendered-templates?dag_id=a&task_id=t&dag_run_id=r", Page("task_instance", "a", "r", "t")),
        ("/dagrun/list/?_flt_3_dag_id=a", Page("dag_runs", "a")),
        ("/pool/list/", Page("pools")),
        ("/variables", Page("variables")),
        ("/configs", Page("config")),
    ],
)
def test_pages(address: str, page: Page) -> None:
    assert read_url(ROOT + address, [ROOT]) == page


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example.org/air/flow/dags/a",
        "https://airflow.example.org.evil.org/air/flow/dags/a",
        "https://airflow.example.org@evil.org/air/flow/dags/a",
        "https://user:pass@airflow.example.org/air/flow/dags/a",
        "http://airflow.example.org/air/flow/dags/a",
        "https://airflow.example.org:8443/air/flow/dags/a",
        "https://airflow.example.org/dags/a",
        "https://airflow.example.org/air/flowers/dags/a",
        "file:///air/flow/dags/a",
        "javascript:alert(1)",
        "//airflow.example.org/air/flow/dags/a",
        "/dags/a",
        "https://airflow.example.org:port/air/flow/dags/a",
        "https://[/air/flow",
        "",
    ],
)
def test_what_is_foreign(url: str) -> None:
    with pytest.raises(ForeignUrlError):
        read_url(url, [ROOT])


@pytest.mark.parametrize("address", ["/security/users", "/static/x.js", "/api/v2/dags/a/x", "/log/x/y"])
def test_what_is_unknown(address: str) -> None:
    with pytest.raises(UnknownPageError):
        read_url(ROOT + address, [ROOT])


def test_the_default_port_is_the_port_left_out() -> None:
    assert read_url("HTTPS://Airflow.Example.org:443/air/flow/dags/a", [ROOT]) == Page("dag", "a")


def test_an_airflow_may_be_reached_by_two_names() -> None:
    roots = [ROOT, "http://10.0.0.1:8080"]
    assert read_url(f"{ROOT}/dags/a", roots) == read_url("http://10.0.0.1:8080/dags/a", roots)
    with pytest.raises(ForeignUrlError):
        read_url("http://10.0.0.1/dags/a", roots)
    with pytest.raises(ForeignUrlError):
        read_url(f"{ROOT}/dags/a", [])


@given(st.text())
def test_any_text_is_foreign_or_read(text: str) -> None:
    try:
        read_url(text, [ROOT])
    except ForeignUrlError:
        return
    assert text.strip().lower().startswith("https://")


@given(st.text(), st.text())
def test_any_address_below_the_root_is_read_or_unknown(path: str, query: str) -> None:
    try:
        page = read_url(f"{ROOT}/dags/{path}?{query}", [ROOT])
    except (UnknownPageError, ForeignUrlError):
        return
    assert page.kind


@pytest.mark.parametrize(
    ("page", "call"),
    [
        (Page("dag", "a"), {"tool": "get_dag", "arguments": {"dag_id": "a"}}),
        (Page("dag_source", "a"), {"tool": "get_dag", "arguments": {"dag_id": "a", "include": ["source"]}}),
        (
            Page("task_logs", "a", "r", "t", 0, 2),
            {
                "tool": "get_task_logs",
                "arguments": {
                    "dag_id": "a",
                    "dag_run_id": "r",
                    "task_id": "t",
                    "map_index": 0,
                    "try_number": 2,
                },
            },
        ),
        (Page("dag_run", "a", "r"), {"tool": "get_dag_run", "arguments": {"dag_id": "a", "dag_run_id": "r"}}),
        (Page("pools"), {"tool": "list_pools", "arguments": {}}),
        (Page("xcoms"), None),
    ],
)
def test_the_next_call(page: Page, call: Any) -> None:
    assert next_call(page) == call


def test_a_page_with_its_run() -> None:
    assert with_run(Page("dag_run", "a", logical_date="d"), "r") == Page(
        "dag_run", "a", "r", logical_date="d"
    )
