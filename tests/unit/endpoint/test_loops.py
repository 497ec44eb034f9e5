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
"""Event loops for workers without one."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

from airflow_provider_mcp.endpoint.loops import LoopPool, run

GEVENT = """
import asyncio, threading, time
import anyio.to_thread
from airflow_provider_mcp.endpoint.loops import LoopPool, run, step_aside
# As gunicorn does it, after the app is loaded.
from gevent import monkey; monkey.patch_all()

pool, together, most = LoopPool(), 0, 0

async def work():
    global together, most
    with step_aside():
        time.sleep(0.05)
    assert asyncio.get_running_loop() is asyncio.get_event_loop()
    together += 1
    most = max(most, together)
    await asyncio.sleep(0.1)
    await anyio.to_thread.run_sync(time.sleep, 0.1)
    together -= 1
    return threading.get_ident()

answers = []

def serve():
    loop = pool.take()
    answers.append(run(loop, work()))
    pool.give_back(loop)

threads = [threading.Thread(target=serve) for _ in range(12)]
began = time.monotonic()
for thread in threads: thread.start()
for thread in threads: thread.join()
assert len(answers) == 12, answers
assert most == 12, most
assert time.monotonic() - began < 3
"""


def test_a_loop_that_was_given_back_is_used_again() -> None:
    pool = LoopPool()
    loop = pool.take()
    assert pool.take() is not loop
    pool.give_back(loop)
    assert pool.take() is loop
    assert run(loop, asyncio.sleep(0, "done")) == "done"


CLOSED = """
from gevent import monkey; monkey.patch_all()
import socket
from airflow_provider_mcp.endpoint.wsgi import is_gone

ours, theirs = socket.socketpair()
assert not is_gone({"gunicorn.socket": ours})
theirs.close()
assert is_gone({"gunicorn.socket": ours})
"""


@pytest.mark.parametrize("program", [GEVENT, CLOSED], ids=["requests", "closed connections"])
def test_greenlets_of_one_thread_share_it(program: str) -> None:
    pytest.importorskip("gevent")
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
