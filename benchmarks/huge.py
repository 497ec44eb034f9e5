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
"""10,000 Dags, a million runs and ten million task instances: does every list and diagnosis tool answer?

The rows of one real Dag and its run are copied by the database with other identifiers. After each answer the
database is asked whether anything of it goes on. ``HUGE_RUNS`` is the number of runs of each Dag.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from benchmarks.airflow_home import API, LINE, prepared, serving
from benchmarks.callers import tool_call
from benchmarks.large import CALLS, FAILED, TASKS
from devtools.airflow_process import AirflowHome, AirflowSite

DAGS, RUNS = 10_000, int(os.environ.get("HUGE_RUNS", "100"))
MOST_SECONDS = 50
LOCK_SECONDS = 75
NEWEST = 100
"""The number of the newest run of each Dag, as the other benchmark of a large Airflow names it."""

DAG_FILE = f"""
from datetime import datetime

try:
    from airflow.sdk import DAG
except ImportError:
    from airflow import DAG
try:
    from airflow.providers.standard.operators.empty import EmptyOperator
except ImportError:
    from airflow.operators.empty import EmptyOperator

with DAG("large_0000", schedule=None, start_date=datetime(2026, 1, 1), catchup=False) as dag:
    before = None
    for task in range({TASKS}):
        each = EmptyOperator(task_id=f"task_{{task}}")
        if before is not None:
            before >> each
        before = each
"""

BEGIN = f"""
set session_replication_role = replica;
set synchronous_commit = off;
create table bench_dag as select 'large_' || lpad(n::text, 4, '0') as dag_id, gen_random_uuid() as version_id
  from generate_series(1, {DAGS} - 1) n;
"""  # noqa: S608

RUN_ROWS = f"""
create table bench_run as
  select d.dag_id, d.version_id, 'run_' || lpad(n::text, 3, '0') as run_id,
         now() - interval '{NEWEST} days 12 hours' + n * interval '1 day' as at,
         (n = {NEWEST} and right(d.dag_id, 1) = '0') as failed
  from bench_dag d, generate_series({NEWEST} - {RUNS} + 1, {NEWEST}) n;
create table base_run as select * from dag_run where dag_id = 'large_0000';
create table base_ti as select * from task_instance where dag_id = 'large_0000';
delete from task_instance where dag_id = 'large_0000';
delete from dag_run where dag_id = 'large_0000';
"""  # noqa: S608

OF_VERSION = {"dag_id": "m.dag_id", "id": "gen_random_uuid()", "dag_version_id": "m.version_id"}
OF_DAG: dict[str, dict[str, str]] = {
    "dag": {"dag_id": "m.dag_id", "dag_display_name": "m.dag_id"},
    "dag_version": {"dag_id": "m.dag_id", "id": "m.version_id"},
    "serialized_dag": {**OF_VERSION, "data": "replace(t.data::text, 'large_0000', m.dag_id)::json"},
    "dag_code": OF_VERSION,
}
OF_RUN = {
    "id": "nextval('dag_run_id_seq')",
    "dag_id": "m.dag_id",
    "run_id": "m.run_id",
    **dict.fromkeys(("logical_date", "execution_date", "run_after", "data_interval_start"), "m.at"),
    **dict.fromkeys(("data_interval_end", "queued_at", "start_date"), "m.at"),
    "end_date": "m.at + interval '5 minutes'",
    "created_dag_version_id": "m.version_id",
    "state": "case when m.failed then 'failed' else 'success' end",
}
OF_INSTANCE = {
    "id": "gen_random_uuid()",
    "dag_id": "m.dag_id",
    "run_id": "m.run_id",
    "queued_dttm": "m.at",
    "start_date": "m.at",
    "end_date": "m.at + interval '30 seconds'",
    "duration": "30",
    "try_number": "1",
    "dag_version_id": "m.version_id",
    "state": "case when m.failed and t.task_id = 'task_9' then 'failed' else 'success' end",
}


def copy_rows(table: str, columns: list[str], made: Mapping[str, str], source: str) -> str:
    """Return SQL that copies rows, with some columns made anew by SQL expressions.

    :param source: What is copied, as ``t``, and what it is copied for, as ``m``.
    """
    values = ", ".join(made.get(name) or f't."{name}"' for name in columns)
    names = ", ".join(f'"{name}"' for name in columns)
    return f"insert into {table} ({names}) select {values} from {source};"  # noqa: S608


def columns_of(home: AirflowHome, table: str) -> list[str]:
    query = "select column_name from information_schema.columns where table_schema = 'public'"
    return home.execute(f"{query} and table_name = '{table}' order by ordinal_position;").split()


def fill(home: AirflowHome, site: AirflowSite) -> None:
    """Make the Dags, their runs and task instances."""
    headers = {"Authorization": site.authorization()}
    with httpx.Client(base_url=f"{site.root}{API}/", headers=headers, timeout=60) as rest:
        body = {"logical_date": "2026-05-01T00:00:00Z", "dag_run_id": "run_of_rest"}
        made = rest.post("dags/large_0000/dagRuns", json=body)
        assert made.status_code in {200, 201}, made.text
    script = [BEGIN]
    for table, made_anew in OF_DAG.items():
        columns = columns_of(home, table)
        # Airflow 2 keeps the code of a file once, and has no versions.
        if "dag_id" in columns:
            source = f"(select * from {table} where dag_id = 'large_0000') t, bench_dag m"  # noqa: S608
            script.append(copy_rows(table, columns, made_anew, source))
    script.append(RUN_ROWS)
    script.append(copy_rows("dag_run", columns_of(home, "dag_run"), OF_RUN, "base_run t, bench_run m"))
    # An index is made faster than it is kept up.
    indexes = home.execute(
        "select indexdef || ';' from pg_indexes where tablename = 'task_instance' and indexname not in "
        "(select conname from pg_constraint);"
    )
    names = [line.split()[2 if line.startswith("CREATE INDEX") else 3] for line in indexes.splitlines()]
    script += [f"drop index {name};" for name in names]
    columns = columns_of(home, "task_instance")
    script.append(copy_rows("task_instance", columns, OF_INSTANCE, "base_ti t, bench_run m"))
    script += [indexes, "drop table bench_run, bench_dag, base_run, base_ti;", "analyze;"]
    home.execute("\n".join(script))


ACTIVE = """
select count(*) from pg_stat_activity where datname = 'airflow' and state = 'active'
  and pid <> pg_backend_pid() and backend_type = 'client backend' and query not like '%bench_lock%';
"""


def count_active(home: AirflowHome) -> int:
    """Return how many statements go on in the database, a second after an answer."""
    time.sleep(1)
    return int(home.execute(ACTIVE))


def ask(home: AirflowHome, site: AirflowSite, client: httpx.Client, tool: str, **arguments: Any) -> Any:
    """Return how long a call takes, what came of it, and what goes on afterwards."""
    began = time.perf_counter()
    answer = client.request(**tool_call(site, tool, **arguments))
    took = time.perf_counter() - began
    assert answer.status_code == 200, answer.text
    result = answer.json()["result"]
    error = result["structuredContent"].get("error", {}) if result.get("isError") else {}
    return {
        "seconds": took,
        "outcome": error.get("code", "ok"),
        "hint": error.get("hint", ""),
        "active": count_active(home),
    }


def ask_each(home: AirflowHome, site: AirflowSite) -> dict[str, Any]:
    """Return what came of each call of a list or diagnosis tool."""
    figures: dict[str, Any] = {}
    with httpx.Client(headers={"Authorization": site.authorization()}, timeout=120) as client:
        for tool, variants in CALLS.items():
            for given in variants:
                arguments = {
                    **given,
                    **({"other_dag_run_id": "run_099"} if "other_dag_run_id" in given else {}),
                }
                told = ", ".join(f"{name}={value}" for name, value in arguments.items())
                figures[f"{tool}({told})"] = ask(home, site, client, tool, **arguments)
                print(f"{tool}({told}): {figures[f'{tool}({told})']}", flush=True)
    return figures


@contextmanager
def locked(home: AirflowHome) -> Iterator[None]:
    """Keep every statement on task instances waiting meanwhile, as one that would take an hour."""
    script = f"begin; lock table task_instance; select pg_sleep({LOCK_SECONDS}) as bench_lock; rollback;"
    address = home.database.replace("+psycopg2", "", 1)
    with subprocess.Popen(["psql", "-qAt", address, "-c", script], stdout=subprocess.DEVNULL) as process:
        try:
            time.sleep(1)
            yield
        finally:
            process.terminate()


def ask_endless(home: AirflowHome, site: AirflowSite) -> dict[str, Any]:
    """Return what came of calls whose statements do not end."""
    figures = {}
    with httpx.Client(headers={"Authorization": site.authorization()}, timeout=120) as client:
        for tool, arguments in {"list_task_instances": {}, "diagnose_dag_run": FAILED}.items():
            with locked(home):
                figures[tool] = ask(home, site, client, tool, **arguments)
            print(f"endless {tool}: {figures[tool]}", flush=True)
    return figures


def main() -> None:
    target = Path(sys.argv[1])
    results: dict[str, Any] = {
        "line": LINE,
        "dags": DAGS,
        "runs": DAGS * RUNS,
        "instances": DAGS * RUNS * TASKS,
    }
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "dags").mkdir()
        (Path(folder) / "dags" / "large.py").write_text(DAG_FILE)
        with prepared(Path(folder)) as home:
            if LINE == 2:
                home.cheapen_passwords()
            with serving(home) as site:
                began = time.monotonic()
                fill(home, site)
                print(f"filled in {time.monotonic() - began:.0f} s", flush=True)
                results |= {"calls": ask_each(home, site), "endless": ask_endless(home, site)}
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
