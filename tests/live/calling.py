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
"""Tools called on a real Airflow, and waiting for what they start."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from tests.live.site import Site

RUN = "of-the-tests"


def ok(site: Site, tool: str, **arguments: Any) -> dict[str, Any]:
    result = site.call(tool, **arguments)
    assert not result.get("isError"), result
    shown: dict[str, Any] = result["structuredContent"]
    return shown


def refused(site: Site, tool: str, code: str, user: str = "admin", **arguments: Any) -> dict[str, Any]:
    result = site.call(tool, user=user, **arguments)
    assert result.get("isError"), result
    shown: dict[str, Any] = result["structuredContent"]
    assert shown["error"]["code"] == code, shown
    return shown


def until(look: Callable[[], bool], seconds: int = 240) -> None:
    end = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < end
        time.sleep(1)


def ended(site: Site, dag_id: str, run: str = RUN) -> str:
    states: list[str] = []

    def look() -> bool:
        shown = ok(site, "wait_for_dag_run", dag_id=dag_id, dag_run_id=run, timeout_seconds=20)
        states.append(shown["state"])
        return bool(shown["done"])

    until(look)
    return states[-1]
