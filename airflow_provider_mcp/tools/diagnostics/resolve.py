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
"""The tool that says what an address of Airflow's UI is about."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from pydantic import Field

from airflow_provider_mcp.sdk import (
    JSON,
    Airflow,
    InvalidArgument,
    NotFound,
    path,
    tool,
)
from airflow_provider_mcp.tools.diagnostics.health import Part
from airflow_provider_mcp.tools.diagnostics.reading import Report
from airflow_provider_mcp.tools.diagnostics.ui_urls import (
    ForeignUrlError,
    UnknownPageError,
    next_call,
    read_url,
    with_run,
)


class Resolved(Report):
    kind: str
    next_step: JSON = None


@tool(access="read", search_hint="what is this link")
async def resolve_url(
    airflow: Airflow, url: Annotated[str, Field(max_length=4000, description="Address of an Airflow page.")]
) -> Resolved:
    """Resolve a pasted link or URL of this Airflow's UI into identifiers and the tool to call next."""
    roots = airflow.site.page_roots
    try:
        page = read_url(url, roots)
    except ForeignUrlError:
        raise InvalidArgument(
            "The address is not one of this Airflow.",
            hint=f"This Airflow's pages are below {' or '.join(dict.fromkeys(roots))}.",
        ) from None
    except UnknownPageError:
        raise InvalidArgument(
            "The address is of this Airflow, but of no page that is known.",
            hint="Give the address of a Dag, a run, a task instance or a list.",
        ) from None
    run_id = page.dag_run_id
    if run_id is None and page.logical_date is not None and page.dag_id is not None:
        when = page.logical_date.replace(" ", "+")
        query: Part = {"logical_date_gte": when, "logical_date_lte": when, "limit": 1}
        rows = (await airflow.get(path("dags/{}/dagRuns", page.dag_id), params=query)).json()["dag_runs"]
        if not rows:
            raise NotFound(
                f"`{page.dag_id}` has no run with the logical date {when}.",
                hint="list_dag_runs lists the runs.",
                dag_id=page.dag_id,
            )
        run_id = rows[0]["dag_run_id"]
    found = with_run(page, run_id)
    fields: Part = {**asdict(found), "next_step": next_call(found)}
    return Resolved(**fields)
