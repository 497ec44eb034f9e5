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
"""``airflow-mcp check``: what it finds at an endpoint, at this installation, and in tool definitions."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from airflow_provider_mcp.cli import lock
from airflow_provider_mcp.cli.arguments import FAULTY, OK
from airflow_provider_mcp.cli.commands import main
from airflow_provider_mcp.remote import http
from airflow_provider_mcp.server.calls import LEFT_OUT_KEY
from airflow_provider_mcp.server.catalogue import load_catalogue
from tests.unit.cli.pretended import check_at, endpoint, refusal, text_of


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "PAUSES", (0.0,))


def test_all_is_well() -> None:
    report = check_at()
    assert report.faults == []
    text = text_of(report)
    assert "the MCP endpoint /mcp/v1 is mounted" in text
    assert "login: a credential in the Authorization header (Bearer or Basic)" in text
    assert "the endpoint takes the credential: you are ada (apache-airflow 0.1.0)" in text
    assert "2 tools are offered to you: 1 that read, 1 that change" in text


def test_a_dag_that_cannot_be_offered_is_told() -> None:
    def leaving_out(request: httpx.Request) -> httpx.Response:
        answer = endpoint(request)
        if b"tools/list" not in request.content:
            return answer
        message = answer.json()
        message["result"]["_meta"] = {LEFT_OUT_KEY: ["dag_tools: the Dag a is left out: it is too long"]}
        return httpx.Response(200, json=message)

    report = check_at(leaving_out)
    assert report.faults == []
    assert "not offered to you: dag_tools: the Dag a is left out" in text_of(report)


@pytest.mark.parametrize(
    "response",
    [
        httpx.Response(405, json={"detail": "Method Not Allowed"}),
        httpx.Response(404, html="<title>Airflow 404</title>"),
        httpx.Response(200, html="<title>Airflow</title>"),
    ],
)
def test_what_is_not_mounted_is_restarted_first(response: httpx.Response) -> None:
    """After an installation without a restart Airflow 3 answers 405 and Airflow 2 answers 404."""
    report = check_at(lambda _: response)
    (fault,) = report.faults
    assert "is not mounted" in fault.text
    assert fault.cure.startswith("Restart Airflow's web process")
    assert "a proxy strips /air" in fault.cure
    assert "tools are offered" not in text_of(report)


@pytest.mark.parametrize(
    ("response", "text", "cure"),
    [
        (
            httpx.Response(302, headers={"Location": "https://login.example.com/?rd=x"}),
            "login.example.com",
            "Exempt /mcp/v1",
        ),
        (
            httpx.Response(
                302, headers={"Location": "https://team.cloudflareaccess.com/cdn-cgi/access/login"}
            ),
            "cloudflareaccess.com",
            "CF-Access-Client-Id",
        ),
        (
            httpx.Response(
                401, text="Invalid IAP credentials", headers={"X-Goog-IAP-Generated-Response": "true"}
            ),
            "Identity-Aware Proxy",
            "Proxy-Authorization",
        ),
        (httpx.Response(403, html="Forbidden"), "a proxy in front of Airflow refuses", "Exempt /mcp/v1"),
        (httpx.Response(502, text="Bad Gateway"), "HTTP 502", "log"),
        (httpx.Response(413, text="too large"), "HTTP 413", "a proxy changes"),
    ],
)
def test_what_a_proxy_does_is_told(response: httpx.Response, text: str, cure: str) -> None:
    (fault,) = check_at(lambda _: response).faults
    assert text in fault.text
    assert cure in fault.cure


def test_a_header_that_a_proxy_takes_away_is_told() -> None:
    (fault,) = check_at(lambda _: refusal()).faults
    assert "the endpoint got none" in fault.text
    assert "pass the Authorization header" in fault.cure


def test_a_token_that_the_endpoint_alone_refuses_is_told() -> None:
    answer = refusal("The token has expired.", **{"WWW-Authenticate": 'Bearer error="invalid_token"'})
    (fault,) = check_at(lambda _: answer).faults
    assert "The token has expired." in fault.text
    assert "jwt_secret" in fault.cure


def test_a_wrong_base_url_is_told() -> None:
    metadata = "http://localhost:8080/.well-known/oauth-protected-resource/mcp/v1"

    def answer(request: httpx.Request) -> httpx.Response:
        response = endpoint(request)
        if response.status_code == 401:
            response.headers["WWW-Authenticate"] = f'Bearer realm="Airflow", resource_metadata="{metadata}"'
        return response

    report = check_at(answer)
    assert "login: by the browser (OAuth)" in text_of(report)
    (fault,) = report.faults
    assert "http://localhost:8080" in fault.text
    assert "base_url" in fault.cure


def test_a_refused_credential_leaves_the_endpoint_checked() -> None:
    report = check_at(token="bad")
    assert "the MCP endpoint /mcp/v1 is mounted" in text_of(report)
    assert "does not accept the credential" in report.faults[0].text


def test_the_backends_of_airflow_2_are_named() -> None:
    hint = "[api] auth_backends (airflow.api.auth.backend.session) of this Airflow takes no credential"
    report = check_at(lambda _: refusal(hint), "2.11.2", token="bad")
    assert "[api] auth_backends" in report.faults[0].cure
    assert any(hint in fault.text for fault in report.faults)


def test_an_open_endpoint_is_told() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        request.headers["authorization"] = "Bearer good"
        return endpoint(request)

    report = check_at(answer)
    assert report.faults == []
    assert "whoever reaches this address is let in" in text_of(report)


def test_names_that_there_are_not_are_faults() -> None:
    report = check_at(toolsets=frozenset({"dags", "rnus"}), disabled_tools=frozenset({"delete_dagg"}))
    texts = [fault.text for fault in report.faults]
    assert "toolsets names rnus, which there is not (did you mean runs?)" in texts
    assert "disabled_tools names delete_dagg, which there is not (did you mean delete_dag?)" in texts


def test_json_is_for_scripts(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "airflow_provider_mcp.hosts.connections.read_extra", lambda _: {"disabled_tools": "get_dagg"}
    )
    assert main(["check", "--json"]) == FAULTY
    document = json.loads(capsys.readouterr().out)
    (report,) = document["reports"]
    assert document["faults"] == report["faults"] >= 1
    assert any("did you mean get_dag?" in finding["text"] for finding in report["findings"])


def test_the_first_cure_comes_first(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "airflow_provider_mcp.hosts.connections.read_extra", lambda _: {"disabled_tools": "get_dagg"}
    )
    assert main(["check"]) == FAULTY
    title, cure, *_ = capsys.readouterr().out.splitlines()
    assert title == "This installation"
    assert cure.startswith("  Do this first: ")


@pytest.mark.parametrize("takes_others", [True, False])
@pytest.mark.parametrize("by_login", [True, False])
def test_how_clients_get_in_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, takes_others: bool, by_login: bool
) -> None:
    monkeypatch.setattr("airflow_provider_mcp.hosts.connections.read_extra", lambda _: None)
    obstacle = None if by_login else "Airflow 3.0 keeps a login out of the server's sight"
    monkeypatch.setattr("airflow_provider_mcp.hosts.logins.explain_off", lambda: obstacle)
    for name, value in (("OAUTH_ENABLED", True), ("ACCEPT_AIRFLOW_TOKENS", takes_others)):
        monkeypatch.setenv(f"AIRFLOW__MCP__{name}", str(value))
    if not takes_others and not by_login:
        assert main(["check"]) == FAULTY
    else:
        assert main(["check"]) in {OK, FAULTY}
    shown = capsys.readouterr().out
    assert ("clients can log in by OAuth" in shown) is by_login
    assert ("the login by OAuth is off: Airflow 3.0 keeps" in shown) is not by_login
    assert ("Nobody can call the MCP server" in shown) is not (takes_others or by_login)


# ---- the manifest of tool definitions ----------------------------------------------------------------


def test_a_lock_is_written_and_then_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "tools.json"
    assert lock.check_lock(str(file), "3.3.2").faults == []
    assert lock.check_lock(str(file), "3.3.2").faults == []
    document = json.loads(file.read_text())
    before = document["tools"]["get_dag"]
    assert before["access"] == "read"
    assert before["description"].startswith("sha256:")
    document["tools"]["get_dag"] = {**before, "description": "sha256:other", "access": "write"}
    document["tools"]["gone"] = before
    del document["tools"]["list_dags"]
    file.write_text(json.dumps(document))
    texts = [fault.text for fault in lock.check_lock(str(file), "3.3.2").faults]
    assert texts == [
        "the tool gone is gone",
        "the tool get_dag has changed: access, description",
        "the tool list_dags is new (read, from dags)",
    ]


def test_a_lock_is_the_same_on_every_run() -> None:
    tools = load_catalogue("3.3.2", found=[]).tools
    assert lock.build_manifest(tools) == lock.build_manifest(dict(reversed(tools.items())))


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format": 99, "tools": {}}'])
def test_a_file_that_is_no_lock_is_left_alone(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_provider_mcp.hosts.connections.read_extra", lambda _: None)
    file = tmp_path / "other.json"
    file.write_text(text)
    assert main(["check", "--lock", str(file)]) != OK
    assert "no manifest" in capsys.readouterr().err
    assert file.read_text() == text
