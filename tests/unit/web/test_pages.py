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

import httpx
import pytest
from pydantic import BaseModel, Field

from airflow_provider_mcp.endpoint.door import AuthenticationUnavailable, Reply
from airflow_provider_mcp.oauth.grants import Grant
from airflow_provider_mcp.sdk import Caller, DynamicTools, Toolset, hookimpl, tool
from airflow_provider_mcp.server.build import build_server
from airflow_provider_mcp.server.catalogue import Catalogue, load_catalogue
from airflow_provider_mcp.server.policy import Policy
from airflow_provider_mcp.server.signing import Confirmations
from airflow_provider_mcp.web.calls import Bar, count_by_tool, read_call
from tests.unit.fake_airflow import FakeAirflow
from tests.unit.web.browser import ENDED, PAGES, Browser, PretendedHost, text_of, token_of

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


TOTAL = 1234
"""Calls in the audit log."""

ROWS = [row(number) for number in range(TOTAL, 0, -1)]


def audit_log(request: httpx.Request) -> httpx.Response:
    """Answer as Airflow does, which gives a hundred rows at once."""
    offset, limit = (int(request.url.params[name]) for name in ("offset", "limit"))
    rows = ROWS[offset : offset + min(limit, 100)]
    return httpx.Response(200, json={"event_logs": rows, "total_entries": TOTAL})


def browser(catalogue: Catalogue, airflow: FakeAirflow | None = None, **policy: Any) -> Browser:
    airflow = airflow or FakeAirflow(**{"GET eventLogs": audit_log})
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
    assert "oauth_enabled is False" in text_of(one.get("/"))
    assert "they cannot connect" in text_of(one.get("/"))
    assert "AIRFLOW_MCP_TOKEN" in text_of(one.get("/"))
    one.host.login_obstacle = None
    page = text_of(one.get("/"))
    assert "need the address alone" in page
    assert "No client may act for you" in page
    assert "they cannot" not in page
    # Such a client sends nothing of its own.
    assert "AIRFLOW_MCP_TOKEN" not in page
    assert "Bearer &lt;" not in page


@pytest.mark.parametrize("url", ["http://airflow.example.com/mcp/v1", "https://localhost:8080/mcp/v1"])
def test_clients_on_their_vendors_machines_are_told_what_they_cannot_reach(
    catalogue: Catalogue, url: str
) -> None:
    one = browser(catalogue)
    one.host.login_obstacle, one.host.endpoint_url = None, url
    assert "by this address they cannot" in text_of(one.get("/"))


def grant(number: int, user_id: str = "1", **more: Any) -> Grant:
    return Grant(
        **{
            "id": f"grant-{number}",
            "user_id": user_id,
            "user": "ada",
            "client": HOSTILE,
            "target": "claude.ai",
            "scope": "airflow:read",
            "kind": "login",
            "created": 1_795_000_000,
            "until": 1_796_000_000,
            "used": 1_795_500_000,
            **more,
        }
    )


def with_grants(catalogue: Catalogue) -> Browser:
    one = browser(catalogue)
    one.host.login_obstacle = None
    machine = {"kind": "machine", "client": "nightly report", "target": "", "scope": "airflow:write"}
    one.host.grants = [grant(1), grant(2, **machine), grant(3, user_id="2", client="of bob")]
    return one


def test_a_user_sees_their_own_grants(catalogue: Catalogue) -> None:
    page = text_of(with_grants(catalogue).get("/"))
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page
    for words in ("claude.ai", "nightly report", "made by an administrator", "read and change", "2026-11-"):
        assert words in page
    assert page.count(">Revoke<") == 2
    assert "of bob" not in page


def test_a_user_ends_a_grant_of_their_own_and_no_other(catalogue: Catalogue) -> None:
    one = with_grants(catalogue)
    token = token_of(one.get("/"))
    for number in (1, 3, 9):
        answer = one.post("/revoke", {"form_token": token, "grant": f"grant-{number}"})
        assert (answer.status, answer.headers["Location"]) == (303, "/air/flow/mcp/#grants")
    assert [left.id for left in one.host.grants] == ["grant-2", "grant-3"]


@pytest.mark.parametrize(
    ("fields", "headers", "status"),
    [
        ({}, {}, 403),
        ({"form_token": "forged"}, {}, 403),
        (None, {"origin": "https://evil.example.com"}, 403),
        (None, {"sec_fetch_site": "cross-site"}, 403),
        (None, {"content_type": "application/json"}, 403),
        (None, {"cookie": ""}, 401),
        (None, {"cookie": "session=bob"}, 403),
    ],
)
def test_a_form_from_elsewhere_ends_none(
    catalogue: Catalogue, fields: dict[str, str] | None, headers: dict[str, str], status: int
) -> None:
    one = with_grants(catalogue)
    sent = {"form_token": token_of(one.get("/"))} if fields is None else fields
    assert one.post("/revoke", {**sent, "grant": "grant-1"}, **headers).status == status
    # The token of another form of the same user is none of this one.
    other = {"form_token": token_of(one.get("/tools")), "grant": "grant-1"}
    assert one.post("/revoke", other).status == 403
    assert one.get("/revoke").status == 405
    assert len(one.host.grants) == 3


def test_where_grants_cannot_be_read_the_page_says_so(catalogue: Catalogue) -> None:
    one = with_grants(catalogue)

    async def fail(caller: Caller) -> list[Grant]:
        raise AuthenticationUnavailable

    one.host.list_grants = fail  # type: ignore[method-assign]
    answer = one.get("/")
    assert answer.status == 503
    assert "does not answer" in text_of(answer)


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
    assert "The newest 1000 of 1234 calls" in page
    assert page.count('<tr class="call">') == 1000
    assert "<svg" in page
    asked = [call.params for call in one.host.airflow.calls if call.route == "eventLogs"]
    assert {(each["event"], each["order_by"]) for each in asked} == {("mcp.tool_call", "-event_log_id")}
    assert sorted(int(each["offset"]) for each in asked) == list(range(0, 1000, 100))


def test_calls_made_while_they_are_read_repeat_none(catalogue: Catalogue) -> None:
    looks = iter(range(10))

    def moving(request: httpx.Request) -> httpx.Response:
        newest = 250 + next(looks)
        offset = int(request.url.params["offset"])
        rows = [row(number) for number in range(newest, 0, -1)][offset : offset + 100]
        return httpx.Response(200, json={"event_logs": rows, "total_entries": newest})

    page = text_of(browser(catalogue, FakeAirflow(**{"GET eventLogs": moving})).get("/calls"))
    assert "The newest 250 of 250 calls" in page
    assert page.count('<tr class="call">') == 250


def test_no_calls(catalogue: Catalogue) -> None:
    nothing = {"event_logs": [], "total_entries": 0}
    page = text_of(browser(catalogue, FakeAirflow(**{"GET eventLogs": nothing})).get("/calls"))
    assert "No call is in the audit log yet" in page


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
    ENDED.clear()
    page = text_of(one.get("/diagnose?dag_id=a&dag_run_id=r"))
    # It makes two calls: nothing of the second is broken off when the first is answered.
    assert ENDED == ["/diagnose"]
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
