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
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_mcp.endpoint.door import Reply


LOOK_SECONDS = 1.0
"""How often, in seconds, a call looks whether its client is still there; a faster one never does."""

CLIENT_GONE = 499
"""The status, known from nginx, that the access log shows of a call whose client went away."""


class _Exchange:
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

    def begin(self, exchange: Coroutine[Any, Any, Reply | None]) -> Reply | None:
        """Work until there is an answer, or an event: then None is returned, and iterating yields them."""
        self._work = self._loop.create_task(exchange)
        try:
            self._loop.run_until_complete(self._until_event())
        except BaseException:
            self.close()
            raise
        if self._events:
            return None
        self._give_back(self._loop)
        if self._work.cancelled():
            from airflow_provider_mcp.endpoint.door import Reply

            return Reply(CLIENT_GONE)
        return self._work.result()

    def __iter__(self) -> _Exchange:
        return self

    def __next__(self) -> bytes:
        while not self._events:
            if self._work.done():
                raise StopIteration
            self._loop.run_until_complete(self._until_event())
        return self._events.popleft()

    def close(self) -> None:
        """Stop the work, if it is not over: the web server has sent the answer, or lost the client."""
        self._work.cancel()
        with suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._work)
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


def _is_gone(environ: Mapping[str, Any]) -> bool:
    """Say whether the client has closed its side of the connection, where server and platform tell.

    The end of the connection shows at the socket that gunicorn and Werkzeug put in the WSGI environment, also
    under TLS and behind bytes that are not read yet, where ``recv`` would take them from the server.
    """
    connection = environ.get("gunicorn.socket") or environ.get("werkzeug.socket")
    if connection is None or not hasattr(select, "POLLRDHUP"):
        return False
    poll = select.poll()
    poll.register(connection, select.POLLRDHUP)
    return bool(poll.poll(0))


def _read_body(environ: Mapping[str, Any], length: int | None, most: int) -> bytes:
    """Read at most ``most`` bytes of the request's body.

    From the server's own stream: Flask's is limited by ``[webserver] allowed_payload_size``, which is a
    float, and Werkzeug then asks gunicorn for a fraction of a byte.
    """
    if length is None and not environ.get("wsgi.input_terminated"):
        return b""
    body: bytes = environ["wsgi.input"].read(most if length is None else min(length, most))
    return body
