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
"""A Dag with params."""

from __future__ import annotations

from datetime import datetime

try:
    from airflow.sdk import Param, dag, get_current_context, task
except ImportError:
    from airflow.decorators import dag, task
    from airflow.models.param import Param
    from airflow.operators.python import get_current_context


@dag(
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    tags=["demo"],
    description="Greets a region.",
    params={
        "region": Param("eu", type="string", enum=["eu", "us", "apac"], description="Which region."),
        "days": Param(7, type="integer", minimum=1, maximum=31, description="How many days back."),
    },
)
def demo_params():
    @task
    def greet() -> str:
        params = get_current_context()["params"]
        print(f"hello {params['region']}, {params['days']} days")
        return params["region"]

    greet()


demo_params()
