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
"""Dags that come as tools while Airflow runs, and go."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from airflow_provider_mcp.server.caller_tools import KEPT_SECONDS
from devtools.airflow_process import ROOT
from tests.live.calling import until
from tests.live.site import LINE, WORKERS, Site

CHECK, PURGE = "run_check_data_quality", "run_purge_partitions"
DAGS = {CHECK: "check_data_quality", PURGE: "purge_partitions"}


def list_tools(site: Site, user: str = "admin", **headers: str) -> dict[str, Any]:
    """Return the tools that are Dags, by name."""
    tools = site.rpc("tools/list", {}, user, {k.replace("_", "-"): v for k, v in headers.items()})["tools"]
    return {tool["name"]: tool for tool in tools if tool["name"].startswith("run_")}


def delete_dags(site: Site) -> None:
    """Delete the Dags, with all that the other tests could find of them."""
    if LINE == 3:
        for dag_id in DAGS.values():
            headers = {"Authorization": site.authorization()}
            assert site.request("DELETE", f"/api/v2/dags/{dag_id}", headers=headers).status == 204
        return
    # Airflow 2 refuses while it takes a task for running.
    names = ", ".join(f"'{dag_id}'" for dag_id in DAGS.values())
    tables = ("task_instance", "dag_run", "serialized_dag", "dag_tag", "dag")
    site.home.execute("".join(f"delete from {table} where dag_id in ({names});" for table in tables))


@contextmanager
def offering_dags(site: Site, files: Sequence[str]) -> Iterator[Site]:
    """Have these files of ``examples/dag_tools`` meanwhile, and see that their Dags come and go."""
    list_tools(site)
    source = ROOT / "examples" / "dag_tools"
    for file in files:
        shutil.copy(source / file, site.home.dags)
    site.airflow("dags", "reserialize")
    # Each worker keeps its own list for a while.
    until(lambda: all(set(list_tools(site)) == set(DAGS) for _ in range(5 * WORKERS)), 60)
    yield site
    for file in files:
        (site.home.dags / file).unlink()
    delete_dags(site)
    began = time.monotonic()
    until(lambda: all(list_tools(site) == {} for _ in range(5 * WORKERS)), KEPT_SECONDS + 20)
    assert time.monotonic() - began < KEPT_SECONDS + 5
