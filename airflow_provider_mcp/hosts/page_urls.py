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
"""The addresses of Airflow's pages, on both lines. This imports no Airflow: the gateway uses it too."""

from __future__ import annotations

from urllib.parse import quote


def page_url_of_airflow2(
    root: str, dag_id: str, dag_run_id: str | None = None, task_id: str | None = None, map_index: int = -1
) -> str:
    """Return the address of Airflow 2's page about a Dag, a run or a task instance."""
    url = f"{root}/dags/{quote(dag_id, safe='')}/grid"
    query = []
    if dag_run_id is not None:
        query.append(f"dag_run_id={quote(dag_run_id, safe='')}")
        if task_id is not None:
            query.append(f"task_id={quote(task_id, safe='')}")
            if map_index >= 0:
                query.append(f"map_index={map_index}")
    return url + ("?" + "&".join(query) if query else "")


def page_url_of_airflow3(
    root: str, dag_id: str, dag_run_id: str | None = None, task_id: str | None = None, map_index: int = -1
) -> str:
    """Return the address of Airflow 3's page about a Dag, a run or a task instance."""
    url = f"{root}/dags/{quote(dag_id, safe='')}"
    if dag_run_id is not None:
        url += f"/runs/{quote(dag_run_id, safe='')}"
        if task_id is not None:
            url += f"/tasks/{quote(task_id, safe='')}"
            if map_index >= 0:
                url += f"/mapped/{map_index}"
    return url
