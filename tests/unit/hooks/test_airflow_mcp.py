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
"""The hook, and the connection that it and the policy read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
import yaml

from airflow_provider_mcp import connection_fields
from airflow_provider_mcp.hooks.airflow_mcp import AirflowMCPHook
from airflow_provider_mcp.hosts import connections
from airflow_provider_mcp.hosts.connections import find_connection, parse_extra, read_extra
from airflow_provider_mcp.remote import http
from airflow_provider_mcp.sdk.airflow import AirflowSync
from airflow_provider_mcp.sdk.injection import run_function
from airflow_provider_mcp.server.policy_source import ConnectionUnreadable
from airflow_provider_mcp.testing import open_airflow

ROOT = Path(__file__).resolve().parents[3]
AS_JSON = {
    "conn_type": "airflow_mcp",
    "host": "https://airflow.example.com/air",
    "login": "u",
    "password": "p@ss",
    "extra": {"timeout": 5},
}
AS_URIS = (
    "airflow-mcp://u:p%40ss@https%3A%2F%2Fairflow.example.com%2Fair?timeout=5",
    "airflow-mcp://https://u:p%40ss@airflow.example.com/air?timeout=5",
)


@pytest.mark.parametrize("value", [json.dumps(AS_JSON), *AS_URIS])
def test_a_connection_from_the_environment(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_THERE", value)
    target = AirflowMCPHook("there").target
    assert target.url == "https://airflow.example.com/air"
    assert (target.login, target.password, target.timeout) == ("u", "p@ss", 5.0)
    connection = find_connection("there")
    assert connection is not None
    assert connection.conn_type == "airflow_mcp"
    assert {key: int(value) for key, value in parse_extra(connection).items()} == {"timeout": 5}


def test_a_connection_without_a_host_is_for_the_web_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_HERE", '{"conn_type": "airflow_mcp"}')
    with pytest.raises(ValueError, match="Give the connection a host"):
        AirflowMCPHook("here").get_conn()
    assert AirflowMCPHook("here").test_connection()[0] is False


def in_call(use: Callable[[], Any], status: int = 200) -> Any:
    """Call ``use`` in a worker thread of an MCP call, whose Airflow answers everything with ``status``."""

    async def run() -> Any:
        return await run_function(
            use, {}, open_airflow(lambda _: httpx.Response(status, json={"path": "there"}))
        )

    return anyio.run(run)


def test_within_a_call_a_connection_without_a_host_is_the_airflow_that_it_is_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_HERE", '{"conn_type": "airflow_mcp", "extra": {"read_only": true}}')
    hook = AirflowMCPHook("here")

    def use() -> Any:
        with hook.get_conn() as connection:
            assert isinstance(connection, AirflowSync)
            return connection.get("dags").json(), hook.get_airflow_version()

    answer, version = in_call(use)
    assert answer == {"path": "there"}
    assert version
    assert in_call(hook.test_connection)[0] is True
    worked, said = in_call(hook.test_connection, 403)
    assert not worked
    assert "You may not read Dags" in said


def test_within_a_call_a_connection_with_a_host_leads_there(serve: Any) -> None:
    server = serve("3.3.2")
    assert in_call(lambda: AirflowMCPHook("there").get_conn().get("dags").status_code) == 200
    assert server.asked[-1] == "GET /api/v2/dags Bearer t0ken"


@pytest.mark.parametrize(
    "part", [{"login": "u"}, {"password": "given-here"}, {"extra": {"token": "given-here"}}]
)
def test_credentials_without_a_host_are_not_left_out_in_silence(
    part: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_HERE", json.dumps({"conn_type": "airflow_mcp", **part}))
    with pytest.raises(ValueError, match="credentials but no host"):
        in_call(lambda: AirflowMCPHook("here").get_conn())


class Server:
    """An Airflow that takes one token, and answers by the rules of its line."""

    def __init__(self, version: str) -> None:
        self.version = version
        self.asked: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/air")
        self.asked.append(f"{request.method} {path} {request.headers.get('authorization', '')}".strip())
        api = "/api/v1" if self.version[0] == "2" else "/api/v2"
        if path == f"{api}/version":
            return httpx.Response(200, json={"version": self.version})
        if path == "/auth/token" and api == "/api/v2":
            return httpx.Response(201, json={"access_token": "t0ken"})
        if path == f"{api}/dags":
            known = {"Bearer t0ken", "Basic dTpwQHNz"}
            refusal = 403 if self.version[0] == "2" else 401
            return httpx.Response(200 if request.headers.get("authorization") in known else refusal, json={})
        return httpx.Response(404, json={})


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Any:
    def serve(version: str, **connection: Any) -> Server:
        server = Server(version)
        monkeypatch.setattr(
            http, "build_client_options", lambda _: {"transport": httpx.MockTransport(server)}
        )
        monkeypatch.setenv("AIRFLOW_CONN_THERE", json.dumps({**AS_JSON, **connection}))
        return server

    return serve


def test_a_password_on_airflow_3(serve: Any) -> None:
    server = serve("3.3.2")
    with AirflowMCPHook("there").get_conn() as client:
        assert client.get("dags").status_code == 200
    assert server.asked == [
        "GET /api/v2/version",
        "POST /auth/token",
        "GET /api/v2/dags Bearer t0ken",
    ]


def test_a_password_on_airflow_2(serve: Any) -> None:
    server = serve("2.11.2")
    with AirflowMCPHook("there").get_conn() as client:
        assert client.get("dags").status_code == 200
    assert server.asked[-1] == "GET /api/v1/dags Basic dTpwQHNz"


def test_a_wrong_password_on_airflow_2(serve: Any) -> None:
    serve("2.11.2", password="wrong-one")
    worked, said = AirflowMCPHook("there").test_connection()
    assert not worked
    assert "the credential is wrong, or its user may not" in said
    assert "wrong-one" not in said


def test_a_bearer_token(serve: Any) -> None:
    serve("3.3.2", login=None, password=None, extra={"token": "t0ken"})
    hook = AirflowMCPHook("there")
    with hook.get_conn() as client:
        assert client.get("dags").status_code == 200
    assert hook.get_airflow_version() == "3.3.2"
    assert hook.test_connection() == (
        True,
        "Airflow 3.3.2 at https://airflow.example.com/air accepts a bearer token.",
    )


def test_no_credential(serve: Any) -> None:
    server = serve("3.3.2", login=None, password=None)
    with AirflowMCPHook("there").get_conn() as client:
        assert client.get("dags").status_code == 401
    assert server.asked[-1] == "GET /api/v2/dags"
    assert AirflowMCPHook("there").test_connection()[0] is False


def test_something_else_answers(serve: Any) -> None:
    serve("not a version")
    with pytest.raises(ConnectionError, match="does not answer as Airflow"):
        AirflowMCPHook("there").get_conn()


def test_the_form_is_the_same_on_every_version() -> None:
    source = yaml.safe_load((ROOT / "provider.yaml").read_text())
    (declared,) = source["connection-types"]
    behaviour = AirflowMCPHook.get_ui_field_behaviour()
    assert declared["connection-type"] == AirflowMCPHook.conn_type
    assert declared["hook-name"] == AirflowMCPHook.hook_name
    assert declared["ui-field-behaviour"] == {
        "hidden-fields": behaviour["hidden_fields"],
        "relabeling": behaviour["relabeling"],
        "placeholders": behaviour["placeholders"],
    }
    kinds = {"password": "string"}
    assert {
        name: (field["label"], field["description"], field["schema"]["type"][0])
        for name, field in declared["conn-fields"].items()
    } == {
        field.name: (field.label, field.help, kinds.get(field.kind, field.kind))
        for field in connection_fields.FIELDS
    }
    limits = {name: field["schema"].get("minimum") for name, field in declared["conn-fields"].items()}
    assert limits == {field.name: field.least for field in connection_fields.FIELDS}
    choices = {name: field["schema"].get("enum") for name, field in declared["conn-fields"].items()}
    assert choices == {
        field.name: [*field.choices, "", None] if field.choices else None
        for field in connection_fields.FIELDS
    }
    secret = [name for name, field in declared["conn-fields"].items() if field["schema"].get("format")]
    assert secret == [field.name for field in connection_fields.FIELDS if field.kind == "password"]


def test_the_form_before_airflow_3_2() -> None:
    widgets = AirflowMCPHook.get_connection_form_widgets()
    assert list(widgets) == [field.name for field in connection_fields.FIELDS]


@pytest.mark.parametrize(
    ("name", "value", "saved"),
    [
        ("confirm", "always", False),
        ("confirm", "write", True),
        ("confirm", "", True),
        ("untrusted_text", "lockdwn", False),
        ("untrusted_text", "lockdown", True),
        ("max_result_chars", 0, False),
        ("max_result_chars", 20_000, True),
        ("calls_per_minute", -1, False),
        ("calls_per_minute", 0, True),
        ("toolsets", "dags,runs", True),
    ],
)
def test_the_form_refuses_what_the_policy_would_not_understand(name: str, value: Any, saved: bool) -> None:
    wtforms = pytest.importorskip("wtforms")

    class Form(wtforms.Form):  # type: ignore[misc, name-defined]
        pass

    setattr(Form, name, AirflowMCPHook.get_connection_form_widgets()[name])
    form = Form(data={name: value})
    field = form[name]
    field.raw_data = [str(value)]
    assert form.validate() == saved
    if not saved:
        assert field.errors


class Backend:
    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def get_connection(self, conn_id: str) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Stored:
    def __init__(self, extra: str | None) -> None:
        self.extra = extra


def backends(monkeypatch: pytest.MonkeyPatch, *answers: Any) -> None:
    listed = [Backend(answer) for answer in answers]
    monkeypatch.setattr("airflow.configuration.ensure_secrets_loaded", lambda: listed)


def test_the_first_backend_that_has_it_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    backends(monkeypatch, None, Stored('{"read_only": true}'), Stored('{"read_only": false}'))
    assert read_extra("c") == {"read_only": True}
    backends(monkeypatch, RuntimeError("x"), Stored(None))
    assert read_extra("c") == {}
    backends(monkeypatch, None, None)
    assert read_extra("c") is None


@pytest.mark.parametrize("failures", [(RuntimeError("x"), None), (PermissionError("x"), Stored("{}"))])
def test_a_backend_that_fails_is_not_one_without_the_connection(
    failures: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    backends(monkeypatch, *failures)
    with pytest.raises(ConnectionUnreadable):
        read_extra("c")


def test_an_extra_that_is_no_object_is_told_without_it() -> None:
    for extra in ("not json: secret", '["secret"]'):
        with pytest.raises(ValueError, match="the extra is not") as told:
            connections.parse_extra(Stored(extra))
        assert "secret" not in str(told.value)
