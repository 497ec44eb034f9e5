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
"""Adding a tool is what CONTRIBUTING says and no more: tried in a copy."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

TOOL = '''

@tool(access="read")
async def get_dag_weather(airflow: Airflow, dag_id: DagId) -> PausedState:
    """Get the weather above a Dag."""
    return await _set_paused(airflow, dag_id, True)
'''


def run(copy: Path, *command: str) -> str:
    env = {**os.environ, "PYTHONPATH": str(copy)}
    done = subprocess.run(
        [sys.executable, *command], cwd=copy, env=env, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def test_a_function_its_name_in_the_list_and_make_generate(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    left_out = shutil.ignore_patterns(".*", "__pycache__", "node_modules", "dist", "build", "results")
    shutil.copytree(ROOT, copy, ignore=left_out)
    if (ROOT / ".node").exists():
        (copy / ".node").symlink_to((ROOT / ".node").resolve())
    module = copy / "airflow_provider_mcp" / "tools" / "dags.py"
    text = module.read_text(encoding="utf-8")
    begin = text.index("\n\n@hookimpl")
    text = text[:begin] + TOOL + text[begin:].replace("delete_dag]", "delete_dag, get_dag_weather]")
    module.write_text(text, encoding="utf-8")
    written = run(copy, "scripts/generate_tools_ref.py").split("\n")
    assert sorted(line.removeprefix("wrote ") for line in written if line) == [
        "README.md",
        "docs/tools-ref.rst",
        "tests/contract/snapshots/get_dag_weather.json",
        "tests/contract/tools_of_airflow2.json",
    ]
    tests = ("tests/contract/test_catalogue.py", "tests/contract/test_house.py")
    run(copy, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests, "-k", "get_dag_weather or generated")
