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
"""The supported versions, as they are named in more than one place."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def smoke() -> ModuleType:
    spec = importlib.util.spec_from_file_location("smoke_versions", ROOT / "scripts" / "smoke_versions.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_every_tested_minor_names_its_release(smoke: ModuleType) -> None:
    files = {file.stem.removeprefix("airflow-") for file in (ROOT / "constraints" / "versions").iterdir()}
    assert files == set(smoke.PYTHONS)
    for minor in files:
        assert smoke.Line(minor, "3.10").release.startswith(f"{minor}.")


def test_the_oldest_release_and_the_pythons_are_those_of_the_package(smoke: ModuleType) -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f'"apache-airflow>={smoke.Line("2.7", "3.10").release}"' in text
    assert next(iter(smoke.PYTHONS)) == "2.7"
    pythons = set(re.findall(r"Programming Language :: Python :: (3\.\d+)", text))
    assert pythons == {python for line in smoke.PYTHONS.values() for python in line} | {"3.11"}
    for lines in smoke.ALSO:
        assert lines[1] in pythons


def test_the_pinned_lines_are_tested_in_clean_environments(smoke: ModuleType) -> None:
    for line, minor in (("2", "2.11"), ("3", "3.3")):
        text = (ROOT / "constraints" / f"airflow{line}.txt").read_text(encoding="utf-8")
        assert f"\napache-airflow=={smoke.Line(minor, '3.12').release}\n" in text


def test_ci_tries_every_minor_of_airflow_3_and_the_ends_of_airflow_2(smoke: ModuleType) -> None:
    of_airflow2 = [minor for minor in smoke.PYTHONS if minor.startswith("2.")]
    of_airflow3 = [
        minor
        for minor in smoke.PYTHONS
        if minor.startswith("3.") and not smoke.Line(minor, "3.12").is_prerelease
    ]
    assert (of_airflow2[0], of_airflow2[-1], *of_airflow3) == smoke.SMOKE
    for line in ("2.", "3."):
        tried = [minor for minor in smoke.SMOKE if minor.startswith(line)]
        assert {smoke.Line(minor, "3.11").installed for minor in tried} == {"wheel", "sdist"}


def test_a_prerelease_is_marked_and_stands_first(smoke: ModuleType, tmp_path: Path) -> None:
    smoke.PAGE = tmp_path / "page.rst"
    smoke.write_table([smoke.row_of(smoke.Line("3.4", "3.12"), "passed")])
    rows = smoke.read_table()
    newest = smoke.Line("3.4", "3.12").release
    shown = f"{newest} (pre-release)" if smoke.Line("3.4", "3.12").is_prerelease else newest
    assert rows[0]["Airflow"] == shown
    assert [row["result"] for row in rows if row["Airflow"] == shown and row["Python"] == "3.12"] == [
        "passed"
    ]
    assert rows[-1]["Airflow"] == "2.7.3"


def test_ci_takes_the_python_at_hand_and_says_which_minor_has_none(
    smoke: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    here = {"3.11"}

    def find_python(version: str) -> Path:
        if version not in here:
            raise smoke.Failed(version)
        return Path(version)

    monkeypatch.setattr(smoke, "find_python", find_python)
    assert smoke.smoke_lines("3.11") == [smoke.Line(minor, "3.11") for minor in smoke.SMOKE]
    here |= {"3.12"}
    lines = {line.minor: line.python for line in smoke.smoke_lines("3.12")}
    assert lines == {**dict.fromkeys(smoke.SMOKE, "3.12"), "2.7": "3.11"}
    assert not capsys.readouterr().out

    here.clear()
    here.add("3.13")
    assert [line.minor for line in smoke.smoke_lines("3.13")] == ["3.1", "3.2", "3.3"]
    said = capsys.readouterr().out.splitlines()
    assert [re.findall(r"Airflow (\S+) is NOT TESTED", line) for line in said] == [["2.7"], ["2.11"], ["3.0"]]
