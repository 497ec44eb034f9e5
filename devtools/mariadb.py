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
"""A MariaDB of its own, which any user may run: Debian's mariadb-server-core and mariadb-client-core."""

from __future__ import annotations

import getpass
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

NEEDED = ("mariadbd", "mariadb-install-db", "mariadb")
START_SECONDS = 60


def _find(program: str) -> str:
    found = shutil.which(program, path="/usr/bin:/usr/sbin:/bin:/sbin")
    if found is None:
        raise FileNotFoundError("install Debian's packages mariadb-server-core and mariadb-client-core")
    return found


@dataclass(frozen=True)
class MariaDB:
    """A running server, reached by its socket alone."""

    socket: Path

    def execute(self, script: str) -> list[list[str]]:
        """Run SQL; return the rows that it prints."""
        command = [_find("mariadb"), "--no-defaults", f"--socket={self.socket}", "-N", "-B"]
        command += ["--default-character-set=utf8mb4", f"--user={getpass.getuser()}"]
        done = subprocess.run(command, input=script, text=True, check=True, stdout=subprocess.PIPE)
        return [line.split("\t") for line in done.stdout.splitlines()]


@contextmanager
def mariadb(folder: Path) -> Iterator[MariaDB]:
    """Run MariaDB with nothing in it."""
    data, socket = folder / "data", folder / "socket"
    user = getpass.getuser()
    made = [_find("mariadb-install-db"), "--no-defaults", f"--datadir={data}", f"--user={user}"]
    subprocess.run([*made, "--skip-test-db"], check=True, stdout=subprocess.DEVNULL)
    command = [
        _find("mariadbd"),
        "--no-defaults",
        f"--datadir={data}",
        f"--socket={socket}",
        f"--user={user}",
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--skip-networking", f"--pid-file={folder}/pid"], stdout=log, stderr=log
        )
    server = MariaDB(socket)
    try:
        end = time.monotonic() + START_SECONDS
        while not socket.exists():
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError((folder / "log").read_text(encoding="utf-8", errors="replace"))
            time.sleep(0.1)
        yield server
    finally:
        process.terminate()
        process.wait(START_SECONDS)
