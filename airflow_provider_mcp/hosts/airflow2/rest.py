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
import base64
import json
import re
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

import httpx

from airflow_provider_mcp.sdk.airflow import NATIVE

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


Steps = Generator[V1Request, tuple[httpx.Response, Any], httpx.Response]


def serve_v2(outer: httpx.Request, root: str) -> Steps:
    """Yield the v1 requests that serve a v2 request; return its answer.

    Each yield is to be answered by the v1 answer and what it holds (decoded JSON, or text).

    :param root: The path of the v2 API, which the request's path begins with.
    :raises UnsupportedOnAirflow2: As :func:`to_v1`.
    """
    path = outer.url.raw_path.decode("ascii").split("?", 1)[0].removeprefix(root)
    query = parse_qsl(outer.url.query.decode("ascii"), keep_blank_values=True)
    body = json.loads(outer.content) if outer.content else None
    if outer.extensions.get(NATIVE):
        step: V1Request | None = V1Request(outer.method, path, query, body, lambda _s, _h, value: value)
    else:
        step = to_v1(outer.method, path, query, body)
    while step is not None:
        answer, held = yield step
        status = answer.status_code
        if status >= 300:
            kind = answer.headers.get("content-type", "text/plain")
            return httpx.Response(status, content=answer.content, headers={"Content-Type": kind})
        if step.then is None:
            if held in (None, "") or status == 204:
                return httpx.Response(status)
            return httpx.Response(status, json=step.answer(status, answer.headers, held))
        step = step.then(held)
    raise AssertionError("a step without a successor has answered")


def held_by(answer: httpx.Response) -> Any:
    """Return what a v1 answer holds: decoded JSON, or text."""
    is_json = answer.headers.get("content-type", "").split(";")[0].endswith("json")
    return json.loads(answer.content or b"null") if is_json else answer.text


def page_url(
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


@dataclass(frozen=True)
class _Call:
    method: str
    path: str
    query: Query
    body: Any
    part: Mapping[str, str]


Rewrite = Callable[[_Call], V1Request]


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
    new.setdefault("aliases", [])
    return new


def _asset_event(row: Row) -> Row:
    new = {key.replace("dataset_", "asset_"): value for key, value in row.items()}
    new["uri"] = new["name"] = new.pop("asset_uri", None)
    new["created_dagruns"] = [
        {**run, "run_id": run.get("dag_run_id")} for run in map(_dag_run, row.get("created_dagruns", []))
    ]
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
    return {"content": log_lines(text), "continuation_token": None if _is_last(token) else token}


def _is_last(token: Any) -> bool:
    """Return whether a continuation token, which v1 always gives, says that the log has ended.

    Asking once more would read the whole log again only to skip it.
    """
    payload = str(token or "").split(".", 1)[0]
    try:
        held = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except ValueError:
        return False
    return isinstance(held, dict) and held.get("end_of_log") is True


def _changed(value: Any) -> Any:
    listed = [_task_instance(row) for row in value.get("task_instances", [])]
    return {"task_instances": listed, "total_entries": len(listed)}


def _links(value: Any) -> Any:
    return {"extra_links": value, "total_entries": len(value)}


_ORDER = {
    "logical_date": "execution_date",
    "run_after": "execution_date",
    "dag_run_id": "run_id",
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


_TASK_STATES = frozenset(
    {
        "none",
        "removed",
        "scheduled",
        "queued",
        "running",
        "success",
        "shutdown",
        "restarting",
        "failed",
        "up_for_retry",
        "up_for_reschedule",
        "upstream_failed",
        "skipped",
        "deferred",
    }
)


def _refuse_unknown_states(states: Iterable[str]) -> None:
    """Refuse states that came with Airflow 3: v1 fails with HTTP 500 when it is asked for one."""
    unknown = sorted(set(states) - _TASK_STATES)
    if unknown:
        raise UnsupportedOnAirflow2(f"Airflow 2 has no task state {', '.join(unknown)}.")


def _list_task_instances(call: _Call) -> V1Request:
    names: dict[str, str | None] = {
        **_PAGING,
        # v1 lists task instances in its own order and refuses to be told another.
        "order_by": None,
        "state": "state",
        "pool": "pool",
        "queue": "queue",
        "executor": "executor",
        **_DATE_FILTERS,
        "duration_gte": "duration_gte",
        "duration_lte": "duration_lte",
        "updated_at_gte": "updated_at_gte",
        "updated_at_lte": "updated_at_lte",
        "task_id": "task_id",
    }
    query = _query(call, names)
    _refuse_unknown_states(value for name, value in query if name == "state")
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


_ASSET_FILTERS: Mapping[str, str | None] = {
    **_PAGING,
    "order_by": "order_by",
    "uri_pattern": "uri_pattern",
    "name_pattern": "uri_pattern",
    "dag_ids": "dag_ids",
    "only_active": None,
}


def _list_assets(call: _Call) -> V1Request:
    """List datasets; v1 counts all of them, whatever they are filtered by, so the filtered are counted."""
    query = dict(_query(call, _ASSET_FILTERS))
    if len({value for name, value in call.query if name in {"uri_pattern", "name_pattern"}}) > 1:
        raise UnsupportedOnAirflow2("Airflow 2 knows datasets by their URI alone: filter by one pattern.")
    if "order_by" in query:
        query["order_by"] = re.sub(r"^(-?)name$", r"\1uri", query["order_by"])
    if "dag_ids" in query:
        query["dag_ids"] = ",".join(value for name, value in call.query if name == "dag_ids")
    answer = _rows("datasets", "assets", _asset)
    request = V1Request("GET", "datasets", list(query.items()), None, lambda _s, _h, value: answer(value))
    if not {"uri_pattern", "dag_ids"} & set(query):
        return request

    def count(page: Any) -> V1Request:
        begin = int(query.get("offset", 0))
        held = len(page["datasets"])
        if held or not begin:
            return look(begin + held, begin + held, page["total_entries"], page)
        return look(begin // 2, 0, begin, page)

    def look(at: int, least: int, most: int, page: Any) -> V1Request:
        """Ask whether there is a dataset at ``at``, until it is known how many there are."""
        if least >= most:
            told = answer({**page, "total_entries": least})
            return V1Request("GET", "version", [], None, lambda *_: told)

        def narrow(value: Any) -> V1Request:
            low, high = (at + 1, most) if value["datasets"] else (least, at)
            return look((low + high) // 2, low, high, page)

        one = list({**query, "limit": "1", "offset": str(at)}.items())
        return V1Request("GET", "datasets", one, None, lambda *_: None, then=narrow)

    return replace(request, then=count)


_ASSETS_AT_ONCE = 100

_MOST_LOOKS = 20


def _with_asset(asset_id: int, use: Callable[[Row | None], V1Request]) -> V1Request:
    """Look for a dataset by its ID, which v1 only lists; ``use`` takes it, or None if there is none.

    The dataset with the ID n is the n-th or, where others were deleted, an earlier one.
    """

    def look(offset: int, left: int) -> V1Request:
        def found(value: Any) -> V1Request:
            rows = value["datasets"]
            row = next((row for row in rows if row["id"] == asset_id), None)
            if row is None and offset and left and (not rows or rows[0]["id"] > asset_id):
                return look(max(0, offset - _ASSETS_AT_ONCE), left - 1)
            return use(row)

        query = [("order_by", "id"), ("limit", str(_ASSETS_AT_ONCE)), ("offset", str(offset))]
        return V1Request("GET", "datasets", query, None, lambda *_: None, then=found)

    return look(max(0, asset_id - _ASSETS_AT_ONCE), _MOST_LOOKS)


def _get_asset(call: _Call) -> V1Request:
    asset_id = call.part["asset"]

    def use(row: Row | None) -> V1Request:
        # v1 says by itself that there is none.
        uri = quote(row["uri"] if row else asset_id, safe="")
        return V1Request("GET", f"datasets/{uri}", [], None, lambda _s, _h, value: _asset(value))

    return _with_asset(int(asset_id), use)


def _create_asset_event(call: _Call) -> V1Request:
    body = call.body or {}

    def use(row: Row | None) -> V1Request:
        moved = {
            "dataset_uri": row["uri"] if row else str(body.get("asset_id")),
            "extra": body.get("extra") or {},
        }
        return V1Request("POST", "datasets/events", [], moved, lambda _s, _h, value: _asset_event(value))

    return _with_asset(int(body["asset_id"]), use)


def _set_pool(call: _Call) -> V1Request:
    body = {k: v for k, v in (call.body or {}).items() if v is not None}
    if isinstance(body.get("slots"), int) and body["slots"] < 0:
        # v1 stores it, fails to say so, and from then on fails to list pools at all.
        raise UnsupportedOnAirflow2("Airflow 2's API cannot show a pool without a limit; give its slots.")
    if "pool" in body:
        body["name"] = body.pop("pool")
    return V1Request(call.method, call.path, _masks(call), body, lambda _s, _h, value: value)


def _masks(call: _Call) -> Query:
    """Return the query with its ``update_mask`` as v1 reads it: one list with commas."""
    rest = [(name, value) for name, value in call.query if name != "update_mask"]
    fields = [value for name, value in call.query if name == "update_mask"]
    return [*rest, ("update_mask", ",".join(fields))] if fields else rest


def _keep_no_mask(call: _Call) -> V1Request:
    """Change a connection; Airflow 3 keeps a secret that is sent masked, v1 would store the mask."""
    body = call.body or {}
    if "***" in f"{body.get('password')} {body.get('extra')}":
        raise UnsupportedOnAirflow2("Airflow 2 cannot keep a masked secret; give the secret itself.")
    return _drop_nulls(call)


_DATE_FILTERS: Mapping[str, str | None] = {
    "start_date_gte": "start_date_gte",
    "start_date_lte": "start_date_lte",
    "end_date_gte": "end_date_gte",
    "end_date_lte": "end_date_lte",
    "logical_date_gte": "execution_date_gte",
    "logical_date_lte": "execution_date_lte",
    "run_after_gte": "execution_date_gte",
    "run_after_lte": "execution_date_lte",
}

_BATCH_FILTERS: Mapping[str, str | None] = {
    # v1 lists task instances in its own order and refuses to be told another.
    "order_by": None,
    "dag_ids": "dag_ids",
    "dag_run_ids": "dag_run_ids",
    "task_ids": "task_ids",
    "state": "state",
    "pool": "pool",
    "queue": "queue",
    "executor": "executor",
    "page_limit": "page_limit",
    "page_offset": "page_offset",
    **_DATE_FILTERS,
}


def _batch_task_instances(call: _Call) -> V1Request:
    body: Row = {}
    for name, value in (call.body or {}).items():
        if name not in _BATCH_FILTERS:
            raise UnsupportedOnAirflow2(f"Airflow 2 cannot filter task instances by {name}; leave it out.")
        new = _BATCH_FILTERS[name]
        if new is not None and value is not None:
            body[new] = value
    _refuse_unknown_states(body.get("state") or ())
    answer = _rows("task_instances", "task_instances", _task_instance)
    return V1Request("POST", call.path, [], body, lambda _s, _h, value: answer(value))


def _drop_nulls(call: _Call) -> V1Request:
    body = {k: v for k, v in (call.body or {}).items() if v is not None}
    return V1Request(call.method, call.path, call.query, body, lambda _s, _h, value: value)


_RUN_FILTERS: Mapping[str, str | None] = {
    **_PAGING,
    "order_by": "order_by",
    "state": "state",
    **_DATE_FILTERS,
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
    ("POST", r"dags/~/dagRuns/~/taskInstances/list", _batch_task_instances),
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
    ("POST", r"pools", _set_pool),
    ("PATCH", r"pools/[^/]+", _set_pool),
    # A variable's key may hold slashes.
    ("DELETE", r"((pools|connections)/[^/]+|variables/.+)", _get(None)),
    ("GET", r"variables(/.+)?", _get(_LIST)),
    ("POST", r"variables", _drop_nulls),
    ("PATCH", r"variables/.+", _drop_nulls),
    ("GET", r"connections(/[^/]+)?", _get(_LIST)),
    ("POST", r"connections(/test)?", _drop_nulls),
    ("PATCH", r"connections/[^/]+", _keep_no_mask),
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
    ("GET", r"assets", _list_assets),
    ("GET", r"assets/(?P<asset>\d+)", _get_asset),
    ("POST", r"assets/events", _create_asset_event),
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
