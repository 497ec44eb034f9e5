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
"""Assets, which Airflow 2 calls datasets and knows by their URI."""

from __future__ import annotations

import re
from urllib.parse import quote

from airflow_provider_mcp.hosts.airflow2.rest.filters import LISTING, Filters, rename_query
from airflow_provider_mcp.hosts.airflow2.rest.requests import Query, Rewriting, V2Request, get, post
from airflow_provider_mcp.hosts.airflow2.rest.rows import convert_asset, convert_asset_event, convert_list
from airflow_provider_mcp.sdk.errors import Unsupported

_FILTERS: Filters = {
    **LISTING,
    "uri_pattern": "uri_pattern",
    "name_pattern": "uri_pattern",
    "dag_ids": "dag_ids",
    "only_active": None,
}

_AT_ONCE = 100
"""What v1 lists at once (``maximum_page_limit``), unless it is told otherwise."""

_COUNTING_CALLS = 2
"""Calls by which the datasets beyond a page are counted, at most."""

_MOST_LOOKS = 20
"""Pages that are searched for a dataset by its ID, at most."""


def list_assets(call: V2Request) -> Rewriting:
    """List datasets. v1 counts all of them, whatever they are filtered by, so the filtered are counted here.

    Where over two pages follow, ``total_entries`` is how many there are at least, and
    ``total_is_at_least`` says so.
    """
    query = dict(rename_query(call, _FILTERS))
    if len({value for name, value in call.query if name in {"uri_pattern", "name_pattern"}}) > 1:
        raise Unsupported("Airflow 2 knows datasets by their URI alone: filter by one pattern.")
    if "order_by" in query:
        query["order_by"] = re.sub(r"^(-?)name$", r"\1uri", query["order_by"])
    if "dag_ids" in query:
        query["dag_ids"] = ",".join(value for name, value in call.query if name == "dag_ids")
    content = yield get("datasets", list(query.items()))
    answer = convert_list(content, "datasets", "assets", convert_asset)
    if not {"uri_pattern", "dag_ids"} & set(query):
        return answer
    offset, rows = int(query.get("offset", 0)), len(content["datasets"])
    begin = offset + rows if rows else 0
    if rows or offset:
        total, is_whole = yield from _count(query, begin, rows)
    else:
        total, is_whole = 0, True
    return {**answer, "total_entries": total, **({} if is_whole else {"total_is_at_least": True})}


def _count(query: dict[str, str], begin: int, page: int) -> Rewriting:
    """Count the datasets from ``begin`` on; return the count of all, and whether there are no more.

    :param page: Rows that v1 is known to list at once.
    """
    for _ in range(_COUNTING_CALLS):
        part = {**query, "limit": str(_AT_ONCE), "offset": str(begin)}
        content = yield get("datasets", list(part.items()))
        rows = len(content["datasets"])
        begin += rows
        if rows < min(_AT_ONCE, max(page, 1)):
            return begin, True
        page = rows
    return begin, False


def _find_dataset(asset_id: int) -> Rewriting:
    """Return the dataset with an ID, or None: v1 only lists them.

    The dataset with the ID n is the n-th or, where others were deleted, an earlier one.
    """
    offset = max(0, asset_id - _AT_ONCE)
    for _ in range(_MOST_LOOKS):
        query: Query = [("order_by", "id"), ("limit", str(_AT_ONCE)), ("offset", str(offset))]
        rows = (yield get("datasets", query))["datasets"]
        for row in rows:
            if row["id"] == asset_id:
                return row
        if not offset or (rows and rows[0]["id"] < asset_id):
            break
        offset = max(0, offset - _AT_ONCE)
    return None


def get_asset(call: V2Request) -> Rewriting:
    """Read a dataset."""
    asset_id = call.parts["asset"]
    dataset = yield from _find_dataset(int(asset_id))
    # Where there is none, v1 says so.
    row = yield get(f"datasets/{quote(dataset['uri'] if dataset else asset_id, safe='')}")
    return convert_asset(row)


def create_asset_event(call: V2Request) -> Rewriting:
    """Record an event of a dataset."""
    body = call.body or {}
    dataset = yield from _find_dataset(int(body["asset_id"]))
    uri = dataset["uri"] if dataset else str(body["asset_id"])
    event = yield post("datasets/events", {"dataset_uri": uri, "extra": body.get("extra") or {}})
    return convert_asset_event(event)
