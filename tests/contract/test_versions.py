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
