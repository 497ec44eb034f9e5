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
"""What an administrator, a user or an author does wrong: each message names the cure."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
from pydantic import BaseModel

from airflow_provider_mcp.cli import arguments
from airflow_provider_mcp.cli.commands import main
from airflow_provider_mcp.remote import http
from airflow_provider_mcp.remote.target import Target
from airflow_provider_mcp.sdk import Airflow, Toolset, hookimpl, tool
from airflow_provider_mcp.server.catalogue import load_catalogue
from airflow_provider_mcp.server.policy import Policy, parse_options
from tests.unit.cli.pretended import ROOT, check_at, refusal, text_of

URL = "https://airflow.example.com/air"
SECRET = "eyJh.s3cret.t0ken"


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (arguments.ENV_URL, arguments.ENV_TOKEN, arguments.ENV_USERNAME, arguments.ENV_PASSWORD):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("airflow_provider_mcp.hosts.connections.find_connection", lambda _: None)
    monkeypatch.setattr(http, "PAUSES", (0.0,))


# ---- on the command line -------------------------------------------------------------------------------

COMMANDS = {
    "a token on the command line": (
        ["check", "--url", URL, "--token", SECRET],
        "environment variable AIRFLOW_MCP_TOKEN",
    ),
    "a password on it": (["serve", "--url", URL, "--password", SECRET], "AIRFLOW_MCP_PASSWORD"),
    "an abbreviated option": (["check", "--url", URL, "--token-c", SECRET], "did you mean --token-command?"),
    "a misspelt option": (["serve", "--url", URL, "--reed-only"], "did you mean --read-only?"),
    "a misspelt command": (["chek"], "it must be one of"),
    "a word too many": (["check", SECRET], "quotation marks"),
    "a timeout that is no number": (
        ["check", "--url", URL, "--timeout", "soon"],
        "--timeout: it is no float",
    ),
    "no address": (["serve"], "--conn-id ID, or --url URL"),
    "an address of another kind": (["serve", "--url", "ftp://a"], "no http or https address"),
    "a password in the address": (["serve", "--url", f"https://u:{SECRET}@a"], "fields of their own"),
    "two ways to say where": (["serve", "--url", URL, "--conn-id", "a"], "either --conn-id or --url"),
    "a connection that is not there": (
        ["serve", "--conn-id", "surely_missing"],
        "no connection surely_missing",
    ),
    "open to the network": (
        ["serve", "--url", URL, "--transport", "http", "--host", "0.0.0.0"],
        "--bearer-token-env or --bearer-token-file, or bind to 127.0.0.1",
    ),
    "an empty bearer variable": (
        ["serve", "--url", URL, "--transport", "http", "--bearer-token-env", "SURELY_UNSET"],
        "environment variable SURELY_UNSET is empty",
    ),
    "a bearer file that is not there": (
        ["serve", "--url", URL, "--transport", "http", "--bearer-token-file", "/nowhere"],
        "bearer token file cannot be read: No such file",
    ),
    "an open quotation mark": (
        ["serve", "--url", URL, "--token-command", f"print '{SECRET}"],
        "No closing quotation",
    ),
    "a CA bundle that is not there": (
        ["check", "--url", URL, "--ca-bundle", "/nowhere"],
        "CA bundle of airflow",
    ),
    "a misspelt toolset": (["serve", "--url", URL, "--toolsets", "dag"], "did you mean dags?"),
    "a misspelt tool": (
        ["serve", "--url", URL, "--disabled-tools", "delete_dagg"],
        "did you mean delete_dag?",
    ),
    "a client that takes no token": (
        ["config", "--client", "claude-desktop", "--url", URL, "--via", "http"],
        "use --via stdio",
    ),
    "a client that runs no command": (
        ["config", "--client", "cursor", "--url", URL, "--token-command", SECRET],
        "use --via stdio",
    ),
    "a version that is none": (["tools", "--airflow-version", "newest"], "one is 2.11 or 3.3.2"),
    "a name that is no package": (["new-provider", "1st"], "for example acme-reliability"),
    "a name of Airflow's": (
        ["new-provider", "apache-airflow-providers-acme"],
        "take one like acme-reliability",
    ),
}


@pytest.mark.parametrize("mistake", COMMANDS)
def test_a_mistake_on_the_command_line(mistake: str, capsys: pytest.CaptureFixture[str]) -> None:
    words, cure = COMMANDS[mistake]
    try:
        status = main(words)
    except SystemExit as ended:
        status = int(ended.code or 0)
    assert status == arguments.MISUSED
    printed = capsys.readouterr()
    assert cure in printed.err
    assert SECRET not in printed.err + printed.out


def test_bearer_before_the_token(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(arguments.ENV_TOKEN, f"Bearer {SECRET}")
    assert main(["check", "--url", URL]) == arguments.MISUSED
    printed = capsys.readouterr().err
    assert "give the token alone" in printed
    assert SECRET not in printed


class Connection:
    def __init__(self, **parts: Any) -> None:
        self.host = self.port = self.schema = self.login = self.password = self.extra = None
        self.__dict__ |= parts


CONNECTIONS = {
    "a misspelt option": (Connection(host="a", extra='{"readonly": true}'), "readonly"),
    "an extra that is no JSON": (Connection(host="a", extra=f"token={SECRET}"), "the extra is not JSON"),
    "no host": (Connection(), "give the address of an Airflow"),
    "a flag that is none": (Connection(host="a", extra='{"insecure": "perhaps"}'), "neither true nor false"),
}


@pytest.mark.parametrize("mistake", CONNECTIONS)
def test_a_mistake_in_a_connection(
    mistake: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    connection, cure = CONNECTIONS[mistake]
    monkeypatch.setattr("airflow_provider_mcp.hosts.connections.find_connection", lambda _: connection)
    assert main(["serve", "--conn-id", "x"]) == arguments.MISUSED
    printed = capsys.readouterr().err
    assert cure in printed
    assert SECRET not in printed


# ---- around a running Airflow --------------------------------------------------------------------------


def answering(*responses: httpx.Response) -> Callable[[httpx.Request], httpx.Response]:
    return lambda _: responses[0]


def failing(failure: type[httpx.RequestError], text: str) -> Callable[[httpx.Request], httpx.Response]:
    def handle(request: httpx.Request) -> httpx.Response:
        raise failure(text, request=request)

    return handle


EXPIRED = refusal(
    "The token has expired: get a new one.", **{"WWW-Authenticate": 'Bearer error="invalid_token"'}
)
WITH_PASSWORD = Target("airflow", ROOT, login="ada", password=SECRET)


def password_refused(request: httpx.Request) -> httpx.Response:
    if request.url.path.endswith("/api/v2/version"):
        return httpx.Response(200, json={"version": "3.3.2"})
    return httpx.Response(401, json={"detail": "Invalid credentials"})


AROUND: dict[str, tuple[dict[str, Any], str]] = {
    "no restart, Airflow 3": (
        {"mcp": answering(httpx.Response(405, json={}))},
        "Restart Airflow's web process",
    ),
    "no restart, Airflow 2": (
        {"mcp": answering(httpx.Response(404, html="Airflow 404")), "version": "2.11.2"},
        "Restart Airflow's web process",
    ),
    "a wrong path": (
        {"rest": answering(httpx.Response(200, html="<html>"))},
        "Airflow's root with its path prefix",
    ),
    "a path where nothing is": (
        {"rest": answering(httpx.Response(404, json={}))},
        "Airflow's root with its path prefix",
    ),
    "a proxy with a login page": (
        {"mcp": answering(httpx.Response(302, headers={"Location": "https://sso.example.com"}))},
        "Exempt /mcp/v1",
    ),
    "a proxy with a login page before all": (
        {"rest": answering(httpx.Response(302, headers={"Location": "https://sso.example.com"}))},
        "behind a login proxy",
    ),
    "an identity-aware proxy": (
        {"mcp": answering(httpx.Response(401, text="", headers={"X-Goog-IAP-Generated-Response": "true"}))},
        "Proxy-Authorization",
    ),
    "a proxy that takes the header": ({"mcp": answering(refusal())}, "pass the Authorization header"),
    "an expired token": ({"mcp": answering(EXPIRED)}, "get a new one"),
    "a bad token": ({"token": "bad"}, "Renew the credential"),
    "no credential": ({"token": ""}, "Give a token, or a username and a password"),
    "a wrong password": (
        {"token": "", "target": WITH_PASSWORD, "rest": password_refused},
        "Check the username and the password.",
    ),
    "the default backends of Airflow 2": ({"token": "bad", "version": "2.11.2"}, "[api] auth_backends"),
    "https at an http port": (
        {"rest": failing(httpx.ConnectError, "[SSL: WRONG_VERSION_NUMBER] wrong version number")},
        "write http:// in the address",
    ),
    "http at an https port": (
        {"rest": answering(httpx.Response(400, text="The plain HTTP request was sent to HTTPS port"))},
        "Write https:// in the address",
    ),
    "a certificate that is not trusted": (
        {"rest": failing(httpx.ConnectError, "CERTIFICATE_VERIFY_FAILED")},
        "give its CA bundle",
    ),
    "nothing there": ({"rest": failing(httpx.ConnectError, "Connection refused")}, "Check that it runs"),
    "a token command that is not there": (
        {"token": "", "target": Target("airflow", ROOT, token_command=("/nowhere/command",))},
        "Mend the credential (the token that a command prints)",
    ),
    "an Airflow that is starting": ({"rest": answering(httpx.Response(503))}, "try again in a few seconds"),
}


@pytest.mark.parametrize("mistake", AROUND)
def test_a_mistake_around_an_airflow(mistake: str) -> None:
    given, cure = AROUND[mistake]
    report = check_at(**given)
    assert report.faults
    text = text_of(report)
    assert cure in text
    assert SECRET not in text


# ---- in the configuration ------------------------------------------------------------------------------

OPTIONS = {
    "a flag that is none": ({"read_only": "yes"}, "write True or False"),
    "a number that is none": ({"max_result_chars": "20k"}, "write a whole number"),
    "an option that there is not": ({"readonly": "True"}, "did you mean read_only?"),
    "a level that there is not": ({"confirm": "always"}, "write none, destructive or write"),
}


@pytest.mark.parametrize("mistake", OPTIONS)
def test_a_mistake_in_the_configuration_leaves_reading_alone(mistake: str) -> None:
    section, cure = OPTIONS[mistake]
    for policy in (parse_options(section), Policy().narrowed_or_closed(section)):
        assert policy.read_only
        assert policy.problem is not None
        assert cure in policy.problem


def test_a_name_that_there_is_not() -> None:
    policy = parse_options({"toolsets": "dags,rnus", "disabled_tools": "delete_dagg"})
    assert load_catalogue("3.3.2", found=[]).describe_unknown(policy) == [
        "toolsets names rnus, which there is not (did you mean runs?)",
        "disabled_tools names delete_dagg, which there is not (did you mean delete_dag?)",
    ]


# ---- an author's ---------------------------------------------------------------------------------------


class Answer(BaseModel):
    text: str


@tool(access="read")
async def no_docstring(airflow: Airflow) -> Answer:
    return Answer(text="")


@tool(access="read")
async def no_type(dag_id, airflow: Airflow) -> Answer:  # type: ignore[no-untyped-def]
    """Take an argument without a type."""
    return Answer(text="")


@tool(access="read")
async def no_return(airflow: Airflow):  # type: ignore[no-untyped-def]
    """Return nothing that is known."""


@tool(access="read")
async def get_dag(airflow: Airflow) -> Answer:
    """Get a Dag in another way."""
    return Answer(text="")


def not_a_tool() -> Answer:
    """Do something without the decorator."""
    return Answer(text="")


AUTHORS = {
    "a missing docstring": (no_docstring, "no_docstring", "docstring"),
    "a missing type": (no_type, "no_type", "type"),
    "a missing return": (no_return, "no_return", "return"),
    "a name that is taken": (get_dag, "get_dag", "dags"),
    "a missing decorator": (not_a_tool, "not_a_tool", "@tool"),
}


def problems_of(monkeypatch: pytest.MonkeyPatch, **content: Any) -> list[str]:
    module = ModuleType("acme_mistaken")
    module.__dict__.update(content)
    monkeypatch.setitem(sys.modules, "acme_mistaken", module)
    entry = EntryPoint("acme", "acme_mistaken", "airflow_provider_mcp")
    return [
        f"{problem.owner}: {problem.message}" for problem in load_catalogue("3.3.2", found=[entry]).problems
    ]


@pytest.mark.parametrize("mistake", AUTHORS)
def test_an_authors_mistake(mistake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    function, name, cure = AUTHORS[mistake]

    @hookimpl
    def register_toolsets() -> list[Toolset]:
        return [Toolset("acme", "Acme.", [function])]

    (problem,) = problems_of(monkeypatch, register_toolsets=register_toolsets)
    assert problem.startswith("acme: ")
    assert name in problem
    assert cure in problem


def test_a_misspelt_hook(monkeypatch: pytest.MonkeyPatch) -> None:
    @hookimpl
    def register_toolset() -> list[Toolset]:
        return []

    (problem,) = problems_of(monkeypatch, register_toolset=register_toolset)
    assert "register_toolset" in problem


def test_a_forgotten_hookimpl(monkeypatch: pytest.MonkeyPatch) -> None:
    def register_toolsets() -> list[Toolset]:
        return []

    (problem,) = problems_of(monkeypatch, register_toolsets=register_toolsets)
    assert "hookimpl" in problem


def test_an_installation_that_names_what_there_is_not(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(
        "airflow_provider_mcp.hosts.connections.read_extra",
        lambda _: {"toolsets": "dag", "max_result_chars": "20k"},
    )
    assert main(["check", "--json"]) == arguments.FAULTY
    printed = json.loads(capsys.readouterr().out)
    texts = " ".join(finding["text"] for finding in printed["reports"][0]["findings"])
    assert "did you mean dags?" in texts
    assert "write a whole number" in texts


def test_there_are_enough() -> None:
    assert len(COMMANDS) + len(CONNECTIONS) + len(AROUND) + len(OPTIONS) + len(AUTHORS) >= 37
