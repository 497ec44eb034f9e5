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
"""What an address of Airflow's UI, of Airflow 2 or 3, is about. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

_PORTS = {"http": 80, "https": 443}

# Pages of Airflow 2 about a Dag that name what they show in the query alone.
_OLD_PAGES = frozenset(
    {
        *("graph", "tree", "grid", "calendar", "duration", "tries", "landing_times", "gantt", "code"),
        *("log", "task", "xcom", "rendered-templates", "rendered-k8s", "dag_details", "dagrun_details"),
    }
)

_LISTS = {
    "dags": "dags",
    "home": "dags",
    "": "dags",
    "dag_runs": "dag_runs",
    "dagrun": "dag_runs",
    "task_instances": "task_instances",
    "taskinstance": "task_instances",
    "pools": "pools",
    "pool": "pools",
    "variables": "variables",
    "variable": "variables",
    "connections": "connections",
    "connection": "connections",
    "assets": "assets",
    "datasets": "assets",
    "providers": "providers",
    "provider": "providers",
    "plugins": "plugins",
    "plugin": "plugins",
    "events": "event_logs",
    "log": "event_logs",
    "config": "config",
    "configs": "config",
    "configuration": "config",
    "xcoms": "xcoms",
    "jobs": "jobs",
    "job": "jobs",
    "xcom": "xcoms",
}


class ForeignUrlError(ValueError):
    """The address is not of this Airflow."""


class UnknownPageError(ValueError):
    """The address is of this Airflow, but of no page that is known."""


@dataclass(frozen=True)
class Page:
    """What a page of the UI is about.

    :param kind: ``dag``, ``dag_run``, ``task_instance``, ``task``, ``task_logs``, ``xcom``,
        ``dag_source`` or the name of a list.
    :param logical_date: In place of a run's ID, in addresses of Airflow 2's older pages.
    """

    kind: str
    dag_id: str | None = None
    dag_run_id: str | None = None
    task_id: str | None = None
    map_index: int | None = None
    try_number: int | None = None
    logical_date: str | None = None


def read_url(url: str, roots: Iterable[str]) -> Page:
    """Return what an address of the UI is about.

    :param roots: Where this Airflow's UI is, for example ``https://example.org/airflow``.
    :raises ForeignUrlError: It is below none of them.
    :raises UnknownPageError: It names no page that is known.
    """
    try:
        asked = urlsplit(url.strip())
        below = next((rest for root in roots if (rest := _below(asked, urlsplit(root))) is not None), None)
    except ValueError:
        below = None
    if below is None:
        raise ForeignUrlError
    parts = [unquote(part) for part in below.split("/") if part]
    query = {name: values[-1] for name, values in parse_qs(asked.query).items()}
    return _page(parts, query)


def _below(asked: SplitResult, root: SplitResult) -> str | None:
    """Return the path of an address below a root; None if it is not below it."""
    prefix = root.path.rstrip("/")
    if asked.scheme not in _PORTS or asked.username is not None or asked.password is not None:
        return None
    if _origin(asked) != _origin(root) or not f"{asked.path}/".startswith(f"{prefix}/"):
        return None
    return asked.path[len(prefix) :]


def _origin(url: SplitResult) -> tuple[str, str | None, int | None]:
    return url.scheme, url.hostname, url.port or _PORTS.get(url.scheme)


def _page(parts: list[str], query: dict[str, str]) -> Page:
    if parts[:1] == ["dags"] and len(parts) > 1:
        rest = parts[2:]
        if rest[:1] in (["runs"], ["tasks"]):
            return _new(parts[1], rest, query)
        return _old(parts[1], rest[0] if rest else "", query)
    first = parts[0] if parts else ""
    if len(parts) == 1 and first in _OLD_PAGES and "dag_id" in query:
        return _old(query["dag_id"], first, query)
    if first in {"dagrun", "taskinstance", "xcom", "log"} and parts[1:2] == ["list"]:
        return Page(_LISTS[first], query.get("_flt_3_dag_id"), query.get("_flt_3_run_id"))
    if first in _LISTS and len(parts) <= 2:
        return Page(_LISTS[first])
    raise UnknownPageError


def _new(dag_id: str, rest: list[str], query: dict[str, str]) -> Page:
    """Read a page of Airflow 3 below ``dags/{dag_id}``."""
    run = task = None
    map_index = None
    if rest[0] == "runs":
        if len(rest) < 2:
            return Page("dag_runs", dag_id)
        run, rest = rest[1], rest[2:]
    if rest[:1] == ["tasks"]:
        if len(rest) < 2 or (rest[1] == "group" and len(rest) > 2):
            rest = []
        else:
            task, rest = rest[1], rest[2:]
    if task is not None and rest[:1] == ["mapped"]:
        map_index = _number(rest[1]) if len(rest) > 1 else None
        rest = rest[2:]
    if map_index is None:
        map_index = _number(query.get("map_index"))
    try_number = _number(query.get("try_number"))
    if task is None:
        return Page("dag_run" if run else "tasks", dag_id, run)
    if run is None:
        return Page("task", dag_id, None, task)
    tab = rest[0] if rest else ""
    kind = {"": "task_logs", "logs": "task_logs", "xcom": "xcom"}.get(tab, "task_instance")
    return Page(kind, dag_id, run, task, map_index, try_number)


def _old(dag_id: str, page: str, query: dict[str, str]) -> Page:
    """Read a page of Airflow 2, or of Airflow 3 about a whole Dag."""
    run = query.get("dag_run_id") or query.get("run_id")
    task = query.get("task_id")
    when = None if run else query.get("execution_date") or query.get("logical_date")
    map_index = _number(query.get("map_index"))
    try_number = _number(query.get("try_number") or query.get("attempt"))
    if task is not None and (run or when):
        tab = query.get("tab") or page
        kind = {"logs": "task_logs", "log": "task_logs", "xcom": "xcom"}.get(tab, "task_instance")
        return Page(kind, dag_id, run, task, map_index, try_number, when)
    if task is not None:
        return Page("task", dag_id, None, task)
    if run or when:
        return Page("dag_run", dag_id, run, logical_date=when)
    if page == "code" or query.get("tab") == "code":
        return Page("dag_source", dag_id)
    return Page("dag", dag_id)


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and re.fullmatch(r"\d{1,9}", text) else None


def with_run(page: Page, dag_run_id: str | None) -> Page:
    """Return the page with the ID of its run."""
    return replace(page, dag_run_id=dag_run_id)


def next_call(page: Page) -> dict[str, object] | None:
    """Return the tool call that shows what a page is about, as ``{tool, arguments}``."""
    run = {"dag_id": page.dag_id, "dag_run_id": page.dag_run_id}
    task = {**run, "task_id": page.task_id, "map_index": page.map_index}
    calls: dict[str, tuple[str, dict[str, object | None]]] = {
        "dag": ("get_dag", {"dag_id": page.dag_id}),
        "tasks": ("get_dag", {"dag_id": page.dag_id}),
        "task": ("list_task_instances", {"dag_id": page.dag_id, "task_id": page.task_id}),
        "dag_source": ("get_dag", {"dag_id": page.dag_id, "include": ["source"]}),
        "dag_run": ("get_dag_run", {**run}),
        "task_instance": ("get_task_instance", {**task}),
        "task_logs": ("get_task_logs", {**task, "try_number": page.try_number}),
        "xcom": ("get_xcom", {**task}),
        "dags": ("list_dags", {}),
        "dag_runs": ("list_dag_runs", {"dag_id": page.dag_id}),
        "task_instances": ("list_task_instances", {**run}),
        "pools": ("list_pools", {}),
        "variables": ("list_variables", {}),
        "connections": ("list_connections", {}),
        "assets": ("list_assets", {}),
        "providers": ("get_airflow_info", {"include": ["providers"]}),
        "plugins": ("get_airflow_info", {"include": ["plugins"]}),
        "jobs": ("get_airflow_info", {"include": ["jobs"]}),
        "event_logs": ("list_event_logs", {"dag_id": page.dag_id}),
        "config": ("get_config", {}),
    }
    if page.kind not in calls:
        return None
    tool, arguments = calls[page.kind]
    return {"tool": tool, "arguments": {k: v for k, v in arguments.items() if v is not None}}
