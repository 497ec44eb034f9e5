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
"""``airflow-mcp new-provider NAME``: a small tested package that adds tools."""

from __future__ import annotations

import argparse
import keyword
import re
from pathlib import Path

from airflow_provider_mcp.cli.arguments import OK, Misuse
from airflow_provider_mcp.cli.output import remark, say

_PYPROJECT = """\
[build-system]
requires = ["hatchling>=1.27"]
build-backend = "hatchling.build"

[project]
name = "{name}"
version = "0.1.0"
description = "Tools for Airflow's MCP server."
readme = "README.md"
requires-python = ">=3.10"
dependencies = ["apache-airflow-providers-mcp"]

# By this entry point the MCP server finds the package: there is nothing else to register.
[project.entry-points.airflow_provider_mcp]
{module} = "{module}.mcp"

[tool.hatch.build.targets.wheel]
packages = ["{module}"]

[dependency-groups]
test = ["pytest>=8"]

[tool.pytest.ini_options]
testpaths = ["tests"]
"""

_README = """\
# {name}

Tools for Airflow's MCP server (`apache-airflow-providers-mcp`).

    pip install -e . pytest
    pytest

Installed beside Airflow, and Airflow's web process restarted, it adds the toolset `{module}`.
`airflow-mcp check` says if anything of it could not be taken, and `airflow-mcp tools` lists its tools.

- `{module}/mcp.py` has the tools: one that reads, and one that changes something and shows a preview first.
- `tests/test_tools.py` calls them without a running Airflow.
"""

_TOOLS = '''\
"""Tools for Airflow's MCP server. Airflow checks each call they make as the caller's own."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from airflow_provider_mcp.sdk import Airflow, Toolset, hookimpl, path, tool

DagId = Annotated[str, Field(description="The Dag ID, exactly as listed.")]


class FailedRuns(BaseModel):
    """How many runs of a Dag failed."""

    dag_id: str
    failed: int


class Note(BaseModel):
    """A run's note, before and after."""

    dag_id: str
    dag_run_id: str
    before: str | None
    after: str


@tool(access="read")
async def count_failed_runs(dag_id: DagId, airflow: Airflow) -> FailedRuns:
    """Count a Dag's failed runs."""
    runs = await airflow.get(path("dags/{}/dagRuns", dag_id), params={"state": "failed", "limit": 1})
    return FailedRuns(dag_id=dag_id, failed=runs.json()["total_entries"])


async def preview_replace_note(dag_id: str, dag_run_id: str, note: str, airflow: Airflow) -> Note:
    """Return what would change. It changes nothing: its client only reads."""
    run = (await airflow.get(path("dags/{}/dagRuns/{}", dag_id, dag_run_id))).json()
    return Note(dag_id=dag_id, dag_run_id=dag_run_id, before=run["note"], after=note)


@tool(access="destructive", preview=preview_replace_note)
async def replace_run_note(
    dag_id: DagId,
    dag_run_id: Annotated[str, Field(description="The ID of the run.")],
    note: Annotated[str, Field(description="The new note.")],
    airflow: Airflow,
) -> Note:
    """Replace a Dag run's note. The old one is lost, so the user confirms it first."""
    change = await preview_replace_note(dag_id, dag_run_id, note, airflow)
    await airflow.patch(path("dags/{}/dagRuns/{}", dag_id, dag_run_id), json={"note": note})
    return change


@hookimpl
def register_toolsets() -> list[Toolset]:
    """Return what this package adds."""
    return [Toolset("@module@", "What @module@ adds.", [count_failed_runs, replace_run_note])]
'''

_CONFTEST = '''\
"""The fixtures of the kit for provider authors."""

pytest_plugins = ["airflow_provider_mcp.testing"]
'''

_TESTS = '''\
"""The tools, tested without a running Airflow."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from @module@ import mcp

from airflow_provider_mcp.testing import Recording, ToolTester, assert_definition, call_tool, open_airflow

RUN = {"dag_id": "sales", "dag_run_id": "r", "state": "success", "note": "old"}


@pytest.mark.parametrize("tool", [mcp.count_failed_runs, mcp.replace_run_note])
def test_definitions(tool: Callable[..., object]) -> None:
    assert_definition(tool)


def test_the_function_alone(airflow_recording: Recording) -> None:
    airflow_recording.reply("GET dags/sales/dagRuns?state=failed", {"dag_runs": [], "total_entries": 4})
    answer = call_tool(mcp.count_failed_runs, open_airflow(airflow_recording), dag_id="sales")
    assert answer.failed == 4


def test_as_a_client_calls_it(tool_tester: Callable[..., ToolTester], airflow_recording: Recording) -> None:
    airflow_recording.reply("GET dags/sales/dagRuns?state=failed", {"dag_runs": [], "total_entries": 4})
    assert tool_tester(mcp).result("count_failed_runs", dag_id="sales") == {"dag_id": "sales", "failed": 4}


def test_a_dag_that_is_not_there(
    tool_tester: Callable[..., ToolTester], airflow_recording: Recording
) -> None:
    airflow_recording.reply("GET dags/absent/dagRuns", {"detail": "The Dag was not found"}, status=404)
    assert tool_tester(mcp).error("count_failed_runs", dag_id="absent")["code"] == "not_found"


def test_the_change(airflow_recording: Recording) -> None:
    airflow_recording.reply("GET dags/sales/dagRuns/r", RUN)
    airflow_recording.reply("PATCH dags/sales/dagRuns/r", {**RUN, "note": "new"})
    change = call_tool(
        mcp.replace_run_note,
        open_airflow(airflow_recording, "write"),
        dag_id="sales",
        dag_run_id="r",
        note="new",
    )
    assert (change.before, change.after) == ("old", "new")


def test_nothing_changes_before_it_is_confirmed(
    tool_tester: Callable[..., ToolTester], airflow_recording: Recording
) -> None:
    airflow_recording.reply("GET dags/sales/dagRuns/r", RUN)
    asked = tool_tester(mcp).call("replace_run_note", dag_id="sales", dag_run_id="r", note="new")
    assert "confirmation" in str(asked.structured_content)
    assert [call.method for call in airflow_recording.calls] == ["GET"]
'''


def build_files(name: str, module: str) -> dict[str, str]:
    """Return the files of a package, by their path."""
    return {
        "pyproject.toml": _PYPROJECT.format(name=name, module=module),
        "README.md": _README.format(name=name, module=module),
        f"{module}/__init__.py": "",
        f"{module}/mcp.py": _TOOLS.replace("@module@", module),
        "tests/conftest.py": _CONFTEST,
        "tests/test_tools.py": _TESTS.replace("@module@", module),
    }


def new_provider(arguments: argparse.Namespace) -> int:
    """Write the package into a new folder."""
    name = arguments.name.strip().lower().replace("_", "-")
    module = name.replace("-", "_")
    if not re.fullmatch(r"[a-z]([a-z0-9-]*[a-z0-9])?", name) or keyword.iskeyword(module):
        raise Misuse("the name must be that of a Python package, for example acme-reliability")
    if name.startswith("apache-airflow") or module in {"airflow", "airflow_provider_mcp", "tests"}:
        raise Misuse(
            "this name is taken, and Airflow rejects packages named apache-airflow* that are not its own; "
            "take one like acme-reliability"
        )
    folder = Path(arguments.directory or ".") / name
    try:
        folder.mkdir(parents=True)
        for path, text in build_files(name, module).items():
            file = folder / path
            file.parent.mkdir(exist_ok=True)
            file.write_text(text, encoding="utf-8")
    except FileExistsError:
        raise Misuse("there is a folder of this name already: take another name, or --directory") from None
    except OSError as failure:
        raise Misuse(f"the package cannot be written: {failure.strerror}") from None
    say(str(folder))
    remark(f"Try it: cd {folder} && pip install -e . pytest && pytest")
    return OK
