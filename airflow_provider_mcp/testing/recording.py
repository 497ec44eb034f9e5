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
"""What a tool under test asks of Airflow, and what it is answered."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote, unquote, urlsplit

import anyio
import httpx

from airflow_provider_mcp.sdk.airflow import INNER_HOST, Airflow, Caller, Site
from airflow_provider_mcp.sdk.injection import run_function
from airflow_provider_mcp.sdk.json_types import JSON
from airflow_provider_mcp.sdk.masking import mask_by_name

AIRFLOW_VERSION = "3.3.2"
"""The Airflow that a test stands in for unless it names another."""
ROOT = "/api/v2/"
PAGES = "http://airflow.example.com"

_LOOK_UPS = re.compile(r"dags|dags/[^/]+(/tasks|/dagRuns(/[^/]+)?)?")

Answer = Callable[[httpx.Request], httpx.Response]


class UnexpectedCall(AssertionError):  # noqa: N818 - it is a test that failed
    """A tool made a REST call for which there is no reply."""


@dataclass(frozen=True)
class Call:
    """A REST call that a tool made."""

    method: str
    route: str
    """Below the API's root, for example ``dags/my_dag/dagRuns``."""
    params: Mapping[str, str]
    body: JSON


class Recording:
    """REST replies in Airflow 3's terms, by request, and the calls that asked for them.

    A request is written ``GET dags/my_dag/dagRuns?state=failed``. A query may be left out or name only
    some parameters; the reply whose query names the most of a call's parameters answers it.

    :param replies: Replies as for :meth:`reply`, by request.
    """

    def __init__(self, replies: Mapping[str, JSON] | None = None) -> None:
        self.calls: list[Call] = []
        self.unexpected: list[UnexpectedCall] = []
        self._replies: list[tuple[str, str, Mapping[str, str], int, Any]] = []
        for request, answer in (replies or {}).items():
            self.reply(request, answer)

    def reply(self, request: str, answer: JSON = None, *, status: int = 200) -> None:
        """Answer a request from now on.

        :param answer: JSON-ready data, a text, an ``httpx.Response``, or a function from the
            ``httpx.Request`` to one of them, for replies that change.
        """
        method, _, address = request.partition(" ")
        if not method.isupper() or not address:
            raise ValueError(f"{request!r} is not written like 'GET dags/my_dag'")
        parts = urlsplit(address)
        query = dict(httpx.QueryParams(parts.query).multi_items())
        self._replies.append((method, unquote(parts.path), query, status, answer))

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer a request; a transport calls this.

        :raises UnexpectedCall: There is no reply for it.
        """
        route = unquote(request.url.raw_path.decode().split("?", 1)[0]).removeprefix(ROOT)
        query_sent = request.url.params
        fitting = [
            (len(query), status, answer)
            for method, path, query, status, answer in reversed(self._replies)
            if method == request.method
            and path == route
            and all(value in query_sent.get_list(name) for name, value in query.items())
        ]
        if not fitting:
            replies = ", ".join(sorted(f"{reply[0]} {reply[1]}" for reply in self._replies)) or "nothing"
            missing = UnexpectedCall(
                f"{request.method} {route}?{query_sent} has no reply; there are: {replies}"
            )
            self.unexpected.append(missing)
            raise missing
        self.calls.append(Call(request.method, route, dict(query_sent), _body(request)))
        _, status, answer = max(fitting, key=lambda reply: reply[0])
        return _response(status, answer(request) if callable(answer) else answer)

    def for_server(self, request: httpx.Request) -> httpx.Response:
        """Answer what the server asks by itself: it looks for the names that an unknown one may mean.

        A test need not know of that: without a reply for it, the server may not look.
        """
        try:
            return self(request)
        except UnexpectedCall as missing:
            route = request.url.path.removeprefix(ROOT)
            if request.method != "GET" or not _LOOK_UPS.fullmatch(route):
                raise
            self.unexpected.remove(missing)
            return httpx.Response(403, json={"detail": "not recorded"})


def _body(request: httpx.Request) -> JSON:
    if not request.content:
        return None
    try:
        return json.loads(request.content)
    except ValueError:
        return request.content


def _response(status: int, answer: JSON) -> httpx.Response:
    if isinstance(answer, httpx.Response):
        return answer
    if isinstance(answer, str):
        return httpx.Response(status, text=answer)
    return httpx.Response(status) if answer is None else httpx.Response(status, json=answer)


def open_airflow(
    answer: Answer,
    access: Literal["read", "write"] = "read",
    *,
    version: str = AIRFLOW_VERSION,
    caller: Caller | None = None,
    triggerable: Collection[str] = (),
) -> Airflow:
    """Return an ``Airflow`` client whose calls a recording, or a function of your own, answers.

    It refuses what the real one refuses, and raises ``ToolError`` as the real one does.

    :param access: A ``read`` client refuses to write, as the one that a tool with access ``read`` gets.
    :param triggerable: The Dags of which the caller may start a run.
    """
    return open_client(Airflow, answer, access, version, caller or Caller("1", "ada"), triggerable)


def open_client(
    kind: type[Airflow],
    answer: Answer,
    access: Literal["read", "write"],
    version: str,
    caller: Caller,
    triggerable: Collection[str],
) -> Airflow:
    """Return a client of a class; see :func:`open_airflow` for the others."""

    async def find_triggerable(dag_ids: Sequence[str]) -> frozenset[str]:
        return frozenset(dag_ids) & frozenset(triggerable)

    return kind(
        transport=httpx.MockTransport(answer),
        base_url=f"http://{INNER_HOST}{ROOT}",
        site=Site(
            version=version,
            page_roots=(PAGES,),
            page_url=_page_url,
            redact=mask_by_name,
            find_triggerable=find_triggerable,
        ),
        caller=caller,
        access=access,
    )


def _page_url(
    dag_id: str, dag_run_id: str | None = None, task_id: str | None = None, map_index: int = -1
) -> str:
    parts = [
        "dags",
        dag_id,
        *(["runs", dag_run_id] if dag_run_id else []),
        *(["tasks", task_id] if task_id else []),
    ]
    parts += ["mapped", str(map_index)] if task_id and map_index >= 0 else []
    return f"{PAGES}/" + "/".join(quote(part, safe="") for part in parts)


def call_tool(function: Callable[..., Any], airflow: Airflow, **arguments: JSON) -> Any:
    """Call a tool's function, be it ``async def`` or ``def``, with a client; return what it returns."""

    async def call() -> Any:
        return await run_function(function, arguments, airflow)

    return anyio.run(call)
