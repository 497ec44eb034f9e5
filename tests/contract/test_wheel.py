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
"""The wheel as an ``airflow`` command reads it after an installation that is not editable, and the sdist."""

from __future__ import annotations

import configparser
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the sdist and, built from it, the wheel."""
    folder = tmp_path_factory.mktemp("dist")
    command = [str(ROOT / ".venv/tools/bin/python"), "-m", "build", "--no-isolation"]
    subprocess.run([*command, "--outdir", str(folder), str(ROOT)], check=True, capture_output=True)
    return folder


@pytest.fixture
def wheel(built: Path) -> zipfile.ZipFile:
    (file,) = built.glob("*.whl")
    return zipfile.ZipFile(file)


def test_the_sdist_holds_all_that_make_needs_and_nothing_made(built: Path) -> None:
    (file,) = built.glob("*.tar.gz")
    with tarfile.open(file) as archive:
        names = {name.split("/", 1)[-1] for name in archive.getnames()}
    wanted = {"Makefile", "LICENSE", "NOTICE", "provider.yaml", "constraints/airflow2.txt", "scripts/demo.py"}
    wanted |= {
        "tests/contract/test_wheel.py",
        "examples/dags/demo_fails.py",
        "docs/conf.py",
        "devtools/ports.py",
    }
    assert wanted <= names
    made = (".venv", ".node", ".clients", ".demo", ".versions", ".git/", "docs/_build", "dist/")
    assert not [name for name in names if name.startswith(made) or "__pycache__" in name]


def test_the_wheel_registers_the_provider_and_the_plugin(wheel: zipfile.ZipFile) -> None:
    (name,) = (n for n in wheel.namelist() if n.endswith(".dist-info/entry_points.txt"))
    entry_points = configparser.ConfigParser(delimiters=("=",))
    entry_points.read_string(wheel.read(name).decode())
    assert dict(entry_points["apache_airflow_provider"]) == {
        "provider_info": "airflow.providers.mcp.get_provider_info:get_provider_info"
    }
    assert dict(entry_points["airflow.plugins"]) == {"mcp": "airflow.providers.mcp.plugin:MCPPlugin"}


def test_the_wheel_holds_the_code_and_leaves_airflow_alone(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    assert {
        "airflow_provider_mcp/sdk/__init__.py",
        "airflow_provider_mcp/hosts/airflow2/rest/routes.py",
    } <= names
    # Templates, styles and scripts of the pages as well.
    package = ROOT / "airflow_provider_mcp"
    there = {str(file.relative_to(ROOT)) for file in package.rglob("*") if file.is_file()}
    assert {name for name in there if not name.endswith(".pyc")} <= names
    assert "airflow/providers/mcp/plugin.py" in names
    # These would replace Airflow's own files.
    assert not names & {"airflow/__init__.py", "airflow/providers/__init__.py"}
    folders = {name.split("/")[0] for name in names}
    assert {f for f in folders if not f.endswith(".dist-info")} == {"airflow", "airflow_provider_mcp"}
    assert any(name.endswith(".dist-info/licenses/NOTICE") for name in names)
