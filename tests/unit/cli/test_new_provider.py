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
"""``airflow-mcp new-provider``: the package that it writes passes its own tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_provider_mcp.cli.arguments import MISUSED, OK
from airflow_provider_mcp.cli.commands import main

try:
    import tomllib
except ImportError:
    # Python 3.10: pytest brings it.
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[3]


def test_the_package_passes_its_own_tests(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new-provider", "Acme_Notes", "--directory", str(tmp_path)]) == OK
    folder = tmp_path / "acme-notes"
    assert capsys.readouterr().out.strip() == str(folder)
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert project["name"] == "acme-notes"
    assert project["entry-points"]["airflow_provider_mcp"] == {"acme_notes": "acme_notes.mcp"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{folder}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "7 passed" in done.stdout


def test_nothing_is_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "acme").mkdir()
    assert main(["new-provider", "acme", "--directory", str(tmp_path)]) == MISUSED
    assert "a folder of this name already" in capsys.readouterr().err
    assert list((tmp_path / "acme").iterdir()) == []
