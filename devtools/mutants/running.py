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
"""Run tests against mutants, each in a fork of a process that has run them before.

A change within functions is put into those that are there; for any other, the module is run again in its
place, if its tests pass with it itself run again. What seems to survive is tried once more in a process that
imports the module anew.
"""

from __future__ import annotations

import ast
import gc
import importlib.abc
import importlib.machinery
import importlib.util
import inspect
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import TYPE_CHECKING

from devtools.mutants.mutations import Mutant, find_mutants

if TYPE_CHECKING:
    import pytest

FACTOR, LEAST_SECONDS = 8, 30
"""A mutant that takes so many times as long as the module itself goes round in circles."""

BASELINE_SECONDS = 600

NOT_IN_PLACE = 99
"""The exit code of a fork in which the change cannot be put into the functions that are there."""


class TestsFail(Exception):  # noqa: N818
    """The tests fail without any change."""


def find_survivors(name: str, path: Path, tests: Sequence[str]) -> tuple[list[Mutant], int]:
    """Return the mutants of a module that all tests pass with, and how many there are in all.

    :param name: The module's name for an import.
    :raises TestsFail: So do they without a change.
    """
    source = path.read_text(encoding="utf-8")
    mutants = list(find_mutants(source))
    original = compile(ast.parse(source), str(path), "exec")
    usual, killed = _try_in_place(name, path, mutants, original, tests)
    survivors = []
    for number, mutant in enumerate(mutants):
        if number not in killed:
            code = compile(mutant.tree, str(path), "exec")
            seconds = max(LEAST_SECONDS, FACTOR * usual)
            if _fork(lambda code=code: _import_and_run(name, path, code, tests), seconds) == 0:  # type: ignore[misc]
                survivors.append(mutant)
    return survivors, len(mutants)


def _try_in_place(
    name: str, path: Path, mutants: Sequence[Mutant], original: CodeType, tests: Sequence[str]
) -> tuple[float, set[int]]:
    """Try mutants in a process that has run the tests; return how long they take, and who was killed."""
    reading, writing = os.pipe()

    def try_all(run_tests: Callable[[], int]) -> None:
        began = time.monotonic()
        if run_tests() != 0:
            return
        usual = time.monotonic() - began
        seconds = max(LEAST_SECONDS, FACTOR * usual)
        functions = _find_functions(path)
        before = dict(_list_functions(original))
        may_run_again = _fork(lambda: _run_again(name, original, run_tests), seconds) == 0
        killed = []
        gc.freeze()
        for number, mutant in enumerate(mutants):
            code = compile(mutant.tree, str(path), "exec")

            def run(mutant: Mutant = mutant, code: CodeType = code) -> int:
                if not _keeps_the_rest(original, mutant, path):
                    return _run_again(name, code, run_tests) if may_run_again else NOT_IN_PLACE
                if not _replace(functions, before, dict(_list_functions(code))):
                    return NOT_IN_PLACE
                return run_tests()

            if _fork(run, seconds) not in {0, NOT_IN_PLACE}:
                killed.append(number)
        with os.fdopen(writing, "w") as pipe:
            json.dump([usual, killed], pipe)

    def work() -> int:
        os.close(reading)
        return _run_pytest(tests, _Loop(try_all))

    child = _start(work)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    if not answer:
        raise TestsFail
    usual, killed = json.loads(answer)
    return usual, set(killed)


# ---- processes ---------------------------------------------------------------------------------------


def _start(work: Callable[[], int]) -> int:
    """Do some work in a fork that says nothing; return its process ID."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        os.setpgid(0, 0)
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        code = work()
    except BaseException:
        # A mutant may raise anything where it is imported.
        code = 1
    finally:
        os._exit(code)


def _fork(work: Callable[[], int], seconds: float) -> int:
    """Do some work in a fork; return its exit code. One that takes too long is ended, and has failed."""
    child = _start(work)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return 1


def _run_pytest(tests: Sequence[str], *plugins: object) -> int:
    import pytest

    options = ["-x", "-q", "-p", "no:cacheprovider", "--no-header", "--tb=no"]
    return int(pytest.main([*options, *tests], plugins=plugins))


class _Loop:
    """A plugin of pytest that collects tests once, and hands on what runs them any number of times."""

    def __init__(self, use: Callable[[Callable[[], int]], None]) -> None:
        self._use = use

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        def run_tests() -> int:
            for item, following in zip(session.items, [*session.items[1:], None], strict=True):
                session.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
                if session.testsfailed:
                    return 1
            return 0

        if not session.testsfailed:
            self._use(run_tests)
        return True


# ---- a mutant in the functions that are there --------------------------------------------------------


def _list_functions(code: CodeType) -> Iterator[tuple[tuple[str, int], CodeType]]:
    """Yield the code of each function at any depth, by its name and line."""
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            if constant.co_flags & inspect.CO_OPTIMIZED:
                yield (constant.co_name, constant.co_firstlineno), constant
            yield from _list_functions(constant)


def _describe_rest(code: CodeType) -> list[object]:
    """Return what a module and its classes do themselves, without their functions."""
    kept: list[object] = [code.co_code, code.co_names]
    for constant in code.co_consts:
        if not isinstance(constant, CodeType):
            # With its type: True equals 1.
            kept.append((type(constant), repr(constant)))
        elif not constant.co_flags & inspect.CO_OPTIMIZED:
            kept.append(_describe_rest(constant))
    return kept


def _keeps_the_rest(original: CodeType, mutant: Mutant, path: Path) -> bool:
    """Say whether a mutant is other than its module within functions alone."""
    changed = compile(mutant.tree, str(path), "exec")
    names = [key for key, _ in _list_functions(changed)]
    return len(names) == len(set(names)) and _describe_rest(original) == _describe_rest(changed)


def _find_functions(path: Path) -> list[FunctionType]:
    """Return all functions that a module's source has made in this process."""
    return [
        each
        for each in gc.get_objects()
        if isinstance(each, FunctionType) and each.__code__.co_filename == str(path)
    ]


def _replace(
    functions: Sequence[FunctionType],
    before: dict[tuple[str, int], CodeType],
    after: dict[tuple[str, int], CodeType],
) -> bool:
    """Give functions the code of a mutant; say whether all that is other could be given."""
    changed = {key for key, code in after.items() if before.get(key) != code}
    given = set()
    for function in functions:
        key = function.__code__.co_name, function.__code__.co_firstlineno
        if key in changed:
            try:
                function.__code__ = after[key]
            except ValueError:
                return False
            given.add(key)
    return bool(given)


# ---- a mutant that is run again in its module's place ------------------------------------------------


def _run_again(name: str, code: CodeType, run_tests: Callable[[], int]) -> int:
    """Run a module's code in its place, give what it makes to those that have imported it, and run tests."""
    module = sys.modules[name]
    before = dict(vars(module))
    exec(code, vars(module))  # noqa: S102
    made = {key: (old, vars(module)[key]) for key, old in before.items() if vars(module).get(key) is not old}
    for other in [each for each in sys.modules.values() if isinstance(each, ModuleType)]:
        if other.__name__.partition(".")[0] in {name.partition(".")[0], "tests"}:
            for key, (old, new) in made.items():
                if vars(other).get(key) is old:
                    setattr(other, key, new)
    return run_tests()


# ---- a mutant that is imported anew ------------------------------------------------------------------


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
        loader = _Loader(fullname, self._path, self._code)
        return importlib.util.spec_from_file_location(fullname, self._path, loader=loader)


class _Loader(importlib.machinery.SourceFileLoader):
    def __init__(self, fullname: str, path: str, code: CodeType) -> None:
        super().__init__(fullname, path)
        self._code = code

    def get_code(self, _fullname: str) -> CodeType:
        return self._code


def _import_and_run(name: str, path: Path, code: CodeType, tests: Sequence[str]) -> int:
    sys.meta_path.insert(0, _Finder(name, path, code))
    return _run_pytest(tests)
