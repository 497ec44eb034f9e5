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
"""Pools, variables and connections: what v1 takes otherwise than v2."""

from __future__ import annotations

from airflow_provider_mcp.hosts.airflow2.rest.requests import Rewriting, V1Request, V2Request
from airflow_provider_mcp.sdk.errors import Unsupported


def set_pool(call: V2Request) -> Rewriting:
    """Create a pool, or change it."""
    body = call.fields
    if isinstance(body.get("slots"), int) and body["slots"] < 0:
        # v1 stores it, fails to say so, and from then on fails to list pools at all.
        raise Unsupported("Airflow 2's API cannot show a pool without a limit; give its slots.")
    if "pool" in body:
        body["name"] = body.pop("pool")
    query = [(name, value) for name, value in call.query if name != "update_mask"]
    masks = [value for name, value in call.query if name == "update_mask"]
    if masks:
        # v1 reads one list with commas.
        query.append(("update_mask", ",".join(masks)))
    return (yield V1Request(call.method, call.path, query, body))


def send_without_nulls(call: V2Request) -> Rewriting:
    """Pass a request on without the fields that are null."""
    return (yield V1Request(call.method, call.path, call.query, call.fields))


def patch_connection(call: V2Request) -> Rewriting:
    """Change a connection; Airflow 3 keeps a secret that is sent masked, v1 would store the mask."""
    body = call.body or {}
    if "***" in f"{body.get('password')} {body.get('extra')}":
        raise Unsupported("Airflow 2 cannot keep a masked secret; give the secret itself.")
    return (yield from send_without_nulls(call))
