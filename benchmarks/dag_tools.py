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
"""What listing 50 Dags as tools costs, beside the bare REST calls it needs; writes one JSON file.

First the 50 Dags are all there are, then they are among 1,000. A list is asked for when none is kept any
more, and again at once, when it is.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from textwrap import dedent
from typing import Any

import httpx

from airflow_provider_mcp.server.caller_tools import KEPT_SECONDS
from benchmarks.airflow_home import API, LINE, prepared, serving
from benchmarks.measure import figure, seconds
from devtools.airflow_process import AirflowHome, AirflowSite

TOOLS = 50
DAGS = 1000
SAMPLES = 8
SOURCE = """
from airflow.models.param import Param
try:
    from airflow.sdk import DAG
    from airflow.providers.standard.operators.empty import EmptyOperator
except ImportError:
    from airflow import DAG
    from airflow.operators.empty import EmptyOperator

for number in range({first}, {last}):
    with DAG(
        f"{prefix}_{{number:04}}", schedule=None, tags={tags}, doc_md="Load the orders of one region.",
        params={{
            "region": Param("eu", type="string", enum=["eu", "us"], description="Which region."),
            "days": Param(type="integer", minimum=1, description="How many days back."),
            "dry_run": Param(False, type="boolean"),
        }},
    ) as dag:
        EmptyOperator(task_id="load")
    globals()[dag.dag_id] = dag
"""


def write_dags(home: AirflowHome, prefix: str, first: int, last: int, tags: list[str]) -> None:
    """Write a file that makes Dags, and have Airflow read it."""
    source = dedent(SOURCE).format(prefix=prefix, first=first, last=last, tags=tags)
    (home.dags / f"{prefix}.py").write_text(source, encoding="utf-8")
    home.airflow("dags", "reserialize")


def time_lists(site: AirflowSite) -> dict[str, Any]:
    """Return what a list costs."""
    headers = {"Authorization": site.authorization(), "Accept": "application/json, text/event-stream"}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    cold, warm, bare, ratios = [], [], [], []
    with httpx.Client(headers=headers, timeout=60) as client:

        def list_tools() -> None:
            tools = client.post(site.url, json=message).json()["result"]["tools"]
            assert sum(tool["name"].startswith("run_") for tool in tools) == TOOLS

        def ask_rest() -> None:
            query = {"tags": "mcp", "limit": 100, "offset": 0, "order_by": "dag_id"}
            dags = client.get(f"{site.root}{API}/dags", params=query).json()["dags"]
            assert len(dags) == TOOLS
            for dag in dags:
                assert client.get(f"{site.root}{API}/dags/{dag['dag_id']}/details").status_code == 200

        list_tools()
        ask_rest()
        for _ in range(SAMPLES):
            time.sleep(KEPT_SECONDS + 0.5)
            cold.append(seconds(list_tools))
            warm.append(min(seconds(list_tools) for _ in range(3)))
            bare.append(seconds(ask_rest))
            ratios.append(cold[-1] / bare[-1])
    found = {
        "tools/list over its REST calls": figure(ratios),
        "ms of tools/list": figure([1000 * each for each in cold]),
        "ms of tools/list within 15 s": figure([1000 * each for each in warm]),
        "ms of the REST calls": figure([1000 * each for each in bare]),
    }
    print(json.dumps(found), flush=True)
    return found


def main() -> None:
    target = Path(sys.argv[1])
    results: dict[str, Any] = {"line": LINE}
    with tempfile.TemporaryDirectory() as folder, prepared(Path(folder)) as home:
        if LINE == 2:
            home.cheapen_passwords()
        write_dags(home, "tool", 0, TOOLS, ["mcp"])
        # One worker: each keeps its own list.
        with serving(home, 1) as site:
            results[f"{TOOLS} Dags"] = time_lists(site)
        write_dags(home, "other", 0, DAGS - TOOLS, ["other"])
        with serving(home, 1) as site:
            results[f"{TOOLS} of {DAGS:,} Dags"] = time_lists(site)
    one, many = (results[name]["ms of tools/list"] for name in results if name != "line")
    results["many over few"] = many["median"] / one["median"]
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
