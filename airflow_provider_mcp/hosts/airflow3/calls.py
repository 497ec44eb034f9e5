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
"""Airflow 3 as tools reach it: calls into the api-server's own app, and the addresses of its pages."""

from __future__ import annotations

import asyncio
import copy
import inspect
import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from weakref import WeakValueDictionary

import anyio
import anyio.to_thread
import httpx
from sqlalchemy.exc import SQLAlchemyError

from airflow_provider_mcp.hosts.airflow3.turns import NESTED_CALLS, Turns, UserTurns
from airflow_provider_mcp.hosts.database import UNAVAILABLE, is_database_fault
from airflow_provider_mcp.hosts.queries import Queries
from airflow_provider_mcp.sdk.airflow import INNER_HOST

log = logging.getLogger(__name__)

STREAMED = "application/x-ndjson"
"""What a caller accepts to read an answer line by line; in Airflow's API, logs are sent so."""

DONE_OUTSIDE = frozenset(
    {
        "airflow_provider_mcp.hosts.airflow3.mount.Elsewhere",
        "airflow.api_fastapi.auth.middlewares.refresh_token.JWTRefreshMiddleware",
        "airflow.api_fastapi.common.http_access_log.HttpAccessLogMiddleware",
        "starlette.middleware.gzip.GZipMiddleware",
    }
)
"""What is done for the request that is being served, and not again for each call within it."""


class InnerApp:
    """Airflow's app as the calls within a request need it: the same routes and state, fewer middlewares.

    Middlewares that this does not know stay: they may forbid something.

    :param app: Airflow's app, which is left as it is.
    """

    def __init__(self, app: Any) -> None:
        self.root = getattr(app, "root_path", "").rstrip("/")
        self.base_url = httpx.URL(f"http://{INNER_HOST}{self.root}/api/v2/")
        self.limit = anyio.Semaphore(NESTED_CALLS, fast_acquire=True)
        self._user_turns: WeakValueDictionary[str, UserTurns] = WeakValueDictionary()
        self._whole = app
        self.app = copy.copy(app)
        self.app.user_middleware = [each for each in app.user_middleware if _name(each) not in DONE_OUTSIDE]
        self.app.middleware_stack = None
        airflows = app.exception_handlers.get(SQLAlchemyError)
        if airflows is not None:
            handler = partial(_answer_database_error, airflows)
            self.app.exception_handlers = {**app.exception_handlers, SQLAlchemyError: handler}
        # A middleware that stays may look for, or add, the header.
        self._vouched = None if self.app.user_middleware else _trusted_state()

    def write_document(self) -> None:
        """Let the app write its OpenAPI document, which it keeps."""
        write = getattr(self._whole, "openapi", None)
        if write is not None:
            write()

    def open_transport(
        self, user: Any, authorize: Callable[[], str], queries: Queries | None = None
    ) -> Transport:
        """Return a transport for calls as one user.

        :param user: Whom Airflow's auth manager has found to send the request that is served.
        :param authorize: Returns an ``Authorization`` header of this user, for an Airflow that asks for one.
        :param queries: Takes note of what the calls have the database do.
        """
        turns = self._turns(str(user.get_id() if hasattr(user, "get_id") else user))
        queries = queries or Queries()
        if self._vouched is None:
            return Transport(self, turns, queries, {"authorization": authorize()}, {})
        return Transport(self, turns, queries, {}, {"user": user, **self._vouched})

    def _turns(self, user_id: str) -> Turns:
        turns = self._user_turns.get(user_id)
        if turns is None:
            turns = self._user_turns[user_id] = UserTurns()
        return Turns(turns, self.limit)


async def _answer_database_error(airflows: Any, request: Any, failure: Exception) -> Any:
    """Leave a database that cannot be used to the transport; Airflow's handler makes one fault of all."""
    if is_database_fault(failure):
        raise failure
    answer = airflows(request, failure)
    return await answer if inspect.isawaitable(answer) else answer


def _name(middleware: Any) -> str:
    # A plugin may give a factory, or a partial, in place of a class.
    cls = middleware.cls
    return f"{getattr(cls, '__module__', '')}.{getattr(cls, '__qualname__', '')}"


def _trusted_state() -> dict[str, Any] | None:
    """Return what Airflow asks of a request's state to believe in its user; None before Airflow 3.3.

    A token is decoded, and looked for among the revoked ones in the database, at the door; with this it is
    not done again for each call. Airflow has no public name for it.
    """
    try:
        from airflow.api_fastapi.core_api.security import USER_INJECTED_BY_TRUSTED_MIDDLEWARE
    except ImportError:
        return None
    return {"user_authenticated_via": USER_INJECTED_BY_TRUSTED_MIDDLEWARE}


class Transport(httpx.AsyncBaseTransport):
    """Sends the calls of one user.

    :param headers: What each call carries.
    :param state: What the state of each call holds from its start.
    """

    def __init__(
        self,
        inner: InnerApp,
        turns: Turns,
        queries: Queries,
        headers: Mapping[str, str],
        state: Mapping[str, Any],
    ) -> None:
        self._inner = inner
        self._turns = turns
        self._queries = queries
        self._headers = headers
        self._state = state
        self._asgi = httpx.ASGITransport(self._call, raise_app_exceptions=False)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        root = self._inner.root
        if request.url.path == f"{root}/api/v2/openapi.json":
            # The one document outside the API's root that tools read.
            request.url = request.url.copy_with(path=f"{root}/openapi.json")
            # The app writes it when it is first asked for, which takes seconds: others are served meanwhile.
            await anyio.to_thread.run_sync(self._inner.write_document)
        request.headers.update(self._headers)
        if request.headers.get("accept") == STREAMED:
            return await _open_stream(self._call, request, self._turns)
        await self._turns.acquire()
        # Were a route cancelled, Airflow would close its session here, and the event loop would wait for the
        # statement that the route's thread waits for: it ends by itself, and its statement is broken off.
        answering = asyncio.ensure_future(self._answer(request))
        answering.add_done_callback(lambda done: done.cancelled() or done.exception())
        await asyncio.wait([answering])
        return answering.result()

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        try:
            return await self._asgi.handle_async_request(request)
        finally:
            self._turns.release()

    async def _call(self, scope: Any, receive: Any, send: Any) -> None:
        scope["state"] = dict(self._state)
        answer = _Answer(send)
        try:
            with self._queries.watching(scope["method"]):
                await self._inner.app(scope, receive, answer.send)
        except Exception as failure:
            # The transport answers with 500 and would keep the cause to itself.
            route = getattr(scope.get("route"), "path", "/api/v2")
            log.exception("Airflow failed to answer %s %s for an MCP tool", scope["method"], route)
            if is_database_fault(failure) and await answer.replace_failure():
                return
            await answer.release_failure()
            raise
        await answer.release_failure()


class _Answer:
    """What the app answers; a 500 is held back, since what has failed is known only afterwards."""

    def __init__(self, send: Any) -> None:
        self._send = send
        self._started = False
        self._failure: list[Any] = []

    async def send(self, message: Any) -> None:
        if self._failure or (message["type"] == "http.response.start" and message["status"] == 500):
            self._failure.append(message)
            return
        self._started = True
        await self._send(message)

    async def replace_failure(self) -> bool:
        """Say that the database cannot be used now; return False if another answer has begun."""
        if self._started:
            return False
        self._failure.clear()
        headers = [(b"content-type", b"application/json")]
        await self._send({"type": "http.response.start", "status": 503, "headers": headers})
        await self._send({"type": "http.response.body", "body": UNAVAILABLE})
        return True

    async def release_failure(self) -> None:
        """Send what was held back."""
        for message in self._failure:
            await self._send(message)


async def _open_stream(app: Any, request: httpx.Request, turns: Turns) -> httpx.Response:
    """Send a request whose answer is read while the app still makes it, and is never held as a whole.

    The app waits until what it has sent is taken, so that a long log needs no more memory than a short one.
    """
    loop = asyncio.get_running_loop()
    started: asyncio.Future[tuple[int, list[tuple[bytes, bytes]]]] = loop.create_future()
    give, take = anyio.create_memory_object_stream[bytes](0)

    async def hand_over(scope: Any, receive: Any, send: Any) -> None:
        async def tell(message: Any) -> None:
            if message["type"] == "http.response.start":
                started.set_result((message["status"], message["headers"]))
            elif message["type"] == "http.response.body":
                if message.get("body"):
                    await give.send(message["body"])
                message = {**message, "body": b""}
            await send(message)

        await app(scope, receive, tell)

    async def run() -> None:
        async with turns, give:
            await httpx.ASGITransport(hand_over).handle_async_request(request)

    class Body(httpx.AsyncByteStream):
        async def __aiter__(self) -> Any:
            async for chunk in take:
                yield chunk
            try:
                await running
            except Exception as failure:
                raise httpx.ReadError("Airflow broke off its answer.", request=request) from failure

        async def aclose(self) -> None:
            take.close()
            running.cancel()
            await asyncio.wait([running])
            # An app that breaks off once nobody reads has told so to its log.
            _ = running.cancelled() or running.exception()

    running: asyncio.Future[None] = asyncio.ensure_future(run())
    either: list[asyncio.Future[Any]] = [started, running]
    try:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    except asyncio.CancelledError:
        running.cancel()
        raise
    if not started.done():
        take.close()
        raise httpx.ReadError("Airflow gave no answer.", request=request) from running.exception()
    status, headers = started.result()
    return httpx.Response(status, headers=headers, stream=Body())
