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
"""What a refusal of Airflow's REST API means as a tool error."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

import httpx

from airflow_provider_mcp.sdk.errors import (
    Conflict,
    InternalError,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    RateLimited,
    ToolError,
    Unavailable,
    Unsupported,
)
from airflow_provider_mcp.sdk.json_types import JSONObject

_KINDS: Mapping[int, type[ToolError]] = {
    400: InvalidArgument,
    401: PermissionDenied,
    403: PermissionDenied,
    404: NotFound,
    405: Unsupported,
    409: Conflict,
    413: InvalidArgument,
    422: InvalidArgument,
    429: RateLimited,
    501: Unsupported,
    502: Unavailable,
    503: Unavailable,
    504: Unavailable,
}

_ACTIONS = {
    "GET": "read",
    "HEAD": "read",
    "POST": "create",
    "PUT": "edit",
    "PATCH": "edit",
    "DELETE": "delete",
}


def build_error(response: httpx.Response, root: str) -> ToolError:
    """Return the tool error that an answer of 300 or above stands for."""
    status = response.status_code
    route = response.request.url.path.removeprefix(root).lstrip("/")
    kind = _KINDS.get(status, InternalError if status >= 500 or status < 400 else InvalidArgument)
    message = _detail(response)
    identifiers: JSONObject = {"status": status}
    hint = ""
    if kind is PermissionDenied:
        resource = _resource(route)
        action = _ACTIONS.get(response.request.method, "edit")
        identifiers |= {"resource": resource, "action": action}
        message = f"You may not {action} {resource} ({message or 'Forbidden'})."
        hint = f"Ask an Airflow administrator for permission to {action} {resource}."
        if _spans_all_dags(response.request, route):
            hint = f"The same call with dag_id may be allowed, for a Dag that you may read. {hint}"
    elif kind is InternalError:
        message = f"Airflow failed to answer {response.request.method} {route} (HTTP {status})."
        hint = "The web server's log has the cause."
    elif kind in {RateLimited, Unavailable}:
        message = message or f"Airflow cannot answer now (HTTP {status})."
        hint = "Try again in a few seconds."
    elif unknown := _UNKNOWN_PARAMETERS.fullmatch(message):
        kind = Unsupported
        message = f"This Airflow cannot filter {route} by {unknown[1]}."
        hint = "Leave the filter out and choose from the whole list."
    elif kind is NotFound:
        message = message or f"{route} was not found."
        hint = "Check the identifiers with a list tool."
    else:
        message = message or f"Airflow refused {response.request.method} {route} (HTTP {status})."
    return kind(message, hint=hint, **identifiers)


_ALL_DAGS = re.compile(r"dags/~/.*|eventLogs|assets/events")
"""Lists that are of all Dags unless they are filtered by one."""


def _spans_all_dags(request: httpx.Request, route: str) -> bool:
    filters = {"dag_id", "source_dag_id"} & set(request.url.params)
    return not filters and _ALL_DAGS.fullmatch(route) is not None


def _detail(response: httpx.Response) -> str:
    """Return what a REST answer says went wrong, in one line of at most 2,000 characters."""
    try:
        answer = response.json()
    except ValueError:
        # Airflow 2 says some of its refusals in plain text; a page for people is not for a model.
        answer = {} if "<" in response.text else {"detail": response.text}
    if not isinstance(answer, dict):
        return ""
    detail = answer.get("detail") or answer.get("title") or ""
    if isinstance(detail, dict):
        detail = (
            detail.get("message") or detail.get("reason") or detail.get("statement") or json.dumps(detail)
        )
    if isinstance(detail, list):
        detail = "; ".join(
            f"{'.'.join(str(p) for p in item.get('loc', []))}: {item.get('msg', '')}"
            if isinstance(item, dict)
            else str(item)
            for item in detail
        )
    return " ".join(str(detail).split())[:2000]


# How older minors of Airflow 2 refuse a filter that came later.
_UNKNOWN_PARAMETERS = re.compile(r"Extra query parameter\(s\) (.+) not in spec")

_RESOURCES = (
    (r"dags/[^/]+/dagRuns/[^/]+/taskInstances/[^/]+/.*logs", "task logs"),
    (r"dags/[^/]+/dagRuns/[^/]+/taskInstances/[^/]+/xcomEntries", "XComs"),
    (r"dags/[^/]+/dagRuns/[^/]+/taskInstances", "task instances"),
    (r"dags/[^/]+/(clearTaskInstances|updateTaskInstancesState)", "task instances"),
    (r"dags/[^/]+/dagRuns", "Dag runs"),
    (r"dagSources|dags/[^/]+/dagVersions", "Dag code"),
    (r"dags", "Dags"),
    (r"(?P<name>[^/]+)", ""),
)


def _resource(route: str) -> str:
    for pattern, name in _RESOURCES:
        match = re.match(pattern, route)
        if match:
            return name or re.sub(r"(?<=[a-z])(?=[A-Z])", " ", match["name"]).lower()
    return "this"
