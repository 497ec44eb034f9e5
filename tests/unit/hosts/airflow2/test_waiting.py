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
"""Places to wait in, over processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("flask")
pytest.importorskip("psutil")

from airflow_provider_mcp.hosts.airflow2 import waiting
from airflow_provider_mcp.hosts.airflow2.waiting import count_threads, lock_one, take_place

HOLD = """
import sys, time
from pathlib import Path
from airflow_provider_mcp.hosts.airflow2.waiting import lock_one

with lock_one(Path(sys.argv[1]), 2) as locked:
    print(locked, flush=True)
    time.sleep(60)
"""

PARENT = """
import subprocess, time

children = [subprocess.Popen(["sleep", "60"]) for _ in range(5)]
print("started", flush=True)
time.sleep(60)
"""


def hold(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True)


def test_there_are_so_many_places_over_all_processes_and_a_killed_one_frees_its_own(tmp_path: Path) -> None:
    folder = tmp_path / "places"
    other = hold(folder)
    assert other.stdout is not None
    assert other.stdout.readline().strip() == "True"
    with lock_one(folder, 2) as second:
        assert second
        with lock_one(folder, 2) as third:
            assert not third
    other.kill()
    other.wait(10)
    with lock_one(folder, 2) as first, lock_one(folder, 2) as second:
        assert first
        assert second
    assert folder.stat().st_mode & 0o777 == 0o700


def test_of_one_worker_there_is_none(tmp_path: Path) -> None:
    with lock_one(tmp_path / "places", 0) as locked:
        assert not locked


def test_a_folder_of_someone_else_is_not_used(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    (tmp_path / "places").symlink_to(target)
    with lock_one(tmp_path / "places", 2) as locked:
        assert not locked
    assert list(target.iterdir()) == []


def test_half_of_the_workers_may_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting.tempfile, "gettempdir", lambda: str(tmp_path))
    # A parent of its own: this process may have children by other tests.
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, start_new_session=True)
    assert parent.stdout is not None
    parent.stdout.readline()
    monkeypatch.setattr(os, "getppid", lambda: parent.pid)
    try:
        environ = {"gunicorn.socket": None, "wsgi.multithread": False}
        with take_place(environ) as first, take_place(environ) as second, take_place(environ) as third:
            assert (first, second, third) == (True, True, False)
        # Where threads are greenlets, or each request has a thread, waiting takes nothing from others.
        with take_place({"werkzeug.socket": None}) as free:
            assert free
    finally:
        os.killpg(parent.pid, signal.SIGKILL)
        parent.wait(10)


def test_threads_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("gunicorn")
    count_threads.cache_clear()
    monkeypatch.setenv("GUNICORN_CMD_ARGS", "--worker-class gthread --threads 8")
    assert count_threads() == 8
    count_threads.cache_clear()
    monkeypatch.delenv("GUNICORN_CMD_ARGS")
    assert count_threads() == 1
    count_threads.cache_clear()
