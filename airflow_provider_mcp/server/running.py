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
"""For how long a call runs, and where the code of other packages does.

A call is answered in time whatever its tool does: it may block, hang, or swallow its cancellation. What does
not stop is left to end by itself, and the log names its owner. Code of another package runs in a thread with
an event loop of its own, so that one that blocks stops nobody but its caller.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
import logging
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, Generic, TypeAlias, TypeVar

import anyio
import httpx

from airflow_provider_mcp.sdk.airflow import Airflow
from airflow_provider_mcp.sdk.client import Client
from airflow_provider_mcp.sdk.injection import run_function
from airflow_provider_mcp.sdk.json_types import JSON
from airflow_provider_mcp.server.plugins import BUILT_IN

log = logging.getLogger(__name__)

CALL_SECONDS = 47
"""How long a call may take: a request ends within 55 s, and some are for stopping and for the way out."""

STOP_SECONDS = 1
"""How long code that is stopped has to end by itself."""

Returned = TypeVar("Returned")

Work: TypeAlias = Coroutine[Any, Any, Returned]


class CallIsOver(httpx.TransportError):
    """Code of a tool went on after its call was answered, and reached for Airflow."""


class BrokeOffError(RuntimeError):
    """Code of a plugin raised what would have ended the process, or cancelled itself."""


async def end_in_time(work: Work[Returned], name: str, seconds: float | None = None) -> Returned:
    """Return what ``work`` returns, if it is over in time.

    :param name: What the log calls it.
    :param seconds: How long it may take; None for as long as any call may.
    :raises TimeoutError: It is not. It is stopped; if it does not stop, it is left to end by itself.
    """
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait({task}, timeout=CALL_SECONDS if seconds is None else seconds)
        if not task.done():
            raise TimeoutError
    except (asyncio.CancelledError, TimeoutError):
        task.cancel()
        await _wait_a_little({task}, 2 * STOP_SECONDS)
        _leave(task, name)
        raise
    if task.cancelled():
        raise BrokeOffError(f"{name} was cancelled by its own code")
    return task.result()


async def run_owned(
    owner: str,
    function: Callable[..., object],
    arguments: Mapping[str, JSON],
    airflow: Airflow,
    client: Client | None = None,
) -> Any:
    """Call a function of a plugin, as ``run_function`` does; apart from all others if it is not built in."""
    if owner in BUILT_IN or not _has_threads():
        return await run_function(function, arguments, airflow, client)
    name = f"{getattr(function, '__name__', 'a function')} of the MCP plugin {owner}"
    home = asyncio.get_running_loop()
    thread: ApartThread[Any] = ApartThread(name)
    inner_airflow = airflow.through(lambda transport: HomeTransport(transport, home, thread))
    inner_client = None if client is None else _reach_home(client, home)
    if not inspect.iscoroutinefunction(function):
        function = thread.track(function)
    return await thread.run(lambda: run_function(function, arguments, inner_airflow, inner_client))


async def ask_apart(owner: str, name: str, function: Callable[[], Returned]) -> Returned:
    """Return what a plain function of a plugin returns; one that is not built in stops nobody else.

    A thread alone costs a fifth of one with an event loop, which a plain function does not need.
    """
    if owner in BUILT_IN or not _has_threads():
        return function()
    home = asyncio.get_running_loop()
    answered: asyncio.Future[Returned] = home.create_future()

    def settle(outcome: Callable[[], None]) -> None:
        if not answered.done():
            outcome()

    def ask() -> None:
        try:
            outcome = partial(answered.set_result, function())
        except Exception as fault:
            outcome = partial(answered.set_exception, fault)
        except BaseException as fault:
            outcome = partial(answered.set_exception, BrokeOffError(f"{name} raised {fault!r}"))
        # The loop of a request that is over may be closed.
        with suppress(RuntimeError):
            home.call_soon_threadsafe(settle, outcome)

    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(ask,), name=name, daemon=True).start()
    return await answered


def _has_threads() -> bool:
    """Say whether a thread can have an event loop of its own: gevent makes all threads one."""
    monkey = sys.modules.get("gevent.monkey")
    return monkey is None or not monkey.is_module_patched("threading")


class ApartThread(Generic[Returned]):
    """One run of a coroutine in a thread and an event loop that are its own."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._finished: asyncio.Future[Returned]
        self._work: tuple[asyncio.AbstractEventLoop, asyncio.Task[Returned]] | None = None
        self._starting = threading.Lock()
        self.is_stopped = False
        self._in_function = False

    def track(self, function: Callable[..., Returned]) -> Callable[..., Returned]:
        """Return a plain function that tells when it ends: the event loop does not wait for what it stops."""

        @functools.wraps(function)
        def tracked(*args: Any, **kwargs: Any) -> Returned:
            self._in_function = True
            try:
                return function(*args, **kwargs)
            finally:
                self._in_function = False

        return tracked

    async def run(self, work: Callable[[], Work[Returned]]) -> Returned:
        """Return what the coroutine returns; stop it if this is cancelled."""
        home = asyncio.get_running_loop()
        self._finished = home.create_future()
        context = contextvars.copy_context()
        threading.Thread(
            target=context.run,
            args=(asyncio.run, self._contain(work, home)),
            name=self._name,
            daemon=True,
        ).start()
        try:
            await asyncio.wait({self._finished})
        except asyncio.CancelledError:
            self._stop()
            await _wait_a_little({self._finished}, STOP_SECONDS)
            _leave(self._finished, self._name, goes_on=self._in_function)
            raise
        return self._finished.result()

    def _stop(self) -> None:
        with self._starting:
            self.is_stopped = True
            if self._work is not None:
                loop, task = self._work
                # A loop that is closed has nothing left to stop.
                with suppress(RuntimeError):
                    loop.call_soon_threadsafe(task.cancel)

    async def _contain(self, work: Callable[[], Work[Returned]], home: asyncio.AbstractEventLoop) -> None:
        """Run the coroutine, and hand over whatever comes of it, at once and to the caller alone."""
        with self._starting:
            task = asyncio.ensure_future(self._disarm(work()))
            self._work = asyncio.get_running_loop(), task
            if self.is_stopped:
                task.cancel()
        await asyncio.wait({task})
        # The loop of a request that is over may be closed.
        with suppress(RuntimeError):
            home.call_soon_threadsafe(self._settle, task)

    async def _disarm(self, work: Work[Returned]) -> Returned:
        """Keep what would end an event loop, or a process, from doing so."""
        try:
            return await work
        except (Exception, asyncio.CancelledError, GeneratorExit):
            raise
        except BaseException as fault:
            raise BrokeOffError(f"{self._name} raised {fault!r}") from fault

    def _settle(self, task: asyncio.Task[Returned]) -> None:
        if self._finished.done():
            return
        if task.cancelled():
            self._finished.set_exception(BrokeOffError(f"{self._name} was cancelled by its own code"))
        elif (fault := task.exception()) is not None:
            self._finished.set_exception(fault)
        else:
            self._finished.set_result(task.result())


class HomeTransport(httpx.AsyncBaseTransport):
    """Sends, from another event loop, by a transport that lives on the loop of the request."""

    def __init__(
        self, transport: httpx.AsyncBaseTransport, home: asyncio.AbstractEventLoop, thread: ApartThread[Any]
    ) -> None:
        self._transport = transport
        self._home = home
        self._thread = thread

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self._thread.is_stopped:
            raise CallIsOver("The call was answered before; Airflow is not asked any more.")
        sent = asyncio.run_coroutine_threadsafe(self._send(request), self._home)
        status, headers, content = await asyncio.wrap_future(sent)
        return httpx.Response(status, headers=headers, content=content)

    async def _send(self, request: httpx.Request) -> tuple[int, httpx.Headers, bytes]:
        response = await self._transport.handle_async_request(request)
        return response.status_code, response.headers, await response.aread()


def _reach_home(client: Client, home: asyncio.AbstractEventLoop) -> Client:
    """Return the client for code on another event loop: what it is told goes out by the request's."""
    notify = client.notify
    if notify is None:
        return client

    async def send(method: str, params: Mapping[str, JSON]) -> None:
        sent = asyncio.run_coroutine_threadsafe(_await(notify(method, params)), home)
        await asyncio.wrap_future(sent)

    return replace(client, notify=send)


async def _await(awaitable: Awaitable[None]) -> None:
    await awaitable


async def _wait_a_little(futures: set[asyncio.Future[Any]], seconds: float) -> None:
    """Wait, though this is being cancelled, for what was stopped."""
    with anyio.CancelScope(shield=True):
        await asyncio.wait(futures, timeout=seconds)


def _leave(future: asyncio.Future[Any], name: str, *, goes_on: bool = False) -> None:
    """Let go of what was stopped, and say so if it goes on."""
    if goes_on or not future.done():
        log.error("%s does not stop; its call was answered, and it is left to end by itself", name)
    future.add_done_callback(lambda done: done.cancelled() or done.exception())
