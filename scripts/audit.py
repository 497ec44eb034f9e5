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
"""Say what is known to be wrong with the pinned packages.

Three checks of each environment: what is installed is what is pinned; the packages agree with each other
(``pip check``); and no advisory is known for them (``pip-audit``). The last needs the network: where the
database of advisories cannot be reached it says so, and fails only if AUDIT=required is set.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENTS = {name: ROOT / ".venv" / name for name in ("airflow3", "airflow2", "tools")}
OWN = {"apache-airflow-providers-mcp", "acme-reliability"}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def installed(environment: Path) -> dict[str, str]:
    (folder,) = environment.glob("lib/python*/site-packages")
    return {normal(found.name): found.version for found in distributions(path=[str(folder)])}


def pinned(environment: Path) -> dict[str, set[str]]:
    """Return the versions that the constraints allow: one for each kind of Python."""
    pins: dict[str, set[str]] = {}
    for file in (f"{environment.name}.txt", "tools.txt"):
        for line in (ROOT / "constraints" / file).read_text(encoding="utf-8").splitlines():
            name, _, version = line.partition("#")[0].partition(";")[0].strip().partition("==")
            if version:
                pins.setdefault(normal(name), set()).add(version.strip())
    return pins


def drift(environment: Path) -> list[str]:
    """Return what is installed in another version than is pinned."""
    pins = pinned(environment)
    return [
        f"{name} is {version}, pinned is {' or '.join(sorted(pins[name]))}"
        for name, version in sorted(installed(environment).items())
        if name in pins and version not in pins[name]
    ]


def disagreements(environment: Path) -> list[str]:
    python = environment / "bin" / "python"
    done = subprocess.run([python, "-m", "pip", "check"], capture_output=True, text=True, check=False)
    return done.stdout.strip().splitlines() if done.returncode else []


def ask(requirements: list[str]) -> tuple[list[dict[str, Any]], str]:
    """Return what pip-audit answers for pinned requirements, and why it could not answer."""
    file = ROOT / ".venv" / "audit" / "requirements.txt"
    file.write_text("\n".join(requirements) + "\n", encoding="utf-8")
    command = [
        ROOT / ".venv" / "audit" / "bin" / "pip-audit",
        "--format",
        "json",
        "--progress-spinner",
        "off",
    ]
    command += ["--disable-pip", "--no-deps", "--requirement", file]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        answer: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        return [], done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "no answer"
    skipped = [found["skip_reason"] for found in answer if "skip_reason" in found]
    return answer, skipped[0] if skipped else ""


def advisories(environment: Path) -> tuple[list[str], str]:
    """Return the known weaknesses, and why (some) packages could not be looked up."""
    known = {name: version for name, version in installed(environment).items() if name not in OWN}
    # One package first: where the database is out of reach, the others need not be asked for.
    _, unreachable = ask([f"pluggy=={known['pluggy']}"] if "pluggy" in known else [f"pip=={known['pip']}"])
    if unreachable:
        return [], unreachable
    answer, unanswered = ask([f"{name}=={version}" for name, version in sorted(known.items())])
    found = [
        f"{package['name']} {package['version']}: {weakness['id']}, mended in "
        f"{', '.join(weakness['fix_versions']) or 'no release yet'}"
        for package in answer
        for weakness in package.get("vulns", [])
    ]
    return found, unanswered


def main() -> int:
    faults = False
    for name, environment in ENVIRONMENTS.items():
        if not environment.exists():
            print(f"{name}: not installed, not audited")
            continue
        weaknesses, unanswered = advisories(environment)
        for fault in [*drift(environment), *disagreements(environment), *weaknesses]:
            faults = True
            print(f"{name}: {fault}")
        if unanswered:
            print(f"{name}: NOT AUDITED for known weaknesses: {unanswered}")
            faults = faults or os.environ.get("AUDIT") == "required"
        else:
            print(f"{name}: {len(weaknesses)} known weaknesses in {len(installed(environment))} packages")
    return int(faults)


if __name__ == "__main__":
    sys.exit(main())
