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
"""What each call leaves in Airflow (a row of the audit log, metrics, a span), and the pages for people."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import anyio
import httpx
import httpx2
import pytest
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from devtools.airflow_process import AirflowHome
from tests.live.browser import log_in, read_token
from tests.live.logging_in import Browser, Storage, sdk_login
from tests.live.site import LINE, TLS, Site
from tests.live.statsd import StatsD


class Collector:
    """A collector of OTLP over HTTP on a loopback port."""

    def __init__(self) -> None:
        self.metrics: dict[str, list[dict[str, str]]] = {}
        self.spans: dict[str, dict[str, str]] = {}
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.take(self.path, body)
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def take(self, path: str, body: bytes) -> None:
        if path == "/v1/metrics":
            for one in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                for metric in (m for scope in one.scope_metrics for m in scope.metrics):
                    kinds = (metric.sum, metric.gauge, metric.histogram, metric.exponential_histogram)
                    points = [point for kind in kinds for point in kind.data_points]
                    tags = [{a.key: a.value.string_value for a in point.attributes} for point in points]
                    self.metrics.setdefault(metric.name, []).extend(tags)
        elif path == "/v1/traces":
            for sent in ExportTraceServiceRequest.FromString(body).resource_spans:
                for span in (s for scope in sent.scope_spans for s in scope.spans):
                    self.spans[span.name] = {a.key: a.value.string_value for a in span.attributes}

    def close(self) -> None:
        self._server.shutdown()


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    made = Collector()
    yield made
    made.close()


@pytest.fixture(scope="module")
def observed(home: AirflowHome, site: Site, collector: Collector) -> Iterator[Site]:
    """A second web process: its metrics and spans go to the collector, and persons confirm."""
    there = f"http://127.0.0.1:{collector.port}"
    options = {
        "AIRFLOW__METRICS__OTEL_ON": "True",
        "AIRFLOW__METRICS__OTEL_HOST": "127.0.0.1",
        "AIRFLOW__METRICS__OTEL_PORT": str(collector.port),
        "AIRFLOW__METRICS__OTEL_INTERVAL_MILLISECONDS": "500",
        "AIRFLOW__TRACES__OTEL_ON": "True",
        "AIRFLOW__TRACES__OTEL_HOST": "127.0.0.1",
        "AIRFLOW__TRACES__OTEL_PORT": str(collector.port),
        "OTEL_BSP_SCHEDULE_DELAY": "300",
        "AIRFLOW__MCP__CONFIRM_BY": "person",
    }
    if LINE == 3:
        options |= {
            "OTEL_TRACES_EXPORTER": "otlp_proto_http",
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{there}/v1/traces",
        }
    with Site(home, options=options).serving(1) as running:
        yield running


def wait_for(look: Callable[[], Any]) -> Any:
    end = time.monotonic() + 60
    while not (found := look()):
        assert time.monotonic() < end, "it did not come in time"
        time.sleep(0.2)
    return found


def rows(site: Site, user: str, tool: str, after: str) -> list[dict[str, Any]]:
    answer = site.call("list_event_logs", event="mcp.tool_call", owner=user, after=after, limit=50)
    found = [{**row, "extra": json.loads(row["extra"])} for row in answer["structuredContent"]["event_logs"]]
    return [row for row in found if row["extra"]["tool"] == tool]


def test_each_call_leaves_a_row_with_its_caller(site: Site) -> None:
    began = datetime.now(timezone.utc).isoformat()
    site.call("get_dag", user="viewer", dag_id="demo_params")
    site.call("get_dag_run", user="viewer", dag_id="demo_params", dag_run_id="no_such_run")
    (row,) = wait_for(lambda: rows(site, "viewer", "get_dag", began))[:1]
    assert (row["dag_id"], row["owner"]) == ("demo_params", "viewer")
    extra = row["extra"]
    assert (extra["access"], extra["outcome"]) == ("read", "ok")
    assert extra["client"]
    assert 0 < extra["duration"] < 30
    assert set(extra) == {"client", "tool", "access", "outcome", "duration"}
    failed = wait_for(lambda: rows(site, "viewer", "get_dag_run", began))[0]
    assert (failed["extra"]["outcome"], failed["run_id"]) == ("not_found", "no_such_run")


def test_metrics_and_spans_come_out_where_airflow_sends_them(observed: Site, collector: Collector) -> None:
    assert not observed.call("list_dags", limit=1).get("isError")
    found = wait_for(lambda: collector.metrics.get("airflow.mcp.tool_call"))
    assert any({"tool": "list_dags", "outcome": "ok"}.items() <= tags.items() for tags in found), found
    wait_for(lambda: collector.metrics.get("airflow.mcp.tool_duration"))
    span = wait_for(lambda: collector.spans.get("tools/call list_dags"))
    assert span["mcp.method.name"] == "tools/call"
    assert span["gen_ai.tool.name"] == "list_dags"


# ---- approval by a person --------------------------------------------------------------------------------


def keep_variable(site: Site, key: str) -> None:
    assert not site.call("set_variable", key=key, value="of the tests").get("isError")


def test_a_person_approves_in_the_browser(observed: Site) -> None:
    call = {"key": "deleted_by_a_person"}
    keep_variable(observed, **call)
    told = observed.call("delete_variable", **call)["structuredContent"]
    assert told["error"]["code"] == "confirmation_required", told
    link = told["approve_url"]
    assert link.startswith(f"{observed.root}/mcp/confirm/")
    nobody = httpx.get(link, timeout=60)
    assert nobody.status_code == 303
    assert "login" in nobody.headers["location"]
    with log_in(observed, "viewer") as other:
        assert other.get(link).status_code == 403
    confirmed = {**call, "confirmation_token": told["confirmation_token"]}
    with log_in(observed) as browser:
        page = browser.get(link)
        assert page.status_code == 200, page.text
        assert "deleted_by_a_person" in page.text
        assert observed.call("delete_variable", **confirmed).get("isError")
        forged = browser.post(link, data={"form_token": "x", "decision": "approve"})
        assert forged.status_code == 403
        form = {"form_token": read_token(page), "decision": "approve"}
        assert "You have approved" in browser.post(link, data=form).text
    done = observed.call("delete_variable", **confirmed)
    assert not done.get("isError"), done
    assert observed.call("get_variable", **call)["structuredContent"]["error"]["code"] == "not_found"
    again = observed.call("delete_variable", **confirmed)
    assert "used before" in again["content"][0]["text"]


def test_the_client_s_own_token_opens_no_page(observed: Site) -> None:
    keep_variable(observed, "deleted_by_nobody")
    authorization = observed.authorization()
    asked = {"name": "delete_variable", "arguments": {"key": "deleted_by_nobody"}}
    sent = {"Authorization": authorization}
    link = observed.rpc("tools/call", asked, headers=sent)["structuredContent"]["approve_url"]
    for headers in (sent, {"Cookie": f"_token={authorization.partition(' ')[2]}"}):
        answer = httpx.get(link, headers=headers, timeout=60)
        assert answer.status_code in (303, 403)


# ---- the page --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("", "Connect a client"),
        ("tools", "get_task_logs"),
        ("calls", "By tool"),
        ("faults", "<h1>Faults</h1>"),
        ("diagnose?dag_id=demo_params&dag_run_id=latest", "Diagnose a Dag run"),
    ],
)
def test_each_page_is_there_for_who_is_logged_in(observed: Site, path: str, words: str) -> None:
    nobody = httpx.get(f"{observed.root}/mcp/{path}", timeout=60)
    assert nobody.status_code == 303
    with log_in(observed) as browser:
        page = browser.get(f"/mcp/{path}")
        assert page.status_code == 200, page.text
        assert words in page.text
        style = re.findall(r'href="([^"]+page.css[^"]*)"', page.text)[0]
        assert browser.get(style).status_code == 200


def test_a_tool_is_tried_as_the_user(observed: Site) -> None:
    with log_in(observed, "viewer") as browser:
        form = {"form_token": read_token(browser.get("/mcp/tools")), "tool": "list_dags"}
        answer = browser.post("/mcp/try", data={**form, "argument.limit": "1"})
        assert answer.status_code == 200, answer.text
        assert "total" in answer.text


def test_airflow_links_to_the_page(observed: Site) -> None:
    with log_in(observed) as browser:
        if LINE == 3:
            plugins = browser.get("/api/v2/plugins").json()["plugins"]
            views = [
                view for plugin in plugins if plugin["name"] == "mcp" for view in plugin["external_views"]
            ]
            assert {view["destination"] for view in views} == {"nav", "dag_run"}
            assert browser.get(views[0]["href"]).status_code == 200
        else:
            assert 'href="/mcp/"' in browser.get("/home").text


def test_a_user_ends_a_login_on_the_page(prefixed: Site) -> None:
    storage, browser = Storage(), Browser(prefixed)

    async def list_tools() -> int:
        async with (
            httpx2.AsyncClient(auth=sdk_login(prefixed, browser, storage), verify=TLS, timeout=60) as http,
            Client(streamable_http_client(prefixed.url, http_client=http)) as client,
        ):
            return len((await client.list_tools()).tools)

    assert anyio.run(list_tools) > 10
    address = f"{prefixed.root}/mcp/"
    page = browser.http.get(address)
    assert page.status_code == 200, page.text
    (newest, *others) = re.findall(r'name="grant" value="([^"]+)"', page.text)
    assert "The SDK" in page.text
    listing = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    sent = {"Authorization": f"Bearer {storage.tokens.access_token}"}
    assert prefixed.post(listing, None, **sent).status_code == 200
    form = {"form_token": read_token(page), "grant": newest}
    with log_in(prefixed, "viewer") as viewer:
        # Their own page has another token, and their grants are others.
        assert newest not in viewer.get(address).text
        assert viewer.post(f"{address}revoke", data=form).status_code == 403
    answer = browser.http.post(f"{address}revoke", data=form)
    assert answer.status_code == 303
    assert answer.headers["location"].endswith("/air/flow/mcp/#grants")
    assert prefixed.post(listing, None, **sent).status_code == 401
    assert re.findall(r'name="grant" value="([^"]+)"', browser.http.get(address).text) == others


# ---- StatsD ----------------------------------------------------------------------------------------------


def test_a_statsd_gets_the_metrics_too(prefixed: Site, statsd: StatsD) -> None:
    assert not prefixed.call("get_dag", dag_id="demo_params").get("isError")
    for start in (
        "airflow.mcp.tool_call.get_dag.ok:1|c",
        "airflow.mcp.tool_duration.get_dag:",
        "airflow.mcp.tool_call:1|c",
    ):
        wait_for(lambda start=start: [line for line in statsd.lines if line.startswith(start)])
