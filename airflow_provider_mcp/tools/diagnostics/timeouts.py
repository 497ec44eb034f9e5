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
"""Which time was up, and how long it was set."""

from __future__ import annotations

import re
from collections.abc import Mapping

from airflow_provider_mcp.sdk import JSON, Airflow, JSONObject, path
from airflow_provider_mcp.tools.diagnostics.exceptions import Failure, classify, walk
from airflow_provider_mcp.tools.diagnostics.statistics import run_times
from airflow_provider_mcp.tools.shared.reads import Unread, try_get

Row = JSONObject

_ISO_DURATION = re.compile(
    r"P(?:(?P<days>[\d.]+)D)?(?:T(?:(?P<hours>[\d.]+)H)?(?:(?P<minutes>[\d.]+)M)?(?:(?P<seconds>[\d.]+)S)?)?"
)

_SENSOR_LIMIT = re.compile(r"exceeds the specified timeout of (?P<seconds>\d+(?:\.\d+)?)")

_NUMBER = r"\d+(?:\.\d+)?"

_CLIENT_LIMIT = re.compile(
    rf"timeout ?[=:] ?(?P<set>{_NUMBER}) ?(?P<set_unit>ms|milliseconds?|m(?:in\w*)?|s(?:ec\w*)?)?(?!\w)"
    rf"|(?:after|timeout of) (?P<after>{_NUMBER}) ?(?P<after_unit>ms|milliseconds?|m(?:in\w*)?|s(?:ec\w*)?)\b"
)


def read_seconds(value: JSON) -> float | None:
    """Return a length of time of the REST API in seconds."""
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return float(value)
    if isinstance(value, str):
        return _read_iso(value)
    if not isinstance(value, Mapping):
        return None
    parts = (
        (value.get("days") or 0) * 86400,
        value.get("seconds") or 0,
        (value.get("microseconds") or 0) / 1e6,
    )
    return float(sum(parts))


def _read_iso(text: str) -> float | None:
    """Return an ISO 8601 duration, as Airflow 3 gives some, in seconds."""
    found = _ISO_DURATION.fullmatch(text)
    if found is None:
        return None
    lengths = {"days": 86400, "hours": 3600, "minutes": 60, "seconds": 1}
    return sum(float(found[name] or 0) * length for name, length in lengths.items())


async def find_timeout(
    airflow: Airflow, dag_id: str, task_id: str, failure: Failure, unchecked: Row
) -> Row | None:
    """Return which timeout ended a try, and its seconds as far as they are known; None if none did."""
    name = failure.exception.rsplit(".", 1)[-1]
    if name == "AirflowTaskTimeout":
        task = await try_get(airflow, path("dags/{}/tasks/{}", dag_id, task_id))
        if isinstance(task, Unread):
            unchecked["execution_timeout"] = task.why
            return {"which": "execution_timeout of the task"}
        return _show("execution_timeout of the task", read_seconds(task.get("execution_timeout")))
    if name == "AirflowSensorTimeout":
        found = _SENSOR_LIMIT.search(failure.message)
        return _show("timeout of the sensor", float(found["seconds"]) if found else None)
    if name == "TaskDeferralTimeout":
        return {"which": "timeout of the deferral: its trigger did not fire in time"}
    timed_out = [one for one in walk(failure) if classify(one) == "timeout"]
    if not timed_out:
        return None
    return _show("timeout of the client that the code uses (HTTP, network)", _find_client_limit(failure))


def _find_client_limit(failure: Failure) -> float | None:
    texts = [one.message for one in walk(failure)]
    texts += [frame.code for one in walk(failure) for frame in one.user_frames]
    for text in texts:
        found = _CLIENT_LIMIT.search(text)
        if found:
            unit = found["set_unit"] or found["after_unit"] or "s"
            return float(found["set"] or found["after"]) * _read_unit(unit)
    return None


def _read_unit(unit: str) -> float:
    """Return how many seconds a unit of time has."""
    if unit.startswith(("ms", "milli")):
        return 0.001
    return 60 if unit.startswith("m") else 1


def _show(which: str, seconds: float | None) -> Row:
    return {"which": which} if seconds is None else {"which": which, "seconds": seconds}


async def find_run_timeout(airflow: Airflow, run: Row, unchecked: Row) -> Row | None:
    """Return the ``dagrun_timeout`` of a failed run, if it was up."""
    dag = await try_get(airflow, path("dags/{}/details", run["dag_id"]))
    if isinstance(dag, Unread):
        unchecked["dagrun_timeout"] = dag.why
        return None
    limit = read_seconds(dag.get("dag_run_timeout") or dag.get("dagrun_timeout"))
    duration = run_times(run).duration
    if limit and duration is not None and duration >= limit:
        return {"which": "dagrun_timeout of the Dag", "seconds": limit, "run_took": round(duration, 1)}
    return None
