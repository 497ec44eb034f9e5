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
"""The program: run the unit tests against each mutant, and compare what survives with the list of what may.

It is our own: mutmut and cosmic-ray have no mutant that is a line less, which is how a refusal is lost, and
most of theirs change words of messages that no test should pin.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from pathlib import Path

from devtools.mutants.mutations import Mutant, find_mutants
from devtools.mutants.running import TestsFail, find_survivors

ROOT = Path(__file__).resolve().parents[2]

ACCEPTED = ROOT / "tests" / "surviving_mutants.txt"
"""What may survive: a line with the mutant, and one with the reason below it."""

PACKAGE = "airflow_provider_mcp"

SERVER, SDK, ENDPOINT = "tests/unit/server", "tests/unit/sdk", "tests/unit/endpoint"

TARGETS: dict[str, tuple[str, ...]] = {
    "server/policy.py": (f"{SERVER}/test_policy.py",),
    "server/policy_source.py": (f"{SERVER}/test_policy_source.py",),
    "server/signing.py": (f"{SERVER}/test_signing.py", f"{SERVER}/test_confirmation.py"),
    "server/rates.py": (f"{SERVER}/test_rates.py",),
    "server/confirmation.py": (f"{SERVER}/test_confirmation.py", "tests/unit/web/test_confirm.py"),
    "server/acting.py": (f"{SERVER}/test_acting.py", f"{SERVER}/test_confirmation.py"),
    "server/claims.py": (f"{SERVER}/test_claims.py", f"{SERVER}/test_confirmation.py"),
    "server/approval.py": (f"{SERVER}/test_approval.py", "tests/unit/web/test_confirm.py"),
    "server/vetoes.py": (f"{SERVER}/test_vetoes.py",),
    "server/request.py": (f"{SERVER}/test_request.py", f"{SERVER}/test_rates.py"),
    "server/calls.py": (
        f"{SERVER}/test_calls.py",
        f"{SERVER}/test_confirmation.py",
        f"{ENDPOINT}/test_exchange.py",
    ),
    "endpoint/door.py": (f"{ENDPOINT}/test_door.py", f"{ENDPOINT}/test_serve.py"),
    "endpoint/serve.py": (f"{ENDPOINT}/test_serve.py",),
    "sdk/guards.py": (f"{SDK}/test_guards.py", f"{SDK}/test_airflow.py", f"{SDK}/test_unsendable.py"),
    "sdk/masking.py": (f"{SDK}/test_masking_without_airflow.py", f"{SDK}/test_masking.py"),
    "sdk/secret_forms.py": (f"{SDK}/test_secret_forms.py",),
}
"""Each module that refuses or hides, and the tests that hold it to that, the fastest first."""

HEAVY = (
    "pytest",
    "hypothesis",
    "mcp.server.lowlevel",
    "mcp.client.session",
    "httpx",
    "anyio",
    "pydantic",
    "jwt",
)
"""What every run imports, and no mutant changes."""


def identify(module: str, mutant: Mutant) -> str:
    """Return the name of a mutant, which lines added above it do not change."""
    return f"{module} {mutant.place}: {mutant.what}"


def read_accepted() -> dict[str, str]:
    """Return the mutants that may survive, with the reasons."""
    lines = [line for line in ACCEPTED.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    accepted: dict[str, str] = {}
    waiting: list[str] = []
    for line in filter(None, lines):
        if line.startswith("    "):
            accepted |= dict.fromkeys(waiting, line.strip())
            waiting = []
        else:
            waiting.append(line)
    if waiting:
        raise SystemExit(f"{ACCEPTED.name}: {waiting[0]} has no reason below it")
    return accepted


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m devtools.mutants", description=__doc__)
    parser.add_argument("modules", nargs="*", help="such as server/policy.py; all if none is named")
    parser.add_argument("--count", action="store_true", help="say how many there are, and run nothing")
    arguments = parser.parse_args()
    chosen = {module: TARGETS[module] for module in arguments.modules or TARGETS}
    if arguments.count:
        for module in chosen:
            print(module, sum(1 for _ in find_mutants((ROOT / PACKAGE / module).read_text())))  # noqa: T201
        return 0
    for name in HEAVY:
        importlib.import_module(name)
    accepted = read_accepted()
    unexpected = 0
    alive: set[str] = set()
    for module, named in chosen.items():
        path = ROOT / PACKAGE / module
        began = time.monotonic()
        try:
            found, count = find_survivors(
                ".".join([PACKAGE, *Path(module).with_suffix("").parts]), path, named
            )
        except TestsFail:
            raise SystemExit(f"{module}: its tests fail without any change: {' '.join(named)}") from None
        for mutant in found:
            name = identify(module, mutant)
            alive.add(name)
            if name not in accepted:
                unexpected += 1
                print(f"SURVIVED {name}\n    {PACKAGE}/{module}:{mutant.line}", flush=True)  # noqa: T201
        took = time.monotonic() - began
        print(f"{module}: {len(found)} of {count} survive, {took:.0f} s", flush=True)  # noqa: T201
    stale = [name for name in accepted if name not in alive and name.split(" ", 1)[0] in chosen]
    for name in stale:
        print(f"no longer survives, and may leave {ACCEPTED.name}: {name}")  # noqa: T201
    print(f"{unexpected} unexpected survivors, {len(alive) - unexpected} with a reason")  # noqa: T201
    return 1 if unexpected or stale else 0


if __name__ == "__main__":
    sys.exit(main())
