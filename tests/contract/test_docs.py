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
"""What the documentation shows is so: each block of code is run, included from a tested file, or checked."""

from __future__ import annotations

import ast
import configparser
import importlib.util
import inspect
import io
import json
import os
import re
import runpy
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args
from xml.etree import ElementTree

import pytest
import yaml

from airflow_provider_mcp import sdk
from airflow_provider_mcp.cli import commands
from airflow_provider_mcp.get_provider_info import get_provider_info
from airflow_provider_mcp.sdk import errors as sdk_errors
from airflow_provider_mcp.sdk import hookspecs
from airflow_provider_mcp.server.catalogue import load_catalogue
from tests.documentation import PAGES, ROOT, Block, collect_blocks, named_block

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

BLOCKS = [block for page in PAGES for block in collect_blocks(page)]
OPTIONS = set(get_provider_info()["config"]["mcp"]["options"])
TESTS = "\n".join(
    file.read_text(encoding="utf-8")
    for folder in (ROOT / "tests", ROOT / "examples")
    for file in sorted(folder.rglob("test_*.py"))
)
README = (ROOT / "README.md").read_text(encoding="utf-8")
PACKAGES = {"apache-airflow", "apache-airflow-providers-mcp", "astro-airflow-mcp", "pytest", "."}
WALK_THROUGH = "writing-tools"


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.where)
def test_every_block_of_code_is_covered(block: Block) -> None:
    if "name" in block.options:
        assert f'"{block.page}", "{block.options["name"]}"' in TESTS, "no test runs this named block"
    elif block.language == "included":
        check_included(block)
    elif "caption" in block.options and block.page == WALK_THROUGH:
        pass  # test_the_walk_through_works_in_an_empty_folder writes it into a file and uses that.
    else:
        rule = RULES.get(block.language)
        assert rule is not None, f"no rule covers {block.language}"
        rule(block.text)


def check_included(block: Block) -> None:
    file = block.included
    assert file is not None
    text = file.read_text(encoding="utf-8")
    for option in ("start-at", "end-at", "start-after", "end-before"):
        assert block.options.get(option, "") in text
    name = file.stem
    # A Dag is tested by being run, under its ID.
    runs = file.parent.name == "dags" and f'dag_id="{name}"' in TESTS
    tested = runs or file.name in TESTS or f"import {name}\n" in TESTS or f".{name} import" in TESTS
    assert tested or file.name.startswith("test_") or file == ROOT / "pyproject.toml", "no test uses the file"


def check_toml(text: str) -> None:
    for groups in [tomllib.loads(text).get("project", {}).get("entry-points", {})]:
        assert set(groups) <= {hookspecs.PROJECT}
        for module in (module for group in groups.values() for module in group.values()):
            assert importlib.util.find_spec(module) is not None, module


def check_json(text: str) -> None:
    for server in json.loads(text).get("mcpServers", {}).values():
        assert server.get("command") == "airflow-mcp" or server["url"].endswith("/mcp/v1")


def check_ini(text: str) -> None:
    parsed = configparser.ConfigParser(interpolation=None)
    parsed.read_string(text)
    assert parsed.sections()
    if parsed.has_section("mcp"):
        assert set(parsed["mcp"]) <= OPTIONS


def check_yaml(text: str) -> None:
    assert yaml.safe_load(text) is not None


def check_docker(text: str) -> None:
    begin, *rest = text.splitlines()
    pins = (ROOT / "constraints" / "airflow3.txt").read_text(encoding="utf-8")
    image, _, release = begin.partition(":")
    assert image == "FROM apache/airflow"
    assert f"\napache-airflow=={release}\n" in pins
    for line in rest:
        assert line.startswith("RUN ")
        check_shell(line.removeprefix("RUN "))


def check_nginx(text: str) -> None:
    """Check what can be checked without nginx: tests/live/test_replicas.py runs it."""
    assert text.count("{") == text.count("}")
    directives = dict(line.strip(" ;").split(" ", 1) for line in text.splitlines() if line.endswith(";"))
    assert int(directives["proxy_read_timeout"].removesuffix("s")) >= 60
    assert directives["proxy_buffering"] == "off"
    # A path here would take the prefix away.
    assert re.fullmatch(r"https?://[\w.-]+", directives["proxy_pass"])


def check_gcloud(words: list[str]) -> None:
    assert words[0] in {"auth", "composer"}
    if "--update-pypi-package" in words:
        assert words[-1] in PACKAGES


def check_shell(text: str) -> None:
    commands = list(split_commands(text))
    assert commands
    for words in commands:
        while words and re.fullmatch(r"[A-Z_0-9]+=.*", words[0]):
            check_variable(words.pop(0))
        if not words:
            continue
        rule = COMMANDS.get(words[0])
        assert rule is not None, f"no rule covers the command {words[0]}"
        rule(words[1:])


def split_commands(text: str) -> Iterator[list[str]]:
    """Yield the words of each command; one goes on over several lines by a backslash or in quotes."""
    begun = ""
    for line in text.replace("\\\n", " ").splitlines():
        begun += line
        try:
            words = shlex.split(begun, comments=True)
        except ValueError:
            begun += "\n"
            continue
        begun = ""
        if words:
            yield words
    assert not begun, f"a quote is not closed: {begun}"


def check_variable(assignment: str) -> None:
    name, _, value = assignment.partition("=")
    if name.startswith("AIRFLOW__MCP__"):
        assert name.removeprefix("AIRFLOW__MCP__").lower() in OPTIONS, name
    elif name.startswith("AIRFLOW_CONN_"):
        from airflow.models import Connection

        said = Connection.from_json(value) if value.startswith("{") else Connection(uri=value)
        assert said.conn_type == "airflow_mcp"
        assert said.host


def check_export(words: list[str]) -> None:
    for word in words:
        check_variable(word)


def check_pip(words: list[str]) -> None:
    assert words[0] in {"install", "uninstall"}
    named = {re.split(r"[\[=<>~]", word)[0] for word in words[1:] if not word.startswith("-")}
    assert named, words
    assert named <= PACKAGES


def check_make(words: list[str]) -> None:
    (targets,) = re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(words) <= set(targets.split())


def check_python(words: list[str]) -> None:
    assert words[:2] == ["-m", "pytest"]
    for word in words[2:]:
        assert "/" not in word or (ROOT / word).exists(), word


def check_claude(words: list[str]) -> None:
    assert words[:2] == ["mcp", "add"]
    if "--" in words:
        COMMANDS[words[words.index("--") + 1]](words[words.index("--") + 2 :])
        return
    assert words[words.index("--transport") + 1] == "http"
    (url,) = (word for word in words if word.startswith(("http://", "https://")))
    assert url.endswith("/mcp/v1")
    assert words[words.index("--header") + 1].startswith("Authorization: ")


def check_code(words: list[str]) -> None:
    option, server = words
    assert option == "--add-mcp"
    assert json.loads(server)["url"].endswith("/mcp/v1")


def check_npx(words: list[str]) -> None:
    """Check a call of the Inspector: tests/live/test_endpoint.py runs it."""
    pins = (ROOT / "constraints" / "node.txt").read_text(encoding="utf-8").splitlines()
    packages = [word for before, word in pairwise(words) if before == "--package"]
    name, _, version = packages[-1].rpartition("@")
    assert f"{name}=={version}" in pins
    assert [pin for pin in pins if pin.startswith(f"node=={packages[0].removeprefix('node@')}.")]
    inspector = words[words.index("mcp-inspector") + 1 :]
    assert inspector[:1] == ["--cli"]
    assert inspector[1].endswith("/mcp/v1")
    assert inspector[inspector.index("--header") + 1].startswith("Authorization: ")
    assert inspector[inspector.index("--method") + 1] in {"tools/list", "tools/call"}


def check_airflow(words: list[str]) -> None:
    from airflow.cli.cli_parser import get_parser

    parse(get_parser(), words)


def check_airflow_mcp(words: list[str]) -> None:

    parse(commands.build_parser(), words)


def parse(parser: Any, words: list[str]) -> None:
    """Expect that a command line is one that ``parser`` takes."""
    said = io.StringIO()
    status: Any = 0
    try:
        with redirect_stderr(said):
            parser.parse_args(words)
    except SystemExit as ended:
        status = ended.code
    assert not status, f"{words}: {said.getvalue()}"


RULES = {
    "python": ast.parse,
    "toml": check_toml,
    "json": check_json,
    "ini": check_ini,
    "yaml": check_yaml,
    "docker": check_docker,
    "nginx": check_nginx,
    "bash": check_shell,
    "console": check_shell,
}
COMMANDS = {
    "export": check_export,
    "gcloud": check_gcloud,
    "pip": check_pip,
    "make": check_make,
    "claude": check_claude,
    "code": check_code,
    "airflow": check_airflow,
    "airflow-mcp": check_airflow_mcp,
    "npx": check_npx,
    ".venv/airflow2/bin/python": check_python,
    ".venv/airflow3/bin/python": check_python,
}


def test_the_rules_catch_what_is_wrong() -> None:
    for text in ("pip install left-pad", "make nothing", "rm -rf /", "export AIRFLOW__MCP__NO_SUCH=1"):
        with pytest.raises(AssertionError):
            check_shell(text)
    with pytest.raises(AssertionError):
        check_shell("airflow connections add x --no-such-option")
    with pytest.raises(AssertionError):
        check_ini("[mcp]\nno_such = 1")
    with pytest.raises(AssertionError):
        check_json('{"mcpServers": {"a": {"url": "https://airflow.example.com"}}}')


def test_the_walk_through_works_in_an_empty_folder(tmp_path: Path) -> None:
    """Write the page's files, build the package and run its tests, as the page says.

    The package is installed into a folder of its own, not into the environment that all tests share.
    """
    assert named_block("writing-tools", "walk-through").splitlines() == [
        "pip install --editable .",
        "python -m pytest",
    ]
    project, installed = tmp_path / "project", tmp_path / "installed"
    for block in collect_blocks(ROOT / "docs" / f"{WALK_THROUGH}.rst"):
        if "caption" in block.options:
            file = project / block.options["caption"]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.text + "\n", encoding="utf-8")
    builder = [str(ROOT / ".venv/tools/bin/python"), "-m", "build", "--wheel", "--no-isolation"]
    subprocess.run([*builder, "--outdir", str(tmp_path), str(project)], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    install = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--target", str(installed)]
    subprocess.run([*install, str(wheel)], check=True, capture_output=True)
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(installed), str(ROOT)])}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"],
        cwd=project,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout


def test_the_hook_reference_is_that_of_the_code() -> None:
    text = (ROOT / "docs" / "hooks-ref.rst").read_text(encoding="utf-8")
    described = set(re.findall(r"^``(\w+\(.*\))``$", text, re.MULTILINE))
    specified = {
        f"{name}({', '.join(inspect.signature(function).parameters)})"
        for name, function in vars(hookspecs).items()
        if hasattr(function, f"{hookspecs.PROJECT}_spec")
    }
    assert len(specified) >= 5
    assert described == specified


def test_the_sdk_reference_is_that_of_the_code() -> None:
    generator = runpy.run_path(str(ROOT / "scripts" / "generate_sdk_ref.py"))
    page = (ROOT / "docs" / "sdk-ref.rst").read_text(encoding="utf-8")
    assert generator["write_page"]() == page, "run `make generate`"
    titles = re.findall(r"^(\w+)\n-+$", page, re.MULTILINE)
    assert sorted(titles) == sorted(sdk.__all__)


def test_troubleshooting_covers_every_refusal() -> None:
    text = (ROOT / "docs" / "troubleshooting.rst").read_text(encoding="utf-8")
    titles = "\n".join(re.findall(r"^(.+)\n-{4,}$", text, re.MULTILINE))
    endpoint = "".join(
        file.read_text(encoding="utf-8")
        for file in sorted((ROOT / "airflow_provider_mcp" / "endpoint").glob("*.py"))
    )
    statuses = set(re.findall(r"(?:rpc_error|Reply|refuse)\(\s*(4\d\d)", endpoint))
    assert statuses >= {"400", "401", "403", "405", "413", "415"}
    for sign in sorted(statuses | set(get_args(sdk_errors.ErrorCode))):
        assert re.search(rf"\b{sign}\b", titles), sign


def test_every_promise_names_a_test_that_there_is() -> None:
    text = (ROOT / "docs" / "promises.rst").read_text(encoding="utf-8")
    named = 0
    for row in text.split("\n   * - ")[2:]:
        tests = re.findall(r"``(tests/[\w/.]+)?::(\w+)``", row)
        assert tests, row
        file = ""
        for path, test in tests:
            file = path or file
            assert f"def {test}(" in (ROOT / file).read_text(encoding="utf-8"), test
            named += 1
    assert named > 15


def test_the_ways_from_other_servers_lead_to_tools_that_there_are() -> None:
    text = (ROOT / "docs" / "migrating.rst").read_text(encoding="utf-8")
    tables = [part for part in text.split(".. list-table::") if "\n     - Different\n" in part]
    assert len(tables) == 2
    offered = set(load_catalogue("3.3.2", found=[]).tools)
    for table in tables:
        for here in re.findall(r"^   \* - .*\n     - (.*)$", table, re.MULTILINE)[1:]:
            assert set(re.findall(r"``(\w+)``", here)) <= offered, here


def test_contributing_names_every_room() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    package = ROOT / "airflow_provider_mcp"
    for folder in package.iterdir():
        if folder.is_dir() and folder.name != "__pycache__":
            assert f"`airflow_provider_mcp/{folder.name}/`" in text or f"`{folder.name}/`" in text, folder
    built_later = {"airflow_provider_mcp/oauth/"}
    for named in re.findall(r"^\| (?:\d \| )?`([\w/.]+)`", text, re.MULTILINE):
        assert (ROOT / named).exists() or named in built_later, named


def test_the_readme_stays_short() -> None:
    assert len(README.splitlines()) <= 110


def test_every_page_is_in_one_group_of_the_table_of_contents() -> None:
    text = (ROOT / "docs" / "index.rst").read_text(encoding="utf-8")
    groups = text.split(".. toctree::")[1:]
    captions = [re.findall(r":caption: (.+)", group) for group in groups]
    assert captions == [["Use"], ["Operate"], ["Extend"], ["Reference"]]
    listed = [name for group in groups for name in re.findall(r"^   ([\w-]+)$", group, re.MULTILINE)]
    pages = {page.stem for page in PAGES if page.suffix == ".rst"} - {"index"}
    assert sorted(listed) == sorted(pages), "add the page to one group of docs/index.rst"


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page.suffix == ".rst"], ids=lambda page: page.stem
)
def test_long_pages_have_contents(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    sections = re.findall(r"^[^\s.].*\n-{4,}$", text, re.MULTILINE)
    if len(text.splitlines()) > 100 and len(sections) >= 4:
        assert ".. contents::" in text


def test_the_picture_is_for_light_and_dark() -> None:
    picture = (ROOT / "docs" / "architecture.svg").read_text(encoding="utf-8")
    assert ElementTree.fromstring(picture).tag == "{http://www.w3.org/2000/svg}svg"
    assert "prefers-color-scheme: dark" in picture
