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
"""Ports that are held."""

from __future__ import annotations

import socket
import subprocess
import sys

from devtools.airflow_process import ROOT
from devtools.ports import PORTS, hold_port

OTHER = "import sys; from devtools.ports import hold_port; print(hold_port(int(sys.argv[1])))"


def test_two_processes_never_take_the_same() -> None:
    mine = hold_port()
    assert mine in PORTS
    done = subprocess.run(
        [sys.executable, "-c", OTHER, str(mine)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert mine < int(done.stdout) < mine + 100
    assert hold_port(mine) != mine


def test_a_port_that_is_served_is_not_taken() -> None:
    free = hold_port()
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", free + 1))
        server.listen()
        assert hold_port(free + 1) > free + 1


def test_a_port_of_a_process_that_has_ended_is_free_again() -> None:
    first = hold_port()

    def other() -> int:
        done = subprocess.run(
            [sys.executable, "-c", OTHER, str(first)], cwd=ROOT, capture_output=True, text=True, check=True
        )
        return int(done.stdout)

    assert other() == other()
