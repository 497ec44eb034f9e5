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
"""The same latency for ``astro-airflow-mcp``, in an environment of its own with Airflow 3."""

from __future__ import annotations

import json
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.airflow_home import API, prepared
from benchmarks.measure import Pair, latency
from devtools.airflow_process import AirflowSite
from devtools.ports import hold_port


def pair_of(site: AirflowSite) -> Pair:
    """Return the list of Dags by REST, and by its tool."""
    # What its tool asks for.
    params = {"limit": 100, "offset": 0}
    message = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": "list_dags", "arguments": {}},
    }
    headers = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2025-11-25"}
    return (
        {"method": "GET", "url": f"{site.root}{API}/dags", "params": params},
        {"method": "POST", "url": f"{site.root}/mcp/v1/", "json": message, "headers": headers},
    )


def main() -> None:
    target = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder, prepared(Path(folder)) as home:
        port = hold_port()
        # Where it sends its own calls.
        options = {"AIRFLOW_API_URL": f"http://127.0.0.1:{port}"}
        with AirflowSite(home, port, options=options).serving() as site:
            pair = pair_of(site)
            results: dict[str, Any] = {
                "version": version("astro-airflow-mcp"),
                "latency": latency(site, {"list": pair}),
            }
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
