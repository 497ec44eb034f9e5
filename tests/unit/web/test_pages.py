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
"""The pages for people: who sees what, that every value is escaped, and that they are quick."""

from __future__ import annotations

import json
import time
from types import ModuleType
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field

from airflow_provider_mcp.endpoint.door import Reply
from airflow_provider_mcp.sdk import DynamicTools, Toolset, hookimpl, tool
from airflow_provider_mcp.server.build import build_server
from airflow_provider_mcp.server.catalogue import Catalogue, load_catalogue
from airflow_provider_mcp.server.policy import Policy
from airflow_provider_mcp.server.signing import Confirmations
from airflow_provider_mcp.web.calls import Bar, count_by_tool, read_call
from tests.unit.fake_airflow import FakeAirflow
from tests.unit.web.browser import PAGES, Browser, PretendedHost, text_of, token_of

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"
PATHS = ["/", "/tools", "/calls", "/faults", "/diagnose"]


class Weather(BaseModel):
    says: str


@tool(access="read", title=HOSTILE)
async def get_weather(place: Annotated[str, Field(description=HOSTILE)] = "") -> Weather:
    """Say how the weather is. <script>alert(1)</script>"""
    return Weather(says=f"{HOSTILE} {place}")


@tool(access="write")
async def set_weather() -> Weather:
    """Change the weather."""
    return Weather(says="changed")


def row(number: int, **changes: Any) -> dict[str, Any]:
    extra = {"client": HOSTILE, "tool": f"tool_{number % 20}", "access": "read", "outcome": "ok"}
    return {
        "event_log_id": number,
        "when": "2026-11-27T10:00:00.123456+00:00",
        "event": "mcp.tool_call",
        "owner": "ada",
        "dag_id": HOSTILE,
        "run_id": "manual__2026-11-27T10:00:00+00:00",
        "extra": json.dumps({**extra, "duration": 0.5}),
        **changes,
    }


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    made = ModuleType("weather")

    def register_toolsets() -> list[Toolset]:
        return [Toolset("weather", HOSTILE, [get_weather, set_weather])]

    made.register_toolsets = hookimpl(register_toolsets)  # type: ignore[attr-defined]
    return load_catalogue("3.3.2", found=[], of_host={"weather": made})


def browser(catalogue: Catalogue, airflow: FakeAirflow | None = None, **policy: Any) -> Browser:
    rows = [row(number) for number in range(100)]
    airflow = airflow or FakeAirflow(**{"GET eventLogs": {"event_logs": rows, "total_entries": 1000}})
    server = build_server(catalogue, Confirmations(b"secret"))
    return Browser(PretendedHost(server, airflow, Policy(**policy)))


@pytest.mark.parametrize("path", PATHS)
def test_a_page_is_for_who_is_logged_in(catalogue: Catalogue, path: str) -> None:
    nobody = browser(catalogue)
    nobody.headers.pop("cookie")
    answer = nobody.get(path)
    assert (answer.status, answer.headers["Location"]) == (303, f"/auth/login?next=/mcp{path}")


@pytest.mark.parametrize("path", PATHS)
def test_a_page_runs_nothing_but_its_own_script(catalogue: Catalogue, path: str) -> None:
    page = browser(catalogue).get(path)
    assert page.status == 200
    text = text_of(page)
    for hostile in ("<script>alert", "<img", "onerror=alert(2)>", "onclick=", "style="):
        assert hostile not in text
    assert "'none'" in page.headers["Content-Security-Policy"]
    assert "unsafe" not in page.headers["Content-Security-Policy"]
    assert "frame-ancestors 'self'" in page.headers["Content-Security-Policy"]
    assert text.count("<h1>") == 1
    assert 'lang="en"' in text
    # Nothing is loaded from elsewhere.
    assert "//cdn" not in text
    assert f'href="{PAGES.removeprefix("https://airflow.example.com")}/mcp/static/page.css' in text


def test_every_client_has_its_block(catalogue: Catalogue) -> None:
    text = text_of(browser(catalogue).get("/"))
    for client in (
        *(
            "Claude Code",
            "Claude Desktop",
            "claude.ai",
            "ChatGPT",
            "Cursor",
            "VS Code",
            "Codex",
            "Gemini CLI",
        ),
        *("Windsurf", "Zed", "Goose", "JSON"),
    ):
        assert client in text, client
    assert f"{PAGES}/mcp/v1" in text
    assert "cursor://anysphere.cursor-deeplink/mcp/install?name=airflow" in text
    assert "vscode:mcp/install?" in text


def test_a_login_that_cannot_work_is_told(catalogue: Catalogue) -> None:
    one = browser(catalogue)
    one.host.login_warning = "[api] auth_backends takes no credential; add basic_auth."
    one.host.login_schemes = ()
    for path in ("/", "/faults"):
        assert "add basic_auth" in text_of(one.get(path))


def test_the_login_by_oauth_is_told_of(catalogue: Catalogue) -> None:
    one = browser(catalogue)
    assert "There is no login by OAuth" in text_of(one.get("/"))
    one.host.login_parameters = {"resource_metadata": "https://airflow.example.com/.well-known/x"}
    assert "need the address alone" in text_of(one.get("/"))


def test_tools_and_why_they_are_not_offered(catalogue: Catalogue) -> None:
    page = text_of(browser(catalogue).get("/tools"))
    assert "not offered" not in page
    assert "list_dags" in page
    narrow = browser(
        catalogue,
        toolsets=frozenset({"dags", "runs"}),
        disabled_tools=frozenset({"get_dag"}),
        read_only=True,
    )
    page = text_of(narrow.get("/tools"))
    assert "Switched off by name" in page
    assert "Its toolset admin is switched off" in page
    assert "Only reading is allowed: read_only is set." in page


def tried(one: Browser, **fields: str) -> Reply:
    form = {"form_token": token_of(one.get("/tools")), **fields}
    return one.post("/try", form)


def test_a_tool_that_reads_can_be_tried(catalogue: Catalogue) -> None:
    page = text_of(tried(browser(catalogue), tool="get_weather", **{"argument.place": "Oslo"}))
    assert "&lt;script&gt;alert(1)" in page
    assert "Oslo" in page
    assert "<script>alert" not in page
    failed = text_of(tried(browser(catalogue), tool="get_weather", **{"argument.color": "red"}))
    assert "The call failed" in failed
    assert "invalid_argument" in failed


@pytest.mark.parametrize("name", ["set_weather", "delete_dag", "no_such_tool", ""])
def test_no_other_tool_can(catalogue: Catalogue, name: str) -> None:
    assert tried(browser(catalogue), tool=name).status == 404


def test_a_form_from_elsewhere_calls_nothing(catalogue: Catalogue) -> None:
    one = browser(catalogue)
    assert one.post("/try", {"tool": "get_weather"}).status == 403
    form = {"form_token": token_of(one.get("/tools")), "tool": "get_weather"}
    assert one.post("/try", form, origin="https://evil.example.com").status == 403
    assert one.get("/try").status == 405


def test_calls_are_those_of_the_audit_log(catalogue: Catalogue) -> None:
    one = browser(catalogue)
    page = text_of(one.get("/calls"))
    assert "The newest 100 of 1000 calls" in page
    assert "<svg" in page
    (asked,) = [call.params for call in one.host.airflow.calls if call.route == "eventLogs"]
    assert (asked["event"], asked["limit"]) == ("mcp.tool_call", "100")


def test_who_may_not_read_the_audit_log_is_told(catalogue: Catalogue) -> None:
    page = browser(catalogue, FakeAirflow(**{"GET eventLogs": 403})).get("/calls")
    assert page.status == 200
    assert "The audit log cannot be read" in text_of(page)


def test_counts_by_tool() -> None:
    calls = [
        read_call(row(1)),
        read_call(row(1, extra='{"tool": "tool_1", "outcome": "failed", "duration": 1.5}')),
        read_call(row(2, extra="no JSON")),
        read_call(row(3, extra="[]", when=None, dag_id=None)),
    ]
    assert count_by_tool(calls)[1] == Bar("tool_1", 2, 1, 1.0, 1.5, 240)
    assert count_by_tool([]) == []


def test_faults_are_told(catalogue: Catalogue) -> None:
    assert "Nothing is wrong" in text_of(browser(catalogue).get("/faults"))
    wrong = browser(
        catalogue,
        problem="the connection mcp_default is malformed: readonly is no option",
        unknown_names=("toolsets names dagz, which there is not (did you mean dags?)",),
    )
    page = text_of(wrong.get("/faults"))
    assert "readonly is no option" in page
    assert "did you mean dags?" in page
    broken = load_catalogue("3.3.2", found=[], of_host={"broken": ModuleType("broken")})
    assert "it has no hook" in text_of(browser(broken).get("/faults"))


def test_what_could_not_be_offered_to_who_looks_is_told() -> None:
    def register_toolsets() -> list[Toolset]:
        return [Toolset("reports", "Reports.", [], dynamic_prefix="report_")]

    async def register_dynamic_tools() -> DynamicTools:
        return DynamicTools("reports", [], left_out=["the report a is left out: it has no name"])

    made = ModuleType("reports")
    hooks = {"register_toolsets": register_toolsets, "register_dynamic_tools": register_dynamic_tools}
    vars(made).update({name: hookimpl(function) for name, function in hooks.items()})
    page = text_of(browser(load_catalogue("3.3.2", found=[], of_host={"reports": made})).get("/faults"))
    assert "the report a is left out: it has no name" in page


def test_a_run_is_diagnosed_for_people(catalogue: Catalogue) -> None:
    airflow = FakeAirflow(**{"GET dags/a/dagRuns/r": 404, "GET dags/a/details": 404, "GET dags/a": 404})
    one = browser(catalogue, airflow)
    page = text_of(one.get("/diagnose?dag_id=a&dag_run_id=r"))
    assert "What happened" in page
    assert 'value="a"' in page
    airflow.unexpected.clear()


def test_the_page_s_address_is_no_endpoint(catalogue: Catalogue) -> None:
    answer = browser(catalogue).send("POST", "/", b"{}", {"content-type": "application/json"})
    assert answer.status == 404
    assert "/mcp/v1" in json.loads(answer.body)["detail"]


def test_pages_are_quick(catalogue: Catalogue) -> None:
    """A page takes under 300 ms; this is the time of its own work."""
    assert len(catalogue.tools) > 50
    one = browser(catalogue)
    for path in ("/tools", "/calls"):
        one.get(path)
        began = time.process_time()
        one.get(path)
        assert time.process_time() - began < 0.3, path
