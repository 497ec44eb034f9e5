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
"""What Airflow finds changed between two versions of a Dag: Airflow 3.4 and later compare them."""

from __future__ import annotations

import json

from airflow_provider_mcp.sdk import Airflow, JSONObject, path
from airflow_provider_mcp.tools.diagnostics.reading import cut
from airflow_provider_mcp.tools.shared.reads import Unread, try_get
from airflow_provider_mcp.tools.shared.versions import read_release

_SINCE = (3, 4)

MOST_CHANGES = 15

READ_CHANGES = 500
"""Changes that are asked for: those that matter are chosen from them."""

_FIRST = ("execution", "authorization", "unknown", "metadata", "provenance")
"""What a change affects, what may explain a failure first."""


async def compare_versions(
    airflow: Airflow, dag_id: str, base: int, target: int
) -> JSONObject | Unread | None:
    """Return how a Dag's definition differs between two versions; None where Airflow compares none.

    Its order is that of the versions: ``before`` is of the base.
    """
    if read_release(airflow) < _SINCE:
        return None
    query = {"base_version_number": base, "target_version_number": target, "max_changes": READ_CHANGES}
    answer = await try_get(airflow, path("dags/{}/dagVersions/diff", dag_id), query)
    if isinstance(answer, Unread):
        return answer
    if answer.get("mode") == "unavailable":
        return Unread(str(answer.get("unavailable_reason") or "Airflow cannot compare these versions."))
    changes = sorted(answer["changes"], key=_rank)
    compared: JSONObject = {
        "total": answer["total_changes"],
        "changes": [_show(airflow, change) for change in changes[:MOST_CHANGES]],
    }
    if answer.get("truncated"):
        compared["total_is_at_least"] = True
    if answer.get("values_status") == "unavailable":
        compared["values"] = "Only who may read the Dag's code sees the values."
    return compared


def _rank(change: JSONObject) -> int:
    impact = str(change.get("impact"))
    return _FIRST.index(impact) if impact in _FIRST else len(_FIRST)


def _show(airflow: Airflow, change: JSONObject) -> JSONObject:
    where = str(change["path"])
    shown: JSONObject = {"path": cut(where, 200), "operation": change["operation"]}
    if change.get("impact") not in (None, "execution"):
        shown["impact"] = change["impact"]
    if (count := change.get("occurrence_count") or 1) > 1:
        shown["count"] = count
    # An absent side is left out, which tells it from a stored null.
    for ours, theirs in (("before", "before_value"), ("after", "after_value")):
        if theirs in change:
            value = airflow.redact(change[theirs], where.replace("/", ".").rsplit(".", 1)[-1])
            shown[ours] = cut(json.dumps(value, ensure_ascii=False), 120)
    return shown
