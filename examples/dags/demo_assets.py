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
"""A Dag that makes an asset (a dataset on Airflow 2) and a Dag that starts when it was made."""

from __future__ import annotations

from datetime import datetime

try:
    from airflow.sdk import Asset, dag, task

    ORDERS = Asset(name="demo_orders", uri="demo://warehouse/orders")
except ImportError:
    from airflow.datasets import Dataset
    from airflow.decorators import dag, task

    ORDERS = Dataset("demo://warehouse/orders")


@dag(
    schedule="@daily",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    tags=["demo"],
    description="Makes an asset.",
)
def demo_asset_producer():
    @task(outlets=[ORDERS])
    def collect() -> int:
        return 3

    collect()


@dag(
    schedule=[ORDERS],
    start_date=datetime(2026, 1, 1),
    catchup=False,
    tags=["demo"],
    description="Starts when the asset was made.",
)
def demo_asset_consumer():
    @task
    def report() -> str:
        return "3 orders"

    report()


demo_asset_producer()
demo_asset_consumer()
