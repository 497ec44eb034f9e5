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
"""Airflow 2's webserver under each kind of worker, when many call at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from devtools.airflow_process import AirflowHome
from tests.live.site import LINE, TLS, Site

pytestmark = pytest.mark.skipif(LINE != 2, reason="Airflow 3 serves all requests of a process on one loop")

CALLS = 12
WAITING = "demo_waiting"
KINDS = {"sync": (4, ""), "gthread": (2, "--threads 4"), "gevent": (1, "")}
"""How many workers, and what else gunicorn is told."""


@pytest.fixture(scope="module", params=sorted(KINDS))
def web(home: AirflowHome, request: pytest.FixtureRequest) -> Iterator[tuple[str, Site]]:
    kind = str(request.param)
    workers, more = KINDS[kind]
    options = {"AIRFLOW__WEBSERVER__WORKER_CLASS": kind, "GUNICORN_CMD_ARGS": more}
    home.airflow("dags", "reserialize")
    with Site(home, options=options).serving(workers) as running:
        yield kind, running


@pytest.fixture
def run(web: tuple[str, Site]) -> str:
    """A run that does not end, though there may be a scheduler: it waits for what never comes."""
    site = web[1]
    started = site.call("trigger_dag", dag_id=WAITING, unpause=True)["structuredContent"]
    return str(started["dag_run_id"])


class Health:
    """How long the web process takes to say that it is there, asked again and again."""

    def __init__(self, site: Site) -> None:
        self.seconds: list[float] = []
        self._site = site
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def _ask(self) -> None:
        with httpx.Client(verify=TLS, timeout=60) as client:
            while not self._over.wait(0.2):
                began = time.monotonic()
                assert client.get(f"{self._site.root}/health").status_code == 200
                self.seconds.append(time.monotonic() - began)

    def __enter__(self) -> Health:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    @property
    def usual(self) -> float:
        """The median: this machine has other things to do."""
        return sorted(self.seconds)[len(self.seconds) // 2]


def test_many_calls_at_once(web: tuple[str, Site]) -> None:
    site = web[1]
    with ThreadPoolExecutor(CALLS) as pool:
        answers = list(pool.map(lambda _: site.call("list_dags"), range(CALLS)))
    assert all(answer["structuredContent"]["total"] >= 5 for answer in answers)
    assert "Traceback" not in site.log()


def test_calls_that_wait_leave_workers_for_others(web: tuple[str, Site], run: str) -> None:
    kind, site = web
    seconds = 12

    def wait(_: int) -> tuple[float, dict[str, Any]]:
        began = time.monotonic()
        result = site.call("wait_for_dag_run", dag_id=WAITING, dag_run_id=run, timeout_seconds=seconds)
        return time.monotonic() - began, result["structuredContent"]

    with Health(site) as health, ThreadPoolExecutor(CALLS) as pool:
        answers = list(pool.map(wait, range(CALLS)))
        together = max(took for took, _ in answers)
    assert len(health.seconds) > 10
    waited = [answer for took, answer in answers if took >= seconds]
    refused = [
        answer for answer in (answer for _, answer in answers) if "Too many calls" in answer.get("hint", "")
    ]
    if kind == "gevent":
        # All at once, in one worker.
        assert (len(waited), len(refused)) == (CALLS, 0)
        assert together < 2 * seconds
    else:
        places = {"sync": 2, "gthread": 4}[kind]
        assert len(answers) - len(refused) >= places
        assert refused
        assert all(answer["state"] != "success" and not answer["done"] for answer in refused)
    assert health.usual < 0.5
    assert max(health.seconds) < seconds / 2


@pytest.mark.parametrize("web", ["sync"], indirect=True)
def test_one_worker_is_not_for_waiting(home: AirflowHome, web: tuple[str, Site], run: str) -> None:
    with Site(home).serving() as single:
        began = time.monotonic()
        result = single.call("wait_for_dag_run", dag_id=WAITING, dag_run_id=run, timeout_seconds=40)
        assert time.monotonic() - began < 20
    assert "Too many calls" in result["structuredContent"]["hint"]
