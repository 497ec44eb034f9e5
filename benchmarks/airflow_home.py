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
"""What the benchmarks run on: Airflow on PostgreSQL, with the example Dags."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from devtools.airflow_process import ROOT, AirflowHome, AirflowSite, installed_line
from devtools.postgres import postgres

LINE = installed_line()
API = f"/api/v{LINE - 1}"
WORKERS = 1 if LINE == 3 else 4


@contextmanager
def prepared(folder: Path) -> Iterator[AirflowHome]:
    """Yield an Airflow that is ready to serve."""
    with postgres(folder) as database:
        # An installed package has its byte code; a checkout keeps what the first process compiles.
        options = {"PYTHONDONTWRITEBYTECODE": ""}
        # One user sends more here than one is allowed to.
        options |= {"AIRFLOW__MCP__CALLS_PER_MINUTE": "0", "AIRFLOW__MCP__WRITES_PER_MINUTE": "0"}
        home = AirflowHome(folder, database=database, options=options)
        home.prepare(ROOT / "examples" / "dags")
        home.airflow("dags", "reserialize")
        yield home


@contextmanager
def serving(home: AirflowHome, workers: int = WORKERS, **options: str) -> Iterator[AirflowSite]:
    """Run a web process; ``options`` are further environment variables."""
    with AirflowSite(home, options=options).serving(workers) as site:
        yield site
