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
"""Inputs as large as they may be, and many at once, with the server's health measured beside."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.live.attack.door import sample
from tests.live.attack.rights import NAME
from tests.live.attack.target import Row, Target, call_message

MEGABYTES = 4
SIZE = MEGABYTES * 1024 * 1024 - 4096
"""Just below what is taken by default."""

AT_ONCE = 12


def bodies(size: int) -> Iterator[Any]:
    """Yield values of about so many characters of JSON, each hard in its own way."""
    yield {f"k{number}": number for number in range(size // 20)}
    yield [[[]] * 10] * (size // 60)
    yield [[[number]] for number in range(size // 16)]
    yield {"text": "eyJhbGciOi" * (size // 10)}
    yield {"text": "://a:b@" * (size // 7)}
    yield {"text": "password=" * (size // 9)}
    yield {"k" * (size - 20): 1}
    yield {"text": "\u202e" * (size // 6)}
    yield {"text": "-----BEGIN PRIVATE KEY-----" * (size // 27)}
    yield {"text": json.dumps({"a": "x" * 10}) * (size // 20)}
    yield {"words": ["word"] * (size // 8)}


def messages(size: int) -> Iterator[dict[str, Any]]:
    for body in bodies(size):
        yield call_message("call_api", {"method": "POST", "path": "pools", "body": body})
    large = next(bodies(size))
    yield call_message("trigger_dag", {"dag_id": NAME, "conf": large})
    yield call_message("list_dags", {"pattern": "(a|" * (size // 3)})
    yield call_message("list_dags", large)
    yield call_message("a" * size, {})
    yield call_message("get_variable", {"key": "k" * size})


def attack_with_weight(target: Target, row: Row, share: float) -> None:
    """Send large bodies one after the other, as one who may only read."""
    size = round(SIZE * min(1, max(share, 0.25)))
    with target.watching_health(row):
        for message in sample(target, list(messages(size)), share):
            target.post(row, message, target.viewer)


def attack_with_waiting(target: Target, row: Row, seconds: int) -> None:
    """Wait in many calls at once for a run that is not over, if there is one."""
    for state in ("running", "queued"):
        wanted = {"state": state, "limit": 1}
        if runs := target.call(Row(""), "list_dag_runs", wanted, target.authorization).data.get("dag_runs"):
            break
    else:
        return
    run = {"dag_id": runs[0]["dag_id"], "dag_run_id": runs[0]["dag_run_id"], "timeout_seconds": seconds}
    with target.watching_health(row), ThreadPoolExecutor(AT_ONCE) as pool:
        for _ in range(AT_ONCE):
            pool.submit(target.call, row, "wait_for_dag_run", run, target.viewer)


def attack_with_numbers(target: Target, row: Row, rounds: int) -> None:
    """Send many calls at once, of strangers and of one who may only read."""
    stranger, known = call_message("list_dags", {}), call_message("list_dags", {"limit": 100})
    with target.watching_health(row), ThreadPoolExecutor(AT_ONCE) as pool:
        for number in range(rounds * AT_ONCE):
            message, user = (stranger, None) if number % 2 else (known, target.viewer)
            pool.submit(target.post, row, message, user)
