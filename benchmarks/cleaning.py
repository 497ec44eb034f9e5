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
"""What part of a call's time its masking and sanitising takes; writes one JSON file.

The call is timed as a client sees it, whole. Of the cleaning is timed what the server does with that very
result: known forms of secrets, hidden characters, and the marks around foreign text, at the one way out. No
other code of ours masks in these calls. Both are timed in turn.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import httpx

from airflow_provider_mcp.server.cutting import compact
from airflow_provider_mcp.server.foreign_text import Cleaner
from benchmarks.airflow_home import LINE, prepared, serving
from benchmarks.callers import tool_call
from benchmarks.large import write_log
from benchmarks.measure import Figure, figure, seconds
from devtools.airflow_process import AirflowHome, AirflowSite

BLOCKS = 5
CALLS = 6
LINES = 5 * 1024 * 1024 // 110
RUN = {"dag_id": "demo_succeeds", "dag_run_id": "cleaned"}


def clean(data: dict[str, Any]) -> None:
    """Do what the server does with a result before it goes out."""
    cleaner = Cleaner("fence")
    cleaner.fence(compact(cleaner.clean(data)))


def colour(log: Path) -> None:
    """Put a colour around each third line's text, and a word that is not ASCII, as many programs do."""
    lines = log.read_text().split("\n")
    mark = "\\u001b[32mrow\\u001b[0m \\u2713" if LINE == 3 else "\x1b[32mrow\x1b[0m ✓"
    log.write_text("\n".join(line if n % 3 else line.replace("row", mark, 1) for n, line in enumerate(lines)))


def share(site: AirflowSite, tool: str, **arguments: Any) -> Figure:
    """Return the share of a call's time that its cleaning takes, in percent."""
    request = tool_call(site, tool, **arguments)
    shares = []
    with httpx.Client(headers={"Authorization": site.authorization()}, timeout=60) as client:

        def send() -> dict[str, Any]:
            answer = client.request(**request)
            assert answer.status_code == 200, answer.text
            result: dict[str, Any] = answer.json()["result"]
            assert not result.get("isError"), result
            return result

        data = send()["structuredContent"]
        send()
        for _ in range(BLOCKS):
            whole, cleaning = [], []
            for _ in range(CALLS):
                whole.append(seconds(send))
                cleaning.append(seconds(lambda: clean(data)))
            shares.append(100 * statistics.median(cleaning) / statistics.median(whole))
    return figure(shares)


def prepare_run(home: AirflowHome, site: AirflowSite) -> str:
    """Make a run whose one task has a log of 5 MB; return the task's identifier."""
    started = site.call("trigger_dag", **RUN, unpause=True)
    assert not started.get("isError"), started
    task = home.execute(
        "update task_instance set state = 'success', try_number = 1, start_date = now(), end_date = now() "
        "where run_id = 'cleaned'; select min(task_id) from task_instance where run_id = 'cleaned';"
    ).strip()
    write_log(log_of(home, task), LINES)
    return task


def log_of(home: AirflowHome, task: str) -> Path:
    names = f"dag_id={RUN['dag_id']}", f"run_id={RUN['dag_run_id']}", f"task_id={task}"
    return home.folder.joinpath("logs", *names, "attempt=1.log")


def main() -> None:
    target = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder, prepared(Path(folder)) as home, serving(home, 1) as site:
        task = prepare_run(home, site)
        found = {
            "list_dags": share(site, "list_dags"),
            "list_event_logs": share(site, "list_event_logs", limit=100),
            "get_task_logs of 5 MB": share(site, "get_task_logs", **RUN, task_id=task),
        }
        colour(log_of(home, task))
        found["get_task_logs of 5 MB in colours"] = share(site, "get_task_logs", **RUN, task_id=task)
        print(found, flush=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps({"line": LINE, "percent": found}, indent=1))


if __name__ == "__main__":
    main()
