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
"""Names of Dags, runs and tasks: completing what was begun, and what a wrong one may have meant."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import mcp_types as types

from airflow_provider_mcp.sdk.airflow import Airflow
from airflow_provider_mcp.sdk.errors import NotFound, ToolError
from airflow_provider_mcp.sdk.guards import path
from airflow_provider_mcp.sdk.json_types import JSON
from airflow_provider_mcp.sdk.near_misses import find_close_names, near_miss
from airflow_provider_mcp.server.failures import protocol_errors
from airflow_provider_mcp.server.request import Context, Request
from airflow_provider_mcp.server.running import end_in_time

MAX_COMPLETIONS = 100

_LATEST = re.compile(r"\s*latest(?:[\s_-]+(?:failed|success|running))?\s*", re.IGNORECASE)
"""What stands for a run in place of its ID: that there is none such is no slip in a name."""


@dataclass(frozen=True)
class Identifier:
    """A kind of name, and where Airflow lists those there are.

    :param listing: The route of the list and the key of its rows; ``{}`` stands for the Dag.
    :param tool: The tool that lists them too: without it, nothing is completed.
    :param own: The route of one, below which it is missing if Airflow says so.
    :param hint: What to do where no name is close.
    """

    thing: str
    listing: str
    key: str
    tool: str
    own: str | None = None
    query: Mapping[str, str | int] = field(default_factory=dict)
    hint: str = ""

    async def names(self, airflow: Airflow, argument: str, dag_id: str, begun: str = "") -> list[str]:
        """Return names that Airflow lists to the caller; none if it refuses to.

        :param begun: Dags are looked for by a part of their name, since there may be many.
        """
        in_dag = "{}" in self.listing
        query = dict(self.query) if in_dag else {**self.query, "dag_id_pattern": begun}
        try:
            # What cannot be a Dag's name has no runs and no tasks, as one that is not there.
            route = path(self.listing, dag_id) if in_dag else self.listing
            rows = (await airflow.get(route, params=query)).json()[self.key]
        except ToolError:
            return []
        return [row[argument] for row in rows]

    async def is_missing(self, airflow: Airflow, *names: str) -> bool:
        """Say whether Airflow says that there is none of this name."""
        assert self.own is not None, f"there is no route for one {self.thing}"  # noqa: S101
        try:
            await airflow.get(path(self.own, *names))
        except NotFound:
            return True
        except ToolError:
            return False
        return False


DAG = Identifier("Dag", "dags", "dags", "list_dags", "dags/{}", {"limit": MAX_COMPLETIONS})
RUN = Identifier(
    "Dag run",
    "dags/{}/dagRuns",
    "dag_runs",
    "list_dag_runs",
    "dags/{}/dagRuns/{}",
    {"limit": MAX_COMPLETIONS, "order_by": "-start_date"},
    "list_dag_runs lists them; a tool that reads one run also takes latest, latest_failed, latest_success "
    "and latest_running.",
)
TASK = Identifier("task", "dags/{}/tasks", "tasks", "get_dag")

IDENTIFIERS: Mapping[str, Identifier] = {"dag_id": DAG, "dag_run_id": RUN, "task_id": TASK}
"""By the name of the argument, in the order they contain one another."""


async def complete(ctx: Context, params: types.CompleteRequestParams) -> types.CompleteResult:
    """Answer ``completion/complete`` for prompts and resource templates alike.

    A completion is a courtesy: what the caller may not list is not suggested.
    """
    argument, begun = params.argument.name, params.argument.value
    chosen = (params.context.arguments if params.context else None) or {}
    dag_id = chosen.get("dag_id", "")
    identifier = IDENTIFIERS.get(argument)
    request = Request.of(ctx)
    if (
        identifier is None
        or (identifier is not DAG and not dag_id)
        or not await request.offers(identifier.tool)
    ):
        return types.CompleteResult(completion=types.Completion(values=[]))
    looking = identifier.names(request.reads(), argument, dag_id, begun)
    with protocol_errors(f"the completion of {argument}", "resources"):
        names = await end_in_time(looking, f"the completion of {argument}")
    values = [name for name in names if begun.lower() in name.lower()]
    values.sort(key=lambda value: not value.startswith(begun))
    return types.CompleteResult(
        completion=types.Completion(values=values[:MAX_COMPLETIONS], has_more=len(names) >= MAX_COMPLETIONS)
    )


async def suggest_close_matches(
    airflow: Airflow, error: ToolError, arguments: Mapping[str, JSON]
) -> ToolError:
    """Return the error with what the caller may have meant, for a Dag, run or task that is not there.

    :param arguments: The tool's arguments; ``dag_id``, ``dag_run_id`` and ``task_id`` are looked at.
    """
    # The error knows which of several tasks it is about.
    arguments = {**arguments, **error.identifiers}
    names = {name: value for name in IDENTIFIERS if isinstance(value := arguments.get(name), str)}
    if "dag_id" not in names or error.identifiers.get("did_you_mean"):
        return error
    dag_id, run_id = names["dag_id"], names.get("dag_run_id")
    if await DAG.is_missing(airflow, dag_id):
        argument, candidates = "dag_id", await _similar_dags(airflow, dag_id)
    elif (
        run_id is not None and not _LATEST.fullmatch(run_id) and await RUN.is_missing(airflow, dag_id, run_id)
    ):
        argument, candidates = "dag_run_id", await RUN.names(airflow, "dag_run_id", dag_id)
    elif "task_id" in names:
        argument, candidates = "task_id", await TASK.names(airflow, "task_id", dag_id)
        if names["task_id"] in candidates:
            return error
    else:
        return error
    message = f"No {IDENTIFIERS[argument].thing} `{names[argument]}`"
    if argument != "dag_id":
        message += f" in `{dag_id}`"
    identifiers = {**error.identifiers, **names}
    identifiers.pop("did_you_mean", None)
    close = _close(names[argument], candidates)
    if not close:
        return NotFound(f"{message}.", hint=IDENTIFIERS[argument].hint or error.hint, **identifiers)
    return near_miss(message, close, **identifiers)


async def _similar_dags(airflow: Airflow, dag_id: str) -> list[str]:
    """Return Dags that share a part with the name: a misspelling rarely has both ends wrong."""
    candidates: list[str] = []
    for part in dict.fromkeys((dag_id[:4], dag_id[-4:], dag_id[:2], "")):
        candidates += await DAG.names(airflow, "dag_id", "", part)
        if _close(dag_id, candidates):
            break
    return candidates


def _close(name: str, candidates: list[str]) -> list[str]:
    return find_close_names(name, candidates, cutoff=0.7)
