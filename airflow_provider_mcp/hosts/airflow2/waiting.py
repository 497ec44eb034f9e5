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
"""Airflow 2: how many calls may wait at once, so that its webserver goes on serving everyone.

A worker of gunicorn serves as many requests at once as it has threads, one as a rule. The workers are
processes: a call that waits holds a locked file, which the operating system unlocks when a worker is killed.
"""

from __future__ import annotations

import fcntl
import functools
import logging
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from airflow_provider_mcp.endpoint.loops import shares_threads
from airflow_provider_mcp.endpoint.wsgi import Environ

log = logging.getLogger(__name__)


@contextmanager
def take_place(environ: Environ) -> Iterator[bool]:
    """Hold a place to wait in; without one, yield False."""
    if "gunicorn.socket" not in environ or shares_threads():
        # Werkzeug's server has a thread for each request, gevent a greenlet.
        yield True
        return
    master = os.getppid()
    threads = count_threads() if environ.get("wsgi.multithread") else 1
    places = len(psutil.Process(master).children()) * threads // 2
    with lock_one(Path(tempfile.gettempdir()) / f"airflow-mcp-{os.getuid()}-{master}", places) as locked:
        yield locked


@functools.cache
def count_threads() -> int:
    """Return how many threads each worker has: Airflow leaves that to gunicorn's own environment variable."""
    from gunicorn.config import Config  # type: ignore[import-untyped]

    config = Config()
    threads = config.parser().parse_args(config.get_cmd_args_from_env()).threads
    return int(threads or config.threads)


@contextmanager
def lock_one(folder: Path, places: int) -> Iterator[bool]:
    """Hold the lock of one of so many files in a folder of ours; yield False if all are taken."""
    file: int | None = None
    try:
        file = _find_unlocked(folder, places)
        yield file is not None
    finally:
        if file is not None:
            os.close(file)


def _find_unlocked(folder: Path, places: int) -> int | None:
    """Return an open file that was locked here; None if there is none left."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
            raise PermissionError(f"{folder} is not a folder of this user")
        for number in range(places):
            file = os.open(folder / f"{number}.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(file)
                continue
            return file
    except OSError as failure:
        log.warning("MCP: no call can wait, for its place cannot be locked: %s", failure)
    return None
