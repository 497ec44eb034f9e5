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
"""Airflow 2's REST API in Airflow 3's terms: one table that rewrites v2 calls to v1 and v1 answers to v2."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import quote, unquote

Query = list[tuple[str, str]]
Answer = Callable[[int, Mapping[str, str], Any], Any]
Row = dict[str, Any]


class UnsupportedOnAirflow2(Exception):  # noqa: N818
    """Airflow 2's REST API has nothing that could serve the call."""


@dataclass(frozen=True)
class V1Request:
    """A request to Airflow 2's API and what becomes of its answer.

    :param path: Relative to ``/api/v1/``, percent-encoded as it was received.
    :param answer: From status, headers and the decoded v1 answer of a success to the v2 answer.
    :param then: In place of ``answer``: from this step's v1 answer to the next request.
    """

    method: str
    path: str
    query: Query
    body: Any
    answer: Answer
    then: Callable[[Any], V1Request] | None = None


def to_v1(method: str, path: str, query: Query, body: Any) -> V1Request:
    """Return the v1 request that serves a v2 request.

    :raises UnsupportedOnAirflow2: There is none, or not with this filter.
    """
    for verb, pattern, rewrite in _TABLE:
        found = re.fullmatch(pattern, path) if verb == method else None
        if found:
            return rewrite(_Call(method, path, query, body, found.groupdict()))
    raise UnsupportedOnAirflow2(f"{method} {path} is not there on Airflow 2; upgrade to Airflow 3 to use it.")


@dataclass(frozen=True)
class _Call:
    method: str
    path: str
    query: Query
    body: Any
    part: Mapping[str, str]


Rewrite = Callable[[_Call], V1Request]


# ---- answers -----------------------------------------------------------------------------------------


def _same(value: Any) -> Any:
    return value


def _seconds(start: str | None, end: str | None) -> float | None:
    if not start or not end:
        return None
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()


def _dag(row: Row) -> Row:
    new = dict(row)
    schedule = new.pop("schedule_interval", None)
    new["is_stale"] = not new.pop("is_active", True)
    new["timetable_summary"] = schedule.get("value") if isinstance(schedule, dict) else schedule
    new["next_dagrun_logical_date"] = new.pop("next_dagrun", None)
    new["next_dagrun_run_after"] = new.pop("next_dagrun_create_after", None)
    return new


def _dag_run(row: Row) -> Row:
    new = dict(row)
    new["logical_date"] = new.pop("execution_date", None) or new.get("logical_date")
    new["run_after"] = new.get("data_interval_end") or new["logical_date"]
    new["duration"] = _seconds(new.get("start_date"), new.get("end_date"))
    new.pop("external_trigger", None)
    new.setdefault("dag_versions", [])
    return new


def _task_instance(row: Row) -> Row:
    new = dict(row)
    if "execution_date" in new:
        new["logical_date"] = new.pop("execution_date")
    new.setdefault("dag_run_id", row.get("run_id"))
    new.pop("sla_miss", None)
    return new


def _event_log(row: Row) -> Row:
    new = dict(row)
    new["logical_date"] = new.pop("execution_date", None)
    return new


def _import_error(row: Row) -> Row:
    return {"bundle_name": None, **row}


def _asset(row: Row) -> Row:
    new = dict(row)
    new.setdefault("name", row.get("uri"))
    new["group"] = "asset"
    new["scheduled_dags"] = new.pop("consuming_dags", [])
    new["aliases"] = []
    return new


def _asset_event(row: Row) -> Row:
    new = {key.replace("dataset_", "asset_"): value for key, value in row.items()}
    new["uri"] = new.pop("asset_uri", None)
    new["created_dagruns"] = [_dag_run(run) for run in row.get("created_dagruns", [])]
    return new


def _rows(old: str, new: str, row: Callable[[Row], Row]) -> Callable[[Any], Any]:
    def answer(value: Any) -> Any:
        listed = [row(item) for item in value[old]]
        return {new: listed, "total_entries": value.get("total_entries", len(listed))}

    return answer


_LINE = re.compile(
    r"\[(?P<time>\d{4}-\d\d-\d\dT[\d:.]+(?:[+-]\d\d:?\d\d|Z)?)\] \{(?P<logger>[^}]{1,200})\} "
    r"(?P<level>DEBUG|INFO|WARNING|ERROR|CRITICAL) - (?P<event>.*)"
)


def log_lines(text: str) -> list[Row]:
    """Return a text log as structured lines: ``event`` and, at the start of a record, time, level, logger."""
    lines: list[Row] = []
    for line in text.splitlines():
        found = _LINE.fullmatch(line)
        if not found:
            lines.append({"event": line})
            continue
        time = found["time"]
        if re.search(r"[+-]\d{4}$", time):
            time = f"{time[:-2]}:{time[-2:]}"
        lines.append(
            {
                "timestamp": time,
                "level": found["level"].lower(),
                "logger": found["logger"],
                "event": found["event"],
            }
        )
    return lines


def _logs(value: Any) -> Any:
    token = None
    text = value
    if isinstance(value, dict):
        token, text = value.get("continuation_token"), value.get("content", "")
    try:
        hosts = ast.literal_eval(text) if text.startswith("[(") else None
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        hosts = None
    if hosts is not None:
        text = "\n".join(str(host[1]) for host in hosts)
    return {"content": log_lines(text), "continuation_token": token}


def _changed(value: Any) -> Any:
    listed = [_task_instance(row) for row in value.get("task_instances", [])]
    return {"task_instances": listed, "total_entries": len(listed)}


def _links(value: Any) -> Any:
    return {"extra_links": value, "total_entries": len(value)}


# ---- requests ----------------------------------------------------------------------------------------

_ORDER = {
    "logical_date": "execution_date",
    "run_after": "execution_date",
    "dag_run_id": "run_id",
    "name": "uri",
}
_PAGING = {"limit": "limit", "offset": "offset"}


def _query(call: _Call, names: Mapping[str, str | None]) -> Query:
    """Rename the query's parameters; a parameter that is not in ``names`` cannot be served, None drops it."""
    renamed: Query = []
    for name, value in call.query:
        if name not in names:
            raise UnsupportedOnAirflow2(
                f"Airflow 2 cannot filter {call.path} by {name}; leave it out and choose from the whole list."
            )
        new = names[name]
        if new == "order_by":
            sign, column = ("-", value[1:]) if value.startswith("-") else ("", value)
            # Runs of several Dags often have the same date, which orders them in no way.
            by_id = column == "run_after" and call.part.get("dag") == "~"
            value = sign + ("id" if by_id else _ORDER.get(column, column))
        elif new == "only_active":
            value = "false" if value.lower() == "false" else "true"
        if new is not None:
            renamed.append((new, value))
    return renamed


def _get(
    names: Mapping[str, str | None] | None = None,
    answer: Callable[[Any], Any] = _same,
    path: str | None = None,
) -> Rewrite:
    """Rewrite a request whose parameters are renamed by ``names`` (None: passed on as they are)."""

    def rewrite(call: _Call) -> V1Request:
        query = call.query if names is None else _query(call, names)
        route = call.path if path is None else path.format(**call.part)
        return V1Request(call.method, route, query, call.body, lambda _s, _h, value: answer(value))

    return rewrite


def _trigger(call: _Call) -> V1Request:
    body = {key: value for key, value in (call.body or {}).items() if value is not None}
    if "run_after" in body:
        raise UnsupportedOnAirflow2("Airflow 2 cannot start a Dag run with run_after; leave it out.")
    return V1Request("POST", call.path, [], body, lambda _s, _h, value: _dag_run(value))


def _patch_dag_run(call: _Call) -> V1Request:
    body = {k: v for k, v in (call.body or {}).items() if v is not None}
    note = body.pop("note", None)
    if note is None:
        return V1Request("PATCH", call.path, [], body, lambda _s, _h, value: _dag_run(value))
    set_note = V1Request(
        "PATCH", f"{call.path}/setNote", [], {"note": note}, lambda _s, _h, value: _dag_run(value)
    )
    if not body:
        return set_note
    return V1Request("PATCH", call.path, [], body, lambda _s, _h, value: value, then=lambda _: set_note)


MOST_INSTANCES = 5000
"""Map indexes of a task that are looked at, at most, to set its state."""
MOST_MAPPED = 200
"""Map indexes that are set one by one, at most: v1 sets a mapped task's state in no other way."""
_FAILED = ("failed", "upstream_failed")


def _instances(
    dag: str, run: str, tasks: list[str], states: tuple[str, ...], count: int, answer: Callable[[Any], Any]
) -> V1Request:
    """List ``count`` task instances of a run by v1's batch listing."""
    body: dict[str, Any] = {"dag_ids": [dag], "dag_run_ids": [run], "task_ids": tasks, "page_limit": count}
    if states:
        body["state"] = list(states)
    path = "dags/~/dagRuns/~/taskInstances/list"
    return V1Request("POST", path, [], body, lambda _s, _h, value: answer(value))


def _rehearsed(dag: str, run: str | None, only_failed: bool) -> Callable[[Any], V1Request]:
    """Return the step after a dry run: v1's tells the tasks alone, v2's their instances as they are."""

    def instances(value: Any) -> V1Request:
        named = value["task_instances"]
        tasks = sorted({row["task_id"] for row in named})
        if not named or run is None:
            return V1Request("GET", "version", [], None, lambda *_: _changed(value))
        return _instances(dag, run, tasks, _FAILED if only_failed else (), len(named), _changed)

    return instances


def _clear_dag_run(call: _Call) -> V1Request:
    body = call.body or {}
    dry_run = bool(body.get("dry_run", True))
    only_failed = bool(body.get("only_failed"))
    dag, run = unquote(call.part["dag"]), unquote(call.part["run"])
    request = V1Request(
        "POST",
        call.path,
        [],
        {"dry_run": dry_run},
        lambda _s, _h, value: _dag_run(value),
        then=_rehearsed(dag, run, False) if dry_run else None,
    )
    if not only_failed:
        return request
    # v1 clears whole runs only here; the Dag-wide operation can be told to clear failed ones.
    moved = {"dag_run_id": run, "dry_run": dry_run, "only_failed": True, "reset_dag_runs": True}
    return replace(
        request,
        path=f"dags/{call.part['dag']}/clearTaskInstances",
        body=moved,
        answer=lambda _s, _h, value: _changed(value),
        then=_rehearsed(dag, run, True) if dry_run else None,
    )


def _clear_task_instances(call: _Call) -> V1Request:
    body = dict(call.body or {})
    body.setdefault("dry_run", True)
    body.setdefault("only_failed", True)
    body.setdefault("reset_dag_runs", True)
    if any(isinstance(task, list) for task in body.get("task_ids") or []):
        raise UnsupportedOnAirflow2("Airflow 2 cannot clear single map indexes; clear the whole task.")
    body = {k: v for k, v in body.items() if v is not None}
    rehearsed = _rehearsed(unquote(call.part["dag"]), body.get("dag_run_id"), bool(body["only_failed"]))
    return V1Request(
        "POST",
        call.path,
        [],
        body,
        lambda _s, _h, value: _changed(value),
        then=rehearsed if body["dry_run"] else None,
    )


def _patch_task_instance(call: _Call) -> V1Request:
    body = {k: v for k, v in (call.body or {}).items() if v is not None}
    if "note" in body:
        raise UnsupportedOnAirflow2("Airflow 2 sets a task instance's note by another operation.")
    dag, run, task = (unquote(call.part[name]) for name in ("dag", "run", "task"))
    state = body.get("new_state")
    flags = ("include_upstream", "include_downstream", "include_future", "include_past")

    def change(value: Any) -> V1Request:
        """Go on from the task's instances: v1 sets mapped ones one by one, and only so."""
        changed = _others(value, state)
        mapped = [row["map_index"] for row in changed["task_instances"] if row["map_index"] >= 0]
        if not mapped:
            moved = {
                "dry_run": False,
                "task_id": task,
                "dag_run_id": run,
                "new_state": state,
                **{flag: bool(body.get(flag)) for flag in flags},
            }
            path = f"dags/{call.part['dag']}/updateTaskInstancesState"
            return V1Request("POST", path, [], moved, lambda _s, _h, told: _changed(told))
        if len(mapped) > MOST_MAPPED:
            raise UnsupportedOnAirflow2(
                f"Airflow 2 sets map indexes one by one, and `{task}` has {len(mapped)} to set, over "
                f"{MOST_MAPPED}; use Airflow's page of the task."
            )

        def one(position: int) -> V1Request:
            more = position + 1 < len(mapped)
            return V1Request(
                "PATCH",
                f"{call.path}/{mapped[position]}",
                [],
                {"dry_run": False, "new_state": state},
                lambda *_: changed,
                then=(lambda _: one(position + 1)) if more else None,
            )

        return one(0)

    if call.part.get("dry"):
        return _instances(dag, run, [task], (), MOST_INSTANCES, lambda value: _others(value, state))
    listed = _instances(dag, run, [task], (), MOST_INSTANCES, _same)
    return replace(listed, then=change)


def _others(value: Any, state: str | None) -> Any:
    """Return the instances that are not in ``state`` yet: what setting it would change."""
    if value.get("total_entries", 0) > MOST_INSTANCES:
        raise UnsupportedOnAirflow2(
            f"The task has over {MOST_INSTANCES} map indexes; on Airflow 2, use Airflow's page of the task."
        )
    rows = [row for row in value["task_instances"] if row["state"] != state]
    return _changed({"task_instances": rows})


def _source(call: _Call) -> V1Request:
    dag_id = unquote(call.part["dag"])

    def second(dag: Any) -> V1Request:
        path = f"dagSources/{quote(dag['file_token'], safe='')}"

        def answer(_status: int, _headers: Mapping[str, str], value: Any) -> Any:
            content = value.get("content") if isinstance(value, dict) else value
            return {"content": content, "dag_id": dag_id, "version_number": None}

        return V1Request("GET", path, [], None, answer)

    return V1Request("GET", f"dags/{call.part['dag']}", [], None, lambda *_: None, then=second)


def _list_task_instances(call: _Call) -> V1Request:
    names: dict[str, str | None] = {
        **_PAGING,
        # v1 lists task instances in its own order and refuses to be told another.
        "order_by": None,
        "state": "state",
        "pool": "pool",
        "queue": "queue",
        "executor": "executor",
        "start_date_gte": "start_date_gte",
        "start_date_lte": "start_date_lte",
        "end_date_gte": "end_date_gte",
        "end_date_lte": "end_date_lte",
        "logical_date_gte": "execution_date_gte",
        "logical_date_lte": "execution_date_lte",
        "duration_gte": "duration_gte",
        "duration_lte": "duration_lte",
        "updated_at_gte": "updated_at_gte",
        "updated_at_lte": "updated_at_lte",
        "task_id": "task_id",
    }
    query = _query(call, names)
    answer = _rows("task_instances", "task_instances", _task_instance)
    tasks = [value for name, value in query if name == "task_id"]
    if not tasks:
        return V1Request("GET", call.path, query, None, lambda _s, _h, value: answer(value))
    # Only v1's batch listing filters by task.
    ranges = {name: value for name, value in query if name.endswith(("_gte", "_lte"))}
    lists = {name: [v for n, v in query if n == name] for name in ("state", "pool", "queue", "executor")}
    paging = {k: int(v) for k, v in query if k in _PAGING}
    body: dict[str, Any] = {**ranges, **{k: v for k, v in lists.items() if v}, "task_ids": tasks}
    if "limit" in paging:
        body["page_limit"] = paging["limit"]
    if paging.get("offset"):
        body["page_offset"] = paging["offset"]
    if call.part["dag"] != "~":
        body["dag_ids"] = [unquote(call.part["dag"])]
    if call.part["run"] != "~":
        body["dag_run_ids"] = [unquote(call.part["run"])]
    path = "dags/~/dagRuns/~/taskInstances/list"
    return V1Request("POST", path, [], body, lambda _s, _h, value: answer(value))


def _drop_nulls(call: _Call) -> V1Request:
    body = {k: v for k, v in (call.body or {}).items() if v is not None}
    return V1Request(call.method, call.path, call.query, body, lambda _s, _h, value: value)


_RUN_FILTERS: Mapping[str, str | None] = {
    **_PAGING,
    "order_by": "order_by",
    "state": "state",
    "start_date_gte": "start_date_gte",
    "start_date_lte": "start_date_lte",
    "end_date_gte": "end_date_gte",
    "end_date_lte": "end_date_lte",
    "logical_date_gte": "execution_date_gte",
    "logical_date_lte": "execution_date_lte",
    "run_after_gte": "execution_date_gte",
    "run_after_lte": "execution_date_lte",
    "updated_at_gte": "updated_at_gte",
    "updated_at_lte": "updated_at_lte",
}
_LIST: Mapping[str, str | None] = {**_PAGING, "order_by": "order_by"}
_D = r"dags/(?P<dag>[^/]+)"
_R = rf"{_D}/dagRuns/(?P<run>[^/]+)"
_T = rf"{_R}/taskInstances/(?P<task>[^/]+)"

_TABLE: tuple[tuple[str, str, Rewrite], ...] = (
    (
        "GET",
        "dags",
        _get(
            {
                **_LIST,
                "tags": "tags",
                "paused": "paused",
                "dag_id_pattern": "dag_id_pattern",
                "exclude_stale": "only_active",
                "tags_match_mode": None,
            },
            _rows("dags", "dags", _dag),
        ),
    ),
    ("GET", _D, _get(None, _dag)),
    ("GET", rf"{_D}/details", _get(None, _dag)),
    ("PATCH", _D, _get(None, _dag)),
    ("DELETE", _D, _get(None)),
    ("GET", rf"{_D}/tasks(/[^/]+)?", _get(None)),
    ("GET", r"dagSources/(?P<dag>[^/]+)", _source),
    ("PUT", r"parseDagFile/[^/]+", _get(None)),
    ("GET", r"dagWarnings", _get(None)),
    (
        "GET",
        r"importErrors",
        _get(_LIST, _rows("import_errors", "import_errors", _import_error)),
    ),
    ("GET", rf"{_D}/dagRuns", _get(_RUN_FILTERS, _rows("dag_runs", "dag_runs", _dag_run))),
    ("POST", rf"{_D}/dagRuns", _trigger),
    ("GET", _R, _get(None, _dag_run)),
    ("PATCH", _R, _patch_dag_run),
    ("DELETE", _R, _get(None)),
    ("POST", rf"{_R}/clear", _clear_dag_run),
    (
        "GET",
        rf"{_R}/upstreamAssetEvents",
        _get(
            None,
            _rows("dataset_events", "asset_events", _asset_event),
            "dags/{dag}/dagRuns/{run}/upstreamDatasetEvents",
        ),
    ),
    ("GET", rf"{_R}/taskInstances", _list_task_instances),
    (
        "GET",
        rf"{_T}/logs/(?P<try>\d+)",
        _get({"map_index": "map_index", "full_content": "full_content", "token": "token"}, _logs),
    ),
    ("GET", rf"{_T}/links", _get({"map_index": "map_index"}, _links)),
    ("GET", rf"{_T}(/(?P<map>\d+))?/dependencies", _get(None)),
    (
        "GET",
        rf"{_T}(/(?P<map>\d+))?/tries",
        _get(None, _rows("task_instances", "task_instances", _task_instance)),
    ),
    ("GET", rf"{_T}/listMapped", _get(_LIST, _rows("task_instances", "task_instances", _task_instance))),
    (
        "GET",
        rf"{_T}/xcomEntries(/[^/]+)?",
        _get({**_PAGING, "map_index": "map_index", "deserialize": "deserialize", "stringify": "stringify"}),
    ),
    ("GET", rf"{_T}(/(?P<map>-?\d+))?", _get(None, _task_instance)),
    ("PATCH", rf"{_T}(?P<dry>/dry_run)?", _patch_task_instance),
    ("POST", rf"{_D}/clearTaskInstances", _clear_task_instances),
    ("GET", r"monitor/health", _get({}, path="health")),
    ("GET", r"version", _get({})),
    ("GET", r"providers", _get(_PAGING)),
    ("GET", r"plugins", _get(_PAGING)),
    ("GET", r"pools(/[^/]+)?", _get(_LIST)),
    ("POST", r"pools", _drop_nulls),
    ("PATCH", r"pools/[^/]+", _drop_nulls),
    ("DELETE", r"(pools|variables|connections)/[^/]+", _get(None)),
    ("GET", r"variables(/[^/]+)?", _get(_LIST)),
    ("POST", r"variables", _drop_nulls),
    ("PATCH", r"variables/[^/]+", _drop_nulls),
    ("GET", r"connections(/[^/]+)?", _get(_LIST)),
    ("POST", r"connections(/test)?", _drop_nulls),
    ("PATCH", r"connections/[^/]+", _drop_nulls),
    ("GET", r"config(/section/[^/]+/option/[^/]+)?", _get({"section": "section"})),
    (
        "GET",
        r"eventLogs",
        _get(
            {
                **_LIST,
                "dag_id": "dag_id",
                "run_id": "run_id",
                "task_id": "task_id",
                "map_index": "map_index",
                "event": "event",
                "owner": "owner",
                "before": "before",
                "after": "after",
            },
            _rows("event_logs", "event_logs", _event_log),
        ),
    ),
    (
        "GET",
        r"assets",
        _get(
            {**_LIST, "uri_pattern": "uri_pattern", "name_pattern": "uri_pattern", "dag_ids": "dag_ids"},
            _rows("datasets", "assets", _asset),
            "datasets",
        ),
    ),
    (
        "GET",
        r"assets/events",
        _get(
            {
                **_LIST,
                "asset_id": "dataset_id",
                "source_dag_id": "source_dag_id",
                "source_task_id": "source_task_id",
                "source_run_id": "source_run_id",
                "source_map_index": "source_map_index",
            },
            _rows("dataset_events", "asset_events", _asset_event),
            "datasets/events",
        ),
    ),
    ("GET", r"dagStats", _get(None)),
)
