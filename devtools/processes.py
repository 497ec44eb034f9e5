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
"""What the processes of a running Airflow hold."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from devtools.airflow_process import AirflowSite


def web_processes(site: AirflowSite) -> Iterator[Path]:
    """Yield ``/proc/<pid>`` of the web process and its workers."""
    return _in_groups({site.web.pid})


def _in_groups(groups: set[int]) -> Iterator[Path]:
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if os.getpgid(int(process.name)) in groups:
                yield process
        except ProcessLookupError:
            continue


def resident(site: AirflowSite) -> float:
    """Return the memory of the web process and its workers in MiB; what they share counts once."""
    return sum(_field(process, "Pss", "smaps_rollup") for process in web_processes(site)) / 1024


def resident_of_all(site: AirflowSite) -> float:
    """Return the memory of all processes of an Airflow in MiB; what they share counts once."""
    groups = {process.pid for process in site.processes.values()}
    return sum(_field(process, "Pss", "smaps_rollup") for process in _in_groups(groups)) / 1024


def resident_of_worker(site: AirflowSite) -> float:
    """Return the resident memory of the largest process, which is a worker, in MiB."""
    return max(_field(process, "VmRSS") for process in web_processes(site)) / 1024


def threads(site: AirflowSite) -> int:
    """Return how many threads the web process and its workers have."""
    return sum(_field(process, "Threads") for process in web_processes(site))


def open_files(site: AirflowSite) -> int:
    """Return how many file handles the web process and its workers have open."""
    total = 0
    for process in web_processes(site):
        try:
            total += len(os.listdir(process / "fd"))
        except FileNotFoundError:
            # It has ended meanwhile.
            continue
    return total


def _field(process: Path, name: str, file: str = "status") -> int:
    try:
        found = re.search(rf"^{name}:\s+(\d+)", (process / file).read_text(), re.MULTILINE)
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return int(found[1]) if found else 0
