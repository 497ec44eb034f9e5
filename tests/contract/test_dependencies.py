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
"""What the package imports is what it declares."""

from __future__ import annotations

import ast
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

try:
    import tomllib
except ImportError:
    # Python 3.10: pytest brings it.
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]

OF_AIRFLOW = {
    "airflow",
    "connexion",
    "fastapi",
    "flask",
    "flask_appbuilder",
    "flask_login",
    "gunicorn",
    "psutil",
    "sqlalchemy",
    "werkzeug",
    "wtforms",
}
"""What Airflow's own web process is made of: it is imported there alone, in the version that Airflow has."""


def normalize(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declared() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return {normalize(re.split(r"[<>=!~\[ ]", line)[0]) for line in project["dependencies"]}


def imported() -> dict[str, str]:
    """Return the top-level packages that are imported, with one of the files that do."""
    found: dict[str, str] = {}
    for file in sorted((ROOT / "airflow_provider_mcp").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            else:
                continue
            for name in names:
                found.setdefault(name.partition(".")[0], str(file.relative_to(ROOT)))
    return found


def test_all_that_is_imported_is_declared() -> None:
    distributions = packages_distributions()
    undeclared = {}
    for package, file in imported().items():
        if package in sys.stdlib_module_names or package in OF_AIRFLOW or package == "airflow_provider_mcp":
            continue
        if package == "_typeshed":
            # There for type checkers alone.
            continue
        if package == "pytest":
            # The testing kit, which pytest loads.
            assert file == "airflow_provider_mcp/testing/__init__.py"
            continue
        names = {normalize(name) for name in distributions.get(package, ())}
        if not names & declared():
            undeclared[package] = file
    assert undeclared == {}


def test_every_version_is_pinned() -> None:
    files = sorted((ROOT / "constraints").rglob("*.txt"))
    assert len(files) > 10
    for file in files:
        for line in file.read_text().splitlines():
            requirement = line.partition("#")[0].strip()
            assert not requirement or re.fullmatch(r"[@:/\w.\[\]-]+==[\w.!+-]+( *;.*)?", requirement), (
                f"{file.name}: {line}"
            )
