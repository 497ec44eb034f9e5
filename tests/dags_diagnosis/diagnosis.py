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
"""Dags that fail and wait in the ways that the diagnostic tools must tell apart."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

try:
    from airflow.sdk import Asset, BaseOperator, dag, get_current_context, task
except ImportError:
    from airflow.datasets import Dataset as Asset
    from airflow.decorators import dag, task
    from airflow.models import BaseOperator
    from airflow.operators.python import get_current_context

START = datetime(2026, 1, 1)
TOTALS = Asset("s3://diagnosis/totals")


class LedgerError(Exception):
    """A failure of the user's own type."""


def post_to_ledger(entry: dict[str, int]) -> int:
    return entry["amount"]


@dag(schedule=None, start_date=START, is_paused_upon_creation=False)
def diag_big_log():
    @task
    def post() -> None:
        log = logging.getLogger("diagnosis")
        for row in range(45_000):
            log.info("row %d: no error, timeout=30, a ValueError was not raised here, padding padding", row)
        try:
            post_to_ledger({"account": 7})
        except KeyError as missing:
            raise LedgerError("entry 4711 cannot be posted") from missing

    post()


@dag(schedule=None, start_date=START, is_paused_upon_creation=False)
def diag_mapped():
    @task(pool="diagnosis_gate")
    def check(number: int) -> int:
        if number % 10 == 3:
            raise ValueError(f"record {number} of batch 2026-11-24 is not balanced")
        return number

    @task(outlets=[TOTALS])
    def total(numbers: list[int]) -> int:
        return sum(numbers)

    total(check.expand(number=list(range(150))))


@dag(schedule=[TOTALS], start_date=START, is_paused_upon_creation=False)
def diag_fed():
    @task
    def use() -> None:
        """Does nothing."""

    use()


@dag(schedule="@daily", start_date=START, catchup=False, is_paused_upon_creation=True)
def diag_paused():
    @task
    def work() -> None:
        """Does nothing."""

    work()


@dag(schedule="@daily", start_date=datetime(2090, 1, 1), catchup=False, is_paused_upon_creation=False)
def diag_future():
    @task
    def work() -> None:
        """Does nothing."""

    work()


@dag(schedule=None, start_date=START, max_active_runs=1, is_paused_upon_creation=False)
def diag_sensor():
    @task.sensor(mode="reschedule", poke_interval=3600, timeout=7200)
    def wait_for_file() -> bool:
        return False

    @task
    def load() -> None:
        """Does nothing."""

    wait_for_file() >> load()


@dag(schedule=None, start_date=START, is_paused_upon_creation=False)
def diag_retries():
    @task(retries=1, retry_delay=timedelta(hours=1))
    def call_service() -> None:
        raise ConnectionError("service did not answer")

    call_service()


@dag(schedule=None, start_date=START, is_paused_upon_creation=False)
def diag_flaky():
    @task(retries=2, retry_delay=timedelta(seconds=1))
    def second_time_lucky() -> None:
        if get_current_context()["ti"].try_number < 2:
            raise RuntimeError("not yet")

    second_time_lucky()


class DeferringOperator(BaseOperator):
    """Waits an hour by a trigger."""

    def execute(self, context):
        try:
            from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger
        except ImportError:
            from airflow.triggers.temporal import TimeDeltaTrigger
        self.defer(trigger=TimeDeltaTrigger(timedelta(hours=1)), method_name="execute")


@dag(schedule=None, start_date=START, is_paused_upon_creation=False)
def diag_deferred():
    DeferringOperator(task_id="wait_an_hour")


diag_big_log()
diag_mapped()
diag_fed()
diag_paused()
diag_future()
diag_sensor()
diag_retries()
diag_flaky()
diag_deferred()
