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
from __future__ import annotations

import threading
import time
from typing import Any

import anyio
import pytest

pytest.importorskip("airflow.www.app")

from airflow import settings
from sqlalchemy.exc import OperationalError

from airflow_provider_mcp.endpoint.door import AuthenticationUnavailable, Unauthenticated
from airflow_provider_mcp.hosts.airflow2.serving import authenticate_in_time


def run(authenticate: Any, seconds: float = 10) -> Any:
    async def wait() -> Any:
        with anyio.fail_after(seconds):
            return await authenticate_in_time(authenticate)

    return anyio.run(wait)


def test_a_directory_that_hangs_does_not_hold_the_request() -> None:
    answered = threading.Event()
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        run(lambda: answered.wait(20), 0.2)
    assert time.monotonic() - began < 5
    answered.set()


def test_a_database_that_does_not_answer_is_told() -> None:
    def fail() -> Any:
        raise OperationalError("select", {}, Exception("locked"))

    with pytest.raises(AuthenticationUnavailable):
        run(fail)


def test_a_refusal_is_a_refusal() -> None:
    def refuse() -> Any:
        raise Unauthenticated("no")

    with pytest.raises(Unauthenticated):
        run(refuse)


def test_the_session_of_its_thread_is_given_back_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    removed: list[int] = []

    class Session:
        @staticmethod
        def remove() -> None:
            removed.append(threading.get_ident())

    monkeypatch.setattr(settings, "Session", Session)
    thread = run(threading.get_ident)
    assert removed == [thread]
    assert thread != threading.get_ident()
