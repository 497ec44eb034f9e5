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

A mutant runs in a fork of a process that has imported what does not change, so that most take a second.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import CodeType, ModuleType

from devtools.mutants.mutations import Mutant, find_mutants

ROOT = Path(__file__).resolve().parents[2]

ACCEPTED = ROOT / "tests" / "surviving_mutants.txt"
"""What may survive: a line with the mutant, and one with the reason below it."""

PACKAGE = "airflow_provider_mcp"

SERVER, SDK, ENDPOINT = "tests/unit/server", "tests/unit/sdk", "tests/unit/endpoint"

TARGETS: dict[str, tuple[str, ...]] = {
    "server/policy.py": (f"{SERVER}/test_policy.py", f"{SERVER}/test_confirmation.py"),
    "server/policy_source.py": (f"{SERVER}/test_policy_source.py",),
    "server/signing.py": (f"{SERVER}/test_signing.py", f"{SERVER}/test_confirmation.py"),
    "server/rates.py": (f"{SERVER}/test_rates.py",),
    "server/confirmation.py": (f"{SERVER}/test_confirmation.py", "tests/unit/web/test_confirm.py"),
    "server/acting.py": (f"{SERVER}/test_confirmation.py",),
    "server/claims.py": (f"{SERVER}/test_confirmation.py", f"{SERVER}/test_claims.py"),
    "server/approval.py": ("tests/unit/web/test_confirm.py",),
    "server/vetoes.py": (f"{SERVER}/test_vetoes.py",),
    "server/request.py": (
        f"{SERVER}/test_caller_tools.py",
        f"{SERVER}/test_confirmation.py",
        f"{SERVER}/test_vetoes.py",
    ),
    "server/calls.py": (
        f"{SERVER}/test_confirmation.py",
        f"{SERVER}/test_rates.py",
        f"{SERVER}/test_running.py",
    ),
    "endpoint/door.py": (f"{ENDPOINT}/test_serve.py", f"{ENDPOINT}/test_exchange.py"),
    "endpoint/serve.py": (f"{ENDPOINT}/test_serve.py", f"{ENDPOINT}/test_exchange.py"),
    "sdk/guards.py": (f"{SDK}/test_airflow.py", f"{SDK}/test_unsendable.py"),
    "sdk/masking.py": (f"{SDK}/test_masking.py", f"{SDK}/test_masking_without_airflow.py"),
    "sdk/secret_forms.py": (f"{SDK}/test_secret_forms.py",),
}
"""Each module that refuses or hides, and the tests that hold it to that, the fastest first."""

FACTOR, LEAST_SECONDS = 5, 20
"""A mutant that takes so many times as long as the module itself goes round in circles."""

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


class _Finder(importlib.abc.MetaPathFinder):
    """Finds one module as its mutant."""

    def __init__(self, name: str, path: Path, code: CodeType) -> None:
        self._name = name
        self._path = str(path)
        self._code = code

    def find_spec(
        self, fullname: str, _path: Sequence[str] | None, _target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._name:
            return None
        return importlib.util.spec_from_file_location(
            fullname, self._path, loader=_Loader(fullname, self._path, self._code)
        )


class _Loader(importlib.machinery.SourceFileLoader):
    def __init__(self, fullname: str, path: str, code: CodeType) -> None:
        super().__init__(fullname, path)
        self._code = code

    def get_code(self, _fullname: str) -> CodeType:
        return self._code


def run_tests(module: str, tree: ast.Module | None, tests: Sequence[str], seconds: float) -> int:
    """Run tests in a fork of this process, with a module's mutant; return pytest's exit code.

    A run that takes too long is ended, which counts as a test that failed.
    """
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        _run_in_child(module, tree, tests)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return 1


def _run_in_child(module: str, tree: ast.Module | None, tests: Sequence[str]) -> None:
    code = 3
    try:
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        path = ROOT / PACKAGE / module
        name = ".".join([PACKAGE, *Path(module).with_suffix("").parts])
        if tree is not None:
            sys.meta_path.insert(0, _Finder(name, path, compile(tree, str(path), "exec")))
        import pytest

        code = int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", "--no-header", *tests]))
    except BaseException:
        # A mutant may raise anything where it is imported.
        code = 1
    finally:
        os._exit(code)


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


def survivors(module: str, tests: Sequence[str]) -> Iterator[tuple[str, int]]:
    """Yield each mutant of a module that all tests pass with, with its line."""
    tests = [test for test in tests if (ROOT / test).exists()]
    began = time.monotonic()
    if run_tests(module, None, tests, 600) != 0:
        raise SystemExit(f"{module}: its tests fail without any change: {' '.join(tests)}")
    usual = time.monotonic() - began
    count = 0
    for mutant in find_mutants((ROOT / PACKAGE / module).read_text(encoding="utf-8")):
        count += 1
        if run_tests(module, mutant.tree, tests, max(LEAST_SECONDS, FACTOR * usual)) == 0:
            yield identify(module, mutant), mutant.line
    took = time.monotonic() - began
    print(f"{module}: {count} mutants, {usual:.1f} s without any, {took:.0f} s", flush=True)  # noqa: T201


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
    for module, tests in chosen.items():
        for name, line in survivors(module, tests):
            alive.add(name)
            if name not in accepted:
                unexpected += 1
                print(f"SURVIVED {name}\n    {PACKAGE}/{module}:{line}", flush=True)  # noqa: T201
    stale = [name for name in accepted if name not in alive and name.split(" ", 1)[0] in chosen]
    for name in stale:
        print(f"no longer survives, and may leave {ACCEPTED.name}: {name}")  # noqa: T201
    print(f"{unexpected} unexpected survivors, {len(alive) - unexpected} with a reason")  # noqa: T201
    return 1 if unexpected or stale else 0


if __name__ == "__main__":
    sys.exit(main())
