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
"""The command ``airflow-mcp``: what it refuses, what it prints, and what it leaves unimported."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import anyio
import pytest
import yaml

from airflow_provider_mcp.cli import arguments, commands, instances
from airflow_provider_mcp.cli import serve as cli_serve
from airflow_provider_mcp.hosts import options
from airflow_provider_mcp.web import client_configs

try:
    import tomllib
except ImportError:
    # Python 3.10: pytest brings it.
    import tomli as tomllib

from airflow_provider_mcp.cli.arguments import FAULTY, MISUSED, OK
from airflow_provider_mcp.cli.commands import main
from airflow_provider_mcp.server.policy import Policy

URL = "https://airflow.example.com/air"


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    for name in (arguments.ENV_URL, arguments.ENV_TOKEN, arguments.ENV_USERNAME, arguments.ENV_PASSWORD):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["serve"], "say which Airflow"),
        (["serve", "--url", "ftp://a"], "no http or https"),
        (["serve", "--url", URL, "--conn-id", "a"], "either"),
        (["serve", "--conn-id", "surely_missing"], "no connection surely_missing"),
        (["serve", "--url", URL, "--transport", "http", "--host", "0.0.0.0"], "--bearer-token-env"),
        (["serve", "--url", URL, "--transport", "http", "--host", "airflow.lan"], "--bearer-token-env"),
        (["serve", "--url", URL, "--transport", "http", "--bearer-token-env", "SURELY_UNSET"], "is empty"),
        (["serve", "--url", URL, "--transport", "http", "--bearer-token-file", "/nowhere"], "cannot be read"),
        (["serve", "--url", URL, "--token-command", "print 'x"], "--token-command"),
        (["serve", "--url", URL, "--ca-bundle", "/nowhere"], "CA bundle"),
        (["check", "--url", URL, "--ca-bundle", "/nowhere"], "CA bundle"),
        (["tools", "--airflow-version", "newest"], "no version of Airflow"),
        (["config", "--client", "codex"], "say which Airflow"),
        (["config", "--client", "codex", "--url", "ftp://a"], "no http or https"),
        (["config", "--client", "codex", "--url", URL, "--conn-id", "a"], "either"),
        (["config", "--client", "claude-desktop", "--url", URL, "--via", "http"], "--via stdio"),
        (["config", "--client", "cursor", "--url", URL, "--token-command", "t"], "--via stdio"),
        (
            ["serve", "--url", URL, "--toolsets", "dag"],
            "toolsets names dag, which there is not (did you mean dags?)",
        ),
        (["serve", "--url", URL, "--disabled-tools", "delete_dagg"], "(did you mean delete_dag?)"),
        (["check", "--url", URL, "--lock", "/nowhere/lock.json"], "cannot be written"),
        (["new-provider", "apache-airflow-providers-acme"], "Airflow rejects"),
        (["new-provider", "1st"], "name must be that of a Python package"),
        (["new-provider", "a/b"], "name must be that of a Python package"),
        (["config", "--client", "codex", "--conn-id", "a", "--via", "http"], "give --url"),
    ],
)
def test_what_cannot_be_carried_out_is_refused(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_provider_mcp.hosts.connections.find_connection", lambda _: None)
    assert main(arguments) == MISUSED
    shown = capsys.readouterr()
    assert said in shown.err
    assert shown.out == ""


class FakeConnection:
    def __init__(self, **parts: Any) -> None:
        self.host = self.port = self.schema = self.login = self.password = self.extra = None
        self.__dict__ |= parts


def test_a_connection_gives_the_address_and_the_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    extra = json.dumps({"read_only": True, "token": "t"})
    connection = FakeConnection(host="a.example.com", extra=extra)
    monkeypatch.setattr("airflow_provider_mcp.hosts.connections.find_connection", lambda _: connection)
    given = commands.build_parser().parse_args(
        ["serve", "--conn-id", "x", "--conn-id", "y", "--conn-id", "x", "--disabled-tools", "get_dag"]
    )
    x, y = instances.build_instances(given, narrow=True)
    assert (x.name, y.name) == ("x", "y")
    assert x.remote.target.url == "https://a.example.com"
    policy = x.policy_source.read()
    assert policy.read_only
    assert policy.disabled_tools == {"get_dag"}


def test_what_a_connection_narrows_is_read_again_while_it_is_served(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    connection: FakeConnection | None = FakeConnection(host="a.example.com")
    monkeypatch.setattr("airflow_provider_mcp.hosts.connections.find_connection", lambda _: connection)
    monkeypatch.setattr(options, "read_options", lambda: Policy(toolsets=frozenset({"dags", "runs"})))
    given = commands.build_parser().parse_args(["serve", "--conn-id", "x", "--toolsets", "dags,tasks"])
    (only,) = instances.build_instances(given, narrow=True)

    def policy_after(seconds: float, extra: dict[str, Any] | None) -> Policy:
        nonlocal now, connection
        now += seconds
        connection = None if extra is None else FakeConnection(host="b", extra=json.dumps(extra))
        return anyio.run(only.policy)

    assert policy_after(0, {}).toolsets == {"dags"}
    assert not policy_after(29, {"read_only": True}).read_only
    assert policy_after(1, {"read_only": True}).read_only
    # It narrows the arguments, too, and never widens them.
    assert policy_after(30, {"toolsets": "all"}) == Policy(toolsets=frozenset({"dags"}), conn_id="x")
    malformed = policy_after(30, {"readonly": True})
    assert malformed.problem is not None
    assert malformed.toolsets == {"dags"}
    assert malformed.read_only
    assert policy_after(30, {"read_only": True}).read_only
    gone = policy_after(30, None)
    assert gone.read_only
    assert gone.problem == "there is no longer a connection x"
    # Where it leads, and as whom, is read at the start alone.
    assert only.remote.target.url == "https://a.example.com"
    site = only.remote.open_airflow("write").site
    assert site.policy_conn_ids == {"x"}


@pytest.mark.parametrize("extra", ['{"readonly": true}', "[1]", "no json with secret-token"])
def test_a_malformed_connection_is_not_served(
    extra: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    connection = FakeConnection(host="a", extra=extra)
    monkeypatch.setattr("airflow_provider_mcp.hosts.connections.find_connection", lambda _: connection)
    assert main(["serve", "--conn-id", "x"]) == MISUSED
    said = capsys.readouterr().err
    assert "the connection x cannot be used" in said
    assert "secret-token" not in said


def test_the_environment_names_the_airflow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(arguments.ENV_URL, URL)
    monkeypatch.setenv(arguments.ENV_TOKEN, "t")
    given = commands.build_parser().parse_args(["serve", "--read-only", "--confirm", "none"])
    (only,) = instances.build_instances(given, narrow=True)
    assert only.remote.target.url == URL
    assert only.remote.target.token == "t"
    policy = only.policy_source.read()
    assert policy.read_only
    assert policy.confirm == "none"


def test_a_token_command_comes_before_the_environment() -> None:
    given = commands.build_parser().parse_args(
        ["check", "--url", URL, "--token-command", "print-token --for 'a b'"]
    )
    (only,) = instances.build_instances(given, narrow=False)
    assert only.remote.target.token_command == ("print-token", "--for", "a b")


def test_tools_are_listed_with_access_and_owner(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tools", "--airflow-version", "3.3.2", "--json"]) == OK
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["trigger_dag"] == {
        "name": "trigger_dag",
        "access": "write",
        "toolset": "runs",
        "owner": "runs",
    }
    assert main(["tools"]) == OK
    assert "trigger_dag" in capsys.readouterr().out


def test_a_terminal_gets_columns_and_colours(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_provider_mcp.hosts.connections.read_extra", lambda _: None)
    for command in (["check"], ["tools", "--airflow-version", "3.3.2"]):
        main(command)
        assert "\x1b[" not in capsys.readouterr().out
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    for command in (["check"], ["tools", "--airflow-version", "3.3.2"]):
        main(command)
        assert "\x1b[" in capsys.readouterr().out


@pytest.mark.parametrize("client", client_configs.CLIENTS)
def test_a_configuration_starts_the_server(client: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "--client", client, "--url", URL, "--via", "stdio"]) == OK
    shown = capsys.readouterr()
    server = server_in(client, shown.out)
    assert command_in(server) == ["airflow-mcp", "serve", "--url", URL]
    assert arguments.ENV_TOKEN in json.dumps(server)
    assert client_configs.find_place(client) in shown.err
    assert main(["config", "--client", client, "--conn-id", "a", "--conn-id", "b"]) == OK
    server = server_in(client, capsys.readouterr().out)
    assert command_in(server) == ["airflow-mcp", "serve", "--conn-id", "a", "--conn-id", "b"]
    assert arguments.ENV_TOKEN not in json.dumps(server)
    assert main(["config", "--client", client, "--url", URL, "--via", "stdio", "--token-command", "t"]) == OK
    assert command_in(server_in(client, capsys.readouterr().out))[-2:] == ["--token-command", "t"]


@pytest.mark.parametrize("client", [c for c in client_configs.CLIENTS if c != "claude-desktop"])
def test_a_configuration_names_the_endpoint_and_holds_no_token(
    client: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(arguments.ENV_TOKEN, "secret-of-mine")
    for url in (f"{URL}/", f"{URL}/mcp/v1", f"{URL}/mcp/v1/", f"{URL}/api/v2"):
        assert main(["config", "--client", client, "--url", url]) == OK
        printed = capsys.readouterr().out
        server = server_in(client, printed)
        assert f"{URL}/mcp/v1" in server.values()
    assert "secret-of-mine" not in printed


def test_codex_is_told_how_it_sends_another_header(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "--client", "codex", "--url", URL]) == OK
    printed, remarks = capsys.readouterr()
    line = re.search(r"env_http_headers = \{.*\}", remarks)
    assert line, remarks
    changed = re.sub("bearer_token_env_var = .*", line[0], printed)
    assert server_in("codex", changed)["env_http_headers"] == {"Authorization": "AIRFLOW_MCP_AUTHORIZATION"}


def server_in(client: str, text: str) -> dict[str, Any]:
    if client == "codex":
        return tomllib.loads(text)["mcp_servers"]["airflow"]
    if client == "goose":
        return yaml.safe_load(text)["extensions"]["airflow"]
    keys = {"vscode": "servers", "zed": "context_servers", "opencode": "mcp"}
    servers: dict[str, Any] = json.loads(text)[keys.get(client, "mcpServers")]
    return servers["airflow"]


def command_in(server: dict[str, Any]) -> list[str]:
    """Return the command line that a client starts."""
    command = server.get("command", server.get("cmd"))
    return command if isinstance(command, list) else [command, *server["args"]]


def test_serve_by_url_imports_no_airflow() -> None:
    program = (
        "import sys\n"
        "from airflow_provider_mcp.cli import commands, instances\n"
        "from airflow_provider_mcp.remote.build import build_gateway\n"
        "import airflow_provider_mcp.remote.serve\n"
        "given = commands.build_parser().parse_args(['serve', '--url', 'http://127.0.0.1:1'])\n"
        "build_gateway(instances.build_instances(given, narrow=True))\n"
        "print(sorted(n for n in sys.modules if n.split('.')[0] in ('airflow', 'flask', 'fastapi')))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_importing_the_hook_or_the_commands_is_light() -> None:
    heavy = ("mcp", "starlette", "fastapi", "flask", "pydantic", "httpx", "flask_appbuilder", "wtforms")
    program = (
        "import sys, airflow.models\n"
        "try:\n    from airflow.sdk import BaseHook\n"
        "except ImportError:\n    from airflow.hooks.base import BaseHook\n"
        f"heavy = {heavy!r}\n"
        "before = set(heavy) & set(sys.modules)\n"
        "import airflow.providers.mcp.hooks.airflow_mcp, airflow.providers.mcp.cli\n"
        "print(sorted(set(heavy) & set(sys.modules) - before))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]"


def test_the_commands_are_those_of_airflow_mcp() -> None:
    from airflow.cli.cli_config import Arg

    from airflow_provider_mcp.cli.airflow_command import get_mcp_cli_commands

    (group,) = get_mcp_cli_commands()
    assert group.name == "mcp"
    assert [command.name for command in group.subcommands] == [
        "serve",
        "check",
        "tools",
        "grants",
        "revoke",
        "token",
        "new-provider",
        "config",
    ]
    assert all(isinstance(arg, Arg) for command in group.subcommands for arg in command.args)
    tools = next(command for command in group.subcommands if command.name == "tools")
    given = commands.build_parser().parse_args(["tools", "--json"])
    with pytest.raises(SystemExit) as ended:
        tools.func(given)
    assert ended.value.code == OK


SECRET = "eyJh.secret.t0ken"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["check", "--url", URL, "--token", SECRET], "AIRFLOW_MCP_TOKEN"),
        (["check", "--url", URL, f"--token={SECRET}"], "AIRFLOW_MCP_TOKEN"),
        (["check", "--url", URL, "--token-c", SECRET], "did you mean --token-command?"),
        (["serve", "--url", URL, "--password", SECRET], "AIRFLOW_MCP_PASSWORD"),
        (["serve", "--url", URL, "--bearer-token", SECRET], "environment variable"),
        (["serve", "--url", URL, "--reed-only"], "did you mean --read-only?"),
        (["check", SECRET], "a word too many"),
        (["serve", "--timeout", SECRET], "--timeout: it is no float"),
        (["serve", "--confirm", SECRET], "it must be one of"),
        ([SECRET], "it must be one of"),
        (["config", "--client"], "--client: expected one argument"),
        (["config"], "--client"),
        ([], "command"),
    ],
)
def test_nothing_is_abbreviated_and_no_message_repeats_a_value(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subprocess, "Popen", None)
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == MISUSED
    printed = capsys.readouterr()
    assert message in printed.err
    assert SECRET not in printed.err + printed.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--url", URL, "--token", SECRET], "AIRFLOW_MCP_TOKEN"),
        (["--url", URL, "--token-com", SECRET], "did you mean --token-command?"),
        (["--ur", URL], "did you mean --url?"),
    ],
)
def test_airflow_mcp_takes_no_abbreviations_either(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow's own parser does: it has made `--token-command` of `--token` before the command is run."""
    from airflow_provider_mcp.cli.airflow_command import get_mcp_cli_commands

    (group,) = get_mcp_cli_commands()
    check = next(command for command in group.subcommands if command.name == "check")
    monkeypatch.setattr(sys, "argv", ["airflow", "mcp", "check", *words])
    arguments = commands.build_parser().parse_args(["check", "--url", URL, "--token-command", SECRET])
    with pytest.raises(SystemExit) as ended:
        check.func(arguments)
    assert ended.value.code == MISUSED
    printed = capsys.readouterr()
    assert message in printed.err
    assert SECRET not in printed.err + printed.out


def test_check_without_an_address_looks_at_the_installation(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_provider_mcp.hosts.connections.read_extra", lambda _: {"read_only": True})
    assert main(["check"]) in {OK, FAULTY}
    shown = capsys.readouterr().out
    assert "0 write, 0 destructive" in shown
    monkeypatch.setattr("airflow_provider_mcp.hosts.connections.read_extra", lambda _: {"readonly": True})
    assert main(["check"]) == FAULTY
    assert "readonly is no option (did you mean read_only?)" in capsys.readouterr().out


def test_a_bearer_token_is_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("t0ken\n")
    given = commands.build_parser().parse_args(
        ["serve", "--url", URL, "--host", "0.0.0.0", "--bearer-token-file", str(file)]
    )
    assert cli_serve.read_bearer_token(given) == "t0ken"
    assert cli_serve.read_bearer_token(commands.build_parser().parse_args(["serve", "--url", URL])) is None
