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
"""One HTTP request to the endpoint in a WSGI server."""

from __future__ import annotations

import asyncio
import functools
import select
import socket
import threading
from collections import deque
from collections.abc import Callable, Coroutine, MutableMapping
from contextlib import suppress
from typing import Any, TypeAlias

from airflow_provider_mcp.endpoint.door import CLIENT_GONE, HTTPRequest, Reply, Respond
from airflow_provider_mcp.endpoint.exchange import stream_headers
from airflow_provider_mcp.endpoint.loops import LoopPool, open_poll, run, step_aside

Environ: TypeAlias = MutableMapping[str, Any]

LOOK_SECONDS = 1.0
"""How often, in seconds, a call looks whether its client is still there; a faster one never does."""


def answer(environ: Environ, respond: Respond, loops: LoopPool, path: str = "") -> Reply:
    """Answer one HTTP request by a function, such as the endpoint's ``serve``.

    A streamed answer goes on while its parts are taken.
    """
    exchange = Exchange(loops.take(), loops.give_back, functools.partial(is_gone, environ))
    request = HTTPRequest(
        method=environ["REQUEST_METHOD"],
        headers=list_headers(environ),
        read_body=functools.partial(_read_body, environ),
        scheme=environ["wsgi.url_scheme"],
        path=path,
        query=environ.get("QUERY_STRING", ""),
        emit=exchange.emit,
    )
    reply = exchange.begin(respond(request))
    if reply is None:
        return Reply(200, headers=stream_headers(request), stream=exchange)
    return reply


def list_headers(environ: Environ) -> list[tuple[str, str]]:
    """Return a request's headers, by lower-case names."""
    headers = [
        (name.removeprefix("HTTP_").replace("_", "-").lower(), value)
        for name, value in environ.items()
        if name.startswith("HTTP_") and isinstance(value, str)
    ]
    return headers + [
        (name.replace("_", "-").lower(), environ[name])
        for name in ("CONTENT_TYPE", "CONTENT_LENGTH")
        if environ.get(name)
    ]


class Exchange:
    """An exchange on an event loop that runs while this thread has nothing else to do.

    The loop stands still between the events of a streamed answer, when the web server sends them.

    :param give_back: Takes the loop when the exchange is over.
    :param is_gone: Says whether the client has closed the connection, which stops the work.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        give_back: Callable[[asyncio.AbstractEventLoop], None],
        is_gone: Callable[[], bool],
    ) -> None:
        self._loop = loop
        self._give_back = give_back
        self._is_gone = is_gone
        self._events: deque[bytes] = deque()
        self._came = asyncio.Event()
        self._work: asyncio.Task[Reply | None]

    async def emit(self, data: bytes) -> None:
        """Take an event for the client."""
        self._events.append(data)
        self._came.set()

    def begin(self, exchange: Coroutine[None, None, Reply | None]) -> Reply | None:
        """Work until there is an answer, or an event: then None is returned, and iterating yields them."""
        self._work = self._loop.create_task(exchange)
        try:
            run(self._loop, self._until_event())
        except BaseException:
            self.close()
            raise
        if self._events:
            return None
        self._give_back(self._loop)
        return Reply(CLIENT_GONE) if self._work.cancelled() else self._work.result()

    def __iter__(self) -> Exchange:
        return self

    def __next__(self) -> bytes:
        while not self._events:
            if self._work.done():
                raise StopIteration
            run(self._loop, self._until_event())
        return self._events.popleft()

    def close(self) -> None:
        """Stop the work, if it is not over: the web server has sent the answer, or lost the client."""
        self._work.cancel()
        with suppress(asyncio.CancelledError):
            run(self._loop, self._work)
        self._give_back(self._loop)

    async def _until_event(self) -> None:
        if self._events:
            return
        self._came.clear()
        came = asyncio.ensure_future(self._came.wait())
        first = functools.partial(
            asyncio.wait, {came, self._work}, timeout=LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED
        )
        while not (await first())[0]:
            if self._is_gone():
                self._work.cancel()
                await asyncio.wait({self._work})
                break
        came.cancel()


def is_gone(environ: Environ) -> bool:
    """Say whether the client has closed its side of the connection, where server and platform tell.

    The end of the connection shows at the socket that gunicorn and Werkzeug put in the WSGI environment, also
    under TLS and behind bytes that are not read yet, where ``recv`` would take them from the server.
    """
    connection = _find_socket(environ)
    if connection is None or not hasattr(select, "POLLRDHUP"):
        return False
    poll = open_poll()
    poll.register(connection, select.POLLRDHUP)
    return bool(poll.poll(0))


async def _read_body(environ: Environ, most: int, seconds: float) -> bytes | None:
    """Read a request's body, or as much of it as shows that it is over ``most`` bytes.

    From the server's own stream: Flask's is limited by ``[webserver] allowed_payload_size``, which is a
    float, and Werkzeug then asks gunicorn for a fraction of a byte.
    """
    length = environ.get("CONTENT_LENGTH") or ""
    expected = min(int(length), most + 1) if length.isascii() and length.isdigit() else None
    if expected is None and not environ.get("wsgi.input_terminated"):
        return b""
    with step_aside():
        return _read_in_time(environ, most + 1 if expected is None else expected, expected, seconds)


def _read_in_time(environ: Environ, size: int, expected: int | None, seconds: float) -> bytes | None:
    """Read so many bytes; a connection that does not bring them in time is closed for reading.

    The server waits for each part of a body without a limit, however small the parts are.
    """
    late = threading.Event()

    def stop_reading() -> None:
        late.set()
        connection = _find_socket(environ)
        if connection is not None:
            # TLS goes on writing: its own `shutdown` would end both ways.
            with suppress(OSError):
                socket.socket.shutdown(connection, socket.SHUT_RD)

    timer = threading.Timer(seconds, stop_reading)
    timer.daemon = True
    timer.start()
    try:
        body: bytes = environ["wsgi.input"].read(size)
    except OSError:
        # What the servers raise of a connection that ended, or that was ended here.
        body = b""
        expected = size
    finally:
        timer.cancel()
    if late.is_set():
        raise TimeoutError
    return None if expected is not None and len(body) < expected else body


def _find_socket(environ: Environ) -> socket.socket | None:
    connection: socket.socket | None = environ.get("gunicorn.socket") or environ.get("werkzeug.socket")
    return connection
