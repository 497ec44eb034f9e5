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
"""A Dag that waits for a human's answer (Airflow 3.1 and later)."""

from __future__ import annotations

from datetime import datetime

from airflow import DAG

try:
    from airflow.providers.standard.operators.hitl import HITLOperator
except ImportError:
    HITLOperator = None

if HITLOperator is not None:
    with DAG(
        "demo_approval",
        schedule=None,
        start_date=datetime(2026, 1, 1),
        catchup=False,
        tags=["demo"],
        description="Asks a human.",
    ):
        HITLOperator(
            task_id="ask",
            subject="Release the data?",
            body="The checks have passed.",
            options=["release", "hold"],
        )
