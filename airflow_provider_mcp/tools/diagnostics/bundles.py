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
"""When Airflow last read the bundles that Dags come from: Airflow 3.4 and later tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from airflow_provider_mcp.sdk import JSON, Airflow, JSONObject
from airflow_provider_mcp.tools.shared.reads import Unread, try_get
from airflow_provider_mcp.tools.shared.rows import pick
from airflow_provider_mcp.tools.shared.versions import read_release

_SINCE = (3, 4)

MOST_BUNDLES = 20

_SHOWN = ("name", "version", "last_refreshed", "team_name", "import_error_count")


async def read_bundles(airflow: Airflow, dag: Mapping[str, JSON] | None) -> list[JSONObject]:
    """Return when the bundle of a Dag was last refreshed, or each one of which it could be.

    It only adds to what is known: what cannot be read is none.
    """
    if read_release(airflow) < _SINCE:
        return []
    answer = await try_get(airflow, "dagBundles", {"limit": MOST_BUNDLES, "order_by": "-last_refreshed"})
    if isinstance(answer, Unread):
        return []
    own = (dag or {}).get("bundle_name")
    rows = [row for row in answer["dag_bundles"] if own in (None, row.get("name"))]
    return [
        {**pick(row, *_SHOWN), **({"active": False} if row.get("active") is False else {})} for row in rows
    ]


def describe_refresh(bundles: Sequence[JSONObject]) -> str:
    """Return a sentence on when the files were last read; none if that is not known."""
    if len(bundles) != 1:
        return ""
    (bundle,) = bundles
    if bundle.get("active") is False:
        return f" Its bundle `{bundle['name']}` is no longer configured."
    read = bundle.get("last_refreshed")
    if read is None:
        return f" Its bundle `{bundle['name']}` was never refreshed: is a Dag processor running?"
    version = f" at version {bundle['version']}" if bundle.get("version") else ""
    return f" The bundle `{bundle['name']}` was last refreshed at {read}{version}: what is newer is not read."
