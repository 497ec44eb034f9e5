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
"""What clients open: they hand an address to the system's browser, which is a script here."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from devtools.airflow_process import ROOT

NODE = ROOT / ".node" / "node_modules" / ".bin"
CLIENTS = ROOT / ".clients" / "node_modules" / ".bin"
PATIENCE = 180


@dataclass
class Desktop:
    """A person's computer: a home, and the program that opens addresses.

    :param folder: The home.
    """

    folder: Path
    opened: Path = field(init=False)

    def __post_init__(self) -> None:
        self.opened = self.folder / "opened"
        programs = self.folder / "bin"
        programs.mkdir(parents=True, exist_ok=True)
        for name in ("xdg-open", "open"):
            program = programs / name
            program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$1" >> "{self.opened}"\n', encoding="utf-8")
            program.chmod(0o755)

    @property
    def environment(self) -> dict[str, str]:
        programs = self.folder / "bin"
        return {
            "HOME": str(self.folder),
            "PATH": os.pathsep.join([str(programs), str(CLIENTS), str(NODE), os.environ["PATH"]]),
            "BROWSER": str(programs / "xdg-open"),
            "LANG": "C.UTF-8",
            "NO_PROXY": "127.0.0.1,localhost",
        }

    def start(self, command: Sequence[str], **variables: str) -> Running:
        """Start a program of this person."""
        return Running(self, command, variables)


class Running:
    """A program that runs."""

    def __init__(self, desktop: Desktop, command: Sequence[str], variables: Mapping[str, str]) -> None:
        self._desktop = desktop
        self._seen = len(self._addresses())
        self._errors = (desktop.folder / f"{Path(command[0]).name}.err").open("w+")
        self.process = subprocess.Popen(
            command,
            env=desktop.environment | variables,
            cwd=desktop.folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )

    def _addresses(self) -> list[str]:
        with suppress(FileNotFoundError):
            return self._desktop.opened.read_text(encoding="utf-8").splitlines()
        return []

    def wait_for_address(self) -> str:
        """Return the next address that it opens."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            found = self._addresses()
            if len(found) > self._seen:
                self._seen += 1
                return found[self._seen - 1]
            assert self.process.poll() is None, self.explain()
            time.sleep(0.2)
        raise AssertionError(f"nothing was opened: {self.explain()}")

    def finish(self, text: str | None = None) -> str:
        """Return what it has printed when it ends."""
        output, _ = self.process.communicate(text, timeout=PATIENCE)
        assert self.process.returncode == 0, f"{output}\n{self.explain()}"
        return output

    def explain(self) -> str:
        self._errors.seek(0)
        return self._errors.read()[-4000:]

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(20)
